"""The material of the store's contract: moments, users, and how accounts are put in."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta

from msgspec.structs import replace

from mtfleet.domain.accounts import Account, AccountFilter
from mtfleet.domain.deployment import Deployment, created
from mtfleet.domain.ids import AccountId, Region, UserId
from mtfleet.domain.values import Instant
from mtfleet.store.base import Store
from mtfleet.testing.store import an_account
from mtfleet.wire import json

Behaviour = Callable[[Store], Awaitable[None]]

ALICE = UserId("a" * 32)
BOB = UserId("b" * 32)
START = Instant.parse("2026-05-20T12:00:00.000Z")


def later(seconds: float) -> Instant:
    """Return the moment that many seconds after `START`."""
    return Instant.of(START + timedelta(seconds=seconds))


def of_alice(number: int = 1, /, **changes: object) -> Account:
    """Return an account of Alice, created `number` seconds after `START`."""
    return an_account(number, **({"user_id": ALICE, "created_at": later(number)} | changes))


def a_replica(primary: Account, **changes: object) -> Account:
    """Return a replica of an account in another region."""
    own = {"id": an_account().id, "region": Region("far"), "primary_replica": False, "account_replicas": []}
    return replace(primary, **(own | changes))


def deployment_of(account: Account) -> Deployment:
    """Return the deployment that an account's own fields tell of."""
    return replace(
        created(account.id),
        state=account.state,
        connection_status=account.connection_status,
        hops=account.hops,
    )


async def put(store: Store, *accounts: Account) -> None:
    """Store accounts, each with the deployment that it shows."""
    async with store.transaction() as tx:
        for account in accounts:
            await tx.accounts.add(account, deployment_of(account))


async def put_replica(store: Store, primary: Account, replica: Account) -> None:
    """Store a replica of a stored account."""
    async with store.transaction() as tx:
        await tx.accounts.add(replica, deployment_of(replica), primary_id=primary.id)


async def listed(store: Store, user: UserId = ALICE, **criteria: object) -> list[AccountId]:
    """Return the ids that a filter lists, and check that count and encoded page agree with it."""
    wanted = AccountFilter(**({"offset": 0, "limit": 1000} | criteria))  # type: ignore[arg-type]  # callers give the fields' own types
    async with store.reader() as reader:
        page = await reader.accounts.find(user, wanted, with_count=True)
        encoded = await reader.accounts.find_encoded(user, wanted, with_count=True)
    assert json.decode(encoded.items, list[Account]) == page.items  # noqa: S101 - it is a check
    assert encoded.count == page.count  # noqa: S101 - it is a check
    if wanted.offset == 0 and wanted.limit >= 1000:
        assert page.count == len(page.items)  # noqa: S101 - it is a check
    return [account.id for account in page.items]


def ids(accounts: Iterable[Account]) -> list[AccountId]:
    """Return the ids of accounts in the order of lists."""
    ordered: Sequence[Account] = sorted(accounts, key=lambda account: (account.created_at, account.id))
    return [account.id for account in ordered]
