"""Count requests and say no when there are too many."""

import math
from collections import OrderedDict
from datetime import timedelta

from mtfleet.domain.errors import TooManyRequestsError
from mtfleet.domain.values import Clock, Instant


class Rates:
    """At most `allowed` requests per key in a period that begins with the key's first request.

    Remembers at most `max_keys` keys, so that strangers can't fill the memory; the one whose period began
    first is forgotten first. `allowed` `None` means no limit. It measures with the monotonic clock.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        allowed: int | None,
        period_minutes: float,
        kind: str,
        max_keys: int = 100_000,
    ) -> None:
        self._clock = clock
        self._allowed = allowed
        self._period_minutes = period_minutes
        self._kind = kind
        self._max_keys = max_keys
        self._periods: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, key: str) -> None:
        """Count one request of `key`. Raises `TooManyRequestsError` that says when to come again."""
        if self._allowed is None:
            return
        now = self._clock.monotonic()
        period = self._period_minutes * 60
        began, count = self._periods.get(key, (now, 0))
        if now - began >= period:
            del self._periods[key]
            began, count = now, 0
        if count >= self._allowed:
            raise self._refusal(math.ceil(began + period - now))
        self._periods[key] = (began, count + 1)
        if len(self._periods) > self._max_keys:
            self._periods.popitem(last=False)

    def _refusal(self, wait_seconds: int) -> TooManyRequestsError:
        wait_seconds = max(1, wait_seconds)
        return TooManyRequestsError(
            f"More than {self._allowed} requests in {self._period_minutes:g} minutes; "
            f"try again in {wait_seconds} seconds.",
            metadata={
                "type": self._kind,
                "periodInMinutes": self._period_minutes,
                "requestsPerPeriodAllowed": self._allowed,
                "recommendedRetryTime": Instant.of(
                    self._clock.now() + timedelta(seconds=wait_seconds)
                ).to_wire(),
            },
        )
