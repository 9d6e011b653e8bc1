"""What the fleet and provisioning need of a terminal. A driver is a pair of classes: `Terminals` and
`TerminalDriver`.

The entry-point group `mtfleet.terminals` names `Terminals` classes. `mtfleet.testing.terminals` holds the
contract
suite that proves a driver for the capabilities that it declares.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

import msgspec

from mtfleet.domain.accounts import Platform
from mtfleet.domain.deployment import HopName
from mtfleet.domain.errors import DetailCode, PolicyError, SystemError_
from mtfleet.domain.ids import AccountId, Login, ServerName, Symbol
from mtfleet.domain.market import (
    AccountInformation,
    Book,
    BrokerBar,
    Candle,
    ClockSample,
    Price,
    ServerTime,
    Tick,
)
from mtfleet.domain.secret import Secret
from mtfleet.domain.symbols import SymbolSpecification
from mtfleet.domain.timeframes import Timeframe
from mtfleet.domain.values import Instant, Value


class TerminalStartFailed(SystemError_):
    """The terminal did not start. Its account shows the message, so it names no paths, hosts or keys."""

    is_for_callers = True


class BrokerUnreachable(SystemError_):
    """The broker's server did not answer."""

    is_for_callers = True


class LoginRejected(PolicyError):
    """The broker refused the login: check login, password and server name."""

    name = "ValidationError"

    def __init__(self, message: str | None = None, *, code: str = DetailCode.AUTH) -> None:
        super().__init__(message, details=code)


class DemoAccountRefused(PolicyError):
    """The server does not create demo accounts through this program; open one in the broker's terminal."""

    name = "ValidationError"


class NotOffered(PolicyError):
    """The terminal that runs this account can't do this."""

    name = "ValidationError"

    def __init__(self, what: str) -> None:
        super().__init__(f"The kind of terminal that runs this account can't read {what}.")


class Capabilities(Value, frozen=True, kw_only=True):
    """What a driver can do; what it can't is refused by name, never faked."""

    platforms: frozenset[Platform]
    can_create_demo_accounts: bool
    can_run_experts: bool
    needs_server_files: bool
    can_read_candles: bool
    """Historical candles. This and the others below: on the platforms that have such a thing."""
    can_read_ticks: bool
    """Historical ticks."""
    can_read_current_candles: bool
    can_read_current_ticks: bool
    can_read_books: bool


class ServerDescription(Value, frozen=True, kw_only=True):
    """A trade server that a driver can reach."""

    name: ServerName
    """Spelled as the broker spells it."""
    broker: str
    """Company name."""
    platform: Platform


class ServerFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a provisioning profile, opaque to everyone but a real terminal."""

    name: str
    content: bytes


class TerminalSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a driver needs to run one account."""

    account_id: AccountId
    platform: Platform
    server: ServerName
    login: Login
    password: Secret
    magic: int
    quote_streaming_interval_seconds: float
    slippage: float | None = None
    symbol: Symbol | None = None
    base_currency: str | None = None
    """Into which exchange rates of the account's currency are told; US dollars when absent."""
    broker_timezone: str | None = None
    """Absent while settings are being detected: then wall-clock times can't be converted."""
    broker_dst_switch_timezone: str | None = None
    server_files: Sequence[ServerFile] = ()


class HopPassed(msgspec.Struct, frozen=True, kw_only=True):
    """During `connect`: a hop was passed."""

    hop: HopName


class Disconnected(msgspec.Struct, frozen=True, kw_only=True):
    """After a successful `connect`: the link to the broker is gone. The session decides when to `connect`
    again."""

    reason: str


class TerminalDied(msgspec.Struct, frozen=True, kw_only=True):
    """The terminal itself is gone; it must be started again."""

    reason: str


TerminalEvent = HopPassed | Disconnected | TerminalDied
Report = Callable[[TerminalEvent], None]
"""How a driver tells what happened: a plain call in the event loop's thread, so that ten thousand idle
accounts need no task."""


class TerminalStatus(Value, frozen=True, kw_only=True):
    """What is seen of a terminal right now."""

    is_running: bool
    is_connected: bool
    last_quote_at: Instant | None = None


class TerminalDriver(ABC):
    """One trading terminal, seen from outside.

    Life: `start`, `connect` (again after each `Disconnected`), `stop`. `start` after `stop` is legal. Every
    method may
    be cancelled; a cancelled `start` or `connect` leaves nothing running that `stop` would not end.
    """

    __slots__ = ()

    @abstractmethod
    async def start(self) -> None:
        """Start the terminal. Raises `TerminalStartFailed`. Starting a running terminal does nothing."""

    @abstractmethod
    async def connect(self) -> None:
        """Connect to the broker, log in and load the state; returns when the account is usable.

        Reports `HopPassed` for broker, log-in and synchronisation on the way. Raises `BrokerUnreachable`,
        `LoginRejected` (a definite no: the caller must not try these credentials again) or
        `NotSynchronizedError`.
        """

    @abstractmethod
    async def stop(self, *, grace_seconds: float = 10.0) -> None:
        """Log out and end the terminal, by force after `grace_seconds`. Stopping a stopped terminal does
        nothing.

        After it returns nothing of this terminal runs or reports.
        """

    @abstractmethod
    def observe(self) -> TerminalStatus:
        """Answer from evidence, at any time: before `start`, during it, after a crash."""

    @abstractmethod
    async def account_information(self) -> AccountInformation:
        """Return the account's state at the broker. Raises `NotSynchronizedError` when not connected."""

    @abstractmethod
    async def symbols(self) -> list[Symbol]:
        """Return the names of all symbols that the broker offers this account, in the broker's order."""

    @abstractmethod
    async def specification(self, symbol: Symbol) -> SymbolSpecification:
        """Return a symbol's specification. Raises `NotFoundError` for one that the broker does not have."""

    @abstractmethod
    async def price(self, symbol: Symbol) -> Price:
        """Return the newest quote. Raises `NotFoundError`, or `TimedOutError` when the broker quotes
        nothing."""

    @abstractmethod
    async def server_time(self) -> ServerTime:
        """Return the broker's clock. Needs the time zone in the spec."""

    @abstractmethod
    async def clock_samples(self, count: int) -> list[ClockSample]:
        """Return up to `count` fresh ticks with both clocks; fewer when the broker is silent. For
        detection."""

    @abstractmethod
    async def hourly_bars(self, symbol: Symbol, start: datetime, end: datetime) -> list[BrokerBar]:
        """Return the bars of `[start, end)` in the broker's wall-clock time, ascending; what it has. For
        detection.

        A naive `start` or `end` is a wall-clock time of the broker, an aware one a moment."""

    # What not every driver can do: its `Capabilities` say what it overrides. All raise `NotFoundError` for a
    # symbol that the broker does not have, and `ValidationError` for what the platform does not have.

    async def candles(
        self, symbol: Symbol, timeframe: Timeframe, before: datetime | None, limit: int
    ) -> list[Candle]:
        """Return up to `limit` candles that had opened by the moment `before`, ascending and without a gap
        but for stretches without ticks; the last of them is the one that was open then. `None` means now:
        then the last one is still being formed. Fewer, or none, when the broker keeps no more."""
        raise NotOffered("historical candles")

    async def ticks(self, symbol: Symbol, start: datetime | None, offset: int, limit: int) -> list[Tick]:
        """Return up to `limit` ticks from the moment `start` on, ascending, leaving out the first `offset`.

        Without `start` they are the newest, leaving out the `offset` newest. None when there are no more."""
        raise NotOffered("historical ticks")

    async def current_candle(self, symbol: Symbol, timeframe: Timeframe) -> Candle:
        """Return the candle that is being formed, or the last one while there are no quotes. Raises
        `TimedOutError` when there never was one."""
        raise NotOffered("current candles")

    async def current_tick(self, symbol: Symbol) -> Tick:
        """Return the newest tick, the one that `price` shows. Raises `TimedOutError` when there is none."""
        raise NotOffered("current ticks")

    async def book(self, symbol: Symbol) -> Book:
        """Return the order book of the newest tick. Raises `TimedOutError` when there is none."""
        raise NotOffered("order books")


class DemoAccountRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A wish for a demo account, already checked."""

    platform: Platform
    server: ServerName
    balance: float
    leverage: float
    email: str
    account_type: str | None = None
    name: str | None = None
    phone: str | None = None
    request_id: str
    """The same id asks for the same account: a repeat returns it and makes no second one."""


class DemoAccount(msgspec.Struct, frozen=True, kw_only=True):
    login: Login
    password: Secret
    investor_password: Secret
    server: ServerName


class Terminals(ABC):
    """A kind of terminal: the servers it reaches, and a driver for each account."""

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]

    @abstractmethod
    async def open(self) -> None:
        """Get ready; called once before anything else, recovers whatever was durable."""

    @abstractmethod
    async def close(self) -> None:
        """End everything this object started."""

    @abstractmethod
    async def find_server(
        self, platform: Platform, name: str, files: Sequence[ServerFile] = ()
    ) -> ServerDescription | None:
        """Return the server of that name (case does not matter), from what is known and the given files, or
        `None`."""

    @abstractmethod
    async def servers(self, platform: Platform) -> Mapping[str, Sequence[ServerName]]:
        """Return all known servers by broker company, in a stable order."""

    @abstractmethod
    def driver(self, spec: TerminalSpec, report: Report) -> TerminalDriver:
        """Make a driver for one account. Cheap: nothing starts yet."""

    @abstractmethod
    async def create_demo_account(self, request: DemoAccountRequest) -> DemoAccount:
        """Open a demo account; durable before it returns. Raises `DemoAccountRefused` or
        `BrokerUnreachable`."""
