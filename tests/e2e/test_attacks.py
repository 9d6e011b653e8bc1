"""Every endpoint, called by who has no business there: another user, and tokens that were narrowed.

The list of endpoints is the OpenAPI document's, so that a new one is attacked from its first day.
"""

import base64
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from mtfleet.testing.server import RunningServer, running_server

pytestmark = pytest.mark.e2e

ACCOUNTS = "/users/current/accounts"
PROFILES = "/users/current/provisioning-profiles"
NARROW = "/users/current/narrow-down-auth-token"
PRESET = "QVBJLWtleT1VbnNlYWxlZC1QcmVzZXQtNDcxMQ=="
METHODS = ("get", "post", "put", "patch", "delete")
BODY = {
    "name": "Mine now",
    "magic": 0,
    "region": "new-york",
    "period": "1h",
    "symbol": "EURUSD",
    "preset": PRESET,
    "copyFactoryRoles": ["PROVIDER"],
    "copyFactoryResourceSlots": 1,
    "maxAccounts": 5,
    "balance": 1000,
    "email": "a@example.com",
    "leverage": 100,
    "serverName": "Sandbox-MT5",
    "server": "Sandbox-MT5",
}
"""Satisfies every endpoint that takes JSON, so that a refusal is for no other reason."""
ZONE = {"brokerTimezone": "EET", "brokerDSTSwitchTimezone": "EET"}


@dataclass(frozen=True)
class Operation:
    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def names_a_thing(self) -> bool:
        return any(f"{{{one}_id}}" in self.path for one in ("account", "profile", "token"))


class Values(dict[str, str]):
    """Values of path parameters; those of endpoints newer than this test are made up."""

    def __missing__(self, name: str) -> str:
        return "1"


class Person:
    """A user and a client with one of its tokens."""

    def __init__(self, server: RunningServer, token: str) -> None:
        self.token = token
        self._http = httpx2.Client(base_url=server.url, headers={"auth-token": token}, timeout=30)

    def close(self) -> None:
        self._http.close()

    def send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        return self._http.request(method, path, **options)

    def made(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = self.send(method, path, json=body)
        assert answer.status_code in {200, 201}, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def attack(self, operation: Operation, values: dict[str, str]) -> httpx2.Response:
        """Call an operation with these ids and a body that is right for it."""
        path = operation.path.format_map(Values(values))
        if path.endswith(("/search", "/known-mt-servers")):
            path += "?query=sand"
        if operation.method == "get":
            return self.send("get", path)
        if path.endswith("/file") or "{file_name}" in operation.path:
            return self.send("put", path, files={"file": ("servers.dat", b"forged")})
        body: dict[str, Any] = {"roles": ["reader"]} if path == NARROW else dict(BODY)
        if path.endswith("/expert-advisors/mine"):
            body["symbol"] = "GBPUSD"
        if "demo-accounts" not in path and "replicas" not in path and path != f"{ACCOUNTS}":
            body.pop("region", None)
        return self.send(operation.method, path, json=body)


@dataclass
class Scene:
    server: RunningServer
    anna: Person
    bert: Person
    admin: Person
    operations: list[Operation]
    things: dict[str, str]
    """Ids of what is Anna's, by the names of path parameters."""
    others: list[Person]

    def person(self, token: str) -> Person:
        """Return someone with that token."""
        self.others.append(Person(self.server, token))
        return self.others[-1]

    def user(self) -> Person:
        """Return a new user."""
        return self.person(self.admin.made("POST", "/admin/users", {"name": uuid.uuid4().hex})["token"])

    def state(self) -> Any:
        """Return all that Anna has, as she sees it, but for what changes by itself."""
        account = self.anna.made("GET", f"{ACCOUNTS}/{self.things['account_id']}")
        for each in (account, *account["accountReplicas"]):
            for moving in ("hops", "connectionStatus", "state"):
                each.pop(moving, None)
        paths = ("/expert-advisors", "/replicas")
        return [
            account,
            len(self.anna.send("GET", f"{ACCOUNTS}/{self.things['account_id']}{paths[1]}").json()),
            self.anna.send("GET", f"{ACCOUNTS}/{self.things['draft_id']}").json()["name"],
            self.anna.send("GET", f"{ACCOUNTS}/{self.things['draft_id']}{paths[0]}").json(),
            self.anna.send("GET", PROFILES).json(),
            len(self.anna.send("GET", ACCOUNTS).json()),
            [token.get("revokedAt") for token in self.anna.send("GET", "/users/current/tokens").json()],
        ]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with running_server() as server:
        admin = Person(server, server.token)
        anna, bert = (
            Person(server, admin.made("POST", "/admin/users", {"name": name})["token"])
            for name in ("anna", "bert")
        )
        document = admin.send("GET", "/swagger/openapi.json").json()
        operations = [
            Operation(method, path)
            for path, item in document["paths"].items()
            for method in METHODS
            if method in item
        ]
        assert len(operations) > 60
        built = Scene(server, anna, bert, admin, operations, things_of(anna), [])
        yield built
        for person in (anna, bert, admin, *built.others):
            person.close()


def things_of(owner: Person) -> dict[str, str]:
    """Give a user one of each."""
    demo = owner.made("POST", f"{PROFILES}/default/mt5-demo-accounts", BODY)
    account = {"name": "First", "platform": "mt5", "server": "Sandbox-MT5", "magic": 0}
    first = owner.made("POST", ACCOUNTS, {**account, "login": demo["login"], "password": demo["password"]})
    replica = owner.made("POST", f"{ACCOUNTS}/{first['id']}/replicas", {"magic": 0, "region": "new-york"})
    draft = {"name": "Draft", "platform": "mt4", "server": "Sandbox-MT4", "magic": 0, "type": "cloud-g1"}
    second = owner.made("POST", ACCOUNTS, draft)["id"]
    expert = {"period": "1h", "symbol": "EURUSD", "preset": PRESET}
    assert owner.send("PUT", f"{ACCOUNTS}/{second}/expert-advisors/mine", json=expert).status_code == 204
    profile = owner.made("POST", PROFILES, {"name": "Hers", "version": 5, **ZONE})["id"]
    upload = owner.send("PUT", f"{PROFILES}/{profile}/servers.dat", files={"file": ("x", b"hers")})
    assert upload.status_code == 204
    narrowed = owner.made("POST", NARROW, {"roles": ["reader"]})["token"]
    claims = json.loads(base64.urlsafe_b64decode(narrowed.split(".")[1] + "=="))
    return {
        "account_id": first["id"],
        "draft_id": second,
        "replica_id": replica["id"],
        "profile_id": profile,
        "token_id": claims["jti"],
        "user_id": claims["sub"],
        "expert_id": "mine",
        "file_name": "servers.dat",
        "symbol": "EURUSD",
        "region": "vint-hill",
        "version": "5",
        "timeframe": "1h",
    }


def test_another_users_things_are_not_there(scene: Scene) -> None:
    before = scene.state()
    wrong = []
    for operation in scene.operations:
        if not operation.names_a_thing:
            continue
        values = dict(scene.things)
        if "expert" in operation.path:
            values["account_id"] = values["draft_id"]
        answer = scene.bert.attack(operation, values)
        unknown = {
            **values,
            "account_id": str(uuid.uuid4()),
            "profile_id": str(uuid.uuid4()),
            "token_id": "f" * 32,
        }
        nothing = scene.bert.attack(operation, unknown)
        same = (
            answer.text.replace(values["account_id"], "")
            .replace(values["token_id"], "")
            .replace(values["profile_id"], "")
        )
        other = (
            nothing.text.replace(unknown["account_id"], "")
            .replace("f" * 32, "")
            .replace(unknown["profile_id"], "")
        )
        if answer.status_code != 404 or same != other:
            wrong.append(f"{operation}: {answer.status_code} {answer.text[:200]}")
    assert wrong == []
    assert scene.state() == before


def test_lists_show_nothing_of_another_user(scene: Scene) -> None:
    shown, carl = "", scene.user()
    for operation in scene.operations:
        if (
            operation.method == "get"
            and "{" not in operation.path
            and not operation.path.startswith("/admin")
        ):
            shown += carl.send("GET", operation.path).text
    for query in ("First", scene.things["account_id"], "Draft", "Hers"):
        shown += carl.send("GET", f"{ACCOUNTS}?query={query}").text
        shown += carl.send("GET", f"{PROFILES}?query={query}").text
        shown += carl.send("GET", f"/users/current/audit-log?entityId={query}").text
    for secret in ("account_id", "draft_id", "replica_id", "profile_id", "token_id", "user_id"):
        assert scene.things[secret] not in shown
    assert carl.send("GET", "/users/current/audit-log?everybody=true").status_code == 403


def test_another_users_profile_and_account_serve_nobody_else(scene: Scene) -> None:
    account = {
        "name": "x",
        "server": "Sandbox-MT5",
        "magic": 0,
        "provisioningProfileId": scene.things["profile_id"],
    }
    assert scene.bert.send("POST", ACCOUNTS, json=account).status_code == 404
    wish = {"resources": [{"entity": "account", "id": scene.things["account_id"]}]}
    refused = scene.bert.send("POST", NARROW, json=wish)
    assert refused.status_code == 400
    own = scene.bert.made(
        "POST", ACCOUNTS, {"name": "B", "server": "Sandbox-MT5", "magic": 0, "platform": "mt5"}
    )
    through_own = f"{ACCOUNTS}/{own['id']}/replicas/{scene.things['replica_id']}"
    for method in ("GET", "PUT", "DELETE"):
        body = None if method == "GET" else {"magic": 7}
        assert scene.bert.send(method, through_own, json=body).status_code == 404
    as_account = f"{ACCOUNTS}/{scene.things['replica_id']}"
    assert scene.anna.send("GET", as_account).status_code == 404
    scene.bert.send("DELETE", f"{ACCOUNTS}/{own['id']}")


def test_a_transaction_of_another_user_tells_nothing(scene: Scene) -> None:
    path, header = f"{PROFILES}/default/mt5-demo-accounts", {"transaction-id": "the-very-same"}
    hers = scene.anna.send("POST", path, json=BODY, headers=header).json()
    his = scene.bert.send("POST", path, json=BODY, headers=header).json()
    assert hers["login"] != his["login"]
    assert hers["password"] != his["password"]


READERS_MAY_SEND = {f"POST {NARROW}"}


def test_a_readers_token_changes_nothing(scene: Scene) -> None:
    reader = scene.person(scene.anna.made("POST", NARROW, {"roles": ["reader"]})["token"])
    before = scene.state()
    wrong = []
    for operation in scene.operations:
        if operation.method == "get" or str(operation) in READERS_MAY_SEND:
            continue
        answer = reader.attack(operation, scene.things)
        if answer.status_code != 403:
            wrong.append(f"{operation}: {answer.status_code} {answer.text[:200]}")
    assert wrong == []
    assert scene.state() == before


WITHOUT_ACCOUNT = {
    f"GET {ACCOUNTS}",
    "GET /users/current",
    "GET /users/current/regions",
    "GET /users/current/access-rules-manifest",
    "GET /known-mt-servers/{version}/search",
    f"POST {NARROW}",
    "GET /healthz",
    "GET /readyz",
}
"""What a token that is limited to accounts may do beside them."""


def test_a_token_of_one_account_reaches_no_other_thing(scene: Scene) -> None:
    wish = {"resources": [{"entity": "account", "id": scene.things["draft_id"]}]}
    limited = scene.person(scene.anna.made("POST", NARROW, wish)["token"])
    before = scene.state()
    wrong = []
    for operation in scene.operations:
        if str(operation) in WITHOUT_ACCOUNT:
            continue
        answer = limited.attack(operation, scene.things)
        if answer.status_code != 403:
            wrong.append(f"{operation}: {answer.status_code} {answer.text[:200]}")
    assert wrong == []
    assert scene.state() == before
    for path in (ACCOUNTS, f"{ACCOUNTS}?query=First", f"{ACCOUNTS}?query=Draft", f"{ACCOUNTS}?offset=0"):
        assert {one["_id"] for one in limited.send("GET", path).json()} <= {scene.things["draft_id"]}
    counted = limited.send("GET", ACCOUNTS, headers={"api-version": "2"}).json()
    assert counted["count"] == 1
    assert limited.send("GET", f"{ACCOUNTS}/{scene.things['draft_id']}").status_code == 200
    for wider in (
        {},
        {"resources": [{"entity": "account", "id": "*"}]},
        {"accessRules": [{"application": "*"}]},
    ):
        again = scene.person(limited.made("POST", NARROW, wider)["token"])
        assert len(again.send("GET", ACCOUNTS).json()) == 1
        assert again.send("GET", f"{ACCOUNTS}/{scene.things['account_id']}").status_code == 403
    other = {"resources": [{"entity": "account", "id": scene.things["account_id"]}]}
    assert limited.send("POST", NARROW, json=other).status_code == 403


def test_a_narrowed_token_of_an_administrator_administers_nothing(scene: Scene) -> None:
    narrowed = scene.person(scene.admin.made("POST", NARROW, {})["token"])
    for operation in scene.operations:
        if operation.path.startswith("/admin") or operation.path == "/metrics":
            assert narrowed.attack(operation, scene.things).status_code == 403, operation
            assert scene.anna.attack(operation, scene.things).status_code == 403, operation
    assert narrowed.send("GET", "/users/current").json()["isAdministrator"] is False


def test_no_token_opens_nothing(scene: Scene) -> None:
    stranger = scene.person("")
    open_to_all = {"GET /healthz", "GET /readyz"}
    for operation in scene.operations:
        if str(operation) not in open_to_all:
            answer = stranger.attack(operation, scene.things)
            assert answer.status_code == 401, operation


@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.9"])
def test_who_calls_is_not_believed_about_its_address(scene: Scene, address: str) -> None:
    """Neither rates nor the audit log take an address from a header unless a proxy is trusted."""
    for header in ("x-forwarded-for", "forwarded", "x-real-ip"):
        scene.bert.send("POST", NARROW, json={"roles": ["reader"]}, headers={header: address + "9"})
    log = scene.bert.send("GET", "/users/current/audit-log?limit=1000").json()
    assert {entry.get("remoteAddress") for entry in log if entry.get("tokenId")} <= {"127.0.0.1", None}


def test_links_and_redirects_ignore_the_host_header(scene: Scene) -> None:
    evil = {"host": "evil.example", "x-forwarded-host": "evil.example"}
    path = f"{ACCOUNTS}/{scene.things['draft_id']}/configuration-link"
    link = scene.anna.send("PUT", path, headers=evil).json()["configurationLink"]
    assert link.startswith(scene.server.url + "/")
    lost = scene.bert.send(
        "GET",
        "/configure-trading-account-credentials/%0d%0aset-cookie:a=b%2f%2fevil.example/x/progress/t",
        headers=evil,
    )
    assert lost.status_code in {303, 404}
    assert "set-cookie" not in lost.headers
    assert lost.headers.get("location", "/").startswith("/configure-trading-account-credentials/")


def test_a_link_opens_its_own_account_only_and_dies_with_it(scene: Scene) -> None:
    body = {"name": "Short", "server": "Sandbox-MT5", "magic": 0, "platform": "mt5"}
    account = scene.anna.made("POST", ACCOUNTS, body)["id"]
    link = scene.anna.send("PUT", f"{ACCOUNTS}/{account}/configuration-link").json()["configurationLink"]
    stranger = scene.person("")
    page = link.removeprefix(scene.server.url)
    assert stranger.send("GET", page).status_code == 200
    unknown = stranger.send("GET", page[:-64] + "0" * 64)
    other = stranger.send("GET", page.replace(account, scene.things["draft_id"]))
    assert (unknown.status_code, other.status_code) == (404, 404)
    assert unknown.text == other.text
    assert scene.anna.send("DELETE", f"{ACCOUNTS}/{account}").status_code == 204
    gone = stranger.send("GET", page)
    assert (gone.status_code, gone.text) == (404, unknown.text)


def test_presets_are_sealed_at_rest(scene: Scene) -> None:
    sought = (PRESET.rstrip("=").encode(), base64.b64decode(PRESET))
    for path in scene.server.data_dir.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(form in content for form in sought), path
    assert os.path.getsize(scene.server.data_dir / "mtfleet.db") > 0
