"""The store's port. It speaks domain: repositories take and return values, SQL stays behind them.

`Store.transaction()` opens one atomic unit of writing; it commits when the block ends and rolls back when
it raises.
What was committed survives `kill -9` and a power cut. `Store.reader()` opens a consistent view for reading.
A foreign user's id finds nothing: every method that takes a `UserId` looks only among that user's things.

Passwords and keys come in and go out sealed (`bytes` from `security/vault`): the store never sees them in
clear.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec

from mtfleet.domain.access import AuditEntry, IssuedToken, User
from mtfleet.domain.accounts import Account, AccountFilter, AccountType, BrokerSettings, Page
from mtfleet.domain.deployment import AccountState, Deployment
from mtfleet.domain.experts import Expert
from mtfleet.domain.ids import AccountId, ExpertId, ProfileId, Region, TokenId, TransactionId, UserId
from mtfleet.domain.profiles import Profile, ProfileFilter, ProfilePage
from mtfleet.domain.values import Instant, Value


class SealedSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A ciphertext and where it belongs; it opens only under the same table, record and field."""

    table: str
    record_id: str
    field: str
    sealed: bytes


ACCOUNTS = "accounts"
"""Table of an account's sealed secrets, under the account's id; they go when the account goes."""
PASSWORD = "password"  # noqa: S105 - the name of a field
"""Field of an account's sealed trading password, where `run_settings` looks for it."""
PROFILES = "profiles"
"""Table of a profile's sealed secrets, under the profile's id; they go when the profile goes."""
EXPERTS = "experts"
"""Table of the sealed presets of an account's experts: the record is the account, the field the expert's id.
They go when the expert or the account goes."""
OPERATIONS = "operations"
"""Table of an operation's sealed secrets, under its `entity_id`; they go when the operation is forgotten."""


class StoredReplica(Value, frozen=True, kw_only=True):
    """A replica and whose it is."""

    primary_id: AccountId
    account: Account
    """The replica as if it were an account: its own id, region, magic, tags …; name, login, server of its
    primary."""


class RunSettings(Value, frozen=True, kw_only=True):
    """What a host needs to run an account or replica, read in one go."""

    account: Account
    """For a replica: its own settings on top of its primary's."""
    credentials_id: AccountId
    """Whose password is used: the account itself, or the primary of a replica."""
    sealed_password: bytes
    broker: BrokerSettings | None = None


class Operation(Value, frozen=True, kw_only=True):
    """A logical operation that a caller names by a transaction id (contract section 4)."""

    user_id: UserId
    route: str
    """Method and path, e.g. `POST /users/current/accounts`."""
    transaction_id: TransactionId
    request_hash: str
    """Keyed hash of the body, so that a different body under the same id is noticed and no password can be
    guessed from it."""
    entity_id: str
    """Id that the result will have, decided at the start."""
    stage: str
    """What is being done, for people: shown in the 202 message."""
    started_at: Instant
    finished_at: Instant | None = None
    is_success: bool | None = None
    outcome: Any = None
    """Plain JSON of the answer: the body of a success, or the error (`error`, `message`, `details`). No
    secrets: sealed apart."""


class StoredLink(Value, frozen=True, kw_only=True):
    """A configuration link; only a hash of its token is kept."""

    token_hash: str
    account_id: AccountId
    created_at: Instant
    expires_at: Instant
    used_at: Instant | None = None


class QuotaRequest(Value, frozen=True, kw_only=True):
    """A user's wish for other quotas, for an administrator to decide."""

    user_id: UserId
    region: Region
    quotas: dict[str, int]
    message: str | None = None
    created_at: Instant


class Lease(Value, frozen=True, kw_only=True):
    """Who may run an account, and since which epoch. A stale epoch's orders are refused."""

    account_id: AccountId
    holder: str
    epoch: int
    expires_at: Instant


class AccountUsage(Value, frozen=True, kw_only=True):
    """How many accounts and replicas of a user are alike in what quotas are about.

    Type, CopyFactory roles and dedicated address of a replica are those of its primary.
    """

    region: Region
    type: AccountType
    state: AccountState
    has_copy_factory_roles: bool
    has_dedicated_ip: bool
    count: int


class EncodedPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of accounts that is ready to be sent."""

    items: bytes
    """A JSON array, equal to `wire.json.encode(page.items)` but for the order of fields."""
    count: int | None = None


class Users(ABC):
    @abstractmethod
    async def add(self, user: User) -> None:
        """Raises `ConflictError` when the name is taken."""

    @abstractmethod
    async def get(self, user_id: UserId) -> User | None: ...

    @abstractmethod
    async def named(self, name: str) -> User | None: ...

    @abstractmethod
    async def all(self) -> list[User]: ...


class Accounts(ABC):
    """Accounts and replicas. `state`, `connection_status` and `hops` of an `Account` are those of its
    deployment."""

    @abstractmethod
    async def add(
        self, account: Account, deployment: Deployment, *, primary_id: AccountId | None = None
    ) -> None:
        """Store a new account, or a replica of `primary_id`; `account_replicas` is not written."""

    @abstractmethod
    async def get(self, user_id: UserId, account_id: AccountId) -> Account | None:
        """Return a primary account with its replicas."""

    @abstractmethod
    async def owner(self, account_id: AccountId) -> UserId | None:
        """Return whose account or replica it is. For a configuration link, which comes without a user."""

    @abstractmethod
    async def find(self, user_id: UserId, criteria: AccountFilter, *, with_count: bool = False) -> Page:
        """List primaries by `created_at`, then id. Cost grows with the page, not with the table."""

    @abstractmethod
    async def find_encoded(
        self, user_id: UserId, criteria: AccountFilter, *, with_count: bool = False
    ) -> EncodedPage:
        """Do what `find` does, and return the page as JSON without building the accounts: several times
        faster.
        """

    @abstractmethod
    async def update(self, account: Account) -> None:
        """Write all settings of an account or replica; its deployment stays as it is."""

    @abstractmethod
    async def remove(self, account_id: AccountId) -> None:
        """Delete the account or replica and everything that hangs on it. Repeating is harmless."""

    @abstractmethod
    async def replicas(self, user_id: UserId, primary_id: AccountId) -> list[StoredReplica]: ...

    @abstractmethod
    async def replica(
        self, user_id: UserId, primary_id: AccountId, replica_id: AccountId
    ) -> StoredReplica | None: ...

    @abstractmethod
    async def count(self, user_id: UserId, region: Region | None = None) -> int:
        """How many primaries and replicas the user has, in that region."""

    @abstractmethod
    async def usage(self, user_id: UserId) -> list[AccountUsage]:
        """Count the user's primaries and replicas by what quotas are about; what there is none of is left
        out."""

    @abstractmethod
    async def using_profile(self, user_id: UserId, profile_id: ProfileId) -> int:
        """How many accounts were created with that profile."""

    @abstractmethod
    async def set_broker(self, account_id: AccountId, settings: BrokerSettings) -> None: ...

    @abstractmethod
    async def run_settings(self, account_ids: Sequence[AccountId]) -> dict[AccountId, RunSettings]:
        """Return what is needed to run them, of any user; drafts and unknown ids are left out."""


class Deployments(ABC):
    @abstractmethod
    async def get(self, account_id: AccountId) -> Deployment | None: ...

    @abstractmethod
    async def get_many(self, account_ids: Sequence[AccountId]) -> dict[AccountId, Deployment]: ...

    @abstractmethod
    async def put_many(self, deployments: Iterable[Deployment]) -> None:
        """Overwrite; ids that are gone are passed over."""

    @abstractmethod
    async def unsettled(self, *, after: AccountId | None = None, limit: int = 1000) -> list[Deployment]:
        """Page by id through the deployments that need attention at start: desired DEPLOYED or DELETED, a
        state that ends in ING, or UNDEPLOY_FAILED."""


class Leases(ABC):
    @abstractmethod
    async def now(self, ours: Instant) -> Instant:
        """Return the time that all holders share: the database server's, or `ours` where all of them run on
        one machine."""

    @abstractmethod
    async def get_many(self, account_ids: Sequence[AccountId]) -> dict[AccountId, Lease]:
        """Return the leases there are, also those that have ended."""

    @abstractmethod
    async def acquire_many(
        self, account_ids: Sequence[AccountId], holder: str, now: Instant, expires_at: Instant
    ) -> dict[AccountId, Lease]:
        """Take those that are free, expired or already this holder's; the epoch grows by one with each
        taking.

        A lease of another holder that ends more than twice as late as the wished ones (the clock was set
        back) is shortened to `expires_at`: a holder that lives renews it, a dead one's ends in good time.
        """

    @abstractmethod
    async def renew(self, holder: str, now: Instant, expires_at: Instant) -> int:
        """Extend all unexpired leases of this holder; returns how many."""

    @abstractmethod
    async def release_many(self, account_ids: Sequence[AccountId], holder: str) -> None: ...


class Secrets(ABC):
    @abstractmethod
    async def put(self, secret: SealedSecret) -> None: ...

    @abstractmethod
    async def get(self, table: str, record_id: str, field: str) -> bytes | None: ...

    @abstractmethod
    async def remove(self, table: str, record_id: str) -> None: ...

    @abstractmethod
    async def page(self, *, after: int = 0, limit: int = 500) -> list[tuple[int, SealedSecret]]:
        """Walk all secrets in a stable order, for rotation."""

    @abstractmethod
    async def replace(self, old: SealedSecret, new_sealed: bytes) -> bool:
        """Swap the ciphertext if it is still the old one; returns whether it was."""

    @abstractmethod
    async def data_keys(self) -> dict[str, bytes]:
        """All wrapped data keys by id. In a transaction they don't change until it ends."""

    @abstractmethod
    async def add_data_key(self, key_id: str, wrapped: bytes) -> bool:
        """Store a new data key; false, and nothing is changed, when there is one of that id. Of several
        programs at once exactly one gets true, and the others wait for its end."""

    @abstractmethod
    async def put_data_key(self, key_id: str, wrapped: bytes) -> None:
        """Store or rewrap a data key."""


class Profiles(ABC):
    @abstractmethod
    async def add(self, user_id: UserId, profile: Profile) -> None: ...

    @abstractmethod
    async def get(self, user_id: UserId, profile_id: ProfileId) -> Profile | None: ...

    @abstractmethod
    async def find(
        self, user_id: UserId, criteria: ProfileFilter, *, with_count: bool = False
    ) -> ProfilePage:
        """List in the order of creation, then id."""

    @abstractmethod
    async def update(self, user_id: UserId, profile: Profile) -> None: ...

    @abstractmethod
    async def remove(self, user_id: UserId, profile_id: ProfileId) -> None: ...

    @abstractmethod
    async def count(self, user_id: UserId) -> int: ...

    @abstractmethod
    async def put_file(self, profile_id: ProfileId, name: str, content: bytes) -> None:
        """Store or replace a file."""

    @abstractmethod
    async def files(self, profile_id: ProfileId) -> dict[str, bytes]: ...

    @abstractmethod
    async def file_names(self, profile_id: ProfileId) -> frozenset[str]: ...


class Experts(ABC):
    @abstractmethod
    async def put(self, account_id: AccountId, expert: Expert) -> None:
        """Create, or change period and symbol and keep the file."""

    @abstractmethod
    async def get(self, account_id: AccountId, expert_id: ExpertId) -> Expert | None: ...

    @abstractmethod
    async def all(self, account_id: AccountId) -> list[Expert]:
        """In the order of creation."""

    @abstractmethod
    async def put_file(self, account_id: AccountId, expert_id: ExpertId, content: bytes) -> None: ...

    @abstractmethod
    async def file(self, account_id: AccountId, expert_id: ExpertId) -> bytes | None: ...

    @abstractmethod
    async def remove(self, account_id: AccountId, expert_id: ExpertId) -> None:
        """Delete it with its file and its sealed preset (table `EXPERTS`)."""


class Operations(ABC):
    @abstractmethod
    async def begin(self, operation: Operation) -> Operation:
        """Store a new operation, or return the one that is there under (user, route, transaction id)."""

    @abstractmethod
    async def get(self, user_id: UserId, route: str, transaction_id: TransactionId) -> Operation | None: ...

    @abstractmethod
    async def put(self, operation: Operation) -> bool:
        """Write stage and outcome; false, and nothing is changed, when it is stored as a success already:
        another program was faster."""

    @abstractmethod
    async def unfinished(self) -> list[Operation]:
        """Those that a crash interrupted, oldest first."""

    @abstractmethod
    async def forget(self, finished_before: Instant) -> int:
        """Delete old finished operations and their secrets (table `OPERATIONS`); returns how many."""


class Links(ABC):
    @abstractmethod
    async def add(self, link: StoredLink) -> None: ...

    @abstractmethod
    async def get(self, token_hash: str) -> StoredLink | None: ...

    @abstractmethod
    async def consume(self, token_hash: str, now: Instant) -> bool:
        """Mark as used; false when it was used, has expired or does not exist: exactly one caller gets
        true."""

    @abstractmethod
    async def tidy(self, account_id: AccountId, now: Instant) -> int:
        """Delete an account's links that were used or have expired; returns how many good ones there are."""


class Tokens(ABC):
    @abstractmethod
    async def add(self, token: IssuedToken) -> None: ...

    @abstractmethod
    async def get(self, token_id: TokenId) -> IssuedToken | None: ...

    @abstractmethod
    async def of_user(self, user_id: UserId) -> list[IssuedToken]: ...

    @abstractmethod
    async def revoke(self, token_id: TokenId, now: Instant) -> None:
        """Revoke it and all its descendants."""

    @abstractmethod
    async def is_live(self, token_id: TokenId) -> bool:
        """Whether it was issued and neither it nor an ancestor is revoked."""

    @abstractmethod
    async def touch(self, used: dict[TokenId, Instant]) -> None:
        """Note when tokens were last used."""


class Audit(ABC):
    @abstractmethod
    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Add entries, which are there when the transaction has been committed, not before.

        Their sequence grows in the order of commits, so that one who pages by it never misses any.
        """

    @abstractmethod
    async def page(
        self, *, user_id: UserId | None = None, after: int = 0, limit: int = 100, entity_id: str | None = None
    ) -> list[AuditEntry]:
        """Read in ascending sequence; `user_id` `None` is everybody's, for an administrator."""


class Quotas(ABC):
    @abstractmethod
    async def put_request(self, request: QuotaRequest) -> bool:
        """Store the pending request of that user and region; true when there was none before."""

    @abstractmethod
    async def requests(self, user_id: UserId) -> list[QuotaRequest]: ...


class Transaction(ABC):
    """The repositories, in one atomic unit."""

    users: Users
    accounts: Accounts
    deployments: Deployments
    leases: Leases
    secrets: Secrets
    profiles: Profiles
    experts: Experts
    operations: Operations
    links: Links
    tokens: Tokens
    audit: Audit
    quotas: Quotas


class Store(ABC):
    """State that outlives the program."""

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a unit of writing. Units run one after the other on SQLite; keep them short and free of
        outside waits."""

    @abstractmethod
    def reader(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a consistent view; writing through it raises."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of all connections. Repeating is harmless."""
