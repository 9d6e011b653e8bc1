"""What an execution does to positions, orders, deals and balance, on each of the three platforms."""

from typing import Final, NamedTuple

from msgspec.structs import replace

from mtfleet.simulator.trading.book import Book
from mtfleet.simulator.trading.holdings import SAME, Group
from mtfleet.simulator.trading.money import MICRO, rounded
from mtfleet.simulator.trading.records import (
    BUY,
    CLOSE_BY,
    FILLED,
    GTC,
    IN,
    INOUT,
    OUT,
    OUT_BY,
    PARTIAL,
    SELL,
    Deal,
    Order,
    Position,
)
from mtfleet.simulator.trading.refusal import LIMIT_VOLUME, PRICE_OFF, Refused


class Tag(NamedTuple):
    """What orders and deals carry to say whose they are and why."""

    magic: int
    comment: str
    client_id: str
    cause: int
    text: str = ""
    """What the broker writes over the comment."""


class Done(NamedTuple):
    """What an execution has made: numbers of order, position and deal."""

    order: int
    position: int
    deal: int


_MOST: Final = 2**62
"""No sum grows beyond what a journal can hold in 64 bits."""


def tag_of(record: Position | Order, cause: int, text: str) -> Tag:
    """Return the tag of what the server itself does with a position or an order."""
    return Tag(record.magic, record.comment, record.client_id, cause, text)


def margin_needed(group: Group, volume: int, price: int, *, is_buy: bool) -> int:
    """Return what a volume needs by itself, at the present exchange rate. Raises `Refused` without one."""
    conversion = group.margin_conversion
    rate = SAME if conversion is None else conversion.rate(at_bid=not is_buy)
    if rate is None:
        raise Refused(PRICE_OFF)
    return group.factors.margin(volume, price, rate, is_buy=is_buy)


def can_afford(group: Group, volume: int, price: int, *, is_buy: bool, is_netting: bool) -> bool:
    """Tell whether the free margin suffices. Raises `Refused` when it is not known for lack of quotes."""
    account = group.account
    needed = margin_needed(group, volume, price, is_buy=is_buy)
    if account.unvalued:
        raise Refused(PRICE_OFF)
    if group.buy_cost + group.sell_cost + volume * price > _MOST or account.margin * MICRO + needed > _MOST:
        raise Refused(LIMIT_VOLUME)
    buy, sell = group.buy_volume, group.sell_volume
    buy_margin, sell_margin = group.buy_margin, group.sell_margin
    against = sell if is_buy else buy
    if is_netting and against:
        rest = volume - against
        after = 0 if rest <= 0 else group.factors.margin_of_legs(rest, needed * rest // volume, 0, 0)
    elif is_buy:
        after = group.factors.margin_of_legs(buy + volume, buy_margin + needed, sell, sell_margin)
    else:
        after = group.factors.margin_of_legs(buy, buy_margin, sell + volume, sell_margin + needed)
    if after <= group.margin:
        return True
    commission = group.factors.commission_of(volume)
    return account.equity + commission >= account.margin - group.margin + after


class Execution:
    """Carries executions out. Everything has been checked before."""

    __slots__ = ("_book", "_is_mt4", "_is_netting")

    def __init__(self, book: Book) -> None:
        self._book = book
        self._is_mt4, self._is_netting = book.terms.is_mt4, book.terms.is_netting

    def enter(self, group: Group, order: Order, volume: int, price: int) -> Done:
        """Fill `volume` of an order that opens or, with netting, adds to, reduces or reverses a position."""
        if self._is_netting and group.positions:
            (position,) = group.positions.values()
            if position.is_buy == order.type & 1:
                return self._net(group, position, order, volume, price)
            return self._extend(group, position, order, volume, price)
        ticket = order.ticket
        is_buy = not order.type & 1
        margin = margin_needed(group, volume, price, is_buy=is_buy)
        commission = self._entry_commission(group, volume)
        self._finish(order, volume, ticket)
        deal = self._deal(order, ticket, IN, volume, price, commission=0 if self._is_mt4 else commission)
        self._book.put_position(
            Position(
                ticket,
                ticket,
                order.login,
                order.symbol,
                is_buy,
                volume,
                price * volume,
                order.sl,
                order.tp,
                margin,
                0,
                commission,
                0,
                0,
                0,
                self._book.now_ms,
                self._book.now_ms,
                order.magic,
                order.comment,
                order.client_id,
                order.text,
                order.cause,
            )
        )
        return Done(ticket, ticket, deal)

    def leave(
        self, group: Group, position: Position, volume: int, price: int, tag: Tag, filling: int
    ) -> Done:
        """Close `volume` of a position at a price."""
        if self._is_mt4:
            return self._leave_mt4(group, position, volume, price, tag, None)
        order = self.new_order(group, SELL if position.is_buy else BUY, volume, price, tag, filling)
        rest, profit, swap, commission = self._part(group, position, volume, price)
        self._finish(order, volume, position.identifier)
        deal = self._deal(
            order,
            position.identifier,
            OUT,
            volume,
            price,
            profit=profit,
            swap=swap,
            commission=commission,
            stops=position,
        )
        self._settle(position, rest)
        return Done(order.ticket, position.identifier, deal)

    def close_by(self, group: Group, position: Position, other: Position, tag: Tag) -> Done:
        """Close two opposite positions against each other, as far as the smaller one reaches.

        Each closes at the other's open price. The first one's deal carries the profit of both.
        """
        volume = min(position.volume, other.volume)
        price, other_price = self._price(other), self._price(position)
        if self._is_mt4:
            named = tag._replace(text=f"close hedge by #{position.ticket}")
            done = self._leave_mt4(group, position, volume, price, tag, None)
            self._leave_mt4(group, other, volume, other_price, named, 0)
            return done
        order = replace(
            self.new_order(group, CLOSE_BY, volume, price, tag, 0),
            by_position=other.identifier,
        )
        rest, profit, swap, commission = self._part(group, position, volume, price)
        other_rest, _, other_swap, other_commission = self._part(group, other, volume, other_price, profit=0)
        self._finish(order, volume, position.identifier)
        sides = replace(order, type=SELL if position.is_buy else BUY)
        deal = self._deal(
            sides,
            position.identifier,
            OUT_BY,
            volume,
            price,
            profit=profit,
            swap=swap,
            commission=commission,
            stops=position,
        )
        self._deal(
            replace(sides, type=BUY if position.is_buy else SELL),
            other.identifier,
            OUT_BY,
            volume,
            other_price,
            swap=other_swap,
            commission=other_commission,
            stops=other,
        )
        self._settle(position, rest)
        self._settle(other, other_rest)
        return Done(order.ticket, position.identifier, deal)

    def new_order(
        self,
        group: Group,
        kind: int,
        volume: int,
        price: int,
        tag: Tag,
        filling: int,
        stops: tuple[int, int] = (0, 0),
    ) -> Order:
        """Return a market order with the next number; it is not in the book yet."""
        sl, tp = stops
        now = self._book.now_ms
        return Order(
            self._book.next_ticket,
            group.account.terms.login,
            group.symbol.terms.name,
            kind,
            FILLED,
            price,
            0,
            sl,
            tp,
            volume,
            volume,
            filling,
            GTC,
            0,
            now,
            0,
            0,
            0,
            tag.magic,
            tag.comment,
            tag.client_id,
            tag.text,
            tag.cause,
        )

    def _extend(self, group: Group, position: Position, order: Order, volume: int, price: int) -> Done:
        commission = self._entry_commission(group, volume)
        margin = margin_needed(group, volume, price, is_buy=position.is_buy)
        self._finish(order, volume, position.identifier)
        deal = self._deal(order, position.identifier, IN, volume, price, commission=commission)
        self._book.put_position(
            replace(
                position,
                volume=position.volume + volume,
                cost=position.cost + price * volume,
                margin=position.margin + margin,
                commission=position.commission + commission,
                sl=order.sl or position.sl,
                tp=order.tp or position.tp,
                updated_ms=self._book.now_ms,
            )
        )
        return Done(order.ticket, position.identifier, deal)

    def _net(self, group: Group, position: Position, order: Order, volume: int, price: int) -> Done:
        identifier = position.identifier
        closed = min(volume, position.volume)
        rest, profit, swap, commission = self._part(group, position, closed, price)
        if volume <= position.volume:
            self._finish(order, volume, identifier)
            deal = self._deal(
                order,
                identifier,
                OUT,
                volume,
                price,
                profit=profit,
                swap=swap,
                commission=commission,
                stops=position,
            )
            self._settle(position, rest)
            return Done(order.ticket, identifier, deal)
        return self._reverse(group, rest, order, volume, price, (profit, swap, commission))

    def _reverse(
        self, group: Group, rest: Position, order: Order, volume: int, price: int, made: tuple[int, int, int]
    ) -> Done:
        """Go beyond a position of which nothing is left, with one deal for both."""
        profit, swap, commission = made
        identifier, is_buy = rest.identifier, not rest.is_buy
        beyond = volume - group.buy_volume - group.sell_volume
        entry_commission = self._entry_commission(group, beyond)
        margin = margin_needed(group, beyond, price, is_buy=is_buy)
        self._finish(order, volume, identifier)
        deal = self._deal(
            order,
            identifier,
            INOUT,
            volume,
            price,
            profit=profit,
            swap=swap,
            commission=commission + entry_commission,
        )
        self._book.close_position(rest.ticket)
        self._book.put_position(
            replace(
                rest,
                ticket=order.ticket,
                is_buy=is_buy,
                volume=beyond,
                cost=price * beyond,
                sl=order.sl,
                tp=order.tp,
                margin=margin,
                commission=entry_commission,
                magic=order.magic,
                comment=order.comment,
                client_id=order.client_id,
                text=order.text,
            )
        )
        return Done(order.ticket, identifier, deal)

    def _leave_mt4(
        self, group: Group, position: Position, volume: int, price: int, tag: Tag, profit: int | None
    ) -> Done:
        """Close without an order of its own; what stays open goes on under a new number."""
        book, ticket = self._book, position.ticket
        rest, made, swap, commission = self._part(group, position, volume, price, profit=profit)
        entered = group.account.history_orders[ticket]
        text = tag.text or (f"to #{book.next_ticket}" if rest.volume else entered.text)
        if text != entered.text:
            book.finish_order(replace(entered, text=text))
        deal = self._deal(
            replace(entered, type=SELL if position.is_buy else BUY, cause=tag.cause, text=text),
            ticket,
            OUT,
            volume,
            price,
            profit=made,
            swap=swap,
            commission=commission,
            stops=position,
        )
        book.close_position(ticket)
        if rest.volume:
            self._go_on_mt4(entered, rest)
        return Done(ticket, ticket, deal)

    def _go_on_mt4(self, entered: Order, rest: Position) -> None:
        """Let what is left of a closed trade go on under the next number."""
        ticket, text = self._book.next_ticket, f"from #{rest.ticket}"
        self._book.finish_order(
            replace(
                entered,
                ticket=ticket,
                position=ticket,
                volume=rest.volume,
                sl=rest.sl,
                tp=rest.tp,
                text=text,
            )
        )
        self._book.put_position(
            replace(
                rest,
                ticket=ticket,
                identifier=ticket,
                text=text,
                realized_profit=0,
                realized_swap=0,
                realized_commission=0,
            )
        )

    def _part(
        self, group: Group, position: Position, volume: int, price: int, profit: int | None = None
    ) -> tuple[Position, int, int, int]:
        """Return what is left of a position and the profit, swap and commission that a deal realises."""
        whole = position.volume
        is_all = volume == whole
        cost = position.cost if is_all else rounded(position.cost * volume, whole)
        swap = position.swap if is_all else rounded(position.swap * volume, whole)
        entry = position.commission if is_all else rounded(position.commission * volume, whole)
        if profit is None:
            profit = group.profit_of(price * volume - cost if position.is_buy else cost - price * volume)
            if profit is None:
                raise Refused(PRICE_OFF)
        if self._is_mt4:
            commission, realized = entry, entry
        else:
            commission = self._exit_commission(group, volume)
            realized = entry + commission
        rest = replace(
            position,
            volume=whole - volume,
            cost=position.cost - cost,
            margin=0 if is_all else position.margin - rounded(position.margin * volume, whole),
            swap=position.swap - swap,
            commission=position.commission - entry,
            realized_profit=position.realized_profit + profit + swap + realized,
            realized_swap=position.realized_swap + swap,
            realized_commission=position.realized_commission + realized,
            updated_ms=self._book.now_ms,
        )
        return rest, profit, swap, commission

    def _settle(self, position: Position, rest: Position) -> None:
        if rest.volume:
            self._book.put_position(rest)
        else:
            self._book.close_position(position.ticket)

    def _entry_commission(self, group: Group, volume: int) -> int:
        one_side = group.factors.commission_of(volume)
        return 2 * one_side if self._is_mt4 and group.symbol.terms.commission_at_exit else one_side

    def _exit_commission(self, group: Group, volume: int) -> int:
        return group.factors.commission_of(volume) if group.symbol.terms.commission_at_exit else 0

    def _price(self, position: Position) -> int:
        return rounded(position.cost, position.volume)

    def _finish(self, order: Order, volume: int, position: int) -> None:
        left = order.current_volume - volume
        self._book.finish_order(
            replace(
                order,
                state=PARTIAL if left else FILLED,
                current_volume=left,
                done_ms=self._book.now_ms,
                position=position,
            )
        )

    def _deal(
        self,
        order: Order,
        position: int,
        entry: int,
        volume: int,
        price: int,
        *,
        profit: int = 0,
        swap: int = 0,
        commission: int = 0,
        stops: Position | None = None,
    ) -> int:
        """Make a deal. One that closes has the stops of its position, all others those of the order."""
        ticket = self._book.next_deal
        levels = stops or order
        self._book.make_deal(
            Deal(
                ticket,
                order.login,
                order.ticket,
                position,
                order.symbol,
                order.type & 1,
                entry,
                volume,
                price,
                profit,
                swap,
                commission,
                self._book.now_ms,
                levels.sl,
                levels.tp,
                order.magic,
                order.comment,
                order.client_id,
                order.text,
                order.cause,
            )
        )
        return ticket
