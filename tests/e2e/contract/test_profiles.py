"""Contract section 9: provisioning profiles, their lists and files."""

from typing import Any

import pytest

from mtfleet.testing.contract import ACCOUNTS, NOBODY, PROFILES, UUID, ContractClient, draft_body, parameters

pytestmark = pytest.mark.e2e

BODY = {"name": "My profile", "version": 5, "brokerTimezone": "EET", "brokerDSTSwitchTimezone": "EET"}


def profile(user: ContractClient, **more: Any) -> str:
    return f"{PROFILES}/{user.post(PROFILES, 201, json=BODY | more)['id']}"


def upload(user: ContractClient, path: str, name: str, expected: int = 204, content: bytes = b"data") -> Any:
    return user.put(f"{path}/{name}", expected, files={"file": ("whatever.bin", content)})


def test_a_new_profile_has_all_fields(user: ContractClient) -> None:
    made = user.post(PROFILES, 201, json=BODY)
    assert set(made) == {"id"}
    assert UUID.fullmatch(made["id"])
    expected = BODY | {"_id": made["id"], "status": "new", "type": "mtTerminal"}
    assert user.get(f"{PROFILES}/{made['id']}") == expected
    assert user.get(PROFILES) == [expected]
    assert user.get(PROFILES, headers={"api-version": "2"}) == {"count": 1, "items": [expected]}


def test_both_names_of_the_guide_are_taken_on_a_version_5_profile(user: ContractClient) -> None:
    path = profile(user)
    upload(user, path, "broker.srv")
    assert user.get(path)["status"] == "new", "only the right file counts"
    upload(user, path, "servers.dat")
    assert user.get(path)["status"] == "active"
    upload(user, path, "broker.srv")
    upload(user, path, "servers.dat", content=b"again")
    assert user.get(path)["status"] == "active"


@pytest.mark.parametrize("name", ["broker.srv", "servers.ini"])
def test_either_file_activates_a_version_4_profile(user: ContractClient, name: str) -> None:
    path = profile(user, version=4)
    upload(user, path, "servers.dat")
    assert user.get(path)["status"] == "new"
    upload(user, path, name)
    assert user.get(path)["status"] == "active"


@pytest.mark.parametrize(
    "name",
    [
        "other.txt",
        "servers.dat.exe",
        "..%2Fservers.dat",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "%00servers.dat",
        "a" * 300,
    ],
)
def test_other_file_names_are_refused(user: ContractClient, name: str) -> None:
    path = profile(user)
    answer = user.send("PUT", f"{path}/{name}", files={"file": ("servers.dat", b"data")})
    assert answer.status_code in {400, 404}
    assert user.get(path)["status"] == "new"


def test_uploads_need_one_part_named_file_with_something_in_it(user: ContractClient) -> None:
    path = profile(user)
    upload(user, path, "servers.dat", 400, b"")
    address = f"{path}/servers.dat"
    user.put(address, 400, files={"other": ("servers.dat", b"data")})
    user.put(address, 400, content=b"")
    user.put(address, 400, json={"file": "x"})
    user.put(address, 400, content=b"raw", headers={"content-type": "application/octet-stream"})
    for boundary in ("", "; boundary=x", "; boundary=" + "x" * 300, "; boundary=\xff"):
        kind = ("multipart/form-data" + boundary).encode("latin-1")
        for content in (b"", b"--x--", b"--x\r\n\r\n", b"--x\r\nContent-Disposition: form-data; name=file"):
            user.put(address, 400, content=content, headers={"content-type": kind})
    user.put(address, 400, data={"file": "a text field"}, files={"x": b"y"})
    assert user.get(path)["status"] == "new"
    upload(user, f"{PROFILES}/{NOBODY}", "servers.dat", 404)
    big = bytes(range(256)) * 4096 * 3
    upload(user, path, "servers.dat", content=big)
    assert user.get(path)["status"] == "active"


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": "\u0000"}, "name"),
        ({"name": "line\nbreak"}, "name"),
        ({"name": "x" * 10_000}, "name"),
        ({"version": 3}, "version"),
        ({"version": 6}, "version"),
        ({"version": None}, "version"),
        ({"version": 4.5}, "version"),
        ({"version": "mt5"}, "version"),
        ({"brokerTimezone": None}, "brokerTimezone"),
        ({"brokerTimezone": "Mars/Base"}, "brokerTimezone"),
        ({"brokerTimezone": ""}, "brokerTimezone"),
        ({"brokerTimezone": "../../etc/passwd"}, "brokerTimezone"),
        ({"brokerTimezone": "\u0000"}, "brokerTimezone"),
        ({"brokerDSTSwitchTimezone": "x" * 5000}, "brokerDSTSwitchTimezone"),
        ({"brokerDSTSwitchTimezone": 2}, "brokerDSTSwitchTimezone"),
        ({"type": "other"}, "type"),
        ({"type": "managerApi"}, "type"),
    ],
)
def test_wrong_profiles_are_refused(user: ContractClient, change: dict[str, Any], wrong: str) -> None:
    refused = user.post(PROFILES, 400, json=BODY | change)
    assert wrong in parameters(refused)
    assert user.get(PROFILES) == []


def test_zones_are_taken_as_they_are_written(user: ContractClient) -> None:
    for zone in ("EET", "America/New_York", "Europe/London", "Etc/GMT-3", "UTC", "Asia/Tokyo"):
        path = profile(user, brokerTimezone=zone, brokerDSTSwitchTimezone=zone, type="mtTerminal")
        found = user.get(path)
        assert found["brokerTimezone"] == found["brokerDSTSwitchTimezone"] == zone


def test_only_the_name_changes(user: ContractClient) -> None:
    path = profile(user)
    user.put(path, 204, json={"name": "New name 🐍"})
    before = user.get(path)
    assert before["name"] == "New name 🐍"
    fixed = {"version": 4, "brokerTimezone": "UTC", "brokerDSTSwitchTimezone": "UTC", "status": "active"}
    user.put(path, 204, json=fixed | {"managerServer": "x:1", "managerLogin": 5, "managerPassword": "p"})
    user.put(path, 204, json={})
    user.put(path, 204, json={"name": None})
    assert user.get(path) == before
    assert parameters(user.put(path, 400, json={"name": ""})) == {"name"}
    user.put(f"{PROFILES}/{NOBODY}", 404, json={"name": "x"})


def test_lists_filter_and_page(user: ContractClient) -> None:
    names = ["Alpha", "beta ALPHA", "Gamma", "Delta_1%"]
    for number, name in enumerate(names):
        upload_to = profile(user, name=name, version=4 + number % 2)
        if number == 2:
            upload(user, upload_to, "broker.srv")

    def found(query: str) -> list[str]:
        plain = user.get(f"{PROFILES}?{query}")
        counted = user.get(f"{PROFILES}?{query}", headers={"api-version": "2"})
        assert counted["items"] == plain
        if "limit" not in query and "offset" not in query:
            assert counted["count"] == len(plain)
        return [one["name"] for one in plain]

    assert found("") == names
    assert found("query=alpha") == ["Alpha", "beta ALPHA"]
    assert found("query=%25") == found("query=_1") == ["Delta_1%"]
    assert found("query=") == names
    assert found("version=4") == ["Alpha", "Gamma"]
    assert found("status=active") == ["Gamma"]
    assert found("status=new&version=5") == ["beta ALPHA", "Delta_1%"]
    assert found("type=mtTerminal") == names
    assert found("type=managerApi") == []
    for ignored in (
        "version=6",
        "version=x",
        "status=other",
        "type=other",
        "unknown=1",
        "version=",
        "status=",
    ):
        assert found(ignored) == names
    assert found("limit=2&offset=1") == ["beta ALPHA", "Gamma"]
    assert found("offset=4") == []
    counted = user.get(f"{PROFILES}?limit=1&version=4", headers={"api-version": "2"})
    assert (counted["count"], len(counted["items"])) == (2, 1)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "offset=-1", "offset=x", "offset=1e400"]
)
def test_wrong_pages_are_400(user: ContractClient, query: str) -> None:
    assert parameters(user.get(f"{PROFILES}?{query}", 400)) == {query.partition("=")[0]}


def test_an_account_from_a_profile(user: ContractClient) -> None:
    path = profile(user)
    profile_id = path.rpartition("/")[2]
    demo = user.demo()
    body = draft_body(platform=None, login=demo["login"], password=demo["password"])
    body["provisioningProfileId"] = profile_id
    user.post(ACCOUNTS, 400, json=body)  # not active yet
    upload(user, path, "servers.dat")
    made = user.repeat_until_done(ACCOUNTS, body)
    assert made.status_code == 201, made.text
    account = user.wait(made.json()["id"], lambda one: one["connectionStatus"] == "CONNECTED")
    assert (account["provisioningProfileId"], account["version"]) == (profile_id, 5)
    assert [one["_id"] for one in user.get(ACCOUNTS, params={"provisioningProfileId": profile_id})] == [
        account["_id"]
    ]
    user.post(ACCOUNTS, 400, json=body | {"platform": "mt4"})
    user.delete(path, 409)
    user.delete(f"{ACCOUNTS}/{account['_id']}")
    user.wait_gone(f"{ACCOUNTS}/{account['_id']}")
    user.delete(path, 204)
    user.delete(path, 404)
    user.get(path, 404)


def test_a_draft_from_a_profile_takes_its_platform(user: ContractClient) -> None:
    path = profile(user, version=4)
    upload(user, path, "broker.srv")
    body = draft_body(platform=None, server="Sandbox-MT4", provisioningProfileId=path.rpartition("/")[2])
    made = user.post(ACCOUNTS, 201, json={k: v for k, v in body.items() if k != "platform"})
    assert made["state"] == "DRAFT"
    assert user.get(f"{ACCOUNTS}/{made['id']}")["version"] == 4


def test_settings_of_a_profile_replace_detection(user: ContractClient) -> None:
    path = profile(user)
    upload(user, path, "servers.dat")
    demo = user.demo("Sandbox-NoTimezone")
    body = draft_body(server="Sandbox-NoTimezone", login=demo["login"], password=demo["password"])
    made = user.repeat_until_done(ACCOUNTS, body | {"provisioningProfileId": path.rpartition("/")[2]})
    assert made.status_code == 201, made.text
    user.wait(made.json()["id"], lambda one: one["connectionStatus"] == "CONNECTED")
