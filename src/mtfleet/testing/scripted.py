"""Terminals that do what a test tells them: a family of well and ill behaved ones, all on the test's clock.

    terminals = ScriptedTerminals(clock)
    terminals.behaviours[account_id] = Behaviour(rejects_with="E_AUTH")
    ...
    terminals.driver_of(account_id).drop("cable cut")

They keep watch themselves: `terminals.running` says how many terminals run for each account,
`terminals.most_running` how many ever ran at once for one account, which must never be more than one.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

import msgspec

from mtfleet.domain.accounts import Platform
from mtfleet.domain.deployment import HopName
from mtfleet.domain.errors import NotFoundError, NotSynchronizedError
from mtfleet.domain.ids import AccountId, ServerName, Symbol
from mtfleet.domain.market import (
    AccountInformation,
    BrokerBar,
    ClockSample,
    MarginMode,
    Price,
    ServerTime,
    TradeAccountType,
    format_broker_time,
)
from mtfleet.domain.symbols import (
    ExecutionMode,
    FillingMode,
    SymbolSpecification,
    TradeMode,
)
from mtfleet.domain.values import Clock
from mtfleet.terminals.base import (
    BrokerUnreachable,
    Capabilities,
    DemoAccount,
    DemoAccountRefused,
    DemoAccountRequest,
    Disconnected,
    HopPassed,
    LoginRejected,
    Report,
    ServerDescription,
    ServerFile,
    TerminalDied,
    TerminalDriver,
    Terminals,
    TerminalSpec,
    TerminalStartFailed,
    TerminalStatus,
)

EURUSD = Symbol("EURUSD")


class Behaviour(msgspec.Struct, kw_only=True):
    """How the terminal of one account behaves; may be changed while it runs. The default is faultless."""

    start_seconds: float = 0.0
    connect_seconds: float = 0.0
    stop_seconds: float = 0.0
    start_failures: int = 0
    """So many starts from now on fail."""
    connect_failures: int = 0
    """So many connections from now on find the broker unreachable."""
    synchronization_failures: int = 0
    """So many connections from now on log in and then can't load the state."""
    stop_failures: int = 0
    """So many stops from now on raise and leave the terminal running."""
    rejects_with: str | None = None
    """A detail code: the broker definitely refuses the log-in."""
    rejects_passwords: frozenset[str] = frozenset()
    """Passwords that the broker definitely refuses; others are let in."""
    hangs_in_start: bool = False
    hangs_in_connect: bool = False
    hangs_after: HopName | None = None
    """`connect` passes this hop and then never returns."""
    hangs_in_stop: bool = False
    defect: Exception | None = None
    """Raised by `connect`, as if the driver had a defect."""
    dies_after_seconds: float | None = None
    """So long after each connection the terminal dies, and says so."""
    claims_to_run: bool | None = None
    """What `observe` says, whatever is true."""
    claims_to_be_connected: bool | None = None


def slow() -> Behaviour:
    return Behaviour(start_seconds=20, connect_seconds=20, stop_seconds=5)


def never_ready() -> Behaviour:
    return Behaviour(hangs_after=HopName.BROKER)


def fails_at_once() -> Behaviour:
    return Behaviour(start_failures=1_000_000)


def dies_late() -> Behaviour:
    return Behaviour(dies_after_seconds=90)


def rejects_log_in() -> Behaviour:
    return Behaviour(rejects_with="E_AUTH")


def hangs_in_stop() -> Behaviour:
    return Behaviour(hangs_in_stop=True)


def lies_in_observe() -> Behaviour:
    return Behaviour(claims_to_run=False, claims_to_be_connected=False)


def offline() -> Behaviour:
    return Behaviour(connect_failures=1_000_000)


class ScriptedTerminals(Terminals):
    """See the module."""

    name: ClassVar[str] = "scripted"
    capabilities: ClassVar[Capabilities] = Capabilities(
        platforms=frozenset(Platform),
        can_create_demo_accounts=False,
        can_run_experts=False,
        needs_server_files=False,
        can_read_candles=False,
        can_read_ticks=False,
        can_read_current_candles=False,
        can_read_current_ticks=False,
        can_read_books=False,
    )

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.behaviours: dict[AccountId, Behaviour] = {}
        """By account; a faultless one is made for others when asked for."""
        self.running: Counter[AccountId] = Counter()
        self.most_running = 0
        self.starts: Counter[AccountId] = Counter()
        self.log_ins: Counter[AccountId] = Counter()
        """How often `connect` was called."""
        self._drivers: dict[AccountId, ScriptedDriver] = {}

    def behaviour(self, account_id: AccountId) -> Behaviour:
        return self.behaviours.setdefault(account_id, Behaviour())

    def driver_of(self, account_id: AccountId) -> "ScriptedDriver":
        """Return the newest driver of that account. Raises `KeyError`."""
        return self._drivers[account_id]

    def note_running(self, account_id: AccountId, change: int) -> None:
        self.running[account_id] += change
        self.most_running = max(self.most_running, self.running[account_id])

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""

    async def find_server(
        self, platform: Platform, name: str, files: Sequence[ServerFile] = ()
    ) -> ServerDescription | None:
        """Every name is a server, but for those with `Unknown` in it."""
        if "unknown" in name.lower():
            return None
        return ServerDescription(name=ServerName(name), broker="Scripted Ltd", platform=platform)

    async def servers(self, platform: Platform) -> Mapping[str, Sequence[ServerName]]:
        return {"Scripted Ltd": [ServerName("Scripted-Demo")]}

    def driver(self, spec: TerminalSpec, report: Report) -> "ScriptedDriver":
        driver = self._drivers[spec.account_id] = ScriptedDriver(self, spec, report)
        return driver

    async def create_demo_account(self, request: DemoAccountRequest) -> DemoAccount:
        raise DemoAccountRefused


class ScriptedDriver(TerminalDriver):
    """See the module."""

    def __init__(self, terminals: ScriptedTerminals, spec: TerminalSpec, report: Report) -> None:
        self.spec = spec
        self._terminals = terminals
        self._report = report
        self._clock = terminals.clock
        self._is_running = False
        self._is_connected = False
        self._death: asyncio.Task[None] | None = None

    @property
    def _behaviour(self) -> Behaviour:
        return self._terminals.behaviour(self.spec.account_id)

    async def start(self) -> None:
        if self._is_running:
            return
        behaviour = self._behaviour
        self._terminals.starts[self.spec.account_id] += 1
        self._set_running(True)  # also while it starts, and after a start that failed half way
        await self._clock.sleep(behaviour.start_seconds)
        if behaviour.hangs_in_start:
            await asyncio.Event().wait()
        if behaviour.start_failures > 0:
            behaviour.start_failures -= 1
            self._set_running(False)
            raise TerminalStartFailed("The script says that the terminal does not start.")

    async def connect(self) -> None:
        behaviour = self._behaviour
        self._terminals.log_ins[self.spec.account_id] += 1
        await self._clock.sleep(behaviour.connect_seconds)
        if behaviour.hangs_in_connect:
            await asyncio.Event().wait()
        if behaviour.defect is not None:
            raise behaviour.defect
        if behaviour.connect_failures > 0:
            behaviour.connect_failures -= 1
            raise BrokerUnreachable("The script says that the broker does not answer.")
        await self._pass(HopName.BROKER)
        is_refused = self.spec.password.reveal() in behaviour.rejects_passwords
        if behaviour.rejects_with or is_refused:
            raise LoginRejected("The script says no.", code=behaviour.rejects_with or "E_AUTH")
        await self._pass(HopName.LOGIN)
        if behaviour.synchronization_failures > 0:
            behaviour.synchronization_failures -= 1
            raise NotSynchronizedError("The script says that the state does not load.")
        await self._pass(HopName.SYNCHRONIZATION)
        self._is_connected = True
        if behaviour.dies_after_seconds is not None:
            self._death = asyncio.create_task(self._die_after(behaviour.dies_after_seconds))

    async def _pass(self, hop: HopName) -> None:
        self._report(HopPassed(hop=hop))
        if self._behaviour.hangs_after is hop:
            await asyncio.Event().wait()

    async def stop(self, *, grace_seconds: float = 10.0) -> None:
        behaviour = self._behaviour
        if self._death is not None:
            self._death.cancel()
            self._death = None
        if not self._is_running:
            return
        await self._clock.sleep(min(behaviour.stop_seconds, grace_seconds))
        if behaviour.hangs_in_stop:
            await asyncio.Event().wait()
        if behaviour.stop_failures > 0:
            behaviour.stop_failures -= 1
            raise OSError("The script says that the terminal can't be stopped.")
        self._set_running(False)

    def _set_running(self, is_running: bool) -> None:
        if is_running != self._is_running:
            self._is_running = is_running
            self._terminals.note_running(self.spec.account_id, 1 if is_running else -1)
        if not is_running:
            self._is_connected = False

    def drop(self, reason: str = "the script says so") -> None:
        """Let the broker close the connection."""
        self._is_connected = False
        self._report(Disconnected(reason=reason))

    def die(self, *, silently: bool = False) -> None:
        """Let the terminal end by itself."""
        if self._death is not None:
            self._death.cancel()
            self._death = None
        self._set_running(False)
        if not silently:
            self._report(TerminalDied(reason="the script says so"))

    async def _die_after(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._death = None
        self.die()

    def observe(self) -> TerminalStatus:
        running, connected = self._behaviour.claims_to_run, self._behaviour.claims_to_be_connected
        return TerminalStatus(
            is_running=self._is_running if running is None else running,
            is_connected=self._is_connected if connected is None else connected,
        )

    def _require_connected(self) -> None:
        if not self._is_connected:
            raise NotSynchronizedError("The scripted terminal is not connected.")

    async def account_information(self) -> AccountInformation:
        self._require_connected()
        return AccountInformation(
            platform=self.spec.platform.value,
            broker="Scripted Ltd",
            currency="USD",
            server=self.spec.server,
            balance=1000.0,
            equity=1000.0,
            margin=0.0,
            free_margin=1000.0,
            leverage=100,
            trade_allowed=True,
            margin_mode=MarginMode.RETAIL_HEDGING,
            name="Scripted",
            login=int(self.spec.login),
            credit=0.0,
            type=TradeAccountType.DEMO,
            currency_digits=2,
        )

    async def symbols(self) -> list[Symbol]:
        self._require_connected()
        return [EURUSD]

    async def specification(self, symbol: Symbol) -> SymbolSpecification:
        self._require_symbol(symbol)
        return SymbolSpecification(
            symbol=symbol,
            tick_size=0.00001,
            min_volume=0.01,
            max_volume=100.0,
            volume_step=0.01,
            contract_size=100_000.0,
            filling_modes=[FillingMode.FOK],
            execution_mode=ExecutionMode.MARKET,
            quote_sessions={},
            trade_sessions={},
            trade_mode=TradeMode.FULL,
            point=0.00001,
            digits=5,
            stops_level=0,
            freeze_level=0,
            base_currency="EUR",
            margin_currency="EUR",
            profit_currency="USD",
            price_calculation_mode="SYMBOL_CALC_MODE_FOREX",
            swap_mode="SYMBOL_SWAP_MODE_POINTS",
            swap_long=0.0,
            swap_short=0.0,
            swap_rollover3_days="WEDNESDAY",
            allowed_expiration_modes=[],
            allowed_order_types=[],
            description="Euro against US dollar",
            path="Forex",
        )

    async def price(self, symbol: Symbol) -> Price:
        self._require_symbol(symbol)
        now = self._clock.now()
        return Price(
            symbol=symbol,
            bid=1.1,
            ask=1.1001,
            profit_tick_value=1.0,
            loss_tick_value=1.0,
            quoted_at=now,
            broker_time=format_broker_time(now),
        )

    def _require_symbol(self, symbol: Symbol) -> None:
        self._require_connected()
        if symbol != EURUSD:
            raise NotFoundError(f"The broker has no symbol {symbol}.")

    async def server_time(self) -> ServerTime:
        self._require_connected()
        now = self._clock.now()
        return ServerTime(now=now, broker_time=format_broker_time(now))

    async def clock_samples(self, count: int) -> list[ClockSample]:
        now = self._clock.now()
        wall = now.replace(tzinfo=None) + timedelta(hours=2)
        return [ClockSample(observed_at=now, broker_wall_time=wall)] * count

    async def hourly_bars(self, symbol: Symbol, start: datetime, end: datetime) -> list[BrokerBar]:
        """It has no history."""
        return []
