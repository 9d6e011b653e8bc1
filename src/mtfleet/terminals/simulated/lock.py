"""One process per data directory. The lock dies with its process, however that dies."""

import os
import sys
from pathlib import Path

from mtfleet.terminals.base import TerminalStartFailed

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class DirectoryLock:
    """Held from creation to `release`. Raises `TerminalStartFailed` when another process holds it."""

    def __init__(self, directory: Path) -> None:
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise TerminalStartFailed(
                f"Another process uses the simulated brokers in {directory}. Stop it, or choose "
                "another directory."
            ) from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Let others in."""
        os.close(self._descriptor)
