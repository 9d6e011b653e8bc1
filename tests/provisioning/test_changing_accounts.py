"""Updating, deploying, switching features on, removing: for accounts and their replicas."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from mtfleet.domain.accounts import BrokerSettings, Reliability
from mtfleet.domain.deployment import AccountState, Deployment, Desired
from mtfleet.domain.errors import ConflictError, NotFoundError, ValidationError
from mtfleet.domain.ids import AccountId
from mtfleet.testing.provisioning import (
    ANNA,
    BERT,
    PASSWORD,
    Provisioning,
    new_account,
    new_replica,
    open_provisioning,
    update,
)
from mtfleet.wire.json import convert
from mtfleet.wire.replies import Created
from mtfleet.wire.requests import CopyFactory, Features


@pytest.fixture
async def world() -> AsyncIterator[Provisioning]:
    async with open_provisioning() as opened:
        yield opened


@pytest.fixture
async def account_id(world: Provisioning) -> AccountId:
    made = await world.accounts.create(ANNA, new_account(), "t1")
    assert isinstance(made, Created)
    world.fleet.woken.clear()
    return made.id


@pytest.fixture
async def draft_id(world: Provisioning) -> AccountId:
    made = await world.accounts.create(ANNA, new_account(login=None, password=None), "t-draft")
    assert isinstance(made, Created)
    world.fleet.woken.clear()
    return made.id


async def replica_of(world: Provisioning, account_id: AccountId) -> AccountId:
    made = await world.replicas.create(ANNA, account_id, new_replica(), "r1")
    assert isinstance(made, Created)
    world.fleet.woken.clear()
    return made.id


async def deployment(world: Provisioning, account_id: AccountId) -> Deployment:
    async with world.store.reader() as tx:
        found = await tx.deployments.get(account_id)
    assert found is not None
    return found


async def put(world: Provisioning, value: Deployment) -> None:
    async with world.store.transaction() as tx:
        await tx.deployments.put_many([value])


async def rejected(world: Provisioning, account_id: AccountId) -> None:
    """Leave the account as the fleet does after a definite no of the broker."""
    present = await deployment(world, account_id)
    await put(world, replace(present, state=AccountState.DEPLOY_FAILED, is_rejected=True))


async def test_an_update_changes_what_is_given_and_null_clears(
    world: Provisioning, account_id: AccountId
) -> None:
    await world.accounts.update(
        ANNA, account_id, update(name="New", slippage=3, metadata={"a": 1}, tags=["x"])
    )
    account = await world.accounts.get(ANNA, account_id)
    assert (account.name, account.slippage, account.metadata, account.tags) == ("New", 3, {"a": 1}, ["x"])
    assert account.magic == 123456
    await world.accounts.update(
        ANNA,
        account_id,
        update(slippage=None, metadata=None, tags=None, quoteStreamingIntervalInSeconds=None),
    )
    account = await world.accounts.get(ANNA, account_id)
    assert (account.slippage, account.metadata, account.tags) == (None, None, [])
    assert account.quote_streaming_interval_in_seconds == 2.5


async def test_the_hash_follows_the_configuration_and_nothing_else(
    world: Provisioning, account_id: AccountId
) -> None:
    before = (await world.accounts.get(ANNA, account_id)).hash
    await world.accounts.update(ANNA, account_id, update(name="Other", tags=["x"]))
    assert (await world.accounts.get(ANNA, account_id)).hash == before
    await world.accounts.update(ANNA, account_id, update(magic=7))
    assert (await world.accounts.get(ANNA, account_id)).hash != before
    await world.accounts.update(ANNA, account_id, update(magic=123456))
    assert (await world.accounts.get(ANNA, account_id)).hash == before


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"manualTrades": True}, "magic"),
        ({"name": None}, "name"),
        ({"password": None}, "password"),
        ({"login": "x"}, "login"),
        ({"resourceSlots": 0}, "resourceSlots"),
    ],
)
async def test_a_wrong_update_is_refused_by_field(
    world: Provisioning, account_id: AccountId, change: dict[str, object], parameter: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        await world.accounts.update(ANNA, account_id, update(**change))
    assert [problem.parameter for problem in caught.value.details] == [parameter]


async def test_new_credentials_of_a_running_account_wait_for_a_redeploy(
    world: Provisioning, account_id: AccountId
) -> None:
    before = await deployment(world, account_id)
    await world.accounts.update(ANNA, account_id, update(password="Another-1", login="1002"))
    assert await deployment(world, account_id) == before
    assert await world.password_of(account_id) == "Another-1"
    await world.accounts.redeploy(ANNA, account_id, for_all_replicas=True)
    after = await deployment(world, account_id)
    assert (after.is_redeploy, after.revision) == (True, before.revision + 1)
    assert account_id in world.fleet.woken


async def test_refused_credentials_must_change_before_another_deploy(
    world: Provisioning, account_id: AccountId
) -> None:
    await rejected(world, account_id)
    with pytest.raises(ValidationError) as caught:
        await world.accounts.deploy(ANNA, account_id, for_all_replicas=True)
    assert caught.value.details == "E_AUTH"
    await world.accounts.update(ANNA, account_id, update(name="Only the name"))
    with pytest.raises(ValidationError):
        await world.accounts.redeploy(ANNA, account_id, for_all_replicas=True)
    await world.accounts.update(ANNA, account_id, update(password="Better-1"))
    await world.accounts.deploy(ANNA, account_id, for_all_replicas=True)
    assert (await deployment(world, account_id)).state is AccountState.DEPLOYING


async def test_a_new_server_has_its_settings_detected(world: Provisioning, account_id: AccountId) -> None:
    await world.accounts.update(ANNA, account_id, update(server="test-us"))
    assert (await world.accounts.get(ANNA, account_id)).server == "Test-US"
    assert await world.broker_of(account_id) == BrokerSettings(
        broker_timezone="EET", broker_dst_switch_timezone="America/New_York"
    )
    with pytest.raises(ValidationError) as caught:
        await world.accounts.update(ANNA, account_id, update(server="Nowhere", name="Lost"))
    assert caught.value.details == "E_SRV_NOT_FOUND"
    assert (await world.accounts.get(ANNA, account_id)).name == "Trading account #1"
    assert world.brokers.running == 0


async def test_a_draft_that_gets_credentials_is_tried_and_deployed(
    world: Provisioning, draft_id: AccountId
) -> None:
    for half in (update(login="1001"), update(password=PASSWORD)):
        with pytest.raises(ValidationError, match="together"):
            await world.accounts.update(ANNA, draft_id, half)
    with pytest.raises(ValidationError) as caught:
        await world.accounts.update(ANNA, draft_id, update(login="1001", password="wrong"))
    assert caught.value.details == "E_AUTH"
    assert (await world.accounts.get(ANNA, draft_id)).state is AccountState.DRAFT
    await world.accounts.update(ANNA, draft_id, update(login="1001", password=PASSWORD))
    present = await deployment(world, draft_id)
    assert (present.desired, present.state) == (Desired.DEPLOYED, AccountState.DEPLOYING)
    assert await world.password_of(draft_id) == PASSWORD
    assert await world.broker_of(draft_id) is not None


async def test_deploy_and_undeploy_of_what_is_so_already_change_nothing(
    world: Provisioning, account_id: AccountId
) -> None:
    before = await deployment(world, account_id)
    await world.accounts.deploy(ANNA, account_id, for_all_replicas=True)
    assert await deployment(world, account_id) == before
    assert world.fleet.woken == []
    await world.accounts.undeploy(ANNA, account_id, for_all_replicas=True)
    await world.accounts.undeploy(ANNA, account_id, for_all_replicas=True)
    assert world.fleet.woken == [account_id]
    assert (await world.actions()).count("account.undeployed") == 1


async def test_features_are_switched_on_and_the_running_account_restarts_once(
    world: Provisioning, account_id: AccountId
) -> None:
    body = convert(
        {
            "copyFactoryApi": {"copyFactoryRoles": ["PROVIDER"], "copyFactoryResourceSlots": 2},
            "metastatsApiEnabled": True,
            "riskManagementApiEnabled": False,
            "allocateDedicatedIp": "ipv4",
        },
        Features,
    )
    revision = (await deployment(world, account_id)).revision
    await world.accounts.enable_features(ANNA, account_id, body)
    await world.accounts.enable_features(ANNA, account_id, body)
    account = await world.accounts.get(ANNA, account_id)
    assert account.copy_factory_roles == ["PROVIDER"]
    assert (account.copy_factory_resource_slots, account.allocate_dedicated_ip) == (2, "ipv4")
    assert (account.metastats_api_enabled, account.risk_management_api_enabled) == (True, False)
    assert (await deployment(world, account_id)).revision == revision + 1
    await world.accounts.enable_risk_management(ANNA, account_id)
    assert (await world.accounts.get(ANNA, account_id)).risk_management_api_enabled


async def test_features_of_a_stopped_account_leave_it_stopped(
    world: Provisioning, account_id: AccountId
) -> None:
    await world.accounts.undeploy(ANNA, account_id, for_all_replicas=True)
    await world.accounts.enable_metastats(ANNA, account_id)
    assert (await deployment(world, account_id)).desired is Desired.UNDEPLOYED


async def test_copy_factory_needs_roles_and_slots(world: Provisioning, account_id: AccountId) -> None:
    with pytest.raises(ValidationError) as caught:
        await world.accounts.enable_copy_factory(ANNA, account_id, CopyFactory())
    assert {problem.parameter for problem in caught.value.details} == {
        "copyFactoryRoles",
        "copyFactoryResourceSlots",
    }


async def test_removal_is_desired_first_and_bars_every_change(
    world: Provisioning, account_id: AccountId
) -> None:
    await world.accounts.remove(ANNA, account_id, for_all_replicas=False)
    await world.accounts.remove(ANNA, account_id, for_all_replicas=False)
    assert (await deployment(world, account_id)).desired is Desired.DELETED
    for refused in (
        world.accounts.deploy(ANNA, account_id, for_all_replicas=True),
        world.accounts.undeploy(ANNA, account_id, for_all_replicas=True),
        world.accounts.update(ANNA, account_id, update(name="x")),
        world.accounts.enable_metastats(ANNA, account_id),
        world.links.create(ANNA, account_id, 7),
    ):
        with pytest.raises(ConflictError):
            await refused


async def test_an_account_with_replicas_is_removed_with_them_or_not_at_all(
    world: Provisioning, account_id: AccountId
) -> None:
    replica_id = await replica_of(world, account_id)
    with pytest.raises(ValidationError) as caught:
        await world.accounts.remove(ANNA, account_id, for_all_replicas=False)
    assert caught.value.details[0].parameter == "executeForAllReplicas"
    await world.accounts.remove(ANNA, account_id, for_all_replicas=True)
    assert world.fleet.woken == [account_id, replica_id]
    assert (await deployment(world, replica_id)).desired is Desired.DELETED


async def test_a_foreign_account_does_not_exist(world: Provisioning, account_id: AccountId) -> None:
    for refused in (
        world.accounts.get(BERT, account_id),
        world.accounts.update(BERT, account_id, update(name="x")),
        world.accounts.deploy(BERT, account_id, for_all_replicas=True),
        world.accounts.remove(BERT, account_id, for_all_replicas=True),
        world.accounts.increase_reliability(BERT, account_id),
        world.links.create(BERT, account_id, 7),
        world.replicas.list(BERT, account_id),
        world.replicas.create(BERT, account_id, new_replica(), "r1"),
    ):
        with pytest.raises(NotFoundError):
            await refused


async def test_a_replica_runs_in_another_region_with_its_primary(
    world: Provisioning, account_id: AccountId
) -> None:
    replica_id = await replica_of(world, account_id)
    (listed,) = await world.replicas.list(ANNA, account_id)
    assert listed == await world.replicas.get(ANNA, account_id, replica_id)
    assert (listed["_id"], listed["region"], listed["magic"]) == (replica_id, "new-york", 7)
    assert listed["primaryAccount"]["_id"] == account_id
    assert "accountReplicas" not in listed["primaryAccount"]
    repeated = await world.replicas.create(ANNA, account_id, new_replica(), "r1")
    assert isinstance(repeated, Created)
    assert repeated.id == replica_id
    for region in ("new-york", "vint-hill", "mars", None):
        with pytest.raises(ValidationError) as caught:
            await world.replicas.create(ANNA, account_id, new_replica(region=region), None)
        assert "region" in {problem.parameter for problem in caught.value.details}


async def test_a_draft_or_refused_account_gets_no_replica(
    world: Provisioning, account_id: AccountId, draft_id: AccountId
) -> None:
    with pytest.raises(ValidationError, match="draft"):
        await world.replicas.create(ANNA, draft_id, new_replica(), "r1")
    await rejected(world, account_id)
    with pytest.raises(ValidationError) as caught:
        await world.replicas.create(ANNA, account_id, new_replica(), "r2")
    assert caught.value.details == "E_AUTH"


async def test_a_replica_is_changed_and_removed_by_itself(world: Provisioning, account_id: AccountId) -> None:
    replica_id = await replica_of(world, account_id)
    await world.replicas.update(ANNA, account_id, replica_id, update(magic=9, tags=["r"], name="ignored"))
    replica = await world.replicas.get(ANNA, account_id, replica_id)
    assert (replica["magic"], replica["tags"]) == (9, ["r"])
    assert (await world.accounts.get(ANNA, account_id)).name == "Trading account #1"
    await world.replicas.undeploy(ANNA, account_id, replica_id)
    await world.replicas.increase_reliability(ANNA, account_id, replica_id)
    assert (await deployment(world, replica_id)).desired is Desired.UNDEPLOYED
    await world.accounts.undeploy(ANNA, account_id, for_all_replicas=False)
    await world.replicas.deploy(ANNA, account_id, replica_id)
    assert (await deployment(world, account_id)).desired is Desired.UNDEPLOYED
    await world.replicas.redeploy(ANNA, account_id, replica_id)
    await world.replicas.remove(ANNA, account_id, replica_id)
    assert (await deployment(world, replica_id)).desired is Desired.DELETED
    await world.accounts.deploy(ANNA, account_id, for_all_replicas=True)
    with pytest.raises(ConflictError):
        await world.replicas.deploy(ANNA, account_id, replica_id)
    with pytest.raises(NotFoundError):
        await world.replicas.get(ANNA, account_id, account_id)


async def test_increased_reliability_of_a_regular_account(world: Provisioning) -> None:
    made = await world.accounts.create(ANNA, new_account(reliability="regular"), "t1")
    assert isinstance(made, Created)
    await world.accounts.increase_reliability(ANNA, made.id)
    assert (await world.accounts.get(ANNA, made.id)).reliability is Reliability.HIGH
