"""One user's slow servers leave places for everybody else."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtfleet.domain.errors import TooManyRequestsError
from mtfleet.domain.ids import UserId
from mtfleet.provisioning import operations
from mtfleet.provisioning.places import Places
from mtfleet.testing.provisioning import ANNA, BERT, new_account, open_provisioning
from mtfleet.wire.replies import Created

A, B, C = UserId("a"), UserId("b"), UserId("c")


class Line:
    """Takes places and keeps who has them."""

    def __init__(self, most: int) -> None:
        self.places = Places(most)
        self.has: Counter[UserId] = Counter()
        self._ends: list[tuple[UserId, asyncio.Event, asyncio.Task[None]]] = []

    async def ask(self, user_id: UserId) -> "asyncio.Task[None]":
        end = asyncio.Event()

        async def hold() -> None:
            async with self.places.taken(user_id):
                self.has[user_id] += 1
                try:
                    await end.wait()
                finally:
                    self.has[user_id] -= 1

        task = asyncio.create_task(hold())
        self._ends.append((user_id, end, task))
        await settle()
        return task

    async def end(self, user_id: UserId, *, then_cancel: bool = False) -> None:
        """End the oldest that runs of that user, and cancel the newest at the moment a place comes free."""
        oldest = next(one for one in self._ends if one[0] == user_id and not one[2].done())
        oldest[1].set()
        if then_cancel:
            await asyncio.sleep(0)
            self._ends[-1][2].cancel()
        await asyncio.gather(oldest[2], return_exceptions=True)
        await settle()

    async def cancel(self, user_id: UserId) -> None:
        """Cancel the newest of that user."""
        for owner, _, task in reversed(self._ends):
            if owner == user_id and not task.done():
                task.cancel()
                break
        await settle()

    async def end_all(self) -> None:
        for _, end, _ in self._ends:
            end.set()
        await asyncio.gather(*(task for _, _, task in self._ends), return_exceptions=True)
        assert not +self.has


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_user_leaves_a_quarter_to_others() -> None:
    line = Line(8)
    for _ in range(20):
        await line.ask(A)
    assert line.has[A] == 6
    await line.ask(B)
    await line.ask(C)
    assert (line.has[B], line.has[C]) == (1, 1)
    await line.end_all()


async def test_a_place_goes_to_who_has_fewest() -> None:
    line = Line(4)
    for _ in range(9):
        await line.ask(A)
    for _ in range(9):
        await line.ask(B)
    assert (line.has[A], line.has[B]) == (3, 1)
    await line.ask(C)
    await line.end(A)
    assert (line.has[A], line.has[B], line.has[C]) == (2, 1, 1)
    await line.end(A)
    assert (line.has[A], line.has[B], line.has[C]) == (2, 1, 1)
    await line.end(A)
    assert (line.has[A], line.has[B], line.has[C]) == (1, 2, 1)
    await line.end_all()


@given(
    steps=st.lists(
        st.tuples(st.sampled_from([A, B, C]), st.sampled_from(["ask", "cancel", "end", "end and cancel"])),
        max_size=60,
    )
)
def test_cancelling_loses_no_place_and_never_takes_too_many(steps: list[tuple[UserId, str]]) -> None:
    async def live() -> None:
        line = Line(3)
        for user_id, step in steps:
            if step == "ask":
                await line.ask(user_id)
            elif step == "cancel":
                await line.cancel(user_id)
            elif line.has[user_id]:
                await line.end(user_id, then_cancel=step == "end and cancel")
            assert sum(line.has.values()) <= 3
        await line.end_all()
        for _ in range(2):
            await line.ask(A)
        await line.ask(B)
        assert (line.has[A], line.has[B]) == (2, 1)
        await line.end_all()

    asyncio.run(live())


async def test_one_users_hanging_broker_keeps_nobody_else_waiting() -> None:
    async with open_provisioning(max_detections=4) as world:
        gate = world.brokers.scripts["Test-MT5"].gate = asyncio.Event()
        hanging = [
            asyncio.create_task(world.accounts.create(ANNA, new_account(), f"t{i}")) for i in range(10)
        ]
        await world.clock.run_until(lambda: all(task.done() for task in hanging))
        script = world.brokers.scripts["Test-MT5"]
        script.gate = None
        created = await world.accounts.create(BERT, new_account(), "b1")
        assert isinstance(created, Created)
        gate.set()
        await world.clock.run_until(lambda: len(world.fleet.woken) == 11)


async def test_one_user_can_not_use_up_all_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "MAX_RUNNING_OF_ONE", 3)
    async with open_provisioning() as world:
        gate = world.brokers.scripts["Test-MT5"].gate = asyncio.Event()
        tasks = [asyncio.create_task(world.accounts.create(ANNA, new_account(), f"t{i}")) for i in range(3)]
        await world.clock.run_until(lambda: all(task.done() for task in tasks))
        with pytest.raises(TooManyRequestsError):
            await world.accounts.create(ANNA, new_account(), "t4")
        world.brokers.scripts["Test-MT5"].gate = None
        assert isinstance(await world.accounts.create(BERT, new_account(), "b1"), Created)
        gate.set()
        await world.clock.run_until(lambda: len(world.fleet.woken) == 4)
        assert isinstance(await world.accounts.create(ANNA, new_account(), "t4"), Created)
