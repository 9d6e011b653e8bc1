"""The page on the command line tells of every command, and it starts fast for lack of heavy imports."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from mtfleet.cli.exits import ExitCode
from mtfleet.cli.main import app

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_page_is_what_the_commands_say() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "cli_reference.py")], capture_output=True, text=True, check=True
    )
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert page == done.stdout, "run: python docs/cli_reference.py --write"


def test_the_page_tells_every_exit_code() -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert [code for code in ExitCode if f"| {int(code)} | " not in page] == []


def test_every_command_teaches() -> None:
    for group in typer.main.get_command(app).commands.values():  # type: ignore[attr-defined]  # the root is a group
        for command in getattr(group, "commands", {"": group}).values():
            assert command.help, command.name
            assert "mtfleet " in (command.epilog or ""), command.name
            for parameter in command.params:
                if parameter.param_type_name == "option":
                    assert parameter.help, (command.name, parameter.name)


def test_help_brings_in_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from mtfleet.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'httpx2', 'msgspec', 'asyncio', 'litestar', 'sqlalchemy', 'structlog', 'cryptography'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert "Usage: " in done.stdout


@pytest.mark.parametrize("arguments", [["--version"], ["accounts", "--help"]])
def test_it_runs_as_a_module(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mtfleet", *arguments],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    assert "mtfleet" in done.stdout


def test_shells_complete_commands() -> None:
    asking = {"_MTFLEET_COMPLETE": "complete_bash", "COMP_WORDS": "mtfleet acc", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mtfleet"],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"} | asking,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["accounts"]
