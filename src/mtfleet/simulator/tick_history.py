"""Pages of a feed's ticks. Ticks are found by counting, so that a far page costs no more than a near one."""

from collections.abc import Iterator
from itertools import islice

from mtfleet.simulator.feed import SymbolFeed, Tick
from mtfleet.simulator.schedule import MINUTES_PER_WEEK

_STEP_MS = 4 * MINUTES_PER_WEEK * 60_000


def ticks_from(
    feed: SymbolFeed, start_ms: int, offset: int, limit: int, *, end_ms: int
) -> Iterator[list[Tick] | None]:
    """Yield `None` after each step of work, and in the end the page: `limit` ticks of `[start, end)`,
    ascending, after leaving out the first `offset`."""
    while start_ms < end_ms:
        step_end = min(end_ms, start_ms + _STEP_MS)
        count = feed.count(start_ms, step_end)
        if offset < count:
            begin = _time_of(feed, start_ms, step_end, offset)
            # Several ticks may share a moment: leave out those before the wanted one.
            surplus = offset - feed.count(start_ms, begin)
            yield list(islice(feed.ticks(begin, end_ms), surplus, surplus + limit))
            return
        offset -= count
        start_ms = step_end
        yield None
    yield []


def newest_ticks(
    feed: SymbolFeed, offset: int, limit: int, *, first_ms: int, end_ms: int
) -> Iterator[list[Tick] | None]:
    """Yield as `ticks_from`: the `limit` newest ticks of `[first, end)`, ascending, after leaving out the
    `offset` newest."""
    start_ms, total = end_ms, 0
    while start_ms > first_ms and total < offset + limit:
        step_end, start_ms = start_ms, max(first_ms, start_ms - _STEP_MS)
        total += feed.count(start_ms, step_end)
        yield None
    skipped = max(0, total - offset - limit)
    yield from ticks_from(feed, start_ms, skipped, max(0, total - offset - skipped), end_ms=end_ms)


def _time_of(feed: SymbolFeed, start_ms: int, end_ms: int, index: int) -> int:
    """Return the moment of the tick number `index` of `[start, end)`, which must have so many."""
    low, high = start_ms, end_ms
    while high - low > 1:
        middle = (low + high) // 2
        if feed.count(start_ms, middle) > index:
            high = middle
        else:
            low = middle
    return low
