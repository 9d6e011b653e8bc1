"""Walk the hours of a broker's wall clock, also where it is put forward or back."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from mtfleet.domain.brokertime import to_utc, to_wall
from mtfleet.domain.market import BrokerBar
from mtfleet.simulator.feed import Bar, SymbolFeed
from mtfleet.simulator.path import joined
from mtfleet.simulator.schedule import EPOCH, MINUTES_PER_DAY, Clockwork
from mtfleet.simulator.wall_clock import offset_minutes, switch_between

_MINUTE = timedelta(minutes=1)
_WALL_EPOCH = EPOCH.replace(tzinfo=None)


def utc_minute(clock: Clockwork, moment: datetime) -> int:
    """Return the UTC minute of a moment, or of a naive time on the wall clock; part minutes count up."""
    utc = moment if moment.tzinfo else to_utc(clock.timezone, clock.dst_switch_timezone, moment)
    return -((EPOCH - utc) // _MINUTE)


def wall_time(clock: Clockwork, moment: datetime) -> datetime:
    """Return what the wall clock shows at an aware moment, naive."""
    return to_wall(clock.timezone, clock.dst_switch_timezone, moment)


def wall_hours(clock: Clockwork, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield `(hour on the wall clock since 1970, first, end)` for the UTC minutes `[start, end)`.

    An hour that the clock shows twice comes twice; one that it skips does not come.
    """
    while start < end:
        offset = offset_minutes(clock, start)
        until = min(end, start + MINUTES_PER_DAY)
        if offset_minutes(clock, until - 1) != offset:
            until = switch_between(clock, start, until - 1)
        while start < until:
            hour = (start + offset) // 60
            stop = min(until, hour * 60 + 60 - offset)
            yield hour, start, stop
            start = stop


def next_hour(clock: Clockwork, minute: int) -> int:
    """Return the UTC minute at or after `minute` in which an hour of the wall clock begins."""
    return minute + -(minute + offset_minutes(clock, minute)) % 60


def hourly_bars(
    feed: SymbolFeed, clock: Clockwork, start: int, end: int, *, until_ms: int | None = None
) -> Iterator[BrokerBar]:
    """Yield the bars of the UTC minutes `[start, end)`, one per hour of the wall clock, ascending.

    The ticks of an hour that the clock shows twice make one bar: a terminal knows wall time only.
    Ticks after `until_ms` have not come yet.
    """
    pending: tuple[int, Bar] | None = None
    for hour, first, stop in wall_hours(clock, start, end):
        bar = feed.bar(first, stop, until_ms=until_ms)
        if bar is None:
            continue
        if pending is not None and pending[0] == hour:
            pending = (
                hour,
                Bar(joined(pending[1].candle, bar.candle), pending[1].tick_volume + bar.tick_volume),
            )
            continue
        if pending is not None:
            yield _broker_bar(feed, *pending)
        pending = hour, bar
    if pending is not None:
        yield _broker_bar(feed, *pending)


def joined_bars(earlier: list[BrokerBar], later: Iterator[BrokerBar]) -> list[BrokerBar]:
    """Return both as one list; bars of one hour on either side of the seam become one."""
    result = list(earlier)
    for bar in later:
        if result and result[-1].opened_at == bar.opened_at:
            last = result[-1]
            result[-1] = replace(
                last,
                high=max(last.high, bar.high),
                low=min(last.low, bar.low),
                close=bar.close,
                tick_volume=last.tick_volume + bar.tick_volume,
            )
        else:
            result.append(bar)
    return result


def _broker_bar(feed: SymbolFeed, hour: int, bar: Bar) -> BrokerBar:
    # A whole number divided by a power of ten is rounded right: the same double as by way of Decimal.
    definition = feed.definition
    points, unit = definition.tick_points, 10**definition.digits
    candle = bar.candle
    return BrokerBar(
        opened_at=_WALL_EPOCH + timedelta(hours=hour),
        open=candle.open * points / unit,
        high=candle.high * points / unit,
        low=candle.low * points / unit,
        close=candle.close * points / unit,
        tick_volume=bar.tick_volume,
    )
