"""What security needs of the store: a part of `store.base`, named here since neither of the two imports the
other. Any `Store` fits as it is.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from mtfleet.domain.access import AuditEntry, IssuedToken, User
from mtfleet.domain.ids import AccountId, TokenId, UserId
from mtfleet.domain.values import Instant


class Sealed(Protocol):
    """A ciphertext and its place (`store.base.SealedSecret`)."""

    @property
    def table(self) -> str: ...
    @property
    def record_id(self) -> str: ...
    @property
    def field(self) -> str: ...
    @property
    def sealed(self) -> bytes: ...


class SecretRecords(Protocol):
    """See `store.base.Secrets`."""

    async def page(self, *, after: int = ..., limit: int = ...) -> Sequence[tuple[int, Any]]: ...

    async def replace(self, old: Any, new_sealed: bytes) -> bool: ...

    async def data_keys(self) -> dict[str, bytes]: ...

    async def add_data_key(self, key_id: str, wrapped: bytes) -> bool: ...

    async def put_data_key(self, key_id: str, wrapped: bytes) -> None: ...


class TokenRecords(Protocol):
    """See `store.base.Tokens`."""

    async def add(self, token: IssuedToken) -> None: ...

    async def get(self, token_id: TokenId) -> IssuedToken | None: ...

    async def of_user(self, user_id: UserId) -> list[IssuedToken]: ...

    async def revoke(self, token_id: TokenId, now: Instant) -> None: ...

    async def is_live(self, token_id: TokenId) -> bool: ...

    async def touch(self, used: dict[TokenId, Instant]) -> None: ...


class UserRecords(Protocol):
    """See `store.base.Users`."""

    async def add(self, user: User) -> None: ...

    async def get(self, user_id: UserId) -> User | None: ...

    async def named(self, name: str) -> User | None: ...

    async def all(self) -> list[User]: ...


class AuditRecords(Protocol):
    """See `store.base.Audit`."""

    async def append(self, entries: Sequence[AuditEntry]) -> None: ...


class AccountRecords(Protocol):
    """See `store.base.Accounts`."""

    async def get(self, user_id: UserId, account_id: AccountId) -> Any: ...


class Transaction(Protocol):
    """See `store.base.Transaction`."""

    @property
    def secrets(self) -> SecretRecords: ...
    @property
    def tokens(self) -> TokenRecords: ...
    @property
    def users(self) -> UserRecords: ...
    @property
    def audit(self) -> AuditRecords: ...
    @property
    def accounts(self) -> AccountRecords: ...


class Audited(Protocol):
    """Any unit of writing that holds the audit log."""

    @property
    def audit(self) -> AuditRecords: ...


class Store(Protocol):
    """See `store.base.Store`."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]: ...

    def reader(self) -> AbstractAsyncContextManager[Transaction]: ...
