"""Bring 10,000 simulated accounts to life on a durable database: how fast, and how much memory each takes."""

import asyncio
import gc
import logging
import secrets
import tempfile
import time
import urllib.request
from pathlib import Path
from uuid import UUID

import structlog

from bench.table import Row
from mtfleet.clock import SystemClock
from mtfleet.domain.access import User
from mtfleet.domain.accounts import Account, BrokerSettings, Platform
from mtfleet.domain.deployment import AccountState, ConnectionStatus, created, draft
from mtfleet.domain.ids import AccountId, Login, ServerName, UserId
from mtfleet.domain.values import Clock
from mtfleet.engines.local import LocalEngine
from mtfleet.fleet.fleet import Fleet
from mtfleet.fleet.settings import FleetSettings
from mtfleet.security.keys import FileKeySource
from mtfleet.security.vault import Vault
from mtfleet.store.base import ACCOUNTS, PASSWORD, SealedSecret, Store
from mtfleet.store.sql import open_store
from mtfleet.terminals.base import DemoAccount, DemoAccountRequest
from mtfleet.terminals.simulated import SimulatedTerminals
from mtfleet.testing.server import RunningServer
from mtfleet.testing.store import an_account

_COUNT = 10_000
_SERVER = ServerName("Sandbox-MT5")
_USER = UserId("0" * 32)
_PART = 500
_CONNECTED = "mtfleet_sessions_connected_accounts"


def rows() -> list[Row]:
    """Deploy, end, deploy again after a restart."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as directory:
        data_dir = Path(directory) / "data"
        data_dir.mkdir(mode=0o700)
        return [*asyncio.run(_measure(data_dir)), *_serve(data_dir)]


async def _measure(directory: Path) -> list[Row]:
    clock = SystemClock()
    store = await open_store(f"sqlite:///{directory / 'mtfleet.db'}", clock=clock)
    vault = await Vault.open(store, FileKeySource(directory / "master.key"))
    terminals = SimulatedTerminals(directory / "brokers", clock)
    await terminals.open()
    try:
        ids = await _add_accounts(store, vault, terminals, clock)
        return await _bring_to_life(store, vault, terminals, clock, ids)
    finally:
        await terminals.close()
        await store.close()


async def _bring_to_life(
    store: Store, vault: Vault, terminals: SimulatedTerminals, clock: Clock, ids: list[AccountId]
) -> list[Row]:
    fleet = _fleet(store, vault, terminals, clock, "first")
    await fleet.start()
    gc.collect()
    before = _resident_bytes()
    began, began_cpu = time.perf_counter(), time.process_time()
    for start in range(0, _COUNT, _PART):  # as provisioning does: one durable transaction, then wake
        part = ids[start : start + _PART]
        async with store.transaction() as tx:
            await tx.deployments.put_many([created(id_) for id_ in part])
        fleet.wake(part)
    await _all_connected(store, ids)
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    gc.collect()
    each = (_resident_bytes() - before) / _COUNT / 1024
    began = time.perf_counter()
    await fleet.stop()
    stopping = time.perf_counter() - began
    again = _fleet(store, vault, terminals, clock, "second")
    began = time.perf_counter()
    await again.start()
    starting = time.perf_counter() - began
    await _all_connected(store, ids)
    recovery = time.perf_counter() - began
    await again.stop()
    return [
        Row(
            what=f"deploy {_COUNT:,} simulated accounts until all are stored as connected",
            value=seconds,
            unit="s",
            aim="<= 20 s",
            note=f"{_COUNT / seconds:,.0f} a second, {cpu:.1f} s of processor time; durable SQLite",
        ),
        Row(
            what="memory of one more deployed account (difference of the resident set / n)",
            value=each,
            unit="KiB",
            aim="<= 8 KiB (20 at most)",
            note="session, driver and what the allocator keeps of the work",
        ),
        Row(
            what=f"all {_COUNT:,} connected again after a clean restart",
            value=recovery,
            unit="s",
            aim="",
            note=f"Fleet.start returned after {starting:.1f} s; the stop before took {stopping:.1f} s",
        ),
    ]


def _serve(data_dir: Path) -> list[Row]:
    """Start the whole program on these accounts."""
    server = RunningServer(data_dir)
    began = time.perf_counter()
    server.start()
    ready = time.perf_counter() - began
    try:
        while _connected_at(server) < _COUNT:
            time.sleep(0.1)
        connected = time.perf_counter() - began
        resident = _resident_bytes(server.pid)
    finally:
        server.kill()
    return [
        Row(
            what=f"`mtfleet serve` on {_COUNT:,} deployed accounts: memory of the whole process",
            value=resident / 1024**2,
            unit="MiB",
            aim="<= 512 MiB",
            note=f"ready after {ready:.1f} s, all connected after {connected:.1f} s",
        )
    ]


def _connected_at(server: RunningServer) -> int:
    """Ask the program itself how many accounts it has connected."""
    request = urllib.request.Request(f"{server.url}/metrics", headers={"auth-token": server.token})  # noqa: S310 - our own address
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own address
        lines = answer.read().decode().splitlines()
    return int(float(next(line.split()[1] for line in lines if line.startswith(f"{_CONNECTED} "))))


def _fleet(store: Store, vault: Vault, terminals: SimulatedTerminals, clock: Clock, holder: str) -> Fleet:
    chance = secrets.SystemRandom().random
    settings = FleetSettings(holder=holder)
    return Fleet(store, vault, LocalEngine(), {"simulated": terminals}, clock, chance, settings)


async def _all_connected(store: Store, ids: list[AccountId]) -> None:
    """Look only at a sample until it is connected, then at all, so that looking costs little."""
    sample = ids[:: _COUNT // 50]
    async with asyncio.timeout(600):
        while not (await _connected(store, sample) and await _connected(store, ids)):  # noqa: ASYNC110 - as a client would
            await asyncio.sleep(0.1)


async def _connected(store: Store, ids: list[AccountId]) -> bool:
    async with store.reader() as tx:
        for start in range(0, len(ids), _PART):
            stored = await tx.deployments.get_many(ids[start : start + _PART])
            if any(one.connection_status is not ConnectionStatus.CONNECTED for one in stored.values()):
                return False
    return True


async def _add_accounts(
    store: Store, vault: Vault, terminals: SimulatedTerminals, clock: Clock
) -> list[AccountId]:
    ids: list[AccountId] = []
    async with store.transaction() as tx:
        user = User(id=_USER, name="bench", is_administrator=False, created_at=clock.now())
        await tx.users.add(user)
    for start in range(0, _COUNT, _PART):
        numbers = range(start, start + _PART)
        demos = await asyncio.gather(*(terminals.create_demo_account(_request(n)) for n in numbers))
        async with store.transaction() as tx:
            for number, demo in zip(numbers, demos, strict=True):
                id_ = AccountId(str(UUID(int=number)))
                await tx.accounts.add(_account(id_, demo, clock), draft(id_))
                await tx.accounts.set_broker(
                    id_, BrokerSettings(broker_timezone="EET", broker_dst_switch_timezone="EET")
                )
                sealed = vault.seal(demo.password, table=ACCOUNTS, record_id=id_, field=PASSWORD)
                await tx.secrets.put(
                    SealedSecret(table=ACCOUNTS, record_id=id_, field=PASSWORD, sealed=sealed)
                )
                ids.append(id_)
    return ids


def _request(number: int) -> DemoAccountRequest:
    return DemoAccountRequest(
        platform=Platform.MT5,
        server=_SERVER,
        balance=10_000,
        leverage=100,
        email="someone@example.com",
        request_id=f"bench-{number}",
    )


def _account(id_: AccountId, demo: DemoAccount, clock: Clock) -> Account:
    return an_account(
        id=id_,
        user_id=_USER,
        name=f"Account {demo.login}",
        login=Login(demo.login),
        server=demo.server,
        magic=1,
        state=AccountState.DRAFT,
        created_at=clock.now(),
    )


def _resident_bytes(pid: int | str = "self") -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not say how much memory a process has")
