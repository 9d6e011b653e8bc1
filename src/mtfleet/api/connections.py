"""Connections of clients that send or read too slowly, or of which there are too many.

uvicorn ends a connection that idles after an answer. It waits for ever for a request's headers, for the rest
of a body that nobody reads any more, and for a client that does not read its answer. Here all of these end.
"""

import asyncio
import sys
from typing import Any, Final

import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

log = structlog.get_logger(__name__)

REQUEST_SECONDS: Final = 20.0
"""How long the headers of a request may take, counted from the connection or from their first byte."""
READING_SECONDS: Final = 60.0
"""How long a client may leave a full buffer of its answer unread."""
LINGER_SECONDS: Final = 5.0
"""How long the end of an answer may take to leave once a connection is being closed."""
MAX_CONNECTIONS: Final = 10_000
FILES_BESIDE_CONNECTIONS: Final = 128
"""File descriptors that database, journals and log need."""
_TOLD_EVERY_SECONDS: Final = 60.0


class Connection(H11Protocol):
    """A client's connection. `limited` gives a class with limits of its own."""

    request_seconds = REQUEST_SECONDS
    reading_seconds = READING_SECONDS
    max_connections = MAX_CONNECTIONS
    _told_at = -_TOLD_EVERY_SECONDS

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._waiting: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self._tell_of_refusal()
            transport.abort()
            return
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_unread()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_answering:
            self._stop_waiting()
        elif self._waiting is None and not self.transport.is_closing():
            self._expect_request()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.reading_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_unread()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._end()

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_request(self) -> None:
        self._waiting = self.loop.call_later(self.request_seconds, self._end)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _end(self) -> None:
        self.transport.close()
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _tell_of_refusal(self) -> None:
        now = self.loop.time()
        if now - Connection._told_at >= _TOLD_EVERY_SECONDS:
            Connection._told_at = now
            log.warning("connections.refused", most=self.max_connections)


def limited(
    *,
    max_connections: int = MAX_CONNECTIONS,
    request_seconds: float = REQUEST_SECONDS,
    reading_seconds: float = READING_SECONDS,
) -> type[Connection]:
    """Return the class of connections with these limits."""
    limits = {
        "max_connections": max_connections,
        "request_seconds": request_seconds,
        "reading_seconds": reading_seconds,
    }
    return type("LimitedConnection", (Connection,), limits)


def affordable_connections() -> int:
    """Take as many file descriptors as the system gives; return for how many connections they are enough."""
    if sys.platform == "win32":
        return MAX_CONNECTIONS
    import resource

    wanted = MAX_CONNECTIONS + FILES_BESIDE_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(16, min(MAX_CONNECTIONS, soft - FILES_BESIDE_CONNECTIONS))
