"""Contract sections 2 and 13: what tokens may do and how they are narrowed."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from mtfleet.testing.contract import ACCOUNTS, NOBODY, PROFILES, ContractClient, draft_body, parameters

pytestmark = pytest.mark.e2e

NARROW = "/users/current/narrow-down-auth-token"
MANAGEMENT = "trading-account-management-api"
KNOWN = [
    MANAGEMENT,
    "copyfactory-api",
    "metaapi-api",
    "metaapi-rest-api",
    "metaapi-rpc-api",
    "metaapi-real-time-streaming-api",
    "metastats-api",
    "risk-management-api",
    "mt-manager-api",
]
Narrow = Callable[..., ContractClient]


@pytest.fixture
def narrow(user: ContractClient) -> Iterator[Narrow]:
    """Give a client with a narrowed token, of the user's or of the given client."""
    with ExitStack() as opened:

        def make(body: Any, of: ContractClient = user, **parameters: Any) -> ContractClient:
            answer = of.send("POST", NARROW, 200, json=body, params=parameters).json()
            assert set(answer) == {"token"}
            return opened.enter_context(ContractClient(of.url, answer["token"]))

        yield make


def claims(client: ContractClient) -> dict[str, Any]:
    assert client.token
    middle = client.token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return found


def rule(**more: Any) -> dict[str, Any]:
    return {
        "id": MANAGEMENT,
        "application": MANAGEMENT,
        "service": "rest",
        "resources": [],
        "methodGroups": [{"group": "*", "methods": [{"method": "*"}]}],
        "roles": ["reader"],
    } | more


def test_who_am_i(user: ContractClient, administrator: ContractClient) -> None:
    found = user.get("/users/current")
    assert set(found) == {"id", "name", "isAdministrator"}
    assert found["isAdministrator"] is False
    assert administrator.get("/users/current")["isAdministrator"] is True
    users = {one["id"]: one for one in administrator.get("/admin/users")}
    assert users[found["id"]]["name"] == found["name"]


def test_tokens_are_jwt_with_the_documented_claims(user: ContractClient, narrow: Narrow) -> None:
    assert claims(user)["sub"] == user.get("/users/current")["id"]
    found = claims(narrow({"applications": [MANAGEMENT], "roles": ["reader"]}))
    assert found["sub"] == claims(user)["sub"]
    assert [one["application"] for one in found["accessRules"]] == [MANAGEMENT]
    assert found["exp"] - found["iat"] == pytest.approx(24 * 3600, abs=5)
    hour = claims(narrow({"roles": ["reader"]}, **{"validity-in-hours": "1.5"}))
    assert hour["exp"] - hour["iat"] == pytest.approx(1.5 * 3600, abs=5)


@pytest.mark.parametrize("hours", ["0", "-1", "x", "", "nan", "inf", "-inf", "1e400", "99999999999"])
def test_wrong_validity(user: ContractClient, hours: str) -> None:
    refused = user.send("POST", NARROW, 400, json={"roles": ["reader"]}, params={"validity-in-hours": hours})
    assert parameters(refused.json()) == {"validity-in-hours"}


def test_an_expired_token_is_401(narrow: Narrow) -> None:
    short = narrow({"roles": ["reader"]}, **{"validity-in-hours": "0.0001"})
    while (answer := short.send("GET", ACCOUNTS)).status_code != 401:
        assert answer.status_code == 200
        assert claims(short)["exp"] > datetime.now(UTC).timestamp() - 10  # noqa: TID251 - a stranger's clock


def test_a_reader_reads_and_a_writer_writes(user: ContractClient, narrow: Narrow) -> None:
    account = user.draft()
    for body in ({"roles": ["reader"]}, {"accessRules": [rule()]}):
        reader = narrow(body)
        assert [one["_id"] for one in reader.get(ACCOUNTS)] == [account]
        reader.get(f"{ACCOUNTS}/{account}")
        reader.get("/users/current/regions")
        reader.get(PROFILES)
        reader.post(ACCOUNTS, 403, json=draft_body())
        reader.put(f"{ACCOUNTS}/{account}", 403, json={"name": "x"})
        reader.delete(f"{ACCOUNTS}/{account}", 403)
        reader.post(f"{ACCOUNTS}/{account}/deploy", 403)
        reader.post(PROFILES, 403, json={})
    writer = narrow({"roles": ["writer"]})
    writer.get(ACCOUNTS, 403)
    writer.put(f"{ACCOUNTS}/{account}", 204, json={"name": "x"})
    both = narrow({"roles": ["reader", "writer"]})
    assert both.get(f"{ACCOUNTS}/{account}")["name"] == "x"


def test_a_token_for_one_account(user: ContractClient, new_user: Any, narrow: Narrow) -> None:
    mine, other, foreign = user.draft(), user.draft(), new_user().draft()
    resources = [{"entity": "account", "id": mine}]
    for body in ({"resources": resources}, {"accessRules": [rule(resources=resources)]}):
        one = narrow(body)
        assert one.get(f"{ACCOUNTS}/{mine}")["_id"] == mine
        assert [found["_id"] for found in one.get(ACCOUNTS)] == [mine]
        assert one.get(ACCOUNTS, headers={"api-version": "2"})["count"] == 1
        for hidden in (other, foreign, NOBODY):
            one.get(f"{ACCOUNTS}/{hidden}", 403)
            one.get(f"{ACCOUNTS}/{hidden}/replicas", 403)
            one.delete(f"{ACCOUNTS}/{hidden}", 403)
        one.post(ACCOUNTS, 403, json=draft_body())
    for hidden in (foreign, NOBODY):
        refused = user.send("POST", NARROW, 400, json={"resources": [{"entity": "account", "id": hidden}]})
        assert parameters(refused.json()) == {"resources[0].id"}


def test_a_token_for_one_method(user: ContractClient, narrow: Narrow) -> None:
    account = user.draft()
    groups = [{"group": "account-management", "methods": [{"method": "getAccount", "scopes": ["public"]}]}]
    one = narrow({"accessRules": [rule(methodGroups=groups)]})
    one.get(f"{ACCOUNTS}/{account}")
    one.get(ACCOUNTS, 403)
    one.get(f"{ACCOUNTS}/{account}/replicas", 403)
    one.get(PROFILES, 403)


def test_a_token_for_one_application(user: ContractClient, narrow: Narrow) -> None:
    account = user.account()
    one = narrow({"applications": ["metaapi-rest-api"]})
    one.get(f"{ACCOUNTS}/{account}/symbols")
    one.get(f"{ACCOUNTS}/{account}", 403)
    one.get(ACCOUNTS, 403)
    other = narrow({"applications": [MANAGEMENT]})
    other.get(ACCOUNTS)
    other.get(f"{ACCOUNTS}/{account}/symbols", 403)


def test_every_documented_application_is_known(user: ContractClient, narrow: Narrow) -> None:
    for application in KNOWN:
        narrow({"applications": [application]})
    narrow({"applications": KNOWN, "roles": ["reader", "writer"]})
    wrong = user.send("POST", NARROW, 400, json={"applications": ["other-api"]}).json()
    assert parameters(wrong) == {"applications[0]"}


def test_narrowing_never_widens(user: ContractClient, narrow: Narrow) -> None:
    account, other = user.draft(), user.draft()
    resources = [{"entity": "account", "id": account}]
    one = narrow({"applications": [MANAGEMENT], "roles": ["reader"], "resources": resources})
    for wish in (
        {"roles": ["writer"]},
        {"applications": ["metaapi-rest-api"]},
        {"resources": [{"entity": "account", "id": other}]},
        {"accessRules": [rule(roles=["writer"])]},
    ):
        one.send("POST", NARROW, 403, json=wish)
    for wish in (
        {},
        {"roles": ["reader"]},
        {"accessRules": [rule()]},
        {"resources": [{"entity": "account", "id": "*"}]},
    ):
        same = narrow(wish, of=one)
        assert [found["_id"] for found in same.get(ACCOUNTS)] == [account]
        same.get(f"{ACCOUNTS}/{other}", 403)
        same.put(f"{ACCOUNTS}/{account}", 403, json={"name": "x"})
        assert claims(same)["exp"] <= claims(one)["exp"]


@pytest.mark.parametrize(
    "body",
    [
        {"applications": "x"},
        {"applications": []},
        {"applications": [1]},
        {"roles": ["owner"]},
        {"roles": []},
        {"roles": "reader"},
        {"resources": [{}]},
        {"resources": [{"entity": "planet", "id": "x"}]},
        {"resources": [{"entity": "account", "id": ""}]},
        {"resources": ["x"]},
        {"resources": []},
        {"accessRules": []},
        {"accessRules": [{}]},
        {"accessRules": [rule(application="x")]},
        {"accessRules": [rule(methodGroups=[{"group": "x", "methods": []}])]},
        {
            "accessRules": [
                rule(methodGroups=[{"group": "account-management", "methods": [{"method": "fly"}]}])
            ]
        },
        {"accessRules": [rule(roles=["x"])]},
        {"accessRules": [rule()], "roles": ["reader"]},
        {"accessRules": [rule()] * 1000},
        {"applications": [MANAGEMENT] * 10_000},
        {"resources": [{"entity": "account", "id": NOBODY}] * 10_000},
        {"resources": [{"entity": "account", "id": "\u0000"}]},
    ],
)
def test_wrong_wishes_are_400(user: ContractClient, body: dict[str, Any]) -> None:
    assert user.send("POST", NARROW, 400, json=body).json()["details"]


def test_children_die_with_their_parents(user: ContractClient, narrow: Narrow) -> None:
    child = narrow({"roles": ["reader"]})
    grandchild = narrow({}, of=child)
    other = narrow({"roles": ["reader"]})
    grandchild.get(ACCOUNTS)
    tokens = user.get("/users/current/tokens")
    assert len(tokens) == 4
    assert all("token" not in one for one in tokens)
    user.delete(f"/users/current/tokens/{claims(child)['jti']}")
    child.get(ACCOUNTS, 401)
    grandchild.get(ACCOUNTS, 401)
    other.get(ACCOUNTS)
    user.delete(f"/users/current/tokens/{NOBODY}", 404)


def test_the_manifest_names_what_can_be_asked_for(user: ContractClient, narrow: Narrow) -> None:
    manifest = user.get("/users/current/access-rules-manifest")
    fields = {"id", "application", "description", "service", "resources", "methodGroups", "roles"}
    assert all(set(one) == fields for one in manifest)
    assert MANAGEMENT in {one["application"] for one in manifest}
    wish = [{name: value for name, value in one.items() if name != "description"} for one in manifest]
    all_of_it = narrow({"accessRules": wish})
    all_of_it.post(ACCOUNTS, 201, json=draft_body())
    narrow({"accessRules": manifest}).get(ACCOUNTS)


def test_narrowed_tokens_stay_out_of_the_users_own_things(user: ContractClient, narrow: Narrow) -> None:
    one = narrow({})
    for path in ("/users/current/tokens", "/users/current/audit-log"):
        one.get(path, 403)
    assert one.get("/users/current")["id"] == user.get("/users/current")["id"]


def test_only_administrators_administer(
    user: ContractClient, administrator: ContractClient, narrow: Narrow
) -> None:
    narrowed = narrow({}, of=administrator)
    who = user.get("/users/current")["id"]
    for client in (user, narrowed):
        client.get("/admin/users", 403)
        client.post("/admin/users", 403, json={"name": "x"})
        client.post(f"/admin/users/{who}/tokens", 403)
        client.post("/admin/vault/rotate", 403)
        client.get("/admin/brokers", 403)
        client.send("GET", "/metrics", 403)
        client.get("/users/current/audit-log?everybody=true", 403)
    token = administrator.post(f"/admin/users/{who}/tokens", 201, json={"validityInHours": 1})["token"]
    with ContractClient(user.url, token) as again:
        assert again.get("/users/current")["id"] == who
    for hours in (0, -1, "nan", 1e9):
        administrator.post(f"/admin/users/{who}/tokens", 400, json={"validityInHours": hours})
    administrator.post("/admin/users", 400, json={})
    administrator.post("/admin/users", 409, json={"name": user.get("/users/current")["name"]})
