"""The server's days, which end at midnight of its own wall clock."""

from datetime import UTC, datetime, timedelta

from mtfleet.domain.brokertime import to_utc, to_wall
from mtfleet.simulator.schedule import EPOCH, Clockwork

_DAY = timedelta(days=1)
_MS = timedelta(milliseconds=1)


def moment(at_ms: int) -> datetime:
    """Return milliseconds since 1970 as a moment."""
    return EPOCH + timedelta(milliseconds=at_ms)


def milliseconds(at: datetime) -> int:
    """Return an aware moment as milliseconds since 1970."""
    return (at - EPOCH) // _MS


def wall_at(clock: Clockwork, at_ms: int) -> datetime:
    """Return what the server's clock shows, naive."""
    return to_wall(clock.timezone, clock.dst_switch_timezone, moment(at_ms))


def day_end(clock: Clockwork, at_ms: int) -> int:
    """Return the first midnight of the server's clock after a moment."""
    day = wall_at(clock, at_ms).replace(hour=0, minute=0, second=0, microsecond=0)
    end = at_ms
    while end <= at_ms:  # a second round only where clocks are put back at midnight
        day += _DAY
        end = milliseconds(to_utc(clock.timezone, clock.dst_switch_timezone, day))
    return end


def last_second(clock: Clockwork, at: datetime) -> int:
    """Return 23:59:59 of the server's day of a moment."""
    wall = to_wall(clock.timezone, clock.dst_switch_timezone, at.astimezone(UTC))
    wall = wall.replace(hour=23, minute=59, second=59, microsecond=0)
    return milliseconds(to_utc(clock.timezone, clock.dst_switch_timezone, wall))


def weekday_before(clock: Clockwork, at_ms: int) -> int:
    """Return the weekday that ends at a midnight; 0 is Sunday."""
    return (wall_at(clock, at_ms - 1).weekday() + 1) % 7
