"""A real server for the examples, on an empty data directory."""

from collections.abc import Iterator

import pytest

from mtfleet.testing.running_server import RunningServer, running_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One `mtfleet serve` for all examples of a worker."""
    with running_server(tmp_path_factory.mktemp("fleet")) as running:
        yield running
