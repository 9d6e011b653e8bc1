"""A server that answers what a test has written down, and a clock that needs no waiting.

For tests of programs that use the SDK: `MetaApi(TOKEN, {"url": …, "transport": server, "clock": clock})`.
"""

import json
from collections.abc import Callable
from typing import Any

import httpx2

from mtfleet.testing.clock import FakeClock

Answer = httpx2.Response | Exception | Callable[[httpx2.Request], httpx2.Response]

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.c2lnbmF0dXJl"  # noqa: S105 - signed by nobody
"""A token that says only `{"sub": "user"}`."""


class HastyClock(FakeClock):
    """A clock on which every sleep is over at once, and remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float, /) -> None:
        """Let `seconds` pass at once."""
        self.slept.append(seconds)
        await self.advance(seconds)


class ScriptedServer(httpx2.AsyncBaseTransport):
    """Answers requests from a list, in order; a request that nobody expects fails the test."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[httpx2.Request] = []
        self.bodies: list[bytes] = []

    def will(self, *answers: Answer) -> None:
        """Add answers, or exceptions to raise, or functions that make an answer from the request."""
        self.answers.extend(answers)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer with what comes next in the list."""
        self.requests.append(request)
        self.bodies.append(await request.aread())
        if not self.answers:
            raise AssertionError(f"nobody expects {request.method} {request.url}")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx2.Response) else answer(request)

    @property
    def asked(self) -> list[str]:
        """What was asked for, e.g. `GET /users/current/accounts`, with the query."""
        return [f"{r.method} {r.url.raw_path.decode()}" for r in self.requests]

    def sent(self, index: int = -1) -> Any:
        """The JSON body of a request."""
        return json.loads(self.bodies[index])


def ok(body: Any = None, status: int = 200, **headers: str) -> httpx2.Response:
    """Return a good answer; without a body it is a 204. `Retry_After="5"` sets that header."""
    if body is None:
        return httpx2.Response(204)
    return httpx2.Response(status, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def error(status: int, name: str, message: str = "no", **fields: Any) -> httpx2.Response:
    """Return an error answer."""
    return httpx2.Response(status, json={"id": 3, "error": name, "message": message, **fields})


def account_body(**fields: Any) -> dict[str, Any]:
    """Return an account as the server writes it."""
    return {
        "_id": "5f7c2b1e-0000-4000-8000-000000000001",
        "userId": "0" * 32,
        "name": "Trading account #1",
        "login": "1234567",
        "server": "Sandbox-MT4",
        "version": 4,
        "type": "cloud-g2",
        "magic": 123456,
        "manualTrades": False,
        "quoteStreamingIntervalInSeconds": 2.5,
        "region": "vint-hill",
        "reliability": "high",
        "baseCurrency": "USD",
        "resourceSlots": 1,
        "copyFactoryResourceSlots": 1,
        "copyFactoryRoles": [],
        "tags": ["a"],
        "state": "DEPLOYED",
        "connectionStatus": "CONNECTED",
        "hash": 18093,
        "primaryReplica": True,
        "accountReplicas": [],
        "metastatsApiEnabled": False,
        "riskManagementApiEnabled": False,
        "createdAt": "2026-05-20T12:00:00.123Z",
        "hops": [],
        **fields,
    }


def replica_body(**fields: Any) -> dict[str, Any]:
    """Return a replica as the server writes it inside its account."""
    return {
        "_id": "5f7c2b1e-0000-4000-8000-0000000000aa",
        "state": "DEPLOYED",
        "magic": 7,
        "connectionStatus": "DISCONNECTED",
        "quoteStreamingIntervalInSeconds": 2.5,
        "reliability": "regular",
        "tags": [],
        "resourceSlots": 1,
        "copyFactoryResourceSlots": 1,
        "region": "london",
        "createdAt": "2026-05-20T12:00:00.123Z",
        **fields,
    }
