"""Profit, margin, commission and swap in whole numbers. One rounding for each amount, half away from zero."""

from fractions import Fraction
from typing import Final

from mtfleet.simulator.trading.terms import VOLUME_SCALE, Calculation, SymbolTerms

MICRO: Final = 10**6
"""Margins are summed in millionths of the smallest unit of money."""

_BY_PRICE: Final = frozenset(
    {Calculation.CFD, Calculation.CFD_LEVERAGE, Calculation.CFD_INDEX, Calculation.EXCH_STOCKS}
)
_BY_LEVERAGE: Final = frozenset({Calculation.FOREX, Calculation.CFD_LEVERAGE})
_BY_INITIAL: Final = frozenset({Calculation.FUTURES, Calculation.EXCH_FUTURES})


def rounded(numerator: int, denominator: int) -> int:
    """Divide and round half away from zero; `denominator` is above zero."""
    if numerator >= 0:
        return (2 * numerator + denominator) // (2 * denominator)
    return -((denominator - 2 * numerator) // (2 * denominator))


def margin_of_a_lot(terms: SymbolTerms, leverage: int, *, is_buy: bool) -> tuple[Fraction, bool]:
    """Return what one lot needs in the margin currency, and whether that is for each point of the price.

    An initial margin replaces the formula: it is divided by the leverage for forex and leveraged contracts,
    and taken as it is for all others.
    """
    mode = terms.calculation
    amount, by_price = terms.contract, mode in _BY_PRICE and not terms.initial_margin
    if terms.initial_margin or mode in _BY_INITIAL:
        amount = terms.initial_margin
    if mode in _BY_LEVERAGE:
        amount /= leverage
    if by_price:
        amount /= 10**terms.digits
        if mode is Calculation.CFD_INDEX and terms.tick_ratio is not None:
            amount *= terms.tick_ratio
    return amount * (terms.margin_rate_buy if is_buy else terms.margin_rate_sell), by_price


class Factors:
    """The terms of a symbol in plain integers, for accounts of one leverage and number of digits."""

    __slots__ = (
        "_margin_buy",
        "_margin_sell",
        "by_price",
        "commission",
        "hedged_share",
        "point",
        "smallest",
        "uses_larger_leg",
    )

    def __init__(self, terms: SymbolTerms, leverage: int, digits: int) -> None:
        self.smallest = Fraction(10**digits, VOLUME_SCALE)
        self.point = (terms.point_value * self.smallest).as_integer_ratio()
        buy, self.by_price = margin_of_a_lot(terms, leverage, is_buy=True)
        sell, _ = margin_of_a_lot(terms, leverage, is_buy=False)
        self._margin_buy = (buy * self.smallest * MICRO).as_integer_ratio()
        self._margin_sell = (sell * self.smallest * MICRO).as_integer_ratio()
        self.commission = (terms.commission * self.smallest).as_integer_ratio()
        self.hedged_share = terms.hedged_share.as_integer_ratio()
        self.uses_larger_leg = terms.hedged_uses_larger_leg

    def profit(self, raw: int, rate: tuple[int, int]) -> int:
        """Return the money of `raw` points times volume units at an exchange rate."""
        numerator, denominator = self.point
        return rounded(raw * numerator * rate[0], denominator * rate[1])

    def margin(self, volume: int, price: int, rate: tuple[int, int], *, is_buy: bool) -> int:
        """Return what a volume needs by itself, in millionths of the smallest unit."""
        numerator, denominator = self._margin_buy if is_buy else self._margin_sell
        if self.by_price:
            numerator *= price
        return rounded(volume * numerator * rate[0], denominator * rate[1])

    def commission_of(self, volume: int) -> int:
        """Return what is charged for one side: zero or below."""
        numerator, denominator = self.commission
        return -rounded(volume * numerator, denominator)

    def margin_of_legs(self, buy: int, buy_margin: int, sell: int, sell_margin: int) -> int:
        """Return the margin of both legs together in the smallest unit of money.

        Each leg has a volume and what that needs by itself. What both legs have is charged the hedged margin
        at their average, the rest as if it stood alone; or else only the dearer leg counts.
        """
        if not buy or not sell:
            return rounded(buy_margin + sell_margin, MICRO)
        if self.uses_larger_leg:
            return rounded(max(buy_margin, sell_margin), MICRO)
        numerator, denominator = self.hedged_share
        covered = min(buy, sell)
        hedged = Fraction(covered * (buy_margin + sell_margin) * numerator, (buy + sell) * denominator)
        if buy > sell:
            rest = Fraction((buy - sell) * buy_margin, buy)
        else:
            rest = Fraction((sell - buy) * sell_margin, sell)
        total = (hedged + rest) / MICRO
        return rounded(total.numerator, total.denominator)
