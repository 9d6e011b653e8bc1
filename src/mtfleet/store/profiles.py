"""Provisioning profiles, expert advisors and their files in SQL."""

from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from mtfleet.domain.experts import Expert
from mtfleet.domain.ids import AccountId, ExpertId, ProfileId, UserId
from mtfleet.domain.profiles import Profile, ProfileFilter, ProfilePage
from mtfleet.store import base
from mtfleet.store.account_rows import to_json
from mtfleet.store.tables import experts, profile_files, profiles, secrets
from mtfleet.store.text_search import fold
from mtfleet.store.unit import Unit, check_text
from mtfleet.wire import json


class SqlProfiles(base.Profiles):
    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def add(self, user_id: UserId, profile: Profile) -> None:
        await self._unit.change(
            insert(profiles).values(id=profile.id, user_id=user_id, **_profile_columns(profile))
        )

    async def get(self, user_id: UserId, profile_id: ProfileId) -> Profile | None:
        mine = (profiles.c.id == profile_id, profiles.c.user_id == user_id)
        text = await self._unit.scalar(self._unit.locked(select(profiles.c.profile_json).where(*mine)))
        return None if text is None else json.decode(text, Profile)

    async def find(
        self, user_id: UserId, criteria: ProfileFilter, *, with_count: bool = False
    ) -> ProfilePage:
        conditions: list[ColumnElement[bool]] = [profiles.c.user_id == user_id]
        for column, wanted in (
            (profiles.c.version, criteria.version),
            (profiles.c.status, criteria.status),
            (profiles.c.type, criteria.type),
        ):
            if wanted is not None:
                conditions.append(column == wanted)
        if criteria.query:
            check_text("query", criteria.query)
            place = func.instr if self._unit.is_sqlite else func.strpos
            conditions.append(place(profiles.c.search_text, fold(criteria.query)) > 0)
        statement = select(profiles.c.profile_json).where(*conditions).order_by(profiles.c.sequence)
        rows = await self._unit.rows(statement.limit(criteria.limit).offset(criteria.offset))
        count = None
        if with_count:
            counting = select(func.count()).select_from(profiles).where(*conditions)
            count = await self._unit.scalar(counting)
        return ProfilePage(items=[json.decode(row[0], Profile) for row in rows], count=count)

    async def update(self, user_id: UserId, profile: Profile) -> None:
        mine = (profiles.c.id == profile.id, profiles.c.user_id == user_id)
        await self._unit.change(update(profiles).where(*mine).values(**_profile_columns(profile)))

    async def remove(self, user_id: UserId, profile_id: ProfileId) -> None:
        mine = (profiles.c.id == profile_id, profiles.c.user_id == user_id)
        if await self._unit.change(delete(profiles).where(*mine)):
            its = (secrets.c.table_name == base.PROFILES, secrets.c.record_id == profile_id)
            await self._unit.change(delete(secrets).where(*its))

    async def count(self, user_id: UserId) -> int:
        mine = select(func.count()).select_from(profiles).where(profiles.c.user_id == user_id)
        return int(await self._unit.scalar(mine))

    async def put_file(self, profile_id: ProfileId, name: str, content: bytes) -> None:
        statement = self._unit.insertion(profile_files).values(
            profile_id=profile_id, name=name, content=content
        )
        key = [profile_files.c.profile_id, profile_files.c.name]
        await self._unit.change(
            statement.on_conflict_do_update(index_elements=key, set_={"content": content})
        )

    async def files(self, profile_id: ProfileId) -> dict[str, bytes]:
        statement = select(profile_files.c.name, profile_files.c.content)
        rows = await self._unit.rows(statement.where(profile_files.c.profile_id == profile_id))
        return {row.name: row.content for row in rows}

    async def file_names(self, profile_id: ProfileId) -> frozenset[str]:
        statement = select(profile_files.c.name).where(profile_files.c.profile_id == profile_id)
        return frozenset(row.name for row in await self._unit.rows(statement))


def _profile_columns(profile: Profile) -> dict[str, Any]:
    check_text("name", profile.name)
    return {
        "search_text": fold(profile.name),
        "version": profile.version,
        "status": profile.status.value,
        "type": profile.type.value,
        "profile_json": to_json(profile),
    }


class SqlExperts(base.Experts):
    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def put(self, account_id: AccountId, expert: Expert) -> None:
        settings = {"period": expert.period, "symbol": expert.symbol}
        statement = self._unit.insertion(experts).values(
            account_id=account_id, expert_id=expert.expert_id, **settings
        )
        key = [experts.c.account_id, experts.c.expert_id]
        await self._unit.change(statement.on_conflict_do_update(index_elements=key, set_=settings))

    async def get(self, account_id: AccountId, expert_id: ExpertId) -> Expert | None:
        found = await self._found(*_one(account_id, expert_id))
        return found[0] if found else None

    async def all(self, account_id: AccountId) -> list[Expert]:
        return await self._found(experts.c.account_id == account_id)

    async def _found(self, *conditions: ColumnElement[bool]) -> list[Expert]:
        has_file = experts.c.file.is_not(None).label("has_file")
        statement = select(experts.c.expert_id, experts.c.period, experts.c.symbol, has_file)
        rows = await self._unit.rows(statement.where(*conditions).order_by(experts.c.sequence))
        return [
            Expert(expert_id=row.expert_id, period=row.period, symbol=row.symbol, file_uploaded=row.has_file)
            for row in rows
        ]

    async def put_file(self, account_id: AccountId, expert_id: ExpertId, content: bytes) -> None:
        its = _one(account_id, expert_id)
        await self._unit.change(update(experts).where(*its).values(file=content))

    async def file(self, account_id: AccountId, expert_id: ExpertId) -> bytes | None:
        found: bytes | None = await self._unit.scalar(
            select(experts.c.file).where(*_one(account_id, expert_id))
        )
        return found

    async def remove(self, account_id: AccountId, expert_id: ExpertId) -> None:
        await self._unit.change(delete(experts).where(*_one(account_id, expert_id)))
        its = (secrets.c.record_id == account_id, secrets.c.field == expert_id)
        await self._unit.change(delete(secrets).where(secrets.c.table_name == base.EXPERTS, *its))


def _one(account_id: AccountId, expert_id: ExpertId) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return experts.c.account_id == account_id, experts.c.expert_id == expert_id
