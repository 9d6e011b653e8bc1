"""A real server for tests, started as people start it: the command `mtfleet serve` as a process of its own.

For tests that kill and restart a server there is `mtfleet.testing.server`.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

READY_SECONDS = 60.0


@dataclass(frozen=True)
class RunningServer:
    """Where a server is, and its administrator's token."""

    url: str
    token: str
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to find it."""
        return {**os.environ, "MTFLEET_URL": self.url, "MTFLEET_TOKEN": self.token}


class ServerNotReady(Exception):
    """`mtfleet serve` ended or did not answer in time; the text is what it wrote."""


@contextmanager
def running_server(data_dir: Path, *arguments: str) -> Iterator[RunningServer]:
    """Run `mtfleet serve` on a free port with `data_dir` until the block ends. Raises `ServerNotReady`."""
    log = data_dir / "serve.log"
    command = [
        sys.executable,
        "-m",
        "mtfleet",
        "serve",
        "--data-dir",
        str(data_dir),
        "--port",
        "0",
        *arguments,
    ]
    # What the developer's own environment says about a server must not reach this one.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MTFLEET_")}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=kept)  # noqa: S603 - our own program
        try:
            url = _wait_until_ready(process, data_dir, log)
            yield RunningServer(url, (data_dir / "admin.token").read_text().strip(), log)
        finally:
            _stop(process)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_ready(process: "subprocess.Popen[bytes]", data_dir: Path, log: Path) -> str:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            url: str = json.loads((data_dir / "server.json").read_text())["url"]
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):  # noqa: S310 - our own server
                return url
        except (FileNotFoundError, json.JSONDecodeError, urllib.error.URLError, ConnectionError):
            time.sleep(0.02)
    raise ServerNotReady(log.read_text())
