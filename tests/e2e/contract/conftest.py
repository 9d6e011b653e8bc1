"""One server for each module, and users of their own for each test, so that no order matters."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from mtfleet.testing.contract import ContractClient
from mtfleet.testing.server import RunningServer, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running
        assert "Traceback" not in running.log(), running.log()


@pytest.fixture(scope="module")
def administrator(server: RunningServer) -> Iterator[ContractClient]:
    with ContractClient(server.url, server.token) as client:
        yield client


@pytest.fixture
def new_user(administrator: ContractClient) -> Iterator[Callable[[], ContractClient]]:
    """Make users that have nothing yet."""
    with ExitStack() as opened:

        def make() -> ContractClient:
            body = {"name": f"user-{secrets.token_hex(6)}"}
            token = administrator.post("/admin/users", 201, json=body)["token"]
            return opened.enter_context(ContractClient(administrator.url, token))

        yield make


@pytest.fixture
def user(new_user: Callable[[], ContractClient]) -> ContractClient:
    """A user who has nothing yet."""
    return new_user()


@pytest.fixture(scope="module")
def trader(server: RunningServer, administrator: ContractClient) -> Iterator[ContractClient]:
    """A user whose things no test changes."""
    body = {"name": f"trader-{secrets.token_hex(6)}"}
    token = administrator.post("/admin/users", 201, json=body)["token"]
    with ContractClient(server.url, token) as client:
        yield client
