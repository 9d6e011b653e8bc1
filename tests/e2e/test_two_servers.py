"""Two servers on one PostgreSQL database: each account runs on one of them, whatever becomes of them.

What ran when is told by both servers' logs: a terminal runs from `terminal.started` to `terminal.stopped`. A
killed server's end with its process. A frozen server's stand still with it; from its thawing on they count
as running again until the log says that they stopped.
"""

import asyncio
import base64
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it has no types
import httpx2
import pytest

from mtfleet.testing.careful_client import ACCOUNTS, connected_at
from mtfleet.testing.postgres import PostgresServer, running_postgres
from mtfleet.testing.server import RunningServer, running_server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

COUNT = 4
BROKER = """
[[brokers]]
company = "Both"
[[brokers.servers]]
name = "Both-MT5"
platform = "mt5"
timezone = "EET"
dst_switch_timezone = "EET"
"""
LISTED = """
[[brokers.servers.accounts]]
login = {login}
password = "Right-one1"
investor_password = "Read-only1"
balance = 5000
"""


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    with running_postgres(is_durable=True) as database:
        yield database


@pytest.fixture
def servers(postgres: PostgresServer, tmp_path: Path) -> Iterator[list[RunningServer]]:
    """Both start at the same moment, on an empty database."""
    brokers = tmp_path / "brokers.toml"
    brokers.write_text(BROKER + "".join(LISTED.format(login=1000 + n) for n in range(COUNT)))
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    flags = ["--database", postgres.url("postgres"), "--key-source", "env:MTFLEET_TEST_KEY"]
    flags += ["--brokers", str(brokers), "--log-format", "json"]
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        managers = [running_server(flags=flags, environment={"MTFLEET_TEST_KEY": key}) for _ in range(2)]
        started = [pool.submit(manager.__enter__) for manager in managers]
        for manager, future in zip(managers, started, strict=True):
            if future.exception() is None:
                stack.push(manager)
        yield [future.result() for future in started]


async def ask(server: RunningServer, method: str, path: str, **how: Any) -> httpx2.Response:
    headers = {"auth-token": server.token, **how.pop("headers", {})}
    async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=30) as http:
        return await http.request(method, path, **how)


async def add(server: RunningServer, number: int) -> str:
    body = {
        "name": f"account {number}",
        "platform": "mt5",
        "server": "Both-MT5",
        "login": str(1000 + number),
        "password": "Right-one1",
        "magic": 1,
    }
    headers = {"transaction-id": secrets.token_hex(16)}
    answer = await ask(server, "POST", ACCOUNTS, json=body, headers=headers)
    while answer.status_code == 202:
        await asyncio.sleep(0.2)
        answer = await ask(server, "POST", ACCOUNTS, json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def listed(server: RunningServer) -> dict[str, tuple[str, str]]:
    found = (await ask(server, "GET", ACCOUNTS)).json()
    return {one["_id"]: (one["state"], one["connectionStatus"]) for one in found}


UP = ("DEPLOYED", "CONNECTED")


async def until_runs(server: RunningServer, ids: list[str], within_seconds: float = 10.0) -> None:
    """Wait until this server itself has them connected, and says so."""
    async with asyncio.timeout(within_seconds):
        while await connected_at(server) != len(ids) or await listed(server) != dict.fromkeys(ids, UP):  # noqa: ASYNC110 - the condition is in another process
            await asyncio.sleep(0.05)


def moment() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - compared with the moments in logs


Span = tuple[datetime, datetime]


def spans(
    server: RunningServer, account: str, ends: list[datetime], frozen: list[Span], now: datetime
) -> list[Span]:
    """Return when a terminal of the account ran at the server, which was killed at `ends`."""
    found: list[Span] = []
    began: datetime | None = None
    events = [
        (datetime.fromisoformat(event["timestamp"]), event["event"])
        for event in server.events("terminal.started", "terminal.stopped")
        if event["account_id"] == account
    ]
    for at, what in sorted([*events, *((end, "killed") for end in ends), (now, "now")]):
        if what == "terminal.started":
            assert began is None, "a terminal was started beside a running one"
            began = at
        elif began is not None:
            found.append((began, at))
            began = None
    for still_from, still_to in frozen:
        found = [
            part
            for a, b in found
            for part in ((a, min(b, still_from)), (max(a, still_to), b))
            if part[0] < part[1]
        ]
    return found


def overlap_seconds(first: list[Span], second: list[Span]) -> float:
    return sum(max(0.0, (min(b, d) - max(a, c)).total_seconds()) for a, b in first for c, d in second)


async def epochs(postgres: PostgresServer) -> dict[str, tuple[str, int]]:
    connection = await asyncpg.connect(host=str(postgres.directory), user="postgres", database="postgres")
    rows = await connection.fetch("SELECT account_id, holder, epoch FROM leases")
    await connection.close()
    return {row["account_id"]: (row["holder"], row["epoch"]) for row in rows}


async def test_one_takes_over_when_the_other_dies_or_freezes(
    postgres: PostgresServer, servers: list[RunningServer]
) -> None:
    first, second = servers
    ids = [await add(first, number) for number in range(COUNT)]
    await until_runs(first, ids)

    # The second one, started anew, changes nothing of what the first one runs.
    second.kill()
    await asyncio.to_thread(second.restart)
    for _ in range(40):
        assert await listed(first) == await listed(second) == dict.fromkeys(ids, UP)
        await asyncio.sleep(0.05)
    assert await connected_at(second) == 0
    before = await epochs(postgres)
    assert len({holder for holder, _ in before.values()}) == 1

    # It says that it can't ask, and who can.
    answer = await ask(second, "GET", f"{ACCOUNTS}/{ids[0]}/account-information")
    assert (answer.status_code, answer.json()["error"]) == (503, "NotSynchronizedError")
    assert before[ids[0]][0] in answer.json()["message"]
    assert (await ask(first, "GET", f"{ACCOUNTS}/{ids[0]}/account-information")).json()["balance"] == 5000

    # Changes through it are done by the one that runs the account.
    assert (await ask(second, "POST", f"{ACCOUNTS}/{ids[0]}/undeploy")).status_code == 204
    async with asyncio.timeout(10):
        while (await listed(first))[ids[0]] != ("UNDEPLOYED", "DISCONNECTED"):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
    assert len(first.events("terminal.stopped")) == 1
    assert (await ask(first, "POST", f"{ACCOUNTS}/{ids[0]}/deploy")).status_code == 204
    await until_runs_somewhere(servers, ids)

    # Killed: the second one takes over. What it had already it keeps.
    killed_at = moment()
    first.kill()
    await until_runs(second, ids)
    after = await epochs(postgres)
    assert all(after[account][1] > before[account][1] for account in ids)
    await asyncio.to_thread(first.restart)

    # Frozen: the first one takes over. Thawed, the second one stops its terminals at once.
    frozen_at = moment()
    second.freeze()
    await until_runs(first, ids)
    last = await epochs(postgres)
    assert all(last[account][1] > after[account][1] for account in ids)
    thawed_at = moment()
    second.thaw()
    answer = await ask(second, "GET", f"{ACCOUNTS}/{ids[1]}/account-information")
    assert answer.status_code == 503, "it has a terminal in memory, but not the lease"
    async with asyncio.timeout(5):
        while await connected_at(second):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
    assert await listed(second) == dict.fromkeys(ids, UP)
    assert await connected_at(first) == len(ids)

    now = moment()
    for account in ids:
        at_first = spans(first, account, [killed_at], [], now)
        at_second = spans(second, account, [], [(frozen_at, thawed_at)], now)
        assert at_first
        assert at_second
        before_thaw = [(a, b) for a, b in at_second if b <= thawed_at]
        assert overlap_seconds(at_first, before_thaw) == 0
        # No program can end a frozen one's terminals; it does that itself as soon as it thaws.
        assert overlap_seconds(at_first, at_second) < 1.0


async def until_runs_somewhere(servers: list[RunningServer], ids: list[str]) -> None:
    async with asyncio.timeout(15):
        while sum([await connected_at(server) for server in servers]) != len(ids):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
