"""Deployments and leases in SQL. A deployment lives in its account's row."""

from collections.abc import Iterable, Sequence

from sqlalchemy import bindparam, func, literal, or_, select, update

from mtfleet.domain.deployment import AccountState, ConnectionStatus, Deployment, Desired, Hop
from mtfleet.domain.ids import AccountId
from mtfleet.domain.values import Instant
from mtfleet.store import base
from mtfleet.store.account_rows import deployment_columns
from mtfleet.store.moments import to_instant, to_milliseconds
from mtfleet.store.tables import accounts, leases
from mtfleet.store.unit import AnyRow, Unit
from mtfleet.wire import json

_COLUMNS = (
    accounts.c.id,
    accounts.c.desired,
    accounts.c.revision,
    accounts.c.is_redeploy,
    accounts.c.state,
    accounts.c.connection_status,
    accounts.c.hops_json,
    accounts.c.is_rejected,
)
_WRITTEN = ("desired", "revision", "is_redeploy", "is_rejected", "state", "connection_status", "hops_json")
_PUT = (
    update(accounts)
    .where(accounts.c.id == bindparam("account_id"))
    .values({name: bindparam(f"new_{name}") for name in _WRITTEN})
)
_BUSY_STATES = sorted(
    state.value
    for state in AccountState
    if state.value.endswith("ING") or state is AccountState.UNDEPLOY_FAILED
)


class SqlDeployments(base.Deployments):
    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def get(self, account_id: AccountId) -> Deployment | None:
        return (await self.get_many([account_id])).get(account_id)

    async def get_many(self, account_ids: Sequence[AccountId]) -> dict[AccountId, Deployment]:
        # In one order for all, so that two transactions that lock several can't wait for each other.
        statement = select(*_COLUMNS).where(self._unit.among(accounts.c.id, account_ids))
        rows = await self._unit.rows(self._unit.locked(statement.order_by(accounts.c.id)))
        return {row[0]: _to_deployment(row) for row in rows}

    async def put_many(self, deployments: Iterable[Deployment]) -> None:
        ordered = sorted(deployments, key=lambda deployment: deployment.account_id)
        await self._unit.change_many(
            _PUT,
            [
                {"account_id": one.account_id}
                | {f"new_{name}": value for name, value in deployment_columns(one).items()}
                for one in ordered
            ],
        )

    async def unsettled(self, *, after: AccountId | None = None, limit: int = 1000) -> list[Deployment]:
        needs_attention = or_(
            accounts.c.desired.in_([Desired.DEPLOYED.value, Desired.DELETED.value]),
            accounts.c.state.in_(_BUSY_STATES),
        )
        statement = select(*_COLUMNS).where(needs_attention, accounts.c.id > (after or ""))
        rows = await self._unit.rows(statement.order_by(accounts.c.id).limit(limit))
        return [_to_deployment(row) for row in rows]


def _to_deployment(row: AnyRow) -> Deployment:
    return Deployment(
        account_id=row[0],
        desired=Desired(row[1]),
        revision=row[2],
        is_redeploy=row[3],
        state=AccountState(row[4]),
        connection_status=ConnectionStatus(row[5]),
        hops=[] if row[6] == "[]" else json.decode(row[6], list[Hop]),
        is_rejected=row[7],
    )


class SqlLeases(base.Leases):
    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def now(self, ours: Instant) -> Instant:
        if self._unit.is_sqlite:  # all its holders are on this machine
            return ours
        return Instant.of(await self._unit.scalar(select(func.clock_timestamp())))

    async def get_many(self, account_ids: Sequence[AccountId]) -> dict[AccountId, base.Lease]:
        rows = await self._unit.rows(select(leases).where(self._unit.among(leases.c.account_id, account_ids)))
        return {
            row.account_id: base.Lease(
                account_id=row.account_id,
                holder=row.holder,
                epoch=row.epoch,
                expires_at=to_instant(row.expires_at),
            )
            for row in rows
        }

    async def acquire_many(
        self, account_ids: Sequence[AccountId], holder: str, now: Instant, expires_at: Instant
    ) -> dict[AccountId, base.Lease]:
        until = to_milliseconds(expires_at)
        await self._shorten(account_ids, holder, until, 2 * until - to_milliseconds(now))
        wanted = select(accounts.c.id, literal(holder), literal(1), literal(until))
        wanted = wanted.where(self._unit.among(accounts.c.id, account_ids)).order_by(accounts.c.id)
        insertion = self._unit.insertion(leases).from_select(
            ["account_id", "holder", "epoch", "expires_at"], wanted
        )
        statement = insertion.on_conflict_do_update(
            index_elements=[leases.c.account_id],
            set_={"holder": holder, "epoch": leases.c.epoch + 1, "expires_at": until},
            where=or_(leases.c.holder == holder, leases.c.expires_at <= to_milliseconds(now)),
        ).returning(leases.c.account_id, leases.c.epoch)
        rows = await self._unit.rows(statement)
        return {
            row.account_id: base.Lease(
                account_id=row.account_id, holder=holder, epoch=row.epoch, expires_at=to_instant(until)
            )
            for row in rows
        }

    async def _shorten(
        self, account_ids: Sequence[AccountId], holder: str, until: int, implausible: int
    ) -> None:
        """Let no lease of another holder last longer than one that was taken now."""
        others = (leases.c.holder != holder, leases.c.expires_at > implausible)
        far = select(leases.c.account_id).where(self._unit.among(leases.c.account_id, account_ids), *others)
        found = await self._unit.rows(self._unit.locked(far.order_by(leases.c.account_id)))
        if found:
            its = self._unit.among(leases.c.account_id, [row.account_id for row in found])
            await self._unit.change(update(leases).where(its, *others).values(expires_at=until))

    async def renew(self, holder: str, now: Instant, expires_at: Instant) -> int:
        live = (leases.c.holder == holder, leases.c.expires_at > to_milliseconds(now))
        return await self._unit.change(
            update(leases).where(*live).values(expires_at=to_milliseconds(expires_at))
        )

    async def release_many(self, account_ids: Sequence[AccountId], holder: str) -> None:
        mine = (leases.c.holder == holder, self._unit.among(leases.c.account_id, account_ids))
        await self._unit.change(update(leases).where(*mine).values(expires_at=0))
