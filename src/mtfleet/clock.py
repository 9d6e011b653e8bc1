"""The clock on the wall, for the composition root; everything else is given a `Clock`."""

import asyncio
import time
from collections.abc import Awaitable
from datetime import UTC, datetime

from mtfleet.domain.values import Instant


class SystemClock:
    """The machine's own time."""

    def now(self) -> Instant:
        """Return the present moment."""
        return Instant.of(datetime.now(UTC))  # noqa: TID251 - here is where time comes from

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start."""
        return time.monotonic()

    def sleep(self, seconds: float, /) -> Awaitable[None]:
        """Return after at least `seconds`."""
        return asyncio.sleep(seconds)
