"""How a question becomes a call of a driver."""

from typing import Any

from mtfleet.domain.ids import Symbol
from mtfleet.domain.timeframes import Timeframe
from mtfleet.engines.base import Query, QueryKind
from mtfleet.terminals.base import TerminalDriver

MAX_PAGE = 1000
"""Candles or ticks of one answer."""


async def answer_of(driver: TerminalDriver, query: Query) -> Any:
    """Ask the driver. Its errors come through. Raises `ValueError` for a question that lacks a part."""
    match query.kind:
        case QueryKind.ACCOUNT_INFORMATION:
            return await driver.account_information()
        case QueryKind.SYMBOLS:
            return await driver.symbols()
        case QueryKind.SERVER_TIME:
            return await driver.server_time()
        case QueryKind.SPECIFICATION:
            return await driver.specification(_symbol(query))
        case QueryKind.PRICE:
            return await driver.price(_symbol(query))
        case QueryKind.CURRENT_CANDLE:
            return await driver.current_candle(_symbol(query), _timeframe(query))
        case QueryKind.CURRENT_TICK:
            return await driver.current_tick(_symbol(query))
        case QueryKind.BOOK:
            return await driver.book(_symbol(query))
        case QueryKind.CANDLES:
            limit = query.limit or MAX_PAGE
            return await driver.candles(_symbol(query), _timeframe(query), query.moment, limit)
        case QueryKind.TICKS:
            limit = query.limit or MAX_PAGE
            return await driver.ticks(_symbol(query), query.moment, query.offset or 0, limit)


def _symbol(query: Query) -> Symbol:
    if query.symbol is None:
        raise ValueError(f"{query.kind} needs a symbol.")
    return query.symbol


def _timeframe(query: Query) -> Timeframe:
    if query.timeframe is None:
        raise ValueError(f"{query.kind} needs a timeframe.")
    return query.timeframe
