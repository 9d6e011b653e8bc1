"""One live account: its driver, how far it is, when it is tried again.

A session has no task of its own. Its host calls `step` in a task when something is to be done, one at a
time; in between it is a small object that waits for its driver's reports. 10,000 of them fit in memory and
cost no time.
"""

from datetime import timedelta

import structlog

from mtfleet.domain.deployment import ConnectionStatus, HopName, Observed, Phase
from mtfleet.domain.errors import MtfleetError
from mtfleet.domain.ids import AccountId
from mtfleet.domain.values import Instant
from mtfleet.engines.base import Placement
from mtfleet.fleet.defects import describe_defect
from mtfleet.fleet.failures import code_of, delay_seconds, hop_of, not_stopped, refused
from mtfleet.fleet.hops import HopTrail
from mtfleet.fleet.metrics import HOPS_FAILED, SESSIONS_CONNECTED, SESSIONS_HELD
from mtfleet.fleet.session_host import SessionHost
from mtfleet.fleet.timers import Limit, Timer
from mtfleet.security.incidents import for_callers
from mtfleet.terminals.base import (
    Disconnected,
    HopPassed,
    LoginRejected,
    TerminalDied,
    TerminalDriver,
    TerminalEvent,
    TerminalStartFailed,
)

log = structlog.get_logger(__name__)

ABSENT_REVISION = -1
"""Revision of a session that runs nothing and only proves, by its lease, that nobody else does."""


class Session:
    """See the module. `phase` moves WAITING, STARTING, RUNNING, STOPPING, STOPPED; see
    `docs/explanation/fleet.md`.

    At no time do two terminals of one account run: a new one is started only after `stop` of the former
    returned and the driver says that nothing runs.
    """

    __slots__ = (
        "_attempts",
        "_connected_at",
        "_credentials_mark",
        "_dropped",
        "_has_failed",
        "_host",
        "_is_connected",
        "_is_dirty_terminal",
        "_is_fenced",
        "_is_rejected",
        "_is_stale",
        "_is_terminal_up",
        "_limit",
        "_must_stop",
        "_placement",
        "_start_failures",
        "_stop_failures",
        "_timer",
        "account_id",
        "driver",
        "epoch",
        "is_queued",
        "is_stepping",
        "phase",
        "revision",
        "trail",
    )

    def __init__(
        self, host: SessionHost, account_id: AccountId, placement: Placement | None, credentials_mark: int = 0
    ) -> None:
        """Run what is placed; without a placement only prove that nothing of the account runs anywhere."""
        self._host = host
        self.account_id = account_id
        self._placement = placement
        self._credentials_mark = credentials_mark
        self.revision = placement.revision if placement else ABSENT_REVISION
        self.driver: TerminalDriver | None = None
        self.epoch = 0
        """Of the lease; 0 without one."""
        self.phase = Phase.WAITING if placement else Phase.STOPPING
        self.trail = HopTrail(host.clock.now())
        self.is_queued = False
        self.is_stepping = False
        self._must_stop = placement is None
        self._is_fenced = False
        self._is_rejected = False
        self._is_stale = False
        """Whether another holder may have had the account since this one was placed."""
        self._has_failed = False
        self._is_connected = False
        self._is_terminal_up = False
        self._is_dirty_terminal = False
        """Whether something may be left of a terminal that failed or died."""
        self._dropped: TerminalEvent | None = None
        """What the driver reported while a step was under way."""
        self._attempts = 0
        self._start_failures = 0
        self._stop_failures = 0
        self._connected_at = 0.0
        self._timer: Timer | None = None
        self._limit: Limit | None = None
        SESSIONS_HELD.labels(phase=self.phase.value).inc()

    # What is seen

    @property
    def is_connected(self) -> bool:
        return self._is_connected

    @property
    def is_stopping(self) -> bool:
        """Whether its terminal is to stop, for good or because the lease is in danger."""
        return self._must_stop or self._is_fenced

    @property
    def runs_nothing(self) -> bool:
        """Whether it was told to stop and has."""
        return self._must_stop and self.driver is None and not self.is_stepping

    @property
    def is_reconnecting(self) -> bool:
        return self._attempts > 0 and not self.is_stopping

    def observed(self) -> Observed:
        """Say how it stands."""
        if self._is_connected:
            status = ConnectionStatus.CONNECTED
        elif self._is_terminal_up:
            status = ConnectionStatus.DISCONNECTED_FROM_BROKER
        else:
            status = ConnectionStatus.DISCONNECTED
        return Observed(
            account_id=self.account_id,
            revision=self.revision,
            phase=self.phase,
            connection_status=status,
            hops=self.trail.build(),
            is_holder=self.epoch > 0,
            is_rejected=self._is_rejected,
            has_failed=self._has_failed,
            credentials_mark=self._credentials_mark,
        )

    def report(self, event: TerminalEvent) -> None:
        """Take a driver's report; what comes from a terminal that is being stopped is no news."""
        if self.phase is Phase.STOPPED or self.is_stopping:
            return
        match event:
            case HopPassed():
                if self.is_stepping:
                    self.trail.passed(event.hop, self._now())
                    self._tell()
            case Disconnected() | TerminalDied() if self.is_stepping:
                self._dropped = event
                if isinstance(event, TerminalDied) and self._limit is not None:
                    self._limit.end()
            case Disconnected():
                if self._is_connected:
                    self._lost(HopName.BROKER, f"The broker closed the connection: {event.reason}")
            case TerminalDied():
                if self._is_terminal_up:
                    self._died(event.reason)

    def look(self) -> None:
        """Compare with what the driver sees, for a terminal that died or lost its broker without a word."""
        if self.driver is None or self.is_stepping or self.is_stopping or not self._is_terminal_up:
            return
        status = self.driver.observe()
        if not status.is_running:
            self._died("it is gone, as a look at it showed")
        elif self._is_connected and not status.is_connected:
            self._lost(
                HopName.BROKER, "The connection to the broker is gone, as a look at the terminal showed."
            )

    # Leases

    def lease_granted(self, epoch: int) -> None:
        """The account is this host's. One that somebody else may have had meanwhile counts as stopped: what
        is wanted of it, and with which settings, is looked up anew before it is started."""
        self.epoch = epoch
        self._attempts = 0
        if self._must_stop or self._is_stale:
            self._must_stop = True
            self._go_on_stopping()
            return
        self.trail.passed(HopName.PLACEMENT, self._now())
        self._enter(Phase.STARTING)
        self._host.need_step(self)

    def lease_refused(self, reason: str) -> None:
        """Another holder has it, or the table can't be reached: ask again later."""
        self._attempts += 1
        self._is_stale = True
        self._dismiss_timer()
        # A crashed holder's lease passes on within seconds; a living one's may be kept for days.
        settings = self._host.settings
        is_patient = self._attempts * settings.lease_retry_seconds > 2 * settings.lease_seconds
        delay = settings.lease_retry_seconds * (5 if is_patient else 1) * (0.75 + self._host.random() / 2)
        self._fail_hop(HopName.PLACEMENT, reason, delay)
        self._timer = self._host.timers.after(delay, self._host.need_lease, self)
        self._tell()

    def fence(self) -> None:
        """The lease may pass on soon, or has: stop the terminal now, and ask for the lease anew."""
        self.epoch = 0
        self._is_stale = True
        self._dismiss_timer()
        if self.driver is None and not self.is_stepping:
            if self.phase is Phase.STOPPED:
                self._enter(Phase.STOPPING)  # nothing proves any more that it runs nowhere
            self._host.need_lease(self)
            return
        self._is_fenced = True
        self._interrupt()

    # Stopping

    def begin_stop(self) -> None:
        """Stop the terminal; repeated on one that is stuck, it is tried again at once."""
        match self.phase:
            case Phase.STOPPED:
                self._tell()
            case Phase.STOPPING:
                pass
            case Phase.STUCK:
                self._stop_failures = 0
                self._dismiss_timer()
                self._enter(Phase.STOPPING)
                self._interrupt()
            case _:
                self._must_stop = True
                self._dismiss_timer()
                self._enter(Phase.STOPPING)
                if self.driver is None and not self.is_stepping:
                    self._go_on_stopping()
                else:
                    self._interrupt()

    def _go_on_stopping(self) -> None:
        if self.driver is not None:
            self._host.need_step(self)
        elif self.epoch:
            self._enter(Phase.STOPPED)
        else:
            self._host.need_lease(self)

    def _interrupt(self) -> None:
        if self.is_stepping and self._limit is not None:
            self._limit.end()
        self._host.need_step(self)

    async def _stop(self, driver: TerminalDriver) -> bool:
        """Stop the terminal and make sure of it; returns whether nothing of it runs."""
        settings = self._host.settings
        grace_seconds = 0.0 if self._is_fenced else settings.stop_grace_seconds
        try:
            async with Limit(self._host.timers, grace_seconds + settings.stop_margin_seconds):
                await driver.stop(grace_seconds=grace_seconds)
            if not driver.observe().is_running:
                self._terminal_gone()
                self._is_dirty_terminal = False
                self._stop_failures = 0
                log.info("terminal.stopped", account_id=self.account_id, is_fenced=self._is_fenced)
                return True
            error = "it says that it still runs"
        except TimeoutError:
            error = f"it did not end within {grace_seconds + settings.stop_margin_seconds:g} s"
        except MtfleetError as failure:
            error = self._told(failure).message
        except Exception as defect:
            error = describe_defect("session.stop_failed", defect, account_id=self.account_id)
        self._stop_failures += 1
        log.warning("terminal.stop_failed", account_id=self.account_id, tries=self._stop_failures)
        self._stop_error(error)
        return False

    def _told(self, error: MtfleetError) -> MtfleetError:
        """Return what the account may show of an error."""
        return for_callers("session.failed", error, account_id=self.account_id)

    def _stop_error(self, error: str) -> None:
        delay = self._delay_seconds(self._stop_failures)
        self._fail_hop(HopName.TERMINAL, not_stopped(error, self._stop_failures), delay)

    def _stop_again(self) -> None:
        if self._must_stop and self._stop_failures >= self._host.settings.stop_attempts:
            self._enter(Phase.STUCK)
        delay = self._host.settings.first_delay_seconds if self._is_fenced else self._last_delay
        self._timer = self._host.timers.after(delay, self._host.need_step, self)
        self._tell()

    # Steps

    async def step(self) -> None:
        """Do what is to be done next. Raises only when cancelled."""
        self._dismiss_timer()
        if self.is_stopping:
            await self._step_down()
        elif self.epoch:
            await self._step_up()

    async def _step_down(self) -> None:
        if self.driver is not None and not await self._stop(self.driver):
            self._stop_again()
            return
        if self._is_fenced:
            self._is_fenced = False
            if not self._must_stop:
                self._enter(Phase.WAITING)
                self._host.need_lease(self)
                return
        self.driver = None
        self._go_on_stopping()

    async def _step_up(self) -> None:
        self._dropped = None
        settings = self._host.settings
        try:
            if not self._is_terminal_up:
                await self._start_terminal(settings.start_seconds)
            self._begin(HopName.BROKER)
            async with self._limited(settings.connect_seconds) as self._limit:
                assert self.driver is not None  # noqa: S101 - `_start_terminal` made it
                await self.driver.connect()
        except LoginRejected as error:
            self._rejected(error)
        except TimeoutError:
            self._timed_out()
        except MtfleetError as error:
            self._failed(hop_of(error) or self._present, self._told(error).message, code_of(error))
        except Exception as defect:
            text = describe_defect("session.step_failed", defect, account_id=self.account_id)
            self._failed(self._present, text)
        else:
            self._arrived()
        finally:
            self._limit = None

    async def _start_terminal(self, seconds: float) -> None:
        """Make the driver if there is none, clear away what is left of a former terminal, start."""
        self._begin(HopName.TERMINAL)
        if self.driver is None:
            assert self._placement is not None  # noqa: S101 - only a session to stop has neither
            async with self._limited(seconds) as self._limit:
                self.driver = await self._host.open_driver(self._placement, self.report)
            self._placement = None  # the driver has what it needs; the sealed password is kept nowhere else
        if self._is_dirty_terminal and not await self._stop(self.driver):
            raise TerminalStartFailed("What is left of the former terminal could not be ended.")
        self._is_dirty_terminal = True
        async with self._limited(seconds) as self._limit:
            await self.driver.start()
        self._is_terminal_up, self._is_dirty_terminal = True, False
        self._start_failures, self._has_failed = 0, False
        self.trail.passed(HopName.TERMINAL, self._now())
        log.info("terminal.started", account_id=self.account_id, revision=self.revision)

    def _limited(self, seconds: float) -> Limit:
        if self.is_stopping:
            raise TimeoutError
        return Limit(self._host.timers, seconds)

    def _arrived(self) -> None:
        if self.is_stopping:
            return
        dropped = self._dropped
        if dropped is not None and self.driver is not None and not self.driver.observe().is_connected:
            self._timed_out()
            return
        for name in (HopName.BROKER, HopName.LOGIN, HopName.SYNCHRONIZATION):
            self.trail.passed(name, self._now())
        self._is_connected = True
        SESSIONS_CONNECTED.inc()
        self._connected_at = self._host.clock.monotonic()
        log.info("account.connected", account_id=self.account_id, tries=self._attempts + 1)
        self._enter(Phase.RUNNING)

    def _timed_out(self) -> None:
        """A limit ended the step: time was over, the terminal died or it is to stop."""
        if self.is_stopping:
            return
        dropped = self._dropped
        if isinstance(dropped, TerminalDied):
            self._died(dropped.reason)
        elif isinstance(dropped, Disconnected):
            self._failed(HopName.BROKER, f"The broker closed the connection: {dropped.reason}")
        else:
            self._failed(self._present, "It did not come up in the time it has.")

    def _rejected(self, error: LoginRejected) -> None:
        self._is_rejected = True
        HOPS_FAILED.labels(hop=HopName.LOGIN.value).inc()
        self.trail.failed(HopName.LOGIN, self._now(), refused(error), details=code_of(error))
        log.warning("account.login_rejected", account_id=self.account_id, code=code_of(error))
        self._must_stop = True
        self._host.need_step(self)
        self._enter(Phase.STOPPING)

    def _failed(self, name: HopName, error: str, details: str | None = None) -> None:
        """A try failed without a definite no: it is tried again, ever more seldom."""
        self._attempts += 1
        if not self._is_terminal_up:
            self._start_failures += 1
            self._has_failed = self._start_failures >= self._host.settings.start_attempts
        delay = self._delay_seconds(self._attempts)
        self._fail_hop(name, error, delay, details)
        log.info(
            "hop.failed",
            account_id=self.account_id,
            hop=name.value,
            tries=self._attempts,
            seconds=round(delay, 1),
        )
        self._timer = self._host.timers.after(delay, self._host.need_step, self)
        if self._is_terminal_up:
            self._enter(Phase.RUNNING)
        else:
            self._tell()

    def _lost(self, name: HopName, error: str) -> None:
        if self._host.clock.monotonic() - self._connected_at >= self._host.settings.stable_seconds:
            self._attempts = 0
        self._set_disconnected()
        self._failed(name, error)

    def _died(self, reason: str) -> None:
        self._terminal_gone()
        self._is_dirty_terminal = True
        log.warning("terminal.died", account_id=self.account_id)
        if self._host.clock.monotonic() - self._connected_at >= self._host.settings.stable_seconds:
            self._attempts = 0
        self._failed(HopName.TERMINAL, f"The terminal ended by itself: {reason}. It is started again.")

    # Small steps

    @property
    def _present(self) -> HopName:
        return self.trail.present or HopName.SYNCHRONIZATION

    @property
    def _last_delay(self) -> float:
        return self._delay_seconds(self._stop_failures)

    def _now(self) -> Instant:
        return self._host.clock.now()

    def _begin(self, name: HopName) -> None:
        self.trail.begin(name, self._now())
        self._tell()

    def _fail_hop(self, name: HopName, error: str, delay: float, details: str | None = None) -> None:
        HOPS_FAILED.labels(hop=name.value).inc()
        now = self._now()
        next_try_at = Instant.of(now + timedelta(seconds=delay))
        self.trail.failed(name, now, error, details=details, next_try_at=next_try_at)

    def _delay_seconds(self, failures: int) -> float:
        return delay_seconds(failures, self._host.settings, self._host.random())

    def _set_disconnected(self) -> None:
        if self._is_connected:
            self._is_connected = False
            SESSIONS_CONNECTED.dec()

    def _terminal_gone(self) -> None:
        self._set_disconnected()
        self._is_terminal_up = False

    def _dismiss_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _enter(self, phase: Phase) -> None:
        if phase is not self.phase:
            SESSIONS_HELD.labels(phase=self.phase.value).dec()
            SESSIONS_HELD.labels(phase=phase.value).inc()
            self.phase = phase
        self._tell()

    def _tell(self) -> None:
        self._host.changed(self)

    def dismiss(self) -> None:
        """Let go of everything; the session is not used again."""
        self._dismiss_timer()
        self._terminal_gone()
        SESSIONS_HELD.labels(phase=self.phase.value).dec()
