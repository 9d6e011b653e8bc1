"""Accounts as they stand in a store, for tests that need some to be there."""

from msgspec.structs import replace

from mtfleet.domain.access import Caller
from mtfleet.domain.accounts import Account
from mtfleet.domain.deployment import created
from mtfleet.domain.ids import Region
from mtfleet.store.base import Store
from mtfleet.testing.store import an_account


async def add_account(
    store: Store, owner: Caller, *, primary: Account | None = None, **changes: object
) -> Account:
    """Store an account of `owner`, or a replica of `primary`; `changes` are fields of `Account`."""
    fields: dict[str, object] = {"region": Region("vint-hill"), "primary_replica": primary is None, **changes}
    account = replace(an_account(**fields), user_id=owner.user_id)
    deployment = replace(
        created(account.id), state=account.state, connection_status=account.connection_status
    )
    async with store.transaction() as tx:
        await tx.accounts.add(account, deployment, primary_id=None if primary is None else primary.id)
    return account
