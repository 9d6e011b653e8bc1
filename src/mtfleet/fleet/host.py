"""The host: runs the sessions of the accounts that it holds the leases of.

Its own tasks are few: timers, leases, renewal, the watchdog, and a look at all drivers now and then. Steps of
sessions (start, connect, stop) run in tasks of its group, so many at a time; an account that is connected,
or waits to be tried again, has no task at all.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from typing import Any

import structlog

from mtfleet.domain.accounts import Platform
from mtfleet.domain.deployment import Observed, Phase
from mtfleet.domain.errors import NotSynchronizedError
from mtfleet.domain.ids import AccountId
from mtfleet.domain.values import Clock
from mtfleet.engines.base import HISTORICAL, Changed, LeaseTable, Placement, Query
from mtfleet.fleet.answers import answer_of
from mtfleet.fleet.credentials import OpensSecrets, mark_of, terminal_spec
from mtfleet.fleet.defects import describe_defect
from mtfleet.fleet.leases import LeaseKeeper
from mtfleet.fleet.metrics import STEPS_FAILED, STEPS_RUNNING, STEPS_WAITING
from mtfleet.fleet.session import Session
from mtfleet.fleet.settings import FleetSettings
from mtfleet.fleet.timers import Limit, Timers
from mtfleet.fleet.turns import Turns
from mtfleet.terminals.base import Report, ServerFile, TerminalDriver, Terminals, TerminalStartFailed

log = structlog.get_logger(__name__)


class LeaseLost(NotSynchronizedError):
    """This host no longer holds the account, so nothing was sent to the broker. Try again in a moment."""


class Host:
    """Holder of an engine's work; see `mtfleet.engines.base.Holder` for what the calls promise."""

    def __init__(
        self,
        *,
        leases: LeaseTable,
        terminals: Mapping[str, Terminals],
        vault: OpensSecrets,
        clock: Clock,
        random: Callable[[], float],
        settings: FleetSettings,
    ) -> None:
        self.clock = clock
        self.random = random
        self.settings = settings
        self.timers = Timers(clock)
        self._terminals = terminals
        self._vault = vault
        self._turns = Turns(clock)
        self._told: Changed | None = None
        self._sessions: dict[AccountId, Session] = {}
        self._leases = LeaseKeeper(leases, self._sessions, clock, self.timers, settings)
        self._queues: tuple[deque[Session], ...] = (deque(), deque(), deque())
        """To stop, to start, to reconnect; each session is in one of them at most once."""
        self._steps: set[asyncio.Task[None]] = set()
        self._reconnecting = 0
        self._tasks: asyncio.TaskGroup | None = None
        self._main: asyncio.Task[None] | None = None
        self._end = asyncio.Event()
        self._moved = asyncio.Event()
        """Set by every change, for `stop`, which waits for the last terminal."""

    # Life

    async def start(self, told: Changed) -> None:
        """Begin to work; `told` is called after each change of an account."""
        self._told = told
        started = asyncio.Event()
        self._main = asyncio.create_task(self._serve(started), name="fleet-host")
        await started.wait()

    async def stop(self) -> None:
        """Stop all terminals within `shutdown_seconds` and give back the leases of those that did stop.

        Repeating it is harmless.
        """
        if self._main is None:
            return
        self.let_go([session.account_id for session in self._with_driver()])
        try:
            async with Limit(self.timers, self.settings.shutdown_seconds):
                while self._with_driver():
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            log.error("host.stop_timed_out", accounts=len(self._with_driver()))
        stopped = [s.account_id for s in self._sessions.values() if s.driver is None and s.epoch]
        await self._leases.close(stopped)
        self._end.set()
        main, self._main = self._main, None
        await main
        for session in self._sessions.values():
            session.dismiss()
        self._sessions.clear()
        log.info("host.stopped", released=len(stopped))

    def _with_driver(self) -> list[Session]:
        return [session for session in self._sessions.values() if session.driver is not None]

    async def _serve(self, started: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as self._tasks:
            turns = (self._leases.serve, self._leases.renew, self._leases.watch, self._look_at_all)
            owned = [self._tasks.create_task(self._forever(turn)) for turn in turns]
            owned.append(self._tasks.create_task(self.timers.run()))
            started.set()
            await self._end.wait()
            for task in (*owned, *self._steps):
                task.cancel()

    async def _forever(self, turn: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Repeat `turn` until cancelled; an error in it is logged and ends only that turn."""
        while True:
            try:
                await turn()
            except Exception as defect:
                describe_defect("host.turn_failed", defect, turn=turn.__name__)
                await self.clock.sleep(0.5)

    # What an engine calls

    def take(self, placements: Iterable[Placement]) -> None:
        """See `Holder.take`. One that is being stopped is left alone too: it is placed again afterwards."""
        for placement in placements:
            account_id = placement.account_id
            former = self._sessions.get(account_id)
            if former is not None:
                if former.phase is not Phase.STOPPED:
                    continue
                former.dismiss()
            mark = mark_of(placement.account.login, placement.account.server, placement.sealed_password)
            session = self._sessions[account_id] = Session(self, account_id, placement, mark)
            self.need_lease(session)
            self.changed(session)

    def let_go(self, account_ids: Iterable[AccountId]) -> None:
        """See `Holder.let_go`."""
        for account_id in account_ids:
            session = self._sessions.get(account_id)
            if session is not None:
                session.begin_stop()
                continue
            session = self._sessions[account_id] = Session(self, account_id, None)
            self.need_lease(session)
            self.changed(session)

    def forget(self, account_ids: Iterable[AccountId]) -> None:
        """See `Holder.forget`."""
        for account_id in account_ids:
            session = self._sessions.get(account_id)
            if session is None or not session.runs_nothing:
                continue
            session.dismiss()
            del self._sessions[account_id]
            self._leases.give_back(account_id)
            self._tell(account_id)

    def observed(self, account_id: AccountId) -> Observed | None:
        """See `Holder.observed`."""
        session = self._sessions.get(account_id)
        return None if session is None else session.observed()

    def held(self) -> Collection[AccountId]:
        """See `Holder.held`."""
        return self._sessions.keys()

    async def answer(self, account_id: AccountId, query: Query) -> Any:
        """See `Holder.answer`. The driver's own errors come through. Raises `LeaseLost` as `check_lease`
        does, so that a program that was frozen does not tell what it saw before."""
        session = self._sessions.get(account_id)
        if session is None or session.driver is None or not session.is_connected:
            raise NotSynchronizedError("The account is not connected to its broker now; try again soon.")
        self.check_lease(account_id)
        if query.kind not in HISTORICAL:
            return await answer_of(session.driver, query)
        async with self._turns.turn(account_id):
            if session.driver is None or not session.is_connected:
                raise NotSynchronizedError("The account lost its connection meanwhile; try again soon.")
            self.check_lease(account_id)
            return await answer_of(session.driver, query)

    def check_lease(self, account_id: AccountId) -> int:
        """Return the epoch under which this host may use the account; call it right before each order.

        Raises `LeaseLost` when another host may run it by now.
        """
        session = self._sessions.get(account_id)
        if session is None or not session.epoch or session.is_stopping or not self._leases.is_safe(0.0):
            raise LeaseLost
        return session.epoch

    # What sessions call

    def changed(self, session: Session) -> None:
        """See `SessionHost.changed`."""
        self._moved.set()
        if self._sessions.get(session.account_id) is session:
            self._tell(session.account_id)

    def _tell(self, account_id: AccountId) -> None:
        if self._told is not None:
            self._told(account_id)

    def need_lease(self, session: Session) -> None:
        """See `SessionHost.need_lease`."""
        if self._sessions.get(session.account_id) is session:
            self._leases.need(session.account_id)

    def need_step(self, session: Session) -> None:
        """See `SessionHost.need_step`."""
        if session.is_queued and not session.is_stopping:
            return
        session.is_queued = True  # one that is to stop may stand in two queues; the first to come counts
        if not session.is_stepping:
            self._enqueue(session)

    async def open_driver(self, placement: Placement, report: Report) -> TerminalDriver:
        """See `SessionHost.open_driver`. Raises what the vault raises, and `TerminalStartFailed`."""
        account = placement.account
        files = [ServerFile(name=f.name, content=f.content) for f in placement.server_files or ()]
        terminals = await self._terminals_for(account.platform, account.server, files)
        spec = await terminal_spec(placement, self._vault, files)
        return terminals.driver(spec, report)

    async def _terminals_for(self, platform: Platform, server: str, files: list[ServerFile]) -> Terminals:
        fitting = [kind for kind in self._terminals.values() if platform in kind.capabilities.platforms]
        if not fitting:
            raise TerminalStartFailed(f"This host has no terminals for {platform.value}.")
        for kind in fitting[:-1]:
            if await kind.find_server(platform, server, files) is not None:
                return kind
        return fitting[-1]

    # Steps

    def _enqueue(self, session: Session) -> None:
        queue = 0 if session.is_stopping else 2 if session.is_reconnecting else 1
        self._queues[queue].append(session)
        self._pump()

    def _pump(self) -> None:
        assert self._tasks is not None  # noqa: S101 - steps are asked for only after `start`
        while len(self._steps) < self.settings.concurrent_steps and (session := self._next()) is not None:
            session.is_queued = False
            session.is_stepping = True
            is_reconnecting = session.is_reconnecting
            self._reconnecting += is_reconnecting
            task = self._tasks.create_task(self._step(session, is_reconnecting))
            self._steps.add(task)
        STEPS_WAITING.set(sum(map(len, self._queues)))
        STEPS_RUNNING.set(len(self._steps))

    def _next(self) -> Session | None:
        to_stop, to_start, to_reconnect = self._queues
        can_reconnect = self._reconnecting < self.settings.concurrent_reconnects
        for queue in (to_stop, to_start, to_reconnect) if can_reconnect else (to_stop, to_start):
            while queue:
                session = queue.popleft()
                if session.is_queued and not session.is_stepping:
                    return session
        return None

    async def _step(self, session: Session, is_reconnecting: bool) -> None:
        try:
            await session.step()
        except Exception as defect:
            STEPS_FAILED.inc()
            describe_defect("host.step_failed", defect, account_id=session.account_id)
            self.timers.after(self.settings.defect_seconds, self.need_step, session)
        finally:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - a coroutine always runs in one
            self._steps.discard(task)
            self._reconnecting -= is_reconnecting
            session.is_stepping = False
            self._moved.set()
        if session.is_queued:
            self._enqueue(session)
        self._pump()

    async def _look_at_all(self) -> None:
        await self.clock.sleep(self.settings.observe_seconds)
        for number, session in enumerate(list(self._sessions.values())):
            try:
                session.look()
            except Exception as defect:
                describe_defect("session.look_failed", defect, account_id=session.account_id)
            if number % 500 == 499:
                await asyncio.sleep(0)
