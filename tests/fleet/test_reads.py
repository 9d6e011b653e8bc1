import asyncio

import pytest

from mtfleet.domain.deployment import AccountState, ConnectionStatus, HopName, draft, want_undeployed
from mtfleet.domain.errors import MtfleetError, NotFoundError, NotSynchronizedError, TimedOutError
from mtfleet.domain.ids import AccountId
from mtfleet.fleet.fleet import Fleet
from mtfleet.testing import scripted
from mtfleet.testing.fleet import World, account_id
from mtfleet.testing.scripted import EURUSD, Behaviour


async def error_of(world: World, fleet: Fleet, id_: AccountId, seconds: float = 60) -> MtfleetError:
    """Read while time goes on, and return how it fails."""
    reading = asyncio.ensure_future(fleet.account_information(id_, timeout_seconds=seconds))
    await world.clock.run_until(reading.done)
    error = reading.exception()
    assert isinstance(error, MtfleetError)
    return error


async def test_reads_of_a_connected_account(world: World) -> None:
    id_ = world.add()
    fleet = await world.start()
    await world.until_status(id_, ConnectionStatus.CONNECTED)
    assert (await fleet.account_information(id_, refresh=True)).login == 1234
    assert await fleet.symbols(id_) == ["EURUSD"]
    assert (await fleet.specification(id_, EURUSD)).digits == 5
    assert (await fleet.price(id_, EURUSD, keep_subscription=True)).bid == 1.1
    assert (await fleet.server_time(id_)).now == world.clock.now()
    with pytest.raises(NotFoundError, match="no symbol"):
        await fleet.price(id_, type(EURUSD)("NONE"))


async def test_a_read_waits_while_the_account_is_being_deployed(world: World) -> None:
    id_ = world.add()
    world.terminals.behaviours[id_] = scripted.slow()
    fleet = await world.start()
    reading = asyncio.ensure_future(fleet.account_information(id_))
    await world.clock.run_until(reading.done)
    assert reading.result().currency == "USD"


@pytest.mark.parametrize("path", ["unknown", "undeployed", "draft", "rejected"])
async def test_what_is_not_deployed_is_not_found_at_once(world: World, path: str) -> None:
    fleet = await world.start()
    id_ = account_id(9)
    if path != "unknown":
        id_ = world.add()
    if path == "draft":
        world.store.deployments[id_] = draft(id_)
    if path == "rejected":
        world.terminals.behaviours[id_] = scripted.rejects_log_in()
        fleet.wake([id_])
        await world.until_state(id_, AccountState.DEPLOY_FAILED)
    if path == "undeployed":
        fleet.wake([id_])
        await world.until_status(id_, ConnectionStatus.CONNECTED)
        world.want(fleet, id_, want_undeployed)
        await world.until_state(id_, AccountState.UNDEPLOYED)
    began = world.clock.monotonic()
    error = await error_of(world, fleet, id_)
    assert isinstance(error, NotFoundError)
    assert error.details == "E_NOT_DEPLOYED"
    assert world.clock.monotonic() - began < 5
    if path == "rejected":
        assert "hop login failed" in error.message


async def test_a_broker_that_is_away_is_named_with_its_last_error_and_the_next_try(world: World) -> None:
    id_ = world.add()
    world.terminals.behaviours[id_] = scripted.offline()
    fleet = await world.start()
    error = await error_of(world, fleet, id_, seconds=20)
    assert isinstance(error, TimedOutError)
    assert "hop broker: failed" in error.message
    assert "does not answer" in error.message
    assert "Next try at" in error.message


async def test_a_state_that_is_being_loaded_is_said_to_be(world: World) -> None:
    id_ = world.add()
    world.terminals.behaviours[id_] = Behaviour(hangs_after=HopName.LOGIN)
    fleet = await world.start()
    assert isinstance(await error_of(world, fleet, id_, seconds=20), NotSynchronizedError)


async def test_a_read_ends_when_the_account_is_undeployed_meanwhile(world: World) -> None:
    id_ = world.add()
    world.terminals.behaviours[id_] = scripted.offline()
    fleet = await world.start()
    reading = asyncio.ensure_future(fleet.price(id_, EURUSD))
    await world.clock.advance(3)
    world.want(fleet, id_, want_undeployed)
    await world.clock.run_until(reading.done, within_seconds=10)
    assert isinstance(reading.exception(), NotFoundError)
