"""Candles of all timeframes, made from a feed when they are asked for and kept nowhere."""

from collections.abc import Iterator
from typing import NamedTuple

from mtfleet.domain.timeframes import Timeframe
from mtfleet.simulator.feed import MS_PER_MINUTE, Bar, SymbolFeed
from mtfleet.simulator.path import joined
from mtfleet.simulator.wall_clock import WallClock


class WallCandle(NamedTuple):
    """A candle, by when it opened in minutes since 1970 on the broker's wall clock."""

    opening: int
    bar: Bar
    spread: int
    """In ticks of the symbol, at its last tick."""


def candles_before(
    feed: SymbolFeed, clock: WallClock, timeframe: Timeframe, before: int, *, now_ms: int, first_ms: int
) -> Iterator[WallCandle]:
    """Yield the candles that had opened by the wall-clock minute `before`, the newest first.

    Ticks after `now_ms` have not come yet, and those before `first_ms` were never kept. A stretch without
    ticks has no candle. Ticks of an hour that the clock shows twice are in one candle, since a terminal
    knows wall time only. Making one takes a few milliseconds at most, for a month.
    """
    opening = timeframe.opening(min(before, clock.latest_wall_minute(now_ms // MS_PER_MINUTE)))
    oldest = timeframe.opening(clock.wall_minute(first_ms // MS_PER_MINUTE))
    while opening >= oldest:
        closing = timeframe.closing(opening)
        stretches = clock.stretches(opening, closing)
        candle = _candle(feed, opening, stretches, now_ms, first_ms)
        if candle is not None:
            yield candle
        elif stretches:
            # Jump over all that has no ticks, to what holds the newest earlier one.
            tick = feed.tick_at(stretches[0][0] * MS_PER_MINUTE - 1)
            if tick is None or tick.time_ms < first_ms:
                return
            opening = timeframe.opening(clock.wall_minute(tick.time_ms // MS_PER_MINUTE))
            continue
        opening = timeframe.previous(opening)


def _candle(
    feed: SymbolFeed, opening: int, stretches: list[tuple[int, int]], now_ms: int, first_ms: int
) -> WallCandle | None:
    made: Bar | None = None
    last_ms = now_ms
    for start, end in stretches:
        start = max(start, -(-first_ms // MS_PER_MINUTE))
        if start >= end or start * MS_PER_MINUTE > now_ms:
            continue
        bar = feed.bar(start, end, until_ms=now_ms)
        if bar is None:
            continue
        last_ms = min(now_ms, end * MS_PER_MINUTE - 1)
        made = (
            bar if made is None else Bar(joined(made.candle, bar.candle), made.tick_volume + bar.tick_volume)
        )
    return None if made is None else WallCandle(opening, made, feed.spread_at(last_ms))
