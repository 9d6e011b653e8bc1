"""An append-only file of payloads that survives `kill -9` and power loss. Blocking: call it in a thread.

A frame is a mark, the payload's length, a checksum over length and payload, and the payload. One `append`
writes one
frame and syncs it, and the next one starts only after that: so at most the last frame can be torn, and
whatever is wrong
before a sound frame is damage.
"""

import os
from pathlib import Path
from struct import Struct
from typing import Final
from zlib import crc32

import structlog

from mtfleet.domain.errors import SystemError_

log = structlog.get_logger(__name__)

_MARK: Final = b"\xf5J"
_HEAD: Final = Struct("<2sII")
_MAX_PAYLOAD: Final = 1 << 28


class JournalCorrupt(SystemError_):
    """A journal is damaged in its middle; restore the file from a backup."""

    def __init__(self, path: Path, offset: int) -> None:
        super().__init__(
            f"The journal {path} is damaged at byte {offset}, before records that are sound. Nothing was "
            "changed. Restore the file from a backup, or move it away to begin with an empty server."
        )
        self.path, self.offset = path, offset


class Journal:
    """One open journal. Nobody else may write to the file."""

    def __init__(self, path: Path, descriptor: int, end: int) -> None:
        self._path, self._descriptor, self._end = path, descriptor, end
        self._is_broken = False

    @classmethod
    def create(cls, path: Path, header: bytes) -> "Journal":
        """Make a journal that begins with `header`. It appears whole or not at all. Raises `OSError`."""
        temporary = path.with_name(path.name + ".new")
        frame = _frame(header)
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | _BINARY, 0o600)
        try:
            _write(descriptor, frame)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        sync_directory(path.parent)
        return cls(path, os.open(path, os.O_RDWR | _BINARY), len(frame))

    @classmethod
    def recover(cls, path: Path) -> tuple["Journal", list[bytes]]:
        """Open a journal, cut a torn last frame off, and return all payloads, the header first.

        Raises `JournalCorrupt` when a sound frame follows a broken one or the header is not sound.
        """
        data = path.read_bytes()
        payloads, end = _sound_frames(data)
        if not payloads or (end < len(data) and _has_sound_frame(data, end + 1)):
            raise JournalCorrupt(path, end)
        descriptor = os.open(path, os.O_RDWR | _BINARY)
        if end < len(data):
            log.warning("journal.tail_cut", path=str(path), offset=end, bytes=len(data) - end)
            os.ftruncate(descriptor, end)
            os.fsync(descriptor)
        return cls(path, descriptor, end), payloads

    def append(self, payload: bytes) -> None:
        """Add a payload; it is durable on return. Raises `OSError`, and then the journal is as it was before.

        If even taking back a half-written frame fails, every later call fails too, until it is recovered.
        """
        if self._is_broken:
            raise OSError(f"an earlier failure left {self._path} in doubt; restart the server to recover it")
        frame = _frame(payload)
        try:
            os.lseek(self._descriptor, self._end, os.SEEK_SET)
            _write(self._descriptor, frame)
            os.fsync(self._descriptor)
        except OSError:
            self._take_back()
            raise
        self._end += len(frame)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._descriptor, self._end)
            os.fsync(self._descriptor)
        except OSError as error:
            self._is_broken = True
            log.error("journal.rollback_failed", path=str(self._path), error=str(error))


_BINARY: Final = getattr(os, "O_BINARY", 0)  # Windows would change line ends otherwise


def sync_directory(path: Path) -> None:
    """Make new names in a directory durable, where the system can."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _frame(payload: bytes) -> bytes:
    if len(payload) > _MAX_PAYLOAD:
        raise ValueError(f"a payload of {len(payload)} bytes is too long for a journal")
    return _HEAD.pack(_MARK, len(payload), _checksum(payload)) + payload


def _checksum(payload: bytes) -> int:
    return crc32(payload, crc32(len(payload).to_bytes(4, "little")))


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _payload_at(data: bytes, offset: int) -> bytes | None:
    """Return the payload of a sound frame at `offset`, `None` if there is none."""
    start = offset + _HEAD.size
    if start > len(data):
        return None
    mark, length, checksum = _HEAD.unpack_from(data, offset)
    if mark != _MARK or length > len(data) - start:
        return None
    payload = data[start : start + length]
    return payload if _checksum(payload) == checksum else None


def _sound_frames(data: bytes) -> tuple[list[bytes], int]:
    """Return the payloads up to the first frame that is not sound, and where that begins."""
    payloads: list[bytes] = []
    offset = 0
    while (payload := _payload_at(data, offset)) is not None:
        payloads.append(payload)
        offset += _HEAD.size + len(payload)
    return payloads, offset


def _has_sound_frame(data: bytes, start: int) -> bool:
    offset = data.find(_MARK, start)
    while offset >= 0:
        if _payload_at(data, offset) is not None:
            return True
        offset = data.find(_MARK, offset + 1)
    return False
