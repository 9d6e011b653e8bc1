"""The state of a desk: accounts, positions, orders and history.

Every change of it is an event, made and carried out by the methods that are named after events; the same
events in the same order make the same state. Quotes are no part of that: they come with each command.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from heapq import heapify, heappop, heappush
from typing import Any, Final

from mtfleet.simulator.conversion import route
from mtfleet.simulator.trading.holdings import AccountBook, Conversion, Group, SymbolBook
from mtfleet.simulator.trading.money import Factors
from mtfleet.simulator.trading.records import (
    BUY_LIMIT,
    BUY_STOP,
    BUY_STOP_LIMIT,
    CREDIT,
    SELL_LIMIT,
    SELL_STOP,
    SELL_STOP_LIMIT,
    Account,
    AccountSet,
    Answered,
    DayEnds,
    Deal,
    DealMade,
    Event,
    MarginCalled,
    Order,
    OrderDone,
    OrderPut,
    Position,
    PositionClosed,
    PositionPut,
)
from mtfleet.simulator.trading.terms import ServerTerms, StopOutMode, SymbolTerms

_MIN_COMPACT: Final = 64

# What fires a trigger: the price of one side falls to a level or rises to it.
BID_FALLS: Final = 0
BID_RISES: Final = 1
ASK_RISES: Final = 2
ASK_FALLS: Final = 3
SIGNS: Final = (-1, 1, 1, -1)
STOP_LOSS: Final = 0
TAKE_PROFIT: Final = 1
ACTIVATION: Final = 2
WAY_OF_ORDER: Final = {
    BUY_LIMIT: ASK_FALLS,
    SELL_LIMIT: BID_RISES,
    BUY_STOP: ASK_RISES,
    SELL_STOP: BID_FALLS,
    BUY_STOP_LIMIT: ASK_RISES,
    SELL_STOP_LIMIT: BID_FALLS,
}


class Book:
    """Everything that a desk knows."""

    def __init__(self, terms: ServerTerms, symbols: Mapping[str, SymbolTerms]) -> None:
        self.terms = terms
        self.symbols = {name: SymbolBook(symbol) for name, symbol in symbols.items()}
        self._conversions: dict[tuple[str, str], Conversion] = {}
        self._factors: dict[tuple[str, int, int], Factors] = {}
        self._call = Fraction(terms.margin_call)
        self.accounts: dict[int, AccountBook] = {}
        self.positions: dict[int, Position] = {}
        self.orders: dict[int, Order] = {}
        self.next_ticket = self.next_deal = terms.first_ticket
        self.day_end_ms = 0
        self.now_ms = 0
        self.expirations: list[tuple[int, int]] = []
        self.events: list[Event] = []
        self._fold: dict[type, Callable[[Any], None]] = {
            PositionPut: lambda event: self.put_position(event.position),
            PositionClosed: lambda event: self.close_position(event.ticket),
            OrderPut: lambda event: self.put_order(event.order),
            OrderDone: lambda event: self.finish_order(event.order),
            DealMade: lambda event: self.make_deal(event.deal),
            MarginCalled: lambda event: self.call_margin(event.login, is_called=event.is_called),
            DayEnds: lambda event: self.set_day_end(event.at_ms),
            AccountSet: lambda event: self.set_account(event.account),
            Answered: lambda event: None,
        }

    def fold(self, event: Event) -> None:
        """Carry out an event of before."""
        self._fold[type(event)](event)
        self.events.clear()

    def group(self, account: AccountBook, symbol: SymbolBook) -> Group:
        """Return what an account holds of a symbol, which may be nothing."""
        group = account.groups.get(symbol.terms.name)
        if group is None:
            currency = account.terms.currency
            group = account.groups[symbol.terms.name] = Group(
                account,
                symbol,
                self.conversion(symbol.terms.profit_currency, currency),
                self.conversion(symbol.terms.margin_currency, currency),
                self.factors(symbol, account.terms),
            )
        return group

    def factors(self, symbol: SymbolBook, account: Account) -> Factors:
        """Return a symbol's terms in numbers, which accounts of the same kind share."""
        key = symbol.terms.name, account.leverage, account.digits
        known = self._factors.get(key)
        if known is None:
            known = self._factors[key] = Factors(symbol.terms, account.leverage, account.digits)
        return known

    def conversion(self, source: str, target: str) -> Conversion | None:
        """Return how a currency becomes another; `None` for the same. One that can't has no quote, ever."""
        if source == target:
            return None
        known = self._conversions.get((source, target))
        if known is None:
            found = route([symbol.terms for symbol in self.symbols.values()], source, target)
            steps = (
                None
                if found is None
                else tuple((self.symbols[step.symbol], step.is_inverse) for step in found)
            )
            known = self._conversions[source, target] = Conversion(steps)
        return known

    # Events.

    def set_account(self, terms: Account) -> None:
        """Take an account up or change its terms; its positions keep the margin they were opened with."""
        known = self.accounts.get(terms.login)
        if known is None:
            self.accounts[terms.login] = AccountBook(terms)
        else:
            known.terms = terms
            for group in known.groups.values():
                group.factors = self.factors(group.symbol, terms)
        self.events.append(AccountSet(terms))

    def put_position(self, position: Position) -> None:
        """Open a position, or put another record in its place."""
        ticket = position.ticket
        account, symbol = self.accounts[position.login], self.symbols[position.symbol]
        group = self.group(account, symbol)
        old = group.positions.get(ticket)
        group.positions[ticket] = self.positions[ticket] = position
        if old is None:
            if ticket >= self.next_ticket:
                self.next_ticket = ticket + 1
            account.positions_count += 1
            symbol.live += 1
            self._join(group)
        else:
            group.add(old, -1)
            self._carry(account, old, -1)
        group.add(position, 1)
        self._carry(account, position, 1)
        if old is None or old.margin != position.margin or old.is_buy != position.is_buy:
            self._remargin(group)
        group.revalue()
        self._watch_stops(symbol, position, old)
        self.events.append(PositionPut(position))

    def close_position(self, ticket: int) -> None:
        """Forget a position."""
        position = self.positions.pop(ticket)
        account, symbol = self.accounts[position.login], self.symbols[position.symbol]
        group = account.groups[position.symbol]
        del group.positions[ticket]
        account.positions_count -= 1
        symbol.live -= 1
        group.add(position, -1)
        self._carry(account, position, -1)
        if not group.positions:
            self._leave(group)
        self._remargin(group)
        group.revalue()
        self.events.append(PositionClosed(position.login, ticket))

    def put_order(self, order: Order) -> None:
        """Place a pending order, or put another record in its place."""
        account, symbol = self.accounts[order.login], self.symbols[order.symbol]
        old = account.orders.get(order.ticket)
        account.orders[order.ticket] = self.orders[order.ticket] = order
        if old is None:
            symbol.live += 1
            if order.ticket >= self.next_ticket:
                self.next_ticket = order.ticket + 1
        if old is None or (old.type, old.price) != (order.type, order.price):
            self._watch(symbol, WAY_OF_ORDER[order.type], order.price, order.ticket, ACTIVATION)
        if order.expires_ms and (old is None or old.expires_ms != order.expires_ms):
            self._expect(order)
        self.events.append(OrderPut(order))

    def finish_order(self, order: Order) -> None:
        """Move an order to the history; one that was never pending gets there directly."""
        account = self.accounts[order.login]
        if account.orders.pop(order.ticket, None) is not None:
            del self.orders[order.ticket]
            self.symbols[order.symbol].live -= 1
        elif order.ticket >= self.next_ticket:
            self.next_ticket = order.ticket + 1
        account.history_orders[order.ticket] = order
        self.events.append(OrderDone(order))

    def make_deal(self, deal: Deal) -> None:
        """Note a deal; its amounts are in the balance from now on."""
        account = self.accounts[deal.login]
        if deal.ticket >= self.next_deal:
            self.next_deal = deal.ticket + 1
        if deal.order >= self.next_ticket:
            self.next_ticket = (
                deal.order + 1
            )  # an operation on the balance, which MetaTrader 4 numbers as orders
        account.deals.append(deal)
        if deal.symbol or deal.type != CREDIT:
            account.balance += deal.profit + deal.swap + deal.commission
        else:
            account.credit += deal.profit
        self.events.append(DealMade(deal))

    def call_margin(self, login: int, *, is_called: bool) -> None:
        """Note that the margin call was reached or left."""
        self.accounts[login].is_called = is_called
        self.events.append(MarginCalled(login, is_called))

    def set_day_end(self, at_ms: int) -> None:
        """Note when the present day ends."""
        self.day_end_ms = at_ms
        self.events.append(DayEnds(at_ms))

    # Upkeep of what is derived.

    def _join(self, group: Group) -> None:
        login, symbol = group.account.terms.login, group.symbol
        symbol.groups[login] = group
        for other in _exchanged_at(group):
            if other is not symbol:
                other.dependents[login, symbol.terms.name] = group

    def _leave(self, group: Group) -> None:
        login, symbol = group.account.terms.login, group.symbol
        symbol.groups.pop(login, None)
        for other in _exchanged_at(group):
            if other is not symbol:
                other.dependents.pop((login, symbol.terms.name), None)

    def _remargin(self, group: Group) -> None:
        group.remargin()
        account = group.account
        if self.terms.stop_out_mode is StopOutMode.MONEY:
            account.danger = math.floor(self._call * 10**account.terms.digits)
        elif account.margin:
            account.danger = account.margin * self._call.numerator // (100 * self._call.denominator)
        else:
            account.danger = -1  # without margin, all hedged: only a debt is too much

    def _carry(self, account: AccountBook, position: Position, sign: int) -> None:
        account.carried += sign * (position.swap + (position.commission if self.terms.is_mt4 else 0))

    def _watch_stops(self, symbol: SymbolBook, position: Position, old: Position | None) -> None:
        is_new = old is None or old.is_buy != position.is_buy
        if position.sl and (is_new or (old is not None and old.sl != position.sl)):
            way = BID_FALLS if position.is_buy else ASK_RISES
            self._watch(symbol, way, position.sl, position.ticket, STOP_LOSS)
        if position.tp and (is_new or (old is not None and old.tp != position.tp)):
            way = BID_RISES if position.is_buy else ASK_FALLS
            self._watch(symbol, way, position.tp, position.ticket, TAKE_PROFIT)

    def _watch(self, symbol: SymbolBook, way: int, level: int, ticket: int, kind: int) -> None:
        heap = symbol.triggers[way]
        if len(heap) > _MIN_COMPACT and len(heap) > 4 * symbol.live:
            heap[:] = {entry for entry in heap if self.is_due(way, entry)}
            heapify(heap)
        heappush(heap, (SIGNS[way] * level, ticket, kind))

    def is_due(self, way: int, entry: tuple[int, int, int]) -> bool:
        """Tell whether a trigger still belongs to a position or an order as it is now."""
        signed, ticket, kind = entry
        level = SIGNS[way] * signed
        if kind == ACTIVATION:
            order = self.orders.get(ticket)
            return order is not None and order.price == level and WAY_OF_ORDER[order.type] == way
        position = self.positions.get(ticket)
        if position is None:
            return False
        if kind == STOP_LOSS:
            return position.sl == level and way == (BID_FALLS if position.is_buy else ASK_RISES)
        return position.tp == level and way == (BID_RISES if position.is_buy else ASK_FALLS)

    def next_trigger(self, symbol: SymbolBook) -> tuple[int, int] | None:
        """Take the next trigger that the symbol's quote fires: ticket and kind."""
        prices = (-symbol.bid, symbol.bid, symbol.ask, -symbol.ask)
        for way, heap in enumerate(symbol.triggers):
            while heap and heap[0][0] <= prices[way]:
                entry = heappop(heap)
                if self.is_due(way, entry):
                    return entry[1], entry[2]
        return None

    def watch_again(self, symbol: SymbolBook, ticket: int, kind: int) -> None:
        """Put back a trigger that could not be carried out yet."""
        if kind == ACTIVATION:
            order = self.orders[ticket]
            self._watch(symbol, WAY_OF_ORDER[order.type], order.price, ticket, kind)
            return
        position = self.positions[ticket]
        if kind == STOP_LOSS:
            way, level = BID_FALLS if position.is_buy else ASK_RISES, position.sl
        else:
            way, level = BID_RISES if position.is_buy else ASK_FALLS, position.tp
        self._watch(symbol, way, level, ticket, kind)

    def _expect(self, order: Order) -> None:
        heap = self.expirations
        if len(heap) > _MIN_COMPACT and len(heap) > 4 * len(self.orders):
            heap[:] = {(one.expires_ms, one.ticket) for one in self.orders.values() if one.expires_ms}
            heapify(heap)
        heappush(heap, (order.expires_ms, order.ticket))

    def next_expiration(self, until_ms: int) -> tuple[int, Order] | None:
        """Take the next order that expires up to a moment."""
        while self.expirations and self.expirations[0][0] <= until_ms:
            at_ms, ticket = heappop(self.expirations)
            order = self.orders.get(ticket)
            if order is not None and order.expires_ms == at_ms:
                return at_ms, order
        return None


def _exchanged_at(group: Group) -> Iterable[SymbolBook]:
    conversion = group.profit_conversion
    return (
        () if conversion is None or conversion.steps is None else [symbol for symbol, _ in conversion.steps]
    )
