"""No request takes for ever."""

import asyncio

from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from mtfleet.domain.errors import TimedOutError


class Deadline(ASGIMiddleware):
    """End a request that takes longer than `seconds`, its body included, with 504."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Raises `TimedOutError` unless the answer has begun; then the connection is cut."""
        has_begun = False

        async def note_begin(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            async with asyncio.timeout(self._seconds) as timeout:
                await next_app(scope, receive, note_begin)
        except TimeoutError as late:
            if has_begun or not timeout.expired():
                raise
            raise TimedOutError(
                f"This server did not finish the request within {self._seconds:g} seconds. "
                "What was begun may still be done: look before you repeat it."
            ) from late
