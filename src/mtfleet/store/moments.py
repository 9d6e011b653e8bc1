"""Moments as the database keeps them: milliseconds since 1970 UTC."""

from datetime import UTC, timedelta
from typing import overload

from mtfleet.domain.values import Instant

_EPOCH = Instant(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@overload
def to_milliseconds(moment: Instant) -> int: ...
@overload
def to_milliseconds(moment: Instant | None) -> int | None: ...
def to_milliseconds(moment: Instant | None) -> int | None:
    """Return milliseconds since 1970 UTC."""
    return None if moment is None else (Instant.of(moment) - _EPOCH) // _MILLISECOND


@overload
def to_instant(milliseconds: int) -> Instant: ...
@overload
def to_instant(milliseconds: int | None) -> Instant | None: ...
def to_instant(milliseconds: int | None) -> Instant | None:
    """Return the moment that many milliseconds after 1970 UTC."""
    return None if milliseconds is None else Instant.of(_EPOCH + milliseconds * _MILLISECOND)
