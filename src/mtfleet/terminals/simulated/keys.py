"""The key of a data directory: it makes passwords from requests and hashes them."""

import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from mtfleet.domain.secret import Secret
from mtfleet.terminals.base import TerminalStartFailed
from mtfleet.terminals.simulated.journal import sync_directory

_SIZE: Final = 32
_LOWER, _UPPER, _DIGITS = "abcdefghijkmnpqrstuvwxyz", "ABCDEFGHJKLMNPQRSTUVWXYZ", "23456789"
_SIGNS = "!@#*_-"
_LENGTH = 12


class PasswordKey:
    """Passwords are a function of key and request, so that the answer to a lost request can be given again.

    Hashes are HMAC-SHA-256 with this key and the account's salt. That is cheap on purpose: the accounts are
    simulated,
    ten thousand of them log in within seconds, and a stolen journal is of no use without the key.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def load(cls, path: Path, *, may_create: bool) -> "PasswordKey":
        """Read the key, or make it on first use (mode 0600). Blocking.

        Raises `TerminalStartFailed` when it is missing though accounts exist, or is not a key.
        """
        if not path.exists():
            if not may_create:
                raise TerminalStartFailed(
                    f"The key {path} of the simulated brokers is missing; without it no account can log "
                    "in. Restore it from a backup."
                )
            _create(path)
        key = path.read_bytes()
        if len(key) != _SIZE:
            raise TerminalStartFailed(f"{path} is not a key of {_SIZE} bytes. Restore it from a backup.")
        return cls(key)

    @property
    def fingerprint(self) -> bytes:
        """Eight bytes that tell keys apart and reveal nothing of them."""
        return self._derive("fingerprint")[:8]

    def salt(self, server: str, request_id: str) -> bytes:
        """Return the salt of the account that is opened for a request."""
        return self._derive("salt", server, request_id)[:16]

    def password(self, server: str, request_id: str, kind: str) -> Secret:
        """Return the password of one kind (`master`, `investor`) of the account that a request opens."""
        material = int.from_bytes(self._derive("password", kind, server, request_id), "big")
        alphabets = [_LOWER, _UPPER, _DIGITS, _SIGNS] + [_LOWER + _UPPER + _DIGITS] * (_LENGTH - 4)
        characters: list[str] = []
        for alphabet in alphabets:
            material, index = divmod(material, len(alphabet))
            characters.append(alphabet[index])
        for last in range(_LENGTH - 1, 0, -1):
            material, index = divmod(material, last + 1)
            characters[last], characters[index] = characters[index], characters[last]
        return Secret("".join(characters))

    def digest(self, password: Secret, salt: bytes) -> bytes:
        """Return the keyed hash of a password."""
        return hmac.digest(self._key, b"digest\0" + salt + b"\0" + password.reveal().encode(), "sha256")

    def _derive(self, *parts: str) -> bytes:
        return hmac.digest(self._key, "\0".join(parts).encode(), "sha256")


def _create(path: Path) -> None:
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(_SIZE))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    sync_directory(path.parent)
