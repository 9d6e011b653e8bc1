"""The broker's wall clock: a base zone for the standard offset, and another zone whose calendar switches it.

Most forex brokers keep GMT+2 and GMT+3 and switch when New York does, so that their day ends at 17:00 there;
others switch with Europe or never. Two names say it all: the offset is the standard offset of the first, plus
one hour
while the second has daylight saving time and the first is a zone that has it at all. Where both names are
equal this is
plain zone conversion.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from mtfleet.domain.errors import ValidationError

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_ZERO = timedelta(0)


class UnknownTimezone(ValidationError):
    """There is no such time zone; use an IANA name such as EET or America/New_York."""


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo:
    """Return the IANA zone of that name. Raises `UnknownTimezone`."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UnknownTimezone(
            f"{name!r} is no time zone; use an IANA name such as EET or America/New_York."
        ) from error


@lru_cache(maxsize=4096)
def _daylight_saving(name: str, year: int) -> int:
    """Return 1 if the zone's clocks gain an hour in summer, -1 if its database entry counts winter as the
    exception, 0 if it does not switch that year."""
    zone = zone_named(name)
    shifts = [datetime(year, month, 1, tzinfo=zone).dst() or _ZERO for month in range(1, 13)]
    if any(shift < _ZERO for shift in shifts):
        return -1
    return int(any(shifts))


def _standard_offset(name: str, utc: datetime) -> timedelta:
    local = utc.astimezone(zone_named(name))
    offset, shift = local.utcoffset() or _ZERO, local.dst() or _ZERO
    if _daylight_saving(name, local.year) < 0:
        return offset if shift else offset - _HOUR
    return offset - shift


def _is_summer_time(name: str, utc: datetime) -> bool:
    local = utc.astimezone(zone_named(name))
    if _daylight_saving(name, local.year) < 0:
        return not local.dst()
    return bool(local.dst())


def offset_at(zone: str, switch_zone: str, utc: datetime) -> timedelta:
    """Return how far the broker's wall clock is ahead of UTC at the aware moment `utc`.

    Raises `UnknownTimezone` for a name that is no IANA zone.
    """
    if zone == switch_zone:
        return utc.astimezone(zone_named(zone)).utcoffset() or _ZERO
    extra = _daylight_saving(zone, utc.year) and _is_summer_time(switch_zone, utc)
    return _standard_offset(zone, utc) + (_HOUR if extra else _ZERO)


def to_wall(zone: str, switch_zone: str, utc: datetime) -> datetime:
    """Return the broker's wall-clock time, naive, at the aware moment `utc`."""
    moment = utc.astimezone(UTC)
    plain = datetime.combine(moment.date(), moment.time())  # no `Instant`, which would be in UTC
    return plain + offset_at(zone, switch_zone, moment)


def to_utc(zone: str, switch_zone: str, wall: datetime) -> datetime:
    """Return the moment, aware in UTC, at which the broker's wall clock shows the naive time `wall`.

    An hour that the clock shows twice counts as the first of the two, and one that it skips as if the clock
    had not been
    put forward yet: both take the offset from before the switch.
    """
    pretended = wall.replace(tzinfo=UTC)
    before = offset_at(zone, switch_zone, pretended - _DAY)
    after = offset_at(zone, switch_zone, pretended + _DAY)
    first, second = pretended - before, pretended - after
    if before != after and offset_at(zone, switch_zone, first) != before:
        return second if offset_at(zone, switch_zone, second) == after else first
    return first
