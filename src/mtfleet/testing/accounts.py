"""Accounts as they stand in a store, for tests that need some to be there."""

from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from mtfleet.domain.access import Caller
from mtfleet.domain.accounts import Account, AccountType, Reliability
from mtfleet.domain.deployment import AccountState, ConnectionStatus, created
from mtfleet.domain.ids import AccountId, Login, Region, ServerName
from mtfleet.store.base import Store
from mtfleet.testing.clock import FakeClock


async def add_account(
    store: Store, owner: Caller, *, primary: Account | None = None, **changes: Any
) -> Account:
    """Store an account of `owner`, or a replica of `primary`; `changes` are fields of `Account`."""
    account = replace(
        Account(
            id=AccountId(str(uuid4())),
            user_id=owner.user_id,
            name="Trading account #1",
            login=Login("1234567"),
            server=ServerName("Sandbox-MT5"),
            version=5,
            type=AccountType.CLOUD_G2,
            magic=0,
            manual_trades=False,
            quote_streaming_interval_in_seconds=2.5,
            region=Region("vint-hill"),
            reliability=Reliability.HIGH,
            base_currency="USD",
            resource_slots=1,
            copy_factory_resource_slots=1,
            copy_factory_roles=[],
            tags=[],
            state=AccountState.CREATED,
            connection_status=ConnectionStatus.DISCONNECTED,
            hash=1,
            primary_replica=primary is None,
            account_replicas=[],
            metastats_api_enabled=False,
            risk_management_api_enabled=False,
            created_at=FakeClock().now(),
            hops=[],
        ),
        **changes,
    )
    deployment = replace(
        created(account.id), state=account.state, connection_status=account.connection_status
    )
    async with store.transaction() as tx:
        await tx.accounts.add(account, deployment, primary_id=None if primary is None else primary.id)
    return account
