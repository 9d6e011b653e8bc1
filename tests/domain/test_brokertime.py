"""The broker's wall clock, by examples from brokers' calendars and by properties."""

# ruff: noqa: DTZ001 - wall-clock times have no zone

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtfleet.domain.brokertime import UnknownTimezone, offset_at, to_utc, to_wall

PAIRS = [
    ("EET", "EET"),
    ("EET", "America/New_York"),
    ("EET", "Europe/London"),
    ("Europe/London", "Europe/London"),
    ("Europe/Dublin", "Europe/Dublin"),
    ("Etc/GMT-3", "Etc/GMT-3"),
    ("Etc/GMT-3", "America/New_York"),
    ("Asia/Tokyo", "America/New_York"),
    ("Asia/Kolkata", "Asia/Kolkata"),
    ("America/New_York", "America/New_York"),
    ("Australia/Sydney", "Australia/Sydney"),
    ("UTC", "UTC"),
]
moments = st.datetimes(
    min_value=datetime(2012, 1, 1), max_value=datetime(2035, 12, 31), timezones=st.just(UTC)
)


def hours(value: timedelta) -> float:
    return value.total_seconds() / 3600


@pytest.mark.parametrize(
    ("zone", "switch", "utc", "expected"),
    [
        ("EET", "EET", datetime(2026, 1, 15, tzinfo=UTC), 2),
        ("EET", "EET", datetime(2026, 7, 15, tzinfo=UTC), 3),
        # New York switches on 8 March 2026 at 07:00 UTC, Europe on 29 March
        ("EET", "EET", datetime(2026, 3, 15, tzinfo=UTC), 2),
        ("EET", "America/New_York", datetime(2026, 3, 8, 6, 59, tzinfo=UTC), 2),
        ("EET", "America/New_York", datetime(2026, 3, 8, 7, 0, tzinfo=UTC), 3),
        # Europe ends on 25 October 2026, New York on 1 November at 06:00 UTC
        ("EET", "EET", datetime(2026, 10, 28, tzinfo=UTC), 2),
        ("EET", "America/New_York", datetime(2026, 10, 28, tzinfo=UTC), 3),
        ("EET", "America/New_York", datetime(2026, 11, 1, 6, 0, tzinfo=UTC), 2),
        ("Etc/GMT-3", "America/New_York", datetime(2026, 7, 15, tzinfo=UTC), 3),
        ("EET", "Asia/Tokyo", datetime(2026, 7, 15, tzinfo=UTC), 2),
        ("EET", "Europe/Dublin", datetime(2026, 7, 15, tzinfo=UTC), 3),
        ("EET", "Europe/Dublin", datetime(2026, 1, 15, tzinfo=UTC), 2),
        ("Europe/Dublin", "America/New_York", datetime(2026, 3, 15, tzinfo=UTC), 1),
        ("Europe/Dublin", "America/New_York", datetime(2026, 1, 15, tzinfo=UTC), 0),
        ("Asia/Kolkata", "Asia/Kolkata", datetime(2026, 7, 15, tzinfo=UTC), 5.5),
        # The southern half has its summer in January
        ("Australia/Sydney", "Australia/Sydney", datetime(2026, 1, 15, tzinfo=UTC), 11),
        ("EET", "Australia/Sydney", datetime(2026, 1, 15, tzinfo=UTC), 3),
    ],
)
def test_the_offset_follows_the_calendar_of_the_switch_zone(
    zone: str, switch: str, utc: datetime, expected: float
) -> None:
    assert hours(offset_at(zone, switch, utc)) == expected


def test_an_hour_shown_twice_counts_as_the_first() -> None:
    # New York's clocks go back at 06:00 UTC; the broker's go from 09:00 back to 08:00.
    wall = datetime(2026, 11, 1, 8, 30)
    assert to_utc("EET", "America/New_York", wall) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert to_wall("EET", "America/New_York", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)) == wall


def test_an_hour_that_is_skipped_counts_from_before_the_switch() -> None:
    assert to_utc("EET", "America/New_York", datetime(2026, 3, 8, 9, 30)) == datetime(
        2026, 3, 8, 7, 30, tzinfo=UTC
    )


@given(pair=st.sampled_from(PAIRS), utc=moments)
def test_there_and_back_is_the_same_moment_or_the_first_of_two(pair: tuple[str, str], utc: datetime) -> None:
    wall = to_wall(*pair, utc)
    back = to_utc(*pair, wall)
    assert to_wall(*pair, back) == wall
    assert back == utc or utc - back == timedelta(hours=1)


@given(pair=st.sampled_from(PAIRS), wall=st.datetimes(datetime(2012, 1, 1), datetime(2035, 12, 31)))
def test_each_wall_time_has_a_moment_within_an_hour(pair: tuple[str, str], wall: datetime) -> None:
    shown = to_wall(*pair, to_utc(*pair, wall))
    assert shown in (wall, wall + timedelta(hours=1))


@given(pair=st.sampled_from(PAIRS), utc=moments)
def test_the_offset_is_never_more_than_an_hour_from_standard(pair: tuple[str, str], utc: datetime) -> None:
    winter = offset_at(*pair, datetime(utc.year, 1, 15, tzinfo=UTC))
    assert abs(offset_at(*pair, utc) - winter) <= timedelta(hours=1)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd", "/etc/localtime", "a\0b"])
def test_a_name_that_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(UnknownTimezone):
        offset_at(name, name, datetime(2026, 1, 1, tzinfo=UTC))
