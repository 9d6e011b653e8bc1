"""JSON bodies as they are read: whatever a caller sends, it is the caller's fault and told as such."""

from typing import Any

from litestar import Request
from litestar.exceptions import SerializationException

from mtfleet.domain.errors import invalid


class JsonRequest(Request[Any, Any, Any]):
    """A request whose body, when it is no JSON, is refused in the one error shape."""

    async def json(self) -> Any:
        """Return the body as plain data. Raises `ValidationError`."""
        try:
            return await super().json()
        except UnicodeDecodeError:
            raise invalid("body", "is not UTF-8") from None
        except SerializationException as error:
            # The text names a place in the body, never what is there.
            raise invalid("body", f"can't be read as JSON: {error}") from None
