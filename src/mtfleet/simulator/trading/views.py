"""A desk's records as the API shows them: prices and money as numbers, moments as times, numbers as names."""

from fractions import Fraction
from typing import Final, NamedTuple

from mtfleet.domain.accounts import Platform
from mtfleet.domain.ids import Symbol
from mtfleet.domain.market import format_broker_time
from mtfleet.domain.returncodes import trade_result
from mtfleet.domain.trading import (
    Deal,
    DealEntry,
    DealType,
    ExpirationType,
    Order,
    OrderFilling,
    OrderState,
    OrderType,
    Position,
    PositionType,
    TradeResult,
)
from mtfleet.domain.values import Instant
from mtfleet.simulator.trading import records
from mtfleet.simulator.trading.book import Book
from mtfleet.simulator.trading.daytime import moment, wall_at
from mtfleet.simulator.trading.holdings import SAME, AccountBook, Group
from mtfleet.simulator.trading.records import OUT, Answered, Cause, broker_text
from mtfleet.simulator.trading.terms import VOLUME_SCALE

_TYPES: Final = tuple(OrderType)
_STATES: Final = tuple(OrderState)
_FILLINGS: Final = tuple(OrderFilling)
_EXPIRATIONS: Final = tuple(ExpirationType)
_ENTRIES: Final = tuple(DealEntry)
_DEALS: Final = tuple(DealType)


class Money(NamedTuple):
    """What an account has; `level` is in percent, `None` without margin."""

    balance: float
    credit: float
    equity: float
    margin: float
    free: float
    level: float | None


class Views:
    """Shows what a desk keeps."""

    __slots__ = ("_book", "_platform")

    def __init__(self, book: Book) -> None:
        self._book = book
        self._platform = Platform.MT4 if book.terms.is_mt4 else Platform.MT5

    def money(self, account: AccountBook) -> Money:
        """Return the account's sums at the newest quotes."""
        unit, equity, margin = 10**account.terms.digits, account.equity, account.margin
        return Money(
            account.balance / unit,
            account.credit / unit,
            equity / unit,
            margin / unit,
            (equity - margin) / unit,
            100 * equity / margin if margin else None,
        )

    def result(self, answer: Answered) -> TradeResult:
        """Return the answer to a request."""
        return trade_result(
            answer.code,
            self._platform,
            order_id=str(answer.order) if answer.order else None,
            position_id=str(answer.position) if answer.position else None,
        )

    def position(self, position: records.Position) -> Position:
        """Return an open position with its profit at the newest quote."""
        account = self._book.accounts[position.login]
        symbol, group = self._book.symbols[position.symbol], account.groups[position.symbol]
        unit, scale = 10**account.terms.digits, symbol.scale
        current = symbol.bid if position.is_buy else symbol.ask
        raw = current * position.volume - position.cost
        profit = group.profit_of(raw if position.is_buy else -raw) or 0
        return Position(
            id=str(position.ticket),
            type=PositionType.BUY if position.is_buy else PositionType.SELL,
            symbol=Symbol(position.symbol),
            magic=position.magic,
            opened_at=_instant(position.opened_ms),
            broker_time=self._wall(position.opened_ms),
            updated_at=_instant(position.updated_ms),
            open_price=position.cost / (position.volume * scale),
            current_price=current / scale,
            current_tick_value=tick_value(group, is_gain=profit >= 0),
            stop_loss=position.sl / scale if position.sl else None,
            take_profit=position.tp / scale if position.tp else None,
            volume=position.volume / VOLUME_SCALE,
            profit=(profit + position.realized_profit) / unit,
            realized_profit=position.realized_profit / unit,
            unrealized_profit=profit / unit,
            commission=(position.commission + position.realized_commission) / unit,
            realized_commission=position.realized_commission / unit,
            unrealized_commission=position.commission / unit,
            swap=(position.swap + position.realized_swap) / unit,
            realized_swap=position.realized_swap / unit,
            unrealized_swap=position.swap / unit,
            comment=position.comment or None,
            client_id=position.client_id or None,
            broker_comment=broker_text(position) or None,
            reason=_reason("POSITION", position.cause, Cause.EXPERT),
        )

    def order(self, order: records.Order) -> Order:
        """Return an order, pending or of the history."""
        symbol = self._book.symbols[order.symbol]
        scale, done = symbol.scale, order.done_ms
        current = symbol.bid if order.type & 1 else symbol.ask
        return Order(
            id=str(order.ticket),
            type=_TYPES[order.type],
            state=_STATES[order.state],
            magic=order.magic,
            placed_at=_instant(order.placed_ms),
            broker_time=self._wall(order.placed_ms),
            done_at=_instant(done) if done else None,
            done_broker_time=self._wall(done) if done else None,
            symbol=Symbol(order.symbol),
            open_price=order.price / scale if order.price else None,
            stop_limit_price=order.stop_limit / scale if order.stop_limit else None,
            current_price=None if done else current / scale,
            stop_loss=order.sl / scale if order.sl else None,
            take_profit=order.tp / scale if order.tp else None,
            volume=order.volume / VOLUME_SCALE,
            current_volume=order.current_volume / VOLUME_SCALE,
            position_id=str(order.position) if order.position else None,
            platform=self._platform,
            comment=order.comment or None,
            client_id=order.client_id or None,
            broker_comment=broker_text(order) or None,
            reason=_reason("ORDER", order.cause, Cause.SO),
            filling_mode=_FILLINGS[order.filling],
            expiration_type=_EXPIRATIONS[order.expiration],
            expires_at=_instant(order.expires_ms) if order.expires_ms else None,
            close_by_position_id=str(order.by_position) if order.by_position else None,
        )

    def deal(self, deal: records.Deal) -> Deal:
        """Return a deal."""
        unit = 10 ** self._book.accounts[deal.login].terms.digits
        if not deal.symbol:
            return Deal(
                id=self.deal_id(deal),
                type=_DEALS[deal.type],
                made_at=_instant(deal.made_ms),
                broker_time=self._wall(deal.made_ms),
                profit=deal.profit / unit,
                comment=deal.comment or None,
                broker_comment=broker_text(deal) or None,
                platform=self._platform,
            )
        scale = self._book.symbols[deal.symbol].scale
        return Deal(
            id=self.deal_id(deal),
            type=_DEALS[deal.type],
            entry_type=_ENTRIES[deal.entry],
            symbol=Symbol(deal.symbol),
            magic=deal.magic,
            made_at=_instant(deal.made_ms),
            broker_time=self._wall(deal.made_ms),
            volume=deal.volume / VOLUME_SCALE,
            price=deal.price / scale,
            commission=deal.commission / unit,
            swap=deal.swap / unit,
            profit=deal.profit / unit,
            position_id=str(deal.position),
            order_id=str(deal.order),
            comment=deal.comment or None,
            client_id=deal.client_id or None,
            broker_comment=broker_text(deal) or None,
            platform=self._platform,
            reason=_reason("DEAL", deal.cause, Cause.ROLLOVER),
            stop_loss=deal.sl / scale if deal.sl else None,
            take_profit=deal.tp / scale if deal.tp else None,
        )

    def deal_id(self, deal: records.Deal) -> str:
        """Return a deal's id.

        MetaTrader 4 has no deals: the opening one has the order's number, the closing one that and a mark.
        """
        if not self._book.terms.is_mt4:
            return str(deal.ticket)
        return f"{deal.order}-out" if deal.entry == OUT else str(deal.order)

    def _wall(self, at_ms: int) -> str:
        return format_broker_time(wall_at(self._book.terms.clock, at_ms))


def tick_value(group: Group, *, is_gain: bool) -> float:
    """Return what one tick of one lot is worth in the account's currency; 0 without quotes."""
    conversion = group.profit_conversion
    rate = SAME if conversion is None else conversion.rate(at_bid=is_gain)
    if rate is None:
        return 0.0
    numerator, denominator = group.factors.point
    units = group.symbol.terms.tick_points * VOLUME_SCALE
    money = Fraction(units * numerator * rate[0], denominator * rate[1] * 10**group.account.terms.digits)
    return float(money)


def _instant(at_ms: int) -> Instant:
    return Instant.of(moment(at_ms))


def _reason(what: str, cause: int, last: Cause) -> str:
    return f"{what}_REASON_{Cause(cause).name if cause <= last else 'UNKNOWN'}"
