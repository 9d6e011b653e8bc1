"""A client's trade request: from its text to an execution, or a refusal."""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from mtfleet.domain.symbols import ExecutionMode
from mtfleet.domain.trading import TradeAction, TradeRequest
from mtfleet.simulator.trading import checks
from mtfleet.simulator.trading.book import Book
from mtfleet.simulator.trading.execution import Done, Execution, Tag, can_afford
from mtfleet.simulator.trading.holdings import AccountBook, SymbolBook
from mtfleet.simulator.trading.levels import stops
from mtfleet.simulator.trading.money import rounded
from mtfleet.simulator.trading.pending import PendingOrders
from mtfleet.simulator.trading.records import (
    BUY,
    FOK,
    IOC,
    SELL,
    Cause,
    Position,
    Trade,
)
from mtfleet.simulator.trading.refusal import (
    DONE,
    DONE_PARTIAL,
    FIFO_CLOSE,
    HEDGE_PROHIBITED,
    INVALID,
    INVALID_ORDER,
    INVESTOR,
    LIMIT_ORDERS,
    LIMIT_POSITIONS,
    NO_CHANGES,
    NO_MONEY,
    ONLY_REAL,
    POSITION_CLOSED,
    POSITION_NOT_FOUND,
    PRICE_CHANGED,
    REJECT,
    REQUOTE,
    SERVER_DISABLES_AT,
    TOO_MANY_REQUESTS,
    TRADE_DISABLED,
    Refused,
)
from mtfleet.simulator.trading.terms import Allowed

_MAX_COMMENT: Final = 31
_MAX_TICKET_DIGITS: Final = 19
_MAX_MAGIC: Final = 2**63

NOTHING: Final = Done(0, 0, 0)
Result = tuple[int, Done, int, int]
"""Return code, numbers, volume and price."""
_Action = Callable[[Trade, AccountBook], Result]


def number_of(text: str | None) -> int:
    """Return a ticket; 0 for what can't be one."""
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > _MAX_TICKET_DIGITS:
        return 0
    return int(text)


class Intake:
    """Takes requests of clients. Raises `Refused` before anything has changed."""

    __slots__ = ("_actions", "_book", "_execution", "_pending")

    def __init__(self, book: Book, execution: Execution, pending: PendingOrders) -> None:
        self._book, self._execution, self._pending = book, execution, pending
        self._actions: dict[TradeAction, _Action] = {
            TradeAction.BUY: self._market,
            TradeAction.SELL: self._market,
            TradeAction.POSITION_MODIFY: self._modify_position,
            TradeAction.POSITION_PARTIAL: self._close_position,
            TradeAction.POSITION_CLOSE_ID: self._close_position,
            TradeAction.POSITIONS_CLOSE_SYMBOL: self._close_symbol,
            TradeAction.POSITION_CLOSE_BY: self._close_by,
            TradeAction.ORDER_MODIFY: self._modify_order,
            TradeAction.ORDER_CANCEL: self._cancel_order,
        }

    def take(self, trade: Trade) -> Result:
        """Carry a request out."""
        account = self._book.accounts.get(trade.login)
        if account is None:
            raise Refused(TRADE_DISABLED)
        self._admit(trade, account)
        if trade.fault is not None:
            raise Refused(trade.fault)
        return self._actions.get(trade.request.action_type, self._place_order)(trade, account)

    def _admit(self, trade: Trade, account: AccountBook) -> None:
        if trade.is_investor:
            raise Refused(INVESTOR)
        if not account.terms.can_trade:
            raise Refused(TRADE_DISABLED)
        if trade.cause == Cause.EXPERT and not account.terms.can_use_experts:
            raise Refused(SERVER_DISABLES_AT)
        limit = self._book.terms.max_requests_per_second
        if limit:
            second = self._book.now_ms // 1000
            if account.request_second != second:
                account.request_second, account.request_count = second, 0
            account.request_count += 1
            if account.request_count > limit:
                raise Refused(TOO_MANY_REQUESTS)

    def _symbol(self, trade: Trade, account: AccountBook) -> SymbolBook:
        symbol = self._book.symbols.get(trade.request.symbol or "")
        if symbol is None:
            raise Refused(INVALID)
        if symbol.terms.only_real and not account.terms.is_real:
            raise Refused(ONLY_REAL)
        return symbol

    def _market(self, trade: Trade, account: AccountBook) -> Result:
        request, symbol = trade.request, self._symbol(trade, account)
        terms, server = symbol.terms, self._book.terms
        is_buy = request.action_type is TradeAction.BUY
        group = self._book.group(account, symbol)
        against = checks.holds_against(group, is_buy=is_buy)
        is_netting = server.is_netting
        volume = checks.volume_of(terms, request.volume)
        is_reducing = is_netting and against and volume <= group.buy_volume + group.sell_volume
        checks.check_mode(terms, is_buy=is_buy, is_closing=is_reducing)
        checks.check_kind(terms, BUY if is_buy else SELL)
        checks.check_market(symbol, self._book.now_ms)
        filling = FOK if server.is_mt4 else checks.filling_of(terms, request.filling_modes)
        if against and server.prohibits_hedging and not is_netting:
            raise Refused(HEDGE_PROHIBITED)
        self._pending.check_volume_limit(group, volume, is_buy=is_buy)
        if not is_netting or not group.positions:
            self._check_count(account)
        price = self._price(trade, symbol, is_buy=is_buy)
        quote = symbol.ask if is_buy else symbol.bid
        sl, tp = stops(group, request, is_buy=is_buy, open_price=quote, volume=volume)
        checks.check_allowed_stops(terms, sl, tp)
        checks.check_stops(terms, sl, tp, symbol.bid if is_buy else symbol.ask, is_buy=is_buy)
        filled = self._liquid(symbol, volume, filling)
        if not can_afford(group, filled, price, is_buy=is_buy, is_netting=is_netting):
            raise Refused(NO_MONEY)
        order = self._execution.new_order(
            group, BUY if is_buy else SELL, volume, price, tag(trade), filling, (sl, tp)
        )
        done = self._execution.enter(group, order, filled, price)
        return DONE if filled == volume else DONE_PARTIAL, done, filled, price

    def _check_count(self, account: AccountBook) -> None:
        server = self._book.terms
        if server.max_positions and account.positions_count >= server.max_positions:
            raise Refused(LIMIT_POSITIONS)
        if server.is_mt4 and 0 < server.max_orders <= account.positions_count + len(account.orders):
            raise Refused(LIMIT_ORDERS)

    def _liquid(self, symbol: SymbolBook, volume: int, filling: int) -> int:
        """Return how much of a volume is filled at once."""
        terms = symbol.terms
        if not terms.liquidity or volume <= terms.liquidity or self._book.terms.is_mt4:
            return volume
        if filling == FOK:
            raise Refused(REJECT)
        part = terms.liquidity // terms.volume_step * terms.volume_step
        if filling == IOC and part < terms.min_volume:
            raise Refused(REJECT)
        return part if filling == IOC else volume

    def _price(self, trade: Trade, symbol: SymbolBook, *, is_buy: bool) -> int:
        """Return the price of an execution after what the broker's settings do to it."""
        terms = symbol.terms
        quote = symbol.ask if is_buy else symbol.bid
        price = quote
        if terms.rejects_per_mille and (trade.roll >> 16) % 1000 >= 1000 - terms.rejects_per_mille:
            raise Refused(REJECT)
        if terms.slippage:
            most = terms.slippage
            price += ((trade.roll + most) % (2 * most + 1) - most) * terms.tick_points
            if price <= 0:
                price = quote
        if terms.execution in (ExecutionMode.REQUEST, ExecutionMode.INSTANT):
            wanted = trade.request.slippage if trade.request.slippage is not None else trade.slippage
            seen = trade.seen_price
            expected = quote if seen is None else seen * symbol.scale
            if not abs(price - expected) <= max(wanted, 0) + 0.5:
                raise Refused(REQUOTE if terms.execution is ExecutionMode.INSTANT else PRICE_CHANGED)
        return price

    def _position(self, account: AccountBook, text: str | None) -> Position:
        ticket = number_of(text)
        position = self._book.positions.get(ticket)
        if position is None or position.login != account.terms.login:
            known = account.history_orders.get(ticket)
            if known is not None and self._book.terms.is_netting:
                group = account.groups.get(known.symbol)
                for held in group.positions.values() if group is not None else ():
                    if held.identifier == ticket:  # a reversal has given it another ticket
                        return held
            is_closed = known is not None and known.position == ticket
            raise Refused(POSITION_CLOSED if is_closed else POSITION_NOT_FOUND)
        return position

    def _modify_position(self, trade: Trade, account: AccountBook) -> Result:
        position = self._position(account, trade.request.position_id)
        symbol, group = self._book.symbols[position.symbol], account.groups[position.symbol]
        checks.check_mode(symbol.terms, is_buy=position.is_buy, is_closing=True)
        checks.check_market(symbol, self._book.now_ms)
        sl, tp = stops(
            group,
            trade.request,
            is_buy=position.is_buy,
            open_price=rounded(position.cost, position.volume),
            volume=position.volume,
            old=(position.sl, position.tp),
        )
        if (sl, tp) == (position.sl, position.tp):
            raise Refused(NO_CHANGES)
        checks.check_allowed_stops(symbol.terms, sl, tp)
        checks.check_position_frozen(symbol, position)
        base = symbol.bid if position.is_buy else symbol.ask
        changed = sl if sl != position.sl else 0, tp if tp != position.tp else 0
        checks.check_stops(symbol.terms, *changed, base, is_buy=position.is_buy)
        self._book.put_position(replace(position, sl=sl, tp=tp, updated_ms=self._book.now_ms))
        return DONE, Done(0, position.ticket, 0), position.volume, base

    def _close_position(self, trade: Trade, account: AccountBook) -> Result:
        position = self._position(account, trade.request.position_id)
        volume = position.volume
        if trade.request.action_type is TradeAction.POSITION_PARTIAL:
            terms = self._book.symbols[position.symbol].terms
            volume = checks.closing_volume_of(terms, position, trade.request.volume)
        return self._close(trade, account, position, volume)

    def _close(self, trade: Trade, account: AccountBook, position: Position, volume: int) -> Result:
        symbol, server = self._book.symbols[position.symbol], self._book.terms
        group = account.groups[position.symbol]
        checks.check_mode(symbol.terms, is_buy=position.is_buy, is_closing=True)
        checks.check_market(symbol, self._book.now_ms)
        filling = FOK if server.is_mt4 else checks.filling_of(symbol.terms, trade.request.filling_modes)
        checks.check_position_frozen(symbol, position)
        if server.closes_fifo and not server.is_netting:
            first = min(group.positions.values(), key=lambda one: (one.opened_ms, one.ticket))
            if first.ticket != position.ticket:
                raise Refused(FIFO_CLOSE)
        price = self._price(trade, symbol, is_buy=not position.is_buy)
        filled = self._liquid(symbol, volume, filling)
        done = self._execution.leave(group, position, filled, price, tag(trade), filling)
        return DONE if filled == volume else DONE_PARTIAL, done, filled, price

    def _close_symbol(self, trade: Trade, account: AccountBook) -> Result:
        symbol = self._symbol(trade, account)
        group = account.groups.get(symbol.terms.name)
        if group is None or not group.positions:
            raise Refused(POSITION_NOT_FOUND)
        result: Result | None = None
        failure: Refused | None = None
        for position in list(group.positions.values()):
            try:
                closed = self._close(trade, account, position, position.volume)
            except Refused as refused:
                failure = failure or refused
            else:
                result = result or closed
        if failure is not None and result is None:
            raise failure
        if result is None:
            raise Refused(POSITION_NOT_FOUND)
        return (failure.code, *result[1:]) if failure is not None else result

    def _close_by(self, trade: Trade, account: AccountBook) -> Result:
        position = self._position(account, trade.request.position_id)
        other = self._position(account, trade.request.close_by_position_id)
        symbol = self._book.symbols[position.symbol]
        if self._book.terms.is_netting or other.symbol != position.symbol or other.is_buy == position.is_buy:
            raise Refused(INVALID)
        if Allowed.CLOSE_BY not in symbol.terms.allowed:
            raise Refused(INVALID_ORDER)
        checks.check_mode(symbol.terms, is_buy=position.is_buy, is_closing=True)
        checks.check_market(symbol, self._book.now_ms)
        checks.check_position_frozen(symbol, position)
        checks.check_position_frozen(symbol, other)
        volume = min(position.volume, other.volume)
        done = self._execution.close_by(account.groups[position.symbol], position, other, tag(trade))
        return DONE, done, volume, 0

    def _place_order(self, trade: Trade, account: AccountBook) -> Result:
        order = self._pending.place(trade, account, self._symbol(trade, account), tag(trade))
        return DONE, Done(order.ticket, 0, 0), order.volume, order.price

    def _modify_order(self, trade: Trade, account: AccountBook) -> Result:
        order = self._pending.modify(account, number_of(trade.request.order_id), trade.request)
        return DONE, Done(order.ticket, 0, 0), order.volume, order.price

    def _cancel_order(self, trade: Trade, account: AccountBook) -> Result:
        order = self._pending.cancel(account, number_of(trade.request.order_id))
        return DONE, Done(order.ticket, 0, 0), order.volume, order.price


def tag(trade: Trade) -> Tag:
    """Return what a request's orders and deals carry."""
    request: TradeRequest = trade.request
    magic = trade.magic if request.magic is None else request.magic
    if not -_MAX_MAGIC <= magic < _MAX_MAGIC:
        raise Refused(INVALID)
    return Tag(
        magic,
        _text(request.comment),
        _text(request.client_id),
        trade.cause,
    )


def _text(text: str | None) -> str:
    """Return what a broker keeps of a text: its beginning, without what is no character."""
    if not text:
        return ""
    text = text[:_MAX_COMMENT]
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
