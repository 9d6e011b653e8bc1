"""A client whose server answers what a test has written down."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from mtfleet import MetaApi
from mtfleet.testing.http import TOKEN, HastyClock, ScriptedServer


@pytest.fixture
def clock() -> HastyClock:
    return HastyClock()


@pytest.fixture
def server() -> ScriptedServer:
    return ScriptedServer()


@pytest.fixture
def options(server: ScriptedServer, clock: HastyClock) -> dict[str, Any]:
    return {"url": "http://mtfleet.test", "transport": server, "clock": clock}


@pytest.fixture
async def api(options: dict[str, Any]) -> AsyncIterator[MetaApi]:
    async with MetaApi(TOKEN, options) as api:
        yield api
