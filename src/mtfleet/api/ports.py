"""The services that the HTTP side calls, as it sees them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mtfleet.domain.access import Caller, IssuedToken, User
from mtfleet.domain.accounts import Account, AccountFilter, Platform
from mtfleet.domain.experts import Expert
from mtfleet.domain.ids import AccountId, ExpertId, ProfileId, Region, Symbol, TokenId
from mtfleet.domain.market import AccountInformation, Book, Candle, Price, ServerTime, Tick
from mtfleet.domain.profiles import Profile, ProfileFilter, ProfilePage
from mtfleet.domain.symbols import SymbolSpecification
from mtfleet.domain.timeframes import Timeframe
from mtfleet.domain.values import Clock, Instant
from mtfleet.store.base import EncodedPage, Store
from mtfleet.wire.replies import Accepted, ConfigurationLink, Created, GeneratedAccount, ProfileCreated
from mtfleet.wire.requests import (
    AccountUpdate,
    CopyFactory,
    ExpertBody,
    Features,
    NarrowDown,
    NewAccount,
    NewDemoAccount,
    NewProfile,
    NewReplica,
    ProfileUpdate,
)


class Authenticator(Protocol):
    async def authenticate(self, raw: str | None, *, remote_address: str | None = None) -> Caller: ...

    async def issue(
        self,
        user: User,
        *,
        name: str | None = None,
        validity_hours: float | None = None,
        caller: Caller | None = None,
    ) -> str: ...

    async def narrow(self, caller: Caller, wish: NarrowDown, *, validity_hours: float = 24) -> str: ...

    async def revoke(self, caller: Caller, token_id: TokenId) -> None: ...

    async def list(self, caller: Caller) -> list[IssuedToken]: ...


class UserDirectory(Protocol):
    async def create(
        self, name: str, *, is_administrator: bool = False, caller: Caller | None = None
    ) -> tuple[User, str]: ...

    async def all(self) -> list[User]: ...


class KeyRotation(Protocol):
    async def rotate(self, *, caller: Caller | None = None) -> int: ...


class AccountsPort(Protocol):
    async def list_encoded(
        self, caller: Caller, criteria: AccountFilter, *, with_count: bool
    ) -> EncodedPage: ...

    async def get(self, caller: Caller, account_id: AccountId) -> Account: ...

    async def create(
        self, caller: Caller, body: NewAccount, transaction_id: str | None
    ) -> Created | Accepted: ...

    async def update(self, caller: Caller, account_id: AccountId, body: AccountUpdate) -> None: ...

    async def remove(self, caller: Caller, account_id: AccountId, *, for_all_replicas: bool) -> None: ...

    async def deploy(self, caller: Caller, account_id: AccountId, *, for_all_replicas: bool) -> None: ...

    async def undeploy(self, caller: Caller, account_id: AccountId, *, for_all_replicas: bool) -> None: ...

    async def redeploy(self, caller: Caller, account_id: AccountId, *, for_all_replicas: bool) -> None: ...

    async def enable_features(self, caller: Caller, account_id: AccountId, body: Features) -> None: ...

    async def enable_copy_factory(self, caller: Caller, account_id: AccountId, body: CopyFactory) -> None: ...

    async def increase_reliability(self, caller: Caller, account_id: AccountId) -> None: ...

    async def enable_risk_management(self, caller: Caller, account_id: AccountId) -> None: ...

    async def enable_metastats(self, caller: Caller, account_id: AccountId) -> None: ...


class ReplicasPort(Protocol):
    async def list(self, caller: Caller, account_id: AccountId) -> Sequence[Any]: ...

    async def get(self, caller: Caller, account_id: AccountId, replica_id: AccountId) -> Any: ...

    async def create(
        self, caller: Caller, account_id: AccountId, body: NewReplica, transaction_id: str | None
    ) -> Created | Accepted: ...

    async def update(
        self, caller: Caller, account_id: AccountId, replica_id: AccountId, body: AccountUpdate
    ) -> None: ...

    async def remove(self, caller: Caller, account_id: AccountId, replica_id: AccountId) -> None: ...

    async def deploy(self, caller: Caller, account_id: AccountId, replica_id: AccountId) -> None: ...

    async def undeploy(self, caller: Caller, account_id: AccountId, replica_id: AccountId) -> None: ...

    async def redeploy(self, caller: Caller, account_id: AccountId, replica_id: AccountId) -> None: ...

    async def increase_reliability(
        self, caller: Caller, account_id: AccountId, replica_id: AccountId
    ) -> None: ...


class LinksPort(Protocol):
    async def create(self, caller: Caller, account_id: AccountId, ttl_days: float) -> ConfigurationLink: ...


class DemoAccountsPort(Protocol):
    async def create(
        self,
        caller: Caller,
        profile_id: str,
        platform: Platform,
        body: NewDemoAccount,
        transaction_id: str | None,
    ) -> GeneratedAccount | Accepted: ...


class ProfilesPort(Protocol):
    async def list(self, caller: Caller, criteria: ProfileFilter, *, with_count: bool) -> ProfilePage: ...

    async def get(self, caller: Caller, profile_id: ProfileId) -> Profile: ...

    async def create(self, caller: Caller, body: NewProfile) -> ProfileCreated: ...

    async def update(self, caller: Caller, profile_id: ProfileId, body: ProfileUpdate) -> None: ...

    async def upload_file(
        self, caller: Caller, profile_id: ProfileId, file_name: str, content: bytes
    ) -> None: ...

    async def remove(self, caller: Caller, profile_id: ProfileId) -> None: ...


class ExpertsPort(Protocol):
    async def list(self, caller: Caller, account_id: AccountId) -> list[Expert]: ...

    async def get(self, caller: Caller, account_id: AccountId, expert_id: ExpertId) -> Expert: ...

    async def put(
        self, caller: Caller, account_id: AccountId, expert_id: ExpertId, body: ExpertBody
    ) -> None: ...

    async def upload_file(
        self, caller: Caller, account_id: AccountId, expert_id: ExpertId, content: bytes
    ) -> None: ...

    async def remove(self, caller: Caller, account_id: AccountId, expert_id: ExpertId) -> None: ...


class RegionsPort(Protocol):
    def regions(self) -> Sequence[Region]: ...

    async def known_servers(
        self, caller: Caller, version: int, query: str
    ) -> Mapping[str, Sequence[str]]: ...

    async def quotas(self, caller: Caller) -> Sequence[Any]: ...

    async def region_quotas(self, caller: Caller, region: Region) -> Any: ...

    async def request_quotas(self, caller: Caller, region: Region, body: dict[str, Any]) -> bool: ...

    async def quota_requests(self, caller: Caller) -> Sequence[Any]: ...


class LiveAccounts(Protocol):
    """What the fleet answers about accounts that run."""

    async def account_information(
        self, account_id: AccountId, *, refresh: bool = False
    ) -> AccountInformation: ...

    async def symbols(self, account_id: AccountId) -> Sequence[Symbol]: ...

    async def specification(self, account_id: AccountId, symbol: Symbol) -> SymbolSpecification: ...

    async def price(
        self, account_id: AccountId, symbol: Symbol, *, keep_subscription: bool = False
    ) -> Price: ...

    async def server_time(self, account_id: AccountId) -> ServerTime: ...

    async def current_candle(
        self, account_id: AccountId, symbol: Symbol, timeframe: Timeframe, *, keep_subscription: bool = False
    ) -> Candle: ...

    async def current_tick(
        self, account_id: AccountId, symbol: Symbol, *, keep_subscription: bool = False
    ) -> Tick: ...

    async def book(
        self, account_id: AccountId, symbol: Symbol, *, keep_subscription: bool = False
    ) -> Book: ...

    async def candles(
        self,
        account_id: AccountId,
        symbol: Symbol,
        timeframe: Timeframe,
        *,
        before: Instant | None = None,
        limit: int = 1000,
    ) -> Sequence[Candle]: ...

    async def ticks(
        self,
        account_id: AccountId,
        symbol: Symbol,
        *,
        start: Instant | None = None,
        offset: int = 0,
        limit: int = 1000,
    ) -> Sequence[Tick]: ...


class ServerList(Protocol):
    """The trade servers that a kind of terminal reaches."""

    async def servers(self, platform: Platform) -> Mapping[str, Sequence[str]]: ...


class RateLimit(Protocol):
    def take(self, key: str) -> None:
        """Count one request; raises `TooManyRequestsError` with metadata when there were too many."""
        ...


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything that the endpoints call. One object per server."""

    store: Store
    clock: Clock
    tokens: Authenticator
    users: UserDirectory
    vault: KeyRotation
    accounts: AccountsPort
    replicas: ReplicasPort
    links: LinksPort
    demo_accounts: DemoAccountsPort
    profiles: ProfilesPort
    experts: ExpertsPort
    regions: RegionsPort
    fleet: LiveAccounts
    simulated_servers: ServerList
    user_rate: RateLimit
    """Per user; does nothing unless a limit is set."""
    unready_reasons: Callable[[], Sequence[str]]
    """What is not ready yet; empty when the program is."""
    request_timeout_seconds: float
    """How long a request may take in all, its body included."""
    max_upload_bytes: int
    """Largest uploaded file."""
