"""An administrator's work on a data directory whose server does not run. Needs the server's packages."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mtfleet.cli.administration import no_such_user
from mtfleet.cli.exits import CommandError, ExitCode
from mtfleet.cli.server_packages import require_server_packages

if TYPE_CHECKING:
    from mtfleet.security.tokens import Tokens
    from mtfleet.security.users import Users
    from mtfleet.security.vault import Vault

T = TypeVar("T")


class Parts:
    """What the work needs of a server, built on an open store."""

    def __init__(self, vault: "Vault", tokens: "Tokens", users: "Users") -> None:
        self.vault = vault
        self.tokens = tokens
        self.users = users


class OnStore:
    """Opens the store for each piece of work, so that nothing is held open while a person reads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def create_user(self, name: str, *, is_administrator: bool) -> dict[str, Any]:
        async def work(parts: Parts) -> dict[str, Any]:
            user, token = await parts.users.create(name, is_administrator=is_administrator)
            return {"id": user.id, "name": user.name, "token": token}

        return self._do(work)

    def users(self) -> list[dict[str, Any]]:
        from mtfleet.wire.json import to_builtins

        async def work(parts: Parts) -> list[dict[str, Any]]:
            return [to_builtins(user) for user in await parts.users.all()]

        return self._do(work)

    def issue_token(self, user: str, *, name: str | None, hours: float | None) -> str:
        async def work(parts: Parts) -> str:
            found = next((u for u in await parts.users.all() if user in (u.id, u.name)), None)
            if found is None:
                raise no_such_user(user)
            return await parts.tokens.issue(found, name=name, validity_hours=hours)

        return self._do(work)

    def rotate(self) -> int:
        return self._do(lambda parts: parts.vault.rotate())

    def _do(self, work: Callable[[Parts], Awaitable[T]]) -> T:
        from mtfleet.domain.errors import MtfleetError

        try:
            return asyncio.run(_with_parts(self._directory, work))
        except MtfleetError as problem:
            raise CommandError(
                problem.message, error=problem.name, details=_plain(problem.details)
            ) from problem


def _plain(details: Any) -> Any:
    from mtfleet.wire.json import to_builtins

    return to_builtins(details)


async def _with_parts(directory: Path, work: Callable[[Parts], Awaitable[T]]) -> T:
    from mtfleet.cli.installation import database_url, key_source
    from mtfleet.clock import SystemClock
    from mtfleet.security.tokens import Tokens
    from mtfleet.security.users import Users
    from mtfleet.security.vault import Vault
    from mtfleet.settings import Settings
    from mtfleet.store.sql import open_store

    settings = Settings.read(os.environ, {"data_dir": directory})
    clock = SystemClock()
    store = await open_store(database_url(settings), clock=clock)
    try:
        vault = await Vault.open(store, key_source(settings), clock=clock)
        tokens = Tokens(store, vault, clock)
        return await work(Parts(vault, tokens, Users(store, tokens, clock)))
    finally:
        await store.close()


@contextmanager
def on_store(directory: Path) -> Iterator[OnStore]:
    """Work on the store of a data directory. Raises `CommandError` when there is none in it."""
    require_server_packages()
    if not (directory / "mtfleet.db").exists() and not os.environ.get("MTFLEET_DATABASE"):
        raise CommandError(
            f"There is no server's data in {directory}, and no server runs on it.",
            ExitCode.UNREACHABLE,
            hint=f"The first start makes it: mtfleet serve --data-dir {directory}",
        )
    from mtfleet.security.logging import configure

    configure(as_json=False, level="WARNING", stream=sys.stderr)  # standard output is for the answer alone
    yield OnStore(directory)
