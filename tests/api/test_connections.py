"""Clients that send or read too slowly, and too many of them, over real sockets on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from mtfleet.api.application import Application
from mtfleet.api.connections import Connection, affordable_connections, limited

SOON = 5.0
"""Seconds within which a cut is seen; without one these tests wait this long and fail."""
Open = Callable[[], Any]


@asynccontextmanager
async def serving(app: Any, kind: type[Connection]) -> AsyncIterator[Open]:
    """Serve with that kind of connections; gives what opens one."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=kind, ws="none", lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # older releases have it
    task = asyncio.create_task(server._serve([listening]))
    try:
        yield lambda: asyncio.open_connection("127.0.0.1", listening.getsockname()[1])
    finally:
        server.should_exit = server.force_exit = True
        await task
        listening.close()


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """Read until the server ends the connection."""
    async with asyncio.timeout(SOON):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
async def test_a_request_that_does_not_come_is_not_waited_for(built: Any, sent: bytes) -> None:
    async with serving(built.app, limited(request_seconds=0.05)) as connect:
        reader, writer = await connect()
        writer.write(sent)
        assert await rest_of(reader) == b""
        writer.close()


async def test_headers_that_drip_are_cut(built: Any) -> None:
    async with serving(built.app, limited(request_seconds=0.2)) as connect:
        reader, writer = await connect()
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        ended = asyncio.create_task(rest_of(reader))
        while not ended.done():
            writer.write(b"x: y\r\n")
            await asyncio.wait([ended], timeout=0.02)
        assert await ended == b""
        writer.close()


async def test_the_second_request_is_not_waited_for_either(built: Any) -> None:
    async with serving(built.app, limited(request_seconds=0.2)) as connect:
        reader, writer = await connect()
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b'{"status":"ok"}' in await reader.readuntil(b"}")
        writer.write(b"GET /healthz HTTP")
        assert await rest_of(reader) == b""
        writer.close()


async def test_a_body_that_nobody_reads_any_more_is_cut(built: Any) -> None:
    async with serving(built.app, limited(request_seconds=0.2)) as connect:
        reader, writer = await connect()
        writer.write(b"POST /users/current/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        ended = asyncio.create_task(rest_of(reader))
        while not ended.done():
            writer.write(b"x")
            await asyncio.wait([ended], timeout=0.02)
        assert (await ended).startswith(b"HTTP/1.1 401")
        writer.close()


async def test_an_answer_that_nobody_reads_is_cut() -> None:
    is_cut = asyncio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not (writers := list(Cut.all))[0].transport.is_closing():
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        assert len(writers) == 1
        is_cut.set()

    class Cut(limited(reading_seconds=0.1)):  # type: ignore[misc]  # a class made at run time
        all: set[Any] = set()  # noqa: RUF012 - of one test

        def connection_made(self, transport: asyncio.Transport) -> None:
            self.all.add(self)
            super().connection_made(transport)

    async with serving(endless, Cut) as connect:
        _, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(SOON):
            await is_cut.wait()
        writer.close()


async def test_connections_beyond_the_limit_are_refused_and_the_others_served(built: Any) -> None:
    async with serving(built.app, limited(max_connections=2)) as connect:
        held = [await connect() for _ in range(2)]
        held[0][1].write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await held[0][0].readuntil(b"}")
        reader, writer = await connect()
        assert await rest_of(reader) == b""
        held[1][1].write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await held[1][0].readuntil(b"}")
        for each in (writer, held[0][1], held[1][1]):
            each.close()


def test_there_are_descriptors_for_all_connections() -> None:
    assert 16 <= affordable_connections() <= 10_000


async def test_a_body_with_two_lengths_is_refused_and_the_connection_ended(built: Any) -> None:
    """Servers differ in which one they believe; behind a proxy that makes two requests out of one."""
    assert isinstance(built.app, Application)
    async with serving(built.app, Connection) as connect:
        reader, writer = await connect()
        writer.write(
            b"POST /users/current/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        answer = await rest_of(reader)
        assert answer.startswith(b"HTTP/1.1 400")
        assert answer.count(b"HTTP/1.1") == 1
        writer.close()


async def test_every_answer_forbids_guessing_framing_and_keeping(client: Any) -> None:
    for path in ("/users/current", "/healthz", "/nowhere", "/swagger/", "/swagger/openapi.json"):
        answer = await client.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"]
