"""Users: who owns accounts and profiles. Made by an administrator; each starts with one token."""

import secrets
from typing import Final

from mtfleet.domain.access import Caller, User
from mtfleet.domain.errors import invalid
from mtfleet.domain.ids import UserId
from mtfleet.domain.values import Clock
from mtfleet.security.audit import Recorder, record
from mtfleet.security.records import Store
from mtfleet.security.tokens import Tokens

MAX_NAME_CHARACTERS: Final = 100


class Users:
    """Makes and finds users. Who may do so is checked where it is called from."""

    def __init__(self, store: Store, tokens: Tokens, clock: Clock, audit: Recorder = record) -> None:
        self._store = store
        self._tokens = tokens
        self._clock = clock
        self._record = audit

    async def create(
        self, name: str, *, is_administrator: bool = False, caller: Caller | None = None
    ) -> tuple[User, str]:
        """Make a user and its first token, which is shown only now.

        `caller` is who asked, for the audit log. Raises `ValidationError` for a name that is no name, and
        `ConflictError` when it is taken.
        """
        if not 1 <= len(name) <= MAX_NAME_CHARACTERS or name != name.strip() or not name.isprintable():
            raise invalid(
                "name",
                f"must have 1 to {MAX_NAME_CHARACTERS} printable characters, no spaces around them",
                name,
            )
        user = User(
            id=UserId(secrets.token_hex(16)),
            name=name,
            is_administrator=is_administrator,
            created_at=self._clock.now(),
        )
        async with self._store.transaction() as tx:
            await tx.users.add(user)
            await self._record(
                tx,
                self._clock,
                caller,
                "user.created",
                entity="user",
                entity_id=user.id,
                details={"name": name, "isAdministrator": is_administrator},
            )
            token = await self._tokens.issue_within(tx, user, name="first token", caller=caller)
        return user, token

    async def all(self) -> list[User]:
        """List all users by creation."""
        async with self._store.reader() as tx:
            users = await tx.users.all()
        return sorted(users, key=lambda user: (user.created_at, user.id))

    async def named(self, name: str) -> User | None:
        """Find a user by name."""
        async with self._store.reader() as tx:
            return await tx.users.named(name)

    async def get(self, user_id: UserId) -> User | None:
        """Find a user by id."""
        async with self._store.reader() as tx:
            return await tx.users.get(user_id)
