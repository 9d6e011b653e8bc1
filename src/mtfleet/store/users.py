"""Users, their tokens and the audit log in SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import aliased

from mtfleet.domain.access import AuditEntry, IssuedToken, User
from mtfleet.domain.errors import ConflictError
from mtfleet.domain.ids import TokenId, UserId
from mtfleet.domain.values import Instant
from mtfleet.store import base
from mtfleet.store.account_rows import to_json
from mtfleet.store.moments import to_instant, to_milliseconds
from mtfleet.store.tables import audit, tokens, users
from mtfleet.store.unit import AnyRow, Unit
from mtfleet.wire import json

_APPEND_LOCK = 0x6D74_6175
"""Key of the PostgreSQL advisory lock under which audit entries are numbered and committed."""


class SqlUsers(base.Users):
    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def add(self, user: User) -> None:
        statement = self._unit.insertion(users).values(
            id=user.id,
            name=user.name,
            is_administrator=user.is_administrator,
            created_at=to_milliseconds(user.created_at),
        )
        if not await self._unit.change(statement.on_conflict_do_nothing()):
            raise ConflictError(f"There is a user {user.name!r} already. Choose another name.")

    async def get(self, user_id: UserId) -> User | None:
        return await self._one(users.c.id == user_id)

    async def named(self, name: str) -> User | None:
        return await self._one(users.c.name == name)

    async def _one(self, condition: ColumnElement[bool]) -> User | None:
        row = await self._unit.row(select(users).where(condition))
        return None if row is None else _to_user(row)

    async def all(self) -> list[User]:
        statement = select(users).order_by(users.c.created_at, users.c.id)
        return [_to_user(row) for row in await self._unit.rows(statement)]


def _to_user(row: AnyRow) -> User:
    return User(
        id=row.id,
        name=row.name,
        is_administrator=row.is_administrator,
        created_at=to_instant(row.created_at),
    )


class SqlTokens(base.Tokens):
    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def add(self, token: IssuedToken) -> None:
        await self._unit.change(
            insert(tokens).values(
                id=token.id,
                user_id=token.user_id,
                parent_id=token.parent_id,
                name=token.name,
                created_at=to_milliseconds(token.created_at),
                expires_at=to_milliseconds(token.expires_at),
                revoked_at=to_milliseconds(token.revoked_at),
                last_used_at=to_milliseconds(token.last_used_at),
            )
        )

    async def get(self, token_id: TokenId) -> IssuedToken | None:
        row = await self._unit.row(select(tokens).where(tokens.c.id == token_id))
        return None if row is None else _to_token(row)

    async def of_user(self, user_id: UserId) -> list[IssuedToken]:
        statement = select(tokens).where(tokens.c.user_id == user_id)
        rows = await self._unit.rows(statement.order_by(tokens.c.created_at, tokens.c.id))
        return [_to_token(row) for row in rows]

    async def revoke(self, token_id: TokenId, now: Instant) -> None:
        doomed = select(tokens.c.id).where(tokens.c.id == token_id).cte("doomed", recursive=True)
        child = aliased(tokens, name="child")
        doomed = doomed.union(select(child.c.id).where(child.c.parent_id == doomed.c.id))
        live = (tokens.c.id.in_(select(doomed.c.id)), tokens.c.revoked_at.is_(None))
        await self._unit.change(update(tokens).where(*live).values(revoked_at=to_milliseconds(now)))

    async def is_live(self, token_id: TokenId) -> bool:
        # A child may have been added after its parent's end, so the whole line is looked at.
        line = select(tokens.c.id, tokens.c.parent_id, tokens.c.revoked_at).where(tokens.c.id == token_id)
        chain = line.cte("chain", recursive=True)
        above = aliased(tokens, name="above")
        chain = chain.union(
            select(above.c.id, above.c.parent_id, above.c.revoked_at).where(above.c.id == chain.c.parent_id)
        )
        row = await self._unit.row(select(func.count(), func.count(chain.c.revoked_at)).select_from(chain))
        return row is not None and row[0] > 0 and row[1] == 0

    async def touch(self, used: dict[TokenId, Instant]) -> None:
        later = or_(tokens.c.last_used_at.is_(None), tokens.c.last_used_at < bindparam("used_at"))
        statement = update(tokens).where(tokens.c.id == bindparam("token"), later)
        await self._unit.change_many(
            statement.values(last_used_at=bindparam("used_at")),
            [{"token": token, "used_at": to_milliseconds(used[token])} for token in sorted(used)],
        )


def _to_token(row: AnyRow) -> IssuedToken:
    return IssuedToken(
        id=row.id,
        user_id=row.user_id,
        parent_id=row.parent_id,
        name=row.name,
        created_at=to_instant(row.created_at),
        expires_at=to_instant(row.expires_at),
        revoked_at=to_instant(row.revoked_at),
        last_used_at=to_instant(row.last_used_at),
    )


class SqlAudit(base.Audit):
    """The audit log. Entries are written last in their transaction, by `flush`.

    PostgreSQL numbers rows as they are inserted and shows them as they are committed. So that a reader who
    has seen a number never has to go back for a smaller one, one transaction at a time numbers and commits.
    It waits for nothing after that, so no two can wait for each other.
    """

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._waiting: list[dict[str, Any]] = []

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        self._unit.require_writing()
        self._waiting += [_audit_columns(entry) for entry in entries]

    async def flush(self) -> None:
        """Write what was appended; the transaction is committed right after."""
        if not self._waiting:
            return
        if not self._unit.is_sqlite:
            await self._unit.rows(select(func.pg_advisory_xact_lock(_APPEND_LOCK)))
        await self._unit.change_many(insert(audit), self._waiting)
        self._waiting = []

    async def page(
        self, *, user_id: UserId | None = None, after: int = 0, limit: int = 100, entity_id: str | None = None
    ) -> list[AuditEntry]:
        statement = select(audit).where(audit.c.sequence > after)
        if user_id is not None:
            statement = statement.where(audit.c.user_id == user_id)
        if entity_id is not None:
            statement = statement.where(audit.c.entity_id == entity_id)
        rows = await self._unit.rows(statement.order_by(audit.c.sequence).limit(limit))
        return [_to_entry(row) for row in rows]


def _audit_columns(entry: AuditEntry) -> dict[str, Any]:
    return {
        "recorded_at": to_milliseconds(entry.recorded_at),
        "user_id": entry.user_id,
        "token_id": entry.token_id,
        "action": entry.action,
        "entity": entry.entity,
        "entity_id": entry.entity_id,
        "outcome": entry.outcome,
        "remote_address": entry.remote_address,
        "details_json": None if entry.details is None else to_json(entry.details),
    }


def _to_entry(row: AnyRow) -> AuditEntry:
    return AuditEntry(
        sequence=row.sequence,
        recorded_at=to_instant(row.recorded_at),
        user_id=row.user_id,
        token_id=row.token_id,
        action=row.action,
        entity=row.entity,
        entity_id=row.entity_id,
        outcome=row.outcome,
        remote_address=row.remote_address,
        details=None if row.details_json is None else json.decode(row.details_json, dict[str, Any]),
    )
