"""Candles, ticks and books of a simulated server, worked out in slices so that others run in between."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from mtfleet.domain.brokertime import to_utc
from mtfleet.domain.errors import TimedOutError
from mtfleet.domain.timeframes import Timeframe
from mtfleet.domain.values import Instant
from mtfleet.simulator.candles import WallCandle, candles_before
from mtfleet.simulator.catalogue import ServerDefinition
from mtfleet.simulator.feed import MS_PER_MINUTE, SymbolFeed, Tick
from mtfleet.simulator.schedule import EPOCH
from mtfleet.simulator.tick_history import newest_ticks, ticks_from
from mtfleet.simulator.wall_clock import WallClock

_SLICE_MINUTES: Final = 20_000
"""Minutes of prices that are worked out at once, or that many candles of a minute: a few milliseconds."""
_LEAST_MINUTES: Final = 60
_MS: Final = timedelta(milliseconds=1)
_FAR: Final = datetime(2200, 1, 1, tzinfo=UTC)


def milliseconds(moment: datetime) -> int:
    """Return milliseconds since 1970 of an aware moment."""
    return (moment - EPOCH) // _MS


def bounded(moment: datetime) -> datetime:
    """Return the moment, or the nearest that any clock can show and any feed may have ticks at."""
    return min(max(moment, EPOCH), _FAR)


class History:
    """What a server keeps of the past, which it makes anew whenever it is asked."""

    def __init__(self, definition: ServerDefinition) -> None:
        clock = definition.clock
        first = datetime.combine(definition.history_from, datetime.min.time())
        self._clock = WallClock(clock)
        self._has_history = definition.has_history
        self.first_ms = milliseconds(to_utc(clock.timezone, clock.dst_switch_timezone, first))

    async def candles(
        self, feed: SymbolFeed, timeframe: Timeframe, before: datetime | None, limit: int, now_ms: int
    ) -> list[WallCandle]:
        """Return up to `limit` candles that opened by the naive wall-clock time `before`, ascending."""
        if not self._has_history:
            return []
        now = self._clock.latest_wall_minute(_minute(now_ms))
        minute = now if before is None else _wall_minutes(before)
        found: list[WallCandle] = []
        cost = 0
        for candle in candles_before(
            feed, self._clock, timeframe, minute, now_ms=now_ms, first_ms=self.first_ms
        ):
            found.append(candle)
            if len(found) == limit:
                break
            cost += max(_LEAST_MINUTES, timeframe.closing(candle.opening) - candle.opening)
            if cost >= _SLICE_MINUTES:
                cost = 0
                await asyncio.sleep(0)
        found.reverse()
        return found

    def current_candle(self, feed: SymbolFeed, timeframe: Timeframe, now_ms: int) -> WallCandle:
        """Return the newest candle. Raises `TimedOutError` when there is none."""
        tick = feed.tick_at(now_ms)
        if tick is not None:
            minute = self._clock.wall_minute(_minute(tick.time_ms))
            first = min(self.first_ms, tick.time_ms)
            for candle in candles_before(feed, self._clock, timeframe, minute, now_ms=now_ms, first_ms=first):
                return candle
        raise TimedOutError(f"There is no quote of {feed.definition.name} yet, so there is no candle.")

    async def ticks(
        self, feed: SymbolFeed, start_ms: int | None, offset: int, limit: int, now_ms: int
    ) -> list[Tick]:
        """Return a page of ticks up to now, see `TerminalDriver.ticks`."""
        if not self._has_history:
            return []
        end_ms = now_ms + 1
        if start_ms is None:
            steps = newest_ticks(feed, offset, limit, first_ms=self.first_ms, end_ms=end_ms)
        else:
            steps = ticks_from(feed, max(start_ms, self.first_ms), offset, limit, end_ms=end_ms)
        return await _last_of(steps)


async def _last_of(steps: Iterable[list[Tick] | None]) -> list[Tick]:
    page: list[Tick] = []
    for step in steps:
        if step is None:
            await asyncio.sleep(0)
        else:
            page = step
    return page


def _minute(time_ms: int) -> int:
    return time_ms // MS_PER_MINUTE


def _wall_minutes(wall: datetime) -> int:
    return (wall - EPOCH.replace(tzinfo=None)) // timedelta(minutes=1)


def wall_time_of(candle: WallCandle) -> datetime:
    """Return when a candle opened on the wall clock, naive."""
    return EPOCH.replace(tzinfo=None) + timedelta(minutes=candle.opening)


def instant(time_ms: int) -> Instant:
    """Return the moment of milliseconds since 1970 in UTC."""
    return Instant.of(EPOCH + timedelta(milliseconds=time_ms))
