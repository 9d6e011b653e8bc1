"""The data directory: one server at a time, the administrator's token, where a running server is found."""

import contextlib
import json
import os
import secrets
import stat
import sys
from pathlib import Path
from typing import IO

from mtfleet.domain.errors import ConflictError, SystemError_


class DataDirectoryInUse(ConflictError):
    """Another server runs on this data directory."""


class DataDirectoryUnusable(SystemError_):
    """The data directory can't be used."""


class DataDirectory:
    """The files of one installation. Everything in it is for its owner only."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self._lock: IO[str] | None = None

    @property
    def database_file(self) -> Path:
        return self.path / "mtfleet.db"

    @property
    def master_key_file(self) -> Path:
        return self.path / "master.key"

    @property
    def admin_token_file(self) -> Path:
        return self.path / "admin.token"

    @property
    def server_file(self) -> Path:
        return self.path / "server.json"

    def acquire(self) -> None:
        """Make the directory if need be and take it; the system frees it when this process ends.

        Raises `DataDirectoryInUse` or `DataDirectoryUnusable`.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._refuse_strangers_files()
            lock = os.fdopen(
                os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8"
            )
        except OSError as error:
            raise DataDirectoryUnusable(
                f"The data directory {self.path} can't be used: {error.strerror}. "
                "Choose another with --data-dir, or mend its owner and mode."
            ) from error
        if not _try_lock(lock):
            lock.close()
            raise DataDirectoryInUse(
                f"Another server runs on the data directory {self.path}{self._where()}. "
                "Stop it first, or give this one its own with --data-dir."
            )
        self._lock = lock

    def _refuse_strangers_files(self) -> None:
        """Raise `DataDirectoryUnusable` when every user may put files, or links, where ours are to be."""
        if os.name == "posix" and self.path.stat().st_mode & stat.S_IWOTH:
            raise DataDirectoryUnusable(
                f"Every user of this machine may write into the data directory {self.path}. If nobody put "
                f"anything there, run `chmod 700 {self.path}`; otherwise choose another with --data-dir."
            )

    def release(self) -> None:
        """Let another process have the directory."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def announce(self, url: str) -> None:
        """Tell the command line where the server is."""
        _write_private(self.server_file, json.dumps({"url": url, "pid": os.getpid()}) + "\n")

    def withdraw(self) -> None:
        """Tell that no server runs any more."""
        self.server_file.unlink(missing_ok=True)

    def write_admin_token(self, token: str) -> None:
        """Keep the administrator's token, whole or not at all."""
        _write_private(self.admin_token_file, token + "\n")

    def _where(self) -> str:
        with contextlib.suppress(OSError, ValueError, KeyError):
            known = json.loads(self.server_file.read_text(encoding="utf-8"))
            return f" (process {int(known['pid'])}, {known['url']})"
        return ""


def _try_lock(file: IO[str]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 durably: a reader sees the old one or the new one, whole."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
