"""A broker's wall clock as stretches of UTC in which its offset stays the same; times are whole minutes."""

from datetime import UTC, datetime, timedelta

from mtfleet.domain.brokertime import offset_at
from mtfleet.simulator.schedule import EPOCH, MINUTES_PER_DAY, Clockwork

_MINUTE = timedelta(minutes=1)
_MARGIN = 26 * 60  # no wall clock is that far from UTC


def offset_minutes(clock: Clockwork, minute: int) -> int:
    """Return how many minutes the wall clock is ahead of UTC in a UTC minute since 1970."""
    moment = EPOCH + timedelta(minutes=minute)
    return offset_at(clock.timezone, clock.dst_switch_timezone, moment) // _MINUTE


def switch_between(clock: Clockwork, before: int, after: int) -> int:
    """Return the first UTC minute after `before` that has another offset; `after` must have another one."""
    offset = offset_minutes(clock, before)
    while after - before > 1:
        middle = (before + after) // 2
        if offset_minutes(clock, middle) == offset:
            before = middle
        else:
            after = middle
    return after


class WallClock:
    """Turns UTC minutes into minutes since 1970 on the wall clock, and stretches of the latter back."""

    __slots__ = ("_clock", "_years")

    def __init__(self, clock: Clockwork) -> None:
        self._clock = clock
        self._years: dict[int, list[tuple[int, int, int]]] = {}

    def wall_minute(self, minute: int) -> int:
        """Return what the wall clock shows in a UTC minute."""
        return minute + self._segment(minute)[2]

    def latest_wall_minute(self, minute: int) -> int:
        """Return the latest that the wall clock has shown by a UTC minute: more than it shows for some time
        after it was put back."""
        start, _, offset = self._segment(minute)
        return max(minute + offset, self.wall_minute(start - 1))

    def _segment(self, minute: int) -> tuple[int, int, int]:
        segments = self._year(_year_of(minute))
        return next(segment for segment in segments if minute < segment[1])

    def stretches(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return the UTC minutes in which the wall clock shows `[start, end)`, as ascending stretches.

        There are two when the clock is put back in between and shows some of it twice, and there may be none
        when it is put forward.
        """
        found: list[tuple[int, int]] = []
        for year in range(_year_of(start - _MARGIN), _year_of(end + _MARGIN) + 1):
            for first, last, offset in self._year(year):
                opens, closes = max(first, start - offset), min(last, end - offset)
                if opens >= closes:
                    continue
                if found and found[-1][1] == opens:
                    found[-1] = found[-1][0], closes
                else:
                    found.append((opens, closes))
        return found

    def _year(self, year: int) -> list[tuple[int, int, int]]:
        """Return `(first minute, end, offset)` of all stretches of a UTC year."""
        known = self._years.get(year)
        if known is None:
            known = self._years[year] = self._segments(_new_year(year), _new_year(year + 1))
        return known

    def _segments(self, start: int, end: int) -> list[tuple[int, int, int]]:
        segments: list[tuple[int, int, int]] = []
        begin, minute, offset = start, start, offset_minutes(self._clock, start)
        while minute < end:
            following = min(end, minute + MINUTES_PER_DAY)
            if offset_minutes(self._clock, following - 1) != offset:
                # Perhaps at the very minute; the one before still has the old offset.
                following = switch_between(self._clock, minute - 1, following - 1)
                segments.append((begin, following, offset))
                begin, offset = following, offset_minutes(self._clock, following)
            minute = following
        segments.append((begin, end, offset))
        return segments


def _year_of(minute: int) -> int:
    return (EPOCH + timedelta(minutes=minute)).year


def _new_year(year: int) -> int:
    return (datetime(year, 1, 1, tzinfo=UTC) - EPOCH) // _MINUTE
