"""What goes wrong outside is told by name, with what to do, and without the password."""

import sqlite3
import stat
import traceback
from pathlib import Path

import pytest

from mtfleet.domain.errors import SystemError_
from mtfleet.store.errors import StoreUnavailable
from mtfleet.store.sql import open_store
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.postgres import PostgresServer, running_postgres
from mtfleet.testing.store import an_account, empty_database, opened
from mtfleet.testing.store_contract_cases import listed, put

PASSWORD = "hunter2secret"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{PASSWORD}@127.0.0.1:1/db",
        f"postgresql://me:{PASSWORD}@no-such-host.invalid/db",
        f"postgresql://me:{PASSWORD}@[broken/db",
        f"postgresql://me:{PASSWORD}@host:port/db",
        f"mysql://me:{PASSWORD}@host/db",
        f"nonsense {PASSWORD}",
        "",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
async def test_a_wrong_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        await open_store(url, clock=FakeClock())
    assert PASSWORD not in caught.value.message
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    assert isinstance(caught.value, SystemError_)


async def test_an_unknown_database_is_named(postgres: PostgresServer) -> None:
    with pytest.raises(StoreUnavailable, match="does not exist"):
        await open_store(postgres.url("no_such_database"), clock=FakeClock())


async def test_a_wrong_password_is_named(postgres: PostgresServer) -> None:
    hba = postgres.directory / "data" / "pg_hba.conf"
    async with empty_database(postgres, FakeClock()) as url:
        async with opened(url, FakeClock()) as store, store._writer.begin() as connection:
            await connection.exec_driver_sql("CREATE ROLE someone LOGIN PASSWORD 'right'")
            before = hba.read_text()
            hba.write_text("local all someone scram-sha-256\n" + before)
            await connection.exec_driver_sql("SELECT pg_reload_conf()")
        try:
            wrong = url.replace("postgres@", f"someone:{PASSWORD}@")
            with pytest.raises(StoreUnavailable, match="user name or password is wrong") as caught:
                await open_store(wrong, clock=FakeClock())
            assert PASSWORD not in "".join(traceback.format_exception(caught.value))
        finally:
            hba.write_text(before)
            async with opened(url, FakeClock()) as store, store._writer.begin() as connection:
                await connection.exec_driver_sql("DROP ROLE someone")
                await connection.exec_driver_sql("SELECT pg_reload_conf()")


async def test_a_server_that_goes_away_is_named_and_found_again_is_used() -> None:
    with running_postgres() as server:
        store = await open_store(server.url("postgres"), clock=FakeClock())
        await put(store, an_account())
    with pytest.raises(StoreUnavailable):
        await put(store, an_account())
    with pytest.raises(StoreUnavailable):
        await listed(store)
    await store.close()


async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="directory"):
        await open_store(f"sqlite:///{tmp_path}/missing/x.db", clock=FakeClock())


async def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"this is a letter to my aunt" * 100)
    with pytest.raises(StoreUnavailable, match="no SQLite database"):
        await open_store(f"sqlite:///{tmp_path}/x.db", clock=FakeClock())


async def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/x.db", FakeClock()) as store:
        await put(store, an_account())
        for path in tmp_path.iterdir():  # noqa: ASYNC240 - three files
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


async def test_a_full_disk_is_named_and_nothing_is_half_written(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/x.db", FakeClock()) as store:
        first = an_account()
        await put(store, first)
        async with store._writer.connect() as connection:
            pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar()
            await connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreUnavailable, match="disk is full"):
            await put(store, an_account(2), an_account(3, metadata={"x": "y" * 1_000_000}))
        assert await listed(store, first.user_id) == [first.id]


async def test_a_long_lock_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtfleet.store.sql._BUSY_SECONDS", 0.05)
    path = tmp_path / "x.db"
    async with opened(f"sqlite:///{path}", FakeClock()) as store:
        other = sqlite3.connect(path)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="another process"):
            await put(store, an_account())
        other.rollback()
        other.close()
        await put(store, an_account())
