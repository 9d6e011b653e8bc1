"""The store's contract, part 2: deployments and leases."""
# ruff: noqa: S101 - asserts are what a contract is made of

from msgspec.structs import replace

from mtfleet.domain.deployment import (
    AccountState,
    ConnectionStatus,
    Desired,
    Hop,
    HopName,
    HopState,
    created,
    draft,
)
from mtfleet.domain.ids import AccountId
from mtfleet.store.base import Store
from mtfleet.testing.store_contract_cases import START, Behaviour, later, of_alice, put


async def b201_a_deployment_comes_back_as_it_was_put_in(store: Store) -> None:
    account = of_alice()
    await put(store, account)
    changed = replace(
        created(account.id),
        desired=Desired.DELETED,
        revision=2**40,
        is_redeploy=True,
        state=AccountState.REDEPLOY_FAILED,
        connection_status=ConnectionStatus.CONNECTED,
        hops=[
            Hop(name=HopName.BROKER, state=HopState.TRYING, since=START, next_try_at=later(1.5)),
            Hop(name=HopName.LOGIN, state=HopState.WAITING, since=START, last_error="ü"),
        ],
        is_rejected=True,
    )
    async with store.transaction() as tx:
        await tx.deployments.put_many([changed, created(AccountId("gone"))])
    async with store.reader() as reader:
        assert await reader.deployments.get(account.id) == changed
        assert await reader.deployments.get(AccountId("gone")) is None


async def b202_many_deployments_are_read_and_written_at_once(store: Store) -> None:
    accounts = [of_alice(n) for n in range(200)]
    await put(store, *accounts)
    changed = [replace(created(one.id), revision=n) for n, one in enumerate(accounts)]
    unknown = [created(AccountId(f"unknown {n}")) for n in range(10_000)]
    async with store.transaction() as tx:
        await tx.deployments.put_many([*changed, *unknown])
    async with store.reader() as reader:
        found = await reader.deployments.get_many([one.account_id for one in [*changed, *unknown]])
    assert found == {one.account_id: one for one in changed}


async def b203_unsettled_pages_by_id_through_what_needs_attention(store: Store) -> None:
    accounts = [of_alice(n) for n in range(25)]
    await put(store, *accounts)
    quiet = AccountState.UNDEPLOYED
    kinds = (
        lambda id_: replace(created(id_), state=AccountState.DEPLOYED),
        lambda id_: replace(draft(id_), state=AccountState.UNDEPLOYING),
        lambda id_: replace(draft(id_), desired=Desired.DELETED, state=AccountState.DELETE_FAILED),
        lambda id_: replace(draft(id_), state=AccountState.UNDEPLOY_FAILED),
        draft,
        lambda id_: replace(draft(id_), state=quiet),
    )
    deployments = {one.id: kinds[n % 6](one.id) for n, one in enumerate(accounts)}
    async with store.transaction() as tx:
        await tx.deployments.put_many(deployments.values())
    expected = sorted(one.id for n, one in enumerate(accounts) if n % 6 < 4)
    found: list[AccountId] = []
    async with store.reader() as reader:
        while page := await reader.deployments.unsettled(after=found[-1] if found else None, limit=4):
            assert len(page) <= 4
            assert all(deployments[one.account_id] == one for one in page)
            found.extend(one.account_id for one in page)
    assert found == expected


async def b211_a_lease_has_one_holder_and_a_growing_epoch(store: Store) -> None:
    account = of_alice()
    await put(store, account)
    wanted = [account.id, AccountId("unknown")]
    async with store.transaction() as tx:
        first = await tx.leases.acquire_many(wanted, "one", START, later(10))
        other = await tx.leases.acquire_many(wanted, "two", later(9.999), later(20))
        again = await tx.leases.acquire_many(wanted, "one", later(5), later(15))
        expired = await tx.leases.acquire_many(wanted, "two", later(15), later(20))
    assert set(first) == {account.id}
    assert (first[account.id].epoch, first[account.id].holder) == (1, "one")
    assert first[account.id].expires_at == later(10)
    assert other == {}
    assert again[account.id].epoch == 2
    assert (expired[account.id].epoch, expired[account.id].holder) == (3, "two")


async def b212_only_live_leases_of_the_holder_are_renewed(store: Store) -> None:
    accounts = [of_alice(n) for n in range(3)]
    await put(store, *accounts)
    async with store.transaction() as tx:
        await tx.leases.acquire_many([accounts[0].id], "one", START, later(10))
        await tx.leases.acquire_many([accounts[1].id], "one", START, later(2))
        await tx.leases.acquire_many([accounts[2].id], "two", START, later(10))
        assert await tx.leases.renew("one", later(5), later(30)) == 1
        everything = [one.id for one in accounts]
        taken = await tx.leases.acquire_many(everything, "three", later(20), later(40))
    assert set(taken) == set(everything[1:])


async def b213_a_release_frees_only_the_holders_and_keeps_the_epoch(store: Store) -> None:
    account = of_alice()
    await put(store, account)
    async with store.transaction() as tx:
        await tx.leases.acquire_many([account.id], "one", START, later(10))
        await tx.leases.release_many([account.id], "two")
        assert await tx.leases.acquire_many([account.id], "two", START, later(10)) == {}
        await tx.leases.release_many([account.id], "one")
        taken = await tx.leases.acquire_many([account.id], "two", START, later(10))
        assert await tx.leases.renew("one", START, later(10)) == 0
    assert taken[account.id].epoch == 2


async def b214_ten_thousand_leases_may_be_asked_for(store: Store) -> None:
    accounts = [of_alice(n) for n in range(50)]
    await put(store, *accounts)
    wanted = [*(one.id for one in accounts), *(AccountId(f"unknown {n}") for n in range(10_000))]
    async with store.transaction() as tx:
        assert len(await tx.leases.acquire_many(wanted, "one", START, later(10))) == 50
        await tx.leases.release_many(wanted, "one")
        assert len(await tx.leases.acquire_many(wanted, "two", START, later(10))) == 50


async def b215_leases_are_read_as_they_stand(store: Store) -> None:
    accounts = [of_alice(n) for n in range(3)]
    await put(store, *accounts)
    async with store.transaction() as tx:
        taken = await tx.leases.acquire_many([one.id for one in accounts[:2]], "one", START, later(10))
        await tx.leases.release_many([accounts[1].id], "one")
    async with store.reader() as reader:
        found = await reader.leases.get_many([one.id for one in accounts])
        now = await reader.leases.now(START)
    assert set(found) == {accounts[0].id, accounts[1].id}
    assert found[accounts[0].id] == taken[accounts[0].id]
    assert found[accounts[1].id].expires_at <= min(START, now)


async def b216_a_lease_from_a_clock_that_was_set_back_ends_in_good_time(store: Store) -> None:
    account, other = of_alice(1), of_alice(2)
    await put(store, account, other)
    wanted = [account.id, other.id]
    async with store.transaction() as tx:
        await tx.leases.acquire_many([account.id], "one", later(3600), later(3610))
        await tx.leases.acquire_many([other.id], "one", later(5), later(15))
        assert await tx.leases.acquire_many(wanted, "two", START, later(10)) == {}
        assert await tx.leases.acquire_many(wanted, "two", later(9.999), later(19.999)) == {}
        taken = await tx.leases.acquire_many(wanted, "two", later(10), later(20))
    assert set(taken) == {account.id}


async def b217_a_living_holder_keeps_its_lease_when_the_clock_is_set_back(store: Store) -> None:
    account = of_alice()
    await put(store, account)
    async with store.transaction() as tx:
        await tx.leases.acquire_many([account.id], "one", later(3600), later(3610))
        assert await tx.leases.acquire_many([account.id], "two", START, later(10)) == {}
        assert await tx.leases.renew("one", later(5), later(15)) == 1
        assert await tx.leases.acquire_many([account.id], "two", later(14), later(24)) == {}


DEPLOYMENTS: tuple[Behaviour, ...] = (
    b201_a_deployment_comes_back_as_it_was_put_in,
    b202_many_deployments_are_read_and_written_at_once,
    b203_unsettled_pages_by_id_through_what_needs_attention,
    b211_a_lease_has_one_holder_and_a_growing_epoch,
    b212_only_live_leases_of_the_holder_are_renewed,
    b213_a_release_frees_only_the_holders_and_keeps_the_epoch,
    b214_ten_thousand_leases_may_be_asked_for,
    b215_leases_are_read_as_they_stand,
    b216_a_lease_from_a_clock_that_was_set_back_ends_in_good_time,
    b217_a_living_holder_keeps_its_lease_when_the_clock_is_set_back,
)
