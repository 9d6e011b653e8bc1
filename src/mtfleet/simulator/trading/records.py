"""What a desk keeps and tells: records of positions, orders and deals, commands to it and events from it.

Records are frozen, so that state and events share them. Enumerations are MetaTrader's own numbers.
"""

from decimal import Decimal
from enum import IntEnum
from typing import Final

import msgspec

from mtfleet.domain.trading import TradeRequest

CLIENT_ID_SEPARATOR: Final = "|"
"""Stands between client id and comment in the one text that a broker keeps."""

BUY: Final = 0
SELL: Final = 1
BUY_LIMIT: Final = 2
SELL_LIMIT: Final = 3
BUY_STOP: Final = 4
SELL_STOP: Final = 5
BUY_STOP_LIMIT: Final = 6
SELL_STOP_LIMIT: Final = 7
CLOSE_BY: Final = 8

PLACED: Final = 1
CANCELED: Final = 2
FILLED: Final = 4
EXPIRED: Final = 6
PARTIAL: Final = 3

FOK: Final = 0
IOC: Final = 1
RETURN: Final = 2

GTC: Final = 0
DAY: Final = 1
SPECIFIED: Final = 2
SPECIFIED_DAY: Final = 3

IN: Final = 0
OUT: Final = 1
INOUT: Final = 2
OUT_BY: Final = 3

BALANCE: Final = 2
CREDIT: Final = 3


class Cause(IntEnum):
    """Why an order, a position or a deal came to be."""

    CLIENT = 0
    MOBILE = 1
    WEB = 2
    EXPERT = 3
    SL = 4
    TP = 5
    SO = 6
    ROLLOVER = 7


class Position(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An open position; in MetaTrader 4 an open market order."""

    ticket: int
    identifier: int
    """Never changes, while a netting reversal changes the ticket."""
    login: int
    symbol: str
    is_buy: bool
    volume: int
    cost: int
    """Sum of open price times volume, so that an average price loses nothing."""
    sl: int
    tp: int
    """Points; 0 is none."""
    margin: int
    """What the volume needs without hedging, in millionths of the smallest unit."""
    swap: int
    commission: int
    """Charged for what is still open."""
    realized_profit: int
    """Of what was closed, with its swap and commission."""
    realized_swap: int
    realized_commission: int
    opened_ms: int
    updated_ms: int
    magic: int
    comment: str
    client_id: str
    text: str
    """What the broker has written over the comment; empty: nothing."""
    cause: int


class Order(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An order, pending or done."""

    ticket: int
    login: int
    symbol: str
    type: int
    state: int
    price: int
    stop_limit: int
    sl: int
    tp: int
    volume: int
    current_volume: int
    filling: int
    expiration: int
    expires_ms: int
    """0: never."""
    placed_ms: int
    done_ms: int
    """0: pending."""
    position: int
    by_position: int
    magic: int
    comment: str
    client_id: str
    text: str
    cause: int


class Deal(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An execution or an operation on the balance. The sum of all amounts of an account is its balance."""

    ticket: int
    login: int
    order: int
    position: int
    symbol: str
    """Empty for an operation on the balance."""
    type: int
    entry: int
    volume: int
    price: int
    profit: int
    swap: int
    commission: int
    made_ms: int
    sl: int
    tp: int
    magic: int
    comment: str
    client_id: str
    text: str
    cause: int


def broker_text(record: Position | Order | Deal) -> str:
    """Return the comment as the broker's terminals show it."""
    if record.text:
        return record.text
    parts = [part for part in (record.client_id, record.comment) if part]
    return CLIENT_ID_SEPARATOR.join(parts)


class Quote(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Bid and ask in points."""

    symbol: str
    bid: int
    ask: int


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What trading needs to know of an account."""

    login: int
    currency: str
    digits: int
    leverage: int
    is_real: bool
    can_trade: bool = True
    can_use_experts: bool = True


# Commands. Each carries its moment in milliseconds since 1970 in UTC.


class Quoted(msgspec.Struct, frozen=True, kw_only=True, tag_field="is", tag="quoted"):
    """Prices have moved."""

    at_ms: int
    quotes: tuple[Quote, ...]


class Trade(msgspec.Struct, frozen=True, kw_only=True, tag_field="is", tag="trade"):
    """A client's request."""

    at_ms: int
    login: int
    request: TradeRequest
    quotes: tuple[Quote, ...] = ()
    """Prices that came since the last command."""
    seen_price: float | None = None
    """What the terminal showed when it sent the request; instant and request execution compare it."""
    magic: int = 0
    """The account's own, for a request that has none."""
    slippage: float = 0
    """The same."""
    is_investor: bool = False
    cause: int = 0
    roll: int = 0
    """A random number below 2^32, which decides about slippage and rejections where the terms have them; 0
    does nothing."""
    fault: int | None = None
    """Answer with this return code and do nothing."""


class OpenTrading(msgspec.Struct, frozen=True, kw_only=True, tag_field="is", tag="trading"):
    """Take up an account, or change its terms."""

    at_ms: int
    account: Account


class ChangeBalance(msgspec.Struct, frozen=True, kw_only=True, tag_field="is", tag="balance"):
    """Pay in (above zero) or out."""

    at_ms: int
    login: int
    amount: Decimal
    is_credit: bool = False
    comment: str = ""


class PassTime(msgspec.Struct, frozen=True, kw_only=True, tag_field="is", tag="time"):
    """Do what is due: expirations, and the ends of days."""

    at_ms: int


Command = Quoted | Trade | OpenTrading | ChangeBalance | PassTime


# Events. All but `Answered` change state, and nothing else does, prices aside.


class PositionPut(msgspec.Struct, frozen=True, gc=False, tag=1, array_like=True):
    """A position was opened or changed; this is all of it."""

    position: Position


class PositionClosed(msgspec.Struct, frozen=True, gc=False, tag=2, array_like=True):
    login: int
    ticket: int


class OrderPut(msgspec.Struct, frozen=True, gc=False, tag=3, array_like=True):
    """An order was placed or changed and is pending."""

    order: Order


class OrderDone(msgspec.Struct, frozen=True, gc=False, tag=4, array_like=True):
    """An order is in the history now."""

    order: Order


class DealMade(msgspec.Struct, frozen=True, gc=False, tag=5, array_like=True):
    deal: Deal


class MarginCalled(msgspec.Struct, frozen=True, gc=False, tag=6, array_like=True):
    """The margin level fell to the margin call's, or rose above it."""

    login: int
    is_called: bool


class DayEnds(msgspec.Struct, frozen=True, gc=False, tag=7, array_like=True):
    """When the server's present day ends."""

    at_ms: int


class Answered(msgspec.Struct, frozen=True, gc=False, tag=8, array_like=True):
    """The answer to a request, as the platform numbers it; it changes nothing."""

    login: int
    code: int
    order: int
    position: int
    deal: int
    volume: int
    price: int


class AccountSet(msgspec.Struct, frozen=True, gc=False, tag=9, array_like=True):
    account: Account


Event = (
    PositionPut
    | PositionClosed
    | OrderPut
    | OrderDone
    | DealMade
    | MarginCalled
    | DayEnds
    | Answered
    | AccountSet
)
