"""Every endpoint as real clients use it, sloppy ones included."""

from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import pytest
import structlog

from mtfleet.domain.accounts import AccountType
from mtfleet.domain.deployment import AccountState
from mtfleet.domain.errors import (
    InternalError,
    NotFoundError,
    NotSynchronizedError,
    TimedOutError,
    ValidationError,
    invalid,
)
from mtfleet.security.rates import Rates
from mtfleet.security.vault import VaultLocked
from mtfleet.store.errors import StoreUnavailable
from mtfleet.testing.clock import FakeClock
from mtfleet.wire.replies import Accepted
from mtfleet.wire.requests import NarrowDown

ID = "11111111-1111-4111-8111-111111111111"
REPLICA = "22222222-2222-4222-8222-222222222222"
ACCOUNTS = "/users/current/accounts"
PROFILES = "/users/current/provisioning-profiles"
PROFILE = f"{PROFILES}/33333333-3333-4333-8333-333333333333"
Client = httpx2.AsyncClient


def error_of(answer: httpx2.Response) -> dict[str, Any]:
    """Return the body after checking that it has the one shape of errors."""
    assert answer.headers["content-type"].startswith("application/json")
    body: dict[str, Any] = answer.json()
    assert set(body) <= {"id", "error", "message", "details", "metadata"}
    assert isinstance(body["id"], int)
    assert body["error"]
    assert body["message"]
    assert answer.headers["request-id"]
    return body


async def test_list_is_an_array_or_counts(client: Client) -> None:
    assert [one["_id"] for one in (await client.get(ACCOUNTS)).json()] == [ID]
    counted = (await client.get(ACCOUNTS, headers={"api-version": "2"})).json()
    assert counted["count"] == 7
    assert counted["items"][0]["createdAt"] == "2026-05-20T12:00:00.123Z"
    refused = await client.get(ACCOUNTS, headers={"api-version": "3"})
    assert refused.status_code == 400
    assert error_of(refused)["details"][0]["parameter"] == "api-version"


@pytest.mark.parametrize(
    "query",
    [
        "state=DEPLOYED&state=DRAFT",
        "state[]=DEPLOYED&state[]=DRAFT",
        "state[0]=DEPLOYED&state[1]=DRAFT",
        "state%5B0%5D=DEPLOYED&state%5B1%5D=DRAFT",
        "state=DEPLOYED,DRAFT",
        "state=DEPLOYED,&state=DRAFT&unknown=1&query=",
    ],
)
async def test_arrays_come_in_every_encoding(client: Client, built: Any, query: str) -> None:
    assert (await client.get(f"{ACCOUNTS}?{query}")).status_code == 200
    criteria = built.script.positional[1]
    assert criteria.states == {AccountState.DEPLOYED, AccountState.DRAFT}
    assert criteria.query is None


async def test_filters_combine(client: Client, built: Any) -> None:
    query = "type=cloud&type=cloud-g1&version=5&deploymentStatus=deployed&state=DEPLOYED&offset=3&limit=10"
    await client.get(f"{ACCOUNTS}?{query}&connectionStatus=CONNECTED&provisioningProfileId=p&query=a%20b")
    criteria = built.script.positional[1]
    assert criteria.types == {AccountType.CLOUD_G1, AccountType.CLOUD_G2}
    assert criteria.versions == {5}
    assert criteria.states == {AccountState.DEPLOYED}
    assert (criteria.offset, criteria.limit) == (3, 10)
    assert criteria.query == "a b"
    await client.get(f"{ACCOUNTS}?state=DRAFT&deploymentStatus=failed")
    assert built.script.positional[1].states == frozenset()


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        (f"offset={10**30}", "offset"),
        ("state=NOPE", "state"),
        ("version=3", "version"),
        ("type=nope", "type"),
        ("deploymentStatus=nope", "deploymentStatus"),
        ("connectionStatus=nope", "connectionStatus"),
    ],
)
async def test_wrong_filters_are_named(client: Client, query: str, parameter: str) -> None:
    answer = await client.get(f"{ACCOUNTS}?{query}")
    assert answer.status_code == 400
    assert error_of(answer)["details"][0]["parameter"] == parameter


async def test_profile_filters_ignore_what_they_do_not_know(client: Client, built: Any) -> None:
    assert (await client.get(f"{PROFILES}?version=7&status=x&type=y")).status_code == 200
    criteria = built.script.positional[1]
    assert (criteria.version, criteria.status, criteria.type) == (None, None, None)


async def test_create_answers_201_and_passes_the_transaction(client: Client, built: Any) -> None:
    answer = await client.post(
        ACCOUNTS,
        json={"name": "A", "magic": 0, "application": "MetaApi", "symbol": None},
        headers={"transaction-id": "t" * 32},
    )
    assert (answer.status_code, answer.json()) == (201, {"id": ID, "state": "DEPLOYED"})
    _, body, transaction_id = built.script.positional
    assert (body.name, body.symbol, transaction_id) == ("A", None, "t" * 32)


async def test_work_in_progress_answers_202_with_a_date(client: Client, built: Any) -> None:
    built.script.answers["accounts.create"] = Accepted(message="Logging in, 3 seconds", retry_after_seconds=3)
    answer = await client.post(ACCOUNTS, json={"name": "A"})
    assert answer.status_code == 202
    assert answer.json()["message"] == "Logging in, 3 seconds"
    wait = parsedate_to_datetime(answer.headers["retry-after"]) - built.clock.now()
    assert timedelta(seconds=3) <= wait <= timedelta(seconds=5)


@pytest.mark.parametrize("transaction_id", ["", "x" * 65, "\x7f"])
async def test_odd_transaction_ids_are_refused(client: Client, transaction_id: str) -> None:
    answer = await client.post(ACCOUNTS, json={"name": "A"}, headers={"transaction-id": transaction_id})
    assert answer.status_code == 400
    assert error_of(answer)["details"][0]["parameter"] == "transaction-id"


async def test_content_type_may_be_missing(client: Client, built: Any) -> None:
    assert (await client.post(ACCOUNTS, content=b'{"name": "A"}')).status_code == 201
    assert built.script.positional[1].name == "A"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null", b"\xff", b"[" * 100_000, b'{"name": 5}'])
async def test_unreadable_bodies_are_400(client: Client, body: bytes) -> None:
    answer = await client.post(ACCOUNTS, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert error_of(answer)["error"] == "ValidationError"


async def test_large_bodies_are_400(client: Client) -> None:
    answer = await client.post(ACCOUNTS, content=b" " * (1024 * 1024 + 1))
    assert answer.status_code == 400
    assert error_of(answer)["error"] == "ValidationError"


async def test_a_wrong_password_value_is_not_repeated(client: Client) -> None:
    answer = await client.post(ACCOUNTS, json={"name": "A", "password": ["hunter2-secret"]})
    assert answer.status_code == 400
    assert "hunter2" not in answer.text
    assert error_of(answer)["details"][0]["parameter"] == "password"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{ACCOUNTS}/{ID}/deploy"),
        ("POST", f"{ACCOUNTS}/{ID}/undeploy"),
        ("POST", f"{ACCOUNTS}/{ID}/redeploy"),
        ("POST", f"{ACCOUNTS}/{ID}/enable-account-features"),
        ("POST", f"{ACCOUNTS}/{ID}/increase-reliability"),
        ("POST", f"{ACCOUNTS}/{ID}/enable-risk-management-api"),
        ("POST", f"{ACCOUNTS}/{ID}/enable-metastats-api"),
        ("POST", f"{ACCOUNTS}/{ID}/replicas/{REPLICA}/deploy"),
        ("POST", f"{ACCOUNTS}/{ID}/replicas/{REPLICA}/undeploy"),
        ("POST", f"{ACCOUNTS}/{ID}/replicas/{REPLICA}/redeploy"),
        ("POST", f"{ACCOUNTS}/{ID}/replicas/{REPLICA}/increase-reliability"),
        ("DELETE", f"{ACCOUNTS}/{ID}"),
        ("DELETE", f"{ACCOUNTS}/{ID}/replicas/{REPLICA}"),
        ("DELETE", f"{ACCOUNTS}/{ID}/expert-advisors/ea"),
        ("DELETE", PROFILE),
    ],
)
@pytest.mark.parametrize("body", [b"", b"{}"])
async def test_actions_take_json_without_a_body(client: Client, method: str, path: str, body: bytes) -> None:
    answer = await client.request(method, path, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.content) == (204, b"")


async def test_replica_flag_defaults_differ(client: Client, built: Any) -> None:
    await client.post(f"{ACCOUNTS}/{ID}/deploy")
    assert built.script.named == {"for_all_replicas": True}
    await client.post(f"{ACCOUNTS}/{ID}/deploy?executeForAllReplicas=false")
    assert built.script.named == {"for_all_replicas": False}
    await client.delete(f"{ACCOUNTS}/{ID}")
    assert built.script.named == {"for_all_replicas": False}
    wrong = await client.delete(f"{ACCOUNTS}/{ID}?executeForAllReplicas=maybe")
    assert error_of(wrong)["details"][0]["parameter"] == "executeForAllReplicas"


@pytest.mark.parametrize(
    ("written", "symbol"),
    [
        ("EUR%2FUSD", "EUR/USD"),
        ("%23AAPL", "#AAPL"),
        ("EURUSD.m", "EURUSD.m"),
        ("A%20B", "A B"),
        ("%252F", "%2F"),
        ("100%25", "100%"),
        ("%D0%A0", "Р"),
    ],
)
async def test_symbols_are_decoded(client: Client, built: Any, written: str, symbol: str) -> None:
    answer = await client.get(f"{ACCOUNTS}/{ID}/symbols/{written}/current-price?keepSubscription=true")
    assert answer.status_code == 200
    assert built.script.positional[1] == symbol
    assert built.script.named == {"keep_subscription": True}


async def test_the_old_spelling_of_account_information(client: Client, built: Any) -> None:
    built.script.answers["fleet.account_information"] = NotSynchronizedError()
    for name in ("accountInformation", "account-information"):
        answer = await client.get(f"{ACCOUNTS}/{ID}/{name}?refreshTerminalState=true")
        assert answer.status_code == 503
        assert answer.headers["retry-after"].isdigit()
        assert built.script.named == {"refresh": True}


@pytest.mark.parametrize(
    ("raised", "status", "name"),
    [
        (NotFoundError(details="E_NOT_DEPLOYED"), 404, "NotFoundError"),
        (TimedOutError("The broker did not answer."), 504, "TimeoutError"),
        (ValidationError(details="E_AUTH"), 400, "ValidationError"),
        (InternalError(), 500, "InternalError"),
        (RuntimeError("password=hunter2"), 500, "InternalError"),
        (StoreUnavailable("The SQLite file /srv/hunter2/mtfleet.db is full."), 503, "InternalError"),
        (VaultLocked("No master key is in the file /srv/hunter2/master.key."), 500, "InternalError"),
    ],
)
async def test_errors_have_one_shape(
    client: Client, built: Any, raised: Exception, status: int, name: str
) -> None:
    built.script.answers["fleet.symbols"] = raised
    answer = await client.get(f"{ACCOUNTS}/{ID}/symbols")
    assert answer.status_code == status
    body = error_of(answer)
    assert body["error"] == name
    assert body.get("details") == getattr(raised, "details", None)
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing/here", 404),
        ("GET", f"{ACCOUNTS}/", 404),
        ("GET", f"/{ACCOUNTS}", 404),
        ("GET", f"{ACCOUNTS}//{ID}", 404),
        ("GET", f"{ACCOUNTS}/not-a-uuid", 404),
        ("GET", f"{ACCOUNTS}/{ID.upper().replace('1', 'A')}", 404),
        ("PUT", f"{PROFILES}/default", 404),
        ("POST", f"{PROFILES}/nope/mt5-demo-accounts", 404),
        ("GET", "/known-mt-servers/6/search?query=x", 404),
        ("PATCH", ACCOUNTS, 405),
        ("DELETE", ACCOUNTS, 405),
        ("POST", "/healthz", 405),
        ("GET", "/known-mt-servers/5/search", 400),
        ("GET", "/known-mt-servers/5/search?query=", 400),
        ("PUT", f"{ACCOUNTS}/{ID}/configuration-link?ttlInDays=x", 400),
        ("GET", f"{ACCOUNTS}?query=a%00b", 400),
        ("GET", f"{ACCOUNTS}/{ID}/symbols/a%00/current-price", 404),
        ("GET", f"{ACCOUNTS}/{ID}/symbols/%2E%2E/current-price", 404),
    ],
)
async def test_wrong_addresses(client: Client, method: str, path: str, status: int) -> None:
    answer = await client.request(method, path, content=b"{}" if method in {"POST", "PUT"} else None)
    assert answer.status_code == status
    error_of(answer)
    if status == 405:
        assert "OPTIONS" in answer.headers["allow"]


async def test_head_and_options(client: Client) -> None:
    head = await client.head(ACCOUNTS)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 100
    options = await client.options(ACCOUNTS)
    assert options.status_code == 204
    assert {"GET", "POST", "HEAD", "OPTIONS"} <= set(options.headers["allow"].split(", "))


async def test_browsers_of_other_sites_may_call(client: Client) -> None:
    allowed = await client.options(
        ACCOUNTS,
        headers={
            "origin": "https://elsewhere.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "auth-token, transaction-id, api-version, content-type",
        },
    )
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == "*"
    granted = allowed.headers["access-control-allow-headers"].lower()
    assert all(name in granted for name in ("auth-token", "transaction-id", "api-version", "content-type"))
    for path in (ACCOUNTS, "/nothing"):
        answer = await client.get(path, headers={"origin": "https://elsewhere.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "retry-after" in answer.headers["access-control-expose-headers"].lower()


async def test_a_file_is_named_by_the_address(client: Client, built: Any) -> None:
    answer = await client.put(f"{PROFILE}/servers.dat", files={"file": ("other.bin", b"\x00content")})
    assert (answer.status_code, answer.content) == (204, b"")
    assert built.script.positional[2:] == ("servers.dat", b"\x00content")
    answer = await client.put(f"{ACCOUNTS}/{ID}/expert-advisors/my%2Fea/file", files={"file": ("x", b"1")})
    assert answer.status_code == 204
    assert built.script.positional[2:] == ("my/ea", b"1")


CHARSETS = (b"rot13", b"hex", b"undefined", b"punycode", b"x" * 100, b"\xff")
CHARSET = {"headers": {"content-type": "multipart/form-data; boundary=B"}}
PART = (
    b'--B\r\nContent-Disposition: form-data; name="file"\r\nContent-Type: text/plain; charset=CHARSET\r\n\r\n'
    b"a" + b"b9" * 300 + b"\r\n--B--\r\n"
)


@pytest.mark.parametrize(
    "sent",
    [
        {"files": {"file": ("f", b"")}},
        {"files": {"other": ("f", b"x")}},
        {"files": {"file": ("f", b"x" * 1001)}},
        {"files": {"file": ("f", b"x" * 200_000)}},
        {"data": {"file": "text"}},
        {"content": b"raw", "headers": {"content-type": "application/octet-stream"}},
        {"content": b"raw", "headers": {"content-type": "multipart/form-data"}},
        {"content": b"raw", "headers": {"content-type": "multipart/form-data; boundary=x"}},
        {"content": b"", "headers": {}},
        {"files": [("file", ("f", b"x")), ("file", ("g", b"y"))]},
        {"files": [(f"f{number}", ("f", b"x")) for number in range(50)]},
        *({**CHARSET, "content": PART.replace(b"CHARSET", charset)} for charset in CHARSETS),
    ],
)
async def test_bad_uploads_are_400(client: Client, sent: Any) -> None:
    answer = await client.put(f"{PROFILE}/servers.dat", **sent)
    assert answer.status_code == 400
    assert error_of(answer)["error"] == "ValidationError"


async def test_other_parts_beside_the_file_are_passed_over(client: Client, built: Any) -> None:
    other = {"note": "text", "more": "x" * 50_000}
    answer = await client.put(f"{PROFILE}/servers.dat", data=other, files={"file": ("f", b"content")})
    assert answer.status_code == 204
    assert built.script.positional[2:] == ("servers.dat", b"content")


async def test_tokens_are_needed(client: Client) -> None:
    for sent in ({"auth-token": ""}, {"auth-token": "nonsense"}, {"auth-token": "Bearer x"}):
        answer = await client.get(ACCOUNTS, headers=sent)
        assert answer.status_code == 401
        assert error_of(answer)["error"] == "UnauthorizedError"
    assert (await client.get("/healthz", headers={"auth-token": ""})).status_code == 200


async def test_authorization_is_checked_before_the_body(client: Client) -> None:
    answer = await client.post(ACCOUNTS, content=b"{", headers={"auth-token": ""})
    assert answer.status_code == 401


async def test_a_narrowed_token_is_held_to_its_limits(client: Client, built: Any) -> None:
    narrowed = await client.post(
        "/users/current/narrow-down-auth-token?validity-in-hours=1",
        json={"applications": ["trading-account-management-api"], "roles": ["reader"]},
    )
    assert narrowed.status_code == 200
    headers = {"auth-token": narrowed.json()["token"]}
    assert (await client.get(ACCOUNTS, headers=headers)).status_code == 200
    for method, path in [
        ("POST", ACCOUNTS),
        ("GET", f"{ACCOUNTS}/{ID}/symbols"),
        ("GET", "/users/current/tokens"),
        ("GET", "/users/current/audit-log"),
        ("GET", "/admin/users"),
        ("GET", "/metrics"),
    ]:
        answer = await client.request(method, path, headers=headers, content=b"{}")
        assert answer.status_code == 403, path
        error_of(answer)


async def test_who_am_i(client: Client, built: Any) -> None:
    answer = (await client.get("/users/current")).json()
    assert answer == {"id": built.user.id, "name": "trader", "isAdministrator": False}


async def test_tokens_are_listed_and_revoked(client: Client, built: Any) -> None:
    caller = await built.tokens.authenticate(built.token)
    other = await built.tokens.narrow(caller, NarrowDown(roles=["reader"]))
    listed = (await client.get("/users/current/tokens")).json()
    assert len(listed) == 2
    assert other not in (await client.get("/users/current/tokens")).text
    child = next(one["id"] for one in listed if one.get("parentId"))
    assert (await client.delete(f"/users/current/tokens/{child}")).status_code == 204
    assert (await client.get(ACCOUNTS, headers={"auth-token": other})).status_code == 401
    assert (await client.delete("/users/current/tokens/nope")).status_code == 404


async def test_the_audit_log_is_read_in_pages(client: Client, built: Any) -> None:
    admin = {"auth-token": built.admin_token}
    for name in ("second", "third"):
        await client.post("/admin/users", json={"name": name}, headers=admin)
    log = "/users/current/audit-log"
    first = (await client.get(f"{log}?limit=1", headers=admin)).json()
    assert len(first) == 1
    rest = (await client.get(f"{log}?after={first[0]['sequence']}", headers=admin)).json()
    assert rest
    assert all(one["sequence"] > first[0]["sequence"] for one in rest)
    everybody = (await client.get(f"{log}?everybody=true", headers=admin)).json()
    assert len(everybody) > 1 + len(rest)
    assert (await client.get(log)).json() == []
    refused = await client.get("/users/current/audit-log?everybody=true")
    assert refused.status_code == 403


async def test_administrators_make_users(client: Client, built: Any) -> None:
    admin = {"auth-token": built.admin_token}
    assert (await client.get("/admin/users")).status_code == 403
    made = await client.post("/admin/users", json={"name": "second"}, headers=admin)
    assert made.status_code == 201
    assert set(made.json()) == {"id", "name", "token"}
    again = await client.post("/admin/users", json={"name": "second"}, headers=admin)
    assert again.status_code == 409
    unnamed = await client.post("/admin/users", json={}, headers=admin)
    assert error_of(unnamed)["details"][0]["parameter"] == "name"
    issued = await client.post(f"/admin/users/{made.json()['id']}/tokens", headers=admin)
    assert issued.status_code == 201
    found = await client.get("/users/current", headers={"auth-token": issued.json()["token"]})
    assert found.json()["name"] == "second"
    assert (await client.post("/admin/users/nobody/tokens", headers=admin)).status_code == 404
    rotated = await client.post("/admin/vault/rotate", headers=admin)
    assert (rotated.status_code, set(rotated.json())) == (200, {"rewrapped"})
    brokers = await client.get("/admin/brokers", headers=admin)
    assert {one["platform"] for one in brokers.json()} == {"mt4", "mt5"}


async def test_metrics_are_for_administrators(client: Client, built: Any) -> None:
    assert (await client.get("/metrics")).status_code == 403
    answer = await client.get(
        "/metrics", headers={"authorization": f"Bearer {built.admin_token}", "auth-token": ""}
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "mtfleet_requests_handled_seconds_count" in answer.text


async def test_readiness_tells_the_reason(client: Client, built: Any) -> None:
    assert (await client.get("/readyz")).json() == {"status": "ok"}
    built.unready.append("The fleet is starting.")
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["The fleet is starting."])


async def test_readiness_without_a_store(client: Client, built: Any) -> None:
    await built.store.close()
    built.services.store.reader = _broken
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert "database" in answer.json()["reasons"][0]


def _broken() -> Any:
    raise ConnectionError("the database is gone")


async def test_too_many_requests_tell_when_to_come_again(client: Client, built: Any) -> None:
    limited = Rates(built.clock, allowed=1, period_minutes=2, kind="USER_REQUESTS")
    object.__setattr__(built.services, "user_rate", limited)
    assert (await client.get(ACCOUNTS)).status_code == 200
    answer = await client.get(ACCOUNTS)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "120"
    metadata = error_of(answer)["metadata"]
    assert metadata == {
        "type": "USER_REQUESTS",
        "periodInMinutes": 2,
        "requestsPerPeriodAllowed": 1,
        "recommendedRetryTime": "2026-05-20T12:02:00.000Z",
    }
    await built.clock.advance(120)
    assert (await client.get(ACCOUNTS)).status_code == 200


async def test_rates_forget_the_oldest() -> None:
    rates = Rates(FakeClock(), allowed=1, period_minutes=1, kind="X", max_keys=2)
    for key in ("a", "b", "c", "a"):
        rates.take(key)


async def test_details_of_services_pass_through(client: Client, built: Any) -> None:
    built.script.answers["accounts.create"] = invalid("magic", "must be 0 with manual trades", 5)
    answer = await client.post(ACCOUNTS, json={"name": "A"})
    assert error_of(answer)["details"] == [
        {"parameter": "magic", "message": "must be 0 with manual trades", "value": 5}
    ]


async def test_the_request_id_of_the_caller_is_kept(client: Client) -> None:
    assert (await client.get("/healthz", headers={"request-id": "mine-1"})).headers["request-id"] == "mine-1"
    odd = await client.get("/healthz", headers={"request-id": "a b"})
    assert odd.headers["request-id"] != "a b"


async def test_logs_of_a_request_carry_its_id(client: Client, built: Any) -> None:
    seen: list[Any] = []

    class Curious:
        async def symbols(self, account_id: str) -> list[str]:
            seen.append(structlog.contextvars.get_contextvars())
            return []

    object.__setattr__(built.services, "fleet", Curious())
    await client.get(f"{ACCOUNTS}/{ID}/symbols", headers={"request-id": "mine-1"})
    assert seen == [{"request_id": "mine-1"}]
    assert structlog.contextvars.get_contextvars() == {}


async def test_quota_requests(client: Client, built: Any) -> None:
    path = "/users/current/regions/vint-hill/quotas"
    assert (await client.patch(path, json={"maxAccounts": 5})).status_code == 201
    built.script.answers["regions.request_quotas"] = False
    assert (await client.patch(path, json={"maxAccounts": 5})).status_code == 204
