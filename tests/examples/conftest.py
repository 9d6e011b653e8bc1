"""A real server for the examples, on an empty data directory."""

from collections.abc import Iterator

import pytest

from mtfleet.testing.server import RunningServer, running_server


@pytest.fixture(scope="session")
def server() -> Iterator[RunningServer]:
    """One `mtfleet serve` for all examples of a worker."""
    with running_server() as running:
        yield running
