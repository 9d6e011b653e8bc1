"""Bounded places for work at brokers, shared fairly: nobody's slow servers keep all others waiting."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mtfleet.domain.ids import UserId


class Places:
    """At most `most` at once, and at most three quarters of them for one user.

    A place that becomes free goes to the waiting user who has the fewest; among equals to the one who has
    waited longest since the last place.
    """

    def __init__(self, most: int) -> None:
        self._free = most
        self._most_of_one = -(-most * 3 // 4)
        self._held: Counter[UserId] = Counter()
        self._waiting: OrderedDict[UserId, deque[asyncio.Future[None]]] = OrderedDict()

    def is_free_for(self, user_id: UserId) -> bool:
        """Tell whether `taken` would not wait."""
        return self._free > 0 and self._held[user_id] < self._most_of_one

    @asynccontextmanager
    async def taken(self, user_id: UserId) -> AsyncIterator[None]:
        """Wait for a place and hold it."""
        await self._take(user_id)
        try:
            yield
        finally:
            self._give_back(user_id)

    async def _take(self, user_id: UserId) -> None:
        if self.is_free_for(user_id):
            self._hold(user_id)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(user_id, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(user_id)  # the place came at the very moment of the cancellation
            raise

    def _hold(self, user_id: UserId) -> None:
        self._free -= 1
        self._held[user_id] += 1

    def _give_back(self, user_id: UserId) -> None:
        self._free += 1
        self._held[user_id] -= 1
        if not self._held[user_id]:
            del self._held[user_id]
        while (turn := self._next_turn()) is not None:
            turn.set_result(None)

    def _next_turn(self) -> "asyncio.Future[None] | None":
        """Take a place for whoever is next, and return what tells so."""
        for user_id in [*self._waiting]:
            turns = self._waiting[user_id]
            while turns and turns[0].done():  # cancelled
                turns.popleft()
            if not turns:
                del self._waiting[user_id]
        fitting = [user_id for user_id in self._waiting if self.is_free_for(user_id)]
        if not fitting:
            return None
        user_id = min(fitting, key=lambda waiting: self._held[waiting])  # the first of equals
        self._waiting.move_to_end(user_id)
        self._hold(user_id)
        return self._waiting[user_id].popleft()
