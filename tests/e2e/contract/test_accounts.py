"""Contract sections 6.1, 7.2 to 7.5 and 7.9 to 7.13: an account's fields, defaults, limits and changes."""

import re
import secrets
from datetime import UTC, datetime
from typing import Any

import pytest

from mtfleet.testing.contract import ACCOUNTS, NOBODY, UUID, ContractClient, draft_body, parameters
from mtfleet.testing.server import RunningServer, running_server

pytestmark = pytest.mark.e2e

ALWAYS = {
    "_id": str,
    "name": str,
    "server": str,
    "version": int,
    "type": str,
    "magic": int,
    "manualTrades": bool,
    "quoteStreamingIntervalInSeconds": float,
    "region": str,
    "reliability": str,
    "baseCurrency": str,
    "resourceSlots": int,
    "copyFactoryResourceSlots": int,
    "copyFactoryRoles": list,
    "tags": list,
    "state": str,
    "connectionStatus": str,
    "hash": int,
    "primaryReplica": bool,
    "userId": str,
    "accountReplicas": list,
    "metastatsApiEnabled": bool,
    "riskManagementApiEnabled": bool,
    "createdAt": str,
}
DEFAULTS = {
    "type": "cloud-g2",
    "manualTrades": False,
    "quoteStreamingIntervalInSeconds": 2.5,
    "region": "vint-hill",
    "reliability": "high",
    "baseCurrency": "USD",
    "resourceSlots": 1,
    "copyFactoryResourceSlots": 1,
    "copyFactoryRoles": [],
    "tags": [],
    "accountReplicas": [],
    "metastatsApiEnabled": False,
    "riskManagementApiEnabled": False,
    "primaryReplica": True,
}
UPDATES: dict[str, Any] = {
    "name": "Other",
    "magic": 7,
    "manualTrades": False,
    "slippage": 3.5,
    "quoteStreamingIntervalInSeconds": 0,
    "tags": ["a", "b"],
    "metadata": {"a": [1, None, {"b": "c"}]},
    "copyFactoryRoles": ["SUBSCRIBER"],
    "resourceSlots": 2,
    "copyFactoryResourceSlots": 3,
}


def test_a_draft_has_all_fields_with_their_types_and_defaults(user: ContractClient) -> None:
    before = datetime.now(UTC)  # noqa: TID251 - the wall clock of a stranger
    made = user.post(ACCOUNTS, 201, json=draft_body())
    assert set(made) == {"id", "state"}
    assert made["state"] == "DRAFT"
    assert UUID.fullmatch(made["id"])
    account = user.get(f"{ACCOUNTS}/{made['id']}")
    for name, kind in ALWAYS.items():
        assert type(account[name]) is kind, name
    assert {name: account[name] for name in DEFAULTS} == DEFAULTS
    assert account["_id"] == made["id"]
    assert re.fullmatch(r"[0-9a-f]{32}", account["userId"])
    assert account["userId"] == user.get("/users/current")["id"]
    assert account["state"] == "DRAFT"
    assert account["connectionStatus"] == "DISCONNECTED"
    assert not account.get("login")
    created = datetime.fromisoformat(account["createdAt"])
    assert abs((created - before).total_seconds()) < 60
    optional = """
        login password provisioningProfileId keywords type region symbol manualTrades slippage
        quoteStreamingIntervalInSeconds tags metadata reliability baseCurrency copyFactoryRoles resourceSlots
        copyFactoryResourceSlots riskManagementApiEnabled metastatsApiEnabled allocateDedicatedIp application
    """.split()  # noqa: SIM905 - as a list it would fill the page
    made = user.post(ACCOUNTS, 201, json=draft_body() | dict.fromkeys(optional))
    account = user.get(f"{ACCOUNTS}/{made['id']}")
    assert {name: account[name] for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": 5}, "name"),
        ({"name": ["x"]}, "name"),
        ({"server": ""}, "server"),
        ({"magic": -1}, "magic"),
        ({"magic": 1.5}, "magic"),
        ({"magic": "one"}, "magic"),
        ({"magic": 2**63}, "magic"),
        ({"magic": True}, "magic"),
        ({"magic": 5, "manualTrades": True}, "magic"),
        ({"login": "12"}, "password"),
        ({"password": "x"}, "login"),
        ({"login": "12a", "password": "x"}, "login"),
        ({"login": "", "password": "x"}, "login"),
        ({"login": "-5", "password": "x"}, "login"),
        ({"login": "١٢٣", "password": "x"}, "login"),
        ({"login": "12", "password": ""}, "password"),
        ({"platform": "mt6"}, "platform"),
        ({"platform": "MT5"}, "platform"),
        ({"type": "cloud-g3"}, "type"),
        ({"type": "self-hosted"}, "type"),
        ({"region": "mars"}, "region"),
        ({"slippage": -0.1}, "slippage"),
        ({"quoteStreamingIntervalInSeconds": -1}, "quoteStreamingIntervalInSeconds"),
        ({"quoteStreamingIntervalInSeconds": 1, "type": "cloud-g1"}, "quoteStreamingIntervalInSeconds"),
        ({"manualTrades": True, "type": "cloud-g1"}, "manualTrades"),
        ({"manualTrades": "yes"}, "manualTrades"),
        ({"tags": "x"}, "tags"),
        ({"tags": [1]}, "tags[0]"),
        ({"metadata": {"x": "y" * 1024}}, "metadata"),
        ({"metadata": []}, "metadata"),
        ({"reliability": "best"}, "reliability"),
        ({"baseCurrency": "EURO"}, "baseCurrency"),
        ({"baseCurrency": "1$"}, "baseCurrency"),
        ({"copyFactoryRoles": ["provider"]}, "copyFactoryRoles[0]"),
        ({"resourceSlots": 0}, "resourceSlots"),
        ({"resourceSlots": -1}, "resourceSlots"),
        ({"copyFactoryResourceSlots": 0}, "copyFactoryResourceSlots"),
        ({"allocateDedicatedIp": "ipv6"}, "allocateDedicatedIp"),
        ({"keywords": "x"}, "keywords"),
    ],
)
def test_wrong_fields_of_a_new_account_are_named(
    user: ContractClient, change: dict[str, Any], wrong: str
) -> None:
    body = {name: value for name, value in (draft_body() | change).items() if value is not None}
    refused = user.post(ACCOUNTS, 400, json=body)
    assert refused["id"] == 3
    assert wrong in parameters(refused)
    assert user.get(ACCOUNTS) == []


def test_all_missing_fields_are_named_at_once(user: ContractClient) -> None:
    assert parameters(user.post(ACCOUNTS, 400, json={})) == {"name", "server", "magic", "platform"}


def test_metadata_is_bounded_by_its_json_text(user: ContractClient) -> None:
    exact = {"x": "y" * (1024 - len('{"x":""}'))}
    assert user.get(f"{ACCOUNTS}/{user.draft(metadata=exact)}")["metadata"] == exact
    cyrillic = {"x": "я" * (1024 - len('{"x":""}'))}
    assert user.get(f"{ACCOUNTS}/{user.draft(metadata=cyrillic)}")["metadata"] == cyrillic


def test_an_account_is_added_started_and_connected(user: ContractClient) -> None:
    demo = user.demo()
    body = draft_body(
        login=demo["login"],
        password=demo["password"],
        type="cloud",
        keywords=["Sandbox Markets Ltd"],
        application="MetaApi",
        quoteStreamingIntervalInSeconds=2.5,
        reliability="high",
    )
    made = user.repeat_until_done(ACCOUNTS, body)
    assert made.status_code == 201
    assert made.json()["state"] == "DEPLOYED"
    account = user.wait(made.json()["id"], lambda one: one["connectionStatus"] == "CONNECTED")
    assert account["state"] == "DEPLOYED"
    assert account["login"] == demo["login"]
    assert account["type"] == "cloud-g2"
    assert demo["password"] not in str(account)


def test_the_investor_password_is_enough(user: ContractClient) -> None:
    demo = user.demo()
    body = draft_body(login=demo["login"], password=demo["investorPassword"])
    account = user.repeat_until_done(ACCOUNTS, body).json()["id"]
    user.wait(account, lambda one: one["connectionStatus"] == "CONNECTED")
    information = user.get(f"{ACCOUNTS}/{account}/account-information")
    assert information["investorMode"] is True
    assert information["tradeAllowed"] is False


@pytest.mark.parametrize(
    ("change", "details"),
    [
        ({"server": "Nowhere-Demo"}, "E_SRV_NOT_FOUND"),
        ({"password": "wrong"}, "E_AUTH"),
        ({"login": "999999999"}, "E_AUTH"),
    ],
)
def test_what_the_broker_refuses_is_told_by_a_code(
    user: ContractClient, change: dict[str, Any], details: str
) -> None:
    demo = user.demo()
    body = draft_body(login=demo["login"], password=demo["password"]) | change
    refused = user.repeat_until_done(ACCOUNTS, body)
    assert refused.status_code == 400
    assert refused.json()["id"] == 3
    assert refused.json()["details"] == details
    assert user.get(ACCOUNTS) == [], "nothing is left behind"


def test_settings_that_cannot_be_detected_are_a_code(user: ContractClient) -> None:
    demo = user.demo("Sandbox-NoTimezone")
    body = draft_body(server="Sandbox-NoTimezone", login=demo["login"], password=demo["password"])
    refused = user.repeat_until_done(ACCOUNTS, body)
    assert (refused.status_code, refused.json()["details"]) == (400, "E_SERVER_TIMEZONE")


def test_near_servers_come_with_the_object_form() -> None:
    with (
        running_server(flags=["--server-not-found-details", "object"]) as server,
        ContractClient(server.url, server.token) as client,
    ):
        body = draft_body(server="Sandbox-MT55", login="1", password="x")
        details = client.repeat_until_done(ACCOUNTS, body).json()["details"]
        assert details["code"] == "E_SRV_NOT_FOUND"
        assert "Sandbox-MT5" in details["serversByBrokers"]["Sandbox Markets Ltd"]
        body = draft_body(server="Nope", login="1", password="x", keywords=["Sandbox Markets Ltd"])
        details = client.repeat_until_done(ACCOUNTS, body).json()["details"]
        assert "Sandbox-MT5" in details["serversByBrokers"]["Sandbox Markets Ltd"]


def test_unknown_profiles_are_404(user: ContractClient) -> None:
    for body in (draft_body(platform=None), draft_body(login="1", password="x")):
        for profile in (NOBODY, "junk"):
            user.post(ACCOUNTS, 404, json=body | {"provisioningProfileId": profile})


@pytest.mark.parametrize("name", UPDATES)
def test_each_field_is_updated_alone(user: ContractClient, name: str) -> None:
    account = f"{ACCOUNTS}/{user.draft(name='First', magic=1, tags=['t'], metadata={'m': 1})}"
    before = user.get(account)
    user.put(account, 204, json={name: UPDATES[name]})
    after = user.get(account)
    assert after[name] == UPDATES[name]
    unchanged = {key: value for key, value in before.items() if key not in {name, "hash"}}
    assert {key: after.get(key) for key in unchanged} == unchanged


def test_null_clears_what_is_optional(user: ContractClient) -> None:
    account = f"{ACCOUNTS}/{user.draft(**{k: v for k, v in UPDATES.items() if k != 'manualTrades'})}"
    cleared = ("slippage", "metadata", "tags", "copyFactoryRoles", "quoteStreamingIntervalInSeconds")
    user.put(account, 204, json=dict.fromkeys(cleared))
    after = user.get(account)
    assert not {"slippage", "metadata"} & set(after)
    assert after["tags"] == after["copyFactoryRoles"] == []
    assert after["quoteStreamingIntervalInSeconds"] == 2.5
    assert after["resourceSlots"] == 2


def test_what_cannot_be_updated_is_ignored(user: ContractClient) -> None:
    account = f"{ACCOUNTS}/{user.draft()}"
    before = user.get(account)
    ignored = {
        "reliability": "regular",
        "region": "new-york",
        "type": "cloud-g1",
        "platform": "mt4",
        "provisioningProfileId": NOBODY,
        "keywords": ["x"],
        "allocateDedicatedIp": "ipv4",
        "riskManagementApiEnabled": True,
        "metastatsApiEnabled": True,
        "_id": NOBODY,
        "userId": "x",
        "state": "DEPLOYED",
        "createdAt": "2020-01-01T00:00:00",
    }
    user.put(account, 204, json=ignored)
    user.put(account, 204, json={})
    assert user.get(account) == before


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"name": ""}, "name"),
        ({"magic": -1}, "magic"),
        ({"manualTrades": True, "magic": 3}, "magic"),
        ({"login": "x"}, "login"),
        ({"login": "5"}, "password"),
        ({"password": "x"}, "login"),
        ({"slippage": -1}, "slippage"),
        ({"resourceSlots": 0}, "resourceSlots"),
        ({"metadata": {"x": "y" * 1024}}, "metadata"),
        ({"tags": [""]}, "tags[0]"),
        ({"copyFactoryRoles": ["X"]}, "copyFactoryRoles[0]"),
    ],
)
def test_wrong_updates_are_refused_whole(user: ContractClient, change: dict[str, Any], wrong: str) -> None:
    account = f"{ACCOUNTS}/{user.draft()}"
    before = user.get(account)
    assert wrong in parameters(user.put(account, 400, json={"name": "New"} | change))
    assert user.get(account) == before


def test_the_hash_follows_the_configuration(user: ContractClient) -> None:
    account = f"{ACCOUNTS}/{user.draft()}"
    first = user.get(account)["hash"]
    assert user.get(account)["hash"] == first
    user.put(account, 204, json={"magic": 99})
    assert user.get(account)["hash"] != first
    user.put(account, 204, json={"magic": 0})
    assert user.get(account)["hash"] == first


def test_an_update_with_credentials_brings_a_draft_to_life(user: ContractClient) -> None:
    demo, account = user.demo(), user.draft()
    wrong = {"login": demo["login"], "password": "wrong"}
    assert user.put(f"{ACCOUNTS}/{account}", 400, json=wrong)["details"] == "E_AUTH"
    assert user.get(f"{ACCOUNTS}/{account}")["state"] == "DRAFT"
    right = {"login": demo["login"], "password": demo["password"]}
    user.put(f"{ACCOUNTS}/{account}", 204, json=right)
    user.wait(account, lambda one: one["connectionStatus"] == "CONNECTED")


def test_features_are_switched_on_and_never_off(user: ContractClient) -> None:
    account = f"{ACCOUNTS}/{user.draft(reliability='regular')}"
    user.send("POST", f"{account}/enable-account-features", 204)
    assert user.get(account)["reliability"] == "regular"
    wish = {
        "copyFactoryApi": {"copyFactoryRoles": ["PROVIDER"], "copyFactoryResourceSlots": 2},
        "riskManagementApiEnabled": True,
        "metastatsApiEnabled": True,
        "reliabilityIncreased": True,
        "allocateDedicatedIp": "ipv4",
    }
    user.post(f"{account}/enable-account-features", 204, json=wish)
    off = dict.fromkeys(("riskManagementApiEnabled", "metastatsApiEnabled", "reliabilityIncreased"), False)
    user.post(f"{account}/enable-account-features", 204, json=off)
    found = user.get(account)
    assert (found["copyFactoryRoles"], found["copyFactoryResourceSlots"]) == (["PROVIDER"], 2)
    assert found["riskManagementApiEnabled"] is found["metastatsApiEnabled"] is True
    assert (found["reliability"], found["allocateDedicatedIp"]) == ("high", "ipv4")
    wrong = {"copyFactoryApi": {"copyFactoryRoles": ["X"]}, "allocateDedicatedIp": "ipv6"}
    assert parameters(user.post(f"{account}/enable-account-features", 400, json=wrong)) == {
        "copyFactoryApi.copyFactoryRoles[0]",
        "copyFactoryApi.copyFactoryResourceSlots",
        "allocateDedicatedIp",
    }


def test_the_single_switches(user: ContractClient) -> None:
    account = f"{ACCOUNTS}/{user.draft(reliability='regular')}"
    for action in ("increase-reliability", "enable-risk-management-api", "enable-metastats-api"):
        user.post(f"{account}/{action}", 204)
    body = {"copyFactoryRoles": ["SUBSCRIBER"], "copyFactoryResourceSlots": 4}
    user.post(f"{account}/enable-copy-factory-api", 204, json=body)
    found = user.get(account)
    assert found["reliability"] == "high"
    assert found["riskManagementApiEnabled"] is found["metastatsApiEnabled"] is True
    assert (found["copyFactoryRoles"], found["copyFactoryResourceSlots"]) == (["SUBSCRIBER"], 4)
    missing = user.post(f"{account}/enable-copy-factory-api", 400, json={})
    assert parameters(missing) == {"copyFactoryRoles", "copyFactoryResourceSlots"}


def test_configuration_links(user: ContractClient, server: RunningServer) -> None:
    account = user.draft()
    links = [
        user.put(f"{ACCOUNTS}/{account}/configuration-link", 200, params=wish)
        for wish in ({}, {"ttlInDays": "7"}, {"ttlInDays": "0.5"}, {"ttlInDays": "365"})
    ]
    for link in links:
        assert set(link) == {"configurationLink"}
        shape = (
            rf"{re.escape(server.url)}/configure-trading-account-credentials/{account}/[0-9a-zA-Z_-]{{64}}"
        )
        assert re.fullmatch(shape, link["configurationLink"])
    assert len({link["configurationLink"] for link in links}) == 4
    for link in links:
        page = user.http.get(link["configurationLink"], headers={"auth-token": ""})
        assert page.status_code == 200
        assert "Sandbox-MT5" in page.text
        unknown = user.http.get(link["configurationLink"][:-4] + secrets.token_hex(2))
        assert unknown.status_code == 404
        assert "Sandbox-MT5" not in unknown.text
    for wrong in ("0", "-1", "366", "x", "nan", "inf", "1e400", ""):
        refused = user.put(f"{ACCOUNTS}/{account}/configuration-link", 400, params={"ttlInDays": wrong})
        assert parameters(refused) == {"ttlInDays"}


def test_a_deleted_account_is_gone(user: ContractClient) -> None:
    account = f"{ACCOUNTS}/{user.draft()}"
    user.delete(account, 204)
    user.wait_gone(account)
    for method, path, body in (
        ("GET", account, {}),
        ("DELETE", account, {}),
        ("PUT", account, {"json": {"name": "x"}}),
        ("POST", f"{account}/deploy", {}),
        ("POST", f"{account}/undeploy", {}),
        ("POST", f"{account}/enable-account-features", {}),
        ("PUT", f"{account}/configuration-link", {}),
        ("GET", f"{account}/replicas", {}),
    ):
        user.send(method, path, 404, **body)
    assert user.get(ACCOUNTS) == []
