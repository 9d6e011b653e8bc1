"""Provisioning profiles, uploads, demo accounts."""

import io
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mtfleet import MetaApi, NetworkException, UploadNotFound, ValidationException
from mtfleet.sdk import ProvisioningProfile
from mtfleet.testing.http import TOKEN, ScriptedServer, error, ok

PROFILE = {
    "_id": "p1",
    "name": "My profile",
    "version": 5,
    "status": "new",
    "brokerTimezone": "EET",
    "brokerDSTSwitchTimezone": "Europe/Athens",
    "type": "mtTerminal",
}
PATH = "/users/current/provisioning-profiles"


@pytest.fixture
async def profile(api: MetaApi, server: ScriptedServer) -> ProvisioningProfile:
    server.will(ok(PROFILE))
    found = await api.provisioning_profile_api.get_provisioning_profile("p1")
    server.requests.clear()
    server.bodies.clear()
    return found


async def test_profiles(api: MetaApi, server: ScriptedServer) -> None:
    server.will(ok({"id": "p1"}, 201), ok(PROFILE), ok(), ok(PROFILE | {"name": "New name"}), ok())
    profile = await api.provisioning_profile_api.create_provisioning_profile(profile={"name": "My profile"})
    shown = (profile.id, profile.name, profile.version, profile.status, profile.type)
    assert shown == ("p1", "My profile", 5, "new", "mtTerminal")
    assert (profile.broker_timezone, profile.broker_dst_switch_timezone) == ("EET", "Europe/Athens")
    await profile.update(profile={"name": "New name"})
    assert profile.name == "New name"
    await profile.remove()
    assert server.asked == [
        f"POST {PATH}",
        f"GET {PATH}/p1",
        f"PUT {PATH}/p1",
        f"GET {PATH}/p1",
        f"DELETE {PATH}/p1",
    ]


async def test_both_kinds_of_lists(api: MetaApi, server: ScriptedServer) -> None:
    profiles = api.provisioning_profile_api
    server.will(ok([PROFILE]), ok({"count": 3, "items": [PROFILE]}))
    page = await profiles.get_provisioning_profiles_with_infinite_scroll_pagination(
        {"limit": 10, "version": 5}
    )
    assert [p.id for p in page] == [p.id for p in page["items"]] == ["p1"]
    classic = await profiles.get_provisioning_profiles_with_classic_pagination()
    assert (classic["count"], [p.id for p in classic["items"]]) == (3, ["p1"])
    assert server.asked == [f"GET {PATH}?limit=10&version=5", f"GET {PATH}"]
    assert [r.headers["api-version"] for r in server.requests] == ["1", "2"]


async def test_a_file_is_uploaded_as_the_part_file(
    profile: ProvisioningProfile, server: ScriptedServer, tmp_path: Path
) -> None:
    content = os.urandom(300_000)
    path = tmp_path / "anything.bin"
    path.write_bytes(content)
    for file in (path, str(path)):
        server.will(ok(), ok(PROFILE | {"status": "active"}))
        await profile.upload_file(file_name="servers.dat", file=file)
        request, sent = server.requests[-2], server.bodies[-2]
        assert (request.method, request.url.path) == ("PUT", f"{PATH}/p1/servers.dat")
        assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
        assert b'name="file"; filename="servers.dat"' in sent[:300]
        assert content in sent
        assert int(request.headers["content-length"]) == len(sent)
    assert profile.status == "active"


async def test_a_stream_is_sent_from_where_it_stands_and_again_after_a_failure(
    profile: ProvisioningProfile, server: ScriptedServer
) -> None:
    stream = io.BytesIO(b"skipped-content")
    stream.seek(8)
    server.will(error(503, "x"), ok(), ok(PROFILE))
    await profile.upload_file("servers.dat", stream)
    for request, sent in zip(server.requests[:2], server.bodies[:2], strict=True):
        assert b"\r\n\r\ncontent\r\n" in sent
        assert int(request.headers["content-length"]) == len(sent)
    assert not stream.closed


async def test_a_pipe_is_sent_once(profile: ProvisioningProfile, server: ScriptedServer) -> None:
    for first in (ok(), error(503, "x")):
        reading, writing = os.pipe()
        os.write(writing, b"content")
        os.close(writing)
        server.will(first)
        with os.fdopen(reading, "rb") as stream:
            if first.status_code == 503:
                with pytest.raises(Exception, match="no"):
                    await profile.upload_file("servers.dat", stream)
            else:
                server.will(ok(PROFILE))
                await profile.upload_file("servers.dat", stream)
        assert b"\r\n\r\ncontent\r\n" in next(sent for sent in reversed(server.bodies) if sent)
    assert not server.answers


async def test_a_missing_file_is_told_before_any_request(
    profile: ProvisioningProfile, server: ScriptedServer, tmp_path: Path
) -> None:
    with pytest.raises(UploadNotFound, match=r"no-such\.dat") as caught:
        await profile.upload_file(file_name="servers.dat", file=tmp_path / "no-such.dat")
    assert isinstance(caught.value, FileNotFoundError)
    assert isinstance(caught.value, ValidationException)
    assert server.requests == []


@pytest.mark.parametrize("kind", ["directory", "text", "bytes", "closed", "none"])
async def test_what_can_not_be_uploaded_is_told_before_any_request(
    profile: ProvisioningProfile, server: ScriptedServer, tmp_path: Path, kind: str
) -> None:
    closed = io.BytesIO()
    closed.close()
    file: Any = {
        "directory": tmp_path,
        "text": io.StringIO("x"),
        "bytes": b"x",
        "closed": closed,
        "none": None,
    }[kind]
    with pytest.raises(ValidationException, match="file"):
        await profile.upload_file("servers.dat", file)
    assert server.requests == []


async def test_a_big_file_is_never_in_memory_as_a_whole(options: dict[str, Any], tmp_path: Path) -> None:
    largest = 0
    total = 0

    class Drain(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            nonlocal largest, total
            if request.method == "GET":
                return ok(PROFILE)
            assert isinstance(request.stream, AsyncIterator) or hasattr(request.stream, "__aiter__")
            async for chunk in request.stream:
                largest = max(largest, len(chunk))
                total += len(chunk)
            return ok()

    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(20_000_000)
    options["transport"] = Drain()
    async with MetaApi(TOKEN, options) as api:
        profile = await api.provisioning_profile_api.get_provisioning_profile("p1")
        await profile.upload_file("servers.dat", path)
    assert total > 20_000_000
    assert largest <= 1_000_000


async def test_an_expert_is_uploaded(api: MetaApi, server: ScriptedServer, tmp_path: Path) -> None:
    body = {"expertId": "e", "period": "1h", "symbol": "EURUSD", "fileUploaded": True}
    server.will(ok({"_id": "a", "state": "DEPLOYED"}), ok(body), ok(), ok(body))
    account = await api.metatrader_account_api.get_account("a")
    expert = await account.get_expert_advisor("e")
    (tmp_path / "robot.ex4").write_bytes(b"EX4")
    await expert.upload_file(str(tmp_path / "robot.ex4"))
    assert server.asked[2] == "PUT /users/current/accounts/a/expert-advisors/e/file"
    assert b'filename="robot.ex4"' in server.bodies[2]
    assert expert.file_uploaded


MADE = {"login": "5001", "password": "hidden-1", "serverName": "Sandbox-MT5", "investorPassword": "hidden-2"}


@pytest.mark.parametrize(
    ("platform", "profile_id", "segment"),
    [("mt4", None, "default"), ("mt5", "p1", "p1"), ("mt5", None, "default")],
)
async def test_demo_accounts(
    api: MetaApi, server: ScriptedServer, platform: str, profile_id: str | None, segment: str
) -> None:
    assert api.metatrader_demo_account_api is api.metatrader_account_generator_api
    create = getattr(api.metatrader_account_generator_api, f"create_{platform}_demo_account")
    server.will(ok({"message": "asking the broker"}, 202, Retry_After="2"), ok(MADE, 201))
    demo = await create(account={"balance": 100000, "keywords": ["x"]}, profile_id=profile_id)
    assert server.asked == [f"POST {PATH}/{segment}/{platform}-demo-accounts"] * 2
    assert (demo.login, demo.password, demo.server_name, demo.investor_password) == tuple(MADE.values())
    assert {name: demo[name] for name in MADE} == MADE
    assert "hidden" not in repr(demo)


async def test_demo_accounts_survive_lost_answers(api: MetaApi, server: ScriptedServer) -> None:
    server.will(httpx2.ReadError("reset"), ok(MADE, 201))
    demo = await api.metatrader_demo_account_api.create_mt5_demo_account(account={"balance": 1})
    assert demo.login == "5001"
    assert server.requests[0].headers["transaction-id"] == server.requests[1].headers["transaction-id"]


async def test_a_write_that_breaks_off_is_explained(
    profile: ProvisioningProfile, server: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"x")
    server.will(*[httpx2.WriteError("broken pipe")] * 6)
    with pytest.raises(NetworkException, match="broken pipe"):
        await profile.upload_file("servers.dat", tmp_path / "f")
