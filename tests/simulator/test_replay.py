"""Recorded ticks: what is read, what is refused, and that the feed is what a plain list of ticks would be."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mtfleet.domain.ids import Symbol
from mtfleet.domain.timeframes import Timeframe
from mtfleet.simulator.brokers_file import BrokersFileError, read_brokers
from mtfleet.simulator.candles import candles_before
from mtfleet.simulator.catalogue import Replay
from mtfleet.simulator.feed import Bar, Tick
from mtfleet.simulator.path import Candle
from mtfleet.simulator.recorded_ticks import RecordedTicks, read_ticks
from mtfleet.simulator.replay import ReplayFeed
from mtfleet.simulator.schedule import EPOCH, Clockwork
from mtfleet.simulator.standard_symbols import STANDARD_SYMBOLS
from mtfleet.simulator.tick_history import newest_ticks, ticks_from
from mtfleet.simulator.wall_clock import WallClock

EURUSD = STANDARD_SYMBOLS[Symbol("EURUSD")]
AT = 1_779_278_400_000
ONCE = Replay(ticks_file="f", speed=Decimal(1), is_looped=False, starts_at=None)


def moment(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


recordings = st.lists(
    st.tuples(st.integers(0, 40_000), st.integers(1, 50), st.integers(0, 5)), min_size=1, max_size=40
)


def recorded(steps: list[tuple[int, int, int]]) -> RecordedTicks:
    time, times = AT, []
    for step, _, _ in steps:
        time += step
        times.append(time)
    bids = [bid for _, bid, _ in steps]
    return RecordedTicks(times, bids, [bid + spread for _, bid, spread in steps])


def bar_of(ticks: list[Tick]) -> Bar | None:
    if not ticks:
        return None
    bids = [tick.bid for tick in ticks]
    return Bar(Candle(bids[0], max(bids), min(bids), bids[-1]), len(bids))


@given(
    steps=recordings,
    speed=st.sampled_from(["1", "0.3", "7", "1000"]),
    is_looped=st.booleans(),
    start=st.integers(-30, 60),
    length=st.integers(0, 20),
    until=st.integers(-5_000, 1_300_000),
)
def test_counts_bars_and_the_current_tick_are_those_of_the_ticks(
    steps: list[tuple[int, int, int]], speed: str, is_looped: bool, start: int, length: int, until: int
) -> None:
    pace = replace(ONCE, speed=Decimal(speed), is_looped=is_looped)
    feed = ReplayFeed(EURUSD, pace, recorded(steps))
    minute = AT // 60_000 + start
    begin, end = minute * 60_000, (minute + length) * 60_000
    if feed.count(begin, end) > 20_000:
        return
    ticks = list(feed.ticks(begin, end))
    assert len(ticks) == feed.count(begin, end)
    assert [tick.time_ms for tick in ticks] == sorted(tick.time_ms for tick in ticks)
    assert all(begin <= tick.time_ms < end for tick in ticks)
    assert feed.bar(minute, minute + length) == bar_of(ticks)
    so_far = [tick for tick in ticks if tick.time_ms <= begin + until]
    assert feed.bar(minute, minute + length, until_ms=begin + until) == bar_of(so_far)
    if ticks:
        assert feed.tick_at(end - 1) == ticks[-1]
        assert feed.tick_at(ticks[0].time_ms - 1) not in ticks
        assert feed.spread_at(end - 1) == ticks[-1].ask - ticks[-1].bid
        assert feed.is_quoted(minute) or length > 1 or not feed.count(begin, begin + 60_000)


@given(steps=recordings)
def test_at_its_own_pace_it_is_the_recording(steps: list[tuple[int, int, int]]) -> None:
    ticks = recorded(steps)
    feed = ReplayFeed(EURUSD, ONCE, ticks)
    played = list(feed.ticks(AT - 10, AT + 10**8))
    assert [(tick.bid, tick.ask) for tick in played] == [ticks.quote(i) for i in range(len(ticks))]
    assert [tick.time_ms for tick in played] == [
        ticks.first_ms + ticks.offset_of(i) for i in range(len(ticks))
    ]
    assert feed.tick_at(played[0].time_ms - 1) is None
    assert feed.tick_at(AT + 10**9) == played[-1]
    again = ReplayFeed(EURUSD, replace(ONCE, starts_at=moment(AT + 777_000)), ticks)
    later = AT + 777_000 - played[0].time_ms
    shifted = [tick._replace(time_ms=tick.time_ms + later) for tick in played]
    assert list(again.ticks(AT - 10, AT + 10**8)) == shifted
    twice = ReplayFeed(EURUSD, replace(ONCE, speed=Decimal(2)), ticks)
    last = list(twice.ticks(AT - 10, AT + 10**8))[-1]
    assert last.time_ms == ticks.first_ms + -(-ticks.duration_ms // 2)


def test_it_repeats_in_both_directions() -> None:
    ticks = RecordedTicks([AT, AT + 1000, AT + 4000], [5, 7, 6], [6, 8, 7])
    feed = ReplayFeed(EURUSD, replace(ONCE, is_looped=True), ticks)
    period = 4000 + 2000
    for rounds in (-1000, -1, 0, 1, 12345):
        shown = list(feed.ticks(AT + rounds * period, AT + (rounds + 1) * period))
        assert [(tick.time_ms - AT - rounds * period, tick.bid) for tick in shown] == [
            (0, 5),
            (1000, 7),
            (4000, 6),
        ]
    year = 365 * 1440
    bar = feed.bar(AT // 60_000 - year, AT // 60_000)
    assert bar is not None
    assert bar.candle.high - bar.candle.low == 2
    assert bar.tick_volume == feed.count(AT - year * 60_000, AT) == year * 60_000 // period * 3


@given(size=st.integers(1, 1500), start=st.integers(0, 1499), length=st.integers(1, 1500))
def test_a_candle_of_many_ticks_is_found_by_blocks(size: int, start: int, length: int) -> None:
    bids = [1 + number * 7919 % 1009 for number in range(size)]
    ticks = RecordedTicks(range(size), bids, bids)
    begin = start % size
    run = bids[begin : begin + length]
    assert ticks.candle(begin, begin + len(run)) == (run[0], max(run), min(run), run[-1])


def test_candles_and_pages_of_a_recording_that_is_over() -> None:
    ticks = RecordedTicks([AT, AT + 61_000, AT + 61_000], [5, 7, 6], [6, 8, 7])
    feed = ReplayFeed(EURUSD, ONCE, ticks)
    clock = WallClock(Clockwork(timezone="EET", dst_switch_timezone="EET"))
    years_later = AT + 10 * 366 * 86_400_000
    found = list(candles_before(feed, clock, Timeframe.M1, 2**40, now_ms=years_later, first_ms=0))
    assert [candle.bar for candle in found] == [Bar(Candle(7, 7, 6, 6), 2), Bar(Candle(5, 5, 5, 5), 1)]
    assert [candle.spread for candle in found] == [1, 1]
    (page,) = [step for step in ticks_from(feed, 0, 1, 9, end_ms=years_later) if step is not None]
    assert [tick.bid for tick in page] == [7, 6]
    (page,) = [step for step in ticks_from(feed, 0, 2, 9, end_ms=years_later) if step is not None]
    assert [tick.bid for tick in page] == [6]
    (page,) = [step for step in newest_ticks(feed, 1, 1, first_ms=0, end_ms=years_later) if step is not None]
    assert [tick.bid for tick in page] == [7]


def test_a_file_is_read() -> None:
    lines = [
        "volume,TIME,Ask,bid\r\n",
        "1,2026-05-20T12:00:00.250Z,1.16105,1.16097\r\n",
        "\r\n",
        '2,"2026-05-20 14:00:00.250+02:00",1.16105,1.1609\r\n',
        "3,1779278400900,1.16105,1.16105\r\n",
    ]
    ticks = read_ticks(lines, "f.csv", EURUSD)
    assert (ticks.first_ms, ticks.duration_ms, len(ticks)) == (AT + 250, 650, 3)
    assert [ticks.quote(index) for index in range(3)] == [
        (116097, 116105),
        (116090, 116105),
        (116105, 116105),
    ]
    naive = read_ticks(["time,bid,ask", "2026-05-20T12:00:00,1.1,1.2"], "f.csv", EURUSD)
    assert naive.first_ms == int(datetime(2026, 5, 20, 12, tzinfo=UTC).timestamp() * 1000)


GOOD = "2026-05-20T12:00:00Z,1.1,1.2\n"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "must name the columns"),
        (GOOD, 1, "must name the columns"),
        ("time,bid\n1,1\n", 1, "must name the columns time, bid and ask; once each: ask"),
        ("time,bid,ask,bid\n", 1, "once each: bid"),
        ("time,bid,ask\n", None, "no ticks"),
        (f"time,bid,ask\n{GOOD}2026-05-20T12:00:01Z,1.1\n", 3, "too few"),
        (f"time,bid,ask\n{GOOD}2026-05-20T11:59:59Z,1.1,1.2\n", 3, "before that of the tick above"),
        ("time,bid,ask\nyesterday,1.1,1.2\n", 2, "'yesterday' is no time"),
        ("time,bid,ask\n99999999999999999,1.1,1.2\n", 2, "between 1970 and 2100"),
        ("time,bid,ask\n0001-01-01T00:00:00+10:00,1.1,1.2\n", 2, "no"),
        (f"time,bid,ask\n{GOOD}\n2026-05-20T12:00:01Z,1.2,1.1\n", 4, "below the bid"),
        ("time,bid,ask\n1,x,1.2\n", 2, "'x' is no price"),
        ("time,bid,ask\n1,NaN,1.2\n", 2, "NaN"),
        ("time,bid,ask\n1,0,1.2\n", 2, "not above 0"),
        ("time,bid,ask\n1,1e30,1e31\n", 2, "below"),
        ("time,bid,ask\n1,1.100001,1.2\n", 2, "no multiple of 0.00001"),
        ('time,bid,ask\n1,"1.1,1.2\n', 2, "columns"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(text: str, line: int | None, reason: str) -> None:
    with pytest.raises(BrokersFileError) as refused:
        read_ticks(text.splitlines(keepends=True), "ticks.csv", EURUSD)
    assert (refused.value.source, refused.value.line) == ("ticks.csv", line)
    assert reason in refused.value.reason


FILE = """[[brokers]]
company = "A"
[[brokers.servers]]
name = "A-1"
platform = "mt5"
timezone = "EET"
[[brokers.servers.symbols]]
name = "EURUSD"
{}
"""


def test_a_brokers_file_names_it() -> None:
    keys = 'ticks_file = "a/b.csv"\nspeed = 2.5\nloop = false\nstarts_at = 2026-05-20T12:00:00+02:00'
    (server,) = read_brokers(FILE.format(keys), "f").servers.values()
    replay = server.symbols[Symbol("EURUSD")].replay
    assert replay is not None
    assert (replay.ticks_file, replay.speed, replay.is_looped) == ("a/b.csv", Decimal("2.5"), False)
    assert replay.starts_at == datetime(2026, 5, 20, 10, tzinfo=UTC)
    (plain,) = read_brokers(FILE.format('ticks_file = "b.csv"'), "f").servers.values()
    assert plain.symbols[Symbol("EURUSD")].replay == replace(
        ONCE, ticks_file="b.csv", is_looped=True, starts_at=None
    )
    (without,) = read_brokers(FILE.format("spread = 3"), "f").servers.values()
    assert without.symbols[Symbol("EURUSD")].replay is None


@pytest.mark.parametrize(
    ("keys", "line", "reason"),
    [
        ("speed = 2", 9, "speed: needs ticks_file"),
        ("loop = true", 9, "loop: needs ticks_file"),
        ("starts_at = 2026-05-20T12:00:00Z", 9, "starts_at: needs ticks_file"),
        ('ticks_file = ""', 9, "ticks_file: the name of a file"),
        ('ticks_file = "a"\nspeed = 0', 10, "speed: 0.001 to 10000"),
        ('ticks_file = "a"\nspeed = 20000', 10, "speed: 0.001 to 10000"),
        ('ticks_file = "a"\nstarts_at = 2026-05-20T12:00:00', 10, "starts_at: a time with its zone"),
        ('ticks_file = "a"\nspread = 3', 10, "spread: has no meaning"),
        ('ticks_file = "a"\nloop = "yes"', 10, "loop"),
    ],
)
def test_wrong_keys_are_refused_with_their_line(keys: str, line: int, reason: str) -> None:
    with pytest.raises(BrokersFileError) as refused:
        read_brokers(FILE.format(keys), "f")
    assert refused.value.line == line
    assert reason in refused.value.reason
