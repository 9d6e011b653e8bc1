"""What `mtfleet doctor` checks: each check is one function that returns what it found."""

import asyncio
import os
import shutil
import socket
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mtfleet.cli.administration import is_served
from mtfleet.cli.exits import CommandError
from mtfleet.cli.output import Output
from mtfleet.cli.remote import Address, Remote, find_server
from mtfleet.cli.server_packages import INSTALL, missing

if TYPE_CHECKING:
    from mtfleet.settings import Settings
    from mtfleet.simulator.catalogue import ServerDefinition

_LITTLE_SPACE = 1 << 30
_NO_SPACE = 100 << 20
_CONNECT_SECONDS = 10.0
_CLOCK_TOLERANCE_SECONDS = 60.0
_WRITTEN_IN = 2026
"""A clock that shows an earlier year than this program's is wrong."""


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """What one check found, and what to do if it is not fine."""

    check: str
    verdict: Verdict
    said: str
    what_to_do: str | None = None


def ok(check: str, said: str) -> Finding:
    return Finding(check, Verdict.OK, said)


def warning(check: str, said: str, what_to_do: str) -> Finding:
    return Finding(check, Verdict.WARNING, said, what_to_do)


def problem(check: str, said: str, what_to_do: str) -> Finding:
    return Finding(check, Verdict.PROBLEM, said, what_to_do)


def examine(data_dir: Path | None, port: int | None, out: Output) -> Iterator[Finding]:
    """Run every check that makes sense here, cheapest first."""
    from mtfleet.settings import Settings, SettingsError

    yield _python()
    yield _packages()
    yield _timezones()
    try:
        settings = Settings.read(os.environ, {"data_dir": data_dir, "port": port})
    except SettingsError as wrong:
        yield problem(
            "settings", wrong.message, "Correct the variable; docs/reference/settings.md lists them."
        )
        return
    directory = settings.data_dir.expanduser().absolute()
    yield _directory(directory)
    yield _space(directory)
    yield from _private_files(settings, directory)
    yield _clock(directory)
    if settings.brokers is not None:
        yield _brokers(settings.brokers)
    running = is_served(directory)
    if not running:
        yield _port(settings.host, settings.port)
    if not missing():
        yield _database(settings, directory)
    yield from _servers(directory, out, is_running=running)


def _python() -> Finding:
    text = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    if sys.implementation.name != "cpython":
        return warning("python", f"{sys.implementation.name} {text}", "mtfleet is tested on CPython only.")
    return ok("python", text)


def _packages() -> Finding:
    if names := missing():
        return warning(
            "packages",
            f"client only: {', '.join(names)} not installed",
            f"Enough to use a server elsewhere. To run one here: {INSTALL}",
        )
    return ok("packages", f"mtfleet {version('mtfleet')} with the server's packages")


def _timezones() -> Finding:
    try:
        ZoneInfo("Europe/London"), ZoneInfo("America/New_York"), ZoneInfo("EET")
    except (ZoneInfoNotFoundError, OSError):
        return problem("time zones", "there is no time zone database", "pip install tzdata")
    return ok("time zones", "the database is there")


def _directory(directory: Path) -> Finding:
    if not directory.exists():
        parent = next(p for p in directory.parents if p.exists())
        if os.access(parent, os.W_OK):
            return ok("data directory", f"{directory} is not there yet; the first start makes it")
        return problem(
            "data directory", f"{directory} can't be made in {parent}", "Choose another one with --data-dir."
        )
    if not directory.is_dir():
        return problem(
            "data directory", f"{directory} is no directory", "Choose another one with --data-dir."
        )
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        return problem(
            "data directory", f"{directory} is not writable for you", f"chown or chmod {directory}"
        )
    mode = stat.S_IMODE(directory.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        return warning(
            "data directory", f"others may look into {directory} (mode {mode:04o})", f"chmod 700 {directory}"
        )
    return ok("data directory", str(directory))


def _space(directory: Path) -> Finding:
    there = next(p for p in (directory, *directory.parents) if p.exists())
    free = shutil.disk_usage(there).free
    said = f"{free / (1 << 30):.1f} GiB free at {there}"
    if free < _NO_SPACE:
        return problem("disk space", said, "Free some: a full disk stops every change.")
    if free < _LITTLE_SPACE:
        return warning("disk space", said, "Free some soon: a full disk stops every change.")
    return ok("disk space", said)


def _private_files(settings: "Settings", directory: Path) -> Iterator[Finding]:
    key = directory / "master.key"
    if settings.key_source.startswith("file:"):
        key = Path(settings.key_source.removeprefix("file:")).expanduser()
    has_data = settings.database is not None or (directory / "mtfleet.db").exists()
    if settings.key_source.startswith("file"):
        yield _private_file("master key", key, is_needed=has_data)
    else:
        yield ok(
            "master key", f"comes from {settings.key_source.partition(':')[0]}, checked when a server starts"
        )
    if (directory / "admin.token").exists():
        yield _private_file("administrator's token", directory / "admin.token", is_needed=False)


def _private_file(check: str, file: Path, *, is_needed: bool) -> Finding:
    if not file.exists():
        if is_needed:
            return problem(
                check,
                f"{file} is missing",
                "Bring it back from a backup: without it no stored password opens.",
            )
        return ok(check, f"{file} is made at the first start")
    mode = stat.S_IMODE(file.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        return problem(check, f"others may read {file} (mode {mode:04o})", f"chmod 600 {file}")
    if not os.access(file, os.R_OK):
        return problem(
            check, f"{file} is not readable for you", f"chown it to the user that runs the server: {file}"
        )
    return ok(check, str(file))


def _clock(directory: Path) -> Finding:
    """A wrong clock spoils tokens, links and the detection of a broker's time zone."""
    from mtfleet.clock import SystemClock

    now = SystemClock().now()
    advice = "Set the clock and let it be kept (NTP): tokens, links and time zone detection rely on it."
    if now.year < _WRITTEN_IN:
        return problem("clock", f"it is {now.to_wire()} here", advice)
    files = [p for p in directory.glob("*") if p.is_file()] if os.access(directory, os.R_OK | os.X_OK) else []
    newest = max((f.stat().st_mtime for f in files), default=0.0)
    if newest > now.timestamp() + _CLOCK_TOLERANCE_SECONDS:
        return problem("clock", f"it is {now.to_wire()} here, but {directory} has files from later", advice)
    return ok("clock", now.to_wire())


def _brokers(file: Path) -> Finding:
    from mtfleet.simulator.brokers_file import BrokersFileError, read_brokers

    try:
        catalogue = read_brokers(file.read_text(encoding="utf-8"), str(file))
        if not missing():
            _read_tick_files(catalogue.servers.values(), file.parent)
    except (OSError, UnicodeDecodeError) as wrong:
        return problem(
            "brokers file", f"{file} can't be read: {_first_line(wrong)}", "Check MTFLEET_BROKERS."
        )
    except BrokersFileError as wrong:
        return problem("brokers file", wrong.message, "Correct that line.")
    return ok("brokers file", str(file))


def _read_tick_files(servers: "Iterable[ServerDefinition]", directory: Path) -> None:
    from mtfleet.terminals.simulated.tick_files import recorded_feeds

    for server in servers:
        recorded_feeds(server, directory)


def _port(host: str, port: int) -> Finding:
    if port == 0:
        return ok("port", "any free one")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        if os.name != "nt":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as wrong:
            return problem(
                "port",
                f"{host}:{port} can't be used: {wrong.strerror}",
                "Stop what uses it, or choose another with --port.",
            )
    return ok("port", f"{host}:{port} is free")


def _database(settings: "Settings", directory: Path) -> Finding:
    from mtfleet.cli.installation import database_url
    from mtfleet.store.migrations import REVISIONS

    if settings.database is None and not (directory / "mtfleet.db").exists():
        return ok("database", "not there yet; the first start makes it")
    try:
        found = asyncio.run(_revision(database_url(settings)))
    except Exception as wrong:  # whatever keeps it from answering is the finding
        return problem(
            "database", f"it can't be read: {_first_line(wrong)}", "Check its address, rights and server."
        )
    if found is None:
        return ok("database", "empty; the first start makes its tables")
    if found not in REVISIONS:
        return problem(
            "database",
            f"a newer mtfleet made it (revision {found})",
            "Start that version, or restore a backup.",
        )
    if found != REVISIONS[-1]:
        return ok("database", f"revision {found}; the next start brings it to {REVISIONS[-1]}")
    return ok("database", f"revision {found}, up to date")


async def _revision(url: str) -> str | None:
    """Read the revision without changing anything; SQLite's own check of its file included."""
    from sqlalchemy import text
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    parsed = make_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    engine = create_async_engine(
        parsed.set(drivername="sqlite+aiosqlite" if is_sqlite else "postgresql+asyncpg"), poolclass=NullPool
    )
    async with asyncio.timeout(_CONNECT_SECONDS), engine.connect() as connection:
        if is_sqlite:
            said = await connection.scalar(text("PRAGMA quick_check(1)"))
            if said != "ok":
                raise OSError(f"its file is damaged ({said}); restore a backup")
        try:
            found: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
        except SQLAlchemyError:
            return None
        return found


def _first_line(wrong: Exception) -> str:
    return (str(wrong) or type(wrong).__name__).splitlines()[0]


def _servers(directory: Path, out: Output, *, is_running: bool) -> Iterator[Finding]:
    if is_running:
        yield from _server("server here", lambda: find_server(None, None, directory), out)
    elif (directory / "server.json").exists():
        yield warning(
            "server here",
            f"{directory / 'server.json'} tells of one, but nobody answers: killed, or just starting",
            f"Start it again: mtfleet serve --data-dir {directory}",
        )
    else:
        yield ok("server here", "none runs on this data directory")
    if url := os.environ.get("MTFLEET_URL"):
        yield from _server("server at MTFLEET_URL", lambda: find_server(url, None, None), out)


def _server(check: str, find: Callable[[], Address], out: Output) -> Iterator[Finding]:
    try:
        address = find()
    except CommandError as wrong:
        yield problem(check, wrong.message, wrong.hint or "See docs/reference/cli.md.")
        return
    remote = Remote(address, out)
    try:
        remote.get("/readyz")
        yield ok(check, f"{address.url} is ready")
        user = remote.get("/users/current")
        yield ok(f"token for the {check}", f"is valid, of the user {user['name']}")
    except CommandError as wrong:
        yield problem(check, f"{address.url}: {wrong.message}", wrong.hint or "Its log has the reason.")
    finally:
        remote.close()
