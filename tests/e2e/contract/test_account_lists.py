"""Contract sections 7.1 and 15: lists of accounts, their filters, pages and order."""

from typing import Any

import pytest

from mtfleet.testing.contract import ACCOUNTS, NOBODY, ContractClient, parameters

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def ids(trader: ContractClient) -> dict[str, str]:
    """Accounts by name: drafts of both platforms and types, one that runs, one that was stopped."""
    made = {
        "g2": trader.draft(name="Alpha Zwei"),
        "g1": trader.draft(name="alpha mt4", server="Sandbox-MT4", type="cloud-g1"),
        "gamma": trader.draft(name="Γάμμα 100%_\\", tags=["x"]),
        "running": trader.account(name="Running one"),
        "stopped": trader.account(name="Stopped one"),
    }
    trader.post(f"{ACCOUNTS}/{made['stopped']}/undeploy", 204)
    trader.wait(made["stopped"], lambda one: one["state"] == "UNDEPLOYED")
    return made


def names(trader: ContractClient, ids: dict[str, str], parameters: Any) -> list[str]:
    """Return which accounts a query finds, after both list styles agreed on it."""
    plain = trader.get(ACCOUNTS, params=parameters)
    counted = trader.get(ACCOUNTS, params=parameters, headers={"api-version": "2"})
    assert set(counted) == {"count", "items"}
    assert counted["items"] == plain
    by_id = {account: name for name, account in ids.items()}
    return [by_id[one["_id"]] for one in plain]


def test_both_styles_list_the_oldest_first(trader: ContractClient, ids: dict[str, str]) -> None:
    assert names(trader, ids, {}) == list(ids)
    assert trader.get(ACCOUNTS, headers={"api-version": "1"}) == trader.get(ACCOUNTS)
    for one in trader.get(ACCOUNTS):
        assert one == trader.get(f"{ACCOUNTS}/{one['_id']}")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("version=4", ["g1"]),
        ("version=5&version=4", ["g2", "g1", "gamma", "running", "stopped"]),
        ("version[]=4", ["g1"]),
        ("version[0]=4", ["g1"]),
        ("version%5B0%5D=4&version%5B1%5D=5", ["g2", "g1", "gamma", "running", "stopped"]),
        ("version=", ["g2", "g1", "gamma", "running", "stopped"]),
        ("version[]=", ["g2", "g1", "gamma", "running", "stopped"]),
        ("type=cloud-g1", ["g1"]),
        ("type=cloud", ["g2", "gamma", "running", "stopped"]),
        ("type=cloud-g2&type=cloud-g1", ["g2", "g1", "gamma", "running", "stopped"]),
        ("type=cloud-g2,cloud-g1", ["g2", "g1", "gamma", "running", "stopped"]),
        ("state=DEPLOYED", ["running"]),
        ("state=DRAFT&state=UNDEPLOYED", ["g2", "g1", "gamma", "stopped"]),
        ("state[0]=DRAFT&state[1]=DEPLOYED", ["g2", "g1", "gamma", "running"]),
        ("state=DELETE_FAILED", []),
        ("deploymentStatus=deployed", ["running"]),
        ("deploymentStatus=undeployed", ["g2", "g1", "gamma", "stopped"]),
        ("deploymentStatus=failed", []),
        ("deploymentStatus=deployed,undeployed", ["g2", "g1", "gamma", "running", "stopped"]),
        ("deploymentStatus=undeployed&state=UNDEPLOYED", ["stopped"]),
        ("deploymentStatus=deployed&state=UNDEPLOYED", []),
        ("connectionStatus=CONNECTED", ["running"]),
        ("connectionStatus=DISCONNECTED", ["g2", "g1", "gamma", "stopped"]),
        ("connectionStatus=DISCONNECTED_FROM_BROKER", []),
        ("query=ALPHA", ["g2", "g1"]),
        ("query=one", ["running", "stopped"]),
        ("query=sandbox-mt4", ["g1"]),
        ("query=100%25_%5C", ["gamma"]),
        ("query=%CE%93%CE%AC", ["gamma"]),
        ("query=%25", ["gamma"]),
        ("query=", ["g2", "g1", "gamma", "running", "stopped"]),
        ("query=no+such+thing", []),
        ("provisioningProfileId=" + NOBODY, []),
        ("provisioningProfileId=", ["g2", "g1", "gamma", "running", "stopped"]),
        ("version=5&state=DRAFT&query=alpha", ["g2"]),
        ("limit=2", ["g2", "g1"]),
        ("limit=2&offset=3", ["running", "stopped"]),
        ("offset=5", []),
        ("offset=9007199254740991", []),
        ("limit=1000&offset=0", ["g2", "g1", "gamma", "running", "stopped"]),
        ("unknown=1", ["g2", "g1", "gamma", "running", "stopped"]),
    ],
)
def test_filters(trader: ContractClient, ids: dict[str, str], query: str, found: list[str]) -> None:
    plain = trader.get(f"{ACCOUNTS}?{query}")
    by_id = {account: name for name, account in ids.items()}
    assert [by_id[one["_id"]] for one in plain] == found
    counted = trader.get(f"{ACCOUNTS}?{query}", headers={"api-version": "2"})
    assert counted["items"] == plain
    if "limit" not in query and "offset" not in query:
        assert counted["count"] == len(found)


def test_the_text_finds_ids_and_logins(trader: ContractClient, ids: dict[str, str]) -> None:
    login = trader.get(f"{ACCOUNTS}/{ids['running']}")["login"]
    assert names(trader, ids, {"query": login}) == ["running"]
    assert names(trader, ids, {"query": ids["g1"]}) == ["g1"]
    assert names(trader, ids, {"query": ids["g1"][4:20].upper()}) == ["g1"]


def test_the_count_ignores_the_page(trader: ContractClient, ids: dict[str, str]) -> None:
    for page in ({"limit": "1"}, {"offset": "4"}, {"offset": "100", "limit": "2"}):
        counted = trader.get(ACCOUNTS, params={"state": "DRAFT", **page}, headers={"api-version": "2"})
        assert counted["count"] == 3
        assert type(counted["count"]) is int


def test_pages_add_up_to_the_whole(trader: ContractClient, ids: dict[str, str]) -> None:
    found: list[str] = []
    while page := names(trader, ids, {"limit": "2", "offset": str(len(found))}):
        found += page
    assert found == list(ids)


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("limit=1.5", "limit"),
        ("limit=1e400", "limit"),
        ("limit=99999999999999999999999", "limit"),
        ("limit=NaN", "limit"),
        ("offset=-1", "offset"),
        ("offset=x", "offset"),
        ("offset=9223372036854775808", "offset"),
        ("version=6", "version"),
        ("version=4&version=x", "version"),
        ("type=g1", "type"),
        ("state=deployed", "state"),
        ("state=NOTHING", "state"),
        ("deploymentStatus=DEPLOYED", "deploymentStatus"),
        ("connectionStatus=connected", "connectionStatus"),
    ],
)
def test_wrong_parameters_are_400(trader: ContractClient, query: str, wrong: str) -> None:
    assert parameters(trader.get(f"{ACCOUNTS}?{query}", 400)) == {wrong}


def test_odd_texts_find_nothing_and_break_nothing(trader: ContractClient, ids: dict[str, str]) -> None:
    for text in (
        "'",
        '"',
        "%",
        "*",
        "\\",
        "a" * 3000,
        "\u202e",
        "🐍",
        "' OR 1=1 --",
        "\ufffd",
        "\x01",
        "[",
        "(",
    ):
        found = trader.get(ACCOUNTS, params={"query": text})
        assert len(found) <= 1, text
    for raw in ("%FF%FE", "%ED%A0%80", "%C3%28", "%zz", "&&&", "=", "=1&", "state[=DRAFT"):
        assert trader.send("GET", f"{ACCOUNTS}?query={raw}").status_code in {200, 400}
    assert trader.send("GET", f"{ACCOUNTS}?query=%00").status_code in {200, 400}
