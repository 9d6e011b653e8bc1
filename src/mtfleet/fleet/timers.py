"""Many timers on one `Clock` with one task: ten thousand accounts that wait to reconnect cost a heap entry
each."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

import structlog

from mtfleet.domain.values import Clock

log = structlog.get_logger(__name__)


class Timer:
    """One call to come. Cancelling it is harmless at any time."""

    __slots__ = ("_owner", "action", "argument")

    def __init__(self, owner: "Timers", action: Callable[[Any], None], argument: Any) -> None:
        self._owner: Timers | None = owner
        self.action: Callable[[Any], None] | None = action
        self.argument = argument

    def cancel(self) -> None:
        """Let it never be called."""
        if self.action is not None and self._owner is not None:
            self._owner._count_cancelled()
        self.action = self.argument = self._owner = None


class Timers:
    """Call functions when they are due. `run` must be running in a task that the owner keeps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._cancelled = 0
        self._scope: asyncio.Timeout | None = None
        self._changed = asyncio.Event()

    def after(self, seconds: float, action: Callable[[Any], None], argument: Any) -> Timer:
        """Call `action(argument)` once, `seconds` from now."""
        timer = Timer(self, action, argument)
        due = self._clock.monotonic() + seconds
        heapq.heappush(self._heap, (due, next(self._order), timer))
        if self._heap[0][2] is timer:
            self._changed.set()
            if self._scope is not None:  # the present sleep is too long
                self._scope.reschedule(asyncio.get_running_loop().time())
                self._scope = None
        return timer

    async def run(self) -> None:
        """Call what is due, until cancelled. A call that raises is logged, and the others go on."""
        while True:
            self._changed.clear()
            self._call_due()
            if not self._heap:
                await self._changed.wait()
                continue
            if self._changed.is_set():
                continue
            try:
                async with asyncio.timeout(None) as self._scope:
                    await self._clock.sleep(max(0.0, self._heap[0][0] - self._clock.monotonic()))
            except TimeoutError:
                pass  # an earlier timer was added
            finally:
                self._scope = None

    def _call_due(self) -> None:
        now = self._clock.monotonic()
        while self._heap and self._heap[0][0] <= now:
            timer = heapq.heappop(self._heap)[2]
            action, argument = timer.action, timer.argument
            if action is None:
                self._cancelled -= 1
                continue
            timer.action = timer.argument = timer._owner = None
            try:
                action(argument)
            except Exception as error:
                log.exception("timer.call_failed", error=type(error).__name__)

    def _count_cancelled(self) -> None:
        """Drop the cancelled ones once they are the greater part, so that the heap stays small."""
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].action is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0


class Limit:
    """Bound a block of awaits by time on our clock, or end it early by `end`.

    `async with Limit(timers, 60) as limit:` raises `TimeoutError` when time is over or `end` was called.
    Cancellation from outside stays cancellation.
    """

    __slots__ = ("_scope", "_seconds", "_timer", "_timers", "is_ended")

    def __init__(self, timers: Timers, seconds: float) -> None:
        self._timers = timers
        self._seconds = seconds
        self._timer: Timer | None = None
        self._scope = asyncio.timeout(None)
        self.is_ended = False
        """Whether it was `end`, not time."""

    async def __aenter__(self) -> "Limit":
        await self._scope.__aenter__()
        self._timer = self._timers.after(self._seconds, Limit._expire, self)
        return self

    async def __aexit__(self, *exc: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._scope.__aexit__(*exc)

    def end(self) -> None:
        """Raise `TimeoutError` inside the block at its present await. Repeating it is harmless."""
        self.is_ended = True
        self._expire()

    def _expire(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._scope.reschedule(asyncio.get_running_loop().time())
