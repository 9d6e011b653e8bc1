"""A world for fleets: scripted terminals, a store in memory, and a clock that moves only when told.

The world outlives the programs (`Fleet`s) that run on it, so restarts and crashes can be told too.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any, cast
from uuid import UUID

from msgspec.structs import replace

from mtfleet.domain.access import AuditEntry
from mtfleet.domain.accounts import Account
from mtfleet.domain.deployment import AccountState, ConnectionStatus, Deployment, Desired, created
from mtfleet.domain.ids import AccountId, Login, Region, ServerName, UserId
from mtfleet.domain.secret import Secret
from mtfleet.domain.values import Clock, Instant
from mtfleet.engines.local import LocalEngine
from mtfleet.fleet.fleet import Fleet
from mtfleet.fleet.settings import FleetSettings
from mtfleet.store.base import ACCOUNTS, PASSWORD, Deployments, Lease, Leases, RunSettings, Store, Transaction
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.scripted import ScriptedDriver, ScriptedTerminals
from mtfleet.testing.store import an_account

_BUSY_STATES = {state for state in AccountState if state.value.endswith("ING")} | {
    AccountState.UNDEPLOY_FAILED
}
USER = UserId("0" * 32)


def account_id(number: int) -> AccountId:
    return AccountId(str(UUID(int=number)))


def new_account(clock: Clock, id_: AccountId, **changes: Any) -> Account:
    account = an_account(
        id=id_,
        user_id=USER,
        login=Login("1234"),
        server=ServerName("Scripted-Demo"),
        magic=7,
        region=Region("home"),
        created_at=clock.now(),
    )
    return replace(account, **changes)


class MemoryDeployments(Deployments):
    def __init__(self, store: "MemoryStore") -> None:
        self._store = store

    async def get(self, account_id: AccountId) -> Deployment | None:
        return self._store.deployments.get(account_id)

    async def get_many(self, account_ids: Sequence[AccountId]) -> dict[AccountId, Deployment]:
        return {i: self._store.deployments[i] for i in account_ids if i in self._store.deployments}

    async def put_many(self, deployments: Iterable[Deployment]) -> None:
        for deployment in deployments:
            if deployment.account_id == self._store.poison:
                raise OSError("this row can't be written")
            if deployment.account_id in self._store.deployments:
                self._store.deployments[deployment.account_id] = deployment
                self._store.history.append(deployment)

    async def unsettled(self, *, after: AccountId | None = None, limit: int = 1000) -> list[Deployment]:
        found = [
            deployment
            for id_, deployment in sorted(self._store.deployments.items())
            if (after is None or id_ > after)
            and (deployment.desired is not Desired.UNDEPLOYED or deployment.state in _BUSY_STATES)
        ]
        return found[:limit]


class MemoryLeases(Leases):
    def __init__(self, store: "MemoryStore") -> None:
        self._store = store

    async def acquire_many(
        self, account_ids: Sequence[AccountId], holder: str, now: Instant, expires_at: Instant
    ) -> dict[AccountId, Lease]:
        self._store.refuse_if_cut_off(holder)
        taken = {}
        for id_ in account_ids:
            former = self._store.leases.get(id_)
            if id_ not in self._store.accounts:
                continue
            if former is None or former.holder == holder or former.expires_at <= now:
                epoch = self._store.epochs[id_] = self._store.epochs.get(id_, 0) + 1
                taken[id_] = self._store.leases[id_] = Lease(
                    account_id=id_, holder=holder, epoch=epoch, expires_at=expires_at
                )
        return taken

    async def renew(self, holder: str, now: Instant, expires_at: Instant) -> int:
        self._store.refuse_if_cut_off(holder)
        mine = [x for x in self._store.leases.values() if x.holder == holder and x.expires_at > now]
        for lease in mine:
            self._store.leases[lease.account_id] = replace(lease, expires_at=expires_at)
        return len(mine)

    async def now(self, ours: Instant) -> Instant:
        return ours

    async def get_many(self, account_ids: Sequence[AccountId]) -> dict[AccountId, Lease]:
        return {id_: self._store.leases[id_] for id_ in account_ids if id_ in self._store.leases}

    async def release_many(self, account_ids: Sequence[AccountId], holder: str) -> None:
        for id_ in account_ids:
            if id_ in self._store.leases and self._store.leases[id_].holder == holder:
                del self._store.leases[id_]


class MemoryAccounts:
    def __init__(self, store: "MemoryStore") -> None:
        self._store = store

    async def run_settings(self, account_ids: Sequence[AccountId]) -> dict[AccountId, RunSettings]:
        found = {}
        for id_ in account_ids:
            if id_ in self._store.accounts and id_ in self._store.passwords:
                found[id_] = RunSettings(
                    account=self._store.accounts[id_],
                    credentials_id=id_,
                    sealed_password=self._store.passwords[id_],
                )
        return found

    async def remove(self, account_id: AccountId) -> None:
        store = self._store
        for table in (store.accounts, store.deployments, store.passwords, store.leases):
            cast("dict[AccountId, object]", table).pop(account_id, None)


class MemoryAudit:
    def __init__(self, store: "MemoryStore") -> None:
        self._store = store

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        self._store.audit.extend(entries)


class MemoryStore(Store):
    """What the fleet needs of a store, in memory. It survives a `Fleet`, as a file does a program."""

    def __init__(self) -> None:
        self.accounts: dict[AccountId, Account] = {}
        self.passwords: dict[AccountId, bytes] = {}
        self.deployments: dict[AccountId, Deployment] = {}
        self.history: list[Deployment] = []
        self.leases: dict[AccountId, Lease] = {}
        self.epochs: dict[AccountId, int] = {}
        self.audit: list[AuditEntry] = []
        self.cut_off: set[str] = set()
        """Holders that can't reach the leases."""
        self.poison: AccountId | None = None
        """An account whose deployment can't be written."""
        self.failures: list[Exception] = []
        """Raised, one by one, by the next transactions."""

    def refuse_if_cut_off(self, holder: str) -> None:
        if holder in self.cut_off:
            raise OSError("the network is gone")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        if self.failures:
            raise self.failures.pop(0)
        former = dict(self.deployments)
        try:
            yield self._view()
        except BaseException:
            self.deployments = former
            raise

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Transaction]:
        yield self._view()

    def _view(self) -> Transaction:
        class View(Transaction):
            pass

        view = View()
        view.deployments = MemoryDeployments(self)
        view.leases = MemoryLeases(self)
        view.accounts = cast("Any", MemoryAccounts(self))
        view.audit = cast("Any", MemoryAudit(self))
        return view

    async def close(self) -> None:
        pass


class PlainVault:
    """Seals by turning the text round: enough to see that nobody uses a sealed password as it is."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    async def open_secret(self, sealed: bytes, *, table: str, record_id: str, field: str) -> Secret:
        if (table, field) != (ACCOUNTS, PASSWORD):
            raise ValueError(f"There is no password in {table}.{field}.")
        self.opened.append(record_id)
        return Secret(sealed.decode()[::-1])

    @staticmethod
    def seal(password: str) -> bytes:
        return password[::-1].encode()


class World:
    """A store, terminals and a clock that outlive the programs (`Fleet`s) which run on them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore()
        self.vault = PlainVault()
        self.terminals = ScriptedTerminals(self.clock)
        chances = cycle((0.1, 0.7, 0.4, 0.9, 0.2))
        self.random = lambda: next(chances)
        self.fleets: list[Fleet] = []
        self._programs = 0

    async def start(self, **settings: Any) -> Fleet:
        """Start a program."""
        self._programs += 1
        fleet = Fleet(
            self.store,
            self.vault,
            LocalEngine(),
            {"scripted": self.terminals},
            self.clock,
            self.random,
            FleetSettings(holder=f"program-{self._programs}", **settings),
        )
        await fleet.start()
        self.fleets.append(fleet)
        return fleet

    def add(
        self,
        number: int = 1,
        password: str = "right",  # noqa: S107 - made up
        deployment: Deployment | None = None,
    ) -> AccountId:
        id_ = account_id(number)
        self.store.accounts[id_] = new_account(self.clock, id_)
        self.store.passwords[id_] = PlainVault.seal(password)
        self.store.deployments[id_] = deployment or created(id_)
        return id_

    def want(self, fleet: Fleet | None, id_: AccountId, verb: Callable[[Deployment], Deployment]) -> None:
        """Do what provisioning does: change what is wanted, then wake the fleet."""
        self.store.deployments[id_] = verb(self.store.deployments[id_])
        self.store.history.append(self.store.deployments[id_])
        if fleet is not None:
            fleet.wake([id_])

    def deployment(self, id_: AccountId) -> Deployment:
        return self.store.deployments[id_]

    def state(self, id_: AccountId) -> AccountState | None:
        deployment = self.store.deployments.get(id_)
        return deployment.state if deployment else None

    def states(self, id_: AccountId) -> list[str]:
        """All states that were ever written for this account, without repeats."""
        states: list[str] = []
        for deployment in self.store.history:
            if deployment.account_id == id_ and (not states or states[-1] != deployment.state.value):
                states.append(deployment.state.value)
        return states

    async def until_state(self, id_: AccountId, state: AccountState | None, **limits: float) -> None:
        await self.clock.run_until(lambda: self.state(id_) is state, **limits)

    async def until_status(self, id_: AccountId, status: ConnectionStatus) -> None:
        await self.clock.run_until(lambda: self.deployment(id_).connection_status is status)

    async def stop(self, fleet: Fleet) -> None:
        stopping = asyncio.ensure_future(fleet.stop())
        await self.clock.run_until(stopping.done)
        await stopping
        if fleet in self.fleets:
            self.fleets.remove(fleet)

    async def crash(self, fleet: Fleet) -> None:
        """Let a program vanish, as `kill -9` does: its terminals go with it, and nothing is written any
        more."""
        host = fleet._host
        tasks = [task for task in (fleet._supervisor._task, host._main) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for session in host._sessions.values():
            if session.driver is not None:
                cast("ScriptedDriver", session.driver).die(silently=True)
            session.dismiss()
        self.fleets.remove(fleet)

    async def close(self) -> None:
        """Make all terminals well behaved and stop all programs."""
        for behaviour in self.terminals.behaviours.values():
            behaviour.hangs_in_stop = False
            behaviour.stop_failures = 0
            behaviour.claims_to_run = None
        for fleet in list(self.fleets):
            await self.stop(fleet)
