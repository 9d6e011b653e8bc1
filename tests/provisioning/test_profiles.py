from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from mtfleet.domain.access import Caller
from mtfleet.domain.errors import ConflictError, ForbiddenError, NotFoundError, ValidationError
from mtfleet.domain.ids import ProfileId, TokenId, UserId
from mtfleet.domain.profiles import Profile, ProfileFilter, ProfileStatus
from mtfleet.provisioning.options import default_options
from mtfleet.provisioning.profiles import ProfileService
from mtfleet.store.base import Store
from mtfleet.testing.accounts import add_account
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.store import open_test_store
from mtfleet.wire.json import decode, encode
from mtfleet.wire.requests import NewProfile, ProfileUpdate

ANNA = Caller(user_id=UserId("a" * 32), token_id=TokenId("t-a"), is_administrator=False)
BERT = Caller(user_id=UserId("b" * 32), token_id=TokenId("t-b"), is_administrator=False)
GOOD: dict[str, Any] = {
    "name": "My profile",
    "version": 5,
    "brokerTimezone": "EET",
    "brokerDSTSwitchTimezone": "America/New_York",
}
ALL = ProfileFilter(offset=0, limit=1000)


def body(**changes: Any) -> NewProfile:
    return decode(msgspec.json.encode({**GOOD, **changes}), NewProfile)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with open_test_store("sqlite") as opened:
        yield opened


@pytest.fixture
def service(store: Store) -> ProfileService:
    options = replace(default_options(), max_profiles=5, max_upload_bytes=1000)
    return ProfileService(store, FakeClock(), options)


async def actions(store: Store) -> list[str]:
    async with store.reader() as tx:
        return [entry.action for entry in await tx.audit.page()]


async def test_a_new_profile_waits_for_its_files(service: ProfileService) -> None:
    made = await service.create(ANNA, body(type=None, managerLogin=None, unknown=1))
    profile = await service.get(ANNA, made.id)
    assert msgspec.json.decode(encode(profile)) == {
        "_id": made.id,
        "name": "My profile",
        "version": 5,
        "status": "new",
        "brokerTimezone": "EET",
        "brokerDSTSwitchTimezone": "America/New_York",
        "type": "mtTerminal",
    }


@pytest.mark.parametrize(
    ("changes", "parameters"),
    [
        ({"name": None}, ["name"]),
        ({"name": "  "}, ["name"]),
        ({"name": "x" * 201}, ["name"]),
        ({"version": None}, ["version"]),
        ({"version": 6}, ["version"]),
        ({"brokerTimezone": None}, ["brokerTimezone"]),
        ({"brokerTimezone": "Middle/Earth"}, ["brokerTimezone"]),
        ({"brokerTimezone": "../../etc/passwd"}, ["brokerTimezone"]),
        ({"brokerTimezone": "/etc/localtime"}, ["brokerTimezone"]),
        ({"brokerTimezone": "localtime"}, ["brokerTimezone"]),
        ({"brokerTimezone": ""}, ["brokerTimezone"]),
        ({"brokerTimezone": "Europe"}, ["brokerTimezone"]),
        ({"brokerTimezone": "a\x00b"}, ["brokerTimezone"]),
        ({"brokerDSTSwitchTimezone": "EEST+3"}, ["brokerDSTSwitchTimezone"]),
        ({"type": "managerApi"}, ["type"]),
        ({"type": "managerUi"}, ["type"]),
        ({"type": "other"}, ["type"]),
        ({"name": None, "version": 3, "brokerTimezone": "x"}, ["name", "version", "brokerTimezone"]),
    ],
)
async def test_every_wrong_field_is_named(
    service: ProfileService, changes: dict[str, Any], parameters: list[str]
) -> None:
    with pytest.raises(ValidationError) as caught:
        await service.create(ANNA, body(**changes))
    assert [p.parameter for p in caught.value.details] == parameters
    assert (await service.list(ANNA, ALL)).items == []


@pytest.mark.parametrize("zone", ["EET", "UTC", "Etc/GMT-3", "Asia/Tokyo", "Europe/London"])
@pytest.mark.parametrize("version", [4, 5])
async def test_any_zone_and_both_versions_are_taken(service: ProfileService, zone: str, version: int) -> None:
    made = await service.create(
        ANNA, body(version=version, brokerTimezone=zone, brokerDSTSwitchTimezone=zone)
    )
    assert (await service.get(ANNA, made.id)).broker_dst_switch_timezone == zone


@pytest.mark.parametrize(
    ("version", "file_name", "status"),
    [
        (5, "servers.dat", ProfileStatus.ACTIVE),
        (5, "Servers.DAT", ProfileStatus.ACTIVE),
        (5, "broker.srv", ProfileStatus.NEW),
        (5, "managerApi.zip", ProfileStatus.NEW),
        (4, "broker.srv", ProfileStatus.ACTIVE),
        (4, "servers.ini", ProfileStatus.ACTIVE),
        (4, "servers.dat", ProfileStatus.NEW),
    ],
)
async def test_only_the_right_file_makes_a_profile_active(
    service: ProfileService, version: int, file_name: str, status: ProfileStatus
) -> None:
    made = await service.create(ANNA, body(version=version))
    await service.upload_file(ANNA, made.id, file_name, b"\x00content")
    assert (await service.get(ANNA, made.id)).status is status


async def test_a_file_uploaded_again_replaces_the_first(service: ProfileService, store: Store) -> None:
    made = await service.create(ANNA, body())
    for content in (b"one", b"two"):
        await service.upload_file(ANNA, made.id, "servers.dat", content)
    await service.upload_file(ANNA, made.id, "broker.srv", b"three")
    async with store.reader() as tx:
        assert await tx.profiles.files(made.id) == {"servers.dat": b"two", "broker.srv": b"three"}
    assert (await service.get(ANNA, made.id)).status is ProfileStatus.ACTIVE


@pytest.mark.parametrize(
    ("file_name", "content", "parameter"),
    [
        ("other.dat", b"x", "fileName"),
        ("../servers.dat", b"x", "fileName"),
        ("", b"x", "fileName"),
        ("servers.dat", b"", "file"),
        ("servers.dat", b"x" * 1001, "file"),
    ],
)
async def test_what_can_not_be_uploaded(
    service: ProfileService, store: Store, file_name: str, content: bytes, parameter: str
) -> None:
    made = await service.create(ANNA, body())
    with pytest.raises(ValidationError) as caught:
        await service.upload_file(ANNA, made.id, file_name, content)
    assert caught.value.details[0].parameter == parameter
    async with store.reader() as tx:
        assert await tx.profiles.file_names(made.id) == frozenset()
    await service.upload_file(ANNA, made.id, "servers.dat", b"x" * 1000)


async def test_a_foreign_or_unknown_profile_is_not_found(service: ProfileService, store: Store) -> None:
    made = await service.create(ANNA, body())
    for caller, profile_id in [(BERT, made.id), (ANNA, ProfileId("no-uuid")), (ANNA, ProfileId(""))]:
        with pytest.raises(NotFoundError):
            await service.get(caller, profile_id)
        with pytest.raises(NotFoundError):
            await service.update(caller, profile_id, ProfileUpdate(name="x"))
        with pytest.raises(NotFoundError):
            await service.upload_file(caller, profile_id, "servers.dat", b"x")
        with pytest.raises(NotFoundError):
            await service.remove(caller, profile_id)
    assert (await service.list(BERT, ALL)).items == []
    assert (await service.get(ANNA, made.id)).name == "My profile"
    assert await actions(store) == ["profile.created"]


async def test_the_name_can_be_changed_and_nothing_else(service: ProfileService, store: Store) -> None:
    made = await service.create(ANNA, body())
    before = await service.get(ANNA, made.id)
    update = decode(b'{"name": "New name", "version": 4, "brokerTimezone": "UTC"}', ProfileUpdate)
    await service.update(ANNA, made.id, update)
    assert await service.get(ANNA, made.id) == replace(before, name="New name")
    await service.update(ANNA, made.id, decode(b'{"name": null}', ProfileUpdate))
    await service.update(ANNA, made.id, decode(b"{}", ProfileUpdate))
    with pytest.raises(ValidationError):
        await service.update(ANNA, made.id, ProfileUpdate(name=" "))
    assert (await service.get(ANNA, made.id)).name == "New name"
    assert await actions(store) == ["profile.created", "profile.updated"]


async def test_a_profile_in_use_stays(service: ProfileService, store: Store) -> None:
    made = await service.create(ANNA, body())
    account = await add_account(store, ANNA, provisioning_profile_id=made.id)
    with pytest.raises(ConflictError, match="1 account uses"):
        await service.remove(ANNA, made.id)
    async with store.transaction() as tx:
        await tx.accounts.remove(account.id)
    await service.remove(ANNA, made.id)
    with pytest.raises(NotFoundError):
        await service.remove(ANNA, made.id)


async def test_lists_have_a_stable_order_filters_and_a_count(service: ProfileService) -> None:
    made = [
        (await service.create(ANNA, body(name=name, version=version))).id
        for name, version in [("b Broker", 5), ("a broker", 4), ("C", 5), ("100%", 5)]
    ]
    await service.upload_file(ANNA, made[2], "servers.dat", b"x")

    async def listed(**criteria: Any) -> list[str]:
        page = await service.list(ANNA, replace(ALL, **criteria))
        assert page.count is None
        return [p.id for p in page.items]

    assert await listed() == made
    assert await listed(limit=2) + await listed(offset=2, limit=2) == made
    assert await listed(offset=9) == []
    assert await listed(query="BROKER") == made[:2]
    assert await listed(query="%") == made[3:]
    assert await listed(version=4) == [made[1]]
    assert await listed(status=ProfileStatus.ACTIVE) == [made[2]]
    page = await service.list(ANNA, replace(ALL, limit=1, version=5), with_count=True)
    assert page.count == 3
    assert len(page.items) == 1


@pytest.mark.parametrize(
    ("criteria", "parameter"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"offset": -1}, "offset"),
        ({"offset": 2**63}, "offset"),
    ],
)
async def test_a_page_has_bounds(service: ProfileService, criteria: dict[str, Any], parameter: str) -> None:
    with pytest.raises(ValidationError) as caught:
        await service.list(ANNA, replace(ALL, **criteria))
    assert caught.value.details[0].parameter == parameter


async def test_there_is_a_quota(service: ProfileService) -> None:
    for _ in range(5):
        await service.create(ANNA, body())
    with pytest.raises(ForbiddenError, match="5 provisioning profiles"):
        await service.create(ANNA, body())
    await service.create(BERT, body())


def test_profiles_show_no_manager_password() -> None:
    assert not any("password" in name for name in Profile.__struct_fields__)
