"""A clock that stands still until a test moves it."""

import asyncio
import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

from mtfleet.domain.values import Instant

DEFAULT_START = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
"""A Wednesday in summer, when all markets are open."""


class FakeClock:
    """A `Clock` whose time passes only in `advance`, so that hours of back-off take no time."""

    def __init__(self, start: datetime = DEFAULT_START) -> None:
        self._wall = start.astimezone(UTC)
        self._passed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def now(self) -> Instant:
        """Return the moment that was set, moved by every `advance` and `jump`."""
        return Instant.of(self._wall)

    def monotonic(self) -> float:
        """Return the seconds of all `advance` calls so far."""
        return self._passed

    async def sleep(self, seconds: float, /) -> None:
        """Return once `advance` moved the clock far enough; a wait of zero only lets others run."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._passed + seconds, next(self._order), wake_up))
        await wake_up

    @property
    def sleeping(self) -> int:
        """How many tasks wait on this clock; a test waits for it to grow before it advances."""
        return sum(1 for _, _, wake_up in self._sleepers if not wake_up.done())

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator would; nobody who sleeps notices."""
        self._wall += timedelta(seconds=seconds)

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass: wake every sleeper at its own moment, in order, and let the woken run."""
        await settle()
        target = self._passed + seconds
        while self._sleepers and self._sleepers[0][0] <= target:
            due_at, _, wake_up = heapq.heappop(self._sleepers)
            self._move_to(due_at)
            if not wake_up.done():
                wake_up.set_result(None)
            await settle()
        self._move_to(target)
        await settle()

    async def run_until(
        self, condition: Callable[[], bool], *, within_seconds: float = 600.0, step_seconds: float = 0.25
    ) -> None:
        """Move time in steps until `condition()` holds, also when threads (a database) have a part in it.

        Raises `AssertionError` when it does not hold after `within_seconds` of this clock.
        """
        end = self._passed + within_seconds
        while True:
            await settle()
            if condition():
                return
            await asyncio.sleep(0.0005)  # of real time: threads get a turn
            if condition():
                return
            assert self._passed < end, f"still not so after {within_seconds} s: {condition}"  # noqa: S101 - for tests
            await self.advance(step_seconds)

    def _move_to(self, passed: float) -> None:
        step = max(0.0, passed - self._passed)
        self._passed += step
        self._wall += timedelta(seconds=step)


async def settle(turns: int = 20) -> None:
    """Give every task that can run some turns of the event loop."""
    for _ in range(turns):
        await asyncio.sleep(0)
