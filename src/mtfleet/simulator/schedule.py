"""When a symbol is traded: weekly sessions on the clock of an exchange, turned into UTC minutes and broker
time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from mtfleet.domain.brokertime import to_utc
from mtfleet.domain.symbols import Session, Sessions

DAYS = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")
MINUTES_PER_DAY = 1440
MINUTES_PER_WEEK = 7 * MINUTES_PER_DAY
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_WEEKS = 600
_MAX_WEEKS_CLOSED = 3


class Clockwork(msgspec.Struct, frozen=True, kw_only=True):
    """The two zones that make a wall clock, see `mtfleet.domain.brokertime`."""

    timezone: str
    dst_switch_timezone: str


class WeeklySession(msgspec.Struct, frozen=True, kw_only=True):
    """Open from one minute of a weekday to another, which is exclusive and may be 1440."""

    day: int
    """0 is Sunday, as in MetaTrader."""
    opens: int
    closes: int


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Weekly sessions on the wall clock of `clock`."""

    clock: Clockwork
    sessions: tuple[WeeklySession, ...]


class Calendar:
    """The open minutes of a schedule, or of a symbol that is always open."""

    __slots__ = ("_schedule", "_weeks")

    def __init__(self, schedule: Schedule | None) -> None:
        self._schedule = schedule
        self._weeks: dict[int, list[tuple[int, int]]] = {}

    def open_within(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the open stretches of the UTC minutes `[start, end)` since 1970, ascending."""
        if self._schedule is None:
            if start < end:
                yield start, end
            return
        for week in range(start // MINUTES_PER_WEEK, (end - 1) // MINUTES_PER_WEEK + 1):
            for opens, closes in self._week(week):
                first, last = max(opens, start), min(closes, end)
                if first < last:
                    yield first, last

    def is_open(self, minute: int) -> bool:
        """Tell whether the symbol is quoted in that minute."""
        return any(True for _ in self.open_within(minute, minute + 1))

    def last_open(self, minute: int) -> int | None:
        """Return the newest open minute up to and including `minute`; `None` if there was none for weeks."""
        end = minute + 1
        for _ in range(_MAX_WEEKS_CLOSED):
            stretches = list(self.open_within(end - MINUTES_PER_WEEK, end))
            if stretches:
                return stretches[-1][1] - 1
            end -= MINUTES_PER_WEEK
        return None

    def _week(self, week: int) -> list[tuple[int, int]]:
        known = self._weeks.get(week)
        if known is None:
            if len(self._weeks) >= _MAX_WEEKS:
                self._weeks.clear()
            known = self._weeks[week] = self._stretches(week)
        return known

    def _stretches(self, week: int) -> list[tuple[int, int]]:
        schedule = self._schedule
        if schedule is None:
            return [(week * MINUTES_PER_WEEK, (week + 1) * MINUTES_PER_WEEK)]
        found: list[tuple[int, int]] = []
        start, end = week * MINUTES_PER_WEEK, (week + 1) * MINUTES_PER_WEEK
        for offset in range(-1, 9):  # a wall clock is less than a day away from UTC
            midnight = (EPOCH + timedelta(minutes=start, days=offset)).replace(tzinfo=None)
            day = (midnight.weekday() + 1) % 7
            for session in schedule.sessions:
                if session.day == day:
                    opens = max(start, _utc_minute(schedule.clock, midnight, session.opens))
                    closes = min(end, _utc_minute(schedule.clock, midnight, session.closes))
                    if opens < closes:
                        found.append((opens, closes))
        return _merged(sorted(found))


def _utc_minute(clock: Clockwork, midnight: datetime, minutes: int) -> int:
    moment = to_utc(clock.timezone, clock.dst_switch_timezone, midnight + timedelta(minutes=minutes))
    return int((moment - EPOCH).total_seconds()) // 60


def _merged(stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    result: list[tuple[int, int]] = []
    for opens, closes in stretches:
        if result and opens <= result[-1][1]:
            result[-1] = result[-1][0], max(closes, result[-1][1])
        else:
            result.append((opens, closes))
    return result


ALWAYS_OPEN: Sessions = {day: [Session(opens="00:00:00.000", closes="24:00:00.000")] for day in DAYS}


def sessions_in_wall_time(calendar: Calendar, week_start: int, offset_minutes: list[int]) -> Sessions:
    """Return the sessions of seven days of a broker's wall clock, from Sunday, as a specification shows them.

    `week_start` is Sunday's midnight as minutes since 1970 on the wall clock, `offset_minutes` how far that
    clock is ahead
    of UTC at the beginning of each of the seven days.
    """
    result: Sessions = {}
    for day, offset in enumerate(offset_minutes):
        midnight = week_start + day * MINUTES_PER_DAY
        stretches = calendar.open_within(midnight - offset, midnight - offset + MINUTES_PER_DAY)
        result[DAYS[day]] = [
            Session(opens=_clock_text(a + offset - midnight), closes=_clock_text(b + offset - midnight))
            for a, b in _merged(list(stretches))
        ]
    return result


def _clock_text(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}:00.000"
