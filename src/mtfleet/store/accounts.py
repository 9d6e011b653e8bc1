"""Accounts and replicas in SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, case, delete, func, insert, select, update
from sqlalchemy.orm import aliased

from mtfleet.domain.accounts import Account, AccountFilter, AccountType, BrokerSettings, Page, Replica
from mtfleet.domain.deployment import AccountState, Deployment
from mtfleet.domain.errors import NotFoundError
from mtfleet.domain.ids import AccountId, ProfileId, Region, UserId
from mtfleet.store import base
from mtfleet.store.account_list import find_rows
from mtfleet.store.account_rows import (
    account_text,
    accounts_json,
    as_account,
    deployment_columns,
    first_position,
    replica_json,
    settings_json,
    to_accounts,
    to_json,
)
from mtfleet.store.moments import to_milliseconds
from mtfleet.store.tables import accounts, secrets
from mtfleet.store.text_search import IndexedText, add_to_index, drop_from_index
from mtfleet.store.unit import AnyRow, Unit
from mtfleet.wire import json

_SHOWN = (
    accounts.c.id,
    accounts.c.settings_json,
    accounts.c.state,
    accounts.c.connection_status,
    accounts.c.hops_json,
)
_OF_REPLICA = (accounts.c.primary_account_id, *_SHOWN[1:])
_ORDER = (accounts.c.created_at, accounts.c.id)


class SqlAccounts(base.Accounts):
    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def add(
        self, account: Account, deployment: Deployment, *, primary_id: AccountId | None = None
    ) -> None:
        await self.add_many([(account, deployment)], primary_id=primary_id)

    async def add_many(
        self, entries: Sequence[tuple[Account, Deployment]], *, primary_id: AccountId | None = None
    ) -> None:
        """Store many at once: much faster than one by one."""
        is_replica = primary_id is not None
        moments = [to_milliseconds(account.created_at) for account, _ in entries]
        positions = [None] * len(moments) if is_replica else await self._free_positions(moments)
        rows = []
        for (account, deployment), created_at, position in zip(entries, moments, positions, strict=True):
            rows.append(
                {
                    "id": account.id,
                    "user_id": account.user_id,
                    "primary_account_id": primary_id,
                    "listed_for": None if is_replica else account.user_id,
                    "created_at": created_at,
                    "position": position,
                    "search_text": account_text(account),
                }
                | _settings_columns(account, is_replica=is_replica)
                | deployment_columns(deployment)
            )
        await self._unit.change_many(insert(accounts), rows)
        if not is_replica:
            await add_to_index(self._unit, [_indexed(row) for row in rows])

    async def _free_positions(self, moments: Sequence[int]) -> Sequence[int | None]:
        """Return the next position for each account created at these moments."""
        if not self._unit.is_sqlite or not moments:
            return [None] * len(moments)  # PostgreSQL's text index is not ordered by it
        low, high = first_position(min(moments)), first_position(max(moments) + 1)
        statement = select(accounts.c.created_at, func.max(accounts.c.position))
        statement = statement.where(accounts.c.position >= low, accounts.c.position < high)
        statement = statement.with_hint(accounts, "INDEXED BY ix_accounts_position", "sqlite")
        taken = {row[0]: row[1] for row in await self._unit.rows(statement.group_by(accounts.c.created_at))}
        positions = []
        for moment in moments:
            taken[moment] = taken.get(moment, first_position(moment) - 1) + 1
            positions.append(taken[moment])
        return positions

    async def get(self, user_id: UserId, account_id: AccountId) -> Account | None:
        mine = (accounts.c.id == account_id, accounts.c.listed_for == user_id)
        row = await self._unit.row(self._unit.locked(select(*_SHOWN).where(*mine)))
        if row is None:
            return None
        return to_accounts([row], await self._replica_rows([account_id]))[0]

    async def _replica_rows(self, primary_ids: Sequence[AccountId]) -> Sequence[AnyRow]:
        mine = self._unit.among(accounts.c.primary_account_id, primary_ids)
        return await self._unit.rows(select(*_OF_REPLICA).where(mine).order_by(*_ORDER))

    async def find(self, user_id: UserId, criteria: AccountFilter, *, with_count: bool = False) -> Page:
        page = await self.find_encoded(user_id, criteria, with_count=with_count)
        return Page(items=json.decode(page.items, list[Account]), count=page.count)

    async def find_encoded(
        self, user_id: UserId, criteria: AccountFilter, *, with_count: bool = False
    ) -> base.EncodedPage:
        rows, count = await find_rows(self._unit, user_id, criteria, _SHOWN, with_count=with_count)
        replicas = await self._replica_rows([row[0] for row in rows]) if rows else []
        return base.EncodedPage(items=accounts_json(rows, replicas), count=count)

    async def update(self, account: Account) -> None:
        old = await self._unit.row(
            self._unit.locked(
                select(
                    accounts.c.id,
                    accounts.c.user_id,
                    accounts.c.position,
                    accounts.c.search_text,
                    accounts.c.primary_account_id,
                ).where(accounts.c.id == account.id, accounts.c.user_id == account.user_id)
            )
        )
        if old is None:
            raise NotFoundError("The account does not exist, or not any more.")
        is_replica = old.primary_account_id is not None
        new_text = account_text(account)
        columns = {
            **_settings_columns(account, is_replica=is_replica),
            "search_text": new_text,
        }
        await self._unit.change(update(accounts).where(accounts.c.id == account.id).values(**columns))
        if not is_replica and new_text != old.search_text:
            await drop_from_index(self._unit, IndexedText(*old[:4]))
            await add_to_index(self._unit, [IndexedText(old.id, old.user_id, old.position, new_text)])

    async def remove(self, account_id: AccountId) -> None:
        family = await self._unit.rows(
            select(accounts.c.id, accounts.c.user_id, accounts.c.position, accounts.c.search_text)
            .where((accounts.c.id == account_id) | (accounts.c.primary_account_id == account_id))
            .order_by(accounts.c.id)
        )
        for row in family:
            if row.position is not None:
                await drop_from_index(self._unit, IndexedText(*row))
        hanging = self._unit.among(secrets.c.record_id, [row.id for row in family])
        tables = secrets.c.table_name.in_((base.ACCOUNTS, base.EXPERTS))
        await self._unit.change(delete(secrets).where(tables, hanging))
        await self._unit.change(delete(accounts).where(accounts.c.id == account_id))

    async def replicas(self, user_id: UserId, primary_id: AccountId) -> list[base.StoredReplica]:
        primary = await self.get(user_id, primary_id)
        if primary is None:
            return []
        return [
            base.StoredReplica(primary_id=primary_id, account=as_account(primary, replica))
            for replica in primary.account_replicas
        ]

    async def replica(
        self, user_id: UserId, primary_id: AccountId, replica_id: AccountId
    ) -> base.StoredReplica | None:
        for stored in await self.replicas(user_id, primary_id):
            if stored.account.id == replica_id:
                return stored
        return None

    async def count(self, user_id: UserId, region: Region | None = None) -> int:
        conditions = [accounts.c.user_id == user_id]
        if region is not None:
            conditions.append(accounts.c.region == region)
        return int(await self._unit.scalar(select(func.count()).select_from(accounts).where(*conditions)))

    async def usage(self, user_id: UserId) -> list[base.AccountUsage]:
        primaries = aliased(accounts, name="primaries")
        its_primary = primaries.c.id == func.coalesce(accounts.c.primary_account_id, accounts.c.id)
        alike = (
            accounts.c.region,
            primaries.c.type,
            accounts.c.state,
            primaries.c.has_copy_factory_roles,
            primaries.c.has_dedicated_ip,
        )
        statement = select(*alike, func.count()).select_from(accounts).join(primaries, its_primary)
        rows = await self._unit.rows(statement.where(accounts.c.user_id == user_id).group_by(*alike))
        return [
            base.AccountUsage(
                region=row[0],
                type=AccountType(row[1]),
                state=AccountState(row[2]),
                has_copy_factory_roles=row[3],
                has_dedicated_ip=row[4],
                count=row[5],
            )
            for row in rows
        ]

    async def owner(self, account_id: AccountId) -> UserId | None:
        found = await self._unit.scalar(select(accounts.c.user_id).where(accounts.c.id == account_id))
        return None if found is None else UserId(found)

    async def using_profile(self, user_id: UserId, profile_id: ProfileId) -> int:
        using = and_(accounts.c.listed_for == user_id, accounts.c.provisioning_profile_id == profile_id)
        return int(await self._unit.scalar(select(func.count()).select_from(accounts).where(using)))

    async def set_broker(self, account_id: AccountId, settings: BrokerSettings) -> None:
        await self._unit.change(
            update(accounts).where(accounts.c.id == account_id).values(broker_json=to_json(settings))
        )

    async def run_settings(self, account_ids: Sequence[AccountId]) -> dict[AccountId, base.RunSettings]:
        primaries = aliased(accounts, name="primaries")
        shown = [primaries.c[column.name] for column in _SHOWN]
        rows = await self._unit.rows(
            select(
                accounts.c.id,
                secrets.c.sealed,
                func.coalesce(accounts.c.broker_json, primaries.c.broker_json),
                case((accounts.c.primary_account_id.is_not(None), accounts.c.settings_json)),
                accounts.c.state,
                accounts.c.connection_status,
                accounts.c.hops_json,
                *shown,
            )
            .join(primaries, primaries.c.id == func.coalesce(accounts.c.primary_account_id, accounts.c.id))
            .join(
                secrets,
                and_(
                    secrets.c.table_name == base.ACCOUNTS,
                    secrets.c.record_id == primaries.c.id,
                    secrets.c.field == base.PASSWORD,
                ),
            )
            .where(self._unit.among(accounts.c.id, account_ids))
        )
        primary_rows = {row[7]: row[7:] for row in rows}
        replicas = await self._replica_rows(list(primary_rows))
        owners = {account.id: account for account in to_accounts(list(primary_rows.values()), replicas)}
        found: dict[AccountId, base.RunSettings] = {}
        for row in rows:
            owner = owners[row[7]]
            if owner.login is None:
                continue
            own = owner if row[3] is None else as_account(owner, json.decode(replica_json(row[:7]), Replica))
            found[row.id] = base.RunSettings(
                account=own,
                credentials_id=owner.id,
                sealed_password=row.sealed,
                broker=None if row[2] is None else json.decode(row[2], BrokerSettings),
            )
        return found


def _indexed(row: dict[str, Any]) -> IndexedText:
    return IndexedText(row["id"], row["user_id"], row["position"], row["search_text"])


def _settings_columns(account: Account, *, is_replica: bool) -> dict[str, Any]:
    return {
        "region": account.region,
        "provisioning_profile_id": None if is_replica else account.provisioning_profile_id,
        "version": account.version,
        "type": account.type.value,
        "has_copy_factory_roles": bool(account.copy_factory_roles),
        "has_dedicated_ip": account.allocate_dedicated_ip is not None,
        "settings_json": settings_json(account, is_replica=is_replica),
    }
