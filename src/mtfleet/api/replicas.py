"""Copies of accounts in other regions (contract section 8)."""

from typing import Any

from litestar import Response, Router, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from mtfleet.api.access import Allows
from mtfleet.api.parameters import TheCaller, TheServices, TransactionId, checked_transaction_id
from mtfleet.api.responses import errors, in_progress, result
from mtfleet.domain.ids import AccountId
from mtfleet.wire.replies import Created
from mtfleet.wire.requests import AccountUpdate, NewReplica


def _writes(method: str) -> Allows:
    return Allows("replica-management", method, is_writing=True)


@get("/", guards=[Allows("replica-management", "getAccountReplicas")], responses=errors(404))
async def list_replicas(
    services: TheServices, caller: TheCaller, account_id: FromPath[AccountId]
) -> list[dict[str, Any]]:
    """List an account's replicas, each with its primary account."""
    found: Any = await services.replicas.list(caller, account_id)
    return list(found)


@get(
    "/{replica_id:str}",
    guards=[Allows("replica-management", "getAccountReplica")],
    responses=errors(404),
)
async def get_replica(
    services: TheServices, caller: TheCaller, account_id: FromPath[AccountId], replica_id: FromPath[AccountId]
) -> dict[str, Any]:
    """Return a replica with its primary account."""
    found: dict[str, Any] = await services.replicas.get(caller, account_id, replica_id)
    return found


@post("/", guards=[_writes("createAccountReplica")], responses={**errors(404, 409), **in_progress()})
async def create_replica(
    services: TheServices,
    caller: TheCaller,
    account_id: FromPath[AccountId],
    data: JSONBody[NewReplica],
    transaction_id: TransactionId = None,
) -> Response[Created]:
    """Add a copy of the account in another region and start it."""
    outcome = await services.replicas.create(caller, account_id, data, checked_transaction_id(transaction_id))
    return result(outcome, services.clock)


@put(
    "/{replica_id:str}",
    status_code=204,
    guards=[_writes("updateAccountReplica")],
    responses=errors(404, 409),
)
async def update_replica(
    services: TheServices,
    caller: TheCaller,
    account_id: FromPath[AccountId],
    replica_id: FromPath[AccountId],
    data: JSONBody[AccountUpdate],
) -> None:
    """Change a replica's own settings; login, password and server are its primary's."""
    await services.replicas.update(caller, account_id, replica_id, data)


@delete("/{replica_id:str}", guards=[_writes("deleteAccountReplica")], responses=errors(404, 409))
async def delete_replica(
    services: TheServices, caller: TheCaller, account_id: FromPath[AccountId], replica_id: FromPath[AccountId]
) -> None:
    """Stop and delete a replica."""
    await services.replicas.remove(caller, account_id, replica_id)


@post(
    "/{replica_id:str}/deploy",
    status_code=204,
    guards=[_writes("deployAccountReplica")],
    responses=errors(404, 409),
)
async def deploy_replica(
    services: TheServices, caller: TheCaller, account_id: FromPath[AccountId], replica_id: FromPath[AccountId]
) -> None:
    """Ask for a running replica."""
    await services.replicas.deploy(caller, account_id, replica_id)


@post(
    "/{replica_id:str}/undeploy",
    status_code=204,
    guards=[_writes("undeployAccountReplica")],
    responses=errors(404, 409),
)
async def undeploy_replica(
    services: TheServices, caller: TheCaller, account_id: FromPath[AccountId], replica_id: FromPath[AccountId]
) -> None:
    """Ask for a stopped replica."""
    await services.replicas.undeploy(caller, account_id, replica_id)


@post(
    "/{replica_id:str}/redeploy",
    status_code=204,
    guards=[_writes("redeployAccountReplica")],
    responses=errors(404, 409),
)
async def redeploy_replica(
    services: TheServices, caller: TheCaller, account_id: FromPath[AccountId], replica_id: FromPath[AccountId]
) -> None:
    """Ask for a fresh start of a replica with the settings as they are now."""
    await services.replicas.redeploy(caller, account_id, replica_id)


@post(
    "/{replica_id:str}/increase-reliability",
    status_code=204,
    guards=[_writes("increaseReplicaReliability")],
    responses=errors(404, 409),
)
async def increase_replica_reliability(
    services: TheServices, caller: TheCaller, account_id: FromPath[AccountId], replica_id: FromPath[AccountId]
) -> None:
    """Set a replica's `reliability` to `high`."""
    await services.replicas.increase_reliability(caller, account_id, replica_id)


HANDLERS: list[HTTPRouteHandler] = [
    list_replicas,
    get_replica,
    create_replica,
    update_replica,
    delete_replica,
    deploy_replica,
    undeploy_replica,
    redeploy_replica,
    increase_replica_reliability,
]
ROUTER = Router(
    "/users/current/accounts/{account_id:str}/replicas", tags=["Replicas"], route_handlers=HANDLERS
)
