"""Stores of both kinds."""

from collections.abc import AsyncIterator, Iterator

import pytest

from mtfleet.store.sql import SqlStore
from mtfleet.testing.postgres import PostgresServer, running_postgres
from mtfleet.testing.store import open_test_store


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[SqlStore]:
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    async with open_test_store(request.param, server=server) as opened:
        yield opened
