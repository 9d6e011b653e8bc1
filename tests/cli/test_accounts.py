import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from mtfleet.testing.scripted_server import Reply, Script

Run = Callable[..., Result]
ACCOUNT_ID = "11111111-2222-4333-8444-555555555555"
ACCOUNTS = "/users/current/accounts"
ONE = f"{ACCOUNTS}/{ACCOUNT_ID}"
NO_CONTENT = Reply(204)
LOGIN_FAILED = {
    "name": "login",
    "state": "failed",
    "since": "2026-01-01T00:00:00.000Z",
    "lastError": "The broker refused the login.",
    "details": "E_AUTH",
}


def account(**changes: Any) -> dict[str, Any]:
    """Return an account as the API shows it."""
    return {
        "_id": ACCOUNT_ID,
        "name": "Trading account #1",
        "login": "1234567",
        "server": "Sandbox-MT5",
        "version": 5,
        "type": "cloud-g2",
        "region": "vint-hill",
        "magic": 0,
        "tags": [],
        "state": "DEPLOYED",
        "connectionStatus": "CONNECTED",
        "accountReplicas": [],
        "hops": [],
    } | changes


def test_a_list_is_a_table_for_people_and_says_how_to_go_on(script: Script, run: Run) -> None:
    script.on("GET", ACCOUNTS, Reply(200, {"count": 3, "items": [account(), account(name="Second")]}))
    done = run("accounts", "list", "--limit", "2", "--state", "DEPLOYED", "--state", "CREATED", "-q", "Sand")
    assert done.exit_code == 0
    assert ACCOUNT_ID in done.stdout
    assert "Second" in done.stdout
    assert "--offset 2" in done.stderr
    sent = script.only("GET", ACCOUNTS)
    assert sent.query == {
        "state": ["DEPLOYED", "CREATED"],
        "query": ["Sand"],
        "limit": ["2"],
        "offset": ["0"],
    }
    assert sent.headers["api-version"] == "2"
    assert sent.headers["auth-token"] == "token-of-a-test"


def test_json_is_exactly_what_the_server_said_and_nothing_else(script: Script, run: Run) -> None:
    page = {"count": 1, "items": [account()]}
    script.on("GET", ACCOUNTS, Reply(200, page))
    done = run("accounts", "list", "--json")
    assert json.loads(done.stdout) == page
    assert done.stderr == ""


def test_show_tells_every_hop(script: Script, run: Run) -> None:
    script.on("GET", ONE, Reply(200, account(state="DEPLOY_FAILED", hops=[LOGIN_FAILED])))
    done = run("accounts", "show", ACCOUNT_ID)
    assert done.exit_code == 0
    for word in ("DEPLOY_FAILED", "login", "E_AUTH", "refused"):
        assert word in done.stdout


def test_ids_are_escaped_in_paths(script: Script, run: Run) -> None:
    assert run("accounts", "show", "../users").exit_code == 5
    assert script.sent[0].path == f"{ACCOUNTS}/..%2Fusers"


def test_add_asks_again_under_one_transaction_until_it_is_settled(script: Script, run: Run) -> None:
    wait = Reply(202, {"message": "Logging in, ask again in 0 seconds"}, {"Retry-After": "0"})
    script.on("POST", ACCOUNTS, wait, wait, Reply(201, {"id": ACCOUNT_ID, "state": "DEPLOYED"}))
    done = run(
        *("accounts", "add", "--name", "A", "--login", "1", "--server", "S", "--platform", "mt5"),
        *("--password-stdin", "--tag", "x", "--metadata", '{"a": 1}', "--keyword", "Raw"),
        typed="s3cret!\n",
    )
    assert done.exit_code == 0
    assert done.stdout.strip() == ACCOUNT_ID
    assert "Logging in" in done.stderr
    assert "s3cret!" not in done.output
    assert len(script.sent) == 3
    assert len({s.headers["transaction-id"] for s in script.sent}) == 1
    assert len({s.body for s in script.sent}) == 1
    assert script.sent[0].json == {
        "name": "A",
        "login": "1",
        "server": "S",
        "platform": "mt5",
        "password": "s3cret!",
        "magic": 0,
        "tags": ["x"],
        "metadata": {"a": 1},
        "keywords": ["Raw"],
    }


def test_add_waits_until_connected(script: Script, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTFLEET_PASSWORD", "s3cret!")
    script.on("POST", ACCOUNTS, Reply(201, {"id": ACCOUNT_ID, "state": "DEPLOYED"}))
    starting = account(state="DEPLOYING", connectionStatus="DISCONNECTED")
    script.on("GET", ONE, Reply(200, starting), Reply(200, account()))
    done = run("accounts", "add", "--name", "A", "--login", "1", "--server", "S", "--wait", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == account()


def test_a_draft_has_no_password(script: Script, run: Run) -> None:
    script.on("POST", ACCOUNTS, Reply(201, {"id": ACCOUNT_ID, "state": "DRAFT"}))
    done = run("accounts", "add", "--name", "A", "--server", "S", "--platform", "mt5", "--draft")
    assert done.exit_code == 0
    assert "password" not in script.sent[0].json
    assert "mtfleet links create" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--login", "1"], "terminal to ask on"),
        ([], "--login is needed"),
        (["--draft", "--login", "1"], "A draft has no login"),
        (["--draft", "--metadata", "[1]"], "not a JSON object"),
        (["--draft", "--metadata", "{"], "not JSON"),
    ],
)
def test_wrong_use_of_add_is_told_without_a_request(
    script: Script, run: Run, arguments: list[str], said: str
) -> None:
    done = run("accounts", "add", "--name", "A", "--server", "S", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert script.sent == []


def test_an_unknown_server_names_the_near_ones(script: Script, run: Run) -> None:
    body = {
        "id": 3,
        "error": "ValidationError",
        "message": "No server of that name is known.",
        "details": {"code": "E_SRV_NOT_FOUND", "serversByBrokers": {"Raw Ltd": ["Raw-Demo", "Raw-Live"]}},
    }
    script.on("POST", ACCOUNTS, Reply(400, body))
    arguments = ("accounts", "add", "--name", "A", "--server", "S", "--draft")
    done = run(*arguments)
    assert done.exit_code == 1
    assert "E_SRV_NOT_FOUND" in done.stderr
    assert "Raw Ltd: Raw-Demo, Raw-Live" in done.stderr
    told = json.loads(run(*arguments, "--json").stderr)
    assert (told["error"], told["details"]["code"], told["exitCode"]) == (
        "ValidationError",
        "E_SRV_NOT_FOUND",
        1,
    )


def test_update_sends_only_what_was_named(script: Script, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTFLEET_PASSWORD", "n3w!")
    script.on("PUT", ONE, NO_CONTENT)
    script.on("POST", f"{ONE}/redeploy", NO_CONTENT)
    script.on("GET", ONE, Reply(200, account()))
    done = run("accounts", "update", ACCOUNT_ID, "--name", "B", "--change-password", "--redeploy")
    assert done.exit_code == 0
    assert script.only("PUT", ONE).json == {"name": "B", "password": "n3w!"}
    script.only("POST", f"{ONE}/redeploy")
    assert run("accounts", "update", ACCOUNT_ID).exit_code == 2


@pytest.mark.parametrize(
    ("action", "state", "connection"),
    [
        ("deploy", "DEPLOYED", "CONNECTED"),
        ("redeploy", "DEPLOYED", "CONNECTED"),
        ("undeploy", "UNDEPLOYED", "DISCONNECTED"),
    ],
)
def test_actions_can_wait_for_their_end(
    script: Script, run: Run, action: str, state: str, connection: str
) -> None:
    script.on("POST", f"{ONE}/{action}", NO_CONTENT)
    script.on("GET", ONE, Reply(200, account(state=state, connectionStatus=connection)))
    done = run("accounts", action, ACCOUNT_ID, "--wait", "--primary-only", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["state"] == state
    assert script.only("POST", f"{ONE}/{action}").query == {"executeForAllReplicas": ["false"]}


def test_remove_asks_first(script: Script, run: Run) -> None:
    assert run("accounts", "remove", ACCOUNT_ID).exit_code == 2
    assert script.sent == []
    script.on("DELETE", ONE, NO_CONTENT)
    done = run("accounts", "remove", ACCOUNT_ID, "--yes", "--wait", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {"id": ACCOUNT_ID, "removed": True}


def test_waiting_ends_at_once_when_the_broker_refused(script: Script, run: Run) -> None:
    failed = account(state="DEPLOY_FAILED", connectionStatus="DISCONNECTED", hops=[LOGIN_FAILED])
    script.on("GET", ONE, Reply(200, failed))
    done = run("accounts", "wait", ACCOUNT_ID)
    assert done.exit_code == 1
    assert "The broker refused the login." in done.stderr
    assert "E_AUTH" in done.stderr
    assert len(script.sent) == 1


def test_waiting_ends_with_its_own_code_when_time_runs_out(script: Script, run: Run) -> None:
    trying = LOGIN_FAILED | {"name": "broker", "state": "failed", "lastError": "No answer from the broker."}
    script.on("GET", ONE, Reply(200, account(connectionStatus="DISCONNECTED_FROM_BROKER", hops=[trying])))
    done = run("accounts", "wait", ACCOUNT_ID, "--timeout", "0.05")
    assert done.exit_code == 6
    assert "No answer from the broker." in done.stderr


def test_a_connected_replica_counts_as_connected(script: Script, run: Run) -> None:
    replica = {"_id": "r", "connectionStatus": "CONNECTED", "state": "DEPLOYED"}
    script.on("GET", ONE, Reply(200, account(connectionStatus="DISCONNECTED", accountReplicas=[replica])))
    assert run("accounts", "wait", ACCOUNT_ID).exit_code == 0


def test_enable_switches_only_what_was_named(script: Script, run: Run) -> None:
    script.on("POST", f"{ONE}/enable-account-features", NO_CONTENT)
    script.on("GET", ONE, Reply(200, account()))
    assert run("accounts", "enable", ACCOUNT_ID).exit_code == 2
    assert (
        run(
            "accounts", "enable", ACCOUNT_ID, "--high-reliability", "--copy-factory-role", "PROVIDER"
        ).exit_code
        == 0
    )
    assert script.only("POST", f"{ONE}/enable-account-features").json == {
        "reliabilityIncreased": True,
        "copyFactoryApi": {"copyFactoryRoles": ["PROVIDER"], "copyFactoryResourceSlots": 1},
    }


def test_prices_can_be_watched(script: Script, run: Run) -> None:
    price = {"symbol": "BTC/USD#", "bid": 1.1, "ask": 1.2, "brokerTime": "2026-01-01 00:00:00.000"}
    script.on("GET", f"{ONE}/symbols/BTC%2FUSD%23/current-price", Reply(200, price))
    done = run("accounts", "price", ACCOUNT_ID, "BTC/USD#", "--watch", "0.1", "--count", "3", "--json")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [price] * 3
    assert script.sent[0].query == {"keepSubscription": ["true"]}
    assert "bid 1.1  ask 1.2" in run("accounts", "price", ACCOUNT_ID, "BTC/USD#").stdout


def test_live_reads(script: Script, run: Run) -> None:
    script.on("GET", f"{ONE}/symbols", Reply(200, ["EURUSD", "BTC/USD#"]))
    assert run("accounts", "symbols", ACCOUNT_ID, "-q", "usd#").stdout == "BTC/USD#\n"
    script.on("GET", f"{ONE}/account-information", Reply(200, {"balance": 10_000, "currency": "USD"}))
    assert "10000" in run("accounts", "information", ACCOUNT_ID).stdout
    script.on("GET", f"{ONE}/symbols/EURUSD/specification", Reply(200, {"symbol": "EURUSD", "digits": 5}))
    assert "Digits" in run("accounts", "specification", ACCOUNT_ID, "EURUSD").stdout
    script.on("GET", f"{ONE}/server-time", Reply(200, {"brokerTime": "2026-01-01 02:00:00.000"}))
    assert "02:00:00" in run("accounts", "time", ACCOUNT_ID).stdout
