"""Files that clients send as `multipart/form-data` with one part named `file`."""

from dataclasses import dataclass
from typing import Annotated

from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body

from mtfleet.domain.errors import invalid

MAX_AT_ONCE = 4
"""Files of one kind that are held in memory at once; more wait their turn on disk."""
OVERHEAD_BYTES = 64 * 1024
"""What a multipart body may have around its file."""


@dataclass
class UploadForm:
    """A form with one file."""

    file: UploadFile


Upload = Annotated[UploadForm, Body(media_type=RequestEncodingType.MULTI_PART)]


async def content_of(form: UploadForm, max_bytes: int) -> bytes:
    """Read the uploaded file. Raises `ValidationError` when it is empty or too large."""
    content = await form.file.read(max_bytes + 1)
    if not content:
        raise invalid("file", "the file is empty")
    if len(content) > max_bytes:
        raise invalid("file", f"the file has more than {max_bytes} bytes")
    return content
