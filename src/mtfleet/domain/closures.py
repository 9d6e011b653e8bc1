"""When the markets that keep New York's clock are closed, at any time of the year.

Times are whole hours since 1970 in UTC: hourly bars can't tell finer ones. A market that opens at 09:30 has
its first bar at 09:00.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from mtfleet.domain.values import Value

NEW_YORK = ZoneInfo("America/New_York")
FRIDAY, SUNDAY = 4, 6

Closure = tuple[int, int]
"""First hour without trading, and first hour with trading again."""


class Break(Value, frozen=True, kw_only=True):
    """A closure that comes back every week, on New York's clock. Days count from Monday, 0."""

    day: int
    closes: int
    """Hour."""
    days: int
    """How many days later it opens."""
    opens: int
    """Hour; for an opening at half past, the hour it lies in."""


class Market(Value, frozen=True, kw_only=True):
    name: str
    breaks: tuple[Break, ...]


def _weekend(opens: int) -> Break:
    return Break(day=FRIDAY, closes=17, days=2, opens=opens)


FOREX = Market(name="foreign exchange", breaks=(_weekend(17),))
MARKETS: tuple[Market, ...] = (
    Market(
        name="US shares",
        breaks=(
            *(Break(day=day, closes=16, days=1, opens=9) for day in range(FRIDAY)),
            Break(day=FRIDAY, closes=16, days=3, opens=9),
        ),
    ),
    Market(
        name="US futures, with a daily break",
        breaks=(*(Break(day=day, closes=17, days=0, opens=18) for day in range(FRIDAY)), _weekend(18)),
    ),
    FOREX,
    Market(name="metals and indices that open late on Sunday", breaks=(_weekend(18),)),
)
"""From the most to the least telling: a symbol belongs to the first that it fits."""


def closures_between(market: Market, first: int, end: int) -> Sequence[Closure]:
    """Return the market's closures that begin at `first` or later and are over by `end`, ascending."""
    return [
        closure
        for closure in _closures(market.name, first // 168, end // 168)
        if first <= closure[0] and closure[1] <= end
    ]


@lru_cache(maxsize=64)
def _closures(name: str, first_week: int, last_week: int) -> list[Closure]:
    market = next(one for one in MARKETS if one.name == name)
    start = date(1970, 1, 5) + timedelta(weeks=first_week - 1)  # the Monday a week before, to be sure
    found = []
    for week in range(last_week - first_week + 3):
        monday = start + timedelta(weeks=week)
        for pause in market.breaks:
            closes_on = monday + timedelta(days=pause.day)
            opens_on = closes_on + timedelta(days=pause.days)
            found.append((_utc_hour(closes_on, pause.closes), _utc_hour(opens_on, pause.opens)))
    return sorted(found)


def _utc_hour(day: date, hour: int) -> int:
    moment = datetime.combine(day, time(hour), NEW_YORK)
    return int(moment.astimezone(UTC).timestamp()) // 3600
