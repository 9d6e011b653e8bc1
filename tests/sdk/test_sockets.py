"""The same client over real sockets, against servers and proxies that misbehave."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mtfleet import ApiException, MetaApi, NetworkException, ValidationException
from mtfleet.testing.http import TOKEN, account_body

QUICK = {"minDelayInSeconds": 0.01, "maxDelayInSeconds": 0.02, "retries": 2}
Serve = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]


def answer(status: str, body: Any, *, length: int | None = None) -> bytes:
    content = json.dumps(body).encode()
    size = length or len(content)
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n\r\n"
    return head.encode() + content


ACCOUNT = answer("200 OK", account_body())


@asynccontextmanager
async def client_of(serve: Serve) -> AsyncIterator[MetaApi]:
    """A client of a server that calls `serve` for each request head, until it answers False."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await serve(await reader.readuntil(b"\r\n\r\n"), reader, writer):
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went away
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with MetaApi(TOKEN, {"url": f"http://127.0.0.1:{port}", "retryOpts": QUICK}) as api:
        try:
            yield api
        finally:
            await api.close()
            server.close()
            await server.wait_closed()


async def test_connections_that_close_without_a_word_are_replaced() -> None:
    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(ACCOUNT)
        return False

    async with client_of(serve) as api:
        for _ in range(5):
            assert (await api.metatrader_account_api.get_account("a")).name == "Trading account #1"


async def test_an_answer_that_breaks_off_is_asked_for_again() -> None:
    count = 0

    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        nonlocal count
        count += 1
        writer.write(ACCOUNT if count == 3 else answer("200 OK", account_body(), length=10_000))
        return count == 3

    async with client_of(serve) as api:
        await api.metatrader_account_api.get_account("a")
    assert count == 3


async def test_what_is_no_http_is_told_as_such() -> None:
    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        return False

    async with client_of(serve) as api:
        with pytest.raises(NetworkException, match="is the address right"):
            await api.metatrader_account_api.get_account("a")


async def test_a_port_where_nobody_listens() -> None:
    async with MetaApi(TOKEN, {"url": "http://127.0.0.1:9", "retryOpts": QUICK}) as api:
        with pytest.raises(NetworkException, match=r"127\.0\.0\.1:9"):
            await api.metatrader_account_api.get_account("a")


async def test_an_upload_that_is_refused_half_way_raises_the_refusal(tmp_path: Path) -> None:
    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if head.startswith(b"GET"):
            writer.write(answer("200 OK", {"_id": "p"}))
            return True
        await reader.read(1000)
        writer.write(answer("400 Bad Request", {"id": 3, "error": "ValidationError", "message": "too big"}))
        await writer.drain()
        await reader.read(1_000_000)
        return False

    (tmp_path / "big").write_bytes(bytes(5_000_000))
    async with client_of(serve) as api:
        profile = await api.provisioning_profile_api.get_provisioning_profile("p")
        with pytest.raises(ApiException) as caught:
            await profile.upload_file("servers.dat", tmp_path / "big")
    # Whether the refusal or the broken pipe is seen first is the system's choice.
    assert isinstance(caught.value, ValidationException | NetworkException)


async def test_a_cancelled_call_leaves_the_client_usable() -> None:
    is_asked = asyncio.Event()

    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if b"/slow" in head:
            is_asked.set()
            await reader.read(1)
            return False
        writer.write(ACCOUNT)
        return True

    async with client_of(serve) as api:
        for _ in range(150):  # more than there are connections: a leak would end in a wait for a free one
            is_asked.clear()
            task = asyncio.create_task(api.metatrader_account_api.get_account("slow"))
            await is_asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await api.metatrader_account_api.get_account("a")


async def test_more_calls_at_once_than_connections() -> None:
    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(0)
        account_id = head.split()[1].rsplit(b"/", 1)[-1].decode()
        writer.write(answer("200 OK", account_body(_id=account_id)))
        return True

    async with client_of(serve) as api, asyncio.TaskGroup() as group:
        tasks = [group.create_task(api.metatrader_account_api.get_account(f"n{n}")) for n in range(400)]
    assert [task.result().id for task in tasks] == [f"n{n}" for n in range(400)]
