"""Timeframes of candles: which there are, and where on a broker's wall clock each candle begins.

Times here are whole minutes since 1970 on that clock, which has no zone.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from mtfleet.domain.accounts import Platform
from mtfleet.domain.errors import ValidationError, invalid

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock has no zone
_MINUTES_PER_DAY: Final = 1440
_MINUTES_PER_WEEK: Final = 7 * _MINUTES_PER_DAY
_SUNDAY: Final = 3 * _MINUTES_PER_DAY  # the first Sunday of 1970 was its fourth day


class Timeframe(StrEnum):
    M1 = "1m"
    M2 = "2m"
    M3 = "3m"
    M4 = "4m"
    M5 = "5m"
    M6 = "6m"
    M10 = "10m"
    M12 = "12m"
    M15 = "15m"
    M20 = "20m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H3 = "3h"
    H4 = "4h"
    H6 = "6h"
    H8 = "8h"
    H12 = "12h"
    D1 = "1d"
    W1 = "1w"
    MN1 = "1mn"

    @property
    def minutes(self) -> int:
        """How long a candle is; 0 for a month, which has no fixed length."""
        return _MINUTES[self]

    def opening(self, minute: int) -> int:
        """Return when the candle that holds this minute opened: a week on Sunday, a month on its first."""
        if self is Timeframe.MN1:
            moment = _EPOCH + timedelta(minutes=minute)
            return _minute_of(moment.year, moment.month)
        origin = _SUNDAY if self is Timeframe.W1 else 0
        return minute - (minute - origin) % self.minutes

    def closing(self, opening: int) -> int:
        """Return when the candle that opened then ends, which is when the next one opens."""
        if self is not Timeframe.MN1:
            return opening + self.minutes
        moment = _EPOCH + timedelta(minutes=opening)
        return _minute_of(moment.year + moment.month // 12, moment.month % 12 + 1)

    def previous(self, opening: int) -> int:
        """Return when the candle before the one that opened then opened."""
        return self.opening(opening - 1)


_MINUTES: Final = {
    Timeframe.D1: _MINUTES_PER_DAY,
    Timeframe.W1: _MINUTES_PER_WEEK,
    Timeframe.MN1: 0,
} | {
    frame: int(frame.value[:-1]) * (60 if frame.value.endswith("h") else 1)
    for frame in Timeframe
    if frame.value[-1] in "mh"
}

TIMEFRAMES: Final[dict[Platform, tuple[Timeframe, ...]]] = {
    Platform.MT5: tuple(Timeframe),
    Platform.MT4: (
        Timeframe.M1,
        Timeframe.M5,
        Timeframe.M15,
        Timeframe.M30,
        Timeframe.H1,
        Timeframe.H4,
        Timeframe.D1,
        Timeframe.W1,
        Timeframe.MN1,
    ),
}
"""What each platform has, the shortest first."""


def timeframe_of(text: str, platform: Platform) -> Timeframe:
    """Return the timeframe that is written like that. Raises `ValidationError` naming those there are."""
    known = TIMEFRAMES[platform]
    try:
        frame = Timeframe(text)
    except ValueError:
        raise invalid("timeframe", f"must be one of {', '.join(known)}") from None
    require_timeframe(frame, platform)
    return frame


def require_timeframe(timeframe: Timeframe, platform: Platform) -> None:
    """Raise `ValidationError` for a timeframe that the platform does not have."""
    if timeframe not in TIMEFRAMES[platform]:
        raise invalid(
            "timeframe",
            f"MetaTrader {platform.version} has no {timeframe.value} candles; it has "
            f"{', '.join(TIMEFRAMES[platform])}",
        )


def require_mt5(platform: Platform, what: str) -> None:
    """Raise `ValidationError` naming what only MetaTrader 5 has."""
    if platform is not Platform.MT5:
        raise ValidationError(
            f"MetaTrader {platform.version} has no {what}: its terminals keep and show none. Use a "
            "MetaTrader 5 account for it."
        )


def _minute_of(year: int, month: int) -> int:
    return (datetime(year, month, 1) - _EPOCH) // timedelta(minutes=1)  # noqa: DTZ001 - a wall clock
