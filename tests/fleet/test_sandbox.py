"""The fleet with the simulated brokers, the real vault and the real store: what the sandbox promises."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from mtfleet.domain.access import User
from mtfleet.domain.accounts import BrokerSettings, Platform
from mtfleet.domain.deployment import AccountState, ConnectionStatus, Deployment, HopName, HopState, created
from mtfleet.domain.ids import AccountId, Login, ServerName, Symbol
from mtfleet.domain.secret import Secret
from mtfleet.engines.local import LocalEngine
from mtfleet.fleet.fleet import Fleet
from mtfleet.fleet.settings import FleetSettings
from mtfleet.security.keys import FileKeySource
from mtfleet.security.vault import Vault
from mtfleet.store.base import ACCOUNTS, PASSWORD, SealedSecret, Store
from mtfleet.terminals.base import DemoAccountRequest
from mtfleet.terminals.simulated import SimulatedTerminals
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.fleet import USER, account_id, new_account
from mtfleet.testing.store import open_test_store

GOOD, WRONG, OFFLINE = account_id(1), account_id(2), account_id(3)


class Sandbox:
    def __init__(self, clock: FakeClock, store: Store, vault: Vault, terminals: SimulatedTerminals) -> None:
        self.clock, self.store, self.terminals = clock, store, terminals
        self.vault = vault
        settings = FleetSettings(holder="sandbox")
        self.fleet = Fleet(
            store, vault, LocalEngine(), {"simulated": terminals}, clock, lambda: 0.5, settings
        )

    async def add(self, id_: AccountId, server: str, login: Login, password: Secret) -> None:
        account = replace(new_account(self.clock, id_), server=ServerName(server), login=login)
        sealed = self.vault.seal(password, table=ACCOUNTS, record_id=id_, field=PASSWORD)
        async with self.store.transaction() as tx:
            await tx.accounts.add(account, created(id_))
            eet = BrokerSettings(broker_timezone="EET", broker_dst_switch_timezone="EET")
            await tx.accounts.set_broker(id_, eet)
            await tx.secrets.put(SealedSecret(table=ACCOUNTS, record_id=id_, field=PASSWORD, sealed=sealed))
        self.fleet.wake([id_])

    async def seen(self) -> dict[AccountId, Deployment]:
        async with self.store.reader() as tx:
            return await tx.deployments.get_many([GOOD, WRONG, OFFLINE])


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    clock = FakeClock()
    async with open_test_store("sqlite", clock=clock) as store:
        async with store.transaction() as tx:
            await tx.users.add(User(id=USER, name="x", is_administrator=False, created_at=clock.now()))
        vault = await Vault.open(store, FileKeySource(tmp_path / "master.key"))
        terminals = SimulatedTerminals(tmp_path / "sandbox", clock)
        await terminals.open()
        sandbox = Sandbox(clock, store, vault, terminals)
        await sandbox.fleet.start()
        yield sandbox
        await sandbox.fleet.stop()
        await terminals.close()


async def test_good_wrong_and_offline_accounts(sandbox: Sandbox) -> None:
    request = DemoAccountRequest(
        platform=Platform.MT5,
        server=ServerName("Sandbox-MT5"),
        balance=1000,
        leverage=100,
        email="someone@example.com",
        request_id="one",
    )
    demo = await sandbox.terminals.create_demo_account(request)
    await sandbox.add(GOOD, "Sandbox-MT5", demo.login, demo.password)
    await sandbox.add(WRONG, "Sandbox-MT5", demo.login, Secret("not this"))
    await sandbox.add(OFFLINE, "Sandbox-Offline", Login("1"), Secret("any"))
    for _ in range(400):
        await sandbox.clock.advance(0.5)
        seen = await sandbox.seen()
        if all(one.state not in (AccountState.CREATED, AccountState.DEPLOYING) for one in seen.values()):
            break
    assert (seen[GOOD].state, seen[GOOD].connection_status) == (
        AccountState.DEPLOYED,
        ConnectionStatus.CONNECTED,
    )
    assert (seen[WRONG].state, seen[WRONG].is_rejected) == (AccountState.DEPLOY_FAILED, True)
    assert {hop.name for hop in seen[WRONG].hops if hop.state is HopState.FAILED} == {HopName.LOGIN}
    assert (seen[OFFLINE].state, seen[OFFLINE].connection_status) == (
        AccountState.DEPLOYED,
        ConnectionStatus.DISCONNECTED_FROM_BROKER,
    )
    assert (await sandbox.fleet.account_information(GOOD)).balance == 1000
    assert (await sandbox.fleet.price(GOOD, Symbol("EURUSD"))).symbol == "EURUSD"
    assert (await sandbox.fleet.server_time(GOOD)).broker_time
    assert "not this" not in str(seen)
