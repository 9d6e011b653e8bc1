"""Which server and which token a command uses, and that a token goes nowhere else."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from mtfleet.testing.scripted_server import Reply, Script

Run = Callable[..., Result]
REGIONS = "/users/current/regions"


@pytest.fixture
def local(script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The data directory of a running server; the environment names none."""
    monkeypatch.delenv("MTFLEET_URL")
    monkeypatch.delenv("MTFLEET_TOKEN")
    script.on("GET", REGIONS, Reply(200, ["here"]))
    directory = tmp_path / "data"
    directory.mkdir()
    (directory / "server.json").write_text(json.dumps({"url": script.url, "pid": 1}))
    (directory / "admin.token").write_text("admin-token\n")
    return directory


def test_the_data_directory_gives_address_and_token(script: Script, run: Run, local: Path) -> None:
    assert run("regions", "list", "--data-dir", str(local)).stdout == "here\n"
    assert script.sent[0].headers["auth-token"] == "admin-token"


def test_the_default_directory_is_found(
    script: Script, run: Run, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTFLEET_DATA_DIR", str(local))
    assert run("regions", "list").exit_code == 0
    monkeypatch.delenv("MTFLEET_DATA_DIR")
    local.rename(local.parent / ".mtfleet")
    assert run("regions", "list").exit_code == 0
    assert [s.headers["auth-token"] for s in script.sent] == ["admin-token"] * 2


def test_a_named_directory_wins_over_the_environment(
    script: Script, run: Run, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTFLEET_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("MTFLEET_TOKEN", "other")
    assert run("regions", "list", "--data-dir", str(local)).exit_code == 0
    assert script.sent[0].headers["auth-token"] == "admin-token"


def test_a_token_of_the_environment_is_used_on_the_default_directory(
    script: Script, run: Run, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTFLEET_DATA_DIR", str(local))
    monkeypatch.setenv("MTFLEET_TOKEN", "narrow")
    assert run("regions", "list").exit_code == 0
    assert script.sent[0].headers["auth-token"] == "narrow"


def test_the_administrators_token_is_never_sent_to_a_named_address(
    script: Script, run: Run, local: Path
) -> None:
    done = run("regions", "list", "--url", script.url, "--data-dir", str(local))
    assert done.exit_code == 4
    assert "no token" in done.stderr
    assert script.sent == []


def test_a_token_file(script: Script, run: Run, local: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.token"
    file.write_text("mine\n")
    assert run("regions", "list", "--url", script.url, "--token-file", str(file)).exit_code == 0
    assert script.sent[0].headers["auth-token"] == "mine"
    assert run("regions", "list", "--url", script.url, "--token-file", "missing").exit_code == 4


def test_no_server_known(run: Run) -> None:
    done = run("regions", "list")
    assert done.exit_code == 3
    assert "mtfleet serve" in done.stderr


def test_nobody_answers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTFLEET_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("MTFLEET_TOKEN", "t0ken")
    done = run("regions", "list", "--json")
    assert done.exit_code == 3
    told = json.loads(done.stderr)
    assert told["error"] == "UNREACHABLE"
    assert "t0ken" not in done.stderr


def test_an_address_that_is_none(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTFLEET_URL", "nonsense")
    monkeypatch.setenv("MTFLEET_TOKEN", "t0ken")
    done = run("regions", "list")
    assert done.exit_code in {2, 3}
    assert "Traceback" not in done.output
