"""The base of all values, and how this project writes an instant."""

from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Protocol, Self

import msgspec


class Value(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A fact that does not change after it was observed.

    The only default that a field may have is `None`, so that leaving defaults out of JSON never hides a zero.
    """


class Instant(datetime):
    """An aware UTC moment with a resolution of one millisecond, `2022-12-11T09:09:27.454Z` on the wire.

    A class of its own, because the wire format fixes three decimals and a plain `datetime` is encoded with
    none or six.
    """

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """Return `moment` in UTC, cut to milliseconds; a moment without a zone is taken as UTC."""
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        m = moment.astimezone(UTC)
        ms = m.microsecond // 1000 * 1000
        return cls(m.year, m.month, m.day, m.hour, m.minute, m.second, ms, UTC)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ISO 8601 text. Raises `ValueError` when it is none."""
        return cls.of(datetime.fromisoformat(text))

    def to_wire(self) -> str:
        """Write ISO 8601 with milliseconds and `Z`."""
        return self.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Clock(Protocol):
    """Where time comes from. `now` may jump, also backwards; `monotonic` never does."""

    def now(self) -> Instant:
        """Return the present moment."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start; only differences mean anything."""
        ...

    def sleep(self, seconds: float, /) -> Awaitable[None]:
        """Return after at least `seconds`."""
        ...
