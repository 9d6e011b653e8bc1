"""Provisioning profiles: a broker's settings given by hand, and the terminal's server files.

A profile is `new` until one of the files that its version needs is there, then `active`. Manager profiles are
refused: this program has no driver for them.
"""

import re
from typing import Final
from uuid import uuid4

from msgspec.structs import replace

from mtfleet.domain.access import Caller
from mtfleet.domain.brokertime import UnknownTimezone, zone_named
from mtfleet.domain.errors import (
    ConflictError,
    FieldProblem,
    ForbiddenError,
    NotFoundError,
    invalid,
    wrong_fields,
)
from mtfleet.domain.ids import ProfileId
from mtfleet.domain.profiles import (
    ALLOWED_FILES,
    REQUIRED_FILES,
    Profile,
    ProfileFilter,
    ProfilePage,
    ProfileStatus,
    ProfileType,
)
from mtfleet.domain.values import Clock
from mtfleet.provisioning.options import Options
from mtfleet.security.audit import record
from mtfleet.store.base import Store, Transaction
from mtfleet.wire.replies import ProfileCreated
from mtfleet.wire.requests import NewProfile, ProfileUpdate

MAX_NAME_CHARACTERS: Final = 200
MAX_LIMIT: Final = 1000
MAX_OFFSET: Final = 2**31 - 1
_NOT_IANA: Final = ("localtime", "posixrules", "Factory")
"""Files beside the zones of some systems, which mean something else on each machine."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_FILE_NAMES: Final = {name.casefold(): name for name in ALLOWED_FILES}


class ProfileService:
    """What a user does with provisioning profiles. Foreign and unknown ids raise `NotFoundError`."""

    def __init__(self, store: Store, clock: Clock, options: Options) -> None:
        self._store = store
        self._clock = clock
        self._options = options

    async def list(self, caller: Caller, criteria: ProfileFilter, *, with_count: bool = False) -> ProfilePage:
        """List in the order of creation; `count` ignores offset and limit. Raises `ValidationError`."""
        if not 1 <= criteria.limit <= MAX_LIMIT:
            raise invalid("limit", f"must be 1 to {MAX_LIMIT}", criteria.limit)
        if not 0 <= criteria.offset <= MAX_OFFSET:
            raise invalid("offset", f"must be 0 to {MAX_OFFSET}", criteria.offset)
        async with self._store.reader() as tx:
            return await tx.profiles.find(caller.user_id, criteria, with_count=with_count)

    async def get(self, caller: Caller, profile_id: ProfileId) -> Profile:
        """Return a profile."""
        async with self._store.reader() as tx:
            return await _owned(tx, caller, profile_id)

    async def create(self, caller: Caller, body: NewProfile) -> ProfileCreated:
        """Make a profile without files.

        Raises `ValidationError` with every wrong field, and `ForbiddenError` when the user has as many as
        allowed.
        """
        profile = _new_profile(body)
        async with self._store.transaction() as tx:
            if await tx.profiles.count(caller.user_id) >= self._options.max_profiles:
                raise ForbiddenError(
                    f"You have {self._options.max_profiles} provisioning profiles, as many as this server "
                    "allows. Delete one that no account uses, or ask the administrator for more."
                )
            await tx.profiles.add(caller.user_id, profile)
            await record(
                tx,
                self._clock,
                caller,
                "profile.created",
                entity="profile",
                entity_id=profile.id,
                details={"name": profile.name, "version": profile.version},
            )
        return ProfileCreated(id=profile.id)

    async def update(self, caller: Caller, profile_id: ProfileId, body: ProfileUpdate) -> None:
        """Change the name; everything else of a profile stays as it was made."""
        problems = [] if body.name is None else _name_problems(body.name)
        async with self._store.transaction() as tx:
            profile = await _owned(tx, caller, profile_id)
            if problems:
                raise wrong_fields(problems)
            if body.name is None or body.name == profile.name:
                return
            await tx.profiles.update(caller.user_id, replace(profile, name=body.name))
            await record(
                tx,
                self._clock,
                caller,
                "profile.updated",
                entity="profile",
                entity_id=profile_id,
                details={"fields": ["name"]},
            )

    async def upload_file(
        self, caller: Caller, profile_id: ProfileId, file_name: str, content: bytes
    ) -> None:
        """Store or replace a file; it is never opened or run.

        Any known file name is taken whatever the profile's version (contract 9.5), in any case; only the
        right one makes the profile active. Raises `ValidationError` for another name, an empty or a too large
        file.
        """
        name = _FILE_NAMES.get(file_name.casefold())
        async with self._store.transaction() as tx:
            profile = await _owned(tx, caller, profile_id)
            if name is None:
                raise invalid(
                    "fileName", f"must be one of {', '.join(sorted(ALLOWED_FILES))}", file_name[:100]
                )
            check_upload(content, self._options)
            await tx.profiles.put_file(profile_id, name, content)
            present = await tx.profiles.file_names(profile_id)
            is_active = bool(present & REQUIRED_FILES[profile.type, profile.version])
            status = ProfileStatus.ACTIVE if is_active else ProfileStatus.NEW
            if status is not profile.status:
                await tx.profiles.update(caller.user_id, replace(profile, status=status))
            await record(
                tx,
                self._clock,
                caller,
                "profile.file_uploaded",
                entity="profile",
                entity_id=profile_id,
                details={"fileName": name, "bytes": len(content), "status": status},
            )

    async def remove(self, caller: Caller, profile_id: ProfileId) -> None:
        """Delete a profile and its files. Raises `ConflictError` while accounts use it."""
        async with self._store.transaction() as tx:
            profile = await _owned(tx, caller, profile_id)
            users = await tx.accounts.using_profile(caller.user_id, profile_id)
            if users:
                raise ConflictError(
                    f"{users} account{'s use' if users > 1 else ' uses'} the provisioning profile "
                    f"{profile.name!r}. Delete {'them' if users > 1 else 'it'} first."
                )
            await tx.profiles.remove(caller.user_id, profile_id)
            await record(
                tx,
                self._clock,
                caller,
                "profile.deleted",
                entity="profile",
                entity_id=profile_id,
                details={"name": profile.name},
            )


def check_upload(content: bytes, options: Options) -> None:
    """Raise `ValidationError` for an empty or a too large file."""
    if not content:
        raise invalid("file", "the file is empty, or no part named `file` came with the request")
    if len(content) > options.max_upload_bytes:
        raise invalid(
            "file", f"the file has {len(content)} bytes; at most {options.max_upload_bytes} are taken"
        )


async def _owned(tx: Transaction, caller: Caller, profile_id: ProfileId) -> Profile:
    profile = await tx.profiles.get(caller.user_id, profile_id)
    if profile is None:
        raise NotFoundError("There is no such provisioning profile among yours. List them to see their ids.")
    return profile


def _new_profile(body: NewProfile) -> Profile:
    problems = _name_problems(body.name)
    if body.version not in (4, 5):
        problems.append(FieldProblem(parameter="version", message="must be 4 or 5", value=body.version))
    problems += _zone_problems("brokerTimezone", body.broker_timezone)
    problems += _zone_problems("brokerDSTSwitchTimezone", body.broker_dst_switch_timezone)
    kind = _type_of(body.type, problems)
    if problems:
        raise wrong_fields(problems, "The provisioning profile is not valid.")
    return Profile(
        id=ProfileId(str(uuid4())),
        name=body.name or "",
        version=body.version or 0,
        status=ProfileStatus.NEW,
        broker_timezone=body.broker_timezone or "",
        broker_dst_switch_timezone=body.broker_dst_switch_timezone or "",
        type=kind,
    )


def _name_problems(name: str | None) -> "list[FieldProblem]":
    if name is None or not name.strip():
        return [FieldProblem(parameter="name", message="is required and must not be blank")]
    if len(name) > MAX_NAME_CHARACTERS:
        return [FieldProblem(parameter="name", message=f"must have at most {MAX_NAME_CHARACTERS} characters")]
    if _CONTROL.search(name):
        return [FieldProblem(parameter="name", message="must not hold control characters")]
    return []


def _zone_problems(parameter: str, zone: str | None) -> "list[FieldProblem]":
    if zone is None:
        return [FieldProblem(parameter=parameter, message="is required: an IANA name such as EET")]
    try:
        if zone in _NOT_IANA:
            raise UnknownTimezone
        zone_named(zone)
    except UnknownTimezone:
        return [
            FieldProblem(
                parameter=parameter,
                message="must be an IANA time zone such as EET or America/New_York",
                value=zone[:100],
            )
        ]
    return []


def _type_of(given: str | None, problems: "list[FieldProblem]") -> ProfileType:
    known = [kind.value for kind in ProfileType]
    if given is None or given == ProfileType.MT_TERMINAL:
        return ProfileType.MT_TERMINAL
    message = (
        "manager profiles need a manager driver, which this program does not have; use mtTerminal"
        if given in known
        else "must be mtTerminal"
    )
    problems.append(FieldProblem(parameter="type", message=message, value=given))
    return ProfileType.MT_TERMINAL
