"""Detection of a broker's zone is right or says that it can't tell; with a full year of bars it does tell."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zlib import crc32
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mtfleet.domain.accounts import BrokerSettings
from mtfleet.domain.brokertime import offset_at
from mtfleet.domain.ids import Symbol
from mtfleet.domain.market import BrokerBar, ClockSample
from mtfleet.domain.timezones import NotEnoughEvidence, current_offset, infer_settings
from mtfleet.domain.values import Instant

NEW_YORK = ZoneInfo("America/New_York")
ZONES = [
    ("EET", "EET"),
    ("EET", "America/New_York"),
    ("Europe/London", "Europe/London"),
    ("CET", "CET"),
    ("America/New_York", "America/New_York"),
    ("America/Chicago", "America/Chicago"),
    ("Australia/Sydney", "Australia/Sydney"),
    ("Pacific/Auckland", "Pacific/Auckland"),
    ("Africa/Cairo", "Africa/Cairo"),
    ("UTC", "UTC"),
    ("Asia/Jerusalem", "Asia/Jerusalem"),
    ("Africa/Casablanca", "Africa/Casablanca"),
    ("Etc/GMT-2", "Etc/GMT-2"),
    ("Etc/GMT-3", "Etc/GMT-3"),
    ("Asia/Tokyo", "Asia/Tokyo"),
    ("Etc/GMT+5", "Etc/GMT+5"),
    ("Asia/Singapore", "Asia/Singapore"),
]
UNTELLABLE = [
    ("Asia/Kolkata", "Asia/Kolkata"),
    ("Australia/Lord_Howe", "Australia/Lord_Howe"),
]
"""Zones that are no whole hours ahead of UTC."""
HOUR = timedelta(hours=1)
NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)


def is_open(market: str, hour: datetime) -> bool:
    """Whether the market trades in the hour of New York that begins then (its own account of the hours)."""
    day, clock = hour.weekday(), hour.hour
    if market == "shares":
        return day < 5 and 9 <= clock < 16
    opens = 17 if market == "forex" else 18
    if day == 4:
        return clock < 17
    if day == 6:
        return clock >= opens
    return day != 5 and not (market == "futures" and clock == 17)


def switches_with_new_york(zone: tuple[str, str]) -> bool:
    return zone[1] in {"America/New_York", "America/Chicago"}


@lru_cache(maxsize=64)
def open_hours(market: str, start: datetime, end: datetime) -> list[datetime]:
    count = int((end - start) / HOUR)
    hours = (start + i * HOUR for i in range(count))
    return [hour for hour in hours if market == "always" or is_open(market, hour.astimezone(NEW_YORK))]


def bar(opened_at: datetime) -> BrokerBar:
    return BrokerBar(opened_at=opened_at, open=1.1, high=1.2, low=1.0, close=1.1, tick_volume=100)


@lru_cache(maxsize=256)
def year_of_bars(market: str, zone: tuple[str, str], now: datetime, days: int = 366) -> list[BrokerBar]:
    start = now.replace(minute=0, second=0, microsecond=0) - timedelta(days=days)
    walls: dict[datetime, None] = {}
    for hour in open_hours(market, start, now):
        wall = hour.replace(tzinfo=None) + offset_at(*zone, hour)
        walls[wall.replace(minute=0)] = None
    return [bar(wall) for wall in walls]


def samples(zone: tuple[str, str], now: datetime, wrong_by: timedelta = timedelta(0)) -> list[ClockSample]:
    return [
        ClockSample(
            observed_at=Instant.of(now - timedelta(seconds=i) + wrong_by),
            broker_wall_time=(now - timedelta(seconds=i)).replace(tzinfo=None) + offset_at(*zone, now),
        )
        for i in range(5)
    ]


def same_clock(found: BrokerSettings, zone: tuple[str, str], now: datetime) -> bool:
    """Whether both give the same offset at every hour of trading around `now`."""
    start = now.replace(minute=0) - timedelta(days=366)
    return all(
        offset_at(found.broker_timezone, found.broker_dst_switch_timezone, hour) == offset_at(*zone, hour)
        for hour in open_hours("forex", start, now + timedelta(days=366))
    )


@pytest.mark.parametrize("zone", ZONES, ids="/".join)
@pytest.mark.parametrize("market", ["forex", "futures", "shares", "metals"])
def test_a_full_year_of_one_symbol_tells_the_zone(zone: tuple[str, str], market: str) -> None:
    bars = {Symbol("X"): year_of_bars(market, zone, NOW)}
    found = infer_settings(samples(zone, NOW), bars, NOW)
    if switches_with_new_york(zone):
        assert isinstance(found, NotEnoughEvidence), "a broker's own hours would look the same"
        bars[Symbol("Y")] = year_of_bars("shares" if market != "shares" else "forex", zone, NOW)
        found = infer_settings(samples(zone, NOW), bars, NOW)
    assert isinstance(found, BrokerSettings), found
    assert same_clock(found, zone, NOW)


@pytest.mark.parametrize("now", [datetime(2026, 1, 20, 12, tzinfo=UTC), NOW], ids=["winter", "summer"])
def test_hours_that_a_broker_sets_by_its_own_clock_are_no_evidence(now: datetime) -> None:
    """Foreign exchange from Monday 00:00 to Friday 24:00 of an EET broker: New York's hours on most days."""
    zone = ("EET", "EET")
    bars = [one for one in year_of_bars("always", zone, now) if one.opened_at.weekday() < 5]
    found = infer_settings(samples(zone, now), {Symbol("EURUSD"): bars, Symbol("GBPUSD"): bars}, now)
    assert isinstance(found, NotEnoughEvidence)


@pytest.mark.parametrize(
    ("zone", "names"),
    [
        (("Europe/Athens", "Europe/Athens"), ("EET", "EET")),
        (("EET", "America/New_York"), ("EET", "America/New_York")),
        (("Europe/London", "Europe/London"), ("Europe/London", "Europe/London")),
        (("Asia/Tokyo", "Asia/Tokyo"), ("Etc/GMT-9", "Etc/GMT-9")),
        (("Africa/Abidjan", "Africa/Abidjan"), ("UTC", "UTC")),
        (("America/Bogota", "America/Bogota"), ("Etc/GMT+5", "Etc/GMT+5")),
    ],
)
def test_zones_are_named_by_convention(zone: tuple[str, str], names: tuple[str, str]) -> None:
    bars = {Symbol(market): year_of_bars(market, zone, NOW) for market in ("forex", "futures")}
    found = infer_settings(samples(zone, NOW), bars, NOW)
    assert found == BrokerSettings(broker_timezone=names[0], broker_dst_switch_timezone=names[1])


moments = st.integers(0, 365 * 24).map(lambda hours: datetime(2025, 7, 1, 12, tzinfo=UTC) + hours * HOUR)
moderate = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@moderate
@given(zone=st.sampled_from(ZONES), now=moments)
def test_full_evidence_is_enough_on_any_day_of_the_year(zone: tuple[str, str], now: datetime) -> None:
    is_near_twin = zone[0] == "Asia/Jerusalem"  # for two days ahead of Europe, while markets are closed
    assume(not is_near_twin or offset_at(*zone, now) == offset_at(*zone, now - timedelta(days=3)))
    bars = {
        Symbol("EURUSD"): year_of_bars("forex", zone, now),
        Symbol("XAUUSD"): year_of_bars("futures", zone, now),
        Symbol("BTCUSD"): year_of_bars("always", zone, now),
    }
    found = infer_settings(samples(zone, now), bars, now)
    assert isinstance(found, BrokerSettings), found
    assert same_clock(found, zone, now)


@moderate
@given(
    zone=st.sampled_from(ZONES + UNTELLABLE),
    now=moments,
    days=st.one_of(st.just(366), st.integers(1, 366)),
    markets=st.lists(st.sampled_from(["forex", "futures", "shares", "metals", "always"]), max_size=3),
    gaps=st.lists(st.tuples(st.integers(0, 366), st.integers(1, 120)), max_size=6),
    lost=st.integers(0, 40),
    stray=st.lists(st.integers(0, 8700), max_size=5),
    seed=st.integers(0, 1000),
)
def test_it_is_right_or_says_that_it_cannot_tell(
    zone: tuple[str, str],
    now: datetime,
    days: int,
    markets: list[str],
    gaps: list[tuple[int, int]],
    lost: int,
    stray: list[int],
    seed: int,
) -> None:
    wall_now = now.replace(tzinfo=None)
    bars: dict[Symbol, list[BrokerBar]] = {}
    for number, market in enumerate(markets):
        kept = [
            one
            for index, one in enumerate(year_of_bars(market, zone, now, days))
            if crc32(b"%d %d" % (seed, index)) % 100 >= lost
            and not any(0 <= (wall_now - one.opened_at).days - back < length for back, length in gaps)
        ]
        strays = [bar(wall_now.replace(minute=0) - hours * HOUR) for hours in stray if number == 0]
        bars[Symbol(f"{market}{number}")] = sorted([*kept, *strays], key=lambda one: one.opened_at)
    found = infer_settings(samples(zone, now), bars, now)
    assert isinstance(found, NotEnoughEvidence) or same_clock(found, zone, now), (found, zone)


@moderate
@given(
    zone=st.sampled_from(ZONES),
    now=moments,
    wrong_minutes=st.integers(-36 * 60, 36 * 60).filter(lambda minutes: abs(minutes) > 1),
    market=st.sampled_from(["forex", "futures", "shares", "metals"]),
)
def test_a_wrong_clock_of_ours_never_gives_a_wrong_answer(
    zone: tuple[str, str], now: datetime, wrong_minutes: int, market: str
) -> None:
    wrong_by = timedelta(minutes=wrong_minutes)
    seen = samples(zone, now, wrong_by)
    found = infer_settings(seen, {Symbol("X"): year_of_bars(market, zone, now)}, now + wrong_by)
    assert isinstance(found, NotEnoughEvidence) or same_clock(found, zone, now)


@pytest.mark.parametrize("zone", UNTELLABLE, ids="/".join)
def test_a_zone_between_whole_hours_gets_no_answer(zone: tuple[str, str]) -> None:
    bars = {Symbol("EURUSD"): year_of_bars("forex", zone, NOW)}
    assert isinstance(infer_settings(samples(zone, NOW), bars, NOW), NotEnoughEvidence)


def test_a_wrong_clock_is_noticed_also_between_a_switch_and_the_next_opening() -> None:
    """An hour behind on the Saturday on which Israel is an hour ahead of Greece already."""
    zone, now = ("EET", "EET"), datetime(2026, 3, 28, 12, tzinfo=UTC)
    bars = {Symbol(market): year_of_bars(market, zone, now) for market in ("forex", "futures", "shares")}
    wrong_by = timedelta(hours=-1)
    found = infer_settings(samples(zone, now, wrong_by), bars, now + wrong_by)
    assert isinstance(found, NotEnoughEvidence)
    found = infer_settings(samples(zone, now), bars, now)
    assert found == BrokerSettings(broker_timezone="EET", broker_dst_switch_timezone="EET")
    sunday = datetime(2026, 3, 29, 12, tzinfo=UTC)  # Europe switched in the morning
    bars = {Symbol(market): year_of_bars(market, zone, sunday) for market in ("forex", "futures", "shares")}
    assert infer_settings(samples(zone, sunday), bars, sunday) == found


def test_a_symbol_that_is_always_open_tells_nothing() -> None:
    zone = ("EET", "EET")
    found = infer_settings(samples(zone, NOW), {Symbol("BTCUSD"): year_of_bars("always", zone, NOW)}, NOW)
    assert isinstance(found, NotEnoughEvidence)
    assert "always open" in found.reason


def test_without_the_weeks_between_the_switches_two_calendars_stay_possible() -> None:
    zone = ("EET", "EET")
    apart = [(datetime(2026, 3, 1), datetime(2026, 4, 5)), (datetime(2025, 10, 19), datetime(2025, 11, 9))]  # noqa: DTZ001 - wall clock
    bars = [
        one
        for one in year_of_bars("forex", zone, NOW)
        if not any(start <= one.opened_at < end for start, end in apart)
    ]
    found = infer_settings(samples(zone, NOW), {Symbol("EURUSD"): bars}, NOW)
    assert isinstance(found, NotEnoughEvidence)
    assert "US calendar" in found.reason
    assert "European calendar" in found.reason


def test_a_broker_that_changed_its_zone_during_the_year_gets_no_answer() -> None:
    before, after = ("UTC", "UTC"), ("EET", "EET")
    split = datetime(2025, 12, 1)  # noqa: DTZ001 - wall clock
    bars = [one for one in year_of_bars("forex", before, NOW) if one.opened_at < split]
    bars += [one for one in year_of_bars("forex", after, NOW) if one.opened_at >= split]
    found = infer_settings(samples(after, NOW), {Symbol("EURUSD"): bars}, NOW)
    assert isinstance(found, NotEnoughEvidence)


def test_the_present_offset_needs_several_fresh_agreeing_ticks() -> None:
    zone = ("EET", "EET")
    assert current_offset(samples(zone, NOW), NOW) == 3
    assert isinstance(current_offset(samples(zone, NOW)[:2], NOW), NotEnoughEvidence)
    assert isinstance(current_offset(samples(zone, NOW - timedelta(hours=1)), NOW), NotEnoughEvidence)
    mixed = [*samples(zone, NOW)[:3], *samples(("UTC", "UTC"), NOW)[:2]]
    assert isinstance(current_offset(mixed, NOW), NotEnoughEvidence)
    late = samples(zone, NOW, timedelta(minutes=5))
    assert isinstance(current_offset(late, NOW + timedelta(minutes=5)), NotEnoughEvidence)


def test_no_bars_and_old_bars_are_not_enough() -> None:
    zone = ("EET", "EET")
    assert isinstance(infer_settings(samples(zone, NOW), {}, NOW), NotEnoughEvidence)
    old = year_of_bars("forex", zone, NOW - timedelta(days=60))
    assert isinstance(infer_settings(samples(zone, NOW), {Symbol("EURUSD"): old}, NOW), NotEnoughEvidence)


@pytest.mark.parametrize("zone", ZONES, ids="/".join)
def test_holidays_do_not_hide_the_answer(zone: tuple[str, str]) -> None:
    """Closed on Christmas and New Year's Day, early on the days before, Good Friday off, as brokers do."""
    now = datetime(2026, 4, 15, 12, tzinfo=UTC)
    bars = {
        Symbol(market): [
            one
            for one in year_of_bars(market, zone, now)
            if (one.opened_at.month, one.opened_at.day) not in {(12, 25), (1, 1), (4, 3), (4, 18)}
            and (
                (one.opened_at.month, one.opened_at.day) not in {(12, 24), (12, 31)}
                or one.opened_at.hour < 19
            )
        ]
        for market in ("forex", "futures")
    }
    found = infer_settings(samples(zone, now), bars, now)
    assert isinstance(found, BrokerSettings), found
    assert same_clock(found, zone, now)
