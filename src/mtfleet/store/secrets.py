"""Sealed secrets and wrapped data keys in SQL."""

from sqlalchemy import delete, select, update

from mtfleet.store import base
from mtfleet.store.tables import data_keys, secrets
from mtfleet.store.unit import Unit


class SqlSecrets(base.Secrets):
    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def put(self, secret: base.SealedSecret) -> None:
        statement = self._unit.insertion(secrets).values(
            table_name=secret.table, record_id=secret.record_id, field=secret.field, sealed=secret.sealed
        )
        key = [secrets.c.table_name, secrets.c.record_id, secrets.c.field]
        await self._unit.change(
            statement.on_conflict_do_update(index_elements=key, set_={"sealed": secret.sealed})
        )

    async def get(self, table: str, record_id: str, field: str) -> bytes | None:
        statement = select(secrets.c.sealed).where(
            secrets.c.table_name == table, secrets.c.record_id == record_id, secrets.c.field == field
        )
        found: bytes | None = await self._unit.scalar(statement)
        return found

    async def remove(self, table: str, record_id: str) -> None:
        its = (secrets.c.table_name == table, secrets.c.record_id == record_id)
        await self._unit.change(delete(secrets).where(*its))

    async def page(self, *, after: int = 0, limit: int = 500) -> list[tuple[int, base.SealedSecret]]:
        statement = select(secrets).where(secrets.c.sequence > after)
        rows = await self._unit.rows(statement.order_by(secrets.c.sequence).limit(limit))
        return [
            (
                row.sequence,
                base.SealedSecret(
                    table=row.table_name, record_id=row.record_id, field=row.field, sealed=row.sealed
                ),
            )
            for row in rows
        ]

    async def replace(self, old: base.SealedSecret, new_sealed: bytes) -> bool:
        same = (
            secrets.c.table_name == old.table,
            secrets.c.record_id == old.record_id,
            secrets.c.field == old.field,
            secrets.c.sealed == old.sealed,
        )
        return await self._unit.change(update(secrets).where(*same).values(sealed=new_sealed)) == 1

    async def data_keys(self) -> dict[str, bytes]:
        statement = self._unit.locked(select(data_keys).order_by(data_keys.c.id))
        return {row.id: row.wrapped for row in await self._unit.rows(statement)}

    async def add_data_key(self, key_id: str, wrapped: bytes) -> bool:
        statement = self._unit.insertion(data_keys).values(id=key_id, wrapped=wrapped)
        return await self._unit.change(statement.on_conflict_do_nothing()) == 1

    async def put_data_key(self, key_id: str, wrapped: bytes) -> None:
        statement = self._unit.insertion(data_keys).values(id=key_id, wrapped=wrapped)
        await self._unit.change(
            statement.on_conflict_do_update(index_elements=[data_keys.c.id], set_={"wrapped": wrapped})
        )
