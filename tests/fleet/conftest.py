from collections.abc import AsyncIterator

import pytest

from mtfleet.testing.fleet import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.close()
