"""The same lives on a real database."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from mtfleet.domain.access import User
from mtfleet.domain.deployment import (
    AccountState,
    ConnectionStatus,
    Deployment,
    created,
    want_deleted,
    want_redeployed,
    want_undeployed,
)
from mtfleet.domain.ids import AccountId
from mtfleet.engines.local import LocalEngine
from mtfleet.fleet.fleet import Fleet
from mtfleet.fleet.settings import FleetSettings
from mtfleet.store.base import ACCOUNTS, PASSWORD, SealedSecret, Store
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.fleet import USER, PlainVault, account_id, new_account
from mtfleet.testing.scripted import ScriptedTerminals
from mtfleet.testing.store import open_test_store

COUNT = 60


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(clock: FakeClock) -> AsyncIterator[Store]:
    async with open_test_store("sqlite", clock=clock) as store:
        async with store.transaction() as tx:
            await tx.users.add(User(id=USER, name="someone", is_administrator=False, created_at=clock.now()))
            for number in range(COUNT):
                id_ = account_id(number)
                await tx.accounts.add(new_account(clock, id_), created(id_))
                sealed = PlainVault.seal("right")
                await tx.secrets.put(
                    SealedSecret(table=ACCOUNTS, record_id=id_, field=PASSWORD, sealed=sealed)
                )
        yield store


async def all_deployments(store: Store) -> dict[AccountId, Deployment]:
    async with store.reader() as tx:
        return await tx.deployments.get_many([account_id(number) for number in range(COUNT)])


async def until(
    store: Store, clock: FakeClock, condition: Callable[[dict[AccountId, Deployment]], bool]
) -> None:
    for _ in range(2000):
        if condition(await all_deployments(store)):
            return
        await clock.advance(0.05)
        await asyncio.sleep(0.001)  # of real time: the database works in a thread
    raise AssertionError("it never came to be")


def fleet_on(store: Store, clock: FakeClock, terminals: ScriptedTerminals, holder: str) -> Fleet:
    settings = FleetSettings(holder=holder, batch_size=25)
    return Fleet(store, PlainVault(), LocalEngine(), {"scripted": terminals}, clock, lambda: 0.5, settings)


def all_connected(seen: dict[AccountId, Deployment]) -> bool:
    return all(
        one.state is AccountState.DEPLOYED and one.connection_status is ConnectionStatus.CONNECTED
        for one in seen.values()
    )


async def want(
    store: Store, fleet: Fleet, ids: list[AccountId], verb: Callable[[Deployment], Deployment]
) -> None:
    async with store.transaction() as tx:
        stored = await tx.deployments.get_many(ids)
        await tx.deployments.put_many([verb(one) for one in stored.values()])
    fleet.wake(ids)


async def run(clock: FakeClock, work: asyncio.Future[None]) -> None:
    await clock.run_until(work.done)
    await work


async def test_a_life_on_sqlite(store: Store, clock: FakeClock) -> None:
    terminals = ScriptedTerminals(clock)
    fleet = fleet_on(store, clock, terminals, "first")
    await run(clock, asyncio.ensure_future(fleet.start()))
    await until(store, clock, all_connected)
    ids = [account_id(number) for number in range(COUNT)]
    await want(store, fleet, ids[:20], want_undeployed)
    await want(store, fleet, ids[20:40], want_redeployed)
    await want(store, fleet, ids[40:], want_deleted)
    await until(
        store,
        clock,
        lambda seen: (
            set(seen) == set(ids[:40])
            and all(seen[i].state is AccountState.UNDEPLOYED for i in ids[:20])
            and all_connected({i: seen[i] for i in ids[20:40]})
        ),
    )
    assert terminals.running.total() == 20
    assert terminals.most_running == 1
    async with store.reader() as tx:
        assert await tx.secrets.get(ACCOUNTS, ids[50], PASSWORD) is None
        removed = await tx.audit.page(entity_id=ids[50])
    assert [entry.action for entry in removed] == ["credentials.used", "account.removed"]
    await run(clock, asyncio.ensure_future(fleet.stop()))
    assert terminals.running.total() == 0

    second = fleet_on(store, clock, terminals, "second")
    await run(clock, asyncio.ensure_future(second.start()))
    await until(store, clock, lambda seen: all_connected({i: seen[i] for i in ids[20:40]}))
    assert terminals.running.total() == 20
    await run(clock, asyncio.ensure_future(second.stop()))
