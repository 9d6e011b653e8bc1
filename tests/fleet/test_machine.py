"""Verbs, misbehaviour, time, crashes and second programs in any order: what must always hold, holds."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mtfleet.domain.deployment import (
    AccountState,
    ConnectionStatus,
    Deployment,
    Desired,
    HopState,
    credentials_changed,
    is_wanted,
    want_deleted,
    want_deployed,
    want_redeployed,
    want_undeployed,
)
from mtfleet.domain.errors import PolicyError
from mtfleet.domain.ids import AccountId
from mtfleet.testing import scripted
from mtfleet.testing.fleet import PlainVault, World, account_id
from mtfleet.testing.scripted import Behaviour

ACCOUNTS = st.sampled_from([account_id(number) for number in range(3)])
BEHAVIOURS: dict[str, Callable[[], Behaviour]] = {
    "good": Behaviour,
    "slow": scripted.slow,
    "never ready": scripted.never_ready,
    "fails at once": scripted.fails_at_once,
    "dies late": scripted.dies_late,
    "rejects": scripted.rejects_log_in,
    "hangs in stop": scripted.hangs_in_stop,
    "lies": scripted.lies_in_observe,
    "offline": scripted.offline,
    "defect": lambda: Behaviour(defect=KeyError("hunter2")),
}


class FleetMachine(RuleBasedStateMachine):
    """A world with up to two programs and three accounts."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = self.run(self._new_world())
        self.clock = self.world.clock

    async def _new_world(self) -> World:
        return World()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        for number in range(3):
            self.world.add(number)
        self.run(self.world.start())

    @rule(id_=ACCOUNTS, verb=st.sampled_from([want_deployed, want_undeployed, want_redeployed]))
    def ask(self, id_: AccountId, verb: Callable[[Deployment], Deployment]) -> None:
        self._want(id_, verb)

    @rule(id_=ACCOUNTS)
    def change_credentials(self, id_: AccountId) -> None:
        if id_ in self.world.store.deployments:
            self.world.store.passwords[id_] = PlainVault.seal(f"password {self.clock.monotonic()}")
            self._want(id_, credentials_changed)

    @precondition(lambda self: self.clock.monotonic() > 100)
    @rule(id_=ACCOUNTS)
    def remove(self, id_: AccountId) -> None:
        self._want(id_, want_deleted)

    @rule(id_=ACCOUNTS)
    def add_again(self, id_: AccountId) -> None:
        if id_ not in self.world.store.deployments and not self.world.terminals.running[id_]:
            self.world.add(int(id_.replace("-", ""), 16))
            self._wake(id_)

    @rule(id_=ACCOUNTS, name=st.sampled_from(sorted(BEHAVIOURS)))
    def behave(self, id_: AccountId, name: str) -> None:
        self.world.terminals.behaviours[id_] = BEHAVIOURS[name]()

    @rule(id_=ACCOUNTS, silently=st.booleans())
    def die(self, id_: AccountId, silently: bool) -> None:
        if self.world.terminals.running[id_]:
            driver = self.world.terminals.driver_of(id_)
            self.run(self._in_the_loop(lambda: driver.die(silently=silently)))

    @rule(id_=ACCOUNTS)
    def drop(self, id_: AccountId) -> None:
        if self.world.terminals.running[id_]:
            self.run(self._in_the_loop(self.world.terminals.driver_of(id_).drop))

    async def _in_the_loop(self, event: Callable[[], None]) -> None:
        event()

    @rule(seconds=st.sampled_from([0.0, 0.2, 3.0, 40.0, 200.0]))
    def wait(self, seconds: float) -> None:
        self.run(self.clock.advance(seconds))

    @precondition(lambda self: len(self.world.fleets) == 1)
    @rule(seconds=st.sampled_from([-3600.0, 3600.0]))
    def set_clock(self, seconds: float) -> None:
        # Leases can't keep programs apart whose common clock leaps, and one left by a crash before the clock
        # is set back lasts that much longer: both are told in docs/explanation/fleet.md.
        holders = {lease.holder for lease in self.world.store.leases.values()}
        if holders <= {self.world.fleets[0].holder}:
            self.clock.jump(seconds)
            self.run(self.clock.advance(3))

    @precondition(lambda self: len(self.world.fleets) < 2)
    @rule()
    def start_program(self) -> None:
        self.run(self.world.start())

    @precondition(lambda self: self.world.fleets)
    @rule()
    def crash_program(self) -> None:
        self.run(self.world.crash(self.world.fleets[0]))

    @precondition(lambda self: self.world.fleets)
    @rule()
    def end_program(self) -> None:
        for behaviour in self.world.terminals.behaviours.values():
            behaviour.hangs_in_stop = False  # what a clean end leaves running is another test's matter
        self.run(self.world.stop(self.world.fleets[0]))

    @rule(failures=st.integers(1, 3))
    def store_fails(self, failures: int) -> None:
        if self.world.fleets:
            self.world.store.failures = [OSError("the disk is full") for _ in range(failures)]
            self.run(self.clock.advance(30))
            self.world.store.failures.clear()

    def _want(self, id_: AccountId, verb: Callable[[Deployment], Deployment]) -> None:
        if id_ in self.world.store.deployments:
            try:
                self.world.want(None, id_, verb)
            except PolicyError:
                return
            self._wake(id_)

    def _wake(self, id_: AccountId) -> None:
        for fleet in self.world.fleets:
            fleet.wake([id_])

    @invariant()
    def never_two_terminals_of_one_account(self) -> None:
        assert self.world.terminals.most_running <= 1

    @invariant()
    def no_secret_is_shown(self) -> None:
        assert "hunter2" not in str(self.world.store.deployments)

    @invariant()
    def shown_states_fit_together(self) -> None:
        for deployment in self.world.store.deployments.values():
            if deployment.state in (AccountState.UNDEPLOYED, AccountState.DRAFT):
                assert deployment.connection_status is ConnectionStatus.DISCONNECTED
                assert not self.world.terminals.running[deployment.account_id]
            if deployment.connection_status is ConnectionStatus.CONNECTED:
                assert all(hop.state is HopState.PASSED for hop in deployment.hops) or not deployment.hops

    def teardown(self) -> None:
        try:
            if self.world.store.deployments:
                self.run(self._end_well())
        finally:
            self.run(self.world.close())
            self.loop.close()

    async def _end_well(self) -> None:
        """Once everybody behaves, all ends as it is wanted."""
        for id_ in self.world.store.deployments:
            self.world.terminals.behaviours[id_] = Behaviour()
        if not self.world.fleets:
            await self.world.start()
        await self.clock.run_until(lambda: not self._unsettled(), within_seconds=1000, step_seconds=1)

    def _unsettled(self) -> list[Deployment]:
        return [
            deployment
            for deployment in self.world.store.deployments.values()
            if not self._is_well(deployment)
        ]

    def _is_well(self, deployment: Deployment) -> bool:
        running = self.world.terminals.running[deployment.account_id]
        if deployment.desired is Desired.DELETED:
            return False
        if is_wanted(deployment):
            is_connected = deployment.connection_status is ConnectionStatus.CONNECTED
            return deployment.state is AccountState.DEPLOYED and is_connected and running == 1
        if deployment.desired is Desired.DEPLOYED:
            failed = (AccountState.DEPLOY_FAILED, AccountState.REDEPLOY_FAILED)
            return deployment.is_rejected and deployment.state in failed and not running
        return deployment.state is AccountState.UNDEPLOYED and not running


TestFleetMachine = FleetMachine.TestCase
TestFleetMachine.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
