"""Every code block of the tutorials and how-to guides that is marked as runnable runs, against a real
server."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mtfleet.testing.running_server import RunningServer

ROOT = Path(__file__).resolve().parents[2]
RUNNABLE = re.compile(r"^<!-- runnable -->\n+```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    """Return place and code of every runnable block."""
    return [
        (f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, match.start(1)) + 1}", match[1])
        for directory in ("docs/tutorial", "docs/how-to")
        for page in sorted((ROOT / directory).rglob("*.md"))
        for text in [page.read_text(encoding="utf-8")]
        for match in RUNNABLE.finditer(text)
    ]


def test_the_tutorial_has_examples_that_are_run() -> None:
    assert any(place.startswith("docs/tutorial/first-account.md") for place, _ in blocks())


@pytest.mark.e2e
@pytest.mark.parametrize("code", [pytest.param(code, id=place) for place, code in blocks()])
def test_example(code: str, server: RunningServer, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env=server.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()
