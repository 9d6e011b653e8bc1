"""The cases of the terminals' contract about candles, ticks and books."""

from collections.abc import Awaitable, Mapping
from datetime import timedelta
from typing import Any

from mtfleet.domain.accounts import Platform
from mtfleet.domain.errors import NotFoundError, NotSynchronizedError, ValidationError
from mtfleet.domain.market import BookSide, Candle, Price
from mtfleet.domain.timeframes import TIMEFRAMES, Timeframe
from mtfleet.terminals.base import NotOffered, TerminalDriver
from mtfleet.testing.terminal_cases import (
    ABSENT_SYMBOL,
    ContractBroken,
    Subject,
    case,
    connected,
    expect,
    expect_error,
    seat_of,
)


def _check_candles(candles: list[Candle], subject: Subject, timeframe: Timeframe, limit: int) -> None:
    expect(len(candles) <= limit, "there are more candles than were asked for")
    opened = [candle.opened_at for candle in candles]
    expect(opened == sorted(set(opened)), "candles are not in order or repeated")
    for candle in candles:
        expect(candle.symbol == subject.quoted_symbol, f"{candle} is of another symbol")
        expect(candle.timeframe is timeframe, f"{candle} is of another timeframe")
        expect(candle.opened_at <= subject.clock.now(), f"{candle} is from the future")
        expect(
            0 < candle.low <= min(candle.open, candle.close), f"the low of {candle} is not its lowest price"
        )
        expect(
            candle.high >= max(candle.open, candle.close), f"the high of {candle} is not its highest price"
        )
        expect(candle.tick_volume > 0 and candle.spread >= 0, f"{candle} has no ticks or a negative spread")


@case(25, lambda capabilities: capabilities.can_read_candles)
async def keeps_candles_of_every_timeframe(subject: Subject) -> None:
    seat = await connected(subject)
    for timeframe in TIMEFRAMES[subject.platform]:
        candles = await seat.driver.candles(subject.quoted_symbol, timeframe, None, 3)
        _check_candles(candles, subject, timeframe, 3)
    await seat.driver.stop()


@case(26, lambda capabilities: capabilities.can_read_candles)
async def pages_candles_backwards(subject: Subject) -> None:
    seat = await connected(subject)
    before = subject.clock.now() - timedelta(hours=2)  # what is over does not change any more
    symbol, timeframe = subject.quoted_symbol, Timeframe.M5
    whole = await seat.driver.candles(symbol, timeframe, before, 6)
    newest = await seat.driver.candles(symbol, timeframe, before, 2)
    expect(whole[-2:] == newest, "a shorter page does not end as a longer one")
    if len(whole) == 6:
        expect(whole[-1].opened_at <= before < whole[-1].opened_at + timedelta(days=4), "the page ends early")
        exact = await seat.driver.candles(symbol, timeframe, newest[0].opened_at, 1)
        expect(exact == newest[:1], "a candle that opened at that time is not the last of the page")
        step = newest[0].opened_at - timedelta(milliseconds=1)
        older = await seat.driver.candles(symbol, timeframe, step, 4)
        expect(older + newest == whole, "two pages are not one list")
    await seat.driver.stop()


@case(27, lambda capabilities: capabilities.can_read_candles)
async def makes_higher_candles_of_the_lower(subject: Subject) -> None:
    seat = await connected(subject)
    before = subject.clock.now() - timedelta(hours=2)
    hours = await seat.driver.candles(subject.quoted_symbol, Timeframe.H1, before, 2)
    minutes = await seat.driver.candles(subject.quoted_symbol, Timeframe.M1, subject.clock.now(), 400)
    for hour in hours[:1]:
        parts = [m for m in minutes if timedelta() <= m.opened_at - hour.opened_at < timedelta(hours=1)]
        expect(parts, "an hour has no minutes")
        found = (parts[0].open, max(m.high for m in parts), min(m.low for m in parts), parts[-1].close)
        expect(found == (hour.open, hour.high, hour.low, hour.close), f"{hour} is not its minutes: {found}")
    await seat.driver.stop()


@case(28, lambda capabilities: capabilities.can_read_candles)
async def refuses_candles_that_there_can_not_be(subject: Subject) -> None:
    seat = await connected(subject)
    unknown = seat.driver.candles(ABSENT_SYMBOL, Timeframe.H1, None, 1)
    await expect_error(NotFoundError, unknown, "candles of an unknown symbol")
    for timeframe in set(Timeframe) - set(TIMEFRAMES[subject.platform]):
        wrong = seat.driver.candles(subject.quoted_symbol, timeframe, None, 1)
        await expect_error(ValidationError, wrong, f"{timeframe} candles")
    past = await seat.driver.candles(
        subject.quoted_symbol, Timeframe.H1, subject.clock.now() - timedelta(days=365 * 60), 5
    )
    expect(past == [], "there are candles of sixty years ago")
    await seat.driver.stop()


async def _steady(driver: TerminalDriver, subject: Subject, read: Awaitable[Any]) -> tuple[Price, Any] | None:
    """Read something between two prices; `None` if the price changed meanwhile."""
    before = await driver.price(subject.quoted_symbol)
    found = await read
    return (before, found) if await driver.price(subject.quoted_symbol) == before else None


@case(29, lambda capabilities: capabilities.can_read_current_candles)
async def shows_the_candle_that_is_being_formed(subject: Subject) -> None:
    seat = await connected(subject)
    for timeframe in TIMEFRAMES[subject.platform]:
        read = seat.driver.current_candle(subject.quoted_symbol, timeframe)
        pair = await _steady(seat.driver, subject, read)
        if pair is not None:
            price, candle = pair
            _check_candles([candle], subject, timeframe, 1)
            expect(candle.close == price.bid, f"{candle} does not end with the price {price.bid}")
            expect(candle.opened_at <= price.quoted_at, f"{candle} opened after its last tick")
    unknown = seat.driver.current_candle(ABSENT_SYMBOL, Timeframe.H1)
    await expect_error(NotFoundError, unknown, "the candle of an unknown symbol")
    await seat.driver.stop()


@case(30, lambda capabilities: capabilities.can_read_current_ticks)
async def shows_the_newest_tick(subject: Subject) -> None:
    seat = await connected(subject)
    pair = await _steady(seat.driver, subject, seat.driver.current_tick(subject.quoted_symbol))
    if pair is not None:
        price, tick = pair
        shown = (price.bid, price.ask, price.quoted_at, price.broker_time)
        expect((tick.bid, tick.ask, tick.quoted_at, tick.broker_time) == shown, f"{tick} is not {price}")
    await expect_error(NotFoundError, seat.driver.current_tick(ABSENT_SYMBOL), "an unknown symbol's tick")
    await seat.driver.stop()


@case(31, lambda capabilities: capabilities.can_read_ticks)
async def pages_ticks_forwards(subject: Subject) -> None:
    seat = await connected(subject)
    symbol, start = subject.quoted_symbol, subject.clock.now() - timedelta(minutes=30)
    if subject.platform is Platform.MT4:
        await expect_error(ValidationError, seat.driver.ticks(symbol, start, 0, 5), "ticks of MT4")
        await seat.driver.stop()
        return
    whole = await seat.driver.ticks(symbol, start, 0, 9)
    times = [tick.quoted_at for tick in whole]
    expect(len(whole) <= 9 and times == sorted(times), "ticks are too many or not in order")
    expect(all(start <= time <= subject.clock.now() for time in times), "a tick is not of that time")
    expect(await seat.driver.ticks(symbol, start, 4, 3) == whole[4:7], "an offset does not skip as many")
    newest = await seat.driver.ticks(symbol, None, 0, 4)
    expect(len(newest) <= 4 and all(t.symbol == symbol for t in newest), "the newest ticks are too many")
    expect(
        await seat.driver.ticks(symbol, subject.clock.now() + timedelta(hours=1), 0, 5) == [], "future ticks"
    )
    await expect_error(
        NotFoundError, seat.driver.ticks(ABSENT_SYMBOL, None, 0, 5), "an unknown symbol's ticks"
    )
    await seat.driver.stop()


@case(32, lambda capabilities: capabilities.can_read_books)
async def shows_a_book_around_the_price(subject: Subject) -> None:
    seat = await connected(subject)
    if subject.platform is Platform.MT4:
        await expect_error(ValidationError, seat.driver.book(subject.quoted_symbol), "a book of MT4")
        await seat.driver.stop()
        return
    pair = await _steady(seat.driver, subject, seat.driver.book(subject.quoted_symbol))
    if pair is not None:
        price, book = pair
        prices = [entry.price for entry in book.book]
        expect(prices == sorted(prices, reverse=True), "a book is not in order")
        expect(all(entry.volume > 0 for entry in book.book), "a book offers nothing at a price")
        asks = [entry.price for entry in book.book if entry.side is BookSide.SELL]
        bids = [entry.price for entry in book.book if entry.side is BookSide.BUY]
        expect(min(asks, default=price.ask) >= price.ask, f"{min(asks, default=0)} is below {price.ask}")
        expect(max(bids, default=price.bid) <= price.bid, f"{max(bids, default=0)} is above {price.bid}")
    await expect_error(NotFoundError, seat.driver.book(ABSENT_SYMBOL), "an unknown symbol's book")
    await seat.driver.stop()


def _reads(subject: Subject, driver: TerminalDriver) -> Mapping[str, Awaitable[Any]]:
    symbol = subject.quoted_symbol
    return {
        "can_read_candles": driver.candles(symbol, Timeframe.H1, None, 1),
        "can_read_ticks": driver.ticks(symbol, None, 0, 1),
        "can_read_current_candles": driver.current_candle(symbol, Timeframe.H1),
        "can_read_current_ticks": driver.current_tick(symbol),
        "can_read_books": driver.book(symbol),
    }


@case(33)
async def refuses_by_name_what_it_can_not_read(subject: Subject) -> None:
    seat = await connected(subject)
    for name, read in _reads(subject, seat.driver).items():
        if getattr(subject.terminals.capabilities, name):
            await _ended(read)
        else:
            error = await expect_error(NotOffered, read, f"a read without {name}")
            expect(len(error.message) > 20, f"{error.message!r} does not tell what can't be read")
    await seat.driver.stop()


async def _ended(read: Awaitable[Any]) -> None:
    """Await what may be refused for another reason: the platform may have no such thing."""
    try:
        await read
    except NotOffered as error:
        raise ContractBroken(f"{error.message} But its capabilities say that it can.") from error
    except ValidationError:
        return


@case(34)
async def reads_no_market_data_while_disconnected(subject: Subject) -> None:
    driver = seat_of(subject).driver
    await driver.start()
    for name, read in _reads(subject, driver).items():
        is_able = getattr(subject.terminals.capabilities, name)
        await expect_error(NotSynchronizedError if is_able else NotOffered, read, name)
    await driver.stop()
