"""Where the vault's master key (the key-encryption key) comes from: a file, the environment or a command.

The master key only wraps data keys. It is 32 random bytes, written as base64; `openssl rand -base64 32` makes
one. Nothing here keeps it: it is read again each time the vault needs it.
"""

import asyncio
import base64
import binascii
import contextlib
import os
import secrets
import shlex
import stat
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mtfleet.domain.errors import SystemError_

KEY_BYTES: Final = 32
COMMAND_TIMEOUT_SECONDS: Final = 30.0
_MAX_KEY_TEXT: Final = 4096


class MasterKeyError(SystemError_):
    """The vault's master key can't be had."""


class MasterKey:
    """A key-encryption key that can't be printed or pickled by accident."""

    __slots__ = ("_key", "fingerprint")

    def __init__(self, key: bytes) -> None:
        self._key: Final = key
        self.fingerprint: Final = HKDF(hashes.SHA256(), 8, None, b"mtfleet/master-key/fingerprint").derive(
            key
        )
        """Tells keys apart and tells nothing of the key; stored beside what it wraps."""

    @classmethod
    def of_text(cls, text: str, origin: str) -> "MasterKey":
        """Read base64, standard or URL-safe, padded or not, or 64 hexadecimal digits.

        Raises `MasterKeyError`, which never shows the text.
        """
        text = text.strip()
        try:
            if len(text) == KEY_BYTES * 2:
                key = bytes.fromhex(text)
            else:
                plain = text.rstrip("=").replace("-", "+").replace("_", "/")
                key = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
        except (ValueError, binascii.Error):
            key = b""
        if len(key) != KEY_BYTES:
            raise MasterKeyError(
                f"The master key from {origin} is not {KEY_BYTES} bytes in base64. Give back the key that "
                "this data directory was made with; for a new one, `openssl rand -base64 32` makes a key."
            )
        return cls(key)

    @classmethod
    def new(cls) -> "MasterKey":
        """Make a random key."""
        return cls(secrets.token_bytes(KEY_BYTES))

    def reveal(self) -> bytes:
        """Return the key itself, to wrap or unwrap with."""
        return self._key

    def to_text(self) -> str:
        """Return base64, to be written where only its owner can read."""
        return base64.b64encode(self._key).decode("ascii")

    def __repr__(self) -> str:
        return "MasterKey(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A master key can't be pickled.")


class KeySource(ABC):
    """A place that keeps the master key."""

    @property
    @abstractmethod
    def origin(self) -> str:
        """Name the place, for messages."""

    @abstractmethod
    async def candidates(self) -> list[MasterKey]:
        """Return the keys that are there: usually one, none when the place is empty.

        Raises `MasterKeyError`.
        """

    async def create(self) -> MasterKey:
        """Make a key and keep it there; it is durable before this returns. Raises `MasterKeyError`."""
        raise MasterKeyError(
            f"There is no master key in {self.origin}, and it can't be written there by this program. Put "
            "one there: `openssl rand -base64 32` makes a key."
        )

    async def prepare_renewal(self) -> MasterKey:
        """Make the next key and keep it beside the present one until `settle`. Raises `MasterKeyError`."""
        raise MasterKeyError(
            f"The master key in {self.origin} is not written by this program, so it can't be renewed in "
            "place. Give the source of the new key instead."
        )

    async def settle(self, key: MasterKey) -> None:  # noqa: B027 - most places have nothing to settle
        """Be told that `key` is the one in use: one that waited beside an old one takes its place."""


class FileKeySource(KeySource):
    """A file that only its owner can read (mode 0600), made on first start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next_path = path.with_name(path.name + ".next")

    @property
    def origin(self) -> str:
        return f"the file {self._path}"

    async def candidates(self) -> list[MasterKey]:
        found = [await asyncio.to_thread(_read_file, path) for path in (self._path, self._next_path)]
        return [key for key in found if key is not None]

    async def create(self) -> MasterKey:
        return await asyncio.to_thread(_write_new, self._path, MasterKey.new())

    async def prepare_renewal(self) -> MasterKey:
        def write() -> MasterKey:
            self._next_path.unlink(missing_ok=True)  # left by a renewal that never came to use it
            return _write_new(self._next_path, MasterKey.new())

        return await asyncio.to_thread(write)

    async def settle(self, key: MasterKey) -> None:
        def promote() -> None:
            waiting = _read_file(self._next_path)
            if waiting is not None and waiting.fingerprint == key.fingerprint:
                self._next_path.replace(self._path)
                _sync_directory(self._path.parent)

        await asyncio.to_thread(promote)


def _read_file(path: Path) -> MasterKey | None:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            text = file.read(_MAX_KEY_TEXT)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MasterKeyError(f"The master key file {path} can't be read: {error.strerror}.") from error
    if os.name == "posix" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise MasterKeyError(
            f"The master key file {path} can be read or written by others than its owner (mode "
            f"{stat.S_IMODE(status.st_mode):04o}). If nobody else has read it, run `chmod 600 {path}`; "
            "otherwise also renew the master key and rotate the data keys."
        )
    return MasterKey.of_text(text.decode("ascii", "replace"), f"the file {path}")


def _write_new(path: Path, key: MasterKey) -> MasterKey:
    """Write the key whole or not at all; when another process was first, return that one's key."""
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(8)}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(key.to_text().encode("ascii") + b"\n")
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
        _sync_directory(path.parent)
    except OSError as error:
        raise MasterKeyError(f"The master key file {path} can't be written: {error.strerror}.") from error
    written = _read_file(path)
    if written is None:
        raise MasterKeyError(f"The master key file {path} is gone right after it was written.")
    return written


def _sync_directory(path: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class EnvironmentKeySource(KeySource):
    """An environment variable. It is visible to whoever may read the process's environment."""

    def __init__(self, variable: str, environment: Mapping[str, str]) -> None:
        self._variable = variable
        self._environment = environment

    @property
    def origin(self) -> str:
        return f"the environment variable {self._variable}"

    async def candidates(self) -> list[MasterKey]:
        text = self._environment.get(self._variable, "")
        return [MasterKey.of_text(text, self.origin)] if text.strip() else []


class CommandKeySource(KeySource):
    """A command that prints the key, e.g. the client of a key management service. No shell is involved."""

    def __init__(
        self, command: str | Sequence[str], *, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS
    ) -> None:
        self._command = shlex.split(command) if isinstance(command, str) else list(command)
        self._timeout_seconds = timeout_seconds
        if not self._command:
            raise MasterKeyError("The command that prints the master key is empty.")

    @property
    def origin(self) -> str:
        return f"the command {self._command[0]}"

    async def candidates(self) -> list[MasterKey]:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
            )
        except OSError as error:
            raise MasterKeyError(f"The master key's command can't be run: {error.strerror}.") from error
        try:
            async with asyncio.timeout(self._timeout_seconds):
                printed, _ = await process.communicate()
        except TimeoutError as error:
            raise MasterKeyError(
                f"The command {self._command[0]} did not print the master key within "
                f"{self._timeout_seconds:g} seconds."
            ) from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            raise MasterKeyError(
                f"The command {self._command[0]}, which prints the master key, ended with code "
                f"{process.returncode}. Its own messages are above."
            )
        return [MasterKey.of_text(printed[:_MAX_KEY_TEXT].decode("ascii", "replace"), self.origin)]
