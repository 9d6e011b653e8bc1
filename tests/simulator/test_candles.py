"""Candles of all timeframes and pages of ticks agree with the ticks that they are made of."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtfleet.domain.accounts import Platform
from mtfleet.domain.brokertime import to_wall
from mtfleet.domain.errors import ValidationError
from mtfleet.domain.ids import ServerName, Symbol
from mtfleet.domain.timeframes import TIMEFRAMES, Timeframe, timeframe_of
from mtfleet.simulator.book import book_of
from mtfleet.simulator.candles import WallCandle, candles_before
from mtfleet.simulator.feed import Bar, Feed, SymbolFeed, Tick
from mtfleet.simulator.path import Candle, joined
from mtfleet.simulator.schedule import EPOCH, Clockwork
from mtfleet.simulator.standard_symbols import STANDARD_SYMBOLS
from mtfleet.simulator.tick_history import newest_ticks, ticks_from
from mtfleet.simulator.wall_clock import WallClock, offset_minutes

FEED = Feed(3, ServerName("Test"), STANDARD_SYMBOLS)
EURUSD, STOCK, INDEX = Symbol("EURUSD"), Symbol("#AAPL"), Symbol("US30.cash")
ZONES = [
    ("EET", "EET"),
    ("EET", "America/New_York"),
    ("Asia/Kolkata", "Asia/Kolkata"),
    ("Australia/Lord_Howe", "Australia/Lord_Howe"),
    ("Asia/Beirut", "Asia/Beirut"),  # puts its clock forward at midnight
    ("Africa/Casablanca", "Africa/Casablanca"),  # four switches in some years
]
CLOCKS = [Clockwork(timezone=zone, dst_switch_timezone=switch) for zone, switch in ZONES]
MOMENTS = [
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 3, 28, 22, tzinfo=UTC),
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2026, 5, 22, 20, tzinfo=UTC),
    datetime(2027, 1, 1, tzinfo=UTC),
]
FIRST_MS = int(datetime(2010, 1, 1, tzinfo=UTC).timestamp() * 1000)
WALL_EPOCH = EPOCH.replace(tzinfo=None)
clocks, moments = st.sampled_from(CLOCKS), st.sampled_from(MOMENTS)
symbols = st.sampled_from([EURUSD, STOCK, INDEX])
moderate = settings(max_examples=40, deadline=None)
short = st.sampled_from([frame for frame in Timeframe if 0 < frame.minutes <= 60])


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def wall(clock: Clockwork, time_ms: int) -> int:
    moment = EPOCH + timedelta(milliseconds=time_ms)
    return (
        to_wall(clock.timezone, clock.dst_switch_timezone, moment).replace(second=0, microsecond=0)
        - WALL_EPOCH
    ) // timedelta(minutes=1)


def candles(
    feed: SymbolFeed,
    clock: Clockwork,
    frame: Timeframe,
    now_ms: int,
    count: int,
    before: int = 2**40,
    first_ms: int = FIRST_MS,
) -> list[WallCandle]:
    made = candles_before(feed, WallClock(clock), frame, before, now_ms=now_ms, first_ms=first_ms)
    return list(islice(made, count))[::-1]


def of_ticks(ticks: list[Tick]) -> Bar:
    bids = [tick.bid for tick in ticks]
    return Bar(Candle(bids[0], max(bids), min(bids), bids[-1]), len(bids))


@moderate
@given(clock=clocks, moment=moments, minutes=st.integers(-200, 200), symbol=symbols, frame=short)
def test_candles_are_their_ticks_and_the_newest_is_that_of_the_ticks_so_far(
    clock: Clockwork, moment: datetime, minutes: int, symbol: Symbol, frame: Timeframe
) -> None:
    feed, now_ms = FEED[symbol], ms(moment) + minutes * 60_000 + 31_415
    found = candles(feed, clock, frame, now_ms, 4)
    by_opening: dict[int, list[Tick]] = defaultdict(list)
    for tick in feed.ticks(now_ms - 3 * 3_600_000, now_ms + 1):
        by_opening[frame.opening(wall(clock, tick.time_ms))].append(tick)
    expected = sorted(by_opening)[1:]  # the first may have begun before
    shown = [candle for candle in found if candle.opening in expected]
    assert [candle.opening for candle in shown] == expected[len(expected) - len(shown) :]
    for candle in shown:
        ticks = by_opening[candle.opening]
        assert candle.bar == of_ticks(ticks)
        assert candle.spread == ticks[-1].ask - ticks[-1].bid


@moderate
@given(
    clock=clocks,
    moment=moments,
    symbol=symbols,
    pair=st.sampled_from(
        [
            (Timeframe.M1, Timeframe.M5),
            (Timeframe.M4, Timeframe.M20),
            (Timeframe.M5, Timeframe.H1),
            (Timeframe.H1, Timeframe.H4),
            (Timeframe.H1, Timeframe.D1),
            (Timeframe.H12, Timeframe.D1),
            (Timeframe.D1, Timeframe.W1),
            (Timeframe.D1, Timeframe.MN1),
        ]
    ),
)
def test_lower_candles_make_the_higher(
    clock: Clockwork, moment: datetime, symbol: Symbol, pair: tuple[Timeframe, Timeframe]
) -> None:
    feed, now_ms, (lower, higher) = FEED[symbol], ms(moment) + 4242, pair
    wanted = candles(feed, clock, higher, now_ms, 2)
    parts: dict[int, list[WallCandle]] = defaultdict(list)
    for candle in candles(feed, clock, lower, now_ms, 70):
        parts[higher.opening(candle.opening)].append(candle)
    for candle in wanted:
        made: Candle | None = None
        for part in parts[candle.opening]:
            made = joined(made, part.bar.candle)
        assert made is not None
        assert (made.high, made.low) == (candle.bar.candle.high, candle.bar.candle.low)
        assert sum(part.bar.tick_volume for part in parts[candle.opening]) == candle.bar.tick_volume
        # While the clock shows an hour again, the newest tick is not in the candle that opened last.
        if now_ms >= ends_ms(clock, candle.opening, higher) or not repeats(clock, candle.opening, higher):
            assert made == candle.bar.candle
            assert parts[candle.opening][-1].spread == candle.spread


def ends_ms(clock: Clockwork, opening: int, frame: Timeframe) -> int:
    return WallClock(clock).stretches(opening, frame.closing(opening))[-1][1] * 60_000


def repeats(clock: Clockwork, opening: int, frame: Timeframe) -> bool:
    closing = frame.closing(opening)
    return sum(end - start for start, end in WallClock(clock).stretches(opening, closing)) > closing - opening


@moderate
@given(clock=clocks, moment=moments, symbol=symbols, frame=st.sampled_from(list(Timeframe)))
def test_pages_backwards_are_one_list(
    clock: Clockwork, moment: datetime, symbol: Symbol, frame: Timeframe
) -> None:
    feed, now_ms = FEED[symbol], ms(moment)
    whole = candles(feed, clock, frame, now_ms, 5)
    newest = candles(feed, clock, frame, now_ms, 2)
    older = candles(feed, clock, frame, now_ms, 3, before=newest[0].opening - 1)
    assert older + newest == whole
    openings = [candle.opening for candle in whole]
    assert openings == sorted(set(openings))
    assert all(frame.opening(opening) == opening for opening in openings)
    inside = candles(feed, clock, frame, now_ms, 1, before=frame.closing(newest[1].opening) - 1)
    assert inside == [newest[1]]


def test_days_weeks_and_months_begin_where_the_brokers_clock_says() -> None:
    now_ms = ms(datetime(2026, 11, 20, 12, tzinfo=UTC))
    opened = {
        frame: [
            (WALL_EPOCH + timedelta(minutes=candle.opening)).isoformat(" ", "minutes")
            for candle in candles(FEED[EURUSD], CLOCKS[0], frame, now_ms, 2)
        ]
        for frame in (Timeframe.H4, Timeframe.D1, Timeframe.W1, Timeframe.MN1)
    }
    assert opened == {
        Timeframe.H4: ["2026-11-20 08:00", "2026-11-20 12:00"],  # it is 14:00 there
        Timeframe.D1: ["2026-11-19 00:00", "2026-11-20 00:00"],
        Timeframe.W1: ["2026-11-08 00:00", "2026-11-15 00:00"],  # Sundays
        Timeframe.MN1: ["2026-10-01 00:00", "2026-11-01 00:00"],
    }


def test_closed_sessions_have_no_candles() -> None:
    saturday = ms(datetime(2026, 5, 23, 12, tzinfo=UTC))
    hours = candles(FEED[STOCK], CLOCKS[0], Timeframe.H1, saturday, 8)
    opened = [WALL_EPOCH + timedelta(minutes=candle.opening) for candle in hours]
    # 09:30 to 16:00 in New York is 16:30 to 23:00 there.
    assert [f"{at:%d %H}" for at in opened] == ["21 22", *(f"22 {hour}" for hour in range(16, 23))]
    days = candles(FEED[STOCK], CLOCKS[0], Timeframe.D1, saturday, 6)
    assert {(WALL_EPOCH + timedelta(minutes=day.opening)).weekday() for day in days} == set(range(5))


def test_history_begins_where_it_is_told_to() -> None:
    first = datetime(2026, 5, 19, 22, tzinfo=UTC)  # 01:00 on the 20th there
    now, feed = datetime(2026, 5, 21, 3, tzinfo=UTC), FEED[EURUSD]
    start = ms(first) // 60_000
    days = candles(feed, CLOCKS[0], Timeframe.D1, ms(now), 99, first_ms=ms(first))
    assert [day.bar for day in days] == [
        feed.bar(start, start + 23 * 60),
        feed.bar(start + 23 * 60, start + 30 * 60, until_ms=ms(now)),
    ]
    assert candles(feed, CLOCKS[0], Timeframe.M1, ms(now), 5, before=0) == []
    (month,) = candles(feed, CLOCKS[0], Timeframe.MN1, ms(now), 99, first_ms=ms(first))
    assert month.bar == feed.bar(start, ms(now) // 60_000 + 1, until_ms=ms(now))


@moderate
@given(clock=clocks, moment=moments, minutes=st.integers(-3000, 3000), length=st.integers(1, 2000))
def test_stretches_are_the_minutes_in_which_the_clock_shows_it(
    clock: Clockwork, moment: datetime, minutes: int, length: int
) -> None:
    start = ms(moment) // 60_000 + minutes  # on the wall clock
    expected = [
        minute
        for minute in range(start - 1000, start + length + 1000)
        if start <= minute + offset_minutes(clock, minute) < start + length
    ]
    found = WallClock(clock).stretches(start, start + length)
    assert [minute for opens, closes in found for minute in range(opens, closes)] == expected
    assert all(earlier[1] < later[0] for earlier, later in pairwise(found))


def page(steps: object) -> list[Tick]:
    found = [step for step in steps if step is not None]  # type: ignore[attr-defined]  # a generator
    (ticks,) = found
    return list(ticks)


@given(
    symbol=symbols,
    moment=moments,
    start=st.integers(0, 400_000),
    length=st.integers(1, 900_000),
    offset=st.integers(0, 1500),
    limit=st.integers(1, 700),
)
def test_a_page_of_ticks_is_a_slice_of_them(
    symbol: Symbol, moment: datetime, start: int, length: int, offset: int, limit: int
) -> None:
    feed = FEED[symbol]
    start_ms = ms(moment) + start - 600_000
    end_ms = start_ms + length
    whole = list(feed.ticks(start_ms, end_ms))
    assert feed.count(start_ms, end_ms) == len(whole)
    assert page(ticks_from(feed, start_ms, offset, limit, end_ms=end_ms)) == whole[offset : offset + limit]
    newest = page(newest_ticks(feed, offset, limit, first_ms=start_ms, end_ms=end_ms))
    assert newest == whole[max(0, len(whole) - offset - limit) : max(0, len(whole) - offset)]


@pytest.mark.parametrize("symbol", [EURUSD, STOCK])
def test_a_far_page_is_found_by_counting(symbol: Symbol) -> None:
    feed, now_ms = FEED[symbol], ms(MOMENTS[0])
    count = feed.count(FIRST_MS, now_ms)
    last = page(ticks_from(feed, FIRST_MS, count - 3, 10, end_ms=now_ms))
    assert last == page(newest_ticks(feed, 0, 3, first_ms=FIRST_MS, end_ms=now_ms))
    assert page(newest_ticks(feed, count - 2, 5, first_ms=FIRST_MS, end_ms=now_ms)) == page(
        ticks_from(feed, FIRST_MS, 0, 2, end_ms=now_ms)
    )
    assert page(newest_ticks(feed, count, 5, first_ms=FIRST_MS, end_ms=now_ms)) == []
    assert page(ticks_from(feed, FIRST_MS, 10**15, 5, end_ms=now_ms)) == []


@given(symbol=st.sampled_from(sorted(STANDARD_SYMBOLS)), moment=moments, later=st.integers(0, 10**9))
def test_a_book_surrounds_the_quote(symbol: Symbol, moment: datetime, later: int) -> None:
    feed = FEED[symbol]
    tick = feed.tick_at(ms(moment) + later)
    assert tick is not None
    levels = book_of(feed, tick)
    prices = [level.price for level in levels]
    assert prices == sorted(set(prices), reverse=True)
    assert min(level.price for level in levels if level.is_sell) == tick.ask
    assert max(level.price for level in levels if not level.is_sell) == tick.bid
    assert all(level.steps > 0 for level in levels)
    assert book_of(feed, tick) == levels


def test_platforms_have_their_timeframes() -> None:
    assert [len(TIMEFRAMES[platform]) for platform in (Platform.MT4, Platform.MT5)] == [9, 21]
    assert timeframe_of("1mn", Platform.MT4) is Timeframe.MN1
    for text, platform in (
        ("2m", Platform.MT4),
        ("7m", Platform.MT5),
        ("", Platform.MT5),
        ("1M", Platform.MT5),
    ):
        with pytest.raises(ValidationError, match="timeframe"):
            timeframe_of(text, platform)
