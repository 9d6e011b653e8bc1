"""The store's contract, part 4: transactions and what happens at the same time."""
# ruff: noqa: S101, S106 - asserts are what a contract is made of; the tokens are made up

import asyncio

from msgspec.structs import replace

from mtfleet.domain.access import AuditEntry, User
from mtfleet.domain.deployment import created
from mtfleet.domain.errors import ConflictError, MtfleetError
from mtfleet.domain.ids import TransactionId, UserId
from mtfleet.store.base import Operation, Store, StoredLink
from mtfleet.testing.store_contract_cases import ALICE, START, Behaviour, later, listed, of_alice, put


class _Broken(Exception):
    """What goes wrong in the middle of a transaction."""


async def b401_a_transaction_is_all_or_nothing(store: Store) -> None:
    account = of_alice()
    try:
        async with store.transaction() as tx:
            await tx.accounts.add(account, created(account.id))
            assert await tx.accounts.get(ALICE, account.id) is not None
            raise _Broken
    except _Broken:
        pass
    assert await listed(store) == []
    assert await listed(store, query="account") == []
    await put(store, account)
    assert await listed(store) == [account.id]


async def b402_a_cancelled_transaction_leaves_nothing_and_blocks_nobody(store: Store) -> None:
    account = of_alice()
    inside = asyncio.Event()

    async def never_ends() -> None:
        async with store.transaction() as tx:
            await tx.accounts.add(account, created(account.id))
            inside.set()
            await asyncio.Event().wait()

    async def busy() -> None:
        async with store.transaction() as tx:
            for number in range(1000):
                more = of_alice(number)
                await tx.accounts.add(more, created(more.id))

    async with asyncio.timeout(30):
        task = asyncio.create_task(never_ends())
        await inside.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        for turns in (1, 5, 25, 100):
            task = asyncio.create_task(busy())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
        assert await listed(store) == []
        await put(store, account)
    assert await listed(store) == [account.id]


async def b403_a_reader_writes_nothing(store: Store) -> None:
    try:
        async with store.reader() as reader:
            await reader.users.add(User(id=ALICE, name="a", is_administrator=False, created_at=START))
    except MtfleetError:
        pass
    else:
        raise AssertionError("a reader wrote")
    async with store.reader() as reader:
        assert await reader.users.all() == []


async def b404_a_reader_sees_one_moment(store: Store) -> None:
    await put(store, of_alice(1))
    async with store.reader() as reader:
        before = await reader.accounts.count(ALICE)
        await put(store, of_alice(2))
        assert await reader.accounts.count(ALICE) == before == 1
    async with store.reader() as reader:
        assert await reader.accounts.count(ALICE) == 2


async def b411_of_fifty_equal_operations_one_begins(store: Store) -> None:
    async def begin(number: int) -> Operation:
        operation = Operation(
            user_id=ALICE,
            route="POST /x",
            transaction_id=TransactionId("t"),
            request_hash="h",
            entity_id=f"entity {number}",
            stage="s",
            started_at=START,
        )
        async with store.transaction() as tx:
            return await tx.operations.begin(operation)

    found = await asyncio.gather(*(begin(number) for number in range(50)))
    assert len({operation.entity_id for operation in found}) == 1


async def b412_of_fifty_uses_of_a_link_one_counts(store: Store) -> None:
    account = of_alice()
    await put(store, account)
    async with store.transaction() as tx:
        await tx.links.add(
            StoredLink(token_hash="h", account_id=account.id, created_at=START, expires_at=later(10))
        )

    async def use() -> bool:
        async with store.transaction() as tx:
            return await tx.links.consume("h", START)

    assert sum(await asyncio.gather(*(use() for _ in range(50)))) == 1


async def b413_of_many_holders_one_gets_the_lease(store: Store) -> None:
    accounts = [of_alice(number) for number in range(20)]
    await put(store, *accounts)

    async def take(holder: str) -> list[str]:
        wanted = [account.id for account in accounts]
        async with store.transaction() as tx:
            ordered = wanted if holder in "02468" else wanted[::-1]
            return list(await tx.leases.acquire_many(ordered, holder, START, later(10)))

    taken = await asyncio.gather(*(take(str(holder)) for holder in range(10)))
    assert sorted(id_ for some in taken for id_ in some) == sorted(account.id for account in accounts)


async def b414_of_many_users_one_gets_the_name(store: Store) -> None:
    async def add(number: int) -> bool:
        try:
            async with store.transaction() as tx:
                user = User(id=UserId(str(number)), name="n", is_administrator=False, created_at=START)
                await tx.users.add(user)
        except ConflictError:
            return False
        return True

    assert sum(await asyncio.gather(*(add(number) for number in range(20)))) == 1


async def b415_reading_then_writing_a_deployment_loses_no_change(store: Store) -> None:
    account = of_alice()
    await put(store, account)

    async def count_up() -> None:
        async with store.transaction() as tx:
            deployment = await tx.deployments.get(account.id)
            assert deployment is not None
            await asyncio.sleep(0)
            await tx.deployments.put_many([replace(deployment, revision=deployment.revision + 1)])

    await asyncio.gather(*(count_up() for _ in range(30)))
    async with store.reader() as reader:
        found = await reader.deployments.get(account.id)
    assert found == replace(created(account.id), revision=31)


async def b421_who_pages_through_the_audit_log_misses_nothing(store: Store) -> None:
    seen: list[str | None] = []
    over = asyncio.Event()

    async def write(number: int) -> None:
        async with store.transaction() as tx:
            await tx.audit.append([_entry(str(number))])
            for _ in range(number * 7 % 10):  # so that they are committed in another order
                await tx.users.named("nobody")

    async def read() -> None:
        after = 0
        while True:
            is_last = over.is_set()
            async with store.reader() as reader:
                page = await reader.audit.page(after=after)
            seen.extend(entry.entity_id for entry in page)
            after = page[-1].sequence or 0 if page else after
            if is_last and not page:
                return

    reading = asyncio.create_task(read())
    for start in range(0, 100, 20):
        await asyncio.gather(*(write(number) for number in range(start, start + 20)))
    over.set()
    await reading
    assert len(seen) == 100
    assert set(seen) == {str(number) for number in range(100)}


async def b422_an_entry_of_a_transaction_that_fails_is_not_written(store: Store) -> None:
    try:
        async with store.transaction() as tx:
            await tx.audit.append([_entry("x")])
            raise _Broken
    except _Broken:
        pass
    try:
        async with store.reader() as reader:
            await reader.audit.append([_entry("y")])
    except MtfleetError:
        pass
    else:
        raise AssertionError("a reader wrote")
    async with store.reader() as reader:
        assert await reader.audit.page() == []


def _entry(entity_id: str) -> AuditEntry:
    return AuditEntry(
        recorded_at=START, action="a", entity="account", entity_id=entity_id, outcome="done", user_id=ALICE
    )


async def b423_an_operation_that_succeeded_stays_so(store: Store) -> None:
    wish = Operation(
        user_id=ALICE,
        route="POST /x",
        transaction_id=TransactionId("t"),
        request_hash="h",
        entity_id="e",
        stage="s",
        started_at=START,
    )
    failed = replace(wish, finished_at=later(1), is_success=False, outcome={"error": "no"})
    done = replace(wish, finished_at=later(2), is_success=True, outcome={"id": "e"})
    async with store.transaction() as tx:
        await tx.operations.begin(wish)
        for stored in (failed, wish, failed, done):
            assert await tx.operations.put(stored)
        for late in (failed, wish, replace(done, finished_at=later(3))):
            assert not await tx.operations.put(late)
        assert await tx.operations.get(ALICE, "POST /x", wish.transaction_id) == done


async def b424_of_many_programs_one_makes_a_key(store: Store) -> None:
    async def make(number: int) -> bool:
        async with store.transaction() as tx:
            is_first = await tx.secrets.add_data_key("hash", str(number).encode())
            if is_first:
                await tx.secrets.put_data_key("other", str(number).encode())
            return is_first

    made = await asyncio.gather(*(make(number) for number in range(20)))
    async with store.reader() as reader:
        keys = await reader.secrets.data_keys()
    assert sum(made) == 1
    assert keys == dict.fromkeys(("hash", "other"), str(made.index(True)).encode())


async def b416_closing_twice_is_harmless(store: Store) -> None:
    await store.close()
    await store.close()


TRANSACTIONS: tuple[Behaviour, ...] = (
    b401_a_transaction_is_all_or_nothing,
    b402_a_cancelled_transaction_leaves_nothing_and_blocks_nobody,
    b403_a_reader_writes_nothing,
    b404_a_reader_sees_one_moment,
    b411_of_fifty_equal_operations_one_begins,
    b412_of_fifty_uses_of_a_link_one_counts,
    b413_of_many_holders_one_gets_the_lease,
    b414_of_many_users_one_gets_the_name,
    b415_reading_then_writing_a_deployment_loses_no_change,
    b421_who_pages_through_the_audit_log_misses_nothing,
    b422_an_entry_of_a_transaction_that_fails_is_not_written,
    b423_an_operation_that_succeeded_stays_so,
    b424_of_many_programs_one_makes_a_key,
    b416_closing_twice_is_harmless,
)
