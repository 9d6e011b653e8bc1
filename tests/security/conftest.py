from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from mtfleet.domain.access import AuditEntry, IssuedToken, User
from mtfleet.domain.ids import TokenId, UserId
from mtfleet.domain.values import Instant
from mtfleet.security.keys import FileKeySource
from mtfleet.security.tokens import Tokens
from mtfleet.security.users import Users
from mtfleet.security.vault import Vault
from mtfleet.store import base
from mtfleet.testing.clock import FakeClock


class DictSecrets(base.Secrets):
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], base.SealedSecret] = {}
        self.keys: dict[str, bytes] = {}

    async def put(self, secret: base.SealedSecret) -> None:
        self.rows[secret.table, secret.record_id, secret.field] = secret

    async def get(self, table: str, record_id: str, field: str) -> bytes | None:
        row = self.rows.get((table, record_id, field))
        return None if row is None else row.sealed

    async def remove(self, table: str, record_id: str) -> None:
        for key in [k for k in self.rows if k[:2] == (table, record_id)]:
            del self.rows[key]

    async def page(self, *, after: int = 0, limit: int = 500) -> list[tuple[int, base.SealedSecret]]:
        return list(enumerate(self.rows.values(), 1))[after : after + limit]

    async def replace(self, old: base.SealedSecret, new_sealed: bytes) -> bool:
        key = (old.table, old.record_id, old.field)
        if self.rows.get(key) != old:
            return False
        self.rows[key] = base.SealedSecret(table=key[0], record_id=key[1], field=key[2], sealed=new_sealed)
        return True

    async def data_keys(self) -> dict[str, bytes]:
        return dict(self.keys)

    async def put_data_key(self, key_id: str, wrapped: bytes) -> None:
        self.keys[key_id] = wrapped


class DictTokens(base.Tokens):
    def __init__(self) -> None:
        self.rows: dict[TokenId, IssuedToken] = {}
        self.reads = 0
        self.revoked: set[TokenId] = set()

    async def add(self, token: IssuedToken) -> None:
        self.rows[token.id] = token

    async def get(self, token_id: TokenId) -> IssuedToken | None:
        return self.rows.get(token_id)

    async def of_user(self, user_id: UserId) -> list[IssuedToken]:
        return [t for t in self.rows.values() if t.user_id == user_id]

    async def revoke(self, token_id: TokenId, now: Instant) -> None:
        self.revoked.add(token_id)

    def _line(self, token_id: TokenId | None) -> Iterator[TokenId]:
        while token_id is not None:
            yield token_id
            token_id = self.rows[token_id].parent_id

    async def is_live(self, token_id: TokenId) -> bool:
        self.reads += 1
        return token_id in self.rows and not self.revoked.intersection(self._line(token_id))

    async def touch(self, used: dict[TokenId, Instant]) -> None:
        for token_id, at in used.items():
            self.rows[token_id] = replace(self.rows[token_id], last_used_at=at)


class DictUsers(base.Users):
    def __init__(self) -> None:
        self.rows: dict[UserId, User] = {}

    async def add(self, user: User) -> None:
        self.rows[user.id] = user

    async def get(self, user_id: UserId) -> User | None:
        return self.rows.get(user_id)

    async def named(self, name: str) -> User | None:
        return next((u for u in self.rows.values() if u.name == name), None)

    async def all(self) -> list[User]:
        return list(self.rows.values())


class DictAudit(base.Audit):
    def __init__(self) -> None:
        self.rows: list[AuditEntry] = []

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        self.rows += entries

    async def page(
        self, *, user_id: UserId | None = None, after: int = 0, limit: int = 100, entity_id: str | None = None
    ) -> list[AuditEntry]:
        return self.rows[after : after + limit]


class DictAccounts:
    def __init__(self) -> None:
        self.owned: set[tuple[str, str]] = set()

    async def get(self, user_id: str, account_id: str) -> object | None:
        return self if (user_id, account_id) in self.owned else None


class DictStore(base.Store):
    """The few repositories that security needs, in memory and without rollback."""

    def __init__(self) -> None:
        unit = cast("Any", base.Transaction())
        unit.secrets, unit.tokens, unit.users = DictSecrets(), DictTokens(), DictUsers()
        unit.audit, unit.accounts = DictAudit(), DictAccounts()
        self.unit: base.Transaction = unit

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[base.Transaction]:
        yield self.unit

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[base.Transaction]:
        yield self.unit

    async def close(self) -> None:
        return None


@pytest.fixture
def store() -> DictStore:
    return DictStore()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def vault(store: base.Store, tmp_path: Path) -> Vault:
    return await Vault.open(store, FileKeySource(tmp_path / "master.key"))


@pytest.fixture
def tokens(store: base.Store, vault: Vault, clock: FakeClock) -> Tokens:
    return Tokens(store, vault, clock)


@pytest.fixture
def users(store: base.Store, tokens: Tokens, clock: FakeClock) -> Users:
    return Users(store, tokens, clock)


@pytest.fixture
async def owner_token(users: Users) -> str:
    _, raw = await users.create("owner")
    return raw


@pytest.fixture
async def owned_account(store: base.Store, tokens: Tokens, owner_token: str) -> str:
    caller = await tokens.authenticate(owner_token)
    cast("Any", store).unit.accounts.owned.add((caller.user_id, "a-1"))
    return "a-1"
