"""One database transaction: runs statements and turns the database's errors into ours."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CursorResult,
    Executable,
    Row,
    Select,
    Table,
    Text,
    any_,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from mtfleet.domain.errors import ConflictError, MtfleetError, NotFoundError, ValidationError
from mtfleet.store.errors import StatementFailed, StoreUnavailable

Parameters = Mapping[str, Any]
AnyRow = Row[*tuple[Any, ...]]
INT64 = range(-(2**63), 2**63)
_BATCH = 2000
STATEMENT_SECONDS = 60.0
"""Bound of one statement, also of a commit."""


class Unit:
    """A connection inside a transaction, with the few ways in which the repositories use it.

    Text that no database can hold (NUL characters, lone surrogates) raises `ValidationError` before anything
    is sent. Trouble outside raises `StoreUnavailable`.
    """

    def __init__(self, connection: AsyncConnection, place: str, *, is_writing: bool) -> None:
        self._connection = connection
        self._place = place
        self._is_writing = is_writing
        self.is_sqlite = connection.dialect.name == "sqlite"

    def require_writing(self) -> None:
        """Raise `StatementFailed` in a reader: writing there is a defect of this program."""
        if not self._is_writing:
            raise StatementFailed(f"{self._place} was asked to write in a view for reading.")

    async def _execute(
        self, statement: Executable, parameters: Parameters | Sequence[Parameters] | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        try:
            async with asyncio.timeout(STATEMENT_SECONDS):
                return await self._connection.execute(statement, parameters)
        except (SQLAlchemyError, OSError, UnicodeError) as error:  # an OSError is a TimeoutError, too
            raise translate(error, self._place) from error

    async def rows(self, statement: Executable, parameters: Parameters | None = None) -> Sequence[AnyRow]:
        """Run a statement and return all rows."""
        return (await self._execute(statement, parameters)).all()

    async def row(self, statement: Executable, parameters: Parameters | None = None) -> AnyRow | None:
        """Run a statement and return its first row."""
        found = await self.rows(statement, parameters)
        return found[0] if found else None

    async def scalar(self, statement: Executable, parameters: Parameters | None = None) -> Any:
        """Run a statement and return the first column of its first row, or `None`."""
        row = await self.row(statement, parameters)
        return None if row is None else row[0]

    async def change(self, statement: Executable, parameters: Parameters | None = None) -> int:
        """Run a statement and return how many rows it touched."""
        return (await self._execute(statement, parameters)).rowcount

    async def change_many(self, statement: Executable, many: Iterable[Parameters]) -> None:
        """Run a statement once for each set of parameters."""
        pending = list(many)
        for start in range(0, len(pending), _BATCH):
            await self._execute(statement, pending[start : start + _BATCH])

    def locked(self, statement: Select[Any]) -> Select[Any]:
        """Return a reading statement that keeps its rows from changing until the transaction ends.

        SQLite needs nothing for this: only one transaction writes at a time.
        """
        return statement.with_for_update() if self._is_writing and not self.is_sqlite else statement

    def insertion(self, table: Table) -> sqlite.Insert:
        """Return an insertion that may say what happens on a conflict; both databases write it alike."""
        if self.is_sqlite:
            return sqlite.insert(table)
        return cast("sqlite.Insert", postgresql.insert(table))

    def among(self, column: ColumnElement[Any], values: Iterable[str] | Iterable[int]) -> ColumnElement[bool]:
        """Return `column IN values` with one bound parameter, however many values there are."""
        listed = list(values)
        refuse_unstorable(listed)
        if self.is_sqlite:
            each = func.json_each(bindparam(None, json.dumps(listed), Text, unique=True))
            return column.in_(select(each.table_valued("value").c.value))
        return column == any_(bindparam(None, listed, ARRAY(Text), unique=True))


def refuse_unstorable(value: object) -> None:
    """Raise `ValidationError` for a parameter, or a list of them, that no database takes."""
    if isinstance(value, str):
        check_text("A value", value)
    elif isinstance(value, int) and value not in INT64:
        raise ValidationError(f"{value} does not fit into 64 bits.")
    elif isinstance(value, tuple | list):
        kinds = set(map(type, value))
        if kinds == {str}:  # all at once: lists of ids are long
            check_text("A value", "".join(value))
        elif kinds == {int}:
            refuse_unstorable(min(value))
            refuse_unstorable(max(value))
        else:
            for one in value:
                refuse_unstorable(one)


def check_text(name: str, text: str) -> None:
    """Raise `ValidationError` for text that a database can't hold."""
    if "\x00" in text:
        raise ValidationError(f"{name}: the text holds a NUL character, which can't be stored. Leave it out.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValidationError(
                f"{name}: the text holds half of a character (a lone surrogate), which can't be stored."
            ) from error


def translate(error: BaseException, place: str) -> MtfleetError:
    """Return our error for one of the database. The message never holds statements or parameters."""
    if isinstance(error, IntegrityError):
        if "foreign key" in str(error.orig).lower():
            return NotFoundError("What this belongs to does not exist, or not any more.")
        return ConflictError("There is such a record already.")
    if isinstance(error, UnicodeError):
        return ValidationError("A text holds characters that can't be stored.")
    if isinstance(error, PoolTimeout):
        return StoreUnavailable(f"{place} gave no free connection in time. Try again, or lower the load.")
    if isinstance(error, TimeoutError):
        return StoreUnavailable(f"{place} did not answer in time. Check its load and the disk or network.")
    if isinstance(error, OSError):
        return StoreUnavailable(f"{place} can't be reached: {error}. Check that it runs and is reachable.")
    if isinstance(error, DBAPIError):
        return _of_database(error, str(error.orig), place)
    return StatementFailed(f"A statement for {place} failed: {type(error).__name__}.")


_ADVICE: tuple[tuple[str, str], ...] = (
    ("database is locked", "another process has written to it for too long; stop that one, then try again"),
    ("disk is full", "the disk is full; make room, then try again"),
    ("disk full", "the disk is full; make room, then try again"),
    ("no space left", "the disk is full; make room, then try again"),
    ("disk i/o error", "the disk or file system failed; look into the system's log"),
    ("unable to open database", "check that the file and its directory exist and may be written to"),
    ("not a database", "the file is no SQLite database; name another file, or restore a backup"),
    ("malformed", "the file is damaged; restore a backup"),
    ("readonly database", "it may only be read here; check the rights of the file and its directory"),
    ("password authentication failed", "user name or password is wrong; check the database URL"),
    ("does not exist", "the database, user or role in the URL does not exist; create it or mend the URL"),
    ("too many", "it has no free connection; raise its limit or lower the number of programs that use it"),
    ("connection", "the connection broke; check that the server runs and is reachable"),
    ("timeout", "it did not answer in time; check its load and the network"),
)  # fmt: skip


def _of_database(error: DBAPIError, text: str, place: str) -> MtfleetError:
    lowered = text.lower()
    for part, advice in _ADVICE:
        if part in lowered:
            return StoreUnavailable(f"{place} can't be used: {advice}.")
    if error.connection_invalidated or type(error).__name__ in {"OperationalError", "InterfaceError"}:
        return StoreUnavailable(f"{place} can't be used. Check that it runs, then try again.")
    return StatementFailed(f"A statement for {place} failed: {type(error.orig).__name__}.")
