"""Contract sections 1 and 3: hosts, headers, methods, statuses, the one error shape."""

import json
import re
from typing import Any

import httpx2
import pytest

from mtfleet.testing.contract import ACCOUNTS, NOBODY, PROFILES, ContractClient, draft_body, parameters
from mtfleet.testing.server import RunningServer, running_server

pytestmark = pytest.mark.e2e

BY_ID = f"{ACCOUNTS}/{NOBODY}"
ROUTES = [
    ("GET", ACCOUNTS),
    ("POST", ACCOUNTS),
    ("GET", BY_ID),
    ("PUT", BY_ID),
    ("DELETE", BY_ID),
    *[
        ("POST", f"{BY_ID}/{action}")
        for action in (
            "deploy",
            "undeploy",
            "redeploy",
            "enable-account-features",
            "enable-copy-factory-api",
            "increase-reliability",
            "enable-risk-management-api",
            "enable-metastats-api",
        )
    ],
    ("PUT", f"{BY_ID}/configuration-link"),
    ("GET", f"{BY_ID}/replicas"),
    ("POST", f"{BY_ID}/replicas"),
    *[(method, f"{BY_ID}/replicas/{NOBODY}") for method in ("GET", "PUT", "DELETE")],
    *[
        ("POST", f"{BY_ID}/replicas/{NOBODY}/{action}")
        for action in ("deploy", "undeploy", "redeploy", "increase-reliability")
    ],
    ("GET", f"{BY_ID}/expert-advisors"),
    *[(method, f"{BY_ID}/expert-advisors/ea") for method in ("GET", "PUT", "DELETE")],
    ("PUT", f"{BY_ID}/expert-advisors/ea/file"),
    *[
        ("GET", f"{BY_ID}/{what}")
        for what in (
            "account-information",
            "accountInformation",
            "server-time",
            "symbols",
            "symbols/EURUSD/specification",
            "symbols/EURUSD/current-price",
        )
    ],
    ("GET", PROFILES),
    ("POST", PROFILES),
    *[(method, f"{PROFILES}/{NOBODY}") for method in ("GET", "PUT", "DELETE")],
    ("PUT", f"{PROFILES}/{NOBODY}/servers.dat"),
    ("POST", f"{PROFILES}/{NOBODY}/mt4-demo-accounts"),
    ("POST", f"{PROFILES}/default/mt5-demo-accounts"),
    ("GET", "/users/current"),
    ("GET", "/users/current/regions"),
    ("GET", "/users/current/quotas"),
    ("GET", "/users/current/regions/vint-hill/quotas"),
    ("PATCH", "/users/current/regions/vint-hill/quotas"),
    ("GET", "/users/current/quota-update-requests"),
    ("GET", "/known-mt-servers/5/search?query=x"),
    ("POST", "/users/current/narrow-down-auth-token"),
    ("GET", "/users/current/access-rules-manifest"),
    ("GET", "/users/current/tokens"),
    ("DELETE", f"/users/current/tokens/{NOBODY}"),
    ("GET", "/users/current/audit-log"),
    ("GET", "/admin/users"),
    ("POST", "/admin/users"),
    ("POST", f"/admin/users/{NOBODY}/tokens"),
    ("POST", "/admin/vault/rotate"),
    ("GET", "/admin/brokers"),
    ("GET", "/metrics"),
]


@pytest.mark.parametrize("token", [None, "", "junk", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.", "changed"])
def test_no_or_a_wrong_token_is_401(server: RunningServer, token: str | None) -> None:
    with ContractClient(server.url, server.token[:-2] + "xx" if token == "changed" else token) as client:
        for method, path in ROUTES:
            client.send(method, path, 401)


def test_other_methods_are_405_and_options_names_the_right_ones(user: ContractClient) -> None:
    for path in sorted({path.partition("?")[0] for _, path in ROUTES}):
        documented = {method for method, other in ROUTES if other.partition("?")[0] == path}
        named = set(user.send("OPTIONS", path, 204).headers["allow"].split(", "))
        assert named == documented | {"OPTIONS"} | ({"HEAD"} if "GET" in documented else set())
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - documented:
            refused = user.send(method, path, 405)
            assert set(refused.headers["allow"].split(", ")) == named


@pytest.mark.parametrize(
    "path",
    [
        "/users",
        "/users/current/",
        "/users/other/accounts",
        f"{ACCOUNTS}/",
        f"/{ACCOUNTS}",
        f"{ACCOUNTS}//deploy",
        f"{ACCOUNTS}/{NOBODY}/nothing",
        f"{ACCOUNTS}/{NOBODY}/deploy/more",
        "/USERS/current/accounts",
        "/known-mt-servers/6/search?query=x",
        "/known-mt-servers/mt5/search?query=x",
        "/users/current/..%2Fcurrent/accounts",
        "/users/current/accounts/%00",
        "/users/current/accounts/%ff%fe",
        "/api/users/current/accounts",
    ],
)
def test_unknown_addresses_are_404(user: ContractClient, path: str) -> None:
    user.send("GET", httpx2.URL(user.url).copy_with(raw_path=path.encode()), 404)  # type: ignore[arg-type]  # an address kept as it is written


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "x",
        "null",
        NOBODY.upper(),
        NOBODY[:-1],
        NOBODY + "0",
        "%7B%7D",
        "a%2Fb",
        "%F0%9F%90%8D",
        "default",
    ],
)
def test_malformed_ids_are_404(user: ContractClient, text: str) -> None:
    account = user.draft()
    for method, path in ROUTES:
        if NOBODY in path and "/tokens" not in path and path.count(NOBODY) == 1:
            if "demo-accounts" in path and text == "default":
                continue
            body = {"json": {"name": "x"}} if method in {"PUT", "POST"} else {}
            user.send(method, path.replace(NOBODY, text), 404, **valid_body(path, body))
    user.get(f"{ACCOUNTS}/{account}/replicas/{text}", 404)


def valid_body(path: str, otherwise: dict[str, Any]) -> dict[str, Any]:
    """Return a body that is not refused before the id is looked at."""
    if path.endswith(("/file", "servers.dat")):
        return {"files": {"file": ("f", b"x")}}
    if path.endswith("enable-copy-factory-api"):
        return {"json": {"copyFactoryRoles": [], "copyFactoryResourceSlots": 1}}
    if path.endswith("demo-accounts"):
        return {"json": {"balance": 1, "email": "a@b.c", "leverage": 1, "serverName": "Sandbox-MT4"}}
    if path.endswith("/replicas"):
        return {"json": {"magic": 0, "region": "new-york"}}
    if path.endswith("expert-advisors/ea"):
        return {"json": {"symbol": "EURUSD", "period": "1h"}}
    return otherwise


def test_ids_of_nobody_are_404(administrator: ContractClient) -> None:
    for method, path in ROUTES:
        if NOBODY in path:
            body: dict[str, Any] = {} if method in {"GET", "DELETE"} else {"json": {}}
            administrator.send(method, path, 404, **valid_body(path, body))


def test_every_answer_has_an_id_and_keeps_a_sensible_one(user: ContractClient) -> None:
    ids = {user.send("GET", "/users/current", 200).headers["request-id"] for _ in range(3)}
    assert len(ids) == 3
    kept = user.send("GET", "/nowhere", 404, headers={"request-id": "mine-1"})
    assert kept.headers["request-id"] == "mine-1"
    other = user.send("GET", "/nowhere", 404, headers={"request-id": "x" * 500})
    assert other.headers["request-id"] != "x" * 500


def test_browsers_may_call_from_anywhere(user: ContractClient) -> None:
    asked = "auth-token,transaction-id,api-version,content-type"
    answer = user.http.options(
        ACCOUNTS,
        headers={
            "origin": "https://app.example",
            "access-control-request-method": "PUT",
            "access-control-request-headers": asked,
        },
    )
    assert answer.status_code in {200, 204}
    assert answer.headers["access-control-allow-origin"] in {"*", "https://app.example"}
    assert "PUT" in answer.headers["access-control-allow-methods"]
    granted = answer.headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
    assert set(asked.split(",")) <= set(granted)
    for path, status in ((ACCOUNTS, 200), (f"{ACCOUNTS}/{NOBODY}", 404), ("/nowhere", 404)):
        answer = user.send("GET", path, status, headers={"origin": "https://app.example"})
        assert answer.headers["access-control-allow-origin"] in {"*", "https://app.example"}
        assert "retry-after" in answer.headers["access-control-expose-headers"].lower()


def test_head_is_get_without_the_body(user: ContractClient) -> None:
    for path in (ACCOUNTS, f"{ACCOUNTS}/{user.draft()}", "/users/current/regions"):
        got, head = user.send("GET", path, 200), user.send("HEAD", path, 200)
        assert head.content == b""
        assert head.headers["content-length"] == got.headers["content-length"]
        assert head.headers["content-type"] == got.headers["content-type"]
    assert user.send("HEAD", f"{ACCOUNTS}/{NOBODY}", 404).content == b""


def test_unknown_query_parameters_and_body_fields_are_ignored(user: ContractClient) -> None:
    account = user.draft(application="MetaApi", extensions=[{"id": "x"}], somethingNew={"a": [1]})
    assert user.get(ACCOUNTS, params={"unknown": "1", "sort": "name", "a[b]": "c"})[0]["_id"] == account
    found = user.get(f"{ACCOUNTS}/{account}", params={"x": "y"})
    assert not {"application", "extensions", "somethingNew", "password", "accessToken"} & set(found)


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "text/plain", None])
def test_actions_take_an_empty_body_of_any_type(user: ContractClient, kind: str | None) -> None:
    account = user.draft()
    headers = {} if kind is None else {"content-type": kind}
    for content in (b"", b"{}", b"null"):
        user.send("POST", f"{ACCOUNTS}/{account}/undeploy", 204, content=content, headers=headers)
        user.send(
            "POST", f"{ACCOUNTS}/{account}/enable-account-features", 204, content=content, headers=headers
        )
        user.send("GET", f"{ACCOUNTS}/{account}", 200, headers=headers)
    user.send("DELETE", f"{ACCOUNTS}/{account}", 204, headers=headers)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"1",
        b'"text"',
        b"true",
        b"{",
        b'{"name"',
        b'{"name":}',
        b"{'name':'x'}",
        b'{"name":"x",}',
        b'{"name":"x"} trailing',
        b"NaN",
        b"\xff\xfe",
        b'{"name":"\xff"}',
        b'{"\xc3\x28":1}',
        b'{"name":"\xed\xa0\x80"}',
        b"\x00",
        b"{}" * 10,
        b"<xml/>",
        b"name=x&server=y",
    ],
)
def test_malformed_bodies_are_400(administrator: ContractClient, content: bytes) -> None:
    paths = [("POST", ACCOUNTS), ("POST", PROFILES), ("POST", f"{PROFILES}/default/mt5-demo-accounts")]
    paths += [("POST", "/users/current/narrow-down-auth-token"), ("POST", "/admin/users")]
    paths += [("PATCH", "/users/current/regions/vint-hill/quotas")]
    for method, path in paths:
        refused = administrator.send(
            method, path, 400, content=content, headers={"content-type": "application/json"}
        )
        assert parameters(refused.json()) == {"body"}, refused.text


def test_large_bodies_are_400_and_the_connection_goes_on(user: ContractClient) -> None:
    before = user.get("/users/current")
    for content in (b'{"name":"' + b"x" * 2 * 2**20 + b'"}', b" " * 2 * 2**20, b"[" * 2 * 2**20):
        user.send("POST", ACCOUNTS, 400, content=content, headers={"content-type": "application/json"})
    user.send("PUT", f"{ACCOUNTS}/{NOBODY}", 400, content=iter([b"x" * 2**20] * 2))
    assert user.get("/users/current") == before
    assert user.get(ACCOUNTS) == []


@pytest.mark.parametrize("version", ["0", "3", "v1", "", "2.0", "1,2", "99999999999999999999", "\xb2"])
def test_an_unknown_api_version_is_400(user: ContractClient, version: str) -> None:
    for path in (ACCOUNTS, PROFILES):
        refused = user.send("GET", path, 400, headers={"api-version": version.encode("latin-1")})
        assert parameters(refused.json()) == {"api-version"}


def test_junk_in_headers_is_harmless(user: ContractClient) -> None:
    for name, value in (
        ("accept", "junk"),
        ("accept", "application/xml"),
        ("accept-encoding", "br;q=x, *"),
        ("content-length", "0"),
        ("origin", "null"),
        ("cookie", "a=b; =; \xff"),
        ("x-" + "y" * 100, "z" * 4000),
        ("authorization", "Basic eDp5"),
        ("x-forwarded-for", "'; drop table accounts"),
        ("if-none-match", "*"),
        ("range", "bytes=0-1"),
        ("expect", ""),
    ):
        user.send("GET", "/users/current/regions", 200, headers={name: value.encode("latin-1")})


@pytest.mark.parametrize("text", ["", "x" * 65, "a\tb", "\xe9", "\x7f"])
def test_an_impossible_transaction_id_is_400(user: ContractClient, text: str) -> None:
    headers = {"transaction-id": text.encode("latin-1")}
    refused = user.send("POST", ACCOUNTS, 400, json=draft_body(), headers=headers)
    assert parameters(refused.json()) == {"transaction-id"}
    assert user.get(ACCOUNTS) == []


def test_compressed_answers_are_not_forced_on_anyone(user: ContractClient) -> None:
    answer = user.send("GET", "/users/current/regions", 200, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in answer.headers


def test_the_connection_is_kept_and_bad_requests_do_not_cut_it(user: ContractClient) -> None:
    ports: set[Any] = set()
    for content in (b"{", b"", b'{"name":1}') * 3:
        answer = user.send("POST", ACCOUNTS, 400, content=content)
        ports.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(ports) == 1


def test_open_pages_need_no_token(server: RunningServer) -> None:
    with ContractClient(server.url, None) as nobody:
        nobody.get("/healthz")
        nobody.get("/readyz")
        assert nobody.send("GET", "/", 200).headers["content-type"] == "text/html; charset=utf-8"
        assert nobody.send("GET", "/swagger/", 200).headers["content-type"].startswith("text/html")
        document = nobody.http.get("/swagger/openapi.json").json()
    described = {
        (method.upper(), re.sub(r"\{[^}]*\}", "{}", path))
        for path, methods in document["paths"].items()
        for method in methods
    }
    for method, path in ROUTES:
        plain = path.partition("?")[0].replace(NOBODY, "{}").replace("/default/", "/{}/")
        plain = re.sub(r"/(EURUSD|ea|vint-hill|5|servers\.dat)(?=/|$)", "/{}", plain)
        assert (method, plain) in described


def test_the_token_also_comes_as_bearer(server: RunningServer) -> None:
    with ContractClient(server.url, None) as nobody:
        bearer = {"authorization": f"Bearer {server.token}"}
        assert nobody.get("/users/current", headers=bearer)["isAdministrator"] is True
        nobody.send("GET", "/users/current", 401, headers={"auth-token": "junk", **bearer})


def test_rate_limits_tell_when_to_come_again() -> None:
    with (
        running_server(flags=["--rate-limit", "5"]) as limited,
        ContractClient(limited.url, limited.token) as client,
    ):
        answers = [client.send("GET", "/users/current/regions") for _ in range(12)]
        refused = [one for one in answers if one.status_code == 429]
        assert [one.status_code for one in answers[:4]] == [200] * 4
        assert refused
        for one in refused:
            assert one.headers["retry-after"].isdigit()
            body = json.loads(one.content)
            assert body["error"] == "TooManyRequestsError"
            assert body["id"] == 1
            again = body["metadata"]["recommendedRetryTime"]
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", again)
            assert {"periodInMinutes", "requestsPerPeriodAllowed", "type"} <= set(body["metadata"])
