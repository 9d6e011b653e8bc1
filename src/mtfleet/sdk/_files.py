"""Files to upload: a path, or a binary stream that the caller opened."""

import asyncio
import io
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO, Any, TypeAlias

from mtfleet.domain.errors import invalid
from mtfleet.sdk._exceptions import UploadNotFound

FileSource: TypeAlias = "str | os.PathLike[str] | IO[bytes]"
"""What `upload_file` takes: a path, or a readable binary stream, which is sent from where it stands."""


class Upload:
    """One file on its way. It is read in pieces while it is sent, never as a whole."""

    def __init__(self, name: str, stream: IO[bytes]) -> None:
        self._name = name
        self._content: _Plain = _FromHere(stream) if stream.seekable() else _Plain(stream)

    @property
    def is_repeatable(self) -> bool:
        """Whether it can be read again from its start."""
        return isinstance(self._content, _FromHere)

    def as_multipart(self) -> dict[str, Any]:
        """Return it as the one part `file` of a form."""
        return {"file": (self._name, self._content, "application/octet-stream")}


class _Plain:
    """A stream that can only be read once, e.g. a pipe; it is sent in chunks of unknown total."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size)


class _FromHere(_Plain):
    """A stream that starts where the caller left it. The HTTP client seeks to 0 before each sending."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream)
        self._start = stream.tell()

    def tell(self) -> int:
        return self._stream.tell() - self._start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET:
            offset += self._start
        return self._stream.seek(offset, whence) - self._start


@asynccontextmanager
async def opened(file: FileSource, name: str | None = None) -> AsyncIterator[Upload]:
    """Open what is to be uploaded, before any request is sent; closes only what it opened itself.

    Raises `UploadNotFound` for a missing file, `ValidationError` naming `file` for anything else that can't
    be read.
    """
    if isinstance(file, str | os.PathLike):
        stream = await asyncio.to_thread(_open, os.fspath(file))
        try:
            yield Upload(name or os.path.basename(os.fspath(file)), stream)
        finally:
            await asyncio.to_thread(stream.close)
        return
    if not hasattr(file, "read") or isinstance(file, io.TextIOBase) or not hasattr(file, "seekable"):
        raise invalid("file", f"give a path or a stream opened in binary mode, not {type(file).__name__}")
    if getattr(file, "closed", False):
        raise invalid("file", "the stream is already closed")
    yield Upload(name or "file", file)


def _open(path: str) -> IO[bytes]:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise UploadNotFound(f"There is no file {path}; nothing was sent.") from None
    except OSError as error:
        raise invalid("file", f"{path} can't be read ({error.strerror}); nothing was sent") from error
