"""Historical requests of an account wait for each other: a terminal shall not download much five times at
once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec

from mtfleet.domain.errors import TooManyRequestsError
from mtfleet.domain.ids import AccountId
from mtfleet.domain.values import Clock, Instant

RUNNING = 1
QUEUED = 4
RETRY_SECONDS = 1


class _Line(msgspec.Struct, eq=False):
    """Those of one account that run or wait."""

    gate: asyncio.Semaphore
    count: int = 0


class Turns:
    """For each account `RUNNING` requests at a time, `QUEUED` waiting in the order in which they came.

    An account without requests costs nothing.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: dict[AccountId, _Line] = {}

    @asynccontextmanager
    async def turn(self, account_id: AccountId) -> AsyncIterator[None]:
        """Wait for a turn and hold it. Raises `TooManyRequestsError` at once when the queue is full."""
        line = self._lines.get(account_id)
        if line is None:
            line = self._lines[account_id] = _Line(asyncio.Semaphore(RUNNING))
        if line.count >= RUNNING + QUEUED:
            raise self._refusal()
        line.count += 1
        try:
            async with line.gate:
                yield
        finally:
            line.count -= 1
            if not line.count:
                del self._lines[account_id]

    def _refusal(self) -> TooManyRequestsError:
        again_at = Instant.of(self._clock.now() + timedelta(seconds=RETRY_SECONDS))
        return TooManyRequestsError(
            f"Of historical requests for one account {RUNNING} runs at a time and {QUEUED} may wait; "
            f"there are as many already. Try again in {RETRY_SECONDS} s, or ask one after the other.",
            metadata={
                "type": "CONCURRENT_HISTORICAL_REQUESTS_PER_ACCOUNT",
                "requestsRunningAllowed": RUNNING,
                "requestsQueuedAllowed": QUEUED,
                "recommendedRetryTime": again_at.to_wire(),
            },
        )
