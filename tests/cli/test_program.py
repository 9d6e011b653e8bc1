"""The whole program: the command line against a real server, and the demonstration."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mtfleet.testing.server import RunningServer, running_server

pytestmark = pytest.mark.e2e

Mtfleet = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


@pytest.fixture
def mtfleet(server: RunningServer) -> Mtfleet:
    """Run a command against the server; the exit code must be the expected one."""

    def go(*arguments: str, code: int = 0, password: str = "") -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "mtfleet", *arguments],
            env=server.environment | ({"MTFLEET_PASSWORD": password} if password else {}),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return go


def test_an_account_from_its_opening_to_its_removal(mtfleet: Mtfleet) -> None:
    opened = json.loads(
        mtfleet(
            "demo-accounts", "create", "--server", "Sandbox-MT5", "--email", "a@example.com", "--json"
        ).stdout
    )
    options = ("--name", "From a test", "--login", opened["login"], "--server", opened["serverName"])
    added = json.loads(
        mtfleet(
            "accounts", "add", *options, "--platform", "mt5", "--wait", "--json", password=opened["password"]
        ).stdout
    )
    account = added["_id"]
    assert (added["state"], added["connectionStatus"]) == ("DEPLOYED", "CONNECTED")
    assert account in mtfleet("accounts", "list", "-q", "from a TEST").stdout
    assert "synchronization" in mtfleet("accounts", "show", account).stdout
    assert json.loads(mtfleet("accounts", "information", account, "--json").stdout)["balance"] == 10_000
    symbols = mtfleet("accounts", "symbols", account).stdout.split()
    assert "EURUSD" in symbols
    awkward = next(s for s in symbols if "/" in s or "#" in s)
    assert (
        json.loads(mtfleet("accounts", "specification", account, awkward, "--json").stdout)["symbol"]
        == awkward
    )
    assert "bid" in mtfleet("accounts", "price", account, "EURUSD", "--watch", "0.1", "--count", "2").stdout
    assert "Broker" in mtfleet("accounts", "time", account).stdout
    mtfleet("accounts", "update", account, "--name", "Renamed", "--tag", "x", "--redeploy")
    mtfleet("accounts", "wait", account)
    mtfleet("accounts", "undeploy", account, "--wait")
    assert json.loads(mtfleet("accounts", "show", account, "--json").stdout)["name"] == "Renamed"
    mtfleet("accounts", "deploy", account, "--wait")
    elsewhere = mtfleet("regions", "list").stdout.split()[1]
    mtfleet("replicas", "add", account, "--region", elsewhere, "--wait")
    assert elsewhere in mtfleet("replicas", "list", account).stdout
    mtfleet("accounts", "remove", account, "--yes", "--replicas", "--wait")
    mtfleet("accounts", "show", account, code=5)


def test_a_wrong_password_is_told_by_its_code(mtfleet: Mtfleet) -> None:
    opened = json.loads(
        mtfleet(
            "demo-accounts", "create", "--server", "Sandbox-MT5", "--email", "a@example.com", "--json"
        ).stdout
    )
    options = ("--name", "A", "--login", opened["login"], "--server", "Sandbox-MT5", "--platform", "mt5")
    done = mtfleet("accounts", "add", *options, code=1, password="wrong-password")
    assert "E_AUTH" in done.stderr
    assert "wrong-password" not in done.stdout + done.stderr


def test_a_slow_server_shows_its_stages(mtfleet: Mtfleet) -> None:
    opened = json.loads(
        mtfleet(
            "demo-accounts", "create", "--server", "Sandbox-Slow", "--email", "a@example.com", "--json"
        ).stdout
    )
    options = ("--name", "Slow", "--login", opened["login"], "--server", "Sandbox-Slow", "--platform", "mt5")
    done = mtfleet("accounts", "add", *options, password=opened["password"])
    assert "second" in done.stderr


def test_profiles_and_drafts(mtfleet: Mtfleet, tmp_path: Path) -> None:
    file = tmp_path / "servers.dat"
    file.write_bytes(b"list of servers")
    options = ("--name", "P", "--version", "5", "--timezone", "EET", "--file", str(file), "--json")
    profile = json.loads(mtfleet("profiles", "add", *options).stdout)
    assert profile["status"] == "active"
    draft = mtfleet(
        "accounts", "add", "--name", "D", "--server", "Sandbox-MT5", "--draft", "--profile", profile["_id"]
    ).stdout.strip()
    assert draft in mtfleet("links", "create", draft).stdout
    mtfleet("accounts", "wait", draft, code=1)
    mtfleet("accounts", "remove", draft, "--yes", "--wait")
    mtfleet("profiles", "remove", profile["_id"], "--yes")


def test_users_see_their_own_things_only(mtfleet: Mtfleet, server: RunningServer) -> None:
    made = json.loads(mtfleet("users", "create", "alice", "--json").stdout)
    assert set(made) == {"id", "name", "token"}
    alice = server.environment | {"MTFLEET_TOKEN": made["token"]}
    command = [sys.executable, "-m", "mtfleet", "users"]
    seen = subprocess.run(
        [*command, "current", "--json"], env=alice, capture_output=True, text=True, check=True
    )
    assert json.loads(seen.stdout)["name"] == "alice"
    refused = subprocess.run([*command, "list"], env=alice, capture_output=True, text=True)
    assert refused.returncode == 4
    assert "alice" in mtfleet("users", "list").stdout


def test_tokens_keys_and_what_there_is(mtfleet: Mtfleet) -> None:
    assert mtfleet("tokens", "narrow", "--role", "reader").stdout.count(".") == 2
    assert json.loads(mtfleet("tokens", "list", "--json").stdout)
    assert json.loads(mtfleet("tokens", "rules", "--json").stdout)
    assert json.loads(mtfleet("vault", "rotate", "--json").stdout)["rewrapped"] >= 0
    assert "Sandbox-MT4" in mtfleet("brokers", "list").stdout
    assert "Sandbox-MT5" in mtfleet("brokers", "search", "sandbox").stdout
    assert mtfleet("regions", "list").stdout.split()
    assert mtfleet("quotas", "list").stdout
    audit = json.loads(mtfleet("audit", "list", "--everybody", "--limit", "1000", "--json").stdout)
    assert "vault.rotated" in {entry["action"] for entry in audit}


def test_the_doctor_finds_a_healthy_server(mtfleet: Mtfleet, server: RunningServer) -> None:
    said = mtfleet("doctor").stdout
    assert f"{server.environment['MTFLEET_URL']} is ready" in said


def test_a_wait_that_is_interrupted_says_what_goes_on(mtfleet: Mtfleet, server: RunningServer) -> None:
    draft = mtfleet(
        "accounts", "add", "--name", "D", "--server", "S", "--platform", "mt5", "--draft"
    ).stdout.strip()
    command = [sys.executable, "-m", "mtfleet", "accounts", "wait", draft, "--for", "removed"]
    with subprocess.Popen(command, env=server.environment, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        assert "Waiting until removed" in waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        told = waiting.stderr.read()
        assert waiting.wait(timeout=10) == 130
    assert "The server goes on" in told
    assert "Traceback" not in told


def test_the_demonstration_ends_with_success(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MTFLEET_")}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mtfleet",
            "demo",
            "--once",
            "--port",
            "0",
            "--data-dir",
            str(tmp_path / "demo"),
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("Starting a server", "demo account", "Adding it", "Deploying it", "Watching prices"):
        assert word in done.stderr
    assert "MTFLEET_TOKEN" in done.stdout
    assert not (tmp_path / "demo" / "server.json").exists()


def test_the_demonstration_stays_up_until_it_is_told_to_end() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MTFLEET_")}
    command = [sys.executable, "-m", "mtfleet", "demo", "--port", "0"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stderr is not None
        assert demo.stdout is not None
        for line in demo.stderr:
            if "stays up" in line:
                break
        demo.send_signal(signal.SIGINT)
        told = demo.stdout.read()
        assert demo.wait(timeout=30) == 0, demo.stderr.read()
    [url] = re.findall(r"^(http://\S+) is up", told, re.MULTILINE)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=5)  # noqa: S310 - the demonstration's server


def test_the_demonstration_names_the_step_that_failed(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("in the way")
    done = subprocess.run(
        [sys.executable, "-m", "mtfleet", "demo", "--once", "--data-dir", str(tmp_path / "demo" / "x")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
