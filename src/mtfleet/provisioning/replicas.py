"""Replicas: copies of an account in other regions (contract section 8).

A replica runs with its primary's login, password, server and broker settings, so nothing is to be detected
for it; a primary whose credentials the broker refused gets none.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from mtfleet.domain.access import Caller
from mtfleet.domain.accounts import Account, Reliability
from mtfleet.domain.deployment import (
    AccountState,
    Deployment,
    Desired,
    created,
    want_deleted,
    want_deployed,
    want_redeployed,
    want_undeployed,
)
from mtfleet.domain.errors import ConflictError, DetailCode, NotFoundError, ValidationError
from mtfleet.domain.ids import AccountId
from mtfleet.domain.values import Clock
from mtfleet.provisioning.account_values import changed_fields, new_replica, updated, with_hash
from mtfleet.provisioning.accounts import CREATED, restarted_if_running
from mtfleet.provisioning.operations import Operations, Running
from mtfleet.provisioning.options import Options
from mtfleet.provisioning.ports import Sealer, Waker
from mtfleet.provisioning.records import change_deployments, changeable_account, check_quota, owned_account
from mtfleet.provisioning.validation import check_new_replica, check_update
from mtfleet.security.audit import record
from mtfleet.store.base import Store, StoredReplica, Transaction
from mtfleet.terminals.base import Terminals
from mtfleet.wire.json import to_builtins
from mtfleet.wire.replies import Accepted, Created
from mtfleet.wire.requests import AccountUpdate, NewReplica


class ReplicaService:
    """What the API calls. Ids of other users, and of replicas of other accounts, find nothing."""

    def __init__(
        self,
        store: Store,
        vault: Sealer,
        fleet: Waker,
        terminals: Mapping[str, Terminals],
        operations: Operations,
        clock: Clock,
        options: Options,
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._operations = operations
        self._clock = clock
        self._options = options

    async def get(self, caller: Caller, account_id: AccountId, replica_id: AccountId) -> dict[str, Any]:
        """Return a replica with its primary account, as JSON data. Raises `NotFoundError`."""
        async with self._store.reader() as tx:
            account = await owned_account(tx, caller.user_id, account_id)
        for replica in _full(account):
            if replica["_id"] == replica_id:
                return replica
        raise _no_replica(replica_id)

    async def list(self, caller: Caller, account_id: AccountId) -> list[dict[str, Any]]:
        """Return all replicas of an account, each with its primary account."""
        async with self._store.reader() as tx:
            account = await owned_account(tx, caller.user_id, account_id)
        return _full(account)

    async def create(
        self, caller: Caller, account_id: AccountId, body: NewReplica, transaction_id: str | None
    ) -> Created | Accepted:
        """Add a replica in another region and start it.

        Raises `ValidationError` for a wrong body, a draft, or refused credentials (`E_AUTH`);
        `NotFoundError`; `ForbiddenError` when a quota is used up.
        """

        async def work(running: Running[Created]) -> None:
            replica_id = AccountId(running.entity_id)
            async with self._store.transaction() as tx:
                primary = await changeable_account(tx, caller.user_id, account_id)
                check_new_replica(body, primary, self._options)
                await self._refuse_unusable(tx, primary)
                replica = new_replica(body, primary, replica_id=replica_id, created_at=self._clock.now())
                await check_quota(tx, caller, replica.region, self._options)
                await tx.accounts.add(replica, created(replica_id), primary_id=account_id)
                details = {"primary": account_id, "region": replica.region}
                await self._note(tx, caller, "replica.created", replica_id, details)
                await running.finish(tx, Created(id=replica_id, state=AccountState.DEPLOYED))
            self._fleet.wake([replica_id])

        route = f"POST /users/current/accounts/{account_id}/replicas"
        return await self._operations.run(caller, route, transaction_id, body, CREATED, work)

    async def update(
        self, caller: Caller, account_id: AccountId, replica_id: AccountId, body: AccountUpdate
    ) -> None:
        """Change a replica's own settings; what it shares with its primary is passed over."""
        async with self._store.transaction() as tx:
            before = (await self._changeable(tx, caller, account_id, replica_id)).account
            check_update(body, before, self._options, is_replica=True)
            after = updated(before, body, is_replica=True)
            await tx.accounts.update(after)
            fields = changed_fields(before, after)
            await self._note(tx, caller, "replica.updated", replica_id, {"fields": fields})

    async def remove(self, caller: Caller, account_id: AccountId, replica_id: AccountId) -> None:
        """Have the replica stopped and deleted. Repeating it is harmless until it is gone."""
        await self._change(caller, account_id, replica_id, want_deleted, "replica.removed")

    async def deploy(self, caller: Caller, account_id: AccountId, replica_id: AccountId) -> None:
        """Have the replica run."""
        await self._change(caller, account_id, replica_id, want_deployed, "replica.deployed")

    async def undeploy(self, caller: Caller, account_id: AccountId, replica_id: AccountId) -> None:
        """Have the replica stopped."""
        await self._change(caller, account_id, replica_id, want_undeployed, "replica.undeployed")

    async def redeploy(self, caller: Caller, account_id: AccountId, replica_id: AccountId) -> None:
        """Have the replica stopped and started with its settings as they are now."""
        await self._change(caller, account_id, replica_id, want_redeployed, "replica.redeployed")

    async def increase_reliability(
        self, caller: Caller, account_id: AccountId, replica_id: AccountId
    ) -> None:
        """Set reliability to `high`; the replica is restarted if it runs."""
        async with self._store.transaction() as tx:
            before = (await self._changeable(tx, caller, account_id, replica_id)).account
            is_changed = before.reliability is not Reliability.HIGH
            if is_changed:
                await tx.accounts.update(with_hash(replace(before, reliability=Reliability.HIGH)))
                await change_deployments(tx, [replica_id], restarted_if_running)
                details = {"fields": ["reliability"]}
                await self._note(tx, caller, "replica.features_enabled", replica_id, details)
        if is_changed:
            self._fleet.wake([replica_id])

    async def _change(
        self,
        caller: Caller,
        account_id: AccountId,
        replica_id: AccountId,
        change: Callable[[Deployment], Deployment],
        action: str,
    ) -> None:
        async with self._store.transaction() as tx:
            await _stored(tx, caller, account_id, replica_id)
            changed = await change_deployments(tx, [replica_id], change)
            if changed:
                await self._note(tx, caller, action, replica_id, {"primary": account_id})
        if changed:
            self._fleet.wake(changed)

    async def _changeable(
        self, tx: Transaction, caller: Caller, account_id: AccountId, replica_id: AccountId
    ) -> StoredReplica:
        stored = await _stored(tx, caller, account_id, replica_id)
        deployment = await tx.deployments.get(replica_id)
        if deployment is not None and deployment.desired is Desired.DELETED:
            raise ConflictError(f"The replica {replica_id} is being deleted.")
        return stored

    async def _refuse_unusable(self, tx: Transaction, primary: Account) -> None:
        if primary.state is AccountState.DRAFT:
            raise ValidationError(
                "The account is a draft: give it login and password before you add replicas of it."
            )
        deployment = await tx.deployments.get(primary.id)
        if deployment is not None and deployment.is_rejected:
            raise ValidationError(
                "The broker refused the login and password of the account. Update them, then add replicas.",
                details=DetailCode.AUTH,
            )

    async def _note(
        self, tx: Transaction, caller: Caller, action: str, replica_id: AccountId, details: dict[str, Any]
    ) -> None:
        await record(tx, self._clock, caller, action, entity="replica", entity_id=replica_id, details=details)


async def _stored(
    tx: Transaction, caller: Caller, account_id: AccountId, replica_id: AccountId
) -> StoredReplica:
    stored = await tx.accounts.replica(caller.user_id, account_id, replica_id)
    if stored is None:
        raise _no_replica(replica_id)
    return stored


def _full(account: Account) -> "list[dict[str, Any]]":
    primary = to_builtins(account)
    primary.pop("accountReplicas", None)
    return [{**to_builtins(replica), "primaryAccount": primary} for replica in account.account_replicas]


def _no_replica(replica_id: AccountId) -> NotFoundError:
    return NotFoundError(f"There is no replica {replica_id!r} of this account.")
