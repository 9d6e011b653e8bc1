"""Each fault that the doctor can find is made, found, and comes with what to do."""

import json
import os
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from mtfleet.clock import SystemClock
from mtfleet.store.sql import open_store
from mtfleet.testing.scripted_server import Reply, Script

Run = Callable[..., Result]
Examine = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("MTFLEET_")]:
        monkeypatch.delenv(name)


@pytest.fixture
async def installed(tmp_path: Path) -> Path:
    """A data directory as a stopped server leaves it."""
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    store = await open_store(f"sqlite:///{directory / 'mtfleet.db'}", clock=SystemClock(), is_durable=False)
    await store.close()
    for name in ("master.key", "admin.token"):
        (directory / name).write_text("x")
        (directory / name).chmod(0o600)
    return directory


@pytest.fixture
def examine(run: Run, installed: Path) -> Examine:
    """Run the doctor on that directory and return its findings by check."""

    def go(*, code: int, port: int = 0) -> dict[str, dict[str, Any]]:
        done = run("doctor", "--data-dir", str(installed), "--port", str(port), "--json")
        assert done.exit_code == code, done.output
        return {finding["check"]: finding for finding in json.loads(done.stdout)}

    return go


def test_nothing_is_wrong_with_a_fresh_one(run: Run, examine: Examine, installed: Path) -> None:
    found = examine(code=0)
    assert {f["verdict"] for f in found.values()} == {"ok"}
    assert "up to date" in found["database"]["said"]
    told = run("doctor", "--data-dir", str(installed), "--port", "0")
    assert "All well." in told.stdout


def test_a_directory_to_be_made_is_fine(run: Run, tmp_path: Path) -> None:
    done = run("doctor", "--data-dir", str(tmp_path / "new"), "--port", "0")
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "check"), [("master.key", "master key"), ("admin.token", "administrator's token")]
)
def test_a_secret_that_others_may_read(examine: Examine, installed: Path, name: str, check: str) -> None:
    (installed / name).chmod(0o644)
    finding = examine(code=1)[check]
    assert finding["verdict"] == "problem"
    assert "chmod 600" in finding["whatToDo"]


def test_a_lost_master_key(examine: Examine, installed: Path) -> None:
    (installed / "master.key").unlink()
    assert "backup" in examine(code=1)["master key"]["whatToDo"]


def test_a_directory_that_others_may_look_into(examine: Examine, installed: Path) -> None:
    installed.chmod(0o755)
    assert examine(code=0)["data directory"]["verdict"] == "warning"


def test_a_file_in_place_of_the_directory(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("doctor", "--data-dir", str(tmp_path / "file"), "--port", "0")
    assert done.exit_code == 1
    assert "is no directory" in done.stdout


def test_a_port_that_is_taken(examine: Examine) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        finding = examine(code=1, port=other.getsockname()[1])["port"]
    assert "--port" in finding["whatToDo"]


def test_a_database_of_a_newer_version(examine: Examine, installed: Path) -> None:
    connection = sqlite3.connect(installed / "mtfleet.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    assert "newer" in examine(code=1)["database"]["said"]


def test_a_damaged_database(examine: Examine, installed: Path) -> None:
    (installed / "mtfleet.db").write_bytes(b"this is no database" * 1000)
    assert examine(code=1)["database"]["verdict"] == "problem"


def test_a_database_that_does_not_answer(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTFLEET_DATABASE", "postgresql://someone:s3cret@127.0.0.1:9/none")
    finding = examine(code=1)["database"]
    assert finding["verdict"] == "problem"
    assert "s3cret" not in finding["said"]


def test_files_from_the_future_mean_that_the_clock_is_wrong(examine: Examine, installed: Path) -> None:
    os.utime(installed / "master.key", (4e9, 4e9))
    assert "from later" in examine(code=1)["clock"]["said"]


@pytest.mark.parametrize("text", ["[broken\n", "nonsense = 1\n"])
def test_a_brokers_file_that_is_not_right(
    examine: Examine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "brokers.toml"
    file.write_text(text)
    monkeypatch.setenv("MTFLEET_BROKERS", str(file))
    assert f"{file}" in examine(code=1)["brokers file"]["said"]
    file.unlink()
    assert "can't be read" in examine(code=1)["brokers file"]["said"]


def test_a_tick_file_that_is_not_right(
    examine: Examine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "brokers.toml"
    server = 'name = "A-1"\nplatform = "mt5"\ntimezone = "EET"'
    symbol = '[[brokers.servers.symbols]]\nname = "EURUSD"\nticks_file = "ticks.csv"'
    file.write_text(f'[[brokers]]\ncompany = "A"\n[[brokers.servers]]\n{server}\n{symbol}\n')
    monkeypatch.setenv("MTFLEET_BROKERS", str(file))
    assert "ticks of EURUSD can't be read" in examine(code=1)["brokers file"]["said"]
    (tmp_path / "ticks.csv").write_text("time,bid,ask\n1,1.2,1.1\n")
    assert "line 2: the ask 1.1 is below" in examine(code=1)["brokers file"]["said"]


def test_a_setting_that_is_not_valid(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTFLEET_PORT", "many")
    done = run("doctor")
    assert done.exit_code == 1
    assert "MTFLEET_PORT" in done.stdout


def test_a_running_server_is_asked(script: Script, examine: Examine, installed: Path) -> None:
    (installed / "server.json").write_text(json.dumps({"url": script.url, "pid": 1}))
    script.on("GET", "/readyz", Reply(200, {"status": "ok"}))
    script.on("GET", "/users/current", Reply(200, {"id": "u", "name": "admin"}))
    found = examine(code=0)
    assert "is ready" in found["server here"]["said"]
    assert "admin" in found["token for the server here"]["said"]
    assert "port" not in found
    script.on("GET", "/readyz", Reply(503, {"status": "unavailable"}))
    assert examine(code=1)["server here"]["verdict"] == "problem"


def test_a_killed_server_is_noticed(examine: Examine, installed: Path) -> None:
    (installed / "server.json").write_text('{"url": "http://127.0.0.1:9", "pid": 1}')
    assert examine(code=0)["server here"]["verdict"] == "warning"


def test_a_client_only_installation_is_told_how_to_run_a_server(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtfleet.cli.server_packages.MODULES", ("surely_not_installed",))
    finding = examine(code=0)["packages"]
    assert (finding["verdict"], "mtfleet[server]" in finding["whatToDo"]) == ("warning", True)
