"""The whole program: start, stop, kill, two on one directory, a port that is taken."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mtfleet.testing.server import SERVE, RunningServer, ServerNotReady, running_server

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


def call(server: RunningServer, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
    """Call the API as a plain client does; returns the decoded body."""
    request = urllib.request.Request(  # noqa: S310 - our own address
        server.url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"auth-token": token or server.token, "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own address
        text = answer.read()
    return json.loads(text) if text else None


def test_it_serves_and_tells_where(server: RunningServer) -> None:
    assert call(server, "GET", "/users/current")["isAdministrator"] is True
    for name in ("admin.token", "master.key", "server.json"):
        assert os.stat(server.data_dir / name).st_mode & 0o777 == 0o600
    assert server.token not in server.log()
    page = urllib.request.urlopen(server.url + "/swagger/", timeout=30).read().decode()  # noqa: S310
    assert "/users/current/accounts" in page
    assert "<script" not in page


def test_a_second_server_on_the_directory_is_refused(server: RunningServer) -> None:
    done = subprocess.run(
        [*SERVE, "--data-dir", str(server.data_dir), "--port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Another server runs on the data directory" in done.stderr
    assert str(server.pid) in done.stderr
    assert "Traceback" not in done.stderr
    assert call(server, "GET", "/users/current")["name"] == "admin"


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = RunningServer(tmp_path / "data", ["--port", str(port)])
        with pytest.raises(ServerNotReady, match=f"can't listen on 127.0.0.1 port {port}"):
            refused.start()


def test_state_survives_a_kill_and_a_stop() -> None:
    with running_server() as server:
        made = call(server, "POST", "/admin/users", {"name": "trader"})
        server.kill()
        server.restart()
        who = call(server, "GET", "/users/current", token=made["token"])
        assert who == {"id": made["id"], "name": "trader", "isAdministrator": False}
        assert server.stop() == 0
        assert not (server.data_dir / "server.json").exists()


def test_a_lost_administrator_token_is_issued_again() -> None:
    with running_server() as server:
        first = server.token
        server.stop()
        (server.data_dir / "admin.token").unlink()
        server.restart()
        assert server.token != first
        assert call(server, "GET", "/users/current")["isAdministrator"] is True


def test_an_account_lives_through_the_api() -> None:
    with running_server() as server:
        wish = {"balance": 1000, "email": "a@example.com", "leverage": 100, "serverName": "Sandbox-MT5"}
        profiles = "/users/current/provisioning-profiles/default"
        demo = call(server, "POST", f"{profiles}/mt5-demo-accounts", wish)
        created = call(
            server,
            "POST",
            "/users/current/accounts",
            {
                "name": "A",
                "login": demo["login"],
                "password": demo["password"],
                "server": demo["serverName"],
                "platform": "mt5",
                "magic": 0,
            },
        )
        path = f"/users/current/accounts/{created['id']}"
        information = call(server, "GET", f"{path}/account-information")
        assert information["balance"] == 1000
        symbols = call(server, "GET", f"{path}/symbols")
        slashed = next(name for name in symbols if "/" in name)
        quoted = slashed.replace("/", "%2F").replace("#", "%23")
        assert call(server, "GET", f"{path}/symbols/{quoted}/current-price")["symbol"] == slashed
        server.kill()
        server.restart()
        assert call(server, "GET", f"{path}/account-information")["login"] == int(demo["login"])
        for place in (
            server.log(),
            *(p.read_bytes().decode("latin-1") for p in server.data_dir.glob("*.db*")),
        ):
            assert demo["password"] not in place


def test_the_second_signal_ends_at_once() -> None:
    with (
        running_server() as server,
        socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))) as slow,
    ):
        slow.sendall(b"POST /users/current/accounts HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n")
        slow.sendall(f"auth-token: {server.token}\r\n\r\n".encode())
        os.kill(server.pid, signal.SIGINT)
        os.kill(server.pid, signal.SIGTERM)
        assert server.wait(5) in {0, 128 + signal.SIGTERM, 128 + signal.SIGINT}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_everything_is_for_its_user_only_whatever_the_umask() -> None:
    before = os.umask(0)
    try:
        with running_server() as server:
            modes = {path: path.stat().st_mode & 0o777 for path in server.data_dir.rglob("*")}
            limits = Path(f"/proc/{server.pid}/limits").read_text(encoding="utf-8")
    finally:
        os.umask(before)
    assert len(modes) > 5
    assert [str(path) for path, mode in modes.items() if mode & 0o077] == []
    assert "0" in next(line for line in limits.splitlines() if line.startswith("Max core file size")).split()


def test_a_directory_that_everybody_may_write_into_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    done = subprocess.run(
        [*SERVE, "--data-dir", str(tmp_path), "--port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Every user of this machine" in done.stderr
    assert list(tmp_path.iterdir()) == []
