"""The engine's port: where work is placed, how a request reaches the holder, who holds a lease.

Two parts talk through an engine and know nothing else of each other. The supervisor, which knows what is
wanted, calls `place`, `withdraw` and `forget`; holders, each a host that runs terminals, take the work and
report changes. Both sides are level-triggered: a report says only *that* an account changed, `observed`
says how it stands, so reports may be lost, repeated or arrive late. `mtfleet.testing.engines` holds the
contract suite.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from enum import StrEnum
from typing import Any, Protocol

from mtfleet.domain.accounts import Account, BrokerSettings
from mtfleet.domain.deployment import Observed
from mtfleet.domain.ids import AccountId, Symbol
from mtfleet.domain.timeframes import Timeframe
from mtfleet.domain.values import Instant, Value


class ServerFileContent(Value, frozen=True, kw_only=True):
    """A file of a provisioning profile, for terminals that need one to find their server."""

    name: str
    content: bytes


class Placement(Value, frozen=True, kw_only=True):
    """Everything a host needs to run one account, as it was when this revision was planned. The password is
    sealed."""

    account_id: AccountId
    revision: int
    account: Account
    credentials_id: AccountId
    """Whose password it is: the account itself, or the primary of a replica."""
    sealed_password: bytes
    broker: BrokerSettings | None = None
    server_files: list[ServerFileContent] | None = None


class QueryKind(StrEnum):
    ACCOUNT_INFORMATION = "account-information"
    SYMBOLS = "symbols"
    SPECIFICATION = "specification"
    PRICE = "price"
    SERVER_TIME = "server-time"
    CURRENT_CANDLE = "current-candle"
    CURRENT_TICK = "current-tick"
    BOOK = "book"
    CANDLES = "candles"
    TICKS = "ticks"


HISTORICAL = frozenset({QueryKind.CANDLES, QueryKind.TICKS})
"""What may take long: a terminal answers one such question of an account at a time."""


class Query(Value, frozen=True, kw_only=True):
    """A read that only the holder's terminal can answer."""

    kind: QueryKind
    symbol: Symbol | None = None
    timeframe: Timeframe | None = None
    moment: Instant | None = None
    """The latest time of candles, the earliest of ticks; absent for the newest."""
    offset: int | None = None
    limit: int | None = None


Changed = Callable[[AccountId], None]
"""Told that an account changed: a plain call in the event loop's thread that must return at once."""
Unsubscribe = Callable[[], None]
"""Ends a subscription. Repeating it is harmless."""


class Holder(Protocol):
    """A host, as an engine sees it. All but `answer` are plain calls that return at once."""

    def take(self, placements: Iterable[Placement]) -> None:
        """Begin to run these. One that is already run for that revision is left alone."""
        ...

    def let_go(self, account_ids: Iterable[AccountId]) -> None:
        """Begin to stop these. For one that is not run here, prove by taking its lease that nobody runs
        it."""
        ...

    def forget(self, account_ids: Iterable[AccountId]) -> None:
        """Let go of those that were told to stop and run nothing any more; others are left alone."""
        ...

    def observed(self, account_id: AccountId) -> Observed | None:
        """Say how it stands here, from evidence; `None` for one that is not here."""
        ...

    def held(self) -> Collection[AccountId]:
        """Return all that are here in any phase."""
        ...

    async def answer(self, account_id: AccountId, query: Query) -> Any:
        """Ask the terminal. Raises `NotSynchronizedError` when it is not connected, and
        `TooManyRequestsError` when too many historical questions about the account are waiting."""
        ...


class Engine(ABC):
    """Brings work to holders and questions to whoever holds an account."""

    @abstractmethod
    def join(self, holder: Holder) -> Changed:
        """Let `holder` take work from now on; it calls what is returned after each change of an account."""

    @abstractmethod
    async def place(self, placements: Sequence[Placement]) -> None:
        """Hand out work. Safe to repeat: at most one holder runs an account, its lease sees to that."""

    @abstractmethod
    async def withdraw(self, account_ids: Sequence[AccountId]) -> None:
        """Have them stopped wherever they run. The end is observed as `Phase.STOPPED`."""

    @abstractmethod
    async def forget(self, account_ids: Sequence[AccountId]) -> None:
        """Say that their stop was written down, so that their leases may pass on."""

    @abstractmethod
    def observed(self, account_id: AccountId) -> Observed | None:
        """Return the newest that is known of an account, `None` when no holder has it."""

    @abstractmethod
    def known(self) -> Collection[AccountId]:
        """Return all accounts of which anything is known."""

    @abstractmethod
    async def request(self, account_id: AccountId, query: Query) -> Any:
        """Ask the holder. Raises what the terminal raises, `NotSynchronizedError` when nobody holds it."""

    @abstractmethod
    def watch(self, changed: Changed) -> Unsubscribe:
        """Be told of changes of any account."""

    @abstractmethod
    def subscribe(self, account_id: AccountId, changed: Changed) -> Unsubscribe:
        """Be told of changes of one account."""


class LeaseTable(ABC):
    """Who may run which account; one durable table for all holders of all programs.

    A lease that is not renewed in time passes on. A holder must therefore stop its terminals *before* the
    time is over when it can't renew: see `fleet/host.py`.
    """

    @abstractmethod
    async def acquire(
        self, account_ids: Sequence[AccountId], lifetime_seconds: float
    ) -> dict[AccountId, int]:
        """Take those that are free, expired or held by this holder already; returns their new epochs."""

    @abstractmethod
    async def renew(self, lifetime_seconds: float) -> int:
        """Extend all of this holder's unexpired leases at once; returns how many there were."""

    @abstractmethod
    async def release(self, account_ids: Sequence[AccountId]) -> None:
        """Give them back, if they are this holder's."""
