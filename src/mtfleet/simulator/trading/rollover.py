"""The end of the server's day: swap, and orders that live for a day only."""

from fractions import Fraction
from typing import Final

from msgspec.structs import replace

from mtfleet.simulator.trading.book import Book
from mtfleet.simulator.trading.daytime import weekday_before
from mtfleet.simulator.trading.execution import Execution, tag_of
from mtfleet.simulator.trading.holdings import Conversion, Group, SymbolBook
from mtfleet.simulator.trading.money import rounded
from mtfleet.simulator.trading.pending import PendingOrders
from mtfleet.simulator.trading.records import BUY, FOK, SELL, Cause, Position
from mtfleet.simulator.trading.terms import VOLUME_SCALE, GtcMode, SwapMode, SymbolTerms

_WEEKEND: Final = (0, 6)
_TRIPLE: Final = 3
_DAYS_OF_A_YEAR: Final = 360
_REOPEN: Final = (SwapMode.REOPEN_CURRENT, SwapMode.REOPEN_BID)


def nights(terms: SymbolTerms, weekday: int) -> int:
    """Return how many nights' swap the end of a weekday costs."""
    if weekday in _WEEKEND:
        return 0
    return _TRIPLE if weekday == terms.triple_day else 1


def swap_currency(terms: SymbolTerms) -> str | None:
    """Return the currency that swap is counted in; `None` for the account's."""
    mode = terms.swap_mode
    if mode is SwapMode.CURRENCY_SYMBOL:
        return terms.base_currency
    if mode is SwapMode.CURRENCY_MARGIN:
        return terms.margin_currency
    if mode in (SwapMode.DISABLED, SwapMode.CURRENCY_DEPOSIT):
        return None
    return terms.profit_currency


def swap_of_a_lot(terms: SymbolTerms, *, is_buy: bool, price: Fraction, open_price: Fraction) -> Fraction:
    """Return one night's swap of one lot in its currency."""
    rate = terms.swap_long if is_buy else terms.swap_short
    mode = terms.swap_mode
    if mode is SwapMode.POINTS:
        return rate * terms.point_value
    if mode in (SwapMode.CURRENCY_SYMBOL, SwapMode.CURRENCY_MARGIN, SwapMode.CURRENCY_DEPOSIT):
        return rate
    if mode in (SwapMode.INTEREST_CURRENT, SwapMode.INTEREST_OPEN):
        base = price if mode is SwapMode.INTEREST_CURRENT else open_price
        per_price = terms.point_value * 10**terms.digits
        return Fraction(per_price * base * rate / (100 * _DAYS_OF_A_YEAR))
    return Fraction(0)


class Rollover:
    """Ends days."""

    __slots__ = ("_book", "_execution", "_pending")

    def __init__(self, book: Book, execution: Execution, pending: PendingOrders) -> None:
        self._book, self._execution, self._pending = book, execution, pending

    def is_ready(self) -> bool:
        """Tell whether all quotes are there that the end of a day needs."""
        if any(account.unvalued for account in self._book.accounts.values()):
            return False
        for symbol in self._book.symbols.values():
            for group in symbol.groups.values():
                conversion = self.conversion(group)
                if conversion is not None and conversion.steps and conversion.rate(at_bid=True) is None:
                    return False
        return True

    def end_day(self, at_ms: int) -> None:
        """Charge swap and drop what lives for a day."""
        weekday = weekday_before(self._book.terms.clock, at_ms)
        for symbol in self._book.symbols.values():
            if not symbol.live:
                continue
            count = nights(symbol.terms, weekday)
            for _, group in sorted(symbol.groups.items()):
                for position in list(group.positions.values()):
                    if count:
                        self._charge(group, position, count)
            if symbol.terms.gtc_mode is not GtcMode.GTC:
                self._drop(symbol)

    def _charge(self, group: Group, position: Position, count: int) -> None:
        terms = group.symbol.terms
        if terms.swap_mode in _REOPEN:
            self._reopen(group, position, count)
            return
        quote = group.symbol.bid if position.is_buy else group.symbol.ask
        amount = swap_of_a_lot(
            terms,
            is_buy=position.is_buy,
            price=Fraction(quote, group.symbol.scale),
            open_price=Fraction(position.cost, position.volume * group.symbol.scale),
        )
        if not amount:
            return
        amount *= Fraction(position.volume * count * 10**group.account.terms.digits, VOLUME_SCALE)
        conversion = self.conversion(group)
        if conversion is not None:
            rate = conversion.rate(at_bid=amount > 0)
            if rate is None:
                return
            amount *= Fraction(*rate)
        swap = rounded(amount.numerator, amount.denominator)
        if swap:
            self._book.put_position(replace(position, swap=position.swap + swap))

    def conversion(self, group: Group) -> Conversion | None:
        """Return how a group's swap is exchanged; `None` where it is not."""
        currency = swap_currency(group.symbol.terms)
        return None if currency is None else self._book.conversion(currency, group.account.terms.currency)

    def _reopen(self, group: Group, position: Position, count: int) -> None:
        """Close at the end of the day and open again at a price that contains the swap in points."""
        symbol, terms = group.symbol, group.symbol.terms
        price = symbol.bid if position.is_buy or terms.swap_mode is SwapMode.REOPEN_BID else symbol.ask
        rate = (terms.swap_long if position.is_buy else terms.swap_short) * count
        shift = rounded(rate.numerator, rate.denominator)
        again = price - shift if position.is_buy else price + shift
        if not symbol.bid or again <= 0 or group.account.unvalued:
            return
        tag = tag_of(position, Cause.ROLLOVER, "")
        self._execution.leave(group, position, position.volume, price, tag, FOK)
        order = self._execution.new_order(
            group,
            BUY if position.is_buy else SELL,
            position.volume,
            again,
            tag,
            FOK,
            (position.sl, position.tp),
        )
        self._execution.enter(group, order, position.volume, again)

    def _drop(self, symbol: SymbolBook) -> None:
        name = symbol.terms.name
        for order in [order for order in self._book.orders.values() if order.symbol == name]:
            self._pending.expire(order)
        if symbol.terms.gtc_mode is GtcMode.DAILY:
            for _, group in sorted(symbol.groups.items()):
                for position in list(group.positions.values()):
                    if position.sl or position.tp:
                        self._book.put_position(replace(position, sl=0, tp=0, updated_ms=self._book.now_ms))
