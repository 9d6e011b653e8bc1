"""`kill -9` at random moments of a burst of changes: nothing acknowledged is lost, nothing is half done.

Each client repeats on doubt, as a careful program does: a request without an answer is sent again with the
same transaction id. What the server acknowledged is written down here and compared after each restart.
"""

import asyncio
import os
import random  # noqa: TID251 - a test's own dice
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from mtfleet.testing.server import RunningServer, running_server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

ACCOUNTS = "/users/current/accounts"
KILLS = 20
CLIENTS = 6
SEED = int(os.environ.get("MTFLEET_TEST_SEED", str(random.SystemRandom().randrange(2**32))))


@dataclass
class Known:
    """What the server acknowledged."""

    accounts: dict[str, str] = field(default_factory=dict)
    """Account id by transaction id."""
    names: dict[str, set[str]] = field(default_factory=dict)
    """Per account the last acknowledged name, and those sent since without an answer."""
    removed: set[str] = field(default_factory=set)
    removing: set[str] = field(default_factory=set)
    stopped: dict[str, bool | None] = field(default_factory=dict)
    """Whether the account was last told to stop; `None` while that is in doubt."""


class Client:
    """One careful user of the API."""

    def __init__(self, server: RunningServer, known: Known, dice: random.Random) -> None:
        self._server = server
        self._known = known
        self._dice = dice
        self._login: dict[str, Any] | None = None
        self._mine: list[str] = []
        self.made: dict[str, str] = {}
        """Account id by transaction id, also of those removed since."""

    async def send(self, method: str, path: str, body: Any = None, transaction: str | None = None) -> Any:
        """Send until there is an answer."""
        headers = {"auth-token": self._server.token}
        if transaction:
            headers["transaction-id"] = transaction
        while True:
            with suppress(httpx2.TransportError, FileNotFoundError):  # there is no address while it starts
                async with httpx2.AsyncClient(base_url=self._server.url, timeout=20) as http:
                    answer = await http.request(method, path, json=body, headers=headers)
                if answer.status_code == 202:
                    await asyncio.sleep(0.2)
                    continue
                if answer.status_code < 500:
                    return answer
            await asyncio.sleep(0.05)

    async def work(self, stop: asyncio.Event) -> None:
        """Change things until told to stop."""
        while not stop.is_set():
            step = self._dice.random()
            if step < 0.35 or not self._mine:
                await self.create()
            elif step < 0.65:
                await self.rename(self._dice.choice(self._mine))
            elif step < 0.9:
                await self.toggle(self._dice.choice(self._mine))
            else:
                await self.remove(self._mine.pop(self._dice.randrange(len(self._mine))))

    async def create(self) -> None:
        if self._login is None:
            answer = await self.send(
                "POST",
                "/users/current/provisioning-profiles/default/mt5-demo-accounts",
                {"balance": 1000, "email": "a@example.com", "leverage": 100, "serverName": "Sandbox-MT5"},
                secrets.token_hex(16),
            )
            assert answer.status_code == 201, answer.text
            self._login = answer.json()
        transaction = secrets.token_hex(16)
        answer = await self.send("POST", ACCOUNTS, self.body(), transaction)
        assert answer.status_code == 201, answer.text
        account = answer.json()["id"]
        self._known.accounts[transaction] = account
        self._known.names[account] = {"first"}
        self._known.stopped[account] = False
        self._mine.append(account)
        self.made[transaction] = account

    def body(self) -> dict[str, Any]:
        assert self._login
        return {
            "name": "first",
            "server": "Sandbox-MT5",
            "platform": "mt5",
            "magic": 1,
            "login": self._login["login"],
            "password": self._login["password"],
        }

    async def rename(self, account: str) -> None:
        name = secrets.token_hex(4)
        self._known.names[account].add(name)
        answer = await self.send("PUT", f"{ACCOUNTS}/{account}", {"name": name})
        assert answer.status_code == 204, answer.text
        self._known.names[account] = {name}

    async def toggle(self, account: str) -> None:
        stopping = not self._known.stopped[account]
        self._known.stopped[account] = None
        verb = "undeploy" if stopping else "deploy"
        answer = await self.send("POST", f"{ACCOUNTS}/{account}/{verb}")
        assert answer.status_code == 204, answer.text
        self._known.stopped[account] = stopping

    async def remove(self, account: str) -> None:
        self._known.removing.add(account)
        answer = await self.send("DELETE", f"{ACCOUNTS}/{account}")
        assert answer.status_code in (204, 404), answer.text  # 404: an earlier try without an answer did it
        self._known.removed.add(account)


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
    clients = [Client(server, known, random.Random(dice.random())) for _ in range(CLIENTS)]
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


async def all_as_acknowledged(server: RunningServer, known: Known) -> None:
    """Compare; deployed accounts are connected again within 10 s."""
    expected = {a for a in known.accounts.values() if a not in known.removed}
    running = {a for a in expected if known.stopped[a] is False}

    async def settled() -> bool:
        accounts = await accounts_of(server)
        return {a["_id"] for a in accounts} == expected and all(
            (a["connectionStatus"], a["state"]) == ("CONNECTED", "DEPLOYED")
            if a["_id"] in running
            else (a["connectionStatus"], a["state"]) == ("DISCONNECTED", "UNDEPLOYED")
            for a in accounts
        )

    async with asyncio.timeout(10):
        while not await settled():  # noqa: ASYNC110 - the condition is in another process
            await asyncio.sleep(0.05)
    for account in await accounts_of(server):
        assert account["name"] in known.names[account["_id"]]


async def same_transactions_give_the_same_ids(client: Client) -> None:
    """A repeat of a transaction gives the same id and makes no second account."""
    for transaction, account in client.made.items():
        answer = await client.send("POST", ACCOUNTS, client.body(), transaction)
        assert (answer.status_code, answer.json()["id"]) == (201, account)


async def accounts_of(server: RunningServer) -> list[dict[str, Any]]:
    async with httpx2.AsyncClient(base_url=server.url, headers={"auth-token": server.token}) as http:
        listed: list[dict[str, Any]] = (await http.get(ACCOUNTS)).json()
    return listed
