"""Leases: the table over the store, and the part of a host that keeps them.

Fencing: a terminal runs only while its account's lease is this host's. When leases can't be renewed (a dead
store, a frozen process, a clock that jumped), the watchdog stops all terminals before the leases can pass on.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from mtfleet.domain.ids import AccountId
from mtfleet.domain.values import Clock, Instant
from mtfleet.engines.base import LeaseTable
from mtfleet.fleet.defects import describe_defect
from mtfleet.fleet.metrics import LEASES_LOST, LEASES_REFUSED
from mtfleet.fleet.settings import FleetSettings
from mtfleet.fleet.timers import Limit, Timers

if TYPE_CHECKING:
    from mtfleet.fleet.session import Session
    from mtfleet.store.base import Store, Transaction

log = structlog.get_logger(__name__)


class StoreLeases(LeaseTable):
    """The lease table in the store, for hosts that reach it directly."""

    def __init__(self, store: "Store", clock: Clock, holder: str) -> None:
        """`holder` must differ from that of every other program on this store, also of a former run."""
        self._store = store
        self._clock = clock
        self._holder = holder

    async def acquire(
        self, account_ids: Sequence[AccountId], lifetime_seconds: float
    ) -> dict[AccountId, int]:
        async with self._store.transaction() as tx:
            now = await tx.leases.now(self._clock.now())
            taken = await tx.leases.acquire_many(account_ids, self._holder, now, _end(now, lifetime_seconds))
        return {account_id: lease.epoch for account_id, lease in taken.items()}

    async def renew(self, lifetime_seconds: float) -> int:
        async with self._store.transaction() as tx:
            now = await tx.leases.now(self._clock.now())
            return await tx.leases.renew(self._holder, now, _end(now, lifetime_seconds))

    async def release(self, account_ids: Sequence[AccountId]) -> None:
        async with self._store.transaction() as tx:
            await tx.leases.release_many(account_ids, self._holder)


async def held_elsewhere(
    tx: "Transaction", account_ids: Sequence[AccountId], holder: str, clock: Clock
) -> dict[AccountId, str]:
    """Return those that another holder's lease keeps from `holder` now, with that holder's name."""
    now = await tx.leases.now(clock.now())
    leases = await tx.leases.get_many(account_ids)
    return {
        account_id: lease.holder
        for account_id, lease in leases.items()
        if lease.holder != holder and lease.expires_at > now
    }


class LeaseKeeper:
    """Takes, renews, gives back and watches the leases of a host's sessions.

    `serve`, `renew` and `watch` are each one turn that the host repeats in a task of its own.
    """

    def __init__(
        self,
        table: LeaseTable,
        sessions: Mapping[AccountId, "Session"],
        clock: Clock,
        timers: Timers,
        settings: FleetSettings,
    ) -> None:
        self._table = table
        self._sessions = sessions
        self._clock = clock
        self._timers = timers
        self._settings = settings
        self._to_acquire: dict[AccountId, None] = {}
        self._to_release: dict[AccountId, None] = {}
        self._work = asyncio.Event()
        self._lock = asyncio.Lock()
        self._held: set[AccountId] = set()
        """What the table says is ours, as far as is known."""
        self._safe_until = clock.monotonic()
        """Until then none of our leases passes on."""
        self._safe_until_wall = clock.now()

    def need(self, account_id: AccountId) -> None:
        """Ask for the lease; the session is told `lease_granted` or `lease_refused`."""
        self._to_acquire[account_id] = None
        self._work.set()

    def give_back(self, account_id: AccountId) -> None:
        """Release the lease soon, before any new one of that account is asked for."""
        self._to_release[account_id] = None
        self._held.discard(account_id)
        self._work.set()

    async def serve(self) -> None:
        """Wait for wishes and do them, many at once."""
        await self._work.wait()
        self._work.clear()
        while self._to_release or self._to_acquire:
            if self._to_release:
                await self.release(_take(self._to_release, self._settings.batch_size))
            if self._to_acquire:
                await self._acquire(_take(self._to_acquire, self._settings.batch_size))

    async def _acquire(self, account_ids: list[AccountId]) -> None:
        sessions = [self._sessions[i] for i in account_ids if i in self._sessions]
        wanted = [session for session in sessions if not session.epoch]
        if not wanted:
            return
        try:
            epochs = await self._acquire_from_table([session.account_id for session in wanted])
            reason = "Another program runs this account, or did until a moment ago: its lease has not ended."
        except Exception as error:  # told to each session, which asks again
            epochs = {}
            reason = f"The lease could not be taken: {describe_defect('lease.acquire_failed', error)}."
        for session in wanted:
            epoch = epochs.get(session.account_id)
            if self._sessions.get(session.account_id) is not session:
                if epoch is not None:  # the session went while the table was asked
                    self.give_back(session.account_id)
            elif epoch is not None:
                session.lease_granted(epoch)
            else:
                LEASES_REFUSED.inc()
                session.lease_refused(reason)

    async def _acquire_from_table(self, account_ids: list[AccountId]) -> dict[AccountId, int]:
        async with self._lock, Limit(self._timers, self._settings.store_seconds):
            began, began_wall = self._clock.monotonic(), self._clock.now()
            epochs = await self._table.acquire(account_ids, self._settings.lease_seconds)
            if epochs and not self._held:
                self._set_safe(began, began_wall)
            self._held.update(epochs)
            return epochs

    async def release(self, account_ids: Sequence[AccountId]) -> None:
        """Give these back now. When that fails they end by themselves."""
        async with self._lock:
            self._held.difference_update(account_ids)
            try:
                async with Limit(self._timers, self._settings.store_seconds):
                    await self._table.release(account_ids)
            except Exception as error:
                describe_defect("lease.release_failed", error, accounts=len(account_ids))

    async def close(self, account_ids: Sequence[AccountId]) -> None:
        """Give back these and whatever waits to be given back; ask for nothing more."""
        self._to_acquire.clear()
        leaving = [*account_ids, *self._to_release]
        self._to_release.clear()
        if leaving:
            await self.release(leaving)

    async def renew(self) -> None:
        """Extend all leases. Those that had ended meanwhile are taken again, or their terminals stopped."""
        await self._clock.sleep(self._settings.renew_seconds)
        if not self._held:
            return
        async with self._lock, Limit(self._timers, self._settings.store_seconds):
            began, began_wall = self._clock.monotonic(), self._clock.now()
            renewed = await self._table.renew(self._settings.lease_seconds)
            if renewed < len(self._held):
                await self._take_back()
            self._set_safe(began, began_wall)

    async def _take_back(self) -> None:
        held = sorted(self._held)
        epochs: dict[AccountId, int] = {}
        for start in range(0, len(held), self._settings.batch_size):
            part = held[start : start + self._settings.batch_size]
            epochs |= await self._table.acquire(part, self._settings.lease_seconds)
        self._held = set(epochs)
        for account_id in held:
            session = self._sessions.get(account_id)
            if session is None or not session.epoch:
                continue
            if epochs.get(account_id) == session.epoch + 1:  # nobody had it in between
                session.epoch += 1
            else:
                LEASES_LOST.inc()
                log.warning("lease.lost", account_id=account_id)
                session.fence()

    async def watch(self) -> None:
        """Stop every terminal when the leases may pass on soon."""
        await self._clock.sleep(self._settings.watch_seconds)
        if not self._held or self.is_safe(self._settings.lease_margin_seconds):
            return
        held = [session for session in self._sessions.values() if session.epoch]
        log.error("leases.endangered", accounts=len(held))
        LEASES_LOST.inc(len(held))
        self._held.clear()
        for session in held:
            session.fence()

    def is_safe(self, margin_seconds: float) -> bool:
        """Whether no lease of ours passes on within `margin_seconds`, by either clock."""
        return (
            self._clock.monotonic() < self._safe_until - margin_seconds
            and self._clock.now() < self._safe_until_wall - timedelta(seconds=margin_seconds)
        )

    def _set_safe(self, began: float, began_wall: Instant) -> None:
        self._safe_until = began + self._settings.lease_seconds
        self._safe_until_wall = _end(began_wall, self._settings.lease_seconds)


def _end(now: Instant, seconds: float) -> Instant:
    return Instant.of(now + timedelta(seconds=seconds))


def _take(ids: dict[AccountId, None], count: int) -> list[AccountId]:
    """Remove and return the first `count`."""
    taken = [account_id for account_id, _ in zip(ids, range(count), strict=False)]
    for account_id in taken:
        del ids[account_id]
    return taken
