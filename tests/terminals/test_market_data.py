"""Candles, ticks and books through a terminal: times, wrong clocks, history that is off, and fairness."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mtfleet.domain.accounts import Platform
from mtfleet.domain.ids import AccountId, Login, ServerName, Symbol
from mtfleet.domain.market import BookSide, Tick
from mtfleet.domain.secret import Secret
from mtfleet.domain.timeframes import Timeframe
from mtfleet.domain.values import Instant
from mtfleet.simulator.brokers_file import BrokersFileError
from mtfleet.simulator.schedule import EPOCH
from mtfleet.terminals.base import TerminalDriver, TerminalSpec
from mtfleet.terminals.simulated import SimulatedTerminals
from mtfleet.testing.clock import FakeClock

BROKERS = """
[[brokers]]
company = "Acme"
[[brokers.servers]]
name = "Acme-5"
platform = "mt5"
timezone = "EET"
history_from = 2026-01-07
symbols = ["EURUSD", "#AAPL"]
accounts = [{ login = 7, password = "master", investor_password = "investor" }]

[[brokers.servers]]
name = "Acme-Bare"
platform = "mt5"
timezone = "EET"
history = false
symbols = ["EURUSD"]
accounts = [{ login = 7, password = "master", investor_password = "investor" }]
"""
EURUSD = Symbol("EURUSD")
NOW = datetime(2026, 5, 20, 12, 34, 56, tzinfo=UTC)


async def connected(
    tmp_path: Path, server: str = "Acme-5", zone: str | None = "EET", text: str = BROKERS
) -> tuple[SimulatedTerminals, TerminalDriver]:
    file = tmp_path / "brokers.toml"
    file.write_text(text, "utf-8")
    terminals = SimulatedTerminals(tmp_path / "data", FakeClock(Instant.of(NOW)), file)
    await terminals.open()
    spec = TerminalSpec(
        account_id=AccountId("a"),
        platform=Platform.MT5,
        server=ServerName(server),
        login=Login("7"),
        password=Secret("master"),
        magic=0,
        quote_streaming_interval_seconds=2.5,
        broker_timezone=zone,
    )
    driver = terminals.driver(spec, lambda _: None)
    await driver.start()
    await driver.connect()
    return terminals, driver


async def test_a_candle_has_both_times_and_the_prices_of_its_ticks(tmp_path: Path) -> None:
    terminals, driver = await connected(tmp_path)
    (candle,) = await driver.candles(EURUSD, Timeframe.H4, None, 1)
    assert (candle.opened_at.to_wire(), candle.broker_time) == (
        "2026-05-20T09:00:00.000Z",
        "2026-05-20 12:00:00.000",
    )
    assert candle == await driver.current_candle(EURUSD, Timeframe.H4)
    ticks: list[Tick] = []
    while page := await driver.ticks(EURUSD, candle.opened_at, len(ticks), 1000):
        ticks += page
    bids = [tick.bid for tick in ticks if tick.bid is not None]
    assert (candle.open, candle.high, candle.low, candle.close) == (bids[0], max(bids), min(bids), bids[-1])
    assert candle.tick_volume == len(ticks)
    assert (candle.spread, candle.volume) == (8, 0.0)
    price, tick = await driver.price(EURUSD), await driver.current_tick(EURUSD)
    assert ticks[-1] == tick
    assert (price.bid, price.ask, price.quoted_at) == (tick.bid, tick.ask, tick.quoted_at)
    book = await driver.book(EURUSD)
    assert (book.quoted_at, book.broker_time) == (tick.quoted_at, tick.broker_time)
    best = {side: [e.price for e in book.book if e.side is side] for side in (BookSide.BUY, BookSide.SELL)}
    assert (max(best[BookSide.BUY]), min(best[BookSide.SELL])) == (price.bid, price.ask)
    await terminals.close()


async def test_history_reaches_back_to_its_first_day_and_no_further(tmp_path: Path) -> None:
    terminals, driver = await connected(tmp_path)
    days = await driver.candles(EURUSD, Timeframe.D1, NOW, 1000)
    assert (days[0].broker_time, len(days)) == ("2026-01-07 00:00:00.000", 31 - 6 + 28 + 31 + 30 + 20)
    (first,) = await driver.ticks(EURUSD, datetime(1999, 1, 1, tzinfo=UTC), 0, 1)
    assert first.broker_time.startswith("2026-01-07 00:00:0")
    bars = await driver.hourly_bars(EURUSD, EPOCH, NOW)
    assert bars[0].opened_at == datetime(2026, 1, 7)  # noqa: DTZ001 - a wall clock
    assert await driver.candles(EURUSD, Timeframe.D1, days[0].opened_at - timedelta(seconds=1), 10) == []
    (month, *_) = await driver.candles(EURUSD, Timeframe.MN1, None, 10)
    assert month.tick_volume == sum(day.tick_volume for day in days if day.broker_time < "2026-02")
    await terminals.close()


@pytest.mark.parametrize("zone", ["EET", "America/New_York"])
async def test_the_ends_of_time_are_just_far_away(tmp_path: Path, zone: str) -> None:
    terminals, driver = await connected(tmp_path, zone=zone)
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert await driver.candles(EURUSD, Timeframe.H1, first, 2) == []
    assert await driver.candles(EURUSD, Timeframe.H1, last, 2) == await driver.candles(
        EURUSD, Timeframe.H1, None, 2
    )
    assert len(await driver.ticks(EURUSD, first, 0, 2)) == 2
    assert await driver.ticks(EURUSD, last, 0, 2) == []
    await terminals.close()


async def test_a_server_without_history_still_shows_what_is_current(tmp_path: Path) -> None:
    terminals, driver = await connected(tmp_path, "Acme-Bare")
    assert await driver.candles(EURUSD, Timeframe.M1, None, 10) == []
    assert await driver.ticks(EURUSD, None, 0, 10) == []
    price = await driver.price(EURUSD)
    assert (await driver.current_candle(EURUSD, Timeframe.M1)).close == price.bid
    await terminals.close()


async def test_a_terminal_with_a_wrong_clock_is_wrong_in_one_way_only(tmp_path: Path) -> None:
    terminals, driver = await connected(tmp_path, zone="Asia/Tokyo")
    price, tick = await driver.price(EURUSD), await driver.current_tick(EURUSD)
    assert price.quoted_at == tick.quoted_at
    assert timedelta(hours=6) - timedelta(seconds=2) <= NOW - tick.quoted_at < timedelta(hours=6, seconds=2)
    hours = await driver.candles(EURUSD, Timeframe.H1, None, 3)
    assert await driver.candles(EURUSD, Timeframe.H1, hours[1].opened_at, 1) == [hours[1]]
    assert (await driver.ticks(EURUSD, tick.quoted_at, 0, 5))[0] == tick
    await terminals.close()


async def test_long_ranges_let_others_run(tmp_path: Path) -> None:
    terminals, driver = await connected(tmp_path)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    found = await driver.candles(EURUSD, Timeframe.H6, None, 500)
    other.cancel()
    assert len(found) == 500
    assert turns >= 8
    await terminals.close()


REPLAYED = """
[[brokers]]
company = "Acme"
[[brokers.servers]]
name = "Acme-5"
platform = "mt5"
timezone = "EET"
accounts = [{ login = 7, password = "master", investor_password = "investor" }]
[[brokers.servers.symbols]]
name = "EURUSD"
ticks_file = "ticks/eurusd.csv"
loop = false
"""
TICKS = """time,bid,ask
2026-05-20T12:33:00.500Z,1.10000,1.10002
2026-05-20T12:33:30.000Z,1.20000,1.20003
2026-05-20T12:34:00.000Z,1.15000,1.15004
2026-05-20T12:35:00.000Z,1.90000,1.90004
"""


async def test_a_server_replays_the_ticks_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "ticks").mkdir()
    (tmp_path / "ticks/eurusd.csv").write_text(TICKS, "utf-8-sig")
    terminals, driver = await connected(tmp_path, text=REPLAYED)
    minutes = await driver.candles(EURUSD, Timeframe.M1, None, 10)
    assert [
        (m.broker_time[11:16], m.open, m.high, m.low, m.close, m.tick_volume, m.spread) for m in minutes
    ] == [
        ("15:33", 1.1, 1.2, 1.1, 1.2, 2, 3),
        ("15:34", 1.15, 1.15, 1.15, 1.15, 1, 4),  # the last tick is yet to come
    ]
    assert await driver.current_candle(EURUSD, Timeframe.M1) == minutes[-1]
    price = await driver.price(EURUSD)
    assert (price.bid, price.ask, price.broker_time) == (1.15, 1.15004, "2026-05-20 15:34:00.000")
    ticks = await driver.ticks(EURUSD, datetime(2026, 5, 20, 12, 33, 1, tzinfo=UTC), 0, 10)
    assert [tick.bid for tick in ticks] == [1.2, 1.15]
    book = await driver.book(EURUSD)
    assert [entry.price for entry in book.book].count(1.15004) == 1
    assert (await driver.server_time()).last_quote_at == price.quoted_at
    await terminals.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"eurusd.csv: the ticks of EURUSD can't be read: No such file"),
        (b"time,bid,ask\n1,1.1,1.0\n", r"eurusd.csv, line 2: the ask 1.0 is below the bid 1.1"),
        (b"\xff\xfe", r"eurusd.csv: the file is not UTF-8 text"),
    ],
)
async def test_a_wrong_tick_file_stops_the_start(tmp_path: Path, content: bytes | None, message: str) -> None:
    (tmp_path / "ticks").mkdir()
    if content is not None:
        (tmp_path / "ticks/eurusd.csv").write_bytes(content)
    with pytest.raises(BrokersFileError, match=message):
        await connected(tmp_path, text=REPLAYED)
