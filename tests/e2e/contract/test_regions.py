"""Contract section 12: regions, known servers, quotas."""

from typing import Any

import pytest

from mtfleet.testing.contract import ACCOUNTS, PROFILES, ContractClient, draft_body
from mtfleet.testing.server import running_server

pytestmark = pytest.mark.e2e

QUOTAS = {
    "maxAccounts",
    "maxDeployedG1Accounts",
    "maxDeployedG2Accounts",
    "maxDeployedCopyFactoryAccounts",
    "maxDedicatedIpv4",
    "maxDedicatedIpv6",
}


def test_regions(user: ContractClient) -> None:
    regions = user.get("/users/current/regions")
    assert regions == ["vint-hill", "new-york"]
    assert user.get(f"{ACCOUNTS}/{user.draft()}")["region"] == regions[0]


def test_regions_are_configurable() -> None:
    with (
        running_server(flags=["--regions", "london,singapore"]) as server,
        ContractClient(server.url, server.token) as client,
    ):
        assert client.get("/users/current/regions") == ["london", "singapore"]
        assert client.get(f"{ACCOUNTS}/{client.draft()}")["region"] == "london"
        client.post(ACCOUNTS, 400, json=draft_body(region="vint-hill"))


def test_known_servers(user: ContractClient) -> None:
    def search(version: Any, text: str, expected: int = 200) -> Any:
        return user.get(f"/known-mt-servers/{version}/search", expected, params={"query": text})

    broker = "Sandbox Markets Ltd"
    assert search(4, "sandbox") == {broker: ["Sandbox-MT4"]}
    assert "Sandbox-MT5" in search(5, "SANDBOX-mt5")[broker]
    assert "Sandbox-Offline" in search(5, "markets ltd")[broker], "a company's name finds all its servers"
    assert search(5, "no such broker") == {}
    assert search(5, "%") == search(5, "_") == search(5, "🐍") == {}
    search(5, "", 400)
    search(5, " ", 400)
    search(6, "x", 404)
    search("x", "x", 404)
    user.get("/known-mt-servers/5/search", 400)


def test_quotas(user: ContractClient) -> None:
    found = user.get("/users/current/quotas")
    assert [one["region"] for one in found] == ["vint-hill", "new-york"]
    for region in found:
        assert set(region) == QUOTAS | {"region"}
        for name in QUOTAS:
            assert set(region[name]) == {"quota", "usageInPercents"}
            assert type(region[name]["quota"]) is int
            assert type(region[name]["usageInPercents"]) is float
        plain = user.get(f"/users/current/regions/{region['region']}/quotas")
        assert plain == {name: region[name]["quota"] for name in QUOTAS}
    user.get("/users/current/regions/mars/quotas", 404)
    user.get("/users/current/regions/vint%2Fhill/quotas", 404)


def test_quota_requests(user: ContractClient) -> None:
    path = "/users/current/regions/vint-hill/quotas"
    assert user.get("/users/current/quota-update-requests") == []
    first = user.send("PATCH", path, 201, json={"maxAccounts": 5, "justification": "We grow"})
    assert first.content == b""
    user.send("PATCH", path, 204, json={"maxAccounts": 6, "message": "Faster", "x": 1})
    user.send("PATCH", "/users/current/regions/new-york/quotas", 201, json=dict.fromkeys(QUOTAS, 1))
    found = user.get("/users/current/quota-update-requests")
    assert [one["region"] for one in found] == ["vint-hill", "new-york"]
    assert found[0]["quotas"] == {"maxAccounts": 6}
    assert found[0]["message"] == "Faster"
    for wrong in (
        {},
        {"message": "only"},
        {"maxAccounts": -1},
        {"maxAccounts": "5"},
        {"maxAccounts": 1.5},
        {"maxAccounts": 2**63},
        {"maxAccounts": True},
        {"maxAccounts": 1, "message": 5},
        {"maxAccounts": 1, "message": "x" * 100_000},
        {"maxAccounts": 1, "message": "\u0000"},
        {"maxAccounts": 1, "justification": ["x"]},
    ):
        user.send("PATCH", path, 400, json=wrong)
    user.send("PATCH", "/users/current/regions/mars/quotas", 404, json={"maxAccounts": 1})
    assert user.get("/users/current/quota-update-requests") == found


def test_profiles_have_names_of_their_own(user: ContractClient) -> None:
    body = {"name": "Same", "version": 5, "brokerTimezone": "EET", "brokerDSTSwitchTimezone": "EET"}
    assert user.post(PROFILES, 201, json=body) != user.post(PROFILES, 201, json=body)
