"""Stores for tests: `open_test_store("sqlite")` gives a fresh one in a few milliseconds.

The contract that every store keeps is in `mtfleet.testing.store_contract`.
"""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from mtfleet.domain.accounts import Account, AccountType, Reliability
from mtfleet.domain.deployment import AccountState, ConnectionStatus
from mtfleet.domain.ids import AccountId, Login, Region, ServerName, UserId
from mtfleet.domain.values import Clock
from mtfleet.store.sql import SqlStore, open_store
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.postgres import PostgresServer

_TEMPLATE = "mtfleet_template"
_sqlite_template: list[bytes] = []
_postgres_templates: set[Path] = set()


@asynccontextmanager
async def open_test_store(
    kind: str = "sqlite", *, clock: Clock | None = None, server: PostgresServer | None = None
) -> AsyncIterator[SqlStore]:
    """Open an empty store that is gone afterwards. `kind` is `sqlite`, or `postgresql` with a `server`."""
    clock = clock or FakeClock()
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(prefix="mtfleet-store-") as directory:
            path = Path(directory, "mtfleet.db")
            path.write_bytes(await _made_once(clock))  # noqa: ASYNC240 - small, and only in tests
            async with opened(f"sqlite:///{path}", clock) as store:
                yield store
        return
    if kind != "postgresql" or server is None:
        raise ValueError("kind is sqlite, or postgresql with a server")
    async with empty_database(server, clock) as url, opened(url, clock) as store:
        yield store


@asynccontextmanager
async def opened(url: str, clock: Clock) -> AsyncIterator[SqlStore]:
    """Open a store and close it afterwards; it does not wait for the disk."""
    store = await open_store(url, clock=clock, is_durable=False)
    try:
        yield store
    finally:
        await store.close()


async def _made_once(clock: Clock) -> bytes:
    """Return the file of an empty store: migrations are run once in a process."""
    if not _sqlite_template:
        with tempfile.TemporaryDirectory(prefix="mtfleet-store-") as directory:
            path = Path(directory, "mtfleet.db")
            async with opened(f"sqlite:///{path}", clock):
                pass
            _sqlite_template.append(path.read_bytes())  # noqa: ASYNC240 - once
    return _sqlite_template[0]


@asynccontextmanager
async def empty_database(
    server: PostgresServer, clock: Clock, *, is_migrated: bool = True
) -> AsyncIterator[str]:
    """Make a database of its own for one test and return its URL."""
    import asyncpg  # type: ignore[import-untyped]  # it has no types, and SQLite alone needs none of it

    name = f"test_{uuid4().hex}"
    admin = await asyncpg.connect(host=str(server.directory), user="postgres", database="postgres")
    try:
        if is_migrated and server.directory not in _postgres_templates:
            await admin.execute(f"CREATE DATABASE {_TEMPLATE}")
            async with opened(server.url(_TEMPLATE), clock):
                pass
            _postgres_templates.add(server.directory)
        source = f" TEMPLATE {_TEMPLATE}" if is_migrated else ""
        await admin.execute(f"CREATE DATABASE {name}{source}")
        yield server.url(name)
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


def an_account(number: int = 1, /, **changes: object) -> Account:
    """Return an account with a fresh id; `number` makes its name and login."""
    values: dict[str, object] = {
        "id": AccountId(str(uuid4())),
        "user_id": UserId("0" * 32),
        "name": f"account {number}",
        "login": Login(str(100_000 + number)),
        "server": ServerName("Sandbox-MT5"),
        "version": 5,
        "type": AccountType.CLOUD_G2,
        "magic": 0,
        "manual_trades": False,
        "quote_streaming_interval_in_seconds": 2.5,
        "region": Region("local"),
        "reliability": Reliability.REGULAR,
        "base_currency": "USD",
        "resource_slots": 1,
        "copy_factory_resource_slots": 1,
        "copy_factory_roles": [],
        "tags": [],
        "state": AccountState.CREATED,
        "connection_status": ConnectionStatus.DISCONNECTED,
        "hash": 1,
        "primary_replica": True,
        "account_replicas": [],
        "metastats_api_enabled": False,
        "risk_management_api_enabled": False,
        "created_at": FakeClock().now(),
        "hops": [],
    }
    return Account(**(values | changes))  # type: ignore[arg-type]  # callers give the fields' own types
