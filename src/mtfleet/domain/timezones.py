"""Find a broker's time zone and its DST rule from what its terminal shows, or say that it can't be told.

A broker's wall clock has no zone. Two things are seen of it: what it shows now (`ClockSample`), and a year of
hourly bars stamped with it. The first gives the offset of today. The second gives the calendar by which the
offset changes, because some markets open and close by New York's clock all year: where their weekly opens and
closes and their daily breaks fall on the broker's wall clock tells which offset it had in that week.

The rule of inference is elimination. A hypothesis is a DST calendar (and so, with the offset of today, an
offset for every moment). It is contradicted by a bar at an hour at which, if it were true, the market was
closed. Missing bars contradict nothing: holidays, gaps and lost weeks can hide the answer, never change it.
There is an answer only if one hypothesis is contradicted nowhere and each other one is ruled out: it is
contradicted at two closures or more or, where two calendars differ by a weekend only (Sydney and Auckland,
Europe and Israel), the bars fit the first one exactly there. In every other case the result is
`NotEnoughEvidence`. For the US calendar two markets must agree.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from mtfleet.domain.accounts import BrokerSettings
from mtfleet.domain.closures import FOREX, MARKETS, Closure, closures_between
from mtfleet.domain.ids import Symbol
from mtfleet.domain.market import BrokerBar, ClockSample
from mtfleet.domain.values import Value

MIN_SAMPLES = 3
MAX_SAMPLE_AGE = timedelta(minutes=10)
MAX_SAMPLE_ERROR = timedelta(seconds=90)
"""How far a sample may be from a multiple of a quarter of an hour."""
QUARTER = timedelta(minutes=15)
OFFSETS = range(-12, 15)
"""Whole hours that a zone can be ahead of UTC."""

MIN_CONTRADICTIONS = 2
"""At how many closures a calendar must be contradicted before it is ruled out."""
RECENT_WEEKS = 8
MIN_RECENT_MATCHES = 3
"""In how many of the last `RECENT_WEEKS` weekends a symbol must open and close exactly as its market does."""
MAX_RECENT_INTRUSIONS = 1
MAX_EVIDENCE_AGE = timedelta(days=28)
NEW_YORK = "America/New_York"
MIN_MARKETS = 2
"""How many markets must agree on the US calendar. On the wall clock of a broker that keeps it nothing ever
moves, and the same is seen of a symbol whose hours the broker sets by a clock of its own."""
MAX_STRAYS = 3
"""How many closures may hold bars that fit no calendar at all, before nothing is believed."""
MAX_NEAR_WEEKENDS = 2
"""Calendars that differ at no more weekends of a year can hardly contradict each other."""
MAX_IRREGULAR_WEEKENDS = 3
"""At how many weekends trading may end early or begin late, as on holidays, for such calendars to be told
apart."""
YEAR_HOURS = 366 * 24
NEAR_HOURS = 6
"""A symbol has a say about a closure if it has a bar this near to it."""

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the wall clock has no zone
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


class NotEnoughEvidence(Value, frozen=True, kw_only=True):
    """The settings can't be told without guessing, and why."""

    reason: str


class Calendar(Value, frozen=True, kw_only=True):
    """A DST rule, by the zone that keeps it."""

    title: str
    zone: str | None = None
    """Absent for the rule that the clock never changes."""
    lowest_offset: int
    """Hours that the zone is ahead of UTC while the extra hour does not apply."""

    def extra_hours(self, utc_hour: int) -> int:
        """Return 1 while the extra hour applies, else 0."""
        return _zone_offset(self.zone, utc_hour) - self.lowest_offset if self.zone else 0


CALENDARS: tuple[Calendar, ...] = (
    Calendar(title="no daylight saving", lowest_offset=0),
    Calendar(title="the US calendar", zone="America/New_York", lowest_offset=-5),
    Calendar(title="the European calendar", zone="Europe/Brussels", lowest_offset=1),
    Calendar(title="the Australian calendar", zone="Australia/Sydney", lowest_offset=10),
    Calendar(title="New Zealand's calendar", zone="Pacific/Auckland", lowest_offset=12),
    Calendar(title="Chile's calendar", zone="America/Santiago", lowest_offset=-4),
    Calendar(title="Egypt's calendar", zone="Africa/Cairo", lowest_offset=2),
    Calendar(title="Israel's calendar", zone="Asia/Jerusalem", lowest_offset=2),
    Calendar(title="Morocco's calendar", zone="Africa/Casablanca", lowest_offset=0),
)

_NAMES: dict[tuple[str, int], tuple[str, str]] = {
    ("America/New_York", -8): ("America/Los_Angeles", "America/Los_Angeles"),
    ("America/New_York", -7): ("America/Denver", "America/Denver"),
    ("America/New_York", -6): ("America/Chicago", "America/Chicago"),
    ("America/New_York", -5): ("America/New_York", "America/New_York"),
    ("America/New_York", -4): ("America/Halifax", "America/Halifax"),
    ("America/New_York", -1): ("Atlantic/Azores", "America/New_York"),
    ("America/New_York", 0): ("Europe/London", "America/New_York"),
    ("America/New_York", 1): ("CET", "America/New_York"),
    ("America/New_York", 2): ("EET", "America/New_York"),
    ("Europe/Brussels", -1): ("Atlantic/Azores", "Atlantic/Azores"),
    ("Europe/Brussels", 0): ("Europe/London", "Europe/London"),
    ("Europe/Brussels", 1): ("CET", "CET"),
    ("Europe/Brussels", 2): ("EET", "EET"),
    ("Australia/Sydney", 10): ("Australia/Sydney", "Australia/Sydney"),
    ("Pacific/Auckland", 12): ("Pacific/Auckland", "Pacific/Auckland"),
    ("America/Santiago", -4): ("America/Santiago", "America/Santiago"),
    ("Africa/Cairo", 2): ("Africa/Cairo", "Africa/Cairo"),
    ("Asia/Jerusalem", 2): ("Asia/Jerusalem", "Asia/Jerusalem"),
    ("Africa/Casablanca", 0): ("Africa/Casablanca", "Africa/Casablanca"),
}
"""Conventional zone names by calendar and standard offset in hours: base zone, switch zone."""


class _Hypothesis(msgspec.Struct, frozen=True):
    calendar: Calendar
    standard_offset: int

    def offset(self, utc_hour: int) -> int:
        return self.standard_offset + self.calendar.extra_hours(utc_hour)

    def closed_hours(self, closure: Closure) -> tuple[int, int]:
        """Return first and one past the last hour of the broker's wall clock that has no bar."""
        closes, opens = closure
        return closes + self.offset(closes), opens + self.offset(opens)


class _Series(msgspec.Struct, frozen=True):
    """The hours of the wall clock in which a symbol has a bar."""

    symbol: Symbol
    hours: frozenset[int]

    def intrudes(self, start: int, end: int) -> bool:
        return any(hour in self.hours for hour in range(start, end))

    def is_exact(self, start: int, end: int) -> bool:
        """Whether trading ends right at `start` and goes on right at `end`."""
        return start - 1 in self.hours and end in self.hours and not self.intrudes(start, end)

    def surrounds(self, start: int, end: int) -> bool:
        return self.intrudes(start - NEAR_HOURS, start) and self.intrudes(end, end + NEAR_HOURS)

    def is_near(self, start: int, end: int) -> bool:
        return self.intrudes(start - NEAR_HOURS, end + NEAR_HOURS)


class _Verdict(msgspec.Struct, frozen=True):
    """What one market's symbols say of one closure under one hypothesis."""

    is_contradicted: bool
    """By more than half of those that have a say."""
    is_doubted: bool
    """By a third of them or more."""
    is_exact: bool | None
    """Whether more than half of those with bars on both sides end and begin exactly as predicted."""


def infer_settings(
    samples: Sequence[ClockSample], bars: Mapping[Symbol, Sequence[BrokerBar]], now: datetime
) -> BrokerSettings | NotEnoughEvidence:
    """Return the broker's zone and DST switch zone, or why they can't be told.

    `bars` are hourly, of up to a year and some, of as many symbols as there are; `now` is our own clock.
    Zones are named by convention: `EET`/`EET`, `EET`/`America/New_York`, `Europe/London`, and a clock that
    never changes is `UTC` or the like of `Etc/GMT-9` (so a broker in Tokyo gets `Etc/GMT-9`).
    """
    offset = current_offset(samples, now)
    if isinstance(offset, NotEnoughEvidence):
        return offset
    hypotheses = _consistent(offset, now)
    first = _first_hour(bars)
    if first is None:
        return NotEnoughEvidence(reason="the broker has no hourly bars")
    utc_now = _hour_of(now)
    evidence = _anchored(bars, hypotheses, first, utc_now)
    if not evidence:
        return NotEnoughEvidence(
            reason=f"no symbol opens and closes with a New York market at the broker's present offset of "
            f"{_offset_text(offset)}; symbols that are always open tell nothing"
        )
    verdicts = _judge(evidence, hypotheses, first, utc_now)
    if isinstance(verdicts, NotEnoughEvidence):
        return verdicts
    winner = _decide(hypotheses, verdicts, utc_now)
    if isinstance(winner, NotEnoughEvidence):
        return winner
    before = _offset_at_last_opening(winner, hypotheses.index(winner), verdicts)
    if before is None or (
        before != offset and not _is_impossible(evidence, _consistent(before, now), first, utc_now)
    ):
        # The clock changed since a market last opened, or ours is wrong by as much: nothing tells which.
        return NotEnoughEvidence(
            reason="no market was seen to open since the broker's clock should have changed, and the former "
            "offset fits as well; try again when markets have opened"
        )
    return _named(winner)


def current_offset(samples: Sequence[ClockSample], now: datetime) -> int | NotEnoughEvidence:
    """Return by how many whole hours the broker's clock is ahead of UTC now, if fresh samples agree on it."""
    fresh = [sample for sample in samples if abs(now - sample.observed_at) <= MAX_SAMPLE_AGE]
    if len(fresh) < MIN_SAMPLES:
        return NotEnoughEvidence(
            reason=f"only {len(fresh)} fresh ticks of the broker's clock were seen, {MIN_SAMPLES} are needed"
        )
    offsets: set[timedelta] = set()
    for sample in fresh:
        ahead = sample.broker_wall_time - sample.observed_at.astimezone(UTC).replace(tzinfo=None)
        rounded = round(ahead / QUARTER) * QUARTER
        if abs(ahead - rounded) > MAX_SAMPLE_ERROR:
            return NotEnoughEvidence(
                reason=f"the broker's clock is {ahead} ahead of UTC, which is no time zone; "
                "its ticks are late, or a clock is wrong"
            )
        offsets.add(rounded)
    if len(offsets) > 1:
        return NotEnoughEvidence(reason="ticks disagree about the broker's clock")
    hours, rest = divmod(offsets.pop(), _HOUR)
    if rest or hours not in OFFSETS:
        return NotEnoughEvidence(
            reason=f"the broker's clock is {hours} hours and {rest} ahead of UTC; only whole hours from "
            "-12 to +14 can be told from hourly bars (check this computer's clock)"
        )
    return hours


def _consistent(offset: int, now: datetime) -> list[_Hypothesis]:
    """Return one hypothesis for each calendar, such that it has the known offset now."""
    hour = _hour_of(now)
    return [_Hypothesis(calendar, offset - calendar.extra_hours(hour)) for calendar in CALENDARS]


def _anchored(
    bars: Mapping[Symbol, Sequence[BrokerBar]], hypotheses: Sequence[_Hypothesis], first: int, now: int
) -> dict[str, list[_Series]]:
    """Sort the symbols that keep the hours of a New York market by that market; leave out all others."""
    by_market: dict[str, list[_Series]] = {}
    for symbol, its_bars in bars.items():
        hours = frozenset(_wall_hour(bar.opened_at) for bar in its_bars)
        series = _Series(symbol, hours)
        for market in MARKETS:
            recent = closures_between(market, max(first, now - RECENT_WEEKS * 168), now)
            if any(_keeps(series, recent, hypothesis, now) for hypothesis in hypotheses):
                by_market.setdefault(market.name, []).append(series)
                break
    return by_market


def _keeps(series: _Series, recent: Sequence[Closure], hypothesis: _Hypothesis, now: int) -> bool:
    """Whether the latest weekends and daily breaks of a symbol are a market's, at the offsets supposed."""
    exact = intrusions = 0
    newest = None
    newest_seen = None
    for closure in recent:
        start, end = hypothesis.closed_hours(closure)
        if series.intrudes(start, end):
            intrusions += 1
            newest_seen = closure
        elif start - 1 in series.hours and end in series.hours:
            newest_seen = closure
            if _is_weekend(closure):  # a daily break alone proves little
                exact += 1
                newest = closure
    if newest is None or exact < MIN_RECENT_MATCHES or intrusions > MAX_RECENT_INTRUSIONS:
        return False
    is_clean_now = newest_seen is None or not series.intrudes(*hypothesis.closed_hours(newest_seen))
    return is_clean_now and (now - newest[1]) * _HOUR <= MAX_EVIDENCE_AGE


_Verdicts = dict[tuple[str, Closure], list[_Verdict]]
"""By market and closure, for each hypothesis."""


def _judge(
    evidence: Mapping[str, Sequence[_Series]], hypotheses: Sequence[_Hypothesis], first: int, now: int
) -> _Verdicts | NotEnoughEvidence:
    verdicts: _Verdicts = {}
    strays = 0
    for market in MARKETS:
        series = evidence.get(market.name)
        for closure in closures_between(market, first, now) if series else ():
            judged = [_vote(series or (), *hypothesis.closed_hours(closure)) for hypothesis in hypotheses]
            if all(verdict.is_doubted for verdict in judged):
                strays += 1
            else:
                verdicts[market.name, closure] = judged
    if strays > MAX_STRAYS:
        return NotEnoughEvidence(reason="the hourly bars of the year fit no known DST calendar")
    return verdicts


def _is_impossible(
    evidence: Mapping[str, Sequence[_Series]], hypotheses: Sequence[_Hypothesis], first: int, now: int
) -> bool:
    """Whether the bars speak against each of the hypotheses."""
    verdicts = _judge(evidence, hypotheses, first, now)
    if isinstance(verdicts, NotEnoughEvidence):
        return True
    columns = zip(*verdicts.values(), strict=True)
    return all(any(verdict.is_doubted for verdict in column) for column in columns)


def _vote(series: Sequence[_Series], start: int, end: int) -> _Verdict:
    voters = [one for one in series if one.is_near(start, end)]
    against = sum(one.intrudes(start, end) for one in voters)
    witnesses = [one for one in series if one.surrounds(start, end)]
    exact = sum(one.is_exact(start, end) for one in witnesses)
    return _Verdict(
        is_contradicted=against * 2 > len(voters),
        is_doubted=against > 0 and against * 3 >= len(voters),
        is_exact=exact * 2 > len(witnesses) if witnesses else None,
    )


def _decide(
    hypotheses: Sequence[_Hypothesis], verdicts: _Verdicts, now: int
) -> _Hypothesis | NotEnoughEvidence:
    if not verdicts:
        return NotEnoughEvidence(reason="no closing of a market lies in the hourly bars")
    columns = list(zip(*verdicts.values(), strict=True))
    possible = [i for i, column in enumerate(columns) if not any(verdict.is_doubted for verdict in column)]
    if not possible:
        return NotEnoughEvidence(reason="the hourly bars of the year fit no known DST calendar")
    undecided: set[int] = set()
    for winner in possible:
        rivals = [i for i in range(len(hypotheses)) if i != winner]
        left = {i for i in rivals if not _is_ruled_out(i, winner, hypotheses, verdicts, now)}
        if not left:
            markets = {name for name, _ in verdicts}
            if hypotheses[winner].calendar.zone == NEW_YORK and len(markets) < MIN_MARKETS:
                return NotEnoughEvidence(
                    reason="only one market was seen, at the same hours of the broker's clock all year; a "
                    "broker that opens it by its own clock looks like one that switches with New York"
                )
            return hypotheses[winner]
        undecided |= {winner, *left}
    titles = ", ".join(hypotheses[i].calendar.title for i in sorted(undecided))
    return NotEnoughEvidence(
        reason=f"the hourly bars do not cover the weeks that tell DST calendars apart; possible: {titles}"
    )


def _offset_at_last_opening(hypothesis: _Hypothesis, index: int, verdicts: _Verdicts) -> int | None:
    """Return the offset when a market last opened right when it should; `None` if none did."""
    exact = [closure[1] for (_, closure), judged in verdicts.items() if judged[index].is_exact]
    return hypothesis.offset(max(exact)) if exact else None


def _is_ruled_out(
    rival: int, winner: int, hypotheses: Sequence[_Hypothesis], verdicts: _Verdicts, now: int
) -> bool:
    if sum(judged[rival].is_contradicted for judged in verdicts.values()) >= MIN_CONTRADICTIONS:
        return True

    def differs(closure: Closure) -> bool:
        return hypotheses[rival].closed_hours(closure) != hypotheses[winner].closed_hours(closure)

    weekends = [one for one in closures_between(FOREX, now - YEAR_HOURS, now) if differs(one)]
    if len(weekends) > MAX_NEAR_WEEKENDS:
        return False
    # A missing last bar would look the same, so a history that misses some elsewhere is not believed here.
    seen = {
        closure: judged[winner].is_exact
        for (_, closure), judged in verdicts.items()
        if _is_weekend(closure) and judged[winner].is_exact is not None
    }
    telling = [is_exact for closure, is_exact in seen.items() if differs(closure)]
    irregular = sum(not is_exact for is_exact in seen.values())
    return bool(telling) and all(telling) and irregular <= MAX_IRREGULAR_WEEKENDS


def _is_weekend(closure: Closure) -> bool:
    return closure[1] - closure[0] > 24


def _named(hypothesis: _Hypothesis) -> BrokerSettings | NotEnoughEvidence:
    zone, standard = hypothesis.calendar.zone, hypothesis.standard_offset
    if zone is None:
        if standard not in range(-12, 15):
            return NotEnoughEvidence(reason=f"no zone is named for {_offset_text(standard)}")
        fixed = "UTC" if standard == 0 else f"Etc/GMT{-standard:+d}"
        return BrokerSettings(broker_timezone=fixed, broker_dst_switch_timezone=fixed)
    names = _NAMES.get((zone, standard))
    if names is None:
        return NotEnoughEvidence(
            reason=f"no zone is named for {_offset_text(standard)} with {hypothesis.calendar.title}"
        )
    return BrokerSettings(broker_timezone=names[0], broker_dst_switch_timezone=names[1])


def _first_hour(bars: Mapping[Symbol, Sequence[BrokerBar]]) -> int | None:
    """Return an hour of UTC before which there is no bar, whatever the offset."""
    return min((_wall_hour(bar.opened_at) - 14 for series in bars.values() for bar in series), default=None)


def _wall_hour(wall: datetime) -> int:
    return (wall - _EPOCH) // _HOUR


def _hour_of(moment: datetime) -> int:
    return (moment.astimezone(UTC) - _EPOCH_UTC) // _HOUR


def _offset_text(hours: int) -> str:
    return f"UTC{hours:+d}" if hours else "UTC"


@lru_cache(maxsize=65536)
def _zone_offset(zone: str, utc_hour: int) -> int:
    local = (_EPOCH_UTC + utc_hour * _HOUR).astimezone(ZoneInfo(zone))
    return round((local.utcoffset() or timedelta(0)) / _HOUR)
