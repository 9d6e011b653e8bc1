"""Whatever is sent: never a 5xx, always the one error shape, and nothing is lost or left half done."""

import json
import secrets
from typing import Any
from urllib.parse import quote

import pytest

from mtfleet.testing.contract import ACCOUNTS, PROFILES, ContractClient, draft_body, parameters

pytestmark = pytest.mark.e2e

JSON = {"content-type": "application/json"}
PROFILE = {"name": "P", "version": 5, "brokerTimezone": "EET", "brokerDSTSwitchTimezone": "EET"}
DEMO = {
    "balance": 1,
    "email": "a@b.c",
    "leverage": 1,
    "serverName": "Sandbox-MT5",
    "name": "n",
    "phone": "+123456",
    "accountType": "t",
    "keywords": ["k"],
}
ACCOUNT = draft_body(
    login="1",
    password="x",
    provisioningProfileId="",
    keywords=["k"],
    type="cloud-g2",
    region="vint-hill",
    symbol="",
    tags=["t"],
    metadata={"m": "m"},
    reliability="high",
    baseCurrency="USD",
    copyFactoryRoles=["PROVIDER"],
    allocateDedicatedIp="ipv4",
    slippage=1,
    quoteStreamingIntervalInSeconds=1,
    resourceSlots=1,
    copyFactoryResourceSlots=1,
    manualTrades=False,
    riskManagementApiEnabled=False,
    metastatsApiEnabled=False,
)
EXPERT = {"period": "1h", "symbol": "EURUSD", "preset": "YQ"}
NARROW = {"applications": ["metaapi-api"], "roles": ["reader"]}
RULE = {"id": "i", "application": "metaapi-api", "service": "rest", "roles": ["reader"]}
QUOTA = {"maxAccounts": 1, "message": "m", "justification": "j"}
VALUES = [
    "\x00",
    "a\x00b",
    "\u202e rtl \u202c",
    "🐍" * 50,
    "\uffff",
    "\U0010ffff",
    "' OR 1=1; --",
    "x" * 100_000,
    "null",
    "nan",
    "inf",
    "1e400",
    "",
    "\r\nset-cookie: a=b",
    -1,
    2**53 + 1,
    2**63,
    2**64,
    10**400,
    1e308,
    5e-324,
    True,
    [],
    {},
    [None],
    {"a": None},
    ["x"] * 10_000,
    dict.fromkeys(map(str, range(10_000)), 1),
]
RAW = [
    b"1" + b"0" * 5000,
    b"-1" + b"0" * 5000,
    b"1e400",
    b"-1e400",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\\u0000"',
    b'"\xff"',
    b"01",
    b"+1",
    b".5",
    b"1.",
    b"0x1",
    b"tru",
    b"",
    b"[" * 5000 + b"]" * 5000,
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b'"' + b"\\u0000" * 1000 + b'"',
]


@pytest.fixture(scope="module")
def targets(trader: ContractClient) -> list[tuple[str, str, dict[str, Any]]]:
    """Addresses that take bodies, each with a body that has every text field."""
    account = f"{ACCOUNTS}/{trader.draft()}"
    expert = f"{ACCOUNTS}/{trader.draft(server='Sandbox-MT4', type='cloud-g1')}/expert-advisors/ea"
    live = f"{ACCOUNTS}/{trader.account()}"
    profile = f"{PROFILES}/{trader.post(PROFILES, 201, json=PROFILE)['id']}"
    left_out = {"login", "password", "server", "platform", "type", "region", "keywords", "reliability"}
    update = {name: value for name, value in ACCOUNT.items() if name not in left_out}
    copying = {"copyFactoryRoles": ["PROVIDER"], "copyFactoryResourceSlots": 1}
    features = {
        "copyFactoryApi": copying,
        "riskManagementApiEnabled": True,
        "metastatsApiEnabled": True,
        "reliabilityIncreased": True,
        "allocateDedicatedIp": "ipv4",
    }
    replica = {
        "magic": 0,
        "region": "vint-hill",
        "symbol": "s",
        "reliability": "high",
        "tags": [],
        "metadata": {},
    }
    manager = {"type": "mtTerminal", "managerLogin": 1, "managerServer": "s", "managerPassword": "p"}
    return [
        ("POST", ACCOUNTS, {k: v for k, v in ACCOUNT.items() if k not in {"login", "password"}}),
        ("POST", ACCOUNTS, draft_body(server="Nowhere", login="1", password="x", symbol="s")),
        ("PUT", account, update),
        ("PUT", account, {"login": "1", "password": "x", "server": "Nowhere"}),
        ("POST", f"{live}/replicas", replica),
        ("POST", f"{account}/enable-account-features", features),
        ("POST", f"{account}/enable-copy-factory-api", copying),
        ("POST", PROFILES, PROFILE | manager),
        ("PUT", profile, {"name": "n"}),
        ("POST", f"{PROFILES}/default/mt5-demo-accounts", DEMO),
        ("PUT", expert, EXPERT),
        ("PATCH", "/users/current/regions/vint-hill/quotas", QUOTA),
        ("POST", "/users/current/narrow-down-auth-token", NARROW),
        ("POST", "/users/current/narrow-down-auth-token", {"resources": [{"entity": "account", "id": "x"}]}),
        ("POST", "/users/current/narrow-down-auth-token", {"accessRules": [RULE]}),
    ]


def check(client: ContractClient, method: str, path: str, content: bytes) -> None:
    """Send it; `send` fails on a 5xx and on any other error shape. No password comes back."""
    headers = JSON | {"transaction-id": secrets.token_hex(16)}
    answer = client.send(method, path, content=content, headers=headers)
    assert answer.status_code in {200, 201, 204, 400, 403, 404, 409}, answer.text
    assert len(answer.content) < 40_000, "what was sent is not sent back whole"


@pytest.mark.parametrize("index", range(15))
def test_every_field_of_every_body(
    trader: ContractClient, targets: list[tuple[str, str, dict[str, Any]]], index: int
) -> None:
    method, path, body = targets[index]
    for field in body:
        for value in VALUES:
            check(trader, method, path, json.dumps(body | {field: value}).encode())
        for raw in RAW:
            rest = json.dumps({name: value for name, value in body.items() if name != field}).encode()[:-1]
            check(trader, method, path, rest + b"," * (len(body) > 1) + b'"%b":%b}' % (field.encode(), raw))


TEXTS = [
    "Ünïcødé",
    "שלום עולם",
    "مرحبا",
    "日本語",
    "🏳️‍🌈👩‍👩‍👧",
    "e\u0301 is not é",
    "a\u200db",
    "\U0001f9ff",
    "null",
    "NULL",
    "true",
    "1",
    "1e5",
    "nan",
    " padded ",
    "'\"\\/<>&;--%_*?[]{}()$`|#",
]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_come_back_as_they_were(user: ContractClient, text: str) -> None:
    given: dict[str, Any] = {"name": text, "tags": [text], "metadata": {text: [text]}}
    account = f"{ACCOUNTS}/{user.draft(**given)}"
    assert {name: user.get(account)[name] for name in given} == given
    user.put(account, 204, json={"name": text + text, "tags": [text, text]})
    assert user.get(account)["name"] == text + text
    assert [one["name"] for one in user.get(ACCOUNTS, params={"query": text + text})] == [text + text]
    profile = user.post(PROFILES, 201, json=PROFILE | {"name": text})["id"]
    assert user.get(f"{PROFILES}/{profile}")["name"] == text
    assert [one["_id"] for one in user.get(PROFILES, params={"query": text})] == [profile]


def test_numbers_in_metadata_come_back_as_they_were(user: ContractClient) -> None:
    given = (
        b'{"big":123456789012345678901234567890,"max":18446744073709551615,"min":-9223372036854775808,'
        b'"odd":9007199254740993,"tiny":5e-324,"float":0.1,"huge":1e308,"one":1.0,"zero":-0.0}'
    )
    body = json.dumps(draft_body()).encode()[:-1] + b',"metadata":' + given + b"}"
    made = user.send("POST", ACCOUNTS, 201, content=body, headers=JSON).json()["id"]
    assert user.get(f"{ACCOUNTS}/{made}")["metadata"] == json.loads(given)
    assert user.get(ACCOUNTS)[0]["metadata"] == json.loads(given)


def test_metadata_may_hold_any_character_that_json_can(user: ContractClient) -> None:
    given = {
        "": "",
        "a\x01b": "\x1f\x7f\x80",
        "\ufeff": "\uffff",
        "line\nbreak": "tab\t",
        "🐍": {"x": [{}, []]},
    }
    assert user.get(f"{ACCOUNTS}/{user.draft(metadata=given)}")["metadata"] == given
    answer = user.send("POST", ACCOUNTS, json=draft_body(metadata={"nul": "\x00"}))
    if answer.status_code == 201:
        assert user.get(f"{ACCOUNTS}/{answer.json()['id']}")["metadata"] == {"nul": "\x00"}
    else:
        assert answer.status_code == 400


def test_deep_metadata_is_kept_or_refused_whole(user: ContractClient) -> None:
    for depth in (5, 50, 100, 160):
        given: Any = 1
        for _ in range(depth):
            given = {"a": given}
        answer = user.send("POST", ACCOUNTS, json=draft_body(metadata=given))
        if answer.status_code == 201:
            assert user.get(f"{ACCOUNTS}/{answer.json()['id']}")["metadata"] == given
        else:
            assert parameters(answer.json()) == {"metadata"}
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    for field in (b"metadata", b"unknown", b"name"):
        body = json.dumps(draft_body()).encode()[:-1] + b',"%b":%b}' % (field, deep)
        user.send("POST", ACCOUNTS, 400, content=body, headers=JSON)


def test_of_duplicate_keys_the_last_counts(user: ContractClient) -> None:
    content = b'{"name":"first","server":"Sandbox-MT5","platform":"mt5","magic":"x","magic":3,"name":"last"}'
    made = user.send("POST", ACCOUNTS, 201, content=content, headers=JSON).json()["id"]
    found = user.get(f"{ACCOUNTS}/{made}")
    assert (found["name"], found["magic"]) == ("last", 3)


def test_long_arrays_are_refused_by_name(user: ContractClient) -> None:
    for field, value in (("tags", "t"), ("keywords", "k")):
        refused = user.post(ACCOUNTS, json=draft_body(**{field: [value] * 10_000}), expected=400)
        assert parameters(refused) == {field}
    many_wrong = user.post(ACCOUNTS, 400, json=draft_body(tags=[""] * 10_000))
    assert len(many_wrong["details"]) <= 200
    user.get(ACCOUNTS + "?" + "&".join(["state=DRAFT"] * 2000))
    assert user.get(ACCOUNTS) == []


@pytest.mark.parametrize(
    "text", ["\x00", "\x01", "%", "a/b", "a\\b", "🐍", "\u202e", "'", "x" * 2000, "%00", "\ud7ff"]
)
def test_odd_texts_in_addresses(trader: ContractClient, text: str) -> None:
    part = quote(text, safe="")
    for path in (
        f"{ACCOUNTS}/{part}",
        f"{PROFILES}/{part}",
        f"/users/current/regions/{part}/quotas",
        f"/known-mt-servers/{part}/search?query=x",
        f"/users/current/tokens/{part}",
        f"/{part}",
    ):
        assert trader.send("GET", path).status_code in {404, 405}
    for path in (
        f"/known-mt-servers/5/search?query={part}",
        f"{ACCOUNTS}?query={part}",
        f"{PROFILES}?query={part}",
    ):
        assert trader.send("GET", path).status_code in {200, 400}


@pytest.mark.parametrize("raw", ["%ff", "%ed%a0%80", "%c3%28", "%", "%zz", "%e2%82", "+", "%2e%2e", "%0d%0a"])
def test_broken_encodings_in_addresses(trader: ContractClient, raw: str) -> None:
    for path in (f"{ACCOUNTS}/{raw}", f"/users/current/regions/{raw}/quotas"):
        answer = trader.send("GET", trader.http.base_url.copy_with(raw_path=path.encode()))  # type: ignore[arg-type]  # kept as it is written
        assert answer.status_code in {400, 404}
    for name in ("query", "state", "limit", "provisioningProfileId", "executeForAllReplicas"):
        path = f"{ACCOUNTS}?{name}={raw}"
        answer = trader.send("GET", trader.http.base_url.copy_with(raw_path=path.encode()))  # type: ignore[arg-type]  # kept as it is written
        assert answer.status_code in {200, 400}
