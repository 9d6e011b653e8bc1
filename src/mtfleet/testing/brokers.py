"""Simulated servers whose every property a test sets: zone, credentials, symbols, faults."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import ClassVar
from zoneinfo import ZoneInfo

import msgspec

from mtfleet.domain.accounts import Platform
from mtfleet.domain.brokertime import offset_at
from mtfleet.domain.errors import NotFoundError, NotSynchronizedError
from mtfleet.domain.ids import Login, ServerName, Symbol
from mtfleet.domain.market import AccountInformation, BrokerBar, ClockSample, Price, ServerTime
from mtfleet.domain.secret import Secret
from mtfleet.domain.symbols import SymbolSpecification
from mtfleet.domain.values import Clock, Instant
from mtfleet.terminals.base import (
    BrokerUnreachable,
    Capabilities,
    DemoAccount,
    DemoAccountRefused,
    DemoAccountRequest,
    LoginRejected,
    Report,
    ServerDescription,
    ServerFile,
    TerminalDriver,
    Terminals,
    TerminalSpec,
    TerminalStatus,
)

NEW_YORK = ZoneInfo("America/New_York")
HOUR = timedelta(hours=1)


class BrokerScript(msgspec.Struct, kw_only=True):
    """One trade server; change it while it runs to make it misbehave."""

    broker: str = "Test Brokers Ltd"
    platform: Platform = Platform.MT5
    zone: tuple[str, str] = ("EET", "EET")
    passwords: dict[str, str] = msgspec.field(default_factory=dict)
    """By login."""
    symbols: list[Symbol] = msgspec.field(
        default_factory=lambda: [Symbol("EURUSD"), Symbol("XAUUSD"), Symbol("BTCUSD")]
    )
    is_offline: bool = False
    has_sessions: bool = True
    """Whether foreign exchange closes at the weekend; else nothing tells the time zone."""
    opens_demo_accounts: bool = True
    needs_file: str | None = None
    """A server file without which nobody knows this server."""
    gate: asyncio.Event | None = None
    """Log-ins wait for it."""


class ScriptedBrokers(Terminals):
    """A kind of terminal that reaches the scripted servers."""

    name: ClassVar[str] = "scripted-brokers"
    capabilities: ClassVar[Capabilities] = Capabilities(
        platforms=frozenset(Platform),
        can_create_demo_accounts=True,
        can_run_experts=False,
        needs_server_files=False,
        can_read_candles=False,
        can_read_ticks=False,
        can_read_current_candles=False,
        can_read_current_ticks=False,
        can_read_books=False,
    )

    def __init__(self, clock: Clock, scripts: dict[str, BrokerScript]) -> None:
        self.clock = clock
        self.scripts = scripts
        self.running = 0
        """Terminals that were started and not stopped."""
        self.most_running = 0
        self.logins = 0
        self._demo_accounts: dict[str, DemoAccount] = {}

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def find_server(
        self, platform: Platform, name: str, files: Sequence[ServerFile] = ()
    ) -> ServerDescription | None:
        for server, script in self.scripts.items():
            is_known = script.needs_file is None or any(file.name == script.needs_file for file in files)
            if server.casefold() == name.casefold() and script.platform is platform and is_known:
                return ServerDescription(name=ServerName(server), broker=script.broker, platform=platform)
        return None

    async def servers(self, platform: Platform) -> Mapping[str, Sequence[ServerName]]:
        found: dict[str, list[ServerName]] = {}
        for server, script in self.scripts.items():
            if script.platform is platform and script.needs_file is None:
                found.setdefault(script.broker, []).append(ServerName(server))
        return found

    def driver(self, spec: TerminalSpec, report: Report) -> TerminalDriver:
        return ScriptedBrokerDriver(self, spec)

    async def create_demo_account(self, request: DemoAccountRequest) -> DemoAccount:
        script = self.scripts[request.server]
        if script.is_offline:
            raise BrokerUnreachable("The line is dead.")
        if not script.opens_demo_accounts:
            raise DemoAccountRefused("Demo accounts are opened on the broker's web site only.")
        made = self._demo_accounts.get(request.request_id)
        if made is None:
            number = 5000 + len(self._demo_accounts)
            made = DemoAccount(
                login=Login(str(number)),
                password=Secret(f"demo-master-{number}"),
                investor_password=Secret(f"demo-investor-{number}"),
                server=request.server,
            )
            self._demo_accounts[request.request_id] = made
            script.passwords[made.login] = made.password.reveal()
        return made

    @property
    def demo_accounts(self) -> int:
        """How many were made."""
        return len(self._demo_accounts)


class ScriptedBrokerDriver(TerminalDriver):
    """A terminal of one account on a scripted server."""

    def __init__(self, terminals: ScriptedBrokers, spec: TerminalSpec) -> None:
        self._terminals = terminals
        self._spec = spec
        self._script = terminals.scripts[spec.server]
        self._is_running = False
        self._is_connected = False

    async def start(self) -> None:
        if not self._is_running:
            self._is_running = True
            self._terminals.running += 1
            self._terminals.most_running = max(self._terminals.most_running, self._terminals.running)

    async def connect(self) -> None:
        if self._script.gate is not None:
            await self._script.gate.wait()
        if self._script.is_offline:
            raise BrokerUnreachable(f"{self._spec.server} does not answer.")
        self._terminals.logins += 1
        if self._script.passwords.get(self._spec.login) != self._spec.password.reveal():
            raise LoginRejected("Unknown account or wrong password.")
        self._is_connected = True

    async def stop(self, *, grace_seconds: float = 10.0) -> None:
        if self._is_running:
            self._is_running = self._is_connected = False
            self._terminals.running -= 1

    def observe(self) -> TerminalStatus:
        return TerminalStatus(is_running=self._is_running, is_connected=self._is_connected)

    async def account_information(self) -> AccountInformation:
        raise NotSynchronizedError("Not scripted.")

    async def symbols(self) -> list[Symbol]:
        return list(self._script.symbols)

    async def specification(self, symbol: Symbol) -> SymbolSpecification:
        raise NotFoundError("Not scripted.")

    async def price(self, symbol: Symbol) -> Price:
        raise NotFoundError("Not scripted.")

    async def server_time(self) -> ServerTime:
        raise NotSynchronizedError("Not scripted.")

    async def clock_samples(self, count: int) -> list[ClockSample]:
        now = self._terminals.clock.now()
        wall = now.replace(tzinfo=None) + offset_at(
            *self._script.zone, datetime.fromtimestamp(now.timestamp(), UTC)
        )
        return [ClockSample(observed_at=Instant.of(now), broker_wall_time=wall) for _ in range(count)]

    async def hourly_bars(self, symbol: Symbol, start: datetime, end: datetime) -> list[BrokerBar]:
        now = datetime.fromtimestamp(self._terminals.clock.now().timestamp(), UTC)
        opens = (
            (18 if symbol == "XAUUSD" else 17) if self._script.has_sessions and symbol != "BTCUSD" else None
        )
        bars = hourly_bars(self._script.zone, now.replace(minute=0, second=0, microsecond=0), opens)
        return [bar for bar in bars if start <= bar.opened_at < end]


@lru_cache(maxsize=16)
def hourly_bars(zone: tuple[str, str], end: datetime, opens: int | None) -> list[BrokerBar]:
    """Return a year of bars before `end`, of a market that closes on Friday at 17:00 in New York.

    It opens on Sunday at the hour `opens` there; `None` is a market that trades always.
    """
    hours = [end - HOUR * back for back in range(372 * 24, 0, -1)]
    walls = {
        hour.replace(tzinfo=None) + offset_at(*zone, hour): None
        for hour in hours
        if opens is None or _is_open(hour.astimezone(NEW_YORK), opens)
    }
    return [BrokerBar(opened_at=wall, open=1, high=1, low=1, close=1, tick_volume=1) for wall in walls]


def _is_open(local: datetime, opens: int) -> bool:
    day = local.weekday()
    return day < 4 or (day == 4 and local.hour < 17) or (day == 6 and local.hour >= opens)
