"""The administrator's commands on a data directory whose server does not run."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from mtfleet.clock import SystemClock
from mtfleet.store.sql import open_store

Run = Callable[..., Result]


@pytest.fixture
async def installed(tmp_path: Path) -> Path:
    """A data directory with a database, as a stopped server leaves it."""
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    store = await open_store(f"sqlite:///{directory / 'mtfleet.db'}", clock=SystemClock(), is_durable=False)
    await store.close()
    return directory


def test_a_user_is_made_listed_and_given_another_token(run: Run, installed: Path) -> None:
    where = ("--data-dir", str(installed))
    done = run("users", "create", "alice", "--json", *where)
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    assert set(made) == {"id", "name", "token"}
    assert made["token"].count(".") == 2
    [listed] = json.loads(run("users", "list", "--json", *where).stdout)
    assert (listed["id"], listed["name"]) == (made["id"], "alice")
    assert "token" not in listed
    another = json.loads(run("users", "issue-token", "alice", "--json", *where).stdout)["token"]
    assert another != made["token"]


def test_a_name_that_is_taken_and_a_user_that_is_not_there(run: Run, installed: Path) -> None:
    where = ("--data-dir", str(installed))
    assert run("users", "create", "alice", *where).exit_code == 0
    again = run("users", "create", "alice", "--json", *where)
    assert again.exit_code == 1
    assert json.loads(again.stderr)["error"] == "ConflictError"
    assert run("users", "issue-token", "bob", *where).exit_code == 5


async def test_keys_are_rotated(run: Run, installed: Path) -> None:
    where = ("--data-dir", str(installed))
    assert (await asyncio.to_thread(run, "users", "create", "alice", *where)).exit_code == 0
    before = await _data_keys(installed)
    done = await asyncio.to_thread(run, "vault", "rotate", "--json", *where)
    assert done.exit_code == 0, done.output
    assert set(json.loads(done.stdout)) == {"rewrapped"}
    assert await _data_keys(installed) != before


async def _data_keys(directory: Path) -> set[str]:
    store = await open_store(f"sqlite:///{directory / 'mtfleet.db'}", clock=SystemClock(), is_durable=False)
    try:
        async with store.reader() as tx:
            return set(await tx.secrets.data_keys())
    finally:
        await store.close()


def test_a_directory_without_data_is_named(run: Run, tmp_path: Path) -> None:
    done = run("users", "list", "--data-dir", str(tmp_path))
    assert done.exit_code == 3
    assert str(tmp_path) in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_the_servers_packages_it_says_what_to_install(
    run: Run, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtfleet.cli.server_packages.MODULES", ("surely_not_installed",))
    done = run("users", "list", "--data-dir", str(installed))
    assert done.exit_code == 1
    assert "mtfleet[server]" in done.stderr
