"""All services that add accounts, over a real database and vault, scripted brokers and a fake clock."""

import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from mtfleet.domain.access import Caller
from mtfleet.domain.accounts import BrokerSettings, Platform
from mtfleet.domain.ids import AccountId, ProfileId, Symbol, TokenId, UserId
from mtfleet.domain.profiles import Profile, ProfileStatus, ProfileType
from mtfleet.provisioning.accounts import AccountService
from mtfleet.provisioning.demo_accounts import DemoAccountService
from mtfleet.provisioning.links import LinkService
from mtfleet.provisioning.operations import Operations
from mtfleet.provisioning.options import Options, default_options
from mtfleet.provisioning.replicas import ReplicaService
from mtfleet.security.keys import FileKeySource
from mtfleet.security.vault import Vault
from mtfleet.store.base import Store
from mtfleet.store.sql import open_store
from mtfleet.testing.brokers import BrokerScript, ScriptedBrokers
from mtfleet.testing.clock import FakeClock
from mtfleet.wire.json import convert
from mtfleet.wire.requests import AccountUpdate, NewAccount, NewDemoAccount, NewReplica

ANNA = Caller(user_id=UserId("a" * 32), token_id=TokenId("token-a"), is_administrator=False)
BERT = Caller(user_id=UserId("b" * 32), token_id=TokenId("token-b"), is_administrator=False)
PASSWORD = "Correct-Horse-77"  # noqa: S105 - made up
PROFILE_ID = ProfileId("11111111-1111-4111-8111-111111111111")


@dataclass
class WakeLog:
    """Stands where the fleet is, and keeps whom it was to wake."""

    woken: list[AccountId] = field(default_factory=list)

    def wake(self, account_ids: Iterable[AccountId], /) -> None:
        self.woken.extend(account_ids)


class Provisioning:
    """Everything a test of these services touches."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        clock: FakeClock,
        brokers: ScriptedBrokers,
        options: Options,
        data_directory: Path,
    ) -> None:
        self.store = store
        self.vault = vault
        self.clock = clock
        self.brokers = brokers
        self.options = options
        self.data_directory = data_directory
        """Where the database's files are, and nothing else."""
        self.fleet = WakeLog()
        self.build()

    async def restart(self) -> None:
        """Begin again with fresh services over the same store, as after a crash or a restart."""
        await self.operations.stop()
        self.build()
        await self.operations.start()

    def build(self) -> None:
        """Make fresh services over what is there."""
        self.operations = Operations(self.store, self.vault, self.clock, self.options)
        terminals = {"scripted": self.brokers}
        shared = (self.store, self.vault, self.fleet, terminals, self.operations, self.clock, self.options)
        self.accounts = AccountService(*shared)
        self.replicas = ReplicaService(*shared)
        self.links = LinkService(*shared)
        self.demo_accounts = DemoAccountService(
            self.store, self.vault, terminals, self.operations, self.clock, self.options
        )

    async def add_profile(self, *, is_active: bool = True, version: int = 5) -> ProfileId:
        """Store a provisioning profile of Anna's."""
        profile = Profile(
            id=PROFILE_ID,
            name="My profile",
            version=version,
            status=ProfileStatus.ACTIVE if is_active else ProfileStatus.NEW,
            broker_timezone="Europe/London",
            broker_dst_switch_timezone="Europe/London",
            type=ProfileType.MT_TERMINAL,
        )
        async with self.store.transaction() as tx:
            await tx.profiles.add(ANNA.user_id, profile)
            if is_active:
                await tx.profiles.put_file(PROFILE_ID, "servers.dat", b"opaque")
        return PROFILE_ID

    async def broker_of(self, account_id: AccountId) -> BrokerSettings | None:
        """Return the broker settings that are stored for an account."""
        async with self.store.reader() as tx:
            return (await tx.accounts.run_settings([account_id]))[account_id].broker

    async def password_of(self, account_id: AccountId) -> str:
        """Return the stored password of an account."""
        async with self.store.reader() as tx:
            sealed = (await tx.accounts.run_settings([account_id]))[account_id].sealed_password
        opened = await self.vault.open_secret(
            sealed, table="accounts", record_id=account_id, field="password"
        )
        return opened.reveal()

    async def until_running(self, terminals: int) -> None:
        """Wait until so many terminals run at the brokers, while next to no time passes."""
        await self.clock.run_until(lambda: self.brokers.running == terminals, step_seconds=1e-5)

    async def actions(self) -> list[str]:
        """Return what the audit log tells of, in order."""
        async with self.store.reader() as tx:
            return [entry.action for entry in await tx.audit.page(limit=1000)]


@asynccontextmanager
async def open_provisioning(**options: Any) -> AsyncIterator[Provisioning]:
    """Open all services; they are stopped and gone afterwards."""
    clock = FakeClock()
    servers = {
        "Test-MT5": BrokerScript(passwords={"1001": PASSWORD, "1002": PASSWORD}),
        "Test-US": BrokerScript(zone=("EET", "America/New_York"), passwords={"1001": PASSWORD}),
        "Test-MT4": BrokerScript(platform=Platform.MT4, passwords={"1001": PASSWORD}),
        "Always-Open": BrokerScript(passwords={"1001": PASSWORD}, has_sessions=False),
        "Off-Line": BrokerScript(is_offline=True, broker="Quiet Brokers"),
        "From-File": BrokerScript(passwords={"1001": PASSWORD}, needs_file="servers.dat"),
        "Huge": BrokerScript(
            passwords={"1001": PASSWORD}, symbols=[Symbol(f"EURUSD.{i}") for i in range(5001)]
        ),
        "Empty": BrokerScript(passwords={"1001": PASSWORD}, symbols=[]),
    }
    chosen = msgspec.structs.replace(default_options("https://mt.example"), **options)
    with (
        tempfile.TemporaryDirectory(prefix="mtfleet-keys-") as name,
        tempfile.TemporaryDirectory(prefix="mtfleet-data-") as data,
    ):
        directory = Path(data)
        store = await open_store(f"sqlite:///{directory / 'mtfleet.db'}", clock=clock, is_durable=False)
        vault = await Vault.open(store, FileKeySource(Path(name, "master.key")))
        world = Provisioning(store, vault, clock, ScriptedBrokers(clock, servers), chosen, directory)
        await world.operations.start()
        try:
            yield world
        finally:
            await world.operations.stop()
            await store.close()


def new_account(**changes: Any) -> NewAccount:
    """Return a good request body, changed; `None` stands for a field that is left out."""
    good = {
        "name": "Trading account #1",
        "login": "1001",
        "password": PASSWORD,
        "server": "Test-MT5",
        "platform": "mt5",
        "magic": 123456,
    }
    return convert({**good, **changes}, NewAccount)


def update(**changes: Any) -> AccountUpdate:
    """Return an update by wire names."""
    return convert(changes, AccountUpdate)


def new_replica(**changes: Any) -> NewReplica:
    """Return a good request body for a replica, changed."""
    return convert({"magic": 7, "region": "new-york", **changes}, NewReplica)


def new_demo_account(**changes: Any) -> NewDemoAccount:
    """Return a good request body for a demo account, changed."""
    good = {"balance": 100000, "leverage": 100, "email": "anna@example.com", "serverName": "Test-MT5"}
    return convert({**good, **changes}, NewDemoAccount)
