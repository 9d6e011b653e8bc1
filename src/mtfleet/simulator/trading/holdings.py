"""What accounts hold of symbols, with all sums kept running: volume, cost, margin and floating profit."""

from typing import Final

from mtfleet.simulator.trading.money import Factors
from mtfleet.simulator.trading.records import Account, Deal, Order, Position
from mtfleet.simulator.trading.terms import SymbolTerms

SAME: Final = (1, 1)
"""The exchange rate of a currency to itself."""


class SymbolBook:
    """A symbol: its terms, its quote, who holds it and what waits for a price."""

    __slots__ = ("ask", "bid", "dependents", "groups", "live", "scale", "terms", "triggers")

    def __init__(self, terms: SymbolTerms) -> None:
        self.terms = terms
        self.scale = 10**terms.digits
        self.bid = self.ask = 0
        self.groups: dict[int, Group] = {}
        """By login, those with positions."""
        self.dependents: dict[tuple[int, str], Group] = {}
        """Groups of other symbols whose money is exchanged at this one's price."""
        self.triggers: tuple[list[tuple[int, int, int]], ...] = ([], [], [], [])
        """Heaps by way of (level, signed so that the smallest fires first; ticket; kind). What was changed
        since stays in them until it surfaces or too much has gathered."""
        self.live = 0
        """Positions and pending orders of this symbol."""


class Conversion:
    """A chain of symbols that turns one currency into another; `None` where there is none."""

    __slots__ = ("steps",)

    def __init__(self, steps: tuple[tuple[SymbolBook, bool], ...] | None) -> None:
        self.steps = steps

    def rate(self, *, at_bid: bool) -> tuple[int, int] | None:
        """Return numerator and denominator; `None` without quotes. `at_bid` gives the smaller amount."""
        if self.steps is None:
            return None
        numerator = denominator = 1
        for symbol, is_inverse in self.steps:
            if not symbol.bid:
                return None
            if is_inverse:
                numerator *= symbol.scale
                denominator *= symbol.ask if at_bid else symbol.bid
            else:
                numerator *= symbol.bid if at_bid else symbol.ask
                denominator *= symbol.scale
        return numerator, denominator


class Group:
    """The positions of one account in one symbol, and their sums."""

    __slots__ = (
        "account",
        "buy_cost",
        "buy_margin",
        "buy_volume",
        "factors",
        "floating",
        "is_valued",
        "margin",
        "margin_conversion",
        "positions",
        "profit_conversion",
        "sell_cost",
        "sell_margin",
        "sell_volume",
        "symbol",
    )

    def __init__(
        self,
        account: "AccountBook",
        symbol: SymbolBook,
        profit_conversion: Conversion | None,
        margin_conversion: Conversion | None,
        factors: Factors,
    ) -> None:
        self.account, self.symbol = account, symbol
        self.profit_conversion, self.margin_conversion = profit_conversion, margin_conversion
        self.factors = factors
        self.positions: dict[int, Position] = {}
        self.buy_volume = self.buy_cost = self.buy_margin = 0
        self.sell_volume = self.sell_cost = self.sell_margin = 0
        self.floating = self.margin = 0
        self.is_valued = True

    def profit_of(self, raw: int) -> int | None:
        """Return the money of `raw` points times volume, at the rate for its sign; `None` without quotes."""
        conversion = self.profit_conversion
        rate = SAME if conversion is None else conversion.rate(at_bid=raw >= 0)
        return None if rate is None else self.factors.profit(raw, rate)

    def value_now(self) -> int | None:
        """Return the floating profit at the present quotes, from the sums; `None` without quotes."""
        symbol = self.symbol
        if not self.positions:
            return 0
        if not symbol.bid:
            return None
        buy = symbol.bid * self.buy_volume - self.buy_cost
        sell = self.sell_cost - symbol.ask * self.sell_volume
        if self.profit_conversion is None:
            return self.factors.profit(buy + sell, SAME)
        first, second = self.profit_of(buy), self.profit_of(sell)
        return None if first is None or second is None else first + second

    def revalue(self) -> None:
        """Bring the floating profit up to date, here and in the account."""
        value, account = self.value_now(), self.account
        if value is None:
            if self.is_valued:
                self.is_valued = False
                account.unvalued += 1
            value = 0
        elif not self.is_valued:
            self.is_valued = True
            account.unvalued -= 1
        account.floating += value - self.floating
        self.floating = value

    def add(self, position: Position, sign: int) -> None:
        """Add a position to the sums, or take it from them."""
        if position.is_buy:
            self.buy_volume += sign * position.volume
            self.buy_cost += sign * position.cost
            self.buy_margin += sign * position.margin
        else:
            self.sell_volume += sign * position.volume
            self.sell_cost += sign * position.cost
            self.sell_margin += sign * position.margin

    def remargin(self) -> None:
        """Bring the margin up to date, here and in the account."""
        margin = self.factors.margin_of_legs(
            self.buy_volume, self.buy_margin, self.sell_volume, self.sell_margin
        )
        self.account.margin += margin - self.margin
        self.margin = margin


class AccountBook:
    """An account with its sums; `balance` is the sum of its deals."""

    __slots__ = (
        "balance",
        "carried",
        "credit",
        "danger",
        "deals",
        "floating",
        "groups",
        "history_orders",
        "is_called",
        "margin",
        "orders",
        "positions_count",
        "request_count",
        "request_second",
        "terms",
        "unvalued",
    )

    def __init__(self, terms: Account) -> None:
        self.terms = terms
        self.balance = self.credit = 0
        self.carried = 0
        """Swap, and in MetaTrader 4 commission, of open positions."""
        self.floating = self.margin = 0
        self.danger = -1
        """The margin call is reached with an equity of this or less."""
        self.unvalued = 0
        """Groups without a quote; the equity is known when there is none."""
        self.positions_count = 0
        self.groups: dict[str, Group] = {}
        self.orders: dict[int, Order] = {}
        self.history_orders: dict[int, Order] = {}
        self.deals: list[Deal] = []
        self.is_called = False
        self.request_second = self.request_count = 0

    @property
    def equity(self) -> int:
        return self.balance + self.credit + self.carried + self.floating
