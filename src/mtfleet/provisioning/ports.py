"""What adding accounts needs of its neighbours, so that others can stand in for them."""

from collections.abc import Iterable
from typing import Protocol

from mtfleet.domain.ids import AccountId
from mtfleet.domain.secret import Secret


class Sealer(Protocol):
    """The part of the vault that is used here."""

    def seal(self, secret: Secret, *, table: str, record_id: str, field: str) -> bytes:
        """Return the secret encrypted for one field of one record."""
        ...

    async def open_secret(self, sealed: bytes, *, table: str, record_id: str, field: str) -> Secret:
        """Return what was sealed for that field of that record."""
        ...

    def keyed_hash(self, data: bytes, purpose: str) -> str:
        """Return a hash that can't be recomputed without the vault's key."""
        ...


class Waker(Protocol):
    """The part of the fleet that is used here."""

    def wake(self, account_ids: Iterable[AccountId], /) -> None:
        """Say that the desired state of these has changed; never blocks."""
        ...
