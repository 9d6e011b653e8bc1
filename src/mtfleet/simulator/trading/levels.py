"""From the prices of a request, in any unit, to points."""

from fractions import Fraction
from typing import Final

from mtfleet.domain.trading import StopPriceBase, StopUnits, TradeRequest
from mtfleet.simulator.trading.checks import price_of
from mtfleet.simulator.trading.holdings import SAME, Group
from mtfleet.simulator.trading.money import rounded
from mtfleet.simulator.trading.refusal import INVALID_STOPS, NO_PIP_SIZE, PRICE_OFF, Refused

_GREATEST: Final = 1e12
_MOST_POINTS: Final = 2**53


def distance(group: Group, value: float, units: StopUnits, volume: int, code: int) -> Fraction:
    """Return a distance in points. `code` refuses one that is no positive number."""
    if not 0 < value < _GREATEST:
        raise Refused(code)
    exact, terms = Fraction(value), group.symbol.terms
    if units is StopUnits.RELATIVE_PRICE:
        return Fraction(exact * group.symbol.scale)
    if units is StopUnits.RELATIVE_POINTS:
        return exact
    if units is StopUnits.RELATIVE_PIPS:
        if not terms.pip_points:
            raise Refused(NO_PIP_SIZE)
        return exact * terms.pip_points
    if units is StopUnits.RELATIVE_BALANCE_PERCENTAGE:
        money = exact * group.account.balance / 100
    else:
        money = exact * 10**group.account.terms.digits
    rate = SAME if group.profit_conversion is None else group.profit_conversion.rate(at_bid=False)
    if rate is None:
        raise Refused(PRICE_OFF)
    if not volume or money <= 0:
        raise Refused(code)
    numerator, denominator = group.factors.point
    return money / Fraction(volume * numerator * rate[0], denominator * rate[1])


def level(
    group: Group, value: float | None, units: StopUnits | None, base: int, sign: int, volume: int, code: int
) -> int:
    """Return a price in points; 0 for none. Relative ones lie on the side of `base` that `sign` says."""
    if value is None or value == 0:
        return 0
    if units is None or units is StopUnits.ABSOLUTE_PRICE:
        return price_of(group.symbol, value, code)
    if not base:
        raise Refused(code)
    exact = base + sign * distance(group, value, units, volume, code)
    tick = group.symbol.terms.tick_points
    points = rounded(exact.numerator, exact.denominator * tick) * tick
    if not 0 < points < _MOST_POINTS:
        raise Refused(code)
    return points


def stops(
    group: Group,
    request: TradeRequest,
    *,
    is_buy: bool,
    open_price: int,
    volume: int,
    old: tuple[int, int] = (0, 0),
) -> tuple[int, int]:
    """Return stop loss and take profit of a request in points."""
    if request.stop_loss is None and request.take_profit is None:
        return 0, 0
    symbol, sign = group.symbol, 1 if is_buy else -1
    kind = request.stop_price_base or StopPriceBase.OPEN_PRICE
    if kind is StopPriceBase.OPEN_PRICE:
        bases = (open_price, open_price)
    elif kind is StopPriceBase.CURRENT_PRICE:
        current = symbol.bid if is_buy else symbol.ask
        bases = (current, current)
    else:
        bases = old
    return (
        level(group, request.stop_loss, request.stop_loss_units, bases[0], -sign, volume, INVALID_STOPS),
        level(group, request.take_profit, request.take_profit_units, bases[1], sign, volume, INVALID_STOPS),
    )
