"""The contract of an engine, as tests to inherit, and a holder that only notes what it is told.

    class TestMyEngine(EngineContract):
        @pytest.fixture
        async def engine(self) -> AsyncIterator[Engine]:
            ...

An engine that crosses a network needs a moment, so the suite waits for what it expects, up to
`patience_seconds`.
"""

# ruff: noqa: S101 - a contract suite is made of asserts

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Any

import pytest

from mtfleet.domain.deployment import ConnectionStatus, Observed, Phase
from mtfleet.domain.errors import NotFoundError, NotSynchronizedError
from mtfleet.domain.ids import AccountId, Symbol
from mtfleet.engines.base import Changed, Engine, Placement, Query, QueryKind
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.fleet import account_id, new_account

patience_seconds = 5.0


class NotingHolder:
    """Holds what is placed and runs nothing."""

    def __init__(self) -> None:
        self.seen: dict[AccountId, Observed] = {}
        self.let_go_of: list[AccountId] = []
        self.forgotten: list[AccountId] = []

    def take(self, placements: Iterable[Placement]) -> None:
        for placement in placements:
            self.seen[placement.account_id] = _observed(placement.account_id, placement.revision)

    def let_go(self, account_ids: Iterable[AccountId]) -> None:
        self.let_go_of.extend(account_ids)

    def forget(self, account_ids: Iterable[AccountId]) -> None:
        for id_ in account_ids:
            self.forgotten.append(id_)
            self.seen.pop(id_, None)

    def observed(self, account_id: AccountId) -> Observed | None:
        return self.seen.get(account_id)

    def held(self) -> Collection[AccountId]:
        return self.seen.keys()

    async def answer(self, account_id: AccountId, query: Query) -> Any:
        if query.symbol == "NONE":
            raise NotFoundError("The broker has no symbol NONE.")
        return [Symbol("EURUSD")]


def _observed(id_: AccountId, revision: int) -> Observed:
    return Observed(
        account_id=id_,
        revision=revision,
        phase=Phase.WAITING,
        connection_status=ConnectionStatus.DISCONNECTED,
        hops=[],
        is_holder=False,
        is_rejected=False,
        has_failed=False,
        credentials_mark=0,
    )


def placement(number: int, revision: int = 1) -> Placement:
    id_ = account_id(number)
    return Placement(
        account_id=id_,
        revision=revision,
        account=new_account(FakeClock(), id_),
        credentials_id=id_,
        sealed_password=b"sealed",
    )


async def until(condition: Callable[[], bool]) -> None:
    """Wait in real time until `condition()` holds. Raises `TimeoutError`."""
    async with asyncio.timeout(patience_seconds):
        while not condition():  # noqa: ASYNC110 - whatever engine it is, it can't set our event
            await asyncio.sleep(0.001)


class EngineContract:
    """Inherit it and give it a fixture `engine`, to which nobody has joined."""

    @pytest.fixture
    def holder(self) -> NotingHolder:
        return NotingHolder()

    @pytest.fixture
    def told(self, engine: Engine, holder: NotingHolder) -> Changed:
        return engine.join(holder)

    async def test_work_reaches_the_holder(self, engine: Engine, holder: NotingHolder, told: Changed) -> None:
        await engine.place([placement(1), placement(2, revision=7)])
        await until(lambda: len(holder.seen) == 2)
        told(account_id(2))
        await until(lambda: engine.observed(account_id(2)) is not None)
        seen = engine.observed(account_id(2))
        assert seen is not None
        assert seen.revision == 7
        assert set(engine.known()) >= {account_id(2)}
        assert engine.observed(account_id(3)) is None

    async def test_withdrawing_reaches_the_holder_also_for_what_it_does_not_have(
        self, engine: Engine, holder: NotingHolder, told: Changed
    ) -> None:
        await engine.place([placement(1)])
        await engine.withdraw([account_id(1), account_id(2)])
        await until(lambda: {account_id(1), account_id(2)} <= set(holder.let_go_of))

    async def test_forgetting_reaches_the_holder(
        self, engine: Engine, holder: NotingHolder, told: Changed
    ) -> None:
        await engine.place([placement(1)])
        await engine.forget([account_id(1)])
        await until(lambda: account_id(1) in holder.forgotten)
        told(account_id(1))
        await until(lambda: engine.observed(account_id(1)) is None)

    async def test_changes_are_told_to_watchers_and_to_those_who_asked_for_the_account(
        self, engine: Engine, told: Changed
    ) -> None:
        all_changes: list[AccountId] = []
        one: list[AccountId] = []
        unwatch = engine.watch(all_changes.append)
        unsubscribe = engine.subscribe(account_id(1), one.append)
        told(account_id(1))
        told(account_id(2))
        await until(lambda: {account_id(1), account_id(2)} <= set(all_changes))
        assert set(one) == {account_id(1)}
        for end in (unwatch, unsubscribe, unwatch, unsubscribe):
            end()
        all_changes.clear()
        one.clear()
        told(account_id(1))
        await asyncio.sleep(0.01)
        assert (all_changes, one) == ([], [])

    async def test_a_listener_that_raises_harms_no_other(self, engine: Engine, told: Changed) -> None:
        heard: list[AccountId] = []

        def fail(_: AccountId) -> None:
            raise KeyError("a defect")

        engine.watch(fail)
        engine.watch(heard.append)
        told(account_id(1))
        await until(lambda: bool(heard))

    async def test_a_question_is_answered_by_the_holder_and_errors_keep_their_kind(
        self, engine: Engine, holder: NotingHolder, told: Changed
    ) -> None:
        with pytest.raises(NotSynchronizedError):
            await engine.request(account_id(1), Query(kind=QueryKind.SYMBOLS))
        await engine.place([placement(1)])
        await until(lambda: bool(holder.seen))
        told(account_id(1))
        await until(lambda: engine.observed(account_id(1)) is not None)
        assert await engine.request(account_id(1), Query(kind=QueryKind.SYMBOLS)) == ["EURUSD"]
        with pytest.raises(NotFoundError, match="no symbol NONE"):
            await engine.request(account_id(1), Query(kind=QueryKind.PRICE, symbol=Symbol("NONE")))
