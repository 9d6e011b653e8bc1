"""Every pair of verbs at every state: the last one wins, and no terminal is left or runs twice."""

from collections.abc import Awaitable, Callable

import pytest

from mtfleet.domain.deployment import (
    AccountState,
    ConnectionStatus,
    Deployment,
    Desired,
    draft,
    is_wanted,
    want_deleted,
    want_deployed,
    want_redeployed,
    want_undeployed,
)
from mtfleet.domain.errors import ConflictError, ValidationError
from mtfleet.domain.ids import AccountId
from mtfleet.fleet.fleet import Fleet
from mtfleet.testing import scripted
from mtfleet.testing.fleet import World
from mtfleet.testing.scripted import Behaviour

S = AccountState
VERBS = (want_deployed, want_undeployed, want_redeployed, want_deleted)
Verb = Callable[[Deployment], Deployment]


async def brought_to(world: World, fleet: Fleet, state: AccountState) -> AccountId:
    """Return an account whose stored state is `state`."""
    id_ = world.add()
    await _PATHS[state](world, fleet, id_)
    assert world.state(id_) is state
    return id_


async def _created(world: World, fleet: Fleet, id_: AccountId) -> None:
    """Not taken up yet."""


async def _draft(world: World, fleet: Fleet, id_: AccountId) -> None:
    world.store.deployments[id_] = draft(id_)


async def _deploying(world: World, fleet: Fleet, id_: AccountId) -> None:
    world.terminals.behaviours[id_] = scripted.slow()
    fleet.wake([id_])
    await world.clock.run_until(lambda: world.terminals.running[id_] == 1)


async def _deployed(world: World, fleet: Fleet, id_: AccountId) -> None:
    fleet.wake([id_])
    await world.until_status(id_, ConnectionStatus.CONNECTED)


async def _deploy_failed(world: World, fleet: Fleet, id_: AccountId) -> None:
    world.terminals.behaviours[id_] = scripted.fails_at_once()
    fleet.wake([id_])
    await world.until_state(id_, S.DEPLOY_FAILED)


async def _redeploy_failed(world: World, fleet: Fleet, id_: AccountId) -> None:
    await _deployed(world, fleet, id_)
    world.terminals.behaviours[id_] = scripted.fails_at_once()
    world.want(fleet, id_, want_redeployed)
    await world.until_state(id_, S.REDEPLOY_FAILED)


async def _undeploying(world: World, fleet: Fleet, id_: AccountId) -> None:
    await _deployed(world, fleet, id_)
    world.terminals.behaviours[id_] = Behaviour(stop_seconds=5)
    world.want(fleet, id_, want_undeployed)
    await world.clock.advance(1)


async def _undeployed(world: World, fleet: Fleet, id_: AccountId) -> None:
    await _deployed(world, fleet, id_)
    world.want(fleet, id_, want_undeployed)
    await world.until_state(id_, S.UNDEPLOYED)


async def _undeploy_failed(world: World, fleet: Fleet, id_: AccountId) -> None:
    await _deployed(world, fleet, id_)
    world.terminals.behaviours[id_] = Behaviour(stop_failures=1_000_000)
    world.want(fleet, id_, want_undeployed)
    await world.until_state(id_, S.UNDEPLOY_FAILED)


async def _deleting(world: World, fleet: Fleet, id_: AccountId) -> None:
    await _deployed(world, fleet, id_)
    world.terminals.behaviours[id_] = Behaviour(stop_seconds=5)
    world.want(fleet, id_, want_deleted)
    await world.clock.advance(1)


async def _delete_failed(world: World, fleet: Fleet, id_: AccountId) -> None:
    await _deployed(world, fleet, id_)
    world.terminals.behaviours[id_] = Behaviour(stop_failures=1_000_000)
    world.want(fleet, id_, want_deleted)
    await world.until_state(id_, S.DELETE_FAILED)


_PATHS: dict[AccountState, Callable[[World, Fleet, AccountId], Awaitable[None]]] = {
    S.DRAFT: _draft,
    S.CREATED: _created,
    S.DEPLOYING: _deploying,
    S.DEPLOYED: _deployed,
    S.DEPLOY_FAILED: _deploy_failed,
    S.UNDEPLOYING: _undeploying,
    S.UNDEPLOYED: _undeployed,
    S.UNDEPLOY_FAILED: _undeploy_failed,
    S.DELETING: _deleting,
    S.DELETE_FAILED: _delete_failed,
    S.REDEPLOY_FAILED: _redeploy_failed,
}


def test_every_state_has_a_path() -> None:
    assert set(_PATHS) == set(AccountState)


@pytest.mark.parametrize("seconds_between", [0.0, 0.3])
@pytest.mark.parametrize("second", VERBS)
@pytest.mark.parametrize("first", VERBS)
@pytest.mark.parametrize("state", AccountState)
async def test_the_last_verb_wins(
    world: World, state: AccountState, first: Verb, second: Verb, seconds_between: float
) -> None:
    fleet = await world.start()
    id_ = await brought_to(world, fleet, state)
    for verb in (first, second):
        if id_ in world.store.deployments:
            before = world.deployment(id_)
            try:
                world.want(fleet, id_, verb)
            except (ConflictError, ValidationError):
                assert before.desired is Desired.DELETED or before.state is S.DRAFT
        await world.clock.advance(seconds_between)
    wanted = world.store.deployments.get(id_)
    world.terminals.behaviours[id_] = Behaviour()
    fleet.wake([id_])

    def is_settled() -> bool:
        deployment = world.store.deployments.get(id_)
        if deployment is None:
            return wanted is None or wanted.desired is Desired.DELETED
        if is_wanted(deployment):
            is_connected = deployment.connection_status is ConnectionStatus.CONNECTED
            return deployment.state is S.DEPLOYED and is_connected and world.terminals.running[id_] == 1
        return deployment.state in (S.UNDEPLOYED, S.DRAFT) and world.terminals.running[id_] == 0

    await world.clock.run_until(is_settled)
    await world.clock.advance(2)
    assert is_settled()
    assert world.terminals.most_running <= 1
    if wanted is None or not is_wanted(wanted):
        assert world.terminals.running[id_] == 0
        assert id_ not in world.store.leases
