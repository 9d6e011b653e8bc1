"""No request takes for ever, and none is cut in the middle of its answer without a word in the log."""

import asyncio
import dataclasses
from typing import Any

import httpx2

from mtfleet.api.app import create_app


async def test_a_slow_request_gets_504(built: Any) -> None:
    class Slow:
        async def symbols(self, account_id: str) -> list[str]:
            await asyncio.Event().wait()
            return []

    services = dataclasses.replace(built.services, fleet=Slow(), request_timeout_seconds=0.05)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=create_app(services)),
        base_url="http://test",
        headers={"auth-token": built.token},
    ) as client:
        path = "/users/current/accounts/11111111-1111-4111-8111-111111111111/symbols"
        answer = await client.get(path, headers={"origin": "https://elsewhere.example"})
    assert answer.status_code == 504
    assert answer.json()["error"] == "TimeoutError"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["request-id"]


async def test_a_body_that_never_ends_gets_504(built: Any) -> None:
    app = create_app(dataclasses.replace(built.services, request_timeout_seconds=0.05))
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/users/current/accounts",
        "raw_path": b"/users/current/accounts",
        "query_string": b"",
        "headers": [(b"auth-token", built.token.encode()), (b"content-length", b"10")],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
        "scheme": "http",
        "http_version": "1.1",
        "asgi": {"version": "3.0"},
    }
    await app(scope, receive, send)
    assert sent[0]["status"] == 504
