"""How long a person waits: `mtfleet --help`, and from `mtfleet serve` to ready."""

import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from bench.table import Row

_ROUNDS = 9
_READY_LIMIT_SECONDS = 30.0


def rows() -> list[Row]:
    """Measure both, each beside what Python itself takes."""
    bare = _median_seconds([sys.executable, "-c", "pass"])
    typer = _median_seconds([sys.executable, "-c", "import typer"])
    shown = _median_seconds([sys.executable, "-m", "mtfleet", "--help"])
    imported = _median_seconds([sys.executable, "-c", "import mtfleet; mtfleet.MetaApi"])
    first, again = _ready_seconds()
    return [
        Row(
            what="mtfleet --help",
            value=shown,
            unit="s",
            aim="<= 0.2 s",
            note=f"bare Python {bare:.3f} s, with typer {typer:.3f} s",
        ),
        Row(
            what="from mtfleet import MetaApi",
            value=imported,
            unit="s",
            aim="",
            note="includes Python's own start",
        ),
        Row(
            what="mtfleet serve to ready, first start (keys, tables, token)",
            value=first,
            unit="s",
            aim="<= 1.5 s",
            note="until GET /readyz answers 200",
        ),
        Row(
            what="mtfleet serve to ready, later start",
            value=again,
            unit="s",
            aim="<= 1.5 s",
            note="median of 3",
        ),
    ]


def _median_seconds(command: list[str]) -> float:
    taken = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def _ready_seconds() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as directory:
        first = _start_once(Path(directory))
        return first, statistics.median(_start_once(Path(directory)) for _ in range(3))


def _start_once(data_dir: Path) -> float:
    command = [sys.executable, "-m", "mtfleet", "serve", "--data-dir", str(data_dir), "--port", "0"]
    started = time.perf_counter()
    with (
        (data_dir / "bench.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as server,
    ):
        try:
            while not _is_ready(data_dir):
                if server.poll() is not None or time.perf_counter() - started > _READY_LIMIT_SECONDS:
                    raise RuntimeError((data_dir / "bench.log").read_text())
                time.sleep(0.005)
            return time.perf_counter() - started
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=20)


def _is_ready(data_dir: Path) -> bool:
    try:
        url = json.loads((data_dir / "server.json").read_text())["url"]
        with urllib.request.urlopen(f"{url}/readyz", timeout=1) as answer:  # noqa: S310 - our server  # noqa: S310 - our own server
            return bool(answer.status == 200)
    except (FileNotFoundError, json.JSONDecodeError, urllib.error.URLError, ConnectionError):
        return False
