"""The machine's clock. The SDK runs inside the user's program, so this is its outermost edge."""

import asyncio
import time
from collections.abc import Awaitable
from datetime import UTC, datetime

from mtfleet.domain.values import Instant


class SystemClock:
    """A `Clock` that tells the machine's time."""

    def now(self) -> Instant:
        """Return the present moment."""
        return Instant.of(datetime.now(UTC))  # noqa: TID251 - the one place where the SDK takes the time from

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start."""
        return time.monotonic()

    def sleep(self, seconds: float, /) -> Awaitable[None]:
        """Return after at least `seconds`; a cancelled task wakes at once."""
        return asyncio.sleep(seconds)
