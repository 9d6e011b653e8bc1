"""Waiting for an account or replica to reach a state: one loop behind all `wait_*` methods."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mtfleet.domain.errors import NotFoundError, TimedOutError, invalid
from mtfleet.domain.values import Clock
from mtfleet.sdk._facts import Hop, ReplicaFacts


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """How often to look, and for how long."""

    clock: Clock
    timeout: float
    """Seconds."""
    interval: float
    """Seconds."""


def wait_of(clock: Clock, timeout_in_seconds: float, interval_in_milliseconds: float) -> Wait:
    """Check the two arguments of a `wait_*` method."""
    for name, value in (
        ("timeout_in_seconds", timeout_in_seconds),
        ("interval_in_milliseconds", interval_in_milliseconds),
    ):
        if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
            raise invalid(name, "give a number of 0 or more", value)
    return Wait(clock=clock, timeout=timeout_in_seconds, interval=interval_in_milliseconds / 1000)


async def wait_until(
    wait: Wait,
    reload: Callable[[], Awaitable[Any]],
    is_reached: Callable[[], bool],
    situation: Callable[[], str],
) -> None:
    """Reload until `is_reached`. Raises `TimeoutException` that tells the last situation.

    Looks at least once, and never sleeps past the end. A failed state does not end the wait: someone may
    mend it.
    """
    end = wait.clock.monotonic() + wait.timeout
    while True:
        left = end - wait.clock.monotonic()
        try:
            # A look is given a second even at the very end, or a wait of no time could never succeed.
            async with asyncio.timeout(max(left, 1.0)):
                await reload()
        except TimeoutError:
            raise _too_late(wait, situation()) from None
        if is_reached():
            return
        left = end - wait.clock.monotonic()
        if left <= 0:
            raise _too_late(wait, situation())
        await wait.clock.sleep(min(wait.interval, left))


async def wait_until_gone(
    wait: Wait, reload: Callable[[], Awaitable[Any]], situation: Callable[[], str]
) -> None:
    """Reload until the server no longer knows it. Raises `TimeoutException` as `wait_until` does."""
    is_gone = False

    async def look() -> None:
        nonlocal is_gone
        try:
            await reload()
        except NotFoundError:
            is_gone = True

    await wait_until(wait, look, lambda: is_gone, situation)


def situation_of(what: str, facts: ReplicaFacts) -> str:
    """Describe how an account or replica stands now, with the hop that fails."""
    text = f"{what} is {facts.state}, its connection is {facts.connection_status}"
    hop = failing_hop(facts.hops)
    return f"{text}; {describe_hop(hop)}" if hop else text


def failing_hop(hops: Sequence[Hop]) -> Hop | None:
    """Return the first hop that is not passed: the ones behind it wait for it."""
    return next((hop for hop in hops if hop.state != "passed"), None)


def describe_hop(hop: Hop) -> str:
    """Say how a hop stands, for people."""
    text = f"the hop '{hop.name}' is {hop.state}"
    if hop.since:
        text += f" since {hop.since.isoformat()}"
    if hop.last_error:
        text += f", last error: {hop.last_error}"
    if hop.next_try_at:
        text += f" (next try at {hop.next_try_at.isoformat()})"
    return text


def _too_late(wait: Wait, situation: str) -> TimedOutError:
    return TimedOutError(f"Waited {wait.timeout:g} seconds in vain: {situation}.")
