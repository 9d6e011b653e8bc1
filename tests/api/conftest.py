"""The application in-process: real store, vault and tokens; what lies behind the endpoints is scripted."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mtfleet.api.app import create_app
from mtfleet.api.application import Application
from mtfleet.api.ports import Services
from mtfleet.domain.access import User
from mtfleet.domain.accounts import Account, Reliability
from mtfleet.domain.deployment import AccountState, ConnectionStatus
from mtfleet.domain.experts import Expert
from mtfleet.domain.ids import AccountId, ExpertId, Login, ProfileId, Region, Symbol, UserId
from mtfleet.domain.market import Price, ServerTime
from mtfleet.domain.profiles import Profile, ProfilePage, ProfileStatus, ProfileType
from mtfleet.domain.values import Instant
from mtfleet.security.keys import FileKeySource
from mtfleet.security.rates import Rates
from mtfleet.security.tokens import Tokens
from mtfleet.security.users import Users
from mtfleet.security.vault import Vault
from mtfleet.store.base import EncodedPage
from mtfleet.store.sql import SqlStore
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.store import an_account, open_test_store
from mtfleet.wire.json import encode
from mtfleet.wire.replies import ConfigurationLink, Created, GeneratedAccount, ProfileCreated

MAX_UPLOAD_BYTES = 1000
ACCOUNT_ID = AccountId("11111111-1111-4111-8111-111111111111")
MOMENT = Instant.parse("2026-05-20T12:00:00.123Z")


@dataclass
class Scripted:
    """Services that answer what the test says and remember the last call."""

    answers: dict[str, Any]
    name: str = ""
    positional: tuple[Any, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)

    def part(self, prefix: str) -> Any:
        """Return one service; its answers are under `prefix.method`."""
        return _Part(self, prefix)


class _Part:
    def __init__(self, scripted: Scripted, prefix: str) -> None:
        self._scripted = scripted
        self._prefix = prefix

    def __getattr__(self, method: str) -> Any:
        async def call(*positional: Any, **named: Any) -> Any:
            script = self._scripted
            script.name, script.positional, script.named = f"{self._prefix}.{method}", positional, named
            answer = script.answers.get(script.name)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


class Regions:
    """The only service that answers without waiting."""

    def __init__(self, rest: Any) -> None:
        self._rest = rest

    def regions(self) -> list[Region]:
        return [Region("vint-hill"), Region("new-york")]

    def __getattr__(self, method: str) -> Any:
        return getattr(self._rest, method)


def the_account(user_id: UserId) -> Account:
    return an_account(
        id=ACCOUNT_ID,
        user_id=user_id,
        name="First",
        login=Login("1234567"),
        region=Region("vint-hill"),
        reliability=Reliability.HIGH,
        state=AccountState.DEPLOYED,
        connection_status=ConnectionStatus.CONNECTED,
        hash=18093,
        created_at=MOMENT,
    )


def answers_for(user_id: UserId) -> dict[str, Any]:
    """Return what each service answers unless a test says otherwise."""
    account = the_account(user_id)
    profile = Profile(
        id=ProfileId("33333333-3333-4333-8333-333333333333"),
        name="Mine",
        version=5,
        status=ProfileStatus.NEW,
        broker_timezone="EET",
        broker_dst_switch_timezone="EET",
        type=ProfileType.MT_TERMINAL,
    )
    created = Created(id=ACCOUNT_ID, state=AccountState.DEPLOYED)
    return {
        "accounts.list_encoded": EncodedPage(items=encode([account]), count=7),
        "accounts.get": account,
        "accounts.create": created,
        "replicas.list": [],
        "replicas.get": {"_id": "22222222-2222-4222-8222-222222222222"},
        "replicas.create": created,
        "links.create": ConfigurationLink(configuration_link="http://test/link"),
        "demo_accounts.create": GeneratedAccount(
            login="7654321", password="Demo-1", server_name="Sandbox-MT5", investor_password="Demo-2"
        ),
        "profiles.list": ProfilePage(items=[profile], count=7),
        "profiles.get": profile,
        "profiles.create": ProfileCreated(id=profile.id),
        "experts.list": [],
        "experts.get": Expert(
            expert_id=ExpertId("e"), period="1h", symbol=Symbol("EURUSD"), file_uploaded=False
        ),
        "regions.known_servers": {"Sandbox Markets Ltd": ["Sandbox-MT5"]},
        "regions.quotas": [{"region": "vint-hill"}],
        "regions.region_quotas": {"maxAccounts": 10},
        "regions.request_quotas": True,
        "regions.quota_requests": [],
        "fleet.symbols": [Symbol("EURUSD"), Symbol("EUR/USD")],
        "fleet.price": Price(
            symbol=Symbol("EURUSD"),
            bid=1.1,
            ask=1.2,
            profit_tick_value=1.0,
            loss_tick_value=1.0,
            quoted_at=MOMENT,
            broker_time="2026-05-20 15:00:00.123",
        ),
        "fleet.server_time": ServerTime(now=MOMENT, broker_time="2026-05-20 15:00:00.123"),
        "servers.servers": {"Sandbox Markets Ltd": ["Sandbox-MT5"]},
    }


@dataclass
class Built:
    """What a test may look at and change."""

    app: Application
    services: Services
    script: Scripted
    clock: FakeClock
    tokens: Tokens
    store: SqlStore
    user: User
    token: str
    admin_token: str
    unready: list[str]


@pytest.fixture
async def built(tmp_path: Path) -> AsyncIterator[Built]:
    clock = FakeClock()
    async with open_test_store(clock=clock) as store:
        vault = await Vault.open(store, FileKeySource(tmp_path / "master.key"))
        tokens = Tokens(store, vault, clock)
        users = Users(store, tokens, clock)
        _, admin_token = await users.create("admin", is_administrator=True)
        user, token = await users.create("trader")
        script, unready = Scripted(answers_for(user.id)), list[str]()
        services = Services(
            store=store,
            clock=clock,
            tokens=tokens,
            users=users,
            vault=vault,
            accounts=script.part("accounts"),
            replicas=script.part("replicas"),
            links=script.part("links"),
            demo_accounts=script.part("demo_accounts"),
            profiles=script.part("profiles"),
            experts=script.part("experts"),
            regions=Regions(script.part("regions")),
            fleet=script.part("fleet"),
            simulated_servers=script.part("servers"),
            user_rate=Rates(clock, allowed=1000, period_minutes=1, kind="USER_REQUESTS"),
            unready_reasons=lambda: unready,
            request_timeout_seconds=30.0,
            max_upload_bytes=MAX_UPLOAD_BYTES,
        )
        app = create_app(services)
        yield Built(app, services, script, clock, tokens, store, user, token, admin_token, unready)


@pytest.fixture
async def client(built: Built) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that sends the trader's token."""
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=built.app, raise_app_exceptions=False),
        base_url="http://test",
        headers={"auth-token": built.token},
    ) as opened:
        yield opened
