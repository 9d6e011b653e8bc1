"""Files that clients send as `multipart/form-data` with one part named `file`.

The part's bytes go to disk as they come, and nothing else of the body is kept: not a text part, which would
be held in memory whole and decoded with whatever character set its sender names.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from litestar import Request
from litestar.datastructures import UploadFile
from litestar.openapi.spec import OpenAPIFormat, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from multipart import (  # type: ignore[import-untyped]  # it has annotations but no marker for them
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
)

from mtfleet.domain.errors import invalid

MAX_AT_ONCE = 4
"""Files of one kind that are held in memory at once; more wait their turn on disk."""
OVERHEAD_BYTES = 64 * 1024
"""What a multipart body may have around its file."""
MAX_PARTS: Final = 10
PART: Final = "file"
_MEDIA_TYPE: Final = "multipart/form-data"


@dataclass
class UploadOperation(Operation):
    """Says in the OpenAPI document that a route takes a file."""

    def __post_init__(self) -> None:
        file = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        form = Schema(type=OpenAPIType.OBJECT, properties={PART: file}, required=[PART])
        self.request_body = RequestBody(content={_MEDIA_TYPE: OpenAPIMediaType(schema=form)}, required=True)


@asynccontextmanager
async def received(request: Request[Any, Any, Any]) -> AsyncIterator[UploadFile]:
    """Take in the request's file, on disk when it is large, gone afterwards. Raises `ValidationError`."""
    media_type, options = request.content_type
    boundary = options.get("boundary", "")
    if media_type != _MEDIA_TYPE or not boundary:
        raise invalid(PART, f"send it as {_MEDIA_TYPE} with a boundary")
    file = UploadFile(content_type="application/octet-stream", filename=PART)
    try:
        if not await _spool(request, boundary, file):
            raise invalid(PART, f"there is no part named `{PART}` with a file name")
        await file.seek(0)
        yield file
    finally:
        await file.close()


async def _spool(request: Request[Any, Any, Any], boundary: str, file: UploadFile) -> bool:
    """Write the file's part; returns whether there was one."""
    stream = request.stream()
    is_found = is_file = False
    try:
        with PushMultipartParser(boundary, max_segment_count=MAX_PARTS) as parser:
            while not parser.closed:
                for event in parser.parse(await anext(stream, b"")):
                    if isinstance(event, MultipartSegment):
                        is_file = event.name == PART and event.filename is not None
                        if is_file and is_found:
                            raise invalid(PART, "send one file at a time")
                        is_found = is_found or is_file
                    elif event and is_file:
                        await file.write(bytes(event))
    except (MultipartError, LookupError, UnicodeError):
        raise invalid("body", f"it is no {_MEDIA_TYPE} that can be read, or has too many parts") from None
    return is_found


async def content_of(file: UploadFile, max_bytes: int) -> bytes:
    """Read the uploaded file. Raises `ValidationError` when it is empty or too large."""
    content = await file.read(max_bytes + 1)
    if not content:
        raise invalid(PART, "the file is empty")
    if len(content) > max_bytes:
        raise invalid(PART, f"the file has more than {max_bytes} bytes")
    return content
