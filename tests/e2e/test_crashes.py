"""`kill -9` at random moments of a burst of changes: nothing acknowledged is lost, nothing is half done."""

import asyncio
import os
import random  # noqa: TID251 - a test's own dice
from collections.abc import Iterator

import pytest

from mtfleet.testing.careful_client import (
    CarefulClient,
    Known,
    all_as_acknowledged,
    same_transactions_give_the_same_ids,
)
from mtfleet.testing.server import RunningServer, running_server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

KILLS = 20
CLIENTS = 6
SEED = int(os.environ.get("MTFLEET_TEST_SEED", str(random.SystemRandom().randrange(2**32))))


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


async def kill_and_restart(server: RunningServer) -> None:
    """Pull the plug, and put it back."""
    server.kill()
    await asyncio.to_thread(server.restart)


async def test_nothing_acknowledged_is_lost_in_20_kills(server: RunningServer) -> None:
    dice = random.Random(SEED)
    print(f"seed {SEED}")
    known = Known()
    stop = asyncio.Event()
    clients = [CarefulClient(server, known, random.Random(dice.random())) for _ in range(CLIENTS)]
    async with asyncio.TaskGroup() as tasks:
        for client in clients:
            tasks.create_task(client.work(stop))
        for _ in range(KILLS):
            await asyncio.sleep(dice.uniform(0.1, 1.2))  # the random moment is the point of this test
            await kill_and_restart(server)
        stop.set()
    assert len(known.accounts) >= CLIENTS

    await all_as_acknowledged(server, known)
    await kill_and_restart(server)
    await all_as_acknowledged(server, known)
    for client in clients:
        await same_transactions_give_the_same_ids(client)
