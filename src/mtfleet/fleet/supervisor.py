"""The supervisor: brings what is seen to what is wanted, by the pure plan.

It keeps nothing of an account but its id in a set of those to look at, so a burst of changes of one account
is one look, and the set can't grow beyond the number of accounts. A look takes up to `batch_size` accounts:
one transaction reads what is wanted, writes what is seen and removes what is gone; after the commit the
engine is told the next step of each. Whatever a crash loses is planned again, at start or by the regular
comparison of everything.
"""

import asyncio
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

import structlog
from msgspec.structs import replace

from mtfleet.domain.access import AuditEntry
from mtfleet.domain.deployment import (
    AccountState,
    Deployment,
    Observed,
    Phase,
    on_program_start,
    on_unplaceable,
    waiting_hops,
)
from mtfleet.domain.ids import AccountId, ProfileId
from mtfleet.domain.values import Clock, Instant
from mtfleet.engines.base import Engine, Placement, ServerFileContent, Unsubscribe
from mtfleet.fleet.credentials import mark_of
from mtfleet.fleet.defects import describe_defect
from mtfleet.fleet.leases import held_elsewhere
from mtfleet.fleet.metrics import (
    ACCOUNTS_WAITING,
    BATCH_SECONDS,
    BATCHES_FAILED,
    CREDENTIALS_USED,
    PLANS_ACTED,
)
from mtfleet.fleet.plan import Action, Forget, Remove, Start, Stop, plan, reflect
from mtfleet.fleet.settings import FleetSettings
from mtfleet.fleet.timers import Limit, Timers
from mtfleet.store.base import RunSettings, Store, Transaction

log = structlog.get_logger(__name__)

_NO_CREDENTIALS = (
    "No login and password are stored for this account. Set them with an update, then deploy again."
)


class _Steps:
    """What one batch found out, to be done after its commit."""

    def __init__(self) -> None:
        self.place: list[Placement] = []
        self.withdraw: list[AccountId] = []
        self.forget: list[AccountId] = []


class Supervisor:
    """See the module. One object per program; several programs on one store are kept apart by leases."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        timers: Timers,
        clock: Clock,
        settings: FleetSettings,
        *,
        needs_server_files: bool,
    ) -> None:
        self._store = store
        self._engine = engine
        self._timers = timers
        self._clock = clock
        self._settings = settings
        self._needs_server_files = needs_server_files
        self._dirty: dict[AccountId, None] = {}
        self._woken: set[AccountId] = set()
        """Those of the dirty ones that somebody asked something of, not only changed by themselves."""
        self._asked: set[AccountId] = set()
        """Those of the present batch that were woken."""
        self._unrecovered: set[AccountId] = set()
        """Those whose evidence of a former run still stands."""
        self._work = asyncio.Event()
        self._batch_size = settings.batch_size
        self._task: asyncio.Task[None] | None = None
        self._end = asyncio.Event()
        self._unsubscribe: Unsubscribe | None = None

    def wake(self, account_ids: Iterable[AccountId]) -> None:
        """Look at these soon: what is wanted of them changed. Never blocks."""
        for account_id in account_ids:
            self._woken.add(account_id)
            self._note(account_id)

    def _note(self, account_id: AccountId) -> None:
        self._dirty[account_id] = None
        self._work.set()

    async def start(self) -> None:
        """Recover: believe nothing that a former run saw, and plan every account that is not at rest.

        Raises what the store raises.
        """
        self._unsubscribe = self._engine.watch(self._note)
        count = 0
        after: AccountId | None = None
        while True:
            async with self._store.reader() as tx:
                page = await tx.deployments.unsettled(after=after, limit=self._settings.batch_size)
            if not page:
                break
            after = page[-1].account_id
            count += len(page)
            await self._recover([deployment.account_id for deployment in page])
        log.info("fleet.recovered", accounts=count)
        self._task = asyncio.create_task(self._run(), name="fleet-supervisor")

    async def _recover(self, account_ids: list[AccountId]) -> None:
        """Look at these for the first time; if that fails, again soon, so that no account can keep the
        program from starting."""
        self._unrecovered.update(account_ids)
        try:
            await self._look_at(account_ids)
        except Exception as defect:
            describe_defect("batch.recover_failed", defect, accounts=len(account_ids))
            for account_id in account_ids:
                self._note(account_id)

    async def stop(self) -> None:
        """End after the batch under way. Repeating it is harmless."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._end.set()
        task, self._task = self._task, None
        if task is not None:
            await task

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._look())
            comparing = tasks.create_task(self._compare())
            await self._end.wait()
            comparing.cancel()
            self._work.set()  # lets `_look` see the end; a transaction under way is not torn
            await looking

    async def _look(self) -> None:
        failures = 0
        while not self._end.is_set():
            await self._work.wait()
            self._work.clear()
            while self._dirty and not self._end.is_set():
                account_ids = self._next_batch()
                try:
                    await self._look_at(account_ids)
                except Exception as defect:
                    failures += 1
                    await self._put_off(account_ids, defect, failures)
                else:
                    failures = 0
                    self._batch_size = min(self._settings.batch_size, self._batch_size * 4)

    def _next_batch(self) -> list[AccountId]:
        account_ids = [
            account_id for account_id, _ in zip(self._dirty, range(self._batch_size), strict=False)
        ]
        for account_id in account_ids:
            del self._dirty[account_id]
        ACCOUNTS_WAITING.set(len(self._dirty))
        return account_ids

    async def _put_off(self, account_ids: list[AccountId], defect: Exception, failures: int) -> None:
        """A batch failed: try smaller ones until the account is alone that the store does not take, so that
        it holds up nobody else; wait a little, since the store itself may be in trouble."""
        BATCHES_FAILED.inc()
        describe_defect("batch.reconcile_failed", defect, accounts=len(account_ids), tries=failures)
        if len(account_ids) == 1:
            self._timers.after(self._settings.defect_seconds, self._note, account_ids[0])
        else:
            self._batch_size = max(1, len(account_ids) // 8)
            for account_id in account_ids:
                self._note(account_id)
        await self._clock.sleep(min(0.05 * 2.0 ** min(failures, 8), 5.0))

    async def _compare(self) -> None:
        while True:
            await self._clock.sleep(self._settings.reconcile_seconds)
            try:
                await self._compare_all()
            except Exception as defect:
                describe_defect("fleet.compare_failed", defect)

    async def _compare_all(self) -> None:
        """Look at whatever is not as it should be: a report was lost, or another program changed it."""
        left = set(self._engine.known())
        after: AccountId | None = None
        while True:
            async with Limit(self._timers, self._settings.store_seconds), self._store.reader() as tx:
                page = await tx.deployments.unsettled(after=after, limit=self._settings.batch_size)
            if not page:
                break
            after = page[-1].account_id
            for deployment in page:
                left.discard(deployment.account_id)
                if not self._is_settled(deployment):
                    self._note(deployment.account_id)
            await asyncio.sleep(0)
        for account_id in left:  # nothing is wanted of them any more, and yet they are known
            self._note(account_id)

    def _is_settled(self, deployment: Deployment) -> bool:
        seen = self._engine.observed(deployment.account_id)
        if plan(deployment, seen) is not None:
            return False
        return seen is None or reflect(deployment, seen) == deployment

    async def _look_at(self, account_ids: Sequence[AccountId]) -> None:
        """Look at these in one transaction, then act."""
        began = self._clock.monotonic()
        steps = _Steps()
        self._asked = self._woken.intersection(account_ids)
        self._woken -= self._asked  # one who asks from now on is heard in the next look
        try:
            async with Limit(self._timers, self._settings.store_seconds), self._store.transaction() as tx:
                stored = await tx.deployments.get_many(account_ids)
                await self._decide(tx, account_ids, stored, steps)
        except BaseException:
            self._woken |= self._asked
            raise
        self._unrecovered.difference_update(account_ids)
        if steps.place:
            await self._engine.place(steps.place)
        if steps.withdraw:
            await self._engine.withdraw(steps.withdraw)
        if steps.forget:
            await self._engine.forget(steps.forget)
        BATCH_SECONDS.observe(self._clock.monotonic() - began)

    async def _decide(
        self,
        tx: Transaction,
        account_ids: Sequence[AccountId],
        stored: dict[AccountId, Deployment],
        steps: _Steps,
    ) -> None:
        changed: dict[AccountId, Deployment] = {}
        actions: list[Action] = []
        seen_of = {account_id: self._engine.observed(account_id) for account_id in account_ids}
        await self._disbelieve_stale_refusals(tx, stored, seen_of)
        disbelieved = await self._without_holder(tx, self._unrecovered.intersection(account_ids))
        for account_id in account_ids:
            try:
                deployment, action = self._judge(account_id, stored.get(account_id), seen_of, disbelieved)
            except Exception as defect:  # a defect in one account's rules must not stop the others
                describe_defect("account.judge_failed", defect, account_id=account_id)
                self._timers.after(self._settings.defect_seconds, self._note, account_id)
                continue
            if deployment is not None and deployment != stored.get(account_id):
                changed[account_id] = deployment
            if action is not None:
                actions.append(action)
        await self._prepare(tx, actions, stored, changed, steps)
        if changed:
            await tx.deployments.put_many(changed.values())

    def _judge(
        self,
        account_id: AccountId,
        deployment: Deployment | None,
        seen_of: dict[AccountId, Observed | None],
        disbelieved: AbstractSet[AccountId],
    ) -> tuple[Deployment | None, Action | None]:
        """Return the deployment with what is seen, and the next step."""
        seen = seen_of[account_id]
        if deployment is None:
            return None, _clear_away(account_id, seen)
        if seen is not None:
            if account_id in self._asked and seen.phase is Phase.STUCK:
                return deployment, Stop(account_id)  # somebody asked again: it is tried again at once
            deployment = reflect(deployment, seen)
        elif account_id in disbelieved:
            deployment = on_program_start(deployment, self._clock.now())
        return deployment, plan(deployment, seen)

    async def _without_holder(
        self, tx: Transaction, account_ids: AbstractSet[AccountId]
    ) -> AbstractSet[AccountId]:
        """Return those that no other program holds: of the others it knows better what is seen."""
        if not account_ids:
            return account_ids
        held = await held_elsewhere(tx, sorted(account_ids), self._settings.holder, self._clock)
        return account_ids - held.keys()

    async def _disbelieve_stale_refusals(
        self, tx: Transaction, stored: dict[AccountId, Deployment], seen_of: dict[AccountId, Observed | None]
    ) -> None:
        """The broker may have refused credentials that were changed since: then nothing is known of the new
        ones, and the refused terminal counts as one of an earlier revision."""
        refused = [
            (account_id, seen)
            for account_id, seen in seen_of.items()
            if seen is not None
            and seen.is_rejected
            and account_id in stored
            and not stored[account_id].is_rejected
        ]
        if not refused:
            return
        settings = await tx.accounts.run_settings([account_id for account_id, _ in refused])
        for account_id, seen in refused:
            now_stored = settings.get(account_id)
            if now_stored is None or _mark(now_stored) != seen.credentials_mark:
                seen_of[account_id] = replace(seen, is_rejected=False, revision=-1)

    async def _prepare(
        self,
        tx: Transaction,
        actions: list[Action],
        stored: dict[AccountId, Deployment],
        changed: dict[AccountId, Deployment],
        steps: _Steps,
    ) -> None:
        """Do of the actions what belongs to the transaction, and note the rest."""
        starts: list[AccountId] = []
        for action in actions:
            PLANS_ACTED.labels(action=type(action).__name__.lower()).inc()
            match action:
                case Start():
                    starts.append(action.account_id)
                case Stop():
                    steps.withdraw.append(action.account_id)
                case Forget():
                    steps.forget.append(action.account_id)
                case Remove():
                    await self._remove(tx, action.account_id)
                    changed.pop(action.account_id, None)
                    steps.forget.append(action.account_id)
        if starts:
            await self._prepare_starts(tx, starts, stored, changed, steps)

    async def _remove(self, tx: Transaction, account_id: AccountId) -> None:
        """Delete it; the store deletes what hangs on it, the sealed password too."""
        settings = await tx.accounts.run_settings([account_id])
        owner = settings[account_id].account.user_id if account_id in settings else None
        await tx.accounts.remove(account_id)
        entry = AuditEntry(
            recorded_at=self._clock.now(),
            user_id=owner,
            action="account.removed",
            entity="account",
            entity_id=account_id,
            outcome="done",
        )
        await tx.audit.append([entry])
        log.info("account.removed", account_id=account_id)

    async def _prepare_starts(
        self,
        tx: Transaction,
        account_ids: list[AccountId],
        stored: dict[AccountId, Deployment],
        changed: dict[AccountId, Deployment],
        steps: _Steps,
    ) -> None:
        now = self._clock.now()
        settings = await tx.accounts.run_settings(account_ids)
        files = await self._server_files(tx, settings.values())
        free = await self._without_holder(tx, set(account_ids))
        uses: list[AuditEntry] = []
        for account_id in account_ids:
            deployment = changed.get(account_id, stored[account_id])
            run = settings.get(account_id)
            if run is None:
                changed[account_id] = on_unplaceable(deployment, _NO_CREDENTIALS, now)
                continue
            if deployment.state not in _TRIED and account_id in free:
                changed[account_id] = replace(
                    deployment, state=AccountState.DEPLOYING, hops=waiting_hops(now)
                )
            profile_id = run.account.provisioning_profile_id
            steps.place.append(
                Placement(
                    account_id=account_id,
                    revision=deployment.revision,
                    account=run.account,
                    credentials_id=run.credentials_id,
                    sealed_password=run.sealed_password,
                    broker=run.broker,
                    server_files=files.get(profile_id) if profile_id else None,
                )
            )
            if account_id in free:  # otherwise it waits here, and is placed anew once it is free
                uses.append(_credentials_used(run, account_id, now))
        CREDENTIALS_USED.inc(len(uses))
        if uses:
            await tx.audit.append(uses)

    async def _server_files(
        self, tx: Transaction, settings: Iterable[RunSettings]
    ) -> dict[ProfileId, list[ServerFileContent]]:
        """Read the files of the profiles of these accounts, each profile once."""
        if not self._needs_server_files:
            return {}
        profile_ids = {run.account.provisioning_profile_id for run in settings}
        files: dict[ProfileId, list[ServerFileContent]] = {}
        for profile_id in profile_ids - {None}:
            assert profile_id is not None  # noqa: S101 - taken out of the set
            stored = await tx.profiles.files(profile_id)
            files[profile_id] = [
                ServerFileContent(name=name, content=stored[name]) for name in sorted(stored)
            ]
        return files


_TRIED = frozenset(
    {AccountState.DEPLOYING, AccountState.DEPLOYED, AccountState.DEPLOY_FAILED, AccountState.REDEPLOY_FAILED}
)


def _clear_away(account_id: AccountId, seen: Observed | None) -> Action | None:
    """An account that is no longer stored must not run."""
    if seen is None or seen.phase is Phase.STUCK:
        return None
    # The lease went with the account, so that its end may not be provable: what runs nothing may be
    # forgotten.
    ending = seen.phase in (Phase.STOPPING, Phase.STOPPED)
    return Forget(account_id) if ending else Stop(account_id)


def _mark(run: RunSettings) -> int:
    return mark_of(run.account.login, run.account.server, run.sealed_password)


def _credentials_used(run: RunSettings, account_id: AccountId, now: Instant) -> AuditEntry:
    return AuditEntry(
        recorded_at=now,
        user_id=run.account.user_id,
        action="credentials.used",
        entity="account",
        entity_id=account_id,
        outcome="done",
        details={"purpose": "log-in"},
    )
