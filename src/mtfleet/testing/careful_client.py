"""A client of a real server that may be killed at any moment, and a record of what was acknowledged.

It repeats on doubt, as a careful program does: a request without an answer is sent again with the same
transaction id. What the server acknowledged is written down in `Known` and compared afterwards.
"""
# ruff: noqa: S101 - asserts are what a double for tests is made of

import asyncio
import random  # noqa: TID251 - a test's own dice
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2

from mtfleet.testing.server import RunningServer

ACCOUNTS = "/users/current/accounts"


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


class CarefulClient:
    """One careful user of the API: what has no answer, or one of 500 and more, is sent again."""

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
        """Add an account of this client's login, which runs at once."""
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
        """Return what `create` sends."""
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
        """Change an account's name."""
        name = secrets.token_hex(4)
        self._known.names[account].add(name)
        answer = await self.send("PUT", f"{ACCOUNTS}/{account}", {"name": name})
        assert answer.status_code == 204, answer.text
        self._known.names[account] = {name}

    async def toggle(self, account: str) -> None:
        """Undeploy an account, or deploy it again."""
        stopping = not self._known.stopped[account]
        self._known.stopped[account] = None
        verb = "undeploy" if stopping else "deploy"
        answer = await self.send("POST", f"{ACCOUNTS}/{account}/{verb}")
        assert answer.status_code == 204, answer.text
        self._known.stopped[account] = stopping

    async def remove(self, account: str) -> None:
        """Delete an account."""
        self._known.removing.add(account)
        answer = await self.send("DELETE", f"{ACCOUNTS}/{account}")
        assert answer.status_code in (204, 404), answer.text  # 404: an earlier try without an answer did it
        self._known.removed.add(account)


async def all_as_acknowledged(server: RunningServer, known: Known, *, within_seconds: float = 10.0) -> None:
    """Compare what is listed and what runs with what was acknowledged."""
    expected = {a for a in known.accounts.values() if a not in known.removed}
    running = {a for a in expected if known.stopped[a] is False}

    async def settled() -> bool:
        accounts = await accounts_of(server)
        return (
            {a["_id"] for a in accounts} == expected
            and all(
                (a["connectionStatus"], a["state"]) == ("CONNECTED", "DEPLOYED")
                if a["_id"] in running
                else (a["connectionStatus"], a["state"]) == ("DISCONNECTED", "UNDEPLOYED")
                for a in accounts
            )
            and await connected_at(server) == len(running)
        )

    async with asyncio.timeout(within_seconds):
        while not await settled():  # noqa: ASYNC110 - the condition is in another process
            await asyncio.sleep(0.05)
    for account in await accounts_of(server):
        assert account["name"] in known.names[account["_id"]]


async def same_transactions_give_the_same_ids(client: CarefulClient) -> None:
    """A repeat of a transaction gives the same id and makes no second account."""
    for transaction, account in client.made.items():
        answer = await client.send("POST", ACCOUNTS, client.body(), transaction)
        assert (answer.status_code, answer.json()["id"]) == (201, account)


async def accounts_of(server: RunningServer) -> list[dict[str, Any]]:
    async with httpx2.AsyncClient(base_url=server.url, headers={"auth-token": server.token}) as http:
        listed: list[dict[str, Any]] = (await http.get(ACCOUNTS)).json()
    return listed


async def connected_at(server: RunningServer) -> int:
    """Return how many accounts this server itself has connected, whatever the database says."""
    async with httpx2.AsyncClient(base_url=server.url, headers={"auth-token": server.token}) as http:
        text = (await http.get("/metrics")).text
    found = re.search(r"^mtfleet_sessions_connected_accounts (\S+)$", text, re.MULTILINE)
    return int(float(found[1])) if found else 0
