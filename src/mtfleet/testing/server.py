"""A real `mtfleet serve` in a process of its own, on a free port and a directory of its own.

`with running_server() as server:` gives one that is ready; it can be killed and started again.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

READY_SECONDS = 30.0
STOP_SECONDS = 20.0
_LOOK_SECONDS = 0.02
SERVE = (sys.executable, "-m", "mtfleet", "serve")
"""The program as a user runs it."""


class ServerNotReady(AssertionError):
    """The server did not become ready; the message holds what it wrote."""


class RunningServer:
    """A server process. Its directory outlives it, so that it can be started again."""

    def __init__(
        self, data_dir: Path, flags: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self.data_dir = data_dir
        self._flags = list(flags)
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.log_file = data_dir.with_name(data_dir.name + ".log")

    @property
    def url(self) -> str:
        """Where it listens now; another port after each start unless a flag sets one."""
        known = json.loads((self.data_dir / "server.json").read_text(encoding="utf-8"))
        return str(known["url"])

    @property
    def token(self) -> str:
        """The administrator's."""
        return (self.data_dir / "admin.token").read_text(encoding="utf-8").strip()

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to find it."""
        return {**os.environ, "MTFLEET_URL": self.url, "MTFLEET_TOKEN": self.token}

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server was not started"  # noqa: S101 - for tests
        return self._process.pid

    def start(self) -> None:
        """Start it and return when `/readyz` says so. Raises `ServerNotReady`."""
        (self.data_dir / "server.json").unlink(missing_ok=True)  # left by a killed one
        command = [*SERVE, "--data-dir", str(self.data_dir), "--port", "0", *self._flags]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MTFLEET_")}
        with self.log_file.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**kept, **self._environment},
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise ServerNotReady(f"The server is not ready. It wrote:\n{self.log()}")
            time.sleep(_LOOK_SECONDS)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:  # noqa: S310 - our own address
                return bool(answer.status == 200)
        except (OSError, ValueError, urllib.error.URLError):
            return False

    def stop(self) -> int:
        """Ask it to stop and return its exit code; kill it when it does not stop in time."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def wait(self, seconds: float) -> int:
        """Return the exit code once it has ended; raises `subprocess.TimeoutExpired`."""
        return self._process.wait(seconds) if self._process else 0

    def kill(self) -> None:
        """End it as a power cut would (`kill -9`)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Let it stand still, as a paused virtual machine does."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Start it again on its directory, whatever ended it."""
        if self._process is not None and self._process.poll() is None:
            self.stop()
        self.start()

    def log(self) -> str:
        """Return all that it wrote, over all its starts."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def events(self, *names: str) -> list[dict[str, Any]]:
        """Return the events of these names, in order, of a server with the flags `--log-format json`."""
        lines = [line for line in self.log().splitlines() if line.startswith("{") and line.endswith("}")]
        return [event for event in map(json.loads, lines) if event.get("event") in names]


@contextmanager
def running_server(
    *, flags: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Iterator[RunningServer]:
    """Give a server that is ready, and end it afterwards. `flags` are those of `mtfleet serve`."""
    with tempfile.TemporaryDirectory(prefix="mtfleet-server-") as directory:
        server = RunningServer(Path(directory, "data"), flags, environment)
        try:
            server.start()
            yield server
        finally:
            if server._process is not None and server._process.poll() is None:
                server.kill()
