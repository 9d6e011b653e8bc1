import asyncio
from datetime import UTC, datetime, timedelta

from mtfleet.testing.clock import FakeClock, settle


async def test_sleepers_wake_in_order_at_their_own_moments() -> None:
    clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    woken: list[tuple[str, datetime]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now()))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("late", 60))
        group.create_task(sleeper("early", 5))
        await settle()
        assert clock.sleeping == 2
        await clock.advance(10)
        assert [name for name, _ in woken] == ["early"]
        await clock.advance(50)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert woken == [("early", start + timedelta(seconds=5)), ("late", start + timedelta(seconds=60))]
    assert clock.monotonic() == 60


async def test_a_jump_of_the_wall_clock_wakes_nobody_and_leaves_monotonic_alone() -> None:
    clock = FakeClock()
    before = clock.now()
    task = asyncio.create_task(clock.sleep(10))
    await settle()
    clock.jump(-3600)
    await settle()
    assert not task.done()
    assert clock.now() == before - timedelta(hours=1)
    assert clock.monotonic() == 0
    await clock.advance(10)
    await task


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep(10))
    await settle()
    task.cancel()
    await settle()
    assert clock.sleeping == 0
    await clock.advance(20)
    assert task.cancelled()
