from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mtfleet.security.keys import FileKeySource
from mtfleet.security.tokens import Tokens
from mtfleet.security.users import Users
from mtfleet.security.vault import Vault
from mtfleet.store.base import Store
from mtfleet.testing.accounts import add_account
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.store import open_test_store


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(clock: FakeClock) -> AsyncIterator[Store]:
    async with open_test_store("sqlite", clock=clock) as opened:
        yield opened


@pytest.fixture
async def vault(store: Store, tmp_path: Path) -> Vault:
    return await Vault.open(store, FileKeySource(tmp_path / "master.key"))


@pytest.fixture
def tokens(store: Store, vault: Vault, clock: FakeClock) -> Tokens:
    return Tokens(store, vault, clock)


@pytest.fixture
def users(store: Store, tokens: Tokens, clock: FakeClock) -> Users:
    return Users(store, tokens, clock)


@pytest.fixture
async def owner_token(users: Users) -> str:
    _, raw = await users.create("owner")
    return raw


@pytest.fixture
async def owned_account(store: Store, tokens: Tokens, owner_token: str) -> str:
    account = await add_account(store, await tokens.authenticate(owner_token))
    return account.id
