import asyncio

import pytest

from mtfleet.testing.clock import FakeClock, settle


async def test_sleepers_wake_in_order_of_their_due_times_and_see_them() -> None:
    clock = FakeClock()
    start = clock.monotonic()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, *naps: float) -> None:
        for nap in naps:
            await clock.sleep(nap)
            woken.append((name, clock.monotonic() - start))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sleeper("slow", 5))
        tasks.create_task(sleeper("twice", 2, 2))
        await clock.advance(3)
        assert woken == [("twice", 2)]
        assert clock.sleeping == 2
        await clock.advance(2)
    assert woken == [("twice", 2), ("twice", 4), ("slow", 5)]


async def test_wall_clock_jumps_back_and_monotonic_time_does_not() -> None:
    clock = FakeClock()
    wall, monotonic = clock.now(), clock.monotonic()
    clock.jump(-3600)
    assert (clock.now() - wall).total_seconds() == -3600
    assert clock.monotonic() == monotonic
    await clock.advance(1.5)
    assert (clock.now() - wall).total_seconds() == -3598.5


async def test_a_cancelled_sleeper_is_passed_over() -> None:
    clock = FakeClock()
    task = asyncio.ensure_future(clock.sleep(1))
    await settle()
    task.cancel()
    await clock.advance(2)
    assert task.cancelled()
    assert clock.sleeping == 0


async def test_run_until_says_when_it_never_holds() -> None:
    clock = FakeClock()
    with pytest.raises(AssertionError, match="still not so"):
        await clock.run_until(lambda: False, within_seconds=1)
    task = asyncio.ensure_future(clock.sleep(3))
    await clock.run_until(task.done)
    assert task.done()
