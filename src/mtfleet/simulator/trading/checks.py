"""What a request must fulfil before it is carried out. Each function raises `Refused` with
the code that fits."""

import math
from typing import Final

from mtfleet.domain.symbols import ExecutionMode, TradeMode
from mtfleet.domain.trading import OrderFilling
from mtfleet.simulator.trading.holdings import Group, SymbolBook
from mtfleet.simulator.trading.records import (
    BUY,
    BUY_LIMIT,
    BUY_STOP,
    BUY_STOP_LIMIT,
    FOK,
    IOC,
    RETURN,
    SELL,
    SELL_LIMIT,
    SELL_STOP,
    SELL_STOP_LIMIT,
    Order,
    Position,
)
from mtfleet.simulator.trading.refusal import (
    CLOSE_ONLY,
    FROZEN,
    INVALID_CLOSE_VOLUME,
    INVALID_FILL,
    INVALID_ORDER,
    INVALID_PRICE,
    INVALID_STOPS,
    INVALID_VOLUME,
    LONG_ONLY,
    MARKET_CLOSED,
    PRICE_OFF,
    SHORT_ONLY,
    TRADE_DISABLED,
    Refused,
)
from mtfleet.simulator.trading.terms import VOLUME_SCALE, Allowed, SymbolTerms

_GREATEST: Final = 1e12
_MOST_POINTS: Final = 2**53
_OFF_GRID: Final = 1e-3
"""A price may miss its grid by this part of a point: doubles are not exact."""
_KIND: Final = {
    BUY: Allowed.MARKET,
    SELL: Allowed.MARKET,
    BUY_LIMIT: Allowed.LIMIT,
    SELL_LIMIT: Allowed.LIMIT,
    BUY_STOP: Allowed.STOP,
    SELL_STOP: Allowed.STOP,
    BUY_STOP_LIMIT: Allowed.STOP_LIMIT,
    SELL_STOP_LIMIT: Allowed.STOP_LIMIT,
}
_FILLINGS: Final = {OrderFilling.FOK: FOK, OrderFilling.IOC: IOC, OrderFilling.RETURN: RETURN}


def check_market(symbol: SymbolBook, now_ms: int) -> None:
    """Refuse what is not quoted or not in a session."""
    calendar = symbol.terms.calendar
    if calendar is not None and not calendar.is_open(now_ms // 60_000):
        raise Refused(MARKET_CLOSED)
    if not symbol.bid:
        raise Refused(PRICE_OFF)


def check_mode(terms: SymbolTerms, *, is_buy: bool, is_closing: bool) -> None:
    """Refuse what the symbol's trade mode does not allow."""
    mode = terms.trade_mode
    if mode is TradeMode.FULL:
        return
    if mode is TradeMode.DISABLED:
        raise Refused(TRADE_DISABLED)
    if is_closing:
        return
    if mode is TradeMode.CLOSEONLY:
        raise Refused(CLOSE_ONLY)
    if mode is TradeMode.LONGONLY and not is_buy:
        raise Refused(LONG_ONLY)
    if mode is TradeMode.SHORTONLY and is_buy:
        raise Refused(SHORT_ONLY)


def check_kind(terms: SymbolTerms, kind: int) -> None:
    """Refuse a type of order that the symbol does not have."""
    if _KIND[kind] not in terms.allowed:
        raise Refused(INVALID_ORDER)


def volume_of(terms: SymbolTerms, lots: float | None) -> int:
    """Return a volume that lies within the symbol's limits and on its steps."""
    if lots is None or not 0 < lots < _GREATEST:
        raise Refused(INVALID_VOLUME)
    units = round(lots * VOLUME_SCALE)
    volume: int = (2 * units + terms.volume_step) // (2 * terms.volume_step) * terms.volume_step
    if abs(volume - units) > 1 or not terms.min_volume <= volume <= terms.max_volume:
        raise Refused(INVALID_VOLUME)
    return volume


def closing_volume_of(terms: SymbolTerms, position: Position, lots: float | None) -> int:
    """Return the part of a position to close; more than there is closes all of it."""
    if lots is None or not 0 < lots < _GREATEST:
        raise Refused(INVALID_VOLUME)
    if round(lots * VOLUME_SCALE) >= position.volume:
        return position.volume
    volume = volume_of(terms, lots)
    if 0 < position.volume - volume < terms.min_volume:
        raise Refused(INVALID_CLOSE_VOLUME)
    return volume


def price_of(symbol: SymbolBook, price: float | None, code: int) -> int:
    """Return a price in points. Refuses with `code` what is no price or off the grid of ticks."""
    if price is None or not 0 < price < _GREATEST:
        raise Refused(code)
    exact = price * symbol.scale
    points: int = round(exact)
    if not math.isclose(exact, points, rel_tol=1e-12, abs_tol=_OFF_GRID) or points % symbol.terms.tick_points:
        raise Refused(code)
    if not 0 < points < _MOST_POINTS:
        raise Refused(code)
    return points


def check_allowed_stops(terms: SymbolTerms, sl: int, tp: int) -> None:
    """Refuse stops that the symbol does not have."""
    if (sl and Allowed.SL not in terms.allowed) or (tp and Allowed.TP not in terms.allowed):
        raise Refused(INVALID_STOPS)


def check_stops(terms: SymbolTerms, sl: int, tp: int, base: int, *, is_buy: bool) -> None:
    """Refuse stops nearer than the stops level to `base`, or on its wrong side.

    `base` is the quote at which a position closes, or the price at which a pending order opens.
    """
    level = terms.stops_level
    if is_buy:
        if (sl and base - sl < level) or (tp and tp - base < level):
            raise Refused(INVALID_STOPS)
    elif (sl and sl - base < level) or (tp and base - tp < level):
        raise Refused(INVALID_STOPS)


def check_position_frozen(symbol: SymbolBook, position: Position) -> None:
    """Refuse to touch a position whose stop loss or take profit is about to fire."""
    level = symbol.terms.freeze_level
    if not level:
        return
    base = symbol.bid if position.is_buy else symbol.ask
    if any(stop and abs(base - stop) <= level for stop in (position.sl, position.tp)):
        raise Refused(FROZEN)


def distance_to(symbol: SymbolBook, kind: int, price: int) -> int:
    """Return how far the market is from activating a pending order; below zero is the wrong side."""
    if kind in (BUY_LIMIT, SELL_STOP, SELL_STOP_LIMIT):
        return (symbol.ask if kind == BUY_LIMIT else symbol.bid) - price
    return price - (symbol.bid if kind == SELL_LIMIT else symbol.ask)


def check_order_frozen(symbol: SymbolBook, order: Order) -> None:
    """Refuse to touch a pending order that is about to be activated."""
    level = symbol.terms.freeze_level
    if level and distance_to(symbol, order.type, order.price) <= level:
        raise Refused(FROZEN)


def check_pending_price(symbol: SymbolBook, kind: int, price: int, stop_limit: int) -> None:
    """Refuse a pending order at the wrong side of the market or too near, or with a limit beyond its stop."""
    if distance_to(symbol, kind, price) < symbol.terms.stops_level:
        raise Refused(INVALID_PRICE)
    if (kind == BUY_STOP_LIMIT and stop_limit > price) or (kind == SELL_STOP_LIMIT and stop_limit < price):
        raise Refused(INVALID_PRICE)


def filling_of(terms: SymbolTerms, wanted: list[OrderFilling] | None) -> int:
    """Return the first filling mode that a market order may have; without a wish the usual one."""
    if terms.execution in (ExecutionMode.REQUEST, ExecutionMode.INSTANT):
        allowed = [FOK]
    else:
        allowed = [mode for mode, has in ((FOK, terms.has_fok), (IOC, terms.has_ioc)) if has]
        if terms.execution is ExecutionMode.EXCHANGE or not allowed:
            allowed.append(RETURN)
    if not wanted:
        return allowed[0]
    for mode in wanted:
        if _FILLINGS[mode] in allowed:
            return _FILLINGS[mode]
    raise Refused(INVALID_FILL)


def holds_against(group: Group, *, is_buy: bool) -> bool:
    """Tell whether an account holds positions against a new one."""
    return bool(group.sell_volume if is_buy else group.buy_volume)
