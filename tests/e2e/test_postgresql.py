"""The whole program on PostgreSQL: a tour of all it does, its own kills, and the database's."""

import asyncio
import os
import random  # noqa: TID251 - a test's own dice
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from mtfleet.testing.careful_client import (
    CarefulClient,
    Known,
    all_as_acknowledged,
    connected_at,
    same_transactions_give_the_same_ids,
)
from mtfleet.testing.postgres import PostgresServer, running_postgres
from mtfleet.testing.server import RunningServer, running_server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

ACCOUNTS = "/users/current/accounts"
PROFILES = "/users/current/provisioning-profiles"
SEED = int(os.environ.get("MTFLEET_TEST_SEED", str(random.SystemRandom().randrange(2**32))))


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    with running_postgres(is_durable=True) as database:
        yield database


@pytest.fixture
def server(postgres: PostgresServer) -> Iterator[RunningServer]:
    with running_server(flags=["--database", postgres.url("postgres"), "--log-format", "json"]) as running:
        yield running


class Caller:
    """Sends requests and expects their status."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def send(
        self,
        method: str,
        path: str,
        status: int,
        body: Any = None,
        transaction: str | None = None,
        **how: Any,
    ) -> Any:
        headers = {"transaction-id": transaction} if transaction else None
        answer = await self.http.request(method, path, json=body, headers=headers, **how)
        while answer.status_code == 202:
            await asyncio.sleep(0.2)  # as the answer asks for
            answer = await self.http.request(method, path, json=body, headers=headers, **how)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    async def until(self, path: str, **fields: Any) -> Any:
        """Read until all fields are so, within 10 s."""
        async with asyncio.timeout(10):
            while True:
                found = await self.send("GET", path, 200)
                if all(found[name] == value for name, value in fields.items()):
                    return found
                await asyncio.sleep(0.03)

    async def demo(self, platform: str = "mt5", server: str = "Sandbox-MT5") -> dict[str, Any]:
        wish = {"balance": 1000, "email": "a@example.com", "leverage": 100, "serverName": server}
        wish |= {"accountType": "hedging", "name": "Somebody", "phone": "+1 555 0100"}
        made: dict[str, Any] = await self.send(
            "POST", f"{PROFILES}/default/{platform}-demo-accounts", 201, wish, secrets.token_hex(16)
        )
        return {"server": server, "login": made["login"], "password": made["password"], "magic": 1}

    async def account(self, name: str, credentials: dict[str, Any], **more: Any) -> str:
        body = {"name": name, "platform": "mt5"} | credentials | more
        made = await self.send("POST", ACCOUNTS, 201, body, secrets.token_hex(16))
        return str(made["id"])


@pytest.fixture
async def caller(server: RunningServer) -> AsyncIterator[Caller]:
    headers = {"auth-token": server.token}
    async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=30) as http:
        yield Caller(http)


CONNECTED = {"state": "DEPLOYED", "connectionStatus": "CONNECTED"}


async def test_accounts_live_their_lives(caller: Caller) -> None:
    credentials = await caller.demo()
    transaction = secrets.token_hex(16)
    body = {"name": "Straße 1", "platform": "mt5", "tags": ["a"], "metadata": {"nul": "\x00"}} | credentials
    first = (await caller.send("POST", ACCOUNTS, 201, body, transaction))["id"]
    assert (await caller.send("POST", ACCOUNTS, 201, body, transaction))["id"] == first
    await caller.send("POST", ACCOUNTS, 400, body | {"name": "Other"}, transaction)
    refused = await caller.send(
        "POST", ACCOUNTS, 400, body | {"password": "wrong-Password1"}, secrets.token_hex(16)
    )
    assert refused["details"] == "E_AUTH"
    path = f"{ACCOUNTS}/{first}"
    shown = await caller.until(path, **CONNECTED)
    assert shown["metadata"] == {"nul": "\x00"}
    assert (await caller.send("GET", f"{path}/account-information", 200))["balance"] == 1000
    assert (await caller.send("GET", f"{path}/symbols/EURUSD/current-price", 200))["bid"] > 0

    second = await caller.account("Second", await caller.demo())
    await caller.until(f"{ACCOUNTS}/{second}", **CONNECTED)
    await caller.send("POST", f"{ACCOUNTS}/{second}/undeploy", 204)
    await caller.until(f"{ACCOUNTS}/{second}", state="UNDEPLOYED", connectionStatus="DISCONNECTED")
    for query, expected in (
        ({"query": "STRASSE"}, [first]),
        ({"state": "UNDEPLOYED"}, [second]),
        ({"connectionStatus": "CONNECTED", "query": "sandbox"}, [first]),
        ({"offset": 1, "limit": 5}, [second]),
    ):
        listed = await caller.send("GET", ACCOUNTS, 200, params=query)
        assert [one["_id"] for one in listed] == expected, query

    await caller.send("PUT", path, 204, {"name": "Renamed", "magic": 7})
    await caller.send("POST", f"{path}/redeploy", 204)
    await caller.until(path, name="Renamed", magic=7, **CONNECTED)
    link = await caller.send("PUT", f"{path}/configuration-link?ttlInDays=1", 200)
    page = await caller.http.get(link["configurationLink"])
    assert page.status_code == 200
    assert "Renamed" in page.text

    replica = await caller.send(
        "POST", f"{path}/replicas", 201, {"magic": 5, "region": "new-york"}, secrets.token_hex(16)
    )
    await caller.until(f"{path}/replicas/{replica['id']}", **CONNECTED)
    quotas = await caller.send("GET", "/users/current/quotas", 200)
    assert len(quotas) == 2
    for account in (first, second):
        await caller.send("DELETE", f"{ACCOUNTS}/{account}?executeForAllReplicas=true", 204)
    async with asyncio.timeout(10):
        while await caller.send("GET", ACCOUNTS, 200):  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.03)


async def test_profiles_experts_tokens_and_the_vault(caller: Caller, server: RunningServer) -> None:
    profile = await caller.send(
        "POST",
        PROFILES,
        201,
        {"name": "P", "version": 5, "brokerTimezone": "EET", "brokerDSTSwitchTimezone": "EET"},
    )
    place = f"{PROFILES}/{profile['id']}"
    content = bytes(range(256)) * 100
    uploaded = await caller.http.put(f"{place}/servers.dat", files={"file": ("servers.dat", content)})
    assert uploaded.status_code == 204, uploaded.text
    assert (await caller.send("GET", place, 200))["status"] == "active"

    mt4 = await caller.demo("mt4", "Sandbox-MT4")
    account = await caller.account("Four", mt4, platform="mt4", type="cloud-g1")
    path = f"{ACCOUNTS}/{account}"
    await caller.until(path, **CONNECTED)
    expert = {"period": "1h", "symbol": "EURUSD", "preset": "YT0x"}
    await caller.send("PUT", f"{path}/expert-advisors/robot", 204, expert)
    sent = await caller.http.put(f"{path}/expert-advisors/robot/file", files={"file": ("r.ex4", content)})
    assert sent.status_code == 204, sent.text
    [robot] = await caller.send("GET", f"{path}/expert-advisors", 200)
    assert (robot["expertId"], robot["fileUploaded"]) == ("robot", True)

    other = await caller.account("Other", await caller.demo())
    narrow = {"resources": [{"entity": "account", "id": account}], "roles": ["reader"]}
    token = (await caller.send("POST", "/users/current/narrow-down-auth-token", 200, narrow))["token"]
    async with httpx2.AsyncClient(base_url=server.url, headers={"auth-token": token}) as http:
        narrowed = Caller(http)
        assert [one["_id"] for one in await narrowed.send("GET", ACCOUNTS, 200)] == [account]
        await narrowed.send("GET", f"{ACCOUNTS}/{other}", 403)
        await narrowed.send("POST", f"{path}/undeploy", 403)
        tokens = await caller.send("GET", "/users/current/tokens", 200)
        newest = max(tokens, key=lambda one: one["createdAt"])
        await caller.send("DELETE", f"/users/current/tokens/{newest['id']}", 204)
        async with asyncio.timeout(10):
            while (await http.get(ACCOUNTS)).status_code != 401:  # noqa: ASYNC110 - in another process
                await asyncio.sleep(0.05)

    rotated, *_ = await asyncio.gather(
        caller.send("POST", "/admin/vault/rotate", 200),
        *(caller.send("POST", f"{path}/redeploy", 204) for _ in range(5)),
    )
    assert rotated["rewrapped"] >= 2
    await caller.until(path, **CONNECTED)

    entries: list[dict[str, Any]] = []
    while page := await caller.send(
        "GET",
        "/users/current/audit-log",
        200,
        params={"limit": 3, "after": entries[-1]["sequence"] if entries else 0},
    ):
        entries += page
    assert {"account.created", "credentials.used", "vault.rotated"} <= {one["action"] for one in entries}
    assert [one["sequence"] for one in entries] == sorted({one["sequence"] for one in entries})


async def test_nothing_acknowledged_is_lost_when_server_and_database_are_killed(
    postgres: PostgresServer, server: RunningServer
) -> None:
    dice = random.Random(SEED)
    print(f"seed {SEED}")
    known = Known()
    stop = asyncio.Event()
    clients = [CarefulClient(server, known, random.Random(dice.random())) for _ in range(4)]
    async with asyncio.TaskGroup() as tasks:
        for client in clients:
            tasks.create_task(client.work(stop))
        for number in range(6):
            await asyncio.sleep(dice.uniform(0.3, 1.2))  # the random moment is the point of this test
            if number % 2:
                await asyncio.to_thread(postgres.kill)
                await asyncio.to_thread(postgres.start)
            else:
                server.kill()
                await asyncio.to_thread(server.restart)
        stop.set()
    assert len(known.accounts) >= len(clients)
    await all_as_acknowledged(server, known)
    server.kill()
    await asyncio.to_thread(server.restart)
    await all_as_acknowledged(server, known)
    for client in clients:
        await same_transactions_give_the_same_ids(client)


async def test_a_database_that_is_away_is_told_and_terminals_stop_before_leases_end(
    postgres: PostgresServer, server: RunningServer, caller: Caller
) -> None:
    account = await caller.account("One", await caller.demo())
    await caller.until(f"{ACCOUNTS}/{account}", **CONNECTED)
    postgres.kill()
    loop = asyncio.get_running_loop()
    killed_at = loop.time()
    answer = await caller.http.get(f"{ACCOUNTS}/{account}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert {"id", "error", "message", "metadata"} == answer.json().keys()
    assert answer.json()["error"] == "InternalError"
    ready = await caller.http.get("/readyz")
    assert ready.status_code == 503
    assert "database does not answer" in ready.json()["reasons"][0]
    assert (await caller.http.get("/healthz")).status_code == 200
    async with asyncio.timeout(5):
        while not server.events("terminal.stopped"):  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.02)
    assert loop.time() - killed_at < 5, "before the lease ends"
    postgres.start()
    async with asyncio.timeout(10):
        while (await caller.http.get("/readyz")).status_code != 200 or await connected_at(server) != 1:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
    await caller.until(f"{ACCOUNTS}/{account}", **CONNECTED)
    assert (await caller.send("GET", f"{ACCOUNTS}/{account}/account-information", 200))["balance"] == 1000
