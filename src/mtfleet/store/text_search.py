"""Find accounts by a part of their text, through an index of grams: all pieces of one to three characters.

Whether a text holds a query is always checked on the text itself; the index only says where to look. Both
databases index the same grams: SQLite in a full-text table (FTS5) whose rows come out in the order of
`accounts.position`, PostgreSQL in a `text[]` column under a GIN index. See docs/adr/0009-text-search.md.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Text, bindparam, column, text

from mtfleet.store.tables import accounts
from mtfleet.store.unit import Unit

SEPARATOR = "\x1f"
"""Stands between the fields of a searchable text, so that no query matches across two of them."""
_SUBSTITUTE = "\x1e"
_LONGEST_GRAM = 3
_MOST_GRAMS_ASKED = 12


def fold(part: str) -> str:
    """Return the form in which texts are compared: without regard to case, in any script."""
    return part.casefold().replace(SEPARATOR, _SUBSTITUTE)


def searchable(parts: Iterable[str | None]) -> str:
    """Return what is stored for searching in these fields."""
    return SEPARATOR.join(fold(part) for part in parts if part)


def grams_of(stored: str) -> set[str]:
    """Return the grams of a stored text. Stored texts don't change their grams with the Unicode version."""
    return {
        part[start : start + size]
        for part in stored.split(SEPARATOR)
        for size in range(1, _LONGEST_GRAM + 1)
        for start in range(len(part) - size + 1)
    }


def grams_asked(folded: str) -> list[str]:
    """Return the fewest grams that cover a query, or those at its start and end when it is very long."""
    if len(folded) <= _LONGEST_GRAM:
        return [folded]
    last = len(folded) - _LONGEST_GRAM
    starts = [*range(0, last, _LONGEST_GRAM), last]
    if len(starts) > _MOST_GRAMS_ASKED:
        half = _MOST_GRAMS_ASKED // 2
        starts = starts[:half] + starts[-half:]
    return list(dict.fromkeys(folded[start : start + _LONGEST_GRAM] for start in starts))


def owner_gram(user_id: str) -> str:
    """Return the entry that stands for the owner: longer than a gram, so that it is none."""
    return f"{SEPARATOR}owner{SEPARATOR}{user_id}"


def _token(gram: str) -> str:
    # Hexadecimal, because the tokenizer of FTS5 must see one word whatever the characters are.
    return gram.encode().hex()


def match_expression(user_id: str, folded: str) -> str:
    """Return the FTS5 expression for a query in one user's accounts."""
    return " AND ".join(_token(gram) for gram in [*grams_asked(folded), owner_gram(user_id)])


def entries_asked(user_id: str, folded: str) -> list[str]:
    """Return what a PostgreSQL row's array must contain for a query in one user's accounts."""
    return [owner_gram(user_id), *grams_asked(folded)]


def in_text_index(unit: Unit, user_id: str, folded: str) -> ColumnElement[bool]:
    """Return the condition that the text index names an account; only the text itself decides."""
    if unit.is_sqlite:
        rows = text("SELECT rowid FROM account_search WHERE account_search MATCH :expression")
        named = rows.bindparams(expression=match_expression(user_id, folded))
        return accounts.c.position.in_(named.columns(column("rowid", BigInteger)))
    rows = text("SELECT account_id FROM account_search WHERE grams @> CAST(:entries AS text[])")
    named = rows.bindparams(bindparam("entries", entries_asked(user_id, folded), ARRAY(Text)))
    return accounts.c.id.in_(named.columns(column("account_id", Text)))


class IndexedText(NamedTuple):
    """One row of the index."""

    account_id: str
    user_id: str
    position: int | None
    """Only SQLite has it."""
    stored: str


_FTS_ADD = text("INSERT INTO account_search (rowid, grams) VALUES (:position, :grams)")
_FTS_DROP = text(
    "INSERT INTO account_search (account_search, rowid, grams) VALUES ('delete', :position, :grams)"
)
_GIN_PUT = text(
    "INSERT INTO account_search (account_id, grams) VALUES (:account_id, :grams) "
    "ON CONFLICT (account_id) DO UPDATE SET grams = excluded.grams"
)


async def add_to_index(unit: Unit, rows: Sequence[IndexedText]) -> None:
    """Index accounts. On PostgreSQL also the way to change one; its entries go with the account."""
    if unit.is_sqlite:
        await unit.change_many(_FTS_ADD, [_fts_row(row) for row in rows])
    else:
        await unit.change_many(
            _GIN_PUT,
            [{"account_id": row.account_id, "grams": _entries(row)} for row in rows],
        )


async def drop_from_index(unit: Unit, row: IndexedText) -> None:
    """Take an account out. The text must be the one that was indexed, since SQLite's index keeps no copy."""
    if unit.is_sqlite:
        await unit.change_many(_FTS_DROP, [_fts_row(row)])


def _fts_row(row: IndexedText) -> dict[str, object]:
    return {
        "position": row.position,
        "grams": " ".join(map(_token, _entries(row))),
    }


def _entries(row: IndexedText) -> list[str]:
    return sorted({owner_gram(row.user_id)} | grams_of(row.stored))
