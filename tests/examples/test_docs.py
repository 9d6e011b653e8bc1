"""Every code block of the README, the tutorials and how-to guides that is marked as runnable runs, against a
real server."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mtfleet.testing.server import RunningServer

ROOT = Path(__file__).resolve().parents[2]
RUNNABLE = re.compile(r"^<!-- runnable -->\n+```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    """Return place and code of every runnable block."""
    return [
        (f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, match.start(1)) + 1}", match[1])
        for page in (
            ROOT / "README.md",
            *sorted((ROOT / "docs/tutorial").rglob("*.md")),
            *sorted((ROOT / "docs/how-to").rglob("*.md")),
        )
        for text in [page.read_text(encoding="utf-8")]
        for match in RUNNABLE.finditer(text)
    ]


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial/first-account.md"])
def test_the_page_has_examples_that_are_run(page: str) -> None:
    assert any(place.startswith(page) for place, _ in blocks())


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
