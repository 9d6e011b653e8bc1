"""The command line, run in this process against a scripted server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mtfleet.cli.main import app
from mtfleet.testing.scripted_server import Script, serve_script


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No server, token or password of whoever runs the tests."""
    for name in ("MTFLEET_URL", "MTFLEET_TOKEN", "MTFLEET_DATA_DIR", "MTFLEET_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, _clean_environment: None) -> Iterator[Script]:
    """A scripted server that MTFLEET_URL points at."""
    with serve_script() as script:
        monkeypatch.setenv("MTFLEET_URL", script.url)
        monkeypatch.setenv("MTFLEET_TOKEN", "token-of-a-test")
        yield script


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run `mtfleet …` in this process."""

    def go(*arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), input=typed)

    return go
