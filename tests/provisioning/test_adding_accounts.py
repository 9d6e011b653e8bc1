"""Adding an account: detection, profiles, drafts, errors. What fails leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mtfleet.domain.accounts import AccountFilter, AccountType, BrokerSettings, Reliability
from mtfleet.domain.deployment import AccountState
from mtfleet.domain.errors import ForbiddenError, NotFoundError, ValidationError
from mtfleet.domain.ids import AccountId
from mtfleet.testing.provisioning import ANNA, BERT, PASSWORD, Provisioning, new_account, open_provisioning
from mtfleet.wire.replies import Accepted, Created

ALL = AccountFilter(offset=0, limit=1000)


@pytest.fixture
async def world() -> AsyncIterator[Provisioning]:
    async with open_provisioning() as opened:
        yield opened


async def create(world: Provisioning, transaction_id: str = "t1", **changes: Any) -> AccountId:
    made = await world.accounts.create(ANNA, new_account(**changes), transaction_id)
    assert isinstance(made, Created)
    return made.id


async def refusal(world: Provisioning, transaction_id: str = "t1", **changes: Any) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        await world.accounts.create(ANNA, new_account(**changes), transaction_id)
    page = await world.accounts.list(ANNA, ALL, with_count=True)
    assert page.count == 0, "an account that failed is left behind"
    assert world.brokers.running == 0, "a terminal is left running"
    return caught.value


async def test_an_account_is_added_with_detected_settings_and_started(world: Provisioning) -> None:
    account_id = await create(world)
    account = await world.accounts.get(ANNA, account_id)
    assert account.state is AccountState.CREATED
    assert (account.login, account.server, account.magic) == ("1001", "Test-MT5", 123456)
    assert (account.type, account.reliability) == (AccountType.CLOUD_G2, Reliability.HIGH)
    assert account.quote_streaming_interval_in_seconds == 2.5
    assert account.region == "vint-hill"
    assert await world.broker_of(account_id) == BrokerSettings(
        broker_timezone="EET", broker_dst_switch_timezone="EET"
    )
    assert await world.password_of(account_id) == PASSWORD
    assert world.fleet.woken == [account_id]
    assert world.brokers.running == 0
    assert await world.actions() == ["credentials.used", "account.created"]


async def test_a_broker_that_switches_with_new_york_is_told_apart(world: Provisioning) -> None:
    account_id = await create(world, server="Test-US")
    settings = await world.broker_of(account_id)
    assert settings == BrokerSettings(broker_timezone="EET", broker_dst_switch_timezone="America/New_York")


async def test_the_server_is_written_as_the_broker_spells_it(world: Provisioning) -> None:
    account_id = await create(world, server="test-mt5")
    assert (await world.accounts.get(ANNA, account_id)).server == "Test-MT5"


async def test_an_unknown_server_is_answered_with_near_names(world: Provisioning) -> None:
    error = await refusal(world, server="Test-MT6")
    assert error.details == "E_SRV_NOT_FOUND"
    assert "Did you mean Test-MT5" in error.message


async def test_near_names_can_be_found_by_the_broker_and_sent_as_an_object() -> None:
    async with open_provisioning(server_not_found_details="object") as world:
        error = await refusal(world, server="Wholly-Different", keywords=["quiet brokers"])
    assert error.details == {
        "code": "E_SRV_NOT_FOUND",
        "serversByBrokers": {"Quiet Brokers": ["Off-Line"]},
    }


async def test_a_server_of_the_other_platform_is_named(world: Provisioning) -> None:
    error = await refusal(world, server="Test-MT4")
    assert "There is an MT4 server of that name." in error.message


async def test_a_wrong_password_is_an_authentication_error_without_the_password(world: Provisioning) -> None:
    error = await refusal(world, password="Wrong-Secret-1")
    assert error.details == "E_AUTH"
    assert "Wrong-Secret-1" not in repr(error) + error.message


@pytest.mark.parametrize(
    ("server", "says"), [("Always-Open", "always open"), ("Off-Line", "does not answer")]
)
async def test_settings_that_cannot_be_told_are_no_guess(world: Provisioning, server: str, says: str) -> None:
    error = await refusal(world, server=server)
    assert error.details == "E_SERVER_TIMEZONE"
    assert says in error.message


async def test_a_broker_with_many_symbols_needs_more_slots(world: Provisioning) -> None:
    error = await refusal(world, server="Huge")
    assert error.details == {"code": "E_RESOURCE_SLOTS", "recommendedResourceSlots": 2}
    account_id = await create(world, "t2", server="Huge", resourceSlots=2)
    assert (await world.accounts.get(ANNA, account_id)).resource_slots == 2


async def test_a_broker_without_symbols_is_refused(world: Provisioning) -> None:
    assert (await refusal(world, server="Empty")).details == "E_NO_SYMBOLS"


async def test_a_profile_gives_platform_settings_and_server_files(world: Provisioning) -> None:
    profile = await world.add_profile()
    account_id = await create(world, server="From-File", platform=None, provisioningProfileId=profile)
    account = await world.accounts.get(ANNA, account_id)
    assert (account.version, account.provisioning_profile_id) == (5, profile)
    assert await world.broker_of(account_id) == BrokerSettings(
        broker_timezone="Europe/London", broker_dst_switch_timezone="Europe/London"
    )
    await world.restart()
    error = None
    try:
        await world.accounts.create(ANNA, new_account(server="From-File"), "t2")
    except ValidationError as caught:
        error = caught
    assert error is not None
    assert error.details == "E_SRV_NOT_FOUND"


async def test_a_profile_still_has_the_credentials_tried(world: Provisioning) -> None:
    profile = await world.add_profile()
    error = await refusal(world, provisioningProfileId=profile, password="wrong")
    assert error.details == "E_AUTH"


async def test_with_a_profile_a_broker_that_does_not_answer_is_no_objection(world: Provisioning) -> None:
    profile = await world.add_profile()
    account_id = await create(world, server="Off-Line", provisioningProfileId=profile)
    assert world.fleet.woken == [account_id]
    assert world.brokers.running == 0


async def test_a_profile_must_be_there_active_and_of_the_platform(world: Provisioning) -> None:
    body = new_account(provisioningProfileId="11111111-1111-4111-8111-111111111111")
    with pytest.raises(NotFoundError):
        await world.accounts.create(ANNA, body, "t1")
    await world.add_profile(is_active=False)
    error = await refusal(world, "t2", provisioningProfileId=body.provisioning_profile_id)
    assert "servers.dat" in error.message
    with pytest.raises(NotFoundError):
        await world.accounts.create(BERT, body, "t3")


async def test_without_credentials_the_account_is_a_draft_and_no_broker_is_asked(
    world: Provisioning,
) -> None:
    body = new_account(login=None, password=None, server="No-Such-Server")
    made = await world.accounts.create(ANNA, body, "t1")
    assert isinstance(made, Created)
    assert made.state is AccountState.DRAFT
    assert world.brokers.logins == 0
    account = await world.accounts.get(ANNA, made.id)
    assert (account.state, account.login) == (AccountState.DRAFT, None)
    with pytest.raises(ValidationError, match="draft"):
        await world.accounts.deploy(ANNA, made.id, for_all_replicas=True)


@pytest.mark.parametrize(
    ("changes", "parameters"),
    [
        ({"name": None, "magic": None, "server": ""}, {"name", "magic", "server"}),
        ({"login": "12a4", "platform": "mt6"}, {"login", "platform"}),
        ({"password": None}, {"password"}),
        ({"login": None}, {"login"}),
        ({"platform": None}, {"platform"}),
        ({"manualTrades": True, "magic": 5}, {"magic"}),
        ({"manualTrades": True, "magic": 0, "type": "cloud-g1"}, {"manualTrades"}),
        ({"type": "cloud-g1", "quoteStreamingIntervalInSeconds": 1}, {"quoteStreamingIntervalInSeconds"}),
        ({"symbol": "EURUSD"}, {"symbol"}),
        ({"metadata": {"a": "x" * 1020}}, {"metadata"}),
        ({"tags": ["ok", ""]}, {"tags[1]"}),
        ({"resourceSlots": 0, "copyFactoryResourceSlots": 0}, {"resourceSlots", "copyFactoryResourceSlots"}),
        ({"baseCurrency": "EURO", "region": "mars"}, {"baseCurrency", "region"}),
        ({"slippage": -1, "reliability": "some", "type": "vps"}, {"slippage", "reliability", "type"}),
        (
            {"copyFactoryRoles": ["OWNER"], "allocateDedicatedIp": "ipv6"},
            {"copyFactoryRoles[0]", "allocateDedicatedIp"},
        ),
        ({"name": "a\x00b", "magic": -1}, {"name", "magic"}),
    ],
)
async def test_every_wrong_field_is_named_at_once(
    world: Provisioning, changes: dict[str, Any], parameters: set[str]
) -> None:
    error = await refusal(world, **changes)
    assert {problem.parameter for problem in error.details} == parameters
    assert PASSWORD not in error.message


async def test_the_alias_cloud_and_a_g1_symbol_are_taken(world: Provisioning) -> None:
    alias = await create(world, "t1", type="cloud")
    assert (await world.accounts.get(ANNA, alias)).type is AccountType.CLOUD_G2
    g1 = await create(world, "t2", type="cloud-g1", symbol="EURUSD")
    assert (await world.accounts.get(ANNA, g1)).symbol == "EURUSD"


async def test_a_used_up_quota_forbids_another_account() -> None:
    async with open_provisioning(max_accounts_per_region=1) as world:
        await create(world)
        with pytest.raises(ForbiddenError, match="quota"):
            await world.accounts.create(ANNA, new_account(), "t2")
        await create(world, "t3", region="new-york")


async def test_a_slow_broker_is_answered_with_the_stage_and_then_with_the_account(
    world: Provisioning,
) -> None:
    gate = asyncio.Event()
    world.brokers.scripts["Test-MT5"].gate = gate
    first = asyncio.create_task(world.accounts.create(ANNA, new_account(), "t1"))
    await world.until_running(1)
    await world.clock.run_until(first.done)
    accepted = first.result()
    assert isinstance(accepted, Accepted)
    assert "Logging in to Test-MT5" in accepted.message
    assert f"{accepted.retry_after_seconds} seconds" in accepted.message
    gate.set()
    await world.clock.run_until(lambda: world.fleet.woken != [])
    done = await world.accounts.create(ANNA, new_account(), "t1")
    assert isinstance(done, Created)
    assert world.fleet.woken == [done.id]
    assert world.brokers.logins == 1


async def test_detections_at_once_are_bounded() -> None:
    async with open_provisioning(max_detections=2) as world:
        gate = asyncio.Event()
        world.brokers.scripts["Test-MT5"].gate = gate

        async def waiting() -> int:
            tasks = [
                asyncio.create_task(world.accounts.create(ANNA, new_account(), f"t{i}")) for i in range(5)
            ]
            await world.clock.run_until(lambda: all(task.done() for task in tasks))
            answers = [task.result() for task in tasks]
            return sum("Waiting for one of 2" in a.message for a in answers if isinstance(a, Accepted))

        rounds = 0
        while await waiting() != 3:
            rounds += 1
            assert rounds < 50, "three of five never came to wait in line"
        await world.until_running(2)
        gate.set()
        await world.clock.run_until(lambda: len(world.fleet.woken) == 5)
        assert world.brokers.most_running == 2


async def test_a_broker_that_hangs_is_given_up_after_the_stage_timeout() -> None:
    async with open_provisioning(stage_timeout_seconds=0.05) as world:
        world.brokers.scripts["Test-MT5"].gate = asyncio.Event()
        error = await refusal(world)
    assert error.details == "E_SERVER_TIMEZONE"
    assert "logging in to Test-MT5" in error.message
