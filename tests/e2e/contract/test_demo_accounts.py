"""Contract section 11: demo accounts, with and without a profile."""

from typing import Any

import pytest

from mtfleet.testing.contract import ACCOUNTS, NOBODY, PROFILES, ContractClient, draft_body, parameters

pytestmark = pytest.mark.e2e

LEAST = {"balance": 1234.5, "email": "a@example.com", "leverage": 100, "serverName": "Sandbox-MT5"}
FULL = LEAST | {
    "accountType": "type",
    "name": "Test User",
    "phone": "+12345678901",
    "keywords": ["Sandbox Markets Ltd"],
    "address": "x",
    "city": "y",
    "country": "z",
    "state": "s",
    "zip": "1",
}


def path(platform: str, profile: str = "default") -> str:
    return f"{PROFILES}/{profile}/{platform}-demo-accounts"


@pytest.mark.parametrize("body", [LEAST, FULL])
@pytest.mark.parametrize("name", ["Sandbox-MT5", "Sandbox-MT5-Netting", "Sandbox-MT4", "sandbox-mt5"])
def test_the_account_is_real(user: ContractClient, name: str, body: dict[str, Any]) -> None:
    platform = "mt4" if "MT4" in name else "mt5"
    made = user.post(path(platform), 201, json=body | {"serverName": name})
    assert set(made) == {"login", "password", "serverName", "investorPassword"}
    assert all(isinstance(value, str) and value for value in made.values())
    assert made["login"].isdigit()
    assert made["serverName"].lower() == name.lower()
    assert made["password"] != made["investorPassword"]
    wish = draft_body(server=made["serverName"], login=made["login"], password=made["password"])
    account = user.repeat_until_done(ACCOUNTS, wish | {"platform": platform}).json()["id"]
    user.wait(account, lambda one: one["connectionStatus"] == "CONNECTED")
    information = user.get(f"{ACCOUNTS}/{account}/account-information")
    assert (information["balance"], information["leverage"]) == (1234.5, 100)
    assert information["login"] == int(made["login"])
    assert information["type"] == "ACCOUNT_TRADE_MODE_DEMO"
    assert information["name"] == body.get("name", "")


@pytest.mark.parametrize(("version", "file"), [(4, "broker.srv"), (5, "servers.dat")])
def test_through_a_profile(user: ContractClient, version: int, file: str) -> None:
    body = {"name": "P", "version": version, "brokerTimezone": "EET", "brokerDSTSwitchTimezone": "EET"}
    profile = user.post(PROFILES, 201, json=body)["id"]
    wish = LEAST | {"serverName": f"Sandbox-MT{version}"}
    user.post(path(f"mt{version}", profile), 400, json=wish)  # a file is missing
    user.put(f"{PROFILES}/{profile}/{file}", 204, files={"file": ("x", b"data")})
    assert user.post(path(f"mt{version}", profile), 201, json=wish)["serverName"] == f"Sandbox-MT{version}"
    user.post(path(f"mt{9 - version}", profile), 400, json=wish)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"balance": None}, "balance"),
        ({"balance": 0}, "balance"),
        ({"balance": -1}, "balance"),
        ({"balance": "much"}, "balance"),
        ({"balance": "nan"}, "balance"),
        ({"balance": "inf"}, "balance"),
        ({"balance": 1e300}, "balance"),
        ({"leverage": None}, "leverage"),
        ({"leverage": 0}, "leverage"),
        ({"leverage": 2**63}, "leverage"),
        ({"email": None}, "email"),
        ({"email": ""}, "email"),
        ({"serverName": None}, "serverName"),
        ({"serverName": " "}, "serverName"),
        ({"name": "\u0000"}, "name"),
        ({"phone": "call me"}, "phone"),
        ({"accountType": "x" * 1000}, "accountType"),
        ({"keywords": [1]}, "keywords[0]"),
    ],
)
def test_wrong_fields(user: ContractClient, change: dict[str, Any], wrong: str) -> None:
    assert wrong in parameters(user.post(path("mt5"), 400, json=LEAST | change))


def test_refusals(user: ContractClient) -> None:
    unknown = LEAST | {"serverName": "Nowhere-Demo"}
    assert user.post(path("mt5"), 400, json=unknown)["details"] == "E_SRV_NOT_FOUND"
    assert user.post(path("mt4"), 400, json=LEAST)["details"] == "E_SRV_NOT_FOUND"
    for profile in (NOBODY, "junk", "Default"):
        user.post(path("mt5", profile), 404, json=LEAST)


def test_the_least_of_the_guide(user: ContractClient) -> None:
    body = {
        k: v
        for k, v in FULL.items()
        if k not in {"name", "phone", "address", "city", "country", "state", "zip"}
    }
    user.post(path("mt5"), 201, json=body)
