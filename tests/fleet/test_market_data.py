"""Market data through the fleet: what drivers lack, and how historical requests wait for each other."""

import asyncio

import pytest

from mtfleet.domain.deployment import ConnectionStatus
from mtfleet.domain.errors import NotSynchronizedError, TimedOutError, TooManyRequestsError
from mtfleet.domain.ids import AccountId
from mtfleet.domain.market import Candle
from mtfleet.domain.timeframes import Timeframe
from mtfleet.domain.values import Instant
from mtfleet.engines.base import Query, QueryKind
from mtfleet.fleet.answers import answer_of
from mtfleet.fleet.fleet import Fleet
from mtfleet.fleet.turns import QUEUED, RUNNING, Turns
from mtfleet.terminals.base import NotOffered
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.fleet import World, account_id
from mtfleet.testing.scripted import EURUSD

CANDLE = Candle(
    symbol=EURUSD,
    timeframe=Timeframe.H1,
    opened_at=Instant.parse("2026-05-20T12:00:00Z"),
    broker_time="2026-05-20 15:00:00.000",
    open=1.1,
    high=1.2,
    low=1.0,
    close=1.1,
    tick_volume=5,
    spread=1,
    volume=0.0,
)


async def connected(world: World) -> tuple[AccountId, Fleet]:
    id_ = world.add()
    fleet = await world.start()
    await world.until_status(id_, ConnectionStatus.CONNECTED)
    return id_, fleet


class Download:
    """Candles that come when the test says so."""

    def __init__(self) -> None:
        self.running = 0
        self.asked: list[int] = []
        self.done = asyncio.Event()

    async def candles(self, symbol: object, timeframe: object, before: object, limit: int) -> list[Candle]:
        assert not self.running, "two run at once"
        self.running += 1
        self.asked.append(limit)
        try:
            await self.done.wait()
        finally:
            self.running -= 1
        return [CANDLE] * limit


async def test_what_a_driver_lacks_is_refused_by_name(world: World) -> None:
    id_, fleet = await connected(world)
    reads = {
        "historical candles": fleet.candles(id_, EURUSD, Timeframe.H1),
        "historical ticks": fleet.ticks(id_, EURUSD),
        "current candles": fleet.current_candle(id_, EURUSD, Timeframe.H1),
        "current ticks": fleet.current_tick(id_, EURUSD),
        "order books": fleet.book(id_, EURUSD),
    }
    for name, read in reads.items():
        with pytest.raises(NotOffered, match=name):
            await read


async def test_historical_requests_take_turns_and_the_sixth_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_, fleet = await connected(world)
    download = Download()
    monkeypatch.setattr(world.terminals.driver_of(id_), "candles", download.candles)
    reads = [
        asyncio.ensure_future(fleet.candles(id_, EURUSD, Timeframe.H1, limit=number))
        for number in range(1, RUNNING + QUEUED + 1)
    ]
    await world.clock.run_until(lambda: bool(download.asked))
    with pytest.raises(TooManyRequestsError) as refused:
        await fleet.candles(id_, EURUSD, Timeframe.H1)
    again_at = Instant.parse(refused.value.metadata["recommendedRetryTime"])
    assert world.clock.now() < again_at
    assert (await fleet.price(id_, EURUSD)).bid == 1.1  # what is current is not held up
    reads[2].cancel()
    download.done.set()
    assert [len(found) for read in (*reads[:2], *reads[3:]) for found in [await read]] == [1, 2, 4, 5]
    assert download.asked == [1, 2, 4, 5]
    assert len(await fleet.candles(id_, EURUSD, Timeframe.H1, limit=9)) == 9


async def test_a_turn_that_comes_after_the_connection_is_gone_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_, fleet = await connected(world)
    driver, download = world.terminals.driver_of(id_), Download()
    monkeypatch.setattr(driver, "candles", download.candles)
    reads = [asyncio.ensure_future(fleet.candles(id_, EURUSD, Timeframe.H1)) for _ in range(2)]
    await world.clock.run_until(lambda: bool(download.asked))
    driver.drop()
    download.done.set()
    assert len(await reads[0]) == 1000
    with pytest.raises(NotSynchronizedError, match="meanwhile"):
        await reads[1]


async def test_a_download_may_take_longer_than_other_reads(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_, fleet = await connected(world)
    monkeypatch.setattr(world.terminals.driver_of(id_), "candles", Download().candles)
    began = world.clock.monotonic()
    reading = asyncio.ensure_future(fleet.candles(id_, EURUSD, Timeframe.H1))
    await world.clock.run_until(reading.done, within_seconds=300)
    assert isinstance(reading.exception(), TimedOutError)
    assert world.clock.monotonic() - began >= 240


async def test_accounts_do_not_wait_for_each_other_and_leave_nothing_behind() -> None:
    turns = Turns(FakeClock())
    async with turns.turn(account_id(1)), turns.turn(account_id(2)):
        assert len(turns._lines) == 2
    assert not turns._lines


@pytest.mark.parametrize("kind", [kind for kind in QueryKind if kind not in ("symbols", "server-time")])
async def test_a_question_without_its_symbol_is_a_defect(world: World, kind: QueryKind) -> None:
    id_, _ = await connected(world)
    if kind is QueryKind.ACCOUNT_INFORMATION:
        return
    with pytest.raises(ValueError, match="needs a symbol"):
        await answer_of(world.terminals.driver_of(id_), Query(kind=kind))
