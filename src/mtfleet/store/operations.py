"""Operations, configuration links and quota requests in SQL."""

from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from mtfleet.domain.ids import AccountId, Region, TransactionId, UserId
from mtfleet.domain.values import Instant
from mtfleet.store import base
from mtfleet.store.account_rows import to_json
from mtfleet.store.moments import to_instant, to_milliseconds
from mtfleet.store.tables import links, operations, quota_requests, secrets
from mtfleet.store.unit import AnyRow, Unit
from mtfleet.wire import json

_KEY = (operations.c.user_id, operations.c.route, operations.c.transaction_id)


class SqlOperations(base.Operations):
    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def begin(self, operation: base.Operation) -> base.Operation:
        statement = self._unit.insertion(operations).values(**_operation_columns(operation))
        # Of several at once one inserts; the others wait for its end and then find its row.
        inserted = await self._unit.change(statement.on_conflict_do_nothing(index_elements=list(_KEY)))
        if inserted:
            return operation
        found = await self.get(operation.user_id, operation.route, operation.transaction_id)
        return operation if found is None else found

    async def get(self, user_id: UserId, route: str, transaction_id: TransactionId) -> base.Operation | None:
        key = _is(user_id, route, transaction_id)
        row = await self._unit.row(self._unit.locked(select(operations).where(*key)))
        return None if row is None else _to_operation(row)

    async def put(self, operation: base.Operation) -> bool:
        columns = _operation_columns(operation)
        changing = {
            name: columns[name]
            for name in ("stage", "finished_at", "is_success", "outcome_json", "entity_id")
        }
        key = _is(operation.user_id, operation.route, operation.transaction_id)
        key.append(operations.c.is_success.is_not(True))
        return await self._unit.change(update(operations).where(*key).values(**changing)) > 0

    async def unfinished(self) -> list[base.Operation]:
        statement = select(operations).where(operations.c.finished_at.is_(None))
        rows = await self._unit.rows(statement.order_by(operations.c.started_at, *_KEY))
        return [_to_operation(row) for row in rows]

    async def forget(self, finished_before: Instant) -> int:
        old = operations.c.finished_at < to_milliseconds(finished_before)
        rows = await self._unit.rows(delete(operations).where(old).returning(operations.c.entity_id))
        its = self._unit.among(secrets.c.record_id, [row.entity_id for row in rows])
        await self._unit.change(delete(secrets).where(secrets.c.table_name == base.OPERATIONS, its))
        return len(rows)


def _is(user_id: UserId, route: str, transaction_id: TransactionId) -> list[ColumnElement[bool]]:
    return [column == value for column, value in zip(_KEY, (user_id, route, transaction_id), strict=True)]


def _operation_columns(operation: base.Operation) -> dict[str, Any]:
    return {
        "user_id": operation.user_id,
        "route": operation.route,
        "transaction_id": operation.transaction_id,
        "request_hash": operation.request_hash,
        "entity_id": operation.entity_id,
        "stage": operation.stage,
        "started_at": to_milliseconds(operation.started_at),
        "finished_at": to_milliseconds(operation.finished_at),
        "is_success": operation.is_success,
        "outcome_json": None if operation.outcome is None else to_json(operation.outcome),
    }


def _to_operation(row: AnyRow) -> base.Operation:
    return base.Operation(
        user_id=row.user_id,
        route=row.route,
        transaction_id=row.transaction_id,
        request_hash=row.request_hash,
        entity_id=row.entity_id,
        stage=row.stage,
        started_at=to_instant(row.started_at),
        finished_at=to_instant(row.finished_at),
        is_success=row.is_success,
        outcome=None if row.outcome_json is None else json.decode(row.outcome_json, Any),
    )


class SqlLinks(base.Links):
    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def add(self, link: base.StoredLink) -> None:
        await self._unit.change(
            insert(links).values(
                token_hash=link.token_hash,
                account_id=link.account_id,
                created_at=to_milliseconds(link.created_at),
                expires_at=to_milliseconds(link.expires_at),
                used_at=to_milliseconds(link.used_at),
            )
        )

    async def get(self, token_hash: str) -> base.StoredLink | None:
        row = await self._unit.row(select(links).where(links.c.token_hash == token_hash))
        if row is None:
            return None
        return base.StoredLink(
            token_hash=row.token_hash,
            account_id=AccountId(row.account_id),
            created_at=to_instant(row.created_at),
            expires_at=to_instant(row.expires_at),
            used_at=to_instant(row.used_at),
        )

    async def consume(self, token_hash: str, now: Instant) -> bool:
        moment = to_milliseconds(now)
        usable = (links.c.token_hash == token_hash, links.c.used_at.is_(None), links.c.expires_at > moment)
        return await self._unit.change(update(links).where(*usable).values(used_at=moment)) == 1

    async def tidy(self, account_id: AccountId, now: Instant) -> int:
        its = links.c.account_id == account_id
        is_over = links.c.used_at.is_not(None) | (links.c.expires_at <= to_milliseconds(now))
        await self._unit.change(delete(links).where(its, is_over))
        return int(await self._unit.scalar(select(func.count()).select_from(links).where(its)))


class SqlQuotas(base.Quotas):
    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def put_request(self, request: base.QuotaRequest) -> bool:
        wishes = {
            "quotas_json": to_json(request.quotas),
            "message": request.message,
            "created_at": to_milliseconds(request.created_at),
        }
        statement = self._unit.insertion(quota_requests).values(
            user_id=request.user_id, region=request.region, **wishes
        )
        key = [quota_requests.c.user_id, quota_requests.c.region]
        if await self._unit.change(statement.on_conflict_do_nothing(index_elements=key)):
            return True
        mine = (quota_requests.c.user_id == request.user_id, quota_requests.c.region == request.region)
        await self._unit.change(update(quota_requests).where(*mine).values(**wishes))
        return False

    async def requests(self, user_id: UserId) -> list[base.QuotaRequest]:
        statement = select(quota_requests).where(quota_requests.c.user_id == user_id)
        order = (quota_requests.c.created_at, quota_requests.c.region)
        return [
            base.QuotaRequest(
                user_id=UserId(row.user_id),
                region=Region(row.region),
                quotas=json.decode(row.quotas_json, dict[str, int]),
                message=row.message,
                created_at=to_instant(row.created_at),
            )
            for row in await self._unit.rows(statement.order_by(*order))
        ]
