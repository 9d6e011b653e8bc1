"""Everything but accounts: what is sent, what is shown."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from mtfleet.testing.scripted_server import Reply, Script

Run = Callable[..., Result]
MINE = "/users/current"
NO_CONTENT = Reply(204)


def test_replicas(script: Script, run: Run) -> None:
    replica = {
        "_id": "r-1",
        "region": "london",
        "state": "DEPLOYED",
        "connectionStatus": "CONNECTED",
        "hops": [],
    }
    base = f"{MINE}/accounts/a-1/replicas"
    script.on("GET", base, Reply(200, [replica]))
    script.on("GET", f"{base}/r-1", Reply(200, replica))
    script.on("POST", base, Reply(201, {"id": "r-1", "state": "DEPLOYED"}))
    for action in ("deploy", "undeploy", "redeploy", "increase-reliability"):
        script.on("POST", f"{base}/r-1/{action}", NO_CONTENT)
        assert run("replicas", action, "a-1", "r-1").exit_code == 0
        script.only("POST", f"{base}/r-1/{action}")
    script.on("PUT", f"{base}/r-1", NO_CONTENT)
    script.on("DELETE", f"{base}/r-1", NO_CONTENT)
    assert "london" in run("replicas", "list", "a-1").stdout
    assert "london" in run("replicas", "show", "a-1", "r-1").stdout
    done = run("replicas", "add", "a-1", "--region", "london", "--wait")
    assert (done.exit_code, done.stdout) == (0, "r-1\n")
    assert script.only("POST", base).json == {"region": "london", "magic": 0}
    assert run("replicas", "update", "a-1", "r-1", "--tag", "x").exit_code == 0
    assert script.only("PUT", f"{base}/r-1").json == {"tags": ["x"]}
    assert run("replicas", "update", "a-1", "r-1").exit_code == 2
    assert run("replicas", "remove", "a-1", "r-1", "--yes").exit_code == 0


def test_a_profile_is_made_with_its_file(script: Script, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "servers.dat"
    file.write_bytes(b"\x00server list")
    base = f"{MINE}/provisioning-profiles"
    profile = {"_id": "p-1", "name": "X", "status": "active", "version": 5}
    script.on("POST", base, Reply(201, {"id": "p-1"}))
    script.on("PUT", f"{base}/p-1/servers.dat", NO_CONTENT)
    script.on("GET", f"{base}/p-1", Reply(200, profile))
    done = run(
        "profiles", "add", "--name", "X", "--version", "5", "--timezone", "EET", "--file", str(file), "--json"
    )
    assert json.loads(done.stdout) == profile
    assert script.only("POST", base).json == {
        "name": "X",
        "version": 5,
        "brokerTimezone": "EET",
        "brokerDSTSwitchTimezone": "EET",
    }
    sent = script.only("PUT", f"{base}/p-1/servers.dat")
    assert b'name="file"; filename="servers.dat"' in sent.body
    assert b"\x00server list" in sent.body


def test_a_file_goes_into_the_slot_that_was_named(script: Script, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "MyBroker-Demo.srv"
    file.write_bytes(b"x")
    base = f"{MINE}/provisioning-profiles/p-1"
    script.on("PUT", f"{base}/broker.srv", NO_CONTENT)
    script.on("GET", base, Reply(200, {"_id": "p-1", "status": "active"}))
    assert run("profiles", "upload", "p-1", str(file), "--as", "broker.srv").exit_code == 0
    assert run("profiles", "upload", "p-1", str(tmp_path / "missing")).exit_code == 2


def test_profiles(script: Script, run: Run) -> None:
    base = f"{MINE}/provisioning-profiles"
    script.on("GET", base, Reply(200, {"count": 2, "items": [{"_id": "p-1", "name": "X", "status": "new"}]}))
    script.on("GET", f"{base}/p-1", Reply(200, {"_id": "p-1", "name": "X"}))
    script.on("PUT", f"{base}/p-1", NO_CONTENT)
    script.on("DELETE", f"{base}/p-1", Reply(409, {"error": "ConflictError", "message": "Accounts use it."}))
    assert "p-1" in run("profiles", "list", "--version", "5").stdout
    assert "X" in run("profiles", "show", "p-1").stdout
    assert run("profiles", "update", "p-1", "--name", "Y").exit_code == 0
    assert script.only("PUT", f"{base}/p-1").json == {"name": "Y"}
    refused = run("profiles", "remove", "p-1", "--yes")
    assert (refused.exit_code, "Accounts use it." in refused.stderr) == (1, True)


def test_experts(script: Script, run: Run, tmp_path: Path) -> None:
    base = f"{MINE}/accounts/a-1/expert-advisors"
    preset, program = tmp_path / "my.set", tmp_path / "my.ex4"
    preset.write_bytes(b"key=value")
    program.write_bytes(b"program")
    item = {"expertId": "ea", "symbol": "EURUSD", "period": "1h", "fileUploaded": True}
    script.on("PUT", f"{base}/ea", NO_CONTENT)
    script.on("PUT", f"{base}/ea/file", NO_CONTENT)
    script.on("GET", f"{base}/ea", Reply(200, item))
    script.on("GET", base, Reply(200, [item]))
    script.on("DELETE", f"{base}/ea", NO_CONTENT)
    options = ("--symbol", "EURUSD", "--period", "1h", "--preset", str(preset), "--file", str(program))
    assert run("experts", "put", "a-1", "ea", *options).exit_code == 0
    assert base64.b64decode(script.only("PUT", f"{base}/ea").json["preset"]) == b"key=value"
    assert b"program" in script.only("PUT", f"{base}/ea/file").body
    assert run("experts", "upload", "a-1", "ea", str(program)).exit_code == 0
    assert "EURUSD" in run("experts", "list", "a-1").stdout
    assert json.loads(run("experts", "show", "a-1", "ea", "--json").stdout) == item
    assert run("experts", "remove", "a-1", "ea", "--yes").exit_code == 0


def test_a_demo_account_is_shown_once(script: Script, run: Run) -> None:
    where = f"{MINE}/provisioning-profiles/default/mt4-demo-accounts"
    made = {"login": "7", "password": "p4ss", "investorPassword": "inv", "serverName": "Sandbox-MT4"}
    script.on("POST", where, Reply(201, made))
    options = ("--platform", "mt4", "--server", "Sandbox-MT4", "--email", "a@example.com", "--balance", "5")
    done = run("demo-accounts", "create", *options)
    assert "p4ss" in done.stdout
    assert "--login 7" in done.stderr
    assert script.only("POST", where).json["balance"] == 5
    assert json.loads(run("demo-accounts", "create", *options, "--json").stdout) == made


def test_a_link(script: Script, run: Run) -> None:
    where = f"{MINE}/accounts/a-1/configuration-link"
    script.on("PUT", where, Reply(200, {"configurationLink": "http://localhost/x"}))
    assert run("links", "create", "a-1", "--ttl-days", "0.5").stdout == "http://localhost/x\n"
    assert script.only("PUT", where).query == {"ttlInDays": ["0.5"]}


def test_tokens(script: Script, run: Run, tmp_path: Path) -> None:
    where = f"{MINE}/narrow-down-auth-token"
    script.on("POST", where, Reply(200, {"token": "narrow"}))
    done = run("tokens", "narrow", "--role", "reader", "--account", "a-1", "--hours", "12")
    assert done.stdout == "narrow\n"
    sent = script.only("POST", where)
    assert sent.json == {"roles": ["reader"], "resources": [{"entity": "account", "id": "a-1"}]}
    assert sent.query == {"validity-in-hours": ["12.0"]}
    rules = tmp_path / "rules.json"
    rules.write_text('[{"id": "x"}]')
    assert run("tokens", "narrow", "--rules", str(rules)).exit_code == 0
    assert script.sent[-1].json == {"accessRules": [{"id": "x"}]}
    assert run("tokens", "narrow").exit_code == 2
    assert run("tokens", "narrow", "--rules", str(rules), "--role", "reader").exit_code == 2
    script.on("GET", f"{MINE}/tokens", Reply(200, [{"id": "t-1", "name": "laptop"}]))
    script.on("DELETE", f"{MINE}/tokens/t-1", NO_CONTENT)
    script.on("GET", f"{MINE}/access-rules-manifest", Reply(200, [{"id": "x", "roles": ["reader"]}]))
    assert "laptop" in run("tokens", "list").stdout
    assert run("tokens", "revoke", "t-1").exit_code == 0
    assert "reader" in run("tokens", "rules").stdout


def test_users_over_the_api(script: Script, run: Run) -> None:
    made = {"id": "u-1", "name": "alice", "token": "once"}
    script.on("POST", "/admin/users", Reply(201, made))
    script.on("GET", "/admin/users", Reply(200, [{"id": "u-1", "name": "alice", "isAdministrator": False}]))
    script.on("POST", "/admin/users/u-1/tokens", Reply(201, {"token": "another"}))
    script.on("GET", MINE, Reply(200, {"id": "u-1", "name": "alice", "isAdministrator": False}))
    assert json.loads(run("users", "create", "alice", "--json").stdout) == made
    assert "once" in run("users", "create", "alice").stdout
    assert "alice" in run("users", "list").stdout
    assert run("users", "issue-token", "alice", "--hours", "1").stdout == "another\n"
    assert run("users", "issue-token", "bob").exit_code == 5
    assert "alice" in run("users", "current").stdout


def test_the_vault_is_rotated_over_the_api(script: Script, run: Run) -> None:
    script.on("POST", "/admin/vault/rotate", Reply(200, {"rewrapped": 3}))
    assert json.loads(run("vault", "rotate", "--json").stdout) == {"rewrapped": 3}


def test_what_a_server_offers(script: Script, run: Run) -> None:
    script.on("GET", "/admin/brokers", Reply(200, [{"name": "Sandbox-MT5", "platform": "mt5"}]))
    script.on("GET", "/known-mt-servers/4/search", Reply(200, {"Sandbox Markets Ltd": ["Sandbox-MT4"]}))
    script.on("GET", f"{MINE}/regions", Reply(200, ["vint-hill", "new-york"]))
    quota = {"region": "vint-hill", "maxAccounts": {"quota": 10, "usageInPercents": 50}}
    script.on("GET", f"{MINE}/quotas", Reply(200, [quota]))
    script.on("PATCH", f"{MINE}/regions/vint-hill/quotas", Reply(201))
    script.on("GET", f"{MINE}/quota-update-requests", Reply(200, [{"region": "vint-hill"}]))
    assert "Sandbox-MT5" in run("brokers", "list").stdout
    assert "Sandbox-MT4" in run("brokers", "search", "sand", "--version", "4").stdout
    assert run("regions", "list").stdout == "vint-hill\nnew-york\n"
    assert "maxAccounts" in run("quotas", "list").stdout
    assert run("quotas", "request", "vint-hill", "--max-accounts", "20", "--message", "why").exit_code == 0
    assert script.only("PATCH", f"{MINE}/regions/vint-hill/quotas").json == {
        "maxAccounts": 20,
        "message": "why",
    }
    assert run("quotas", "request", "vint-hill").exit_code == 2
    assert "vint-hill" in run("quotas", "requests").stdout


def test_the_audit_log(script: Script, run: Run) -> None:
    entry = {"sequence": 8, "action": "account.created", "entity": "account", "outcome": "done"}
    script.on("GET", f"{MINE}/audit-log", Reply(200, [entry]))
    assert "account.created" in run("audit", "list", "--entity", "a-1", "--after", "7").stdout
    assert script.only("GET", f"{MINE}/audit-log").query == {
        "entityId": ["a-1"],
        "after": ["7"],
        "limit": ["100"],
    }


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [(401, 4, "MTFLEET_TOKEN"), (403, 4, ""), (404, 5, ""), (429, 1, "Try again in 7"), (500, 1, "")],
)
def test_refusals_have_their_own_exit_codes(
    script: Script, run: Run, status: int, code: int, said: str
) -> None:
    body = {"id": 1, "error": "SomeError", "message": "What went wrong."}
    script.on("GET", f"{MINE}/regions", Reply(status, body, {"Retry-After": "7"}))
    done = run("regions", "list")
    assert done.exit_code == code
    assert "What went wrong." in done.stderr
    assert said in done.stderr
    assert done.stdout == ""


def test_something_else_that_answers_is_noticed(script: Script, run: Run) -> None:
    script.on("GET", f"{MINE}/regions", Reply(503))
    assert "status 503" in run("regions", "list").stderr
