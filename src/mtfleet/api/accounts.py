"""Trading accounts (contract section 7)."""

from typing import Annotated, Any

from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from mtfleet.api.access import Allows
from mtfleet.api.parameters import (
    ApiVersion,
    ForAllReplicas,
    Limit,
    Offset,
    TheCaller,
    TheServices,
    TransactionId,
    checked_transaction_id,
    choices,
    wants_count,
)
from mtfleet.api.responses import JsonResponse, errors, in_progress, result
from mtfleet.domain.access import MANAGEMENT, visible_accounts
from mtfleet.domain.accounts import Account, AccountFilter, AccountType
from mtfleet.domain.deployment import DEPLOYMENT_STATUSES, AccountState, ConnectionStatus
from mtfleet.domain.ids import AccountId, ProfileId
from mtfleet.domain.values import Value
from mtfleet.wire.replies import ConfigurationLink, Created
from mtfleet.wire.requests import AccountUpdate, CopyFactory, Features, NewAccount

GROUP = "account-management"
ACCOUNT_TYPES = {
    "cloud": AccountType.CLOUD_G2,
    "cloud-g1": AccountType.CLOUD_G1,
    "cloud-g2": AccountType.CLOUD_G2,
}
VERSIONS = {"4": 4, "5": 5}

Words = list[str] | None


class AccountsList(Value, frozen=True, kw_only=True):
    """What api-version 2 answers: `count` is how many match in all."""

    count: int
    items: list[Account]


@get("/", guards=[Allows(GROUP, "getAccounts")], responses=errors())
async def list_accounts(
    services: TheServices,
    caller: TheCaller,
    offset: Offset = 0,
    limit: Limit = 1000,
    text: Annotated[
        str | None, QueryParameter(name="query", description="Part of id, name, server or login")
    ] = None,
    profile_id: Annotated[str | None, QueryParameter(name="provisioningProfileId")] = None,
    version: Annotated[Words, QueryParameter(description="4, 5")] = None,
    type_: Annotated[Words, QueryParameter(name="type", description="cloud, cloud-g1, cloud-g2")] = None,
    deployment_status: Annotated[
        Words, QueryParameter(name="deploymentStatus", description="deployed, undeployed, failed")
    ] = None,
    state_: Annotated[Words, QueryParameter(name="state", description="States of an account")] = None,
    connection_status: Annotated[Words, QueryParameter(name="connectionStatus")] = None,
    api_version: ApiVersion = None,
) -> Response[list[Account] | AccountsList]:
    """List accounts, oldest first. Filters combine with AND, the values of one filter with OR."""
    with_count = wants_count(api_version)
    states = choices("state", state_, lambda word: (AccountState(word),))
    deployed = choices("deploymentStatus", deployment_status, DEPLOYMENT_STATUSES.__getitem__)
    criteria = AccountFilter(
        offset=offset,
        limit=limit,
        query=text or None,
        provisioning_profile_id=ProfileId(profile_id) if profile_id else None,
        versions=choices("version", version, lambda word: (VERSIONS[word],)),
        types=choices("type", type_, lambda word: (ACCOUNT_TYPES[word],)),
        states=states & deployed if states is not None and deployed is not None else states or deployed,
        connection_statuses=choices(
            "connectionStatus", connection_status, lambda word: (ConnectionStatus(word),)
        ),
        ids=visible_accounts(caller, MANAGEMENT),
    )
    page = await services.accounts.list_encoded(caller, criteria, with_count=with_count)
    body = b'{"count":%d,"items":%b}' % (page.count or 0, page.items) if with_count else page.items
    answer: Response[Any] = JsonResponse(body)
    return answer


@get("/{account_id:str}", guards=[Allows(GROUP, "getAccount")], responses=errors(404))
async def get_account(services: TheServices, caller: TheCaller, account_id: FromPath[AccountId]) -> Account:
    """Return an account with its replicas, its state and how each hop to the broker stands."""
    return await services.accounts.get(caller, account_id)


@post(
    "/",
    guards=[Allows(GROUP, "createAccount", is_writing=True)],
    responses={**errors(404), **in_progress()},
)
async def create_account(
    services: TheServices, caller: TheCaller, data: JSONBody[NewAccount], transaction_id: TransactionId = None
) -> Response[Created]:
    """Add an account: detect the broker's settings, check the credentials, start it.

    Without login and password it becomes a draft.
    """
    outcome = await services.accounts.create(caller, data, checked_transaction_id(transaction_id))
    return result(outcome, services.clock)


@put(
    "/{account_id:str}",
    status_code=204,
    guards=[Allows(GROUP, "updateAccount", is_writing=True)],
    responses=errors(404, 409),
)
async def update_account(
    services: TheServices, caller: TheCaller, account_id: FromPath[AccountId], data: JSONBody[AccountUpdate]
) -> None:
    """Change any subset of an account's settings. Connection settings take effect with the next redeploy."""
    await services.accounts.update(caller, account_id, data)


@delete(
    "/{account_id:str}",
    guards=[Allows(GROUP, "deleteAccount", is_writing=True)],
    responses=errors(404, 409),
)
async def delete_account(
    services: TheServices,
    caller: TheCaller,
    account_id: FromPath[AccountId],
    for_all_replicas: ForAllReplicas = False,
) -> None:
    """Stop and delete an account; it answers 404 once it is gone."""
    await services.accounts.remove(caller, account_id, for_all_replicas=for_all_replicas)


@post(
    "/{account_id:str}/deploy",
    status_code=204,
    guards=[Allows(GROUP, "deployAccount", is_writing=True)],
    responses=errors(404, 409),
)
async def deploy_account(
    services: TheServices,
    caller: TheCaller,
    account_id: FromPath[AccountId],
    for_all_replicas: ForAllReplicas = True,
) -> None:
    """Ask for a running account. Watch `state` to see it happen."""
    await services.accounts.deploy(caller, account_id, for_all_replicas=for_all_replicas)


@post(
    "/{account_id:str}/undeploy",
    status_code=204,
    guards=[Allows(GROUP, "undeployAccount", is_writing=True)],
    responses=errors(404, 409),
)
async def undeploy_account(
    services: TheServices,
    caller: TheCaller,
    account_id: FromPath[AccountId],
    for_all_replicas: ForAllReplicas = True,
) -> None:
    """Ask for a stopped account."""
    await services.accounts.undeploy(caller, account_id, for_all_replicas=for_all_replicas)


@post(
    "/{account_id:str}/redeploy",
    status_code=204,
    guards=[Allows(GROUP, "redeployAccount", is_writing=True)],
    responses=errors(404, 409),
)
async def redeploy_account(
    services: TheServices,
    caller: TheCaller,
    account_id: FromPath[AccountId],
    for_all_replicas: ForAllReplicas = True,
) -> None:
    """Ask for a fresh start with the settings as they are now."""
    await services.accounts.redeploy(caller, account_id, for_all_replicas=for_all_replicas)


@put(
    "/{account_id:str}/configuration-link",
    guards=[Allows(GROUP, "createConfigurationLink", is_writing=True)],
    responses=errors(404),
)
async def create_configuration_link(
    services: TheServices,
    caller: TheCaller,
    account_id: FromPath[AccountId],
    ttl_in_days: Annotated[
        float,
        QueryParameter(name="ttlInDays", description="More than 0, at most 365; a fraction is fine"),
    ] = 7,
) -> ConfigurationLink:
    """Make a link under which an end user enters the account's credentials, unseen by the caller."""
    return await services.links.create(caller, account_id, ttl_in_days)


@post(
    "/{account_id:str}/enable-account-features",
    status_code=204,
    guards=[Allows(GROUP, "enableAccountFeatures", is_writing=True)],
    responses=errors(404, 409),
)
async def enable_account_features(
    services: TheServices,
    caller: TheCaller,
    account_id: FromPath[AccountId],
    data: JSONBody[Features | None] = None,
) -> None:
    """Switch features on; `false` switches nothing off."""
    await services.accounts.enable_features(caller, account_id, data or Features())


@post(
    "/{account_id:str}/enable-copy-factory-api",
    status_code=204,
    guards=[Allows(GROUP, "enableCopyFactoryApi", is_writing=True)],
    responses=errors(404, 409),
)
async def enable_copy_factory(
    services: TheServices, caller: TheCaller, account_id: FromPath[AccountId], data: JSONBody[CopyFactory]
) -> None:
    """Set the account's roles and slots for copy trading."""
    await services.accounts.enable_copy_factory(caller, account_id, data)


@post(
    "/{account_id:str}/increase-reliability",
    status_code=204,
    guards=[Allows(GROUP, "increaseReliability", is_writing=True)],
    responses=errors(404, 409),
)
async def increase_reliability(
    services: TheServices, caller: TheCaller, account_id: FromPath[AccountId]
) -> None:
    """Set `reliability` to `high`."""
    await services.accounts.increase_reliability(caller, account_id)


@post(
    "/{account_id:str}/enable-risk-management-api",
    status_code=204,
    guards=[Allows(GROUP, "enableRiskManagementApi", is_writing=True)],
    responses=errors(404, 409),
)
async def enable_risk_management(
    services: TheServices, caller: TheCaller, account_id: FromPath[AccountId]
) -> None:
    """Switch the risk management feature on."""
    await services.accounts.enable_risk_management(caller, account_id)


@post(
    "/{account_id:str}/enable-metastats-api",
    status_code=204,
    guards=[Allows(GROUP, "enableMetastatsApi", is_writing=True)],
    responses=errors(404, 409),
)
async def enable_metastats(services: TheServices, caller: TheCaller, account_id: FromPath[AccountId]) -> None:
    """Switch the statistics feature on."""
    await services.accounts.enable_metastats(caller, account_id)


ROUTER = Router(
    "/users/current/accounts",
    tags=["Accounts"],
    route_handlers=[
        list_accounts,
        get_account,
        create_account,
        update_account,
        delete_account,
        deploy_account,
        undeploy_account,
        redeploy_account,
        create_configuration_link,
        enable_account_features,
        enable_copy_factory,
        increase_reliability,
        enable_risk_management,
        enable_metastats,
    ],
)
