"""Pending orders: placing, changing, cancelling, expiring, and what happens when the price reaches them."""

from typing import Final

from msgspec.structs import replace

from mtfleet.domain.trading import Expiration, ExpirationType, StopUnits, TradeAction, TradeRequest
from mtfleet.simulator.trading import checks
from mtfleet.simulator.trading.book import Book
from mtfleet.simulator.trading.daytime import day_end, last_second, milliseconds
from mtfleet.simulator.trading.execution import Execution, Tag, can_afford
from mtfleet.simulator.trading.holdings import AccountBook, Group, SymbolBook
from mtfleet.simulator.trading.levels import level, stops
from mtfleet.simulator.trading.records import (
    BUY,
    BUY_LIMIT,
    BUY_STOP,
    BUY_STOP_LIMIT,
    CANCELED,
    DAY,
    EXPIRED,
    GTC,
    PLACED,
    RETURN,
    SELL,
    SELL_LIMIT,
    SELL_STOP,
    SELL_STOP_LIMIT,
    SPECIFIED,
    SPECIFIED_DAY,
    Order,
    Trade,
)
from mtfleet.simulator.trading.refusal import (
    HEDGE_PROHIBITED,
    INVALID_EXPIRATION,
    INVALID_PRICE,
    LIMIT_ORDERS,
    LIMIT_VOLUME,
    NO_CHANGES,
    NOT_SUPPORTED,
    ORDER_CHANGED,
    ORDER_NOT_FOUND,
    PRICE_OFF,
    Refused,
)
from mtfleet.simulator.trading.terms import Allowed

_KINDS: Final = {
    TradeAction.BUY_LIMIT: BUY_LIMIT,
    TradeAction.SELL_LIMIT: SELL_LIMIT,
    TradeAction.BUY_STOP: BUY_STOP,
    TradeAction.SELL_STOP: SELL_STOP,
    TradeAction.BUY_STOP_LIMIT: BUY_STOP_LIMIT,
    TradeAction.SELL_STOP_LIMIT: SELL_STOP_LIMIT,
}
_GTC: Final = Expiration(type=ExpirationType.GTC)
_STOP_LIMITS: Final = (BUY_STOP_LIMIT, SELL_STOP_LIMIT)
_EXPIRATIONS: Final = {
    ExpirationType.GTC: (GTC, Allowed.GTC),
    ExpirationType.DAY: (DAY, Allowed.DAY),
    ExpirationType.SPECIFIED: (SPECIFIED, Allowed.SPECIFIED),
    ExpirationType.SPECIFIED_DAY: (SPECIFIED_DAY, Allowed.SPECIFIED_DAY),
}
_LIMIT_OF_STOP_LIMIT: Final = {BUY_STOP_LIMIT: BUY_LIMIT, SELL_STOP_LIMIT: SELL_LIMIT}


class PendingOrders:
    """The pending orders of a desk. Raises `Refused` before anything has changed."""

    __slots__ = ("_book", "_execution")

    def __init__(self, book: Book, execution: Execution) -> None:
        self._book, self._execution = book, execution

    def place(self, trade: Trade, account: AccountBook, symbol: SymbolBook, tag: Tag) -> Order:
        """Place an order."""
        request, terms, server = trade.request, symbol.terms, self._book.terms
        kind = _KINDS[request.action_type]
        is_buy = not kind & 1
        if server.is_mt4 and kind in _STOP_LIMITS:
            raise Refused(NOT_SUPPORTED)
        volume = checks.volume_of(terms, request.volume)
        group = self._book.group(account, symbol)
        checks.check_mode(terms, is_buy=is_buy, is_closing=False)
        checks.check_kind(terms, kind)
        checks.check_market(symbol, self._book.now_ms)
        if server.prohibits_hedging and not server.is_netting and checks.holds_against(group, is_buy=is_buy):
            raise Refused(HEDGE_PROHIBITED)
        waiting = len(account.orders) + (account.positions_count if server.is_mt4 else 0)
        if server.max_orders and waiting >= server.max_orders:
            raise Refused(LIMIT_ORDERS)
        self.check_volume_limit(group, volume, is_buy=is_buy)
        price, stop_limit = self._prices(group, request, kind, volume)
        if not price or (kind in _STOP_LIMITS and not stop_limit):
            raise Refused(INVALID_PRICE)
        checks.check_pending_price(symbol, kind, price, stop_limit)
        sl, tp = self._stops(group, request, kind, price, stop_limit, volume, (0, 0))
        expiration, expires_ms = self._expiration(request.expiration or _GTC, symbol)
        order = replace(
            self._execution.new_order(group, kind, volume, price, tag, RETURN, (sl, tp)),
            state=PLACED,
            stop_limit=stop_limit,
            expiration=expiration,
            expires_ms=expires_ms,
        )
        self._book.put_order(order)
        return order

    def modify(self, account: AccountBook, ticket: int, request: TradeRequest) -> Order:
        """Change prices, stops and expiration; an absent price or expiration stays, an absent stop goes."""
        order = self._pending(account, ticket)
        symbol = self._book.symbols[order.symbol]
        group = self._book.group(account, symbol)
        checks.check_mode(symbol.terms, is_buy=not order.type & 1, is_closing=True)
        checks.check_market(symbol, self._book.now_ms)
        price, stop_limit = self._prices(group, request, order.type, order.volume)
        price = price or order.price
        stop_limit = (stop_limit or order.stop_limit) if order.type in _STOP_LIMITS else 0
        old = order.sl, order.tp
        sl, tp = self._stops(group, request, order.type, price, stop_limit, order.volume, old)
        expiration, expires_ms = order.expiration, order.expires_ms
        if request.expiration is not None:
            expiration, expires_ms = self._expiration(request.expiration, symbol)
        changed = replace(
            order,
            price=price,
            stop_limit=stop_limit,
            sl=sl,
            tp=tp,
            expiration=expiration,
            expires_ms=expires_ms,
        )
        if changed == order:
            raise Refused(NO_CHANGES)
        checks.check_order_frozen(symbol, order)
        if (price, stop_limit) != (order.price, order.stop_limit):
            checks.check_pending_price(symbol, order.type, price, stop_limit)
        self._book.put_order(changed)
        return changed

    def cancel(self, account: AccountBook, ticket: int) -> Order:
        """Delete an order at the wish of its owner."""
        order = self._pending(account, ticket)
        symbol = self._book.symbols[order.symbol]
        checks.check_market(symbol, self._book.now_ms)
        checks.check_order_frozen(symbol, order)
        return self._end(order, CANCELED, "")

    def expire(self, order: Order) -> None:
        """End an order whose time has come."""
        self._end(order, EXPIRED, "expiration" if self._book.terms.is_mt4 else "")

    def activate(self, ticket: int) -> None:
        """Do what an order waited for: fill it, or let a limit order take the place of a stop-limit order.

        Raises `Refused` when a quote is missing to exchange money at; the order stays.
        """
        order = self._book.orders[ticket]
        if order.type in _STOP_LIMITS:
            kind = _LIMIT_OF_STOP_LIMIT[order.type]
            self._book.put_order(replace(order, type=kind, price=order.stop_limit, stop_limit=0))
            return
        account, symbol = self._book.accounts[order.login], self._book.symbols[order.symbol]
        group = self._book.group(account, symbol)
        is_buy = not order.type & 1
        price = symbol.ask if is_buy else symbol.bid
        server = self._book.terms
        problem = ""
        try:
            checks.check_mode(symbol.terms, is_buy=is_buy, is_closing=False)
            if (
                server.max_positions
                and account.positions_count >= server.max_positions
                and not (server.is_netting and group.positions)
            ):
                problem = "too many positions"
            elif (
                server.prohibits_hedging
                and not server.is_netting
                and checks.holds_against(group, is_buy=is_buy)
            ):
                problem = "hedge is prohibited"
            elif not can_afford(group, order.volume, price, is_buy=is_buy, is_netting=server.is_netting):
                problem = "no money"
        except Refused as refused:
            if refused.code == PRICE_OFF:
                raise
            problem = "trade is not possible"
        if problem:
            self._end(order, CANCELED, f"deleted [{problem}]" if server.is_mt4 else f"[{problem}]")
            return
        if server.is_mt4:
            order = replace(order, type=BUY if is_buy else SELL, price=price)
        self._execution.enter(group, order, order.volume, price)

    def check_volume_limit(self, group: Group, volume: int, *, is_buy: bool) -> None:
        """Refuse more volume in one direction than the symbol allows, open and pending together."""
        limit = group.symbol.terms.volume_limit
        if not limit:
            return
        name, side = group.symbol.terms.name, 0 if is_buy else 1
        waiting = sum(
            order.volume
            for order in group.account.orders.values()
            if order.symbol == name and order.type & 1 == side
        )
        held = group.buy_volume if is_buy else group.sell_volume
        if self._book.terms.is_netting:
            held -= group.sell_volume if is_buy else group.buy_volume
        if held + waiting + volume > limit:
            raise Refused(LIMIT_VOLUME)

    def _pending(self, account: AccountBook, ticket: int) -> Order:
        order = account.orders.get(ticket)
        if order is None:
            raise Refused(ORDER_CHANGED if ticket in account.history_orders else ORDER_NOT_FOUND)
        return order

    def _end(self, order: Order, state: int, text: str) -> Order:
        ended = replace(order, state=state, done_ms=self._book.now_ms, text=text or order.text)
        self._book.finish_order(ended)
        return ended

    def _prices(self, group: Group, request: TradeRequest, kind: int, volume: int) -> tuple[int, int]:
        """Return the order's price and that of the limit order that follows a stop; 0 where it has none."""
        symbol = group.symbol
        is_buy = not kind & 1
        base = symbol.ask if is_buy else symbol.bid
        sign = -1 if kind in (BUY_LIMIT, SELL_STOP, SELL_STOP_LIMIT) else 1
        units = request.open_price_units
        price = level(group, request.open_price, units, base, sign, volume, INVALID_PRICE)
        stop_limit = 0
        if kind in _STOP_LIMITS:
            stop_limit = level(
                group,
                request.stop_limit_price,
                request.stop_limit_price_units or StopUnits.ABSOLUTE_PRICE,
                price or base,
                -1 if is_buy else 1,
                volume,
                INVALID_PRICE,
            )
        return price, stop_limit

    def _stops(
        self,
        group: Group,
        request: TradeRequest,
        kind: int,
        price: int,
        stop_limit: int,
        volume: int,
        old: tuple[int, int],
    ) -> tuple[int, int]:
        is_buy = not kind & 1
        opens_at = stop_limit or price
        sl, tp = stops(group, request, is_buy=is_buy, open_price=opens_at, volume=volume, old=old)
        terms = group.symbol.terms
        checks.check_allowed_stops(terms, sl, tp)
        checks.check_stops(terms, sl, tp, opens_at, is_buy=is_buy)
        return sl, tp

    def _expiration(self, wanted: Expiration, symbol: SymbolBook) -> tuple[int, int]:
        """Return the type of an expiration and its moment."""
        kind, allowed = _EXPIRATIONS[wanted.type]
        server, now = self._book.terms, self._book.now_ms
        if allowed not in symbol.terms.allowed or (server.is_mt4 and kind in (DAY, SPECIFIED_DAY)):
            raise Refused(INVALID_EXPIRATION)
        if kind == GTC:
            return kind, 0
        if kind == DAY:
            return kind, day_end(server.clock, now)
        if wanted.expires_at is None:
            raise Refused(INVALID_EXPIRATION)
        if kind == SPECIFIED:
            expires_ms = milliseconds(wanted.expires_at)
        else:
            try:
                expires_ms = last_second(server.clock, wanted.expires_at)
            except (OverflowError, ValueError):
                raise Refused(INVALID_EXPIRATION) from None
        if expires_ms <= now + server.min_expiration_seconds * 1000:
            raise Refused(INVALID_EXPIRATION)
        return kind, expires_ms
