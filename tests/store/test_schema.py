"""Migrations make exactly the tables that the code uses, once, and never touch a newer database."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from mtfleet.domain.access import AuditEntry
from mtfleet.store.errors import SchemaTooNew
from mtfleet.store.migrations import REVISIONS
from mtfleet.store.schema import MIGRATIONS
from mtfleet.store.sql import SqlStore, open_store
from mtfleet.store.tables import metadata
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.store import an_account, empty_database, opened
from mtfleet.testing.store_contract_cases import put


def _differences(connection: Connection) -> list[Any]:
    def is_ours(_object: object, name: str | None, kind: str, *_rest: object) -> bool:
        return not (kind == "table" and str(name).startswith("account_search"))

    context = MigrationContext.configure(
        connection, opts={"include_object": is_ours, "compare_type": True, "compare_server_default": True}
    )
    return list(compare_metadata(context, metadata))


async def test_migrations_and_tables_agree(store: SqlStore) -> None:
    async with store._writer.connect() as connection:
        assert await connection.run_sync(_differences) == []


async def test_the_text_index_is_there(store: SqlStore) -> None:
    async with store._writer.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM account_search"))).scalar() == 0


@pytest.mark.parametrize("change", ["UPDATE audit SET action = 'x'", "DELETE FROM audit"])
async def test_the_database_refuses_to_change_the_audit_log(store: SqlStore, change: str) -> None:
    entry = AuditEntry(
        recorded_at=FakeClock().now(), user_id=None, action="a", entity="e", entity_id=None, outcome="done"
    )
    async with store.transaction() as tx:
        await tx.audit.append([entry])
    with pytest.raises(DBAPIError, match="only added to"):
        async with store._writer.begin() as connection:
            await connection.execute(text(change))
    async with store.reader() as reader:
        assert [one.action for one in await reader.audit.page()] == ["a"]


def test_every_migration_is_listed_in_order() -> None:
    script = ScriptDirectory(str(MIGRATIONS))
    assert tuple(one.revision for one in script.walk_revisions())[::-1] == REVISIONS


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/new.db"
        return
    server = request.getfixturevalue("postgres")
    async with empty_database(server, FakeClock(), is_migrated=False) as made:
        yield made


async def test_programs_that_start_together_migrate_once(url: str) -> None:
    stores = await asyncio.gather(*(open_store(url, clock=FakeClock()) for _ in range(4)))
    for number, store in enumerate(stores):
        await put(store, an_account(number))
    async with stores[0].reader() as reader:
        assert await reader.accounts.count(an_account().user_id) == 4
    for store in stores:
        await store.close()


async def test_a_newer_database_is_refused_and_left_alone(url: str) -> None:
    async with opened(url, FakeClock()) as store, store._writer.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNew, match=r"newer version of mtfleet.*9999"):
        await open_store(url, clock=FakeClock())
    with pytest.raises(SchemaTooNew):
        await open_store(url, clock=FakeClock())


async def test_a_new_file_that_another_program_is_making_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself does not wait when it switches a file to its write-ahead log."""
    other = sqlite3.connect(tmp_path / "new.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE theirs (id INTEGER)")
    opening = asyncio.create_task(open_store(f"sqlite:///{tmp_path / 'new.db'}", clock=FakeClock()))
    await asyncio.wait([opening], timeout=0.3)
    assert not opening.done()
    other.execute("COMMIT")
    other.close()
    async with asyncio.timeout(10):
        store = await opening
    await store.close()
