"""What a list of accounts costs: 1,000 of 100,000, filtered by state and text, as JSON.

Against the same query done bare (sqlite3, rows into dictionaries, msgspec) and against FastAPI with
SQLAlchemy's ORM and pydantic. All three read SQLite files of the same accounts in this process, and take
turns, because machines change speed while they measure. Bare and ORM have one column per field and an index
that fits the query; the bare side is told by hand which index to use. Then how cost grows with the table.

    python -m bench accounts_list
    python bench/accounts_list.py
"""

import asyncio
import gc
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import structlog
from msgspec.structs import replace

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.accounts_list_orm import OrmSide
from bench.table import Row
from mtfleet.domain.accounts import Account, AccountFilter
from mtfleet.domain.deployment import AccountState, Deployment, created
from mtfleet.domain.ids import UserId
from mtfleet.domain.values import Instant
from mtfleet.store.sql import SqlStore, open_store
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.store import an_account
from mtfleet.wire import json

_USER = UserId("a" * 32)
_START = Instant.parse("2026-01-01T00:00:00Z")
_SIZES = (1_000, 10_000, 100_000)
_ROUNDS = 40
_ORM_ROUNDS = 8
_DEPLOYED = frozenset({AccountState.DEPLOYED})
_FAILED = frozenset({AccountState.DEPLOY_FAILED})
_COLUMNS = (
    "_id", "userId", "name", "login", "server", "version", "type", "magic", "manualTrades",
    "quoteStreamingIntervalInSeconds", "region", "reliability", "baseCurrency", "resourceSlots",
    "copyFactoryResourceSlots", "copyFactoryRoles", "tags", "metadata", "state", "connectionStatus", "hash",
    "primaryReplica", "accountReplicas", "metastatsApiEnabled", "riskManagementApiEnabled", "createdAt",
    "hops",
)  # fmt: skip
_JSON = {"copyFactoryRoles", "tags", "metadata", "accountReplicas", "hops"}
_FLAGS = {"manualTrades", "primaryReplica", "metastatsApiEnabled", "riskManagementApiEnabled"}
_CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("no filter", {}),
    ("state of 8 in 10", {"states": _DEPLOYED}),
    ("state of 1 in 1,000", {"states": _FAILED}),
    ("state of 8 in 10, text of all", {"states": _DEPLOYED, "query": "sandbox"}),
    ("state of 8 in 10, text of 1 in 80", {"states": _DEPLOYED, "query": "common"}),
    ("state of 8 in 10, text of 1 in 1,000", {"states": _DEPLOYED, "query": "needle"}),
    ("state of 8 in 10, text of none", {"states": _DEPLOYED, "query": "nothing has this"}),
    ("state of 1 in 1,000, text of all", {"states": _FAILED, "query": "sandbox"}),
)


def _entry(number: int) -> tuple[Account, Deployment]:
    word = "needle" if number % 1000 == 500 else "common" if number % 80 == 3 else "plain"
    state = AccountState.DEPLOYED if number * 7 % 10 < 8 else AccountState.UNDEPLOYED
    if number % 1000 == 77:
        state = AccountState.DEPLOY_FAILED
    account = an_account(
        number,
        user_id=_USER,
        name=f"{word} {number}",
        state=state,
        tags=["bench", str(number % 7)],
        metadata={"number": number},
        created_at=Instant.of(_START + timedelta(seconds=number)),
    )
    return account, replace(created(account.id), state=state)


async def _filled(directory: Path, size: int) -> SqlStore:
    """Open a store with that many accounts; the largest also in a table of plain columns beside it."""
    store = await open_store(f"sqlite:///{directory}/{size}.db", clock=FakeClock(), is_durable=False)
    for start in range(0, size, 5_000):
        entries = [_entry(number) for number in range(start, min(size, start + 5_000))]
        async with store.transaction() as tx:
            await tx.accounts.add_many(entries)
        if size == _SIZES[-1]:
            _put_plain(directory / "plain.db", [account for account, _ in entries])
    return store


def _put_plain(path: Path, accounts: list[Account]) -> None:
    database = sqlite3.connect(path)
    names = ", ".join(f'"{name}"' for name in _COLUMNS)
    database.execute(f'CREATE TABLE IF NOT EXISTS accounts ({names}, search_text, PRIMARY KEY ("_id"))')
    database.execute(
        'CREATE INDEX IF NOT EXISTS by_state ON accounts ("userId", "state", "createdAt", "_id")'
    )
    database.execute(
        "CREATE VIRTUAL TABLE IF NOT EXISTS texts USING fts5(search_text, content='', tokenize='trigram')"
    )
    for account in accounts:
        plain = json.to_builtins(account)
        values = [
            json.encode(plain[name]).decode() if name in _JSON else plain.get(name) for name in _COLUMNS
        ]
        text = "\n".join((account.id, account.name, account.server, account.login or "")).casefold()
        marks = ", ".join("?" * (len(values) + 1))
        added = database.execute(f"INSERT INTO accounts VALUES ({marks})", (*values, text))
        database.execute("INSERT INTO texts (rowid, search_text) VALUES (?, ?)", (added.lastrowid, text))
    database.commit()
    database.close()


class _Bare:
    """The query and the encoding, with nothing around them."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path)
        names = ", ".join(f'"{name}"' for name in _COLUMNS)
        where = '"userId" = ? AND "state" = ? AND instr(search_text, ?) > 0 ORDER BY "createdAt", "_id"'
        self._walking = f"SELECT {names} FROM accounts INDEXED BY by_state WHERE {where} LIMIT 1000"
        matching = "rowid IN (SELECT rowid FROM texts WHERE texts MATCH ?)"
        self._searching = f"SELECT {names} FROM accounts NOT INDEXED WHERE {matching} AND {where} LIMIT 1000"
        self._encode = msgspec.json.Encoder().encode

    def __call__(self, query: str, *, is_rare: bool) -> bytes:
        parameters = (str(_USER), "DEPLOYED", query)
        if is_rare:
            rows = self._database.execute(self._searching, (f'"{query}"', *parameters)).fetchall()
        else:
            rows = self._database.execute(self._walking, parameters).fetchall()
        return self._encode([self._item(row) for row in rows])

    def _item(self, row: tuple[Any, ...]) -> dict[str, Any]:
        item = dict(zip(_COLUMNS, row, strict=True))
        for name in _JSON:
            item[name] = msgspec.Raw(item[name].encode())
        for name in _FLAGS:
            item[name] = bool(item[name])
        return item


async def _seconds(call: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await call()
    return time.perf_counter() - started


async def _list(store: SqlStore, limit: int, **criteria: Any) -> bytes:
    async with store.reader() as reader:
        wanted = AccountFilter(offset=0, limit=limit, **criteria)
        return (await reader.accounts.find_encoded(_USER, wanted)).items


async def _list_typed(store: SqlStore, query: str) -> bytes:
    async with store.reader() as reader:
        wanted = AccountFilter(offset=0, limit=1000, query=query, states=_DEPLOYED)
        return json.encode((await reader.accounts.find(_USER, wanted)).items)


async def _against_others(store: SqlStore, directory: Path, query: str, *, is_rare: bool) -> list[Row]:
    bare, orm = _Bare(directory / "plain.db"), OrmSide(directory / "plain.db")

    async def bare_list() -> bytes:
        return bare(query, is_rare=is_rare)

    sides: dict[str, Callable[[], Awaitable[bytes]]] = {
        "ours": lambda: _list(store, 1000, query=query, states=_DEPLOYED),
        "bare": bare_list,
        "typed": lambda: _list_typed(store, query),
        "orm": lambda: orm.list(str(_USER), "DEPLOYED", query),
    }
    found = {
        name: [item["_id"] for item in json.decode(await side(), list[Any])] for name, side in sides.items()
    }
    if len({tuple(ids) for ids in found.values()}) != 1:
        raise RuntimeError(f"the sides don't agree: { ({name: len(ids) for name, ids in found.items()}) }")
    taken: dict[str, list[float]] = {name: [] for name in sides}
    gc.collect()
    for number in range(_ROUNDS):
        for name, side in sides.items():
            if name != "orm" or number % (_ROUNDS // _ORM_ROUNDS) == 0:
                taken[name].append(await _seconds(side))
    orm.close()
    ours, plain, typed, fastapi = (statistics.median(taken[name]) for name in sides)
    what = f"list {len(found['ours']):,} of {_SIZES[-1]:,}, state and {'rare' if is_rare else 'common'} text"
    return [
        Row(
            what=f"{what}: speed of bare SQL + msgspec",
            value=plain / ours,
            unit="x",
            aim=">= 0.6",
            note=f"{ours * 1e3:.2f} ms, bare {plain * 1e3:.2f} ms",
        ),
        Row(
            what=f"{what}: speed of FastAPI + ORM",
            value=fastapi / ours,
            unit="x",
            aim=">= 5",
            note=f"theirs {fastapi * 1e3:.1f} ms, {1 / fastapi:.1f} a second",
        ),
        Row(
            what=f"{what}: speed of bare when accounts are built and encoded again",
            value=plain / typed,
            unit="x",
            aim="",
            note=f"{typed * 1e3:.2f} ms: `find`, then `encode`; most of it is reading moments",
        ),
    ]


async def _growth(stores: list[SqlStore]) -> list[Row]:
    found = []
    for name, criteria in _CASES:
        taken: list[list[float]] = [[] for _ in stores]
        for _ in range(_ROUNDS // 2):
            for number, store in enumerate(stores):
                taken[number].append(await _seconds(lambda s=store, c=criteria: _list(s, 100, **c)))  # type: ignore[misc]  # mypy can't infer a lambda with defaults
        medians = [statistics.median(times) * 1e3 for times in taken]
        found.append(
            Row(
                what=f"100 accounts, {name}: cost in {_SIZES[-1]:,} rows to cost in {_SIZES[0]:,}",
                value=medians[-1] / medians[0],
                unit="x",
                aim="with the page",
                note=" / ".join(f"{one:.2f}" for one in medians) + " ms at 1,000 / 10,000 / 100,000",
            )
        )
    return found


async def _measure(directory: Path) -> list[Row]:
    stores = [await _filled(directory, size) for size in _SIZES]
    try:
        return [
            *await _against_others(stores[-1], directory, "sandbox", is_rare=False),
            *await _against_others(stores[-1], directory, "common", is_rare=True),
            *await _growth(stores),
        ]
    finally:
        for store in stores:
            await store.close()


def rows() -> list[Row]:
    """Measure and return the rows of the table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with tempfile.TemporaryDirectory(prefix="mtfleet-bench-") as name:
        return asyncio.run(_measure(Path(name)))


if __name__ == "__main__":
    from rich.console import Console

    from bench.table import print_table

    print_table("accounts_list", rows(), Console())
