"""Find the page of accounts that a filter asks for, at a cost that grows with the page.

There are several ways to walk a user's accounts in order: through the index of all, of one state, of one
connection status, of one profile, or through the text index. Which one meets the wanted accounts soonest
depends on the data, and no statistics are needed to know: all ways that a filter offers are walked in steps,
the next step always on the way that promises the page soonest by what it gave so far. The first to fill the
page, or to come to its end, wins. So the cost is a small multiple of what the best way needs.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    func,
    literal,
    select,
    text,
    tuple_,
    union_all,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import KeyedColumnElement

from mtfleet.domain.accounts import AccountFilter
from mtfleet.domain.ids import UserId
from mtfleet.store.account_rows import millisecond_end
from mtfleet.store.tables import accounts
from mtfleet.store.text_search import fold, in_text_index, match_expression
from mtfleet.store.unit import AnyRow, Unit, check_text

Columns = ReadOnlyColumnCollection[str, KeyedColumnElement[Any]]
Condition = ColumnElement[bool]
Shown = Sequence[ColumnElement[Any]]

_SMALLEST_STEP = 64
_BEFORE_ALL = -(2**63)
_TEXT_ROWS = (
    "SELECT rowid FROM account_search WHERE account_search MATCH :expression AND rowid > :after "
    "AND rowid < :end ORDER BY rowid LIMIT :size"
)


class _Wanted:
    """A filter, prepared for SQL."""

    def __init__(self, unit: Unit, user_id: UserId, criteria: AccountFilter) -> None:
        self.unit = unit
        self.user_id = user_id
        self.criteria = criteria
        self.folded = fold(criteria.query) if criteria.query else None
        check_text("query", criteria.query or "")
        self.needed = criteria.offset + criteria.limit

    def conditions(self, c: Columns) -> list[Condition]:
        """Return all of the filter, so that it alone decides which account is listed."""
        criteria = self.criteria
        found: list[Condition] = [c.listed_for == self.user_id]
        if criteria.provisioning_profile_id is not None:
            found.append(c.provisioning_profile_id == criteria.provisioning_profile_id)
        if criteria.versions is not None:
            found.append(c.version.in_(sorted(criteria.versions)))
        if criteria.types is not None:
            found.append(c.type.in_(sorted(criteria.types)))
        if criteria.states is not None:
            found.append(c.state.in_(sorted(criteria.states)))
        if criteria.connection_statuses is not None:
            found.append(c.connection_status.in_(sorted(criteria.connection_statuses)))
        if criteria.ids is not None:
            found.append(self.unit.among(c.id, criteria.ids))
        if self.folded is not None:
            place = func.instr if self.unit.is_sqlite else func.strpos
            found.append(place(c.search_text, self.folded) > 0)
        return found


class _Walk(ABC):
    """One way through the wanted accounts in order."""

    def __init__(self, wanted: _Wanted, shown: Shown) -> None:
        self._wanted = wanted
        self._unit = wanted.unit
        self._shown = shown
        self.looked_at = 0
        self.matched = 0
        self.rows: list[AnyRow] = []
        """The wanted ones from the page's offset on."""
        self.is_at_end = False

    @property
    def is_done(self) -> bool:
        return self.is_at_end or self.matched >= self._wanted.needed

    @property
    def promised_cost(self) -> float:
        """Return how many accounts this way will have looked at when the page is full, at its rate so far."""
        missing = self._wanted.needed - self.matched
        return self.looked_at + missing * (self.looked_at + 1) / (self.matched + 1)

    async def go_on(self) -> None:
        """Take a step of a size that may fill the page, but at most double what was looked at."""
        missing = self._wanted.needed - self.matched
        wished = missing * (self.looked_at + 1) // (self.matched + 1) + missing // 3
        size = max(_SMALLEST_STEP, min(wished, max(self._wanted.needed * 4 // 3, self.looked_at)))
        await self.step(size)
        self.looked_at += size

    def _take(self, found: Sequence[AnyRow]) -> None:
        skipped = max(0, self._wanted.criteria.offset - self.matched)
        self.rows.extend(found[skipped:])
        self.matched += len(found)

    @abstractmethod
    async def step(self, size: int) -> None:
        """Look at about `size` more accounts."""


class _IndexWalk(_Walk):
    """Walk one index, or merge several ranges of it; no branch means all of the user's accounts."""

    def __init__(
        self, wanted: _Wanted, shown: Shown, index: str, branches: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(wanted, shown)
        self._index = index
        self._branches = branches
        self._after: AnyRow | None = None

    async def step(self, size: int) -> None:
        # Where the step ends comes from the index alone, so that the rows before it are read in one go.
        keys = self._ordered((accounts.c.created_at, accounts.c.id), size)
        if len(self._branches) > 1:
            near = keys.subquery()
            keys = select(near).order_by(*_order(near.c))
        last = await self._unit.row(keys.limit(1).offset(size - 1))
        conditions = self._wanted.conditions(accounts.c)
        if last is not None:
            end = tuple_(literal(last[0]), literal(last[1]))
            conditions.append(tuple_(accounts.c.created_at, accounts.c.id) <= end)
        missing = self._wanted.needed - self.matched
        self._take(await self._unit.rows(self._filtered(missing, conditions)))
        self._after = last
        self.is_at_end = last is None

    async def page(self) -> Sequence[AnyRow]:
        """Read the page at once, when there is no other way to race with."""
        criteria = self._wanted.criteria
        statement = self._filtered(self._wanted.needed, self._wanted.conditions(accounts.c))
        return await self._unit.rows(statement.limit(criteria.limit).offset(criteria.offset))

    def _filtered(self, size: int, conditions: Sequence[Condition]) -> Select[Any]:
        if len(self._branches) < 2:
            return self._ordered(self._shown, size, *conditions)
        near = self._ordered((*self._shown, accounts.c.created_at), size, *conditions).subquery()
        return select(*(near.c[column.name] for column in self._shown)).order_by(*_order(near.c)).limit(size)

    def _branch_conditions(self) -> list[Condition]:
        return [accounts.c[name] == value for name, value in self._branches]

    def _ordered(self, columns: Sequence[ColumnElement[Any]], size: int, *extra: Condition) -> Select[Any]:
        conditions = [accounts.c.listed_for == self._wanted.user_id, *extra]
        if self._after is not None:
            after = tuple_(literal(self._after[0]), literal(self._after[1]))
            conditions.append(tuple_(accounts.c.created_at, accounts.c.id) > after)
        branches = [[one] for one in self._branch_conditions()] or [[]]
        arms = [self._from_index(columns, *conditions, *branch).limit(size) for branch in branches]
        if len(arms) == 1:
            return arms[0]
        merged = union_all(*(select(arm.subquery()) for arm in arms)).subquery()
        return select(merged).order_by(*_order(merged.c)).limit(size)

    def _from_index(self, columns: Sequence[ColumnElement[Any]], *conditions: Condition) -> Select[Any]:
        statement = select(*columns).where(*conditions).order_by(*_order(accounts.c))
        # SQLite would choose by rules that know nothing of the rows' distribution.
        return statement.with_hint(accounts, f"INDEXED BY {self._index}", "sqlite")


class _FullTextWalk(_Walk):
    """Walk SQLite's text index, whose rows come in the order of creation."""

    def __init__(self, wanted: _Wanted, shown: Shown, folded: str) -> None:
        super().__init__(wanted, shown)
        self._expression = match_expression(wanted.user_id, folded)
        self._after = _BEFORE_ALL

    async def step(self, size: int) -> None:
        positions = await self._positions(self._after, -_BEFORE_ALL - 1, size)
        if len(positions) < size:
            self.is_at_end = True
        else:
            # Accounts of the same millisecond are in no order here: take all of them, then sort by id.
            end = millisecond_end(positions[-1])
            positions += await self._positions(positions[-1], end, -1)
            self._after = end - 1
        statement = select(*self._shown).where(
            self._unit.among(accounts.c.position, positions), *self._wanted.conditions(accounts.c)
        )
        statement = statement.with_hint(accounts, "INDEXED BY ix_accounts_position", "sqlite")
        statement = statement.order_by(*_order(accounts.c)).limit(self._wanted.needed - self.matched)
        self._take(await self._unit.rows(statement))

    async def _positions(self, after: int, end: int, size: int) -> list[int]:
        parameters = {"expression": self._expression, "after": after, "end": end, "size": size}
        return [row[0] for row in await self._unit.rows(text(_TEXT_ROWS), parameters)]


class _IdLookup(_Walk):
    """Look up all accounts with the wanted ids at once."""

    async def step(self, size: int) -> None:
        statement = select(*self._shown).where(*self._wanted.conditions(accounts.c))
        # The key's own index: the planner would rather walk all accounts in order.
        statement = statement.with_hint(accounts, "INDEXED BY sqlite_autoindex_accounts_1", "sqlite")
        await self._read_page(statement, accounts.c)

    async def _read_page(self, statement: Select[Any], c: Columns) -> None:
        criteria = self._wanted.criteria
        ordered = statement.order_by(*_order(c)).limit(criteria.limit).offset(criteria.offset)
        self.rows = list(await self._unit.rows(ordered))
        self.is_at_end = True


class _GinLookup(_IdLookup):
    """Look up all candidates of PostgreSQL's text index at once; they come in no order."""

    def __init__(self, wanted: _Wanted, shown: Shown, folded: str) -> None:
        super().__init__(wanted, shown)
        self._named = in_text_index(wanted.unit, wanted.user_id, folded)

    async def step(self, size: int) -> None:
        # The offset keeps the planner from starting at the accounts, whatever it believes about them.
        near = select(*accounts.c.values()).where(self._named).offset(0).subquery()
        statement = select(*(near.c[column.name] for column in self._shown))
        await self._read_page(statement.where(*self._wanted.conditions(near.c)), near.c)

    @property
    def promised_cost(self) -> float:
        """Return a guess: it costs as much as there are candidates, however small the page is."""
        return 16.0 * self._wanted.needed


def _order(c: Columns) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    return c.created_at, c.id


def _index_walks(wanted: _Wanted, shown: Shown) -> list[_IndexWalk]:
    criteria = wanted.criteria
    walks = []
    if criteria.provisioning_profile_id is not None:
        branch = ("provisioning_profile_id", criteria.provisioning_profile_id)
        walks.append(_IndexWalk(wanted, shown, "ix_accounts_list_by_profile", [branch]))
    for column, index, values in (
        ("state", "ix_accounts_list_by_state", criteria.states),
        ("connection_status", "ix_accounts_list_by_connection", criteria.connection_statuses),
    ):
        if values is not None:
            branches = [(column, value.value) for value in sorted(values)]
            walks.append(_IndexWalk(wanted, shown, index, branches))
    return walks or [_IndexWalk(wanted, shown, "ix_accounts_list")]


async def find_rows(
    unit: Unit, user_id: UserId, criteria: AccountFilter, shown: Shown, *, with_count: bool
) -> tuple[Sequence[AnyRow], int | None]:
    """Return the page's rows of `shown` columns and, if asked for, how many accounts match in all."""
    wanted = _Wanted(unit, user_id, criteria)
    total = None
    if _matches_nothing(criteria):
        return [], 0 if with_count else None
    walks = _index_walks(wanted, shown)
    if criteria.ids is not None:
        by_ids = _IdLookup(wanted, shown)
        await by_ids.step(0)
        rows: Sequence[AnyRow] = by_ids.rows
    elif len(walks) == 1 and wanted.folded is None:
        rows = await walks[0].page()
    else:
        winner = await _race(wanted, shown, walks)
        rows = winner.rows
        if winner.matched < wanted.needed and not isinstance(winner, _IdLookup):
            total = winner.matched
    if with_count and total is None:
        total = await _count(wanted)
    return rows, total if with_count else None


def _matches_nothing(criteria: AccountFilter) -> bool:
    lists = (
        criteria.ids,
        criteria.states,
        criteria.connection_statuses,
        criteria.versions,
        criteria.types,
    )
    return criteria.limit <= 0 or any(one is not None and not one for one in lists)


async def _race(wanted: _Wanted, shown: Shown, walks: Sequence[_IndexWalk]) -> _Walk:
    ways: list[_Walk] = [*walks]
    if wanted.folded is not None:
        ways.append(
            _FullTextWalk(wanted, shown, wanted.folded)
            if wanted.unit.is_sqlite
            else _GinLookup(wanted, shown, wanted.folded)
        )
    while True:
        way = min(ways, key=lambda way: way.promised_cost)
        await way.go_on()
        if way.is_done:
            return way


async def _count(wanted: _Wanted) -> int:
    statement = select(func.count()).select_from(accounts).where(*wanted.conditions(accounts.c))
    if wanted.folded is not None and wanted.criteria.ids is None:
        statement = statement.where(in_text_index(wanted.unit, wanted.user_id, wanted.folded))
    return int(await wanted.unit.scalar(statement))
