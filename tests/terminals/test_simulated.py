"""The simulated brokers: detection, faults, latency, demo accounts, files."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from mtfleet.domain.accounts import BrokerSettings, Platform
from mtfleet.domain.errors import DetailCode, NotSynchronizedError, TimedOutError
from mtfleet.domain.ids import AccountId, Login, ServerName, Symbol
from mtfleet.domain.secret import Secret
from mtfleet.domain.timezones import NotEnoughEvidence, infer_settings
from mtfleet.simulator.brokers_file import BrokersFileError
from mtfleet.terminals.base import (
    BrokerUnreachable,
    DemoAccount,
    DemoAccountRefused,
    DemoAccountRequest,
    Disconnected,
    LoginRejected,
    TerminalDriver,
    TerminalEvent,
    TerminalSpec,
    TerminalStartFailed,
)
from mtfleet.terminals.simulated import SimulatedTerminals
from mtfleet.testing.clock import FakeClock, settle

MT5 = "Sandbox-MT5"


def request(server: str = MT5, request_id: str = "r1", **changes: object) -> DemoAccountRequest:
    base = DemoAccountRequest(
        platform=Platform.MT4 if "MT4" in server else Platform.MT5,
        server=ServerName(server),
        balance=10_000.0,
        leverage=100,
        email="ada@example.com",
        name="Ada",
        request_id=request_id,
    )
    return replace(base, **changes)


def driver_of(
    terminals: SimulatedTerminals,
    account: DemoAccount,
    events: list[TerminalEvent] | None = None,
    password: Secret | None = None,
    zones: tuple[str, str] | None = ("EET", "EET"),
) -> TerminalDriver:
    spec = TerminalSpec(
        account_id=AccountId("a"),
        platform=Platform.MT4 if "MT4" in account.server else Platform.MT5,
        server=account.server,
        login=account.login,
        password=password or account.password,
        magic=0,
        quote_streaming_interval_seconds=2.5,
        broker_timezone=zones[0] if zones else None,
        broker_dst_switch_timezone=zones[1] if zones else None,
    )
    return terminals.driver(spec, (events if events is not None else []).append)


async def connected(
    terminals: SimulatedTerminals, server: str = MT5, events: list[TerminalEvent] | None = None
) -> TerminalDriver:
    driver = driver_of(terminals, await terminals.create_demo_account(request(server)), events)
    await driver.start()
    await driver.connect()
    return driver


async def detected(driver: TerminalDriver, clock: FakeClock) -> BrokerSettings | NotEnoughEvidence:
    now = clock.now()
    bars = {
        symbol: await driver.hourly_bars(symbol, now - timedelta(days=370), now)
        for symbol in (Symbol("EURUSD"), Symbol("US30.cash"), Symbol("#AAPL"))
    }
    return infer_settings(await driver.clock_samples(5), bars, now)


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 5, 20, 12, 0, 30, tzinfo=UTC),
        datetime(2026, 1, 3, 12, tzinfo=UTC),  # a Saturday in winter: the index is closed, currencies are not
        datetime(2026, 3, 15, 12, tzinfo=UTC),  # New York has switched, Europe has not
        datetime(2026, 10, 30, 12, tzinfo=UTC),
    ],
)
async def test_the_time_zone_can_be_told_from_ticks_and_a_year_of_bars(
    data_dir: Path, moment: datetime
) -> None:
    clock = FakeClock(moment)
    terminals = SimulatedTerminals(data_dir, clock)
    await terminals.open()
    european = await detected(await connected(terminals, MT5), clock)
    american = await detected(await connected(terminals, "Sandbox-MT5-Netting"), clock)
    hidden = await detected(await connected(terminals, "Sandbox-NoTimezone"), clock)
    await terminals.close()
    assert european == BrokerSettings(broker_timezone="EET", broker_dst_switch_timezone="EET")
    assert american == BrokerSettings(broker_timezone="EET", broker_dst_switch_timezone="America/New_York")
    assert isinstance(hidden, NotEnoughEvidence)


async def test_the_sandbox_has_the_promised_servers(terminals: SimulatedTerminals) -> None:
    assert dict(await terminals.servers(Platform.MT5)) == {
        "Sandbox Markets Ltd": [
            MT5, "Sandbox-MT5-Netting", "Sandbox-Slow", "Sandbox-NoTimezone", "Sandbox-Offline",
        ]
    }  # fmt: skip
    assert dict(await terminals.servers(Platform.MT4)) == {"Sandbox Markets Ltd": ["Sandbox-MT4"]}
    assert len(terminals.regions) == 2
    assert await terminals.find_server(Platform.MT4, MT5) is None


async def test_a_server_without_fresh_ticks_still_quotes(terminals: SimulatedTerminals) -> None:
    driver = await connected(terminals, "Sandbox-NoTimezone")
    assert (await driver.price(Symbol("EURUSD"))).bid > 0
    assert (await driver.server_time()).broker_time == "2026-05-20 15:00:00.000"


async def test_the_slow_server_takes_its_time(terminals: SimulatedTerminals, clock: FakeClock) -> None:
    making = asyncio.create_task(connected(terminals, "Sandbox-Slow"))
    await clock.advance(1.2)  # the connection that opens the demo account
    while not making.done():
        await asyncio.wait([making], timeout=0.005)  # its journal is written by a thread
        if clock.sleeping:
            await clock.advance(0.5)
    driver = making.result()
    before = clock.monotonic()
    assert before >= 1.2 + 1.2 + 1.3
    bars = asyncio.create_task(detected(driver, clock))
    while not bars.done():
        await settle()
        await clock.advance(0.5)
    assert isinstance(bars.result(), BrokerSettings)
    assert 1.5 + 3 * 0.15 <= clock.monotonic() - before <= 4


async def test_an_offline_server_is_unreachable_after_a_while(
    terminals: SimulatedTerminals, clock: FakeClock
) -> None:
    offline = DemoAccount(
        login=Login("1"),
        password=Secret("p"),
        investor_password=Secret("i"),
        server=ServerName("Sandbox-Offline"),
    )
    driver = driver_of(terminals, offline)
    await driver.start()
    for attempt in (driver.connect(), terminals.create_demo_account(request("Sandbox-Offline"))):
        trying = asyncio.ensure_future(attempt)
        await clock.advance(1.9)
        assert not trying.done()
        await clock.advance(0.1)
        with pytest.raises(BrokerUnreachable):
            await trying
    assert driver.observe().is_running


async def test_a_stop_during_connect_ends_it_silently(
    terminals: SimulatedTerminals, clock: FakeClock
) -> None:
    events: list[TerminalEvent] = []
    slow = DemoAccount(
        login=Login("1"),
        password=Secret("p"),
        investor_password=Secret("i"),
        server=ServerName("Sandbox-Slow"),
    )
    driver = driver_of(terminals, slow, events)
    await driver.start()
    connecting = asyncio.create_task(driver.connect())
    await settle()
    await driver.stop()
    await clock.advance(10)
    with pytest.raises(BrokerUnreachable):
        await connecting
    assert events == []


async def test_account_information_holds_what_was_asked_for(terminals: SimulatedTerminals) -> None:
    account = await (await connected(terminals)).account_information()
    assert (account.balance, account.equity, account.free_margin, account.margin) == (
        10_000,
        10_000,
        10_000,
        0,
    )
    assert (account.leverage, account.currency, account.name, account.broker) == (
        100, "USD", "Ada", "Sandbox Markets Ltd",
    )  # fmt: skip
    assert account.type == "ACCOUNT_TRADE_MODE_DEMO"
    assert account.margin_mode == "ACCOUNT_MARGIN_MODE_RETAIL_HEDGING"
    netting = await (await connected(terminals, "Sandbox-MT5-Netting")).account_information()
    assert netting.margin_mode == "ACCOUNT_MARGIN_MODE_RETAIL_NETTING"


async def test_tick_values_are_in_the_currency_of_the_account(terminals: SimulatedTerminals) -> None:
    driver = await connected(terminals)
    euro, yen = await driver.price(Symbol("EURUSD")), await driver.price(Symbol("EURJPY"))
    assert (euro.profit_tick_value, euro.loss_tick_value) == (1.0, 1.0)
    usdjpy = await driver.price(Symbol("USDJPY"))
    assert yen.profit_tick_value == pytest.approx(100 / usdjpy.ask)
    assert yen.loss_tick_value == pytest.approx(100 / usdjpy.bid)


async def test_sessions_are_shown_in_broker_time_of_the_week(data_dir: Path) -> None:
    shown = {}
    for day in (datetime(2026, 5, 20, tzinfo=UTC), datetime(2026, 3, 18, tzinfo=UTC)):
        terminals = SimulatedTerminals(data_dir, FakeClock(day))
        await terminals.open()
        sessions = (await (await connected(terminals)).specification(Symbol("#AAPL"))).quote_sessions
        await terminals.close()
        assert sessions["SUNDAY"] == sessions["SATURDAY"] == []
        shown[day.month] = [(s.opens, s.closes) for s in sessions["MONDAY"]]
    # 09:30 in New York: 16:30 in summer time on both sides, 15:30 while Europe has not switched yet
    assert shown == {5: [("16:30:00.000", "23:00:00.000")], 3: [("15:30:00.000", "22:00:00.000")]}


async def test_a_wrong_time_zone_gives_wrong_times_as_with_a_real_terminal(
    terminals: SimulatedTerminals,
) -> None:
    account = await terminals.create_demo_account(request())
    driver = driver_of(terminals, account, zones=("UTC", "UTC"))
    await driver.start()
    await driver.connect()
    told = await driver.server_time()
    assert told.broker_time == "2026-05-20 15:00:00.000"
    assert told.now == datetime(2026, 5, 20, 15, tzinfo=UTC)


async def test_dropped_connections_are_reported_once(terminals: SimulatedTerminals) -> None:
    events: list[TerminalEvent] = []
    driver = await connected(terminals, events=events)
    assert terminals.drop_connections(MT5, "gone") == 1
    assert terminals.drop_connections(MT5) == 0
    assert events[-1] == Disconnected(reason="gone")
    status = driver.observe()
    assert (status.is_running, status.is_connected) == (True, False)
    with pytest.raises(NotSynchronizedError):
        await driver.symbols()
    await driver.connect()
    assert driver.observe().is_connected


async def test_faults_can_be_set_and_lifted(terminals: SimulatedTerminals, clock: FakeClock) -> None:
    events: list[TerminalEvent] = []
    driver = await connected(terminals, events=events)
    sound = terminals.faults(MT5)

    terminals.set_faults(MT5, replace(sound, is_frozen=True))
    reading = asyncio.create_task(driver.account_information())
    await clock.advance(60)
    with pytest.raises(TimedOutError):
        await reading

    terminals.set_faults(MT5, replace(sound, is_offline=True))
    assert isinstance(events[-1], Disconnected)

    terminals.set_faults(MT5, replace(sound, rejects_logins=True))
    with pytest.raises(LoginRejected):
        await driver.connect()

    terminals.set_faults(MT5, replace(sound, never_synchronizes=True))
    connecting = asyncio.create_task(driver.connect())
    await clock.advance(60)
    with pytest.raises(NotSynchronizedError):
        await connecting

    terminals.set_faults(MT5, replace(sound, drop_every_seconds=30.0))
    await driver.connect()
    await clock.advance(30)
    assert not driver.observe().is_connected

    terminals.set_faults(MT5, sound)
    await driver.connect()
    await clock.advance(300)
    assert driver.observe().is_connected


async def test_changed_passwords_and_disabled_accounts(terminals: SimulatedTerminals) -> None:
    events: list[TerminalEvent] = []
    account = await terminals.create_demo_account(request())
    driver = driver_of(terminals, account, events)
    await driver.start()
    await driver.connect()
    await terminals.change_password(MT5, account.login, Secret("New-1!"))
    with pytest.raises(LoginRejected):
        await driver.connect()
    renewed = driver_of(terminals, account, events, password=Secret("New-1!"))
    await renewed.start()
    await renewed.connect()
    await terminals.enable_account(MT5, account.login, is_enabled=False)
    assert isinstance(events[-1], Disconnected)
    with pytest.raises(LoginRejected) as caught:
        await renewed.connect()
    assert caught.value.details == DetailCode.TRADING_ACCOUNT_DISABLED


@pytest.mark.parametrize(
    "changes",
    [
        {"leverage": 0.5},
        {"leverage": 33.3},
        {"leverage": 1e6},
        {"balance": 0.0},
        {"balance": -5.0},
        {"balance": float("nan")},
        {"leverage": float("nan")},
        {"leverage": float("inf")},
        {"balance": float("inf")},
        {"balance": 0.001},
        {"platform": Platform.MT4},
        {"server": ServerName("Nowhere")},
    ],
)
async def test_impossible_demo_accounts_are_refused(
    terminals: SimulatedTerminals, changes: dict[str, object]
) -> None:
    with pytest.raises(DemoAccountRefused):
        await terminals.create_demo_account(request(**changes))  # type: ignore[arg-type]  # any field may be wrong
    assert terminals.account_count(MT5) == 0


async def test_logins_look_like_their_platform(terminals: SimulatedTerminals) -> None:
    five = await terminals.create_demo_account(request())
    four = await terminals.create_demo_account(request("Sandbox-MT4"))
    assert len(five.login) == 8
    assert len(four.login) == 7
    assert five.password != four.password
    for secret in (five.password, five.investor_password):
        text = secret.reveal()
        assert len(text) == 12
        assert any(c.isupper() for c in text)
        assert any(c.islower() for c in text)
        assert any(c.isdigit() for c in text)
        assert not text.isalnum()


BROKERS = """
[[brokers]]
company = "Acme"
[[brokers.servers]]
name = "Acme-Live"
platform = "mt5"
timezone = "Etc/GMT-3"
demo_accounts = { offered = false }
[[brokers.servers.accounts]]
login = 1234567
password = "first-password"
investor_password = "read-only"
balance = 250.5
type = "real"
"""


async def test_a_brokers_file_adds_servers_and_accounts(
    data_dir: Path, tmp_path: Path, clock: FakeClock
) -> None:
    file = tmp_path / "brokers.toml"
    for password in ("first-password", "second-password"):
        file.write_text(BROKERS.replace("first-password", password))
        terminals = SimulatedTerminals(data_dir, clock, file)
        await terminals.open()
        assert list(await terminals.servers(Platform.MT5)) == ["Sandbox Markets Ltd", "Acme"]
        listed = DemoAccount(
            login=Login("1234567"),
            password=Secret(password),
            investor_password=Secret("read-only"),
            server=ServerName("Acme-Live"),
        )
        driver = driver_of(terminals, listed)
        await driver.start()
        await driver.connect()
        account = await driver.account_information()
        assert (account.balance, account.type) == (250.5, "ACCOUNT_TRADE_MODE_REAL")
        with pytest.raises(DemoAccountRefused):
            await terminals.create_demo_account(request("Acme-Live"))
        await terminals.close()
    assert b"password" not in (data_dir / "acme-live.journal").read_bytes().replace(b"\xa8password", b"")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\xff\xfe", "not UTF-8"), (None, "can't be read"), (b"x = 1", "line 1"), (b"#" * (5 << 20), "larger")],
)
async def test_a_wrong_brokers_file_is_refused(
    data_dir: Path, tmp_path: Path, clock: FakeClock, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "brokers.toml"
    if content is not None:
        file.write_bytes(content)
    terminals = SimulatedTerminals(data_dir, clock, file)
    with pytest.raises(BrokersFileError, match=reason):
        await terminals.open()
    await terminals.close()


async def test_a_server_that_does_not_exist_does_not_start(terminals: SimulatedTerminals) -> None:
    nowhere = DemoAccount(
        login=Login("1"), password=Secret("p"), investor_password=Secret("i"), server=ServerName("Nowhere")
    )
    with pytest.raises(TerminalStartFailed):
        await driver_of(terminals, nowhere).start()
