"""Whole lives of accounts, in milliseconds."""

import pytest
from msgspec.structs import replace

from mtfleet.domain.deployment import (
    AccountState,
    ConnectionStatus,
    Deployment,
    HopName,
    HopState,
    credentials_changed,
    draft,
    want_deleted,
    want_deployed,
    want_redeployed,
    want_undeployed,
)
from mtfleet.domain.errors import ValidationError
from mtfleet.testing import scripted
from mtfleet.testing.fleet import PlainVault, World
from mtfleet.testing.scripted import Behaviour

S = AccountState
C = ConnectionStatus


def failed_hop(deployment: Deployment) -> tuple[HopName, str | None]:
    hop = next(hop for hop in deployment.hops if hop.state is HopState.FAILED)
    assert hop.last_error
    return hop.name, hop.details


async def test_a_new_account_is_deployed_and_connected(world: World) -> None:
    id_ = world.add()
    await world.start()
    await world.until_status(id_, C.CONNECTED)
    assert world.states(id_) == ["DEPLOYING", "DEPLOYED"]
    assert [hop.state for hop in world.deployment(id_).hops] == [HopState.PASSED] * 5
    assert [entry.action for entry in world.store.audit] == ["credentials.used"]


async def test_undeploy_and_deploy_again(world: World) -> None:
    id_ = world.add()
    fleet = await world.start()
    await world.until_status(id_, C.CONNECTED)
    world.want(fleet, id_, want_undeployed)
    await world.until_state(id_, S.UNDEPLOYED)
    assert world.terminals.running[id_] == 0
    assert world.deployment(id_).connection_status is C.DISCONNECTED
    assert world.deployment(id_).hops == []
    await world.clock.run_until(lambda: not world.store.leases)
    world.want(fleet, id_, want_deployed)
    await world.until_status(id_, C.CONNECTED)
    assert world.states(id_)[-4:] == ["UNDEPLOYING", "UNDEPLOYED", "DEPLOYING", "DEPLOYED"]


async def test_redeploy_uses_the_settings_as_they_are_now(world: World) -> None:
    id_ = world.add()
    fleet = await world.start()
    await world.until_status(id_, C.CONNECTED)
    world.store.accounts[id_] = replace(world.store.accounts[id_], magic=99)
    world.store.passwords[id_] = PlainVault.seal("new one")
    fleet.wake([id_])
    await world.clock.advance(100)
    assert world.terminals.driver_of(id_).spec.magic == 7, "an update alone changes no running terminal"
    world.want(fleet, id_, want_redeployed)
    await world.clock.run_until(lambda: world.state(id_) is S.DEPLOYED)
    spec = world.terminals.driver_of(id_).spec
    assert (spec.magic, spec.password.reveal()) == (99, "new one")
    assert world.states(id_)[-3:] == ["UNDEPLOYING", "DEPLOYING", "DEPLOYED"]
    assert world.terminals.most_running == 1


async def test_a_definite_no_is_never_tried_again_until_credentials_change(world: World) -> None:
    id_ = world.add(password="wrong")
    world.terminals.behaviour(id_).rejects_passwords = frozenset({"wrong"})
    fleet = await world.start()
    await world.until_state(id_, S.DEPLOY_FAILED)
    await world.clock.advance(3600)
    assert world.terminals.log_ins[id_] == 1
    assert world.terminals.running[id_] == 0
    deployment = world.deployment(id_)
    assert deployment.is_rejected
    assert failed_hop(deployment) == (HopName.LOGIN, "E_AUTH")
    assert all(hop.next_try_at is None for hop in deployment.hops)
    with pytest.raises(ValidationError) as caught:
        want_deployed(deployment)
    assert caught.value.details == "E_AUTH"
    world.store.passwords[id_] = PlainVault.seal("right")
    world.want(fleet, id_, lambda d: want_deployed(credentials_changed(d)))
    await world.until_status(id_, C.CONNECTED)
    assert world.state(id_) is S.DEPLOYED


async def test_a_no_to_credentials_that_were_changed_meanwhile_says_nothing_of_the_new_ones(
    world: World,
) -> None:
    id_ = world.add(password="wrong")
    behaviour = world.terminals.behaviour(id_)
    behaviour.rejects_passwords = frozenset({"wrong"})
    behaviour.connect_seconds = 5
    fleet = await world.start()
    await world.clock.advance(1)
    world.store.passwords[id_] = PlainVault.seal("right")
    world.want(fleet, id_, credentials_changed)
    await world.until_status(id_, C.CONNECTED)
    assert not world.deployment(id_).is_rejected
    assert world.terminals.log_ins[id_] == 2


async def test_a_broker_that_says_no_later_ends_a_running_account(world: World) -> None:
    id_ = world.add()
    fleet = await world.start()
    world.want(fleet, id_, want_redeployed)
    await world.until_status(id_, C.CONNECTED)
    world.terminals.behaviour(id_).rejects_with = "E_TRADING_ACCOUNT_DISABLED"
    world.terminals.driver_of(id_).drop()
    await world.clock.run_until(lambda: world.deployment(id_).is_rejected)
    assert world.state(id_) is S.REDEPLOY_FAILED
    assert failed_hop(world.deployment(id_)) == (HopName.LOGIN, "E_TRADING_ACCOUNT_DISABLED")
    await world.clock.run_until(lambda: not world.terminals.running[id_])


async def test_an_unreachable_broker_leaves_the_account_deployed_and_is_tried_ever_more_seldom(
    world: World,
) -> None:
    id_ = world.add()
    world.terminals.behaviours[id_] = scripted.offline()
    await world.start()
    await world.until_state(id_, S.DEPLOYED)
    assert world.deployment(id_).connection_status is C.DISCONNECTED_FROM_BROKER
    assert failed_hop(world.deployment(id_)) == (HopName.BROKER, None)
    since = world.deployment(id_).hops[2].since
    await world.clock.advance(600)
    tries = world.terminals.log_ins[id_]
    assert 10 <= tries <= 25
    await world.clock.advance(600)
    assert 10 <= world.terminals.log_ins[id_] - tries <= 21, "at least every 60 s, and not much more often"
    hop = world.deployment(id_).hops[2]
    assert hop.since == since, "since when it has been away"
    assert hop.next_try_at is not None
    assert 0 < (hop.next_try_at - world.clock.now()).total_seconds() <= 60
    world.terminals.behaviour(id_).connect_failures = 0
    await world.until_status(id_, C.CONNECTED)


async def test_a_dropped_connection_comes_back(world: World) -> None:
    id_ = world.add()
    await world.start()
    await world.until_status(id_, C.CONNECTED)
    world.terminals.behaviour(id_).connect_seconds = 1
    world.terminals.driver_of(id_).drop("cable cut")
    await world.until_status(id_, C.DISCONNECTED_FROM_BROKER)
    assert world.state(id_) is S.DEPLOYED
    assert "cable cut" in str(world.deployment(id_).hops[2].last_error)
    await world.until_status(id_, C.CONNECTED)
    assert world.terminals.starts[id_] == 1


@pytest.mark.parametrize("silently", [False, True])
async def test_a_terminal_that_dies_is_started_again(world: World, silently: bool) -> None:
    id_ = world.add()
    await world.start()
    await world.until_status(id_, C.CONNECTED)
    world.terminals.behaviour(id_).start_seconds = 2
    world.terminals.driver_of(id_).die(silently=silently)
    await world.until_status(id_, C.DISCONNECTED)
    assert world.state(id_) is S.DEPLOYED
    await world.until_status(id_, C.CONNECTED)
    assert world.terminals.starts[id_] == 2
    assert world.terminals.most_running == 1


async def test_a_terminal_that_does_not_start_fails_by_name_and_is_tried_on(world: World) -> None:
    id_ = world.add()
    world.terminals.behaviours[id_] = Behaviour(start_failures=4)
    await world.start()
    await world.until_state(id_, S.DEPLOY_FAILED)
    assert failed_hop(world.deployment(id_)) == (HopName.TERMINAL, None)
    assert world.deployment(id_).hops[1].next_try_at
    assert not world.deployment(id_).is_rejected
    await world.until_status(id_, C.CONNECTED)
    assert world.state(id_) is S.DEPLOYED


async def test_a_redeploy_that_fails_says_so(world: World) -> None:
    id_ = world.add()
    fleet = await world.start()
    await world.until_status(id_, C.CONNECTED)
    world.terminals.behaviours[id_] = scripted.fails_at_once()
    world.want(fleet, id_, want_redeployed)
    await world.until_state(id_, S.REDEPLOY_FAILED)
    world.want(fleet, id_, want_undeployed)
    await world.until_state(id_, S.UNDEPLOYED)


@pytest.mark.parametrize(
    ("verb", "failed", "done"),
    [
        (want_undeployed, S.UNDEPLOY_FAILED, S.UNDEPLOYED),
        (want_deleted, S.DELETE_FAILED, None),
        (want_redeployed, S.REDEPLOY_FAILED, S.DEPLOYED),
    ],
)
@pytest.mark.parametrize("behaviour", [Behaviour(hangs_in_stop=True), Behaviour(stop_failures=1_000_000)])
async def test_a_terminal_that_can_not_be_stopped(
    world: World, verb: object, failed: S, done: S | None, behaviour: Behaviour
) -> None:
    assert callable(verb)
    id_ = world.add()
    world.terminals.behaviours[id_] = replace(behaviour)
    fleet = await world.start()
    await world.until_status(id_, C.CONNECTED)
    world.want(fleet, id_, verb)
    await world.until_state(id_, failed)
    assert failed_hop(world.deployment(id_))[0] is HopName.TERMINAL
    assert world.terminals.most_running == 1
    world.terminals.behaviours[id_] = Behaviour()
    world.want(fleet, id_, verb)  # asked again, it is tried at once
    await world.until_state(id_, done, within_seconds=2)
    assert world.terminals.most_running == 1


async def test_a_stuck_terminal_is_tried_on_by_itself(world: World) -> None:
    id_ = world.add()
    world.terminals.behaviours[id_] = Behaviour(stop_failures=6)
    fleet = await world.start()
    await world.until_status(id_, C.CONNECTED)
    world.want(fleet, id_, want_undeployed)
    await world.until_state(id_, S.UNDEPLOY_FAILED)
    await world.until_state(id_, S.UNDEPLOYED)


async def test_removal_while_deploying(world: World) -> None:
    id_ = world.add()
    world.terminals.behaviours[id_] = scripted.slow()
    fleet = await world.start()
    await world.clock.run_until(lambda: world.terminals.running[id_] == 1)
    world.want(fleet, id_, want_deleted)
    await world.until_state(id_, None, within_seconds=10)
    assert world.terminals.running[id_] == 0
    assert id_ not in world.store.accounts
    assert "account.removed" in [entry.action for entry in world.store.audit]
    await world.clock.run_until(lambda: not world.store.leases)


async def test_a_draft_is_left_alone(world: World) -> None:
    id_ = world.add()
    world.store.deployments[id_] = draft(id_)
    fleet = await world.start()
    fleet.wake([id_])
    await world.clock.advance(120)
    assert world.deployment(id_) == draft(id_)
    assert not world.terminals.starts
    world.want(fleet, id_, want_deleted)
    await world.until_state(id_, None)


async def test_an_account_without_password_says_so(world: World) -> None:
    id_ = world.add()
    del world.store.passwords[id_]
    fleet = await world.start()
    await world.until_state(id_, S.DEPLOY_FAILED)
    assert failed_hop(world.deployment(id_))[0] is HopName.PLACEMENT
    world.store.passwords[id_] = PlainVault.seal("right")
    world.want(fleet, id_, want_deployed)
    await world.until_status(id_, C.CONNECTED)


@pytest.mark.parametrize(
    ("behaviour", "hop"),
    [
        (scripted.never_ready(), HopName.LOGIN),
        (Behaviour(hangs_in_connect=True), HopName.BROKER),
        (Behaviour(hangs_after=HopName.LOGIN), HopName.SYNCHRONIZATION),
        (Behaviour(synchronization_failures=1000), HopName.SYNCHRONIZATION),
        (Behaviour(defect=KeyError("hunter2")), HopName.BROKER),
        (Behaviour(hangs_in_start=True), HopName.TERMINAL),
        (scripted.fails_at_once(), HopName.TERMINAL),
    ],
)
async def test_a_failing_hop_is_named_and_holds_up_nobody_else(
    world: World, behaviour: Behaviour, hop: HopName
) -> None:
    bad, good = world.add(1), world.add(2)
    world.terminals.behaviours[bad] = behaviour
    await world.start()
    await world.until_status(good, C.CONNECTED)
    await world.clock.run_until(lambda: any(h.state is HopState.FAILED for h in world.deployment(bad).hops))
    assert failed_hop(world.deployment(bad))[0] is hop
    assert "hunter2" not in str(world.deployment(bad)), "the text of a foreign error may hold anything"
    world.terminals.behaviours[bad] = Behaviour()
    await world.until_status(bad, C.CONNECTED)
    assert world.terminals.most_running == 1


async def test_a_driver_that_lies_only_harms_itself(world: World) -> None:
    liar, good = world.add(1), world.add(2)
    await world.start()
    await world.until_status(good, C.CONNECTED)
    world.terminals.behaviours[liar] = scripted.lies_in_observe()
    await world.clock.advance(300)
    assert world.deployment(good).connection_status is C.CONNECTED
    assert world.terminals.most_running == 1
    world.terminals.behaviours[liar] = Behaviour()
    await world.until_status(liar, C.CONNECTED)


async def test_flapping_backs_off_too(world: World) -> None:
    id_ = world.add()
    world.terminals.behaviours[id_] = Behaviour(dies_after_seconds=0.1)
    await world.start()
    await world.clock.advance(1200)
    assert world.terminals.starts[id_] < 45
    world.terminals.behaviours[id_] = scripted.dies_late()
    await world.clock.advance(600)
    assert world.terminals.starts[id_] < 60


async def test_two_hundred_at_once(world: World) -> None:
    ids = [world.add(number) for number in range(200)]
    fleet = await world.start(concurrent_steps=10, batch_size=50)
    await world.clock.run_until(
        lambda: all(world.deployment(i).connection_status is C.CONNECTED for i in ids)
    )
    for id_ in ids:
        world.store.deployments[id_] = want_deleted(world.store.deployments[id_])
    fleet.wake(ids)
    await world.clock.run_until(lambda: not world.store.deployments)
    assert world.terminals.running.total() == 0
