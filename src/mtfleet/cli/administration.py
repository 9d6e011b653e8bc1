"""What an administrator does: over the API of a running server, or on a data directory while none runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from mtfleet.cli.exits import CommandError, ExitCode
from mtfleet.cli.output import Output
from mtfleet.cli.remote import Remote, data_dir_of, find_server


class Administration(Protocol):
    """The same few things either way."""

    def create_user(self, name: str, *, is_administrator: bool) -> dict[str, Any]:
        """Make a user; the answer holds `id`, `name` and `token`."""
        ...

    def users(self) -> list[dict[str, Any]]:
        """Return all users."""
        ...

    def issue_token(self, user: str, *, name: str | None, hours: float | None) -> str:
        """Issue a token to the user of that name or id."""
        ...

    def rotate(self) -> int:
        """Seal all secrets under a new data key; returns how many."""
        ...


class OverApi:
    """Through the administrator's routes of a running server."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def create_user(self, name: str, *, is_administrator: bool) -> dict[str, Any]:
        made: dict[str, Any] = self._remote.send(
            "POST", "/admin/users", {"name": name, "isAdministrator": is_administrator}
        )
        return made

    def users(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self._remote.get("/admin/users")
        return items

    def issue_token(self, user: str, *, name: str | None, hours: float | None) -> str:
        found = next((u for u in self.users() if user in (u["id"], u["name"])), None)
        if found is None:
            raise no_such_user(user)
        body = {"name": name, "validityInHours": hours}
        return str(self._remote.send("POST", f"/admin/users/{found['id']}/tokens", body)["token"])

    def rotate(self) -> int:
        return int(self._remote.send("POST", "/admin/vault/rotate")["rewrapped"])


def no_such_user(user: str) -> CommandError:
    """Return the error for a name or id that nobody has."""
    return CommandError(f"There is no user {user}.", ExitCode.NOT_FOUND, hint="See: mtfleet users list")


@contextmanager
def administration(
    out: Output, url: str | None, token_file: Path | None, data_dir: Path | None
) -> Iterator[Administration]:
    """Find the way: the server of `--url`, `--data-dir` or the environment; the directory itself while no
    server runs on it."""
    is_elsewhere = bool(url or (data_dir is None and os.environ.get("MTFLEET_URL")))
    directory = data_dir_of(data_dir)
    if not is_elsewhere and directory.is_dir() and not is_served(directory):
        from mtfleet.cli.on_store import on_store

        with on_store(directory) as local:
            yield local
        return
    remote = Remote(find_server(url, token_file, data_dir), out)
    try:
        yield OverApi(remote)
    finally:
        remote.close()


def is_served(directory: Path) -> bool:
    """Tell whether a server answers for this data directory; a file left by a killed one does not count."""
    import json
    import socket
    from urllib.parse import urlsplit

    try:
        url = json.loads((directory / "server.json").read_text(encoding="utf-8"))["url"]
        there = urlsplit(url)
        with socket.create_connection((there.hostname, there.port or 80), timeout=1):
            return True
    except (OSError, ValueError, KeyError, TypeError):
        return False
