"""Hourly bars on a broker's wall clock agree with its ticks, also where the clock is put forward or back."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mtfleet.domain.brokertime import to_wall
from mtfleet.domain.ids import ServerName, Symbol
from mtfleet.simulator.feed import Feed
from mtfleet.simulator.schedule import EPOCH, Clockwork
from mtfleet.simulator.standard_symbols import STANDARD_SYMBOLS
from mtfleet.terminals.simulated.wallclock import hourly_bars, joined_bars

FEED = Feed(1, ServerName("Test"), STANDARD_SYMBOLS)
CLOCKS = [
    Clockwork(timezone="EET", dst_switch_timezone="EET"),
    Clockwork(timezone="EET", dst_switch_timezone="America/New_York"),
    Clockwork(timezone="Asia/Kolkata", dst_switch_timezone="Asia/Kolkata"),
    Clockwork(timezone="Australia/Lord_Howe", dst_switch_timezone="Australia/Lord_Howe"),
]
SWITCHES = [
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2026, 5, 20, 12, tzinfo=UTC),
]


@given(
    clock=st.sampled_from(CLOCKS),
    switch=st.sampled_from(SWITCHES),
    before=st.integers(0, 150),
    length=st.integers(1, 260),
    seam=st.integers(0, 260),
    symbol=st.sampled_from([Symbol("#AAPL"), Symbol("US30.cash"), Symbol("EURCHF")]),
)
def test_bars_are_the_ticks_of_each_hour_that_the_clock_shows(
    clock: Clockwork, switch: datetime, before: int, length: int, seam: int, symbol: Symbol
) -> None:
    feed = FEED[symbol]
    start = (switch - EPOCH) // timedelta(minutes=1) - before
    end = start + length
    by_hour: dict[datetime, list[float]] = defaultdict(list)
    for tick in feed.ticks(start * 60_000, end * 60_000):
        moment = EPOCH + timedelta(milliseconds=tick.time_ms)
        wall = to_wall(clock.timezone, clock.dst_switch_timezone, moment)
        by_hour[wall.replace(minute=0, second=0, microsecond=0)].append(float(feed.price_of(tick.bid)))
    expected = {
        hour: (prices[0], max(prices), min(prices), prices[-1], len(prices))
        for hour, prices in by_hour.items()
    }
    middle = min(end, start + seam)
    bars = joined_bars(list(hourly_bars(feed, clock, start, middle)), hourly_bars(feed, clock, middle, end))
    found = {bar.opened_at: (bar.open, bar.high, bar.low, bar.close, bar.tick_volume) for bar in bars}
    assert found == expected
    assert len(bars) == len(found)
    assert [bar.opened_at for bar in bars] == sorted(found)
