"""Programs that end, crash, freeze, and run side by side on one store."""

import pytest

from mtfleet.domain.deployment import (
    AccountState,
    ConnectionStatus,
    want_deleted,
    want_deployed,
    want_redeployed,
    want_undeployed,
)
from mtfleet.domain.errors import NotSynchronizedError
from mtfleet.domain.ids import AccountId
from mtfleet.fleet.fleet import HeldElsewhere
from mtfleet.fleet.settings import FleetSettings
from mtfleet.testing.fleet import PlainVault, World
from mtfleet.testing.scripted import Behaviour

S = AccountState
C = ConnectionStatus


async def test_a_clean_stop_stops_terminals_gives_back_leases_and_keeps_what_is_wanted(world: World) -> None:
    id_ = world.add()
    fleet = await world.start()
    await world.until_status(id_, C.CONNECTED)
    wanted = world.deployment(id_)
    await world.stop(fleet)
    assert world.terminals.running.total() == 0
    assert not world.store.leases
    assert (world.deployment(id_).desired, world.deployment(id_).revision) == (
        wanted.desired,
        wanted.revision,
    )
    assert world.state(id_) is S.DEPLOYED
    await world.start()
    assert world.deployment(id_).connection_status is not C.CONNECTED, "not believed until seen again"
    await world.until_status(id_, C.CONNECTED)
    assert "DEPLOYING" not in world.states(id_)[2:]


async def test_a_stop_that_a_terminal_resists_ends_in_time_and_keeps_its_lease(world: World) -> None:
    id_ = world.add()
    fleet = await world.start()
    await world.until_status(id_, C.CONNECTED)
    world.terminals.behaviour(id_).hangs_in_stop = True
    began = world.clock.monotonic()
    await world.stop(fleet)
    assert world.clock.monotonic() - began <= FleetSettings().shutdown_seconds + 1
    assert id_ in world.store.leases, "the terminal may still run, so nobody else may start it"


async def test_nothing_is_believed_after_a_crash_and_all_comes_back(world: World) -> None:
    id_ = world.add()
    fleet = await world.start()
    await world.until_status(id_, C.CONNECTED)
    await world.crash(fleet)
    began = world.clock.monotonic()
    await world.start()
    assert world.deployment(id_).connection_status is C.CONNECTED, "another program may still see it so"
    written = len(world.store.history)
    await world.clock.run_until(lambda: len(world.store.history) > written)
    assert world.store.history[written].connection_status is C.DISCONNECTED
    assert world.clock.monotonic() - began <= 7, "a crashed program's lease lasts some seconds"
    assert world.state(id_) is S.DEPLOYED
    await world.until_status(id_, C.CONNECTED)
    assert world.clock.monotonic() - began <= 8


@pytest.mark.parametrize("verb", [want_undeployed, want_redeployed, want_deleted, want_deployed])
@pytest.mark.parametrize("seconds", [0.0, 0.5, 3.0])
async def test_what_was_under_way_at_a_crash_is_finished(world: World, verb: object, seconds: float) -> None:
    assert callable(verb)
    id_ = world.add()
    world.terminals.behaviours[id_] = Behaviour(start_seconds=1, connect_seconds=1, stop_seconds=2)
    fleet = await world.start()
    await world.until_status(id_, C.CONNECTED)
    world.want(fleet, id_, verb)
    await world.clock.advance(seconds)
    await world.crash(fleet)
    await world.start()
    if verb is want_deleted:
        await world.until_state(id_, None, within_seconds=30)
    elif verb is want_undeployed:
        await world.until_state(id_, S.UNDEPLOYED, within_seconds=30)
    else:
        await world.clock.run_until(lambda: world.terminals.running[id_] == 1 and is_up(world, id_))
    assert world.terminals.most_running == 1


def is_up(world: World, id_: AccountId) -> bool:
    seen = world.deployment(id_)
    return (seen.state, seen.connection_status) == (S.DEPLOYED, C.CONNECTED)


async def test_a_change_that_nobody_was_told_of_is_found(world: World) -> None:
    id_ = world.add()
    await world.start()
    await world.until_status(id_, C.CONNECTED)
    world.want(None, id_, want_undeployed)
    await world.until_state(id_, S.UNDEPLOYED)
    assert world.terminals.running[id_] == 0


async def test_two_programs_never_run_the_same_account(world: World) -> None:
    ids = [world.add(number) for number in range(10)]
    first = await world.start()
    await world.clock.run_until(lambda: all(world.terminals.running[i] for i in ids))
    written = len(world.store.history)
    uses = len(world.store.audit)
    second = await world.start()
    await world.clock.advance(120)
    assert world.terminals.most_running == 1
    assert all(world.deployment(i).connection_status is C.CONNECTED for i in ids)
    assert world.store.history[written:] == [], "the second one knows nothing better"
    assert len(world.store.audit) == uses, "the second one used no password"
    with pytest.raises(HeldElsewhere, match="program-1"):
        await second.account_information(ids[0])
    world.want(second, ids[0], want_undeployed)
    await world.until_state(ids[0], S.UNDEPLOYED)
    assert world.terminals.running[ids[0]] == 0, "said to be undeployed only when nobody runs it"
    await world.clock.advance(30)
    assert world.terminals.running[ids[0]] == 0, "the second one, which waited for it, knows that, too"
    assert "DEPLOYING" not in world.states(ids[0])[2:]
    await world.crash(first)
    await world.clock.run_until(lambda: all(world.terminals.running[i] for i in ids[1:]))
    assert world.terminals.most_running == 1


async def test_who_waited_for_an_account_starts_it_as_it_is_wanted_then(world: World) -> None:
    id_ = world.add()
    first = await world.start()
    await world.until_status(id_, C.CONNECTED)
    await world.start()
    await world.clock.advance(30)
    world.want(first, id_, want_undeployed)
    await world.until_state(id_, S.UNDEPLOYED)
    started = world.terminals.starts[id_]
    await world.clock.advance(60)
    assert world.terminals.starts[id_] == started, "the second one had it placed before"


async def test_who_takes_over_an_account_uses_its_password_of_now(world: World) -> None:
    id_ = world.add()
    first = await world.start()
    await world.until_status(id_, C.CONNECTED)
    await world.start()
    await world.clock.advance(10)
    world.store.passwords[id_] = PlainVault.seal("new")
    starts = world.terminals.starts[id_]
    await world.crash(first)
    await world.clock.run_until(lambda: world.terminals.starts[id_] > starts and is_up(world, id_))
    assert world.terminals.driver_of(id_).spec.password.reveal() == "new"


async def test_a_frozen_program_whose_account_was_run_and_given_back_meanwhile_stops_it(world: World) -> None:
    id_ = world.add()
    first = await world.start()
    await world.until_status(id_, C.CONNECTED)
    lease = world.store.leases[id_]
    # Another program had it while this one was frozen, and gave it back.
    world.store.epochs[id_] += 1
    del world.store.leases[id_]
    started = world.terminals.starts[id_]
    await world.clock.run_until(lambda: world.terminals.starts[id_] > started and is_up(world, id_))
    assert world.terminals.most_running == 1
    assert first.check_lease(id_) > lease.epoch + 1


async def test_a_program_that_can_not_renew_stops_its_terminals_before_another_takes_over(
    world: World,
) -> None:
    id_ = world.add()
    first = await world.start()
    await world.until_status(id_, C.CONNECTED)
    epoch = first.check_lease(id_)
    await world.start()
    world.store.cut_off.add("program-1")
    await world.clock.run_until(lambda: not world.terminals.running[id_], within_seconds=6)
    assert world.store.leases[id_].expires_at > world.clock.now(), "stopped while the lease still held"
    with pytest.raises(NotSynchronizedError):
        first.check_lease(id_)
    await world.clock.run_until(lambda: bool(world.terminals.running[id_]))
    assert world.store.leases[id_].epoch > epoch
    assert world.terminals.most_running == 1


async def test_a_clock_that_jumps_ahead_lets_no_lease_pass_unnoticed(world: World) -> None:
    id_ = world.add()
    fleet = await world.start()
    await world.until_status(id_, C.CONNECTED)
    world.clock.jump(3600)
    with pytest.raises(NotSynchronizedError):
        fleet.check_lease(id_)
    await world.clock.advance(30)
    await world.until_status(id_, C.CONNECTED)
    fleet.check_lease(id_)
    world.clock.jump(-7200)
    await world.clock.advance(30)
    assert world.deployment(id_).connection_status is C.CONNECTED
    assert world.terminals.most_running == 1


async def test_a_store_that_fails_for_a_while_holds_nothing_up_for_good(world: World) -> None:
    id_ = world.add()
    fleet = await world.start()
    await world.until_status(id_, C.CONNECTED)
    world.store.failures = [OSError("the disk is full") for _ in range(5)]
    world.want(fleet, id_, want_undeployed)
    await world.until_state(id_, S.UNDEPLOYED)


async def test_one_account_that_the_store_does_not_take_holds_up_no_other(world: World) -> None:
    ids = [world.add(number) for number in range(20)]
    fleet = await world.start()
    await world.clock.run_until(
        lambda: all(world.deployment(i).connection_status is C.CONNECTED for i in ids)
    )
    world.store.poison = ids[7]
    for id_ in ids:
        world.want(None, id_, want_undeployed)
    fleet.wake(ids)
    good = [i for i in ids if i != ids[7]]
    await world.clock.run_until(lambda: all(world.state(i) is S.UNDEPLOYED for i in good))
    assert world.state(ids[7]) is S.UNDEPLOYING
    world.store.poison = None
    await world.until_state(ids[7], S.UNDEPLOYED)


async def test_a_terminal_that_would_not_stop_is_gone_after_a_restart(world: World) -> None:
    id_ = world.add()
    world.terminals.behaviours[id_] = Behaviour(stop_failures=1_000_000)
    fleet = await world.start()
    await world.until_status(id_, C.CONNECTED)
    world.want(fleet, id_, want_undeployed)
    await world.until_state(id_, S.UNDEPLOY_FAILED)
    await world.crash(fleet)
    await world.start()
    await world.until_state(id_, S.UNDEPLOYED)


async def test_an_account_that_can_not_be_written_does_not_keep_the_program_from_starting(
    world: World,
) -> None:
    ids = [world.add(number) for number in range(10)]
    fleet = await world.start()
    await world.clock.run_until(lambda: all(world.terminals.running[i] for i in ids))
    await world.clock.advance(5)
    await world.crash(fleet)
    world.store.poison = ids[3]
    await world.start()
    good = [i for i in ids if i != ids[3]]
    await world.clock.run_until(
        lambda: all(
            world.terminals.running[i] and world.deployment(i).hops[4].state == "passed" for i in good
        )
    )
    assert not world.terminals.running[ids[3]]
    world.store.poison = None
    await world.clock.run_until(lambda: bool(world.terminals.running[ids[3]]))
    await world.until_status(ids[3], C.CONNECTED)
