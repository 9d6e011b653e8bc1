"""The store in SQL: opens the database, brings its tables up to date, and runs transactions."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import FromClause, event, text
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from mtfleet.domain.values import Clock
from mtfleet.store.accounts import SqlAccounts
from mtfleet.store.base import Store, Transaction
from mtfleet.store.deployments import SqlDeployments, SqlLeases
from mtfleet.store.errors import SchemaTooNew, StoreUnavailable
from mtfleet.store.migrations import REVISIONS
from mtfleet.store.operations import SqlLinks, SqlOperations, SqlQuotas
from mtfleet.store.profiles import SqlExperts, SqlProfiles
from mtfleet.store.secrets import SqlSecrets
from mtfleet.store.unit import STATEMENT_SECONDS, Unit, refuse_unstorable, translate
from mtfleet.store.users import SqlAudit, SqlTokens, SqlUsers

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_BUSY_SECONDS = 15.0
"""How long a write waits for another process that writes to the same SQLite file."""
_LOOK_AGAIN_SECONDS = 0.01
_CONNECT_SECONDS = 10.0
_POOL_WAIT_SECONDS = 30.0
_SQLITE_READERS = 4
_POSTGRESQL_CONNECTIONS = 10
_MIGRATION_LOCK = 0x6D74_666C
"""Key of the PostgreSQL advisory lock under which one program at a time migrates."""


class SqlTransaction(Transaction):
    """The repositories over one database transaction."""

    def __init__(self, unit: Unit) -> None:
        self.users = SqlUsers(unit)
        self.accounts: SqlAccounts = SqlAccounts(unit)
        self.deployments = SqlDeployments(unit)
        self.leases = SqlLeases(unit)
        self.secrets = SqlSecrets(unit)
        self.profiles = SqlProfiles(unit)
        self.experts = SqlExperts(unit)
        self.operations = SqlOperations(unit)
        self.links = SqlLinks(unit)
        self.tokens = SqlTokens(unit)
        self.audit: SqlAudit = SqlAudit(unit)
        self.quotas = SqlQuotas(unit)


class SqlStore(Store):
    """A store in SQLite or PostgreSQL; made by `open_store`."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine, place: str) -> None:
        self._writer = writer
        self._reader = reader
        self._place = place
        is_sqlite = writer.dialect.name == "sqlite"
        self._turn = asyncio.Lock() if is_sqlite else None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqlTransaction]:
        async with self._own_turn(), self._connected(self._writer) as connection:
            transaction = SqlTransaction(Unit(connection, self._place, is_writing=True))
            yield transaction
            await transaction.audit.flush()
            try:
                async with asyncio.timeout(STATEMENT_SECONDS):
                    await connection.commit()
            except (SQLAlchemyError, OSError) as error:
                raise translate(error, self._place) from error

    @asynccontextmanager
    async def _own_turn(self) -> AsyncIterator[None]:
        """Wait until nobody of this program writes, where only one can. Waiting here is fair and free;
        waiting inside SQLite polls."""
        if self._turn is None:
            yield
            return
        try:
            async with asyncio.timeout(_POOL_WAIT_SECONDS):
                await self._turn.acquire()
        except TimeoutError as error:
            raise translate(error, self._place) from error
        try:
            yield
        finally:
            self._turn.release()

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[SqlTransaction]:
        async with self._connected(self._reader) as connection:
            yield SqlTransaction(Unit(connection, self._place, is_writing=False))

    @asynccontextmanager
    async def _connected(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        """Open a connection and a transaction, which is rolled back unless it was committed."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(_POOL_WAIT_SECONDS + _CONNECT_SECONDS):
                    connection = await stack.enter_async_context(engine.connect())
                    await connection.begin()
            except (SQLAlchemyError, OSError) as error:
                raise translate(error, self._place) from error
            yield connection

    async def close(self) -> None:
        await self._writer.dispose()
        await self._reader.dispose()


async def open_store(url: str, *, clock: Clock, is_durable: bool = True) -> SqlStore:
    """Open the database at `sqlite:///PATH` or `postgresql://…`, and migrate it if need be.

    `is_durable=False` is for tests: SQLite then does not wait for the disk. Raises `StoreUnavailable`, which
    never shows the URL's password, and `SchemaTooNew` for a database of a newer version.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        place = f"The SQLite file {parsed.database}"
        _create_file(Path(str(parsed.database)), place)
        writer, reader = _sqlite_engines(parsed, is_durable=is_durable)
    else:
        place = f"The PostgreSQL database {parsed.database} on {parsed.host or 'the local server'}"
        writer, reader = _postgresql_engines(parsed)
    for engine in {writer.sync_engine, reader.sync_engine}:
        event.listen(engine, "before_cursor_execute", _check_parameters)
    store = SqlStore(writer, reader, place)
    try:
        await _bring_up_to_date(store, writer, place, clock)
    except BaseException:
        await store.close()
        raise
    return store


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The cause is left out: it may hold the URL with its password.
        raise StoreUnavailable(_URL_ADVICE) from None
    backend = parsed.drivername.partition("+")[0]
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite+aiosqlite")
    if backend in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+asyncpg")
    raise StoreUnavailable(_URL_ADVICE)


_URL_ADVICE = "The database URL can't be used. Write sqlite:///PATH for a file, or postgresql://USER:PASSWORD@HOST/DATABASE."


def _check_parameters(
    _connection: Any, _cursor: Any, _statement: str, parameters: Any, _context: Any, _many: bool
) -> None:
    refuse_unstorable(parameters)


def _create_file(path: Path, place: str) -> None:
    """Make the file before SQLite does, so that nobody else may read it."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreUnavailable(
            f"{place} can't be opened: {error.strerror}. Check its directory and the rights there."
        ) from error


def _sqlite_engines(url: URL, *, is_durable: bool) -> tuple[AsyncEngine, AsyncEngine]:
    writer = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=_POOL_WAIT_SECONDS)
    reader = create_async_engine(
        url, pool_size=_SQLITE_READERS, max_overflow=0, pool_timeout=_POOL_WAIT_SECONDS
    )
    common = [f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}", "PRAGMA foreign_keys = ON"]
    written = ["PRAGMA journal_mode = WAL", f"PRAGMA synchronous = {'FULL' if is_durable else 'OFF'}"]
    _prepare(writer, [*common, *written, "PRAGMA cache_size = -16000"], "BEGIN IMMEDIATE")
    _prepare(reader, [*common, "PRAGMA query_only = ON", "PRAGMA cache_size = -16000"], "BEGIN")
    return writer, reader


class _HintingCompiler(SQLiteCompiler):
    """Writes `with_hint` into statements, which SQLAlchemy does not do for SQLite: `INDEXED BY …`."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        return text


def _prepare(engine: AsyncEngine, pragmas: list[str], begin: str) -> None:
    engine.dialect.statement_compiler = _HintingCompiler

    @event.listens_for(engine.sync_engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        cursor = connection.cursor()
        for pragma in pragmas:
            _execute_when_free(cursor, pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin_transaction(connection: Any) -> None:
        connection.exec_driver_sql(begin)


def _execute_when_free(cursor: Any, pragma: str) -> None:
    """SQLite does not wait when two programs switch a new file to WAL at the same moment; so wait here."""
    for _ in range(int(_BUSY_SECONDS / _LOOK_AGAIN_SECONDS)):
        try:
            cursor.execute(pragma)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            await_only(asyncio.sleep(_LOOK_AGAIN_SECONDS))
        else:
            return
    cursor.execute(pragma)


def _postgresql_engines(url: URL) -> tuple[AsyncEngine, AsyncEngine]:
    engine = create_async_engine(
        url,
        pool_size=_POSTGRESQL_CONNECTIONS,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_SECONDS,
        pool_pre_ping=True,
        connect_args={"timeout": _CONNECT_SECONDS, "command_timeout": STATEMENT_SECONDS},
    )
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return engine, reader


async def _bring_up_to_date(store: SqlStore, writer: AsyncEngine, place: str, clock: Clock) -> None:
    async with store._connected(writer) as connection:
        unit = Unit(connection, place, is_writing=True)
        if await _revision(unit) == REVISIONS[-1]:
            return
        if not unit.is_sqlite:
            await unit.rows(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        found = await _revision(unit)
        if found is not None and found not in REVISIONS:
            raise SchemaTooNew(
                f"{place} was made by a newer version of mtfleet (its tables are at {found}, this one "
                f"knows {REVISIONS[-1]}). Start that version, or restore a backup made before the upgrade."
            )
        if found == REVISIONS[-1]:
            return
        from mtfleet.store.schema import migrate  # loads Alembic, which most starts don't need

        started = clock.monotonic()
        try:
            await connection.run_sync(migrate)
            await connection.commit()
        except (SQLAlchemyError, OSError) as error:
            raise translate(error, place) from error
        seconds = round(clock.monotonic() - started, 3)
        log.info("store.migrated", before=found, after=REVISIONS[-1], seconds=seconds)


async def _revision(unit: Unit) -> str | None:
    tables = (
        "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"
        if unit.is_sqlite
        else "SELECT count(*) FROM pg_tables WHERE tablename = 'alembic_version' "
        "AND schemaname = current_schema()"
    )
    if not await unit.scalar(text(tables)):
        return None
    found: str | None = await unit.scalar(text("SELECT version_num FROM alembic_version"))
    return found
