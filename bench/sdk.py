"""What the SDK costs: `get_account` through it against the bare HTTP client, on the same small server.

The server is a process of its own that answers every request with one account, so that the two clients are
all that differs. They take turns, a few calls at a time, because machines change speed while they measure.
"""

import asyncio
import gc
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import httpx2

from bench.table import Row
from mtfleet import MetaApi
from mtfleet.testing.http import TOKEN, account_body

_TURNS = 60
_CALLS_PER_TURN = 25
_ID = account_body()["_id"]
_SERVER = """
import socket, sys, uvicorn
from mtfleet.testing.http import account_body
from mtfleet.wire.json import encode
body = encode(account_body())
start = {"type": "http.response.start", "status": 200, "headers": [
    (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]}
async def app(scope, receive, send):
    await send(start)
    await send({"type": "http.response.body", "body": body})
config = uvicorn.Config(app, lifespan="off", log_level="error", access_log=False)
uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""


def rows() -> list[Row]:
    """Measure both clients in turns."""
    with _server() as url:
        bare, sdk = asyncio.run(_measure(url))
    return [
        Row(
            what="get_account through the SDK / bare HTTP client",
            value=sdk / bare,
            unit="x",
            aim="<= 1.15",
            note=f"{sdk * 1e6:.0f} µs against {bare * 1e6:.0f} µs a call, server included",
        )
    ]


@contextmanager
def _server() -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        port = listening.getsockname()[1]
        command = [sys.executable, "-c", _SERVER, str(listening.fileno())]
        with subprocess.Popen(command, pass_fds=[listening.fileno()]) as server:
            try:
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()
                server.wait(timeout=10)


async def _measure(url: str) -> tuple[float, float]:
    """Return the median seconds of one call: bare, SDK."""
    async with (
        httpx2.AsyncClient(headers={"auth-token": TOKEN}, timeout=60) as client,
        MetaApi(TOKEN, {"url": url}) as api,
    ):

        async def bare() -> None:
            answer = await client.get(f"{url}/users/current/accounts/{_ID}")
            answer.raise_for_status()
            assert answer.json()["_id"] == _ID

        async def sdk() -> None:
            assert (await api.metatrader_account_api.get_account(_ID)).id == _ID

        seconds: dict[Callable[[], Awaitable[None]], list[float]] = {bare: [], sdk: []}
        await _turn(bare)
        await _turn(sdk)
        gc.collect()
        for number in range(_TURNS):
            for call in (bare, sdk) if number % 2 else (sdk, bare):
                seconds[call].append(await _turn(call))
    return statistics.median(seconds[bare]), statistics.median(seconds[sdk])


async def _turn(call: Callable[[], Awaitable[None]]) -> float:
    started = time.perf_counter()
    for _ in range(_CALLS_PER_TURN):
        await call()
    return (time.perf_counter() - started) / _CALLS_PER_TURN
