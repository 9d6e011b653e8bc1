"""Contract section 3.3: what brokers do to accounts, as far as the sandbox alone does not show it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mtfleet.testing.contract import ACCOUNTS, PROFILES, ContractClient, draft_body
from mtfleet.testing.server import RunningServer, running_server

pytestmark = pytest.mark.e2e

BROKERS = """
[[brokers]]
company = "Odd Brokers"

[[brokers.servers]]
name = "Odd-Refusing"
platform = "mt5"
timezone = "EET"
faults = { reject_logins = true }

[[brokers.servers]]
name = "Odd-Dropping"
platform = "mt5"
timezone = "EET"
faults = { drop_every_seconds = 0.4 }

[[brokers.servers]]
name = "Odd-Closed"
platform = "mt5"
margin_mode = "exchange"
timezone = "Asia/Tokyo"
demo_accounts = { offered = false }

[[brokers.servers.accounts]]
login = 4242
password = "master-4242"
investor_password = "investor-4242"
name = "Real Person"
type = "real"
balance = 77.5

[[brokers.servers]]
name = "Odd-Many"
platform = "mt4"
timezone = "EET"
symbols = ["EURUSD", "US30.cash", %s]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    file = Path(tmp_path_factory.mktemp("brokers"), "brokers.toml")
    more = ", ".join(f'{{ name = "S{number}", like = "EURUSD" }}' for number in range(5000))
    file.write_text(BROKERS % more, encoding="utf-8")
    with running_server(flags=["--brokers", str(file)]) as running:
        yield running


def body_on(user: ContractClient, server: str, **more: Any) -> dict[str, Any]:
    platform = "mt4" if server == "Odd-Many" else "mt5"
    wish = {"balance": 100, "email": "a@example.com", "leverage": 10, "serverName": server}
    demo = user.post(f"{PROFILES}/default/{platform}-demo-accounts", 201, json=wish)
    body = draft_body(server=server, platform=platform, login=demo["login"], password=demo["password"])
    return body | more


def test_the_resource_slots_that_are_needed_are_told(user: ContractClient) -> None:
    body = body_on(user, "Odd-Many")
    refused = user.repeat_until_done(ACCOUNTS, body)
    assert refused.status_code == 400
    details = refused.json()["details"]
    assert details == {"code": "E_RESOURCE_SLOTS", "recommendedResourceSlots": 2}
    accepted = user.repeat_until_done(ACCOUNTS, body | {"resourceSlots": details["recommendedResourceSlots"]})
    assert accepted.status_code == 201, accepted.text
    account = user.wait(accepted.json()["id"], lambda one: one["connectionStatus"] == "CONNECTED")
    assert account["resourceSlots"] == 2
    assert len(user.get(f"{ACCOUNTS}/{account['_id']}/symbols")) == 5002


def test_a_broker_that_refuses_all(user: ContractClient) -> None:
    refused = user.repeat_until_done(ACCOUNTS, body_on(user, "Odd-Refusing"))
    assert (refused.status_code, refused.json()["details"]) == (400, "E_AUTH")


def test_a_broker_that_opens_no_demo_accounts(user: ContractClient) -> None:
    wish = {"balance": 100, "email": "a@example.com", "leverage": 10, "serverName": "Odd-Closed"}
    assert "Odd-Closed" in user.post(f"{PROFILES}/default/mt5-demo-accounts", 400, json=wish)["message"]


def test_a_real_account(user: ContractClient) -> None:
    body = draft_body(server="Odd-Closed", login="4242", password="master-4242", baseCurrency="EUR")
    made = user.repeat_until_done(ACCOUNTS, body)
    assert made.status_code == 201, made.text
    account = f"{ACCOUNTS}/{made.json()['id']}"
    user.wait_at(account, lambda one: one["connectionStatus"] == "CONNECTED")
    found = user.get(f"{account}/account-information")
    assert (found["name"], found["balance"], found["login"]) == ("Real Person", 77.5, 4242)
    assert found["type"] == "ACCOUNT_TRADE_MODE_REAL"
    assert found["marginMode"] == "ACCOUNT_MARGIN_MODE_EXCHANGE"
    rate = found["accountCurrencyExchangeRate"]
    assert 0.5 < rate < 1.5
    price = user.get(f"{account}/symbols/EURUSD/current-price")
    assert rate == pytest.approx(1 / price["bid"], rel=0.01), "one US dollar in euros"
    assert price["accountCurrencyExchangeRate"] == pytest.approx(rate, rel=0.01)


def test_the_same_account_may_be_added_twice(user: ContractClient) -> None:
    body = draft_body(server="Odd-Closed", login="4242", password="master-4242")
    one, two = (user.repeat_until_done(ACCOUNTS, body).json()["id"] for _ in range(2))
    assert one != two
    for account in (one, two):
        user.wait(account, lambda found: found["connectionStatus"] == "CONNECTED")


def test_a_connection_that_drops_is_seen_and_comes_back(user: ContractClient) -> None:
    made = user.repeat_until_done(ACCOUNTS, body_on(user, "Odd-Dropping"))
    assert made.status_code == 201, made.text
    account = made.json()["id"]
    for status in ("CONNECTED", "DISCONNECTED_FROM_BROKER", "CONNECTED"):
        found = user.wait(account, lambda one, status=status: one["connectionStatus"] == status)  # type: ignore[misc]  # the default binds it
        assert found["state"] in {"DEPLOYING", "DEPLOYED"}


def test_moving_to_another_server(user: ContractClient) -> None:
    account = user.account()
    path = f"{ACCOUNTS}/{account}"
    assert user.put(path, 400, json={"server": "Nowhere-Demo"})["details"] == "E_SRV_NOT_FOUND"
    wrong = {"server": "Odd-Closed", "login": "4242", "password": "wrong"}
    assert user.put(path, 400, json=wrong)["details"] == "E_AUTH"
    assert user.get(path)["server"] == "Sandbox-MT5"
    user.put(path, 204, json=wrong | {"password": "master-4242"})
    assert user.get(path)["server"] == "Odd-Closed"
    user.post(f"{path}/redeploy", 204)
    user.wait_at(path, lambda one: one["state"] == "DEPLOYED" and one["connectionStatus"] == "CONNECTED")
    assert user.get(f"{path}/account-information")["login"] == 4242


def test_known_servers_hold_them(user: ContractClient) -> None:
    assert user.get("/known-mt-servers/4/search?query=odd") == {"Odd Brokers": ["Odd-Many"]}
    assert len(user.get("/known-mt-servers/5/search?query=odd-")["Odd Brokers"]) == 3
