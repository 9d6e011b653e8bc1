"""Trading accounts: add, read, change, deploy, remove (contract section 7)."""

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from mtfleet.domain.access import Caller
from mtfleet.domain.accounts import Account, AccountFilter, CopyFactoryRole, Page, Platform, Reliability
from mtfleet.domain.deployment import (
    AccountState,
    Deployment,
    Desired,
    created,
    credentials_changed,
    draft,
    want_deleted,
    want_deployed,
    want_redeployed,
    want_undeployed,
)
from mtfleet.domain.errors import ConflictError, ValidationError, invalid
from mtfleet.domain.ids import AccountId, ProfileId
from mtfleet.domain.secret import Secret
from mtfleet.domain.values import Clock
from mtfleet.provisioning.account_values import changed_fields, new_account, updated, with_hash
from mtfleet.provisioning.admission import Admission, Given
from mtfleet.provisioning.detection import Detection, Findings
from mtfleet.provisioning.operations import Operations, ResultKind, Running
from mtfleet.provisioning.options import Options
from mtfleet.provisioning.ports import Sealer, Waker
from mtfleet.provisioning.records import (
    active_profile,
    change_deployments,
    changeable_account,
    check_quota,
    family,
    owned_account,
    put_password,
    read_password,
)
from mtfleet.provisioning.validation import (
    check_copy_factory,
    check_features,
    check_new_account,
    check_update,
    given,
)
from mtfleet.security.audit import record
from mtfleet.store.base import EncodedPage, Store, Transaction
from mtfleet.terminals.base import Terminals
from mtfleet.wire.replies import Accepted, Created
from mtfleet.wire.requests import AccountUpdate, CopyFactory, Features, NewAccount

CREATE_ROUTE = "POST /users/current/accounts"
CREATED = ResultKind(Created)


class AccountService:
    """What the API and the command line call. Ids of other users find nothing."""

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
        self._vault = vault
        self._fleet = fleet
        self._operations = operations
        self._clock = clock
        self._options = options
        detection = Detection(terminals, clock, options, operations.places)
        self._admission = Admission(store, detection, clock)

    async def list(self, caller: Caller, criteria: AccountFilter, *, with_count: bool) -> Page:
        """Return a page of the caller's accounts."""
        async with self._store.reader() as tx:
            return await tx.accounts.find(caller.user_id, criteria, with_count=with_count)

    async def list_encoded(self, caller: Caller, criteria: AccountFilter, *, with_count: bool) -> EncodedPage:
        """Return what `list` does, written already: for the one endpoint that lists thousands."""
        async with self._store.reader() as tx:
            return await tx.accounts.find_encoded(caller.user_id, criteria, with_count=with_count)

    async def get(self, caller: Caller, account_id: AccountId) -> Account:
        """Return an account with its replicas. Raises `NotFoundError`."""
        async with self._store.reader() as tx:
            return await owned_account(tx, caller.user_id, account_id)

    async def create(
        self, caller: Caller, body: NewAccount, transaction_id: str | None
    ) -> Created | Accepted:
        """Add an account and start it, or add a draft when login and password are left out.

        Raises `ValidationError` for a wrong body and for everything that the broker has against it,
        `NotFoundError` for an unknown profile, `ForbiddenError` when a quota is used up. After an error
        nothing is left of the account.
        """
        check_new_account(body, self._options)

        async def work(running: Running[Created]) -> None:
            await self._create(caller, body, running)

        return await self._operations.run(caller, CREATE_ROUTE, transaction_id, body, CREATED, work)

    async def _create(self, caller: Caller, body: NewAccount, running: Running[Created]) -> None:
        profile_id = ProfileId(body.provisioning_profile_id) if body.provisioning_profile_id else None
        wished = Platform(body.platform) if body.platform else None
        profile = await self._admission.given_by(caller, profile_id, wished) if profile_id else None
        account = new_account(
            body,
            account_id=AccountId(running.entity_id),
            user_id=caller.user_id,
            platform=profile.platform if profile else Platform(body.platform or Platform.MT5),
            default_region=self._options.regions[0],
            created_at=self._clock.now(),
        )
        async with self._store.reader() as tx:
            await check_quota(tx, caller, account.region, self._options)
        findings = None
        password = Secret(body.password) if body.password else None
        if account.login is not None and password is not None:
            findings = await self._admission.admit(
                caller,
                account,
                account.login,
                password,
                running.enter,
                given=profile,
                keywords=body.keywords or (),
            )
            account = with_hash(replace(account, server=findings.server.name))
        state = AccountState.DRAFT if findings is None else AccountState.DEPLOYED
        async with self._store.transaction() as tx:
            if profile_id is not None:
                await active_profile(tx, caller.user_id, profile_id)
            await check_quota(tx, caller, account.region, self._options)
            deployment = draft(account.id) if findings is None else created(account.id)
            await tx.accounts.add(replace(account, state=deployment.state), deployment)
            if findings is not None and password is not None:
                await put_password(tx, self._vault, account.id, password)
                await tx.accounts.set_broker(account.id, findings.broker)
            await self._note(
                tx, caller, "account.created", account.id, {"server": account.server, "state": state}
            )
            await running.finish(tx, Created(id=account.id, state=state))
        self._fleet.wake([account.id])

    async def update(self, caller: Caller, account_id: AccountId, body: AccountUpdate) -> None:
        """Change what is given; takes effect with the next deploy or redeploy, name, tags, metadata at once.

        A draft that gets both login and password is tried at its broker and deployed. A change of the server
        without a profile has the settings of the new one detected first. Raises `ValidationError`,
        `NotFoundError`, `ConflictError` while the account is being deleted.
        """
        async with self._store.reader() as tx:
            account = await changeable_account(tx, caller.user_id, account_id)
            stored = await read_password(tx, self._vault, account_id)
        check_update(body, account, self._options)
        wanted = updated(account, body)
        sent = given(body.password)
        password = Secret(sent) if sent is not None else stored
        if wanted.login is not None and password is None:
            raise invalid("password", "A draft needs login and password together.")
        if password is not None and wanted.login is None:
            raise invalid("login", "A draft needs login and password together.")
        is_moved = wanted.server.casefold() != account.server.casefold()
        is_activated = account.state is AccountState.DRAFT and wanted.login is not None
        findings: Findings | None = None
        if wanted.login is not None and password is not None and (is_activated or is_moved):
            findings = await self._admit(caller, wanted, password)
        async with self._store.transaction() as tx:
            await self._write_update(tx, caller, account, body, findings)
        self._fleet.wake([account_id])

    async def _admit(self, caller: Caller, wanted: Account, password: Secret) -> Findings:
        profile: Given | None = None
        if wanted.provisioning_profile_id is not None:
            profile = await self._admission.given_by(caller, wanted.provisioning_profile_id)
        if wanted.login is None:
            raise invalid("login", "It is required.")
        return await self._admission.admit(
            caller, wanted, wanted.login, password, _unnamed_stage, given=profile
        )

    async def _write_update(
        self,
        tx: Transaction,
        caller: Caller,
        seen: Account,
        body: AccountUpdate,
        findings: Findings | None,
    ) -> None:
        before = await changeable_account(tx, caller.user_id, seen.id)
        if (before.login, before.server, before.state is AccountState.DRAFT) != (
            seen.login,
            seen.server,
            seen.state is AccountState.DRAFT,
        ):
            raise ConflictError(
                "Someone else changed the account's credentials meanwhile. Read it and try again."
            )
        check_update(body, before, self._options)
        after = updated(before, body)
        sent = given(body.password)
        if findings is not None:
            after = with_hash(replace(after, server=findings.server.name))
            await tx.accounts.set_broker(after.id, findings.broker)
        await tx.accounts.update(after)
        fields = changed_fields(before, after)
        if sent is not None:
            await put_password(tx, self._vault, after.id, Secret(sent))
            fields.append("password")
        if sent is not None or "login" in fields or "server" in fields:
            is_draft = before.state is AccountState.DRAFT
            if not is_draft or findings is not None:
                await change_deployments(tx, family(before), credentials_changed)
            if is_draft and findings is not None:
                await change_deployments(tx, [after.id], want_deployed)
        await self._note(tx, caller, "account.updated", after.id, {"fields": fields})

    async def remove(self, caller: Caller, account_id: AccountId, *, for_all_replicas: bool) -> None:
        """Have the account stopped and deleted, with its replicas if asked for. Repeating it is harmless.

        Raises `ValidationError` when there are replicas and they are not to go with it.
        """
        async with self._store.transaction() as tx:
            account = await owned_account(tx, caller.user_id, account_id)
            if account.account_replicas and not for_all_replicas:
                raise invalid(
                    "executeForAllReplicas",
                    f"The account has {len(account.account_replicas)} replicas, which can't stay without it. "
                    "Send true to delete them too, or delete them first.",
                )
            ids = family(account)
            await change_deployments(tx, ids, want_deleted)
            await self._note(tx, caller, "account.removed", account_id, {"replicas": len(ids) - 1})
        self._fleet.wake(ids)

    async def deploy(self, caller: Caller, account_id: AccountId, *, for_all_replicas: bool) -> None:
        """Have the account run. Raises what `want_deployed` raises."""
        await self._change(caller, account_id, want_deployed, "account.deployed", for_all_replicas)

    async def undeploy(self, caller: Caller, account_id: AccountId, *, for_all_replicas: bool) -> None:
        """Have the account stopped. Raises `ConflictError` while it is being deleted."""
        await self._change(caller, account_id, want_undeployed, "account.undeployed", for_all_replicas)

    async def redeploy(self, caller: Caller, account_id: AccountId, *, for_all_replicas: bool) -> None:
        """Have the account stopped and started with its settings as they are now."""
        await self._change(caller, account_id, want_redeployed, "account.redeployed", for_all_replicas)

    async def _change(
        self,
        caller: Caller,
        account_id: AccountId,
        change: Callable[[Deployment], Deployment],
        action: str,
        for_all_replicas: bool,
    ) -> None:
        async with self._store.transaction() as tx:
            account = await owned_account(tx, caller.user_id, account_id)
            ids = family(account) if for_all_replicas else [account_id]
            changed = await change_deployments(tx, ids, unless_leaving(account_id, change))
            if changed:
                await self._note(tx, caller, action, account_id, {"changed": changed})
        if changed:
            self._fleet.wake(changed)

    async def enable_features(self, caller: Caller, account_id: AccountId, body: Features) -> None:
        """Switch features on; `false` switches nothing off. The account is restarted if it runs."""
        check_features(body, self._options)

        def switched(account: Account) -> Account:
            if body.copy_factory_api is not None:
                account = _with_copy_factory(account, body.copy_factory_api)
            return replace(
                account,
                risk_management_api_enabled=account.risk_management_api_enabled
                or bool(body.risk_management_api_enabled),
                metastats_api_enabled=account.metastats_api_enabled or bool(body.metastats_api_enabled),
                reliability=Reliability.HIGH if body.reliability_increased else account.reliability,
                allocate_dedicated_ip=body.allocate_dedicated_ip or account.allocate_dedicated_ip,
            )

        await self._switch(caller, account_id, switched)

    async def enable_copy_factory(self, caller: Caller, account_id: AccountId, body: CopyFactory) -> None:
        """Set roles and slots for copy trading."""
        check_copy_factory(body, self._options)
        await self._switch(caller, account_id, lambda account: _with_copy_factory(account, body))

    async def increase_reliability(self, caller: Caller, account_id: AccountId) -> None:
        """Set reliability to `high`."""
        await self._switch(caller, account_id, lambda account: replace(account, reliability=Reliability.HIGH))

    async def enable_risk_management(self, caller: Caller, account_id: AccountId) -> None:
        """Switch risk management on."""
        await self._switch(
            caller, account_id, lambda account: replace(account, risk_management_api_enabled=True)
        )

    async def enable_metastats(self, caller: Caller, account_id: AccountId) -> None:
        """Switch statistics on."""
        await self._switch(caller, account_id, lambda account: replace(account, metastats_api_enabled=True))

    async def _switch(
        self, caller: Caller, account_id: AccountId, switched: Callable[[Account], Account]
    ) -> None:
        async with self._store.transaction() as tx:
            before = await changeable_account(tx, caller.user_id, account_id)
            after = with_hash(switched(before))
            fields = changed_fields(before, after)
            if fields:
                await tx.accounts.update(after)
                await change_deployments(tx, [account_id], restarted_if_running)
                await self._note(tx, caller, "account.features_enabled", account_id, {"fields": fields})
        if fields:
            self._fleet.wake([account_id])

    async def _note(
        self, tx: Transaction, caller: Caller, action: str, account_id: AccountId, details: dict[str, object]
    ) -> None:
        await record(tx, self._clock, caller, action, entity="account", entity_id=account_id, details=details)


def unless_leaving(
    account_id: AccountId, change: Callable[[Deployment], Deployment]
) -> Callable[[Deployment], Deployment]:
    """Return a change that passes over replicas of the account that are being deleted."""

    def changed(deployment: Deployment) -> Deployment:
        is_leaving = deployment.account_id != account_id and deployment.desired is Desired.DELETED
        return deployment if is_leaving else change(deployment)

    return changed


def restarted_if_running(deployment: Deployment) -> Deployment:
    """Ask for a fresh terminal if there is one or is to be one; leave refused credentials alone."""
    if deployment.desired is not Desired.DEPLOYED or deployment.is_rejected:
        return deployment
    return want_redeployed(deployment)


def _with_copy_factory(account: Account, body: CopyFactory) -> Account:
    if body.copy_factory_roles is None or body.copy_factory_resource_slots is None:
        raise ValidationError("copyFactoryRoles and copyFactoryResourceSlots are required.")
    return replace(
        account,
        copy_factory_roles=[CopyFactoryRole(role) for role in dict.fromkeys(body.copy_factory_roles)],
        copy_factory_resource_slots=body.copy_factory_resource_slots,
    )


async def _unnamed_stage(_stage: str) -> None:
    """Show no stage: an update is not an operation that one asks after."""
