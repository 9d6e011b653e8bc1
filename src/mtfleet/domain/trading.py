"""Orders, positions and deals as the API shows them, the trade request and its answer, with MetaTrader's own
enumerations."""

from enum import StrEnum

import msgspec

from mtfleet.domain.accounts import Platform
from mtfleet.domain.ids import Symbol
from mtfleet.domain.values import Instant, Value


class TradeAction(StrEnum):
    """What a trade request asks for: the type of a new order, or what to do with a position or an order."""

    BUY = "ORDER_TYPE_BUY"
    SELL = "ORDER_TYPE_SELL"
    BUY_LIMIT = "ORDER_TYPE_BUY_LIMIT"
    SELL_LIMIT = "ORDER_TYPE_SELL_LIMIT"
    BUY_STOP = "ORDER_TYPE_BUY_STOP"
    SELL_STOP = "ORDER_TYPE_SELL_STOP"
    BUY_STOP_LIMIT = "ORDER_TYPE_BUY_STOP_LIMIT"
    SELL_STOP_LIMIT = "ORDER_TYPE_SELL_STOP_LIMIT"
    POSITION_MODIFY = "POSITION_MODIFY"
    POSITION_PARTIAL = "POSITION_PARTIAL"
    POSITION_CLOSE_ID = "POSITION_CLOSE_ID"
    POSITIONS_CLOSE_SYMBOL = "POSITIONS_CLOSE_SYMBOL"
    POSITION_CLOSE_BY = "POSITION_CLOSE_BY"
    ORDER_MODIFY = "ORDER_MODIFY"
    ORDER_CANCEL = "ORDER_CANCEL"


class OrderType(StrEnum):
    BUY = "ORDER_TYPE_BUY"
    SELL = "ORDER_TYPE_SELL"
    BUY_LIMIT = "ORDER_TYPE_BUY_LIMIT"
    SELL_LIMIT = "ORDER_TYPE_SELL_LIMIT"
    BUY_STOP = "ORDER_TYPE_BUY_STOP"
    SELL_STOP = "ORDER_TYPE_SELL_STOP"
    BUY_STOP_LIMIT = "ORDER_TYPE_BUY_STOP_LIMIT"
    SELL_STOP_LIMIT = "ORDER_TYPE_SELL_STOP_LIMIT"
    CLOSE_BY = "ORDER_TYPE_CLOSE_BY"


class OrderState(StrEnum):
    STARTED = "ORDER_STATE_STARTED"
    PLACED = "ORDER_STATE_PLACED"
    CANCELED = "ORDER_STATE_CANCELED"
    PARTIAL = "ORDER_STATE_PARTIAL"
    FILLED = "ORDER_STATE_FILLED"
    REJECTED = "ORDER_STATE_REJECTED"
    EXPIRED = "ORDER_STATE_EXPIRED"
    REQUEST_ADD = "ORDER_STATE_REQUEST_ADD"
    REQUEST_MODIFY = "ORDER_STATE_REQUEST_MODIFY"
    REQUEST_CANCEL = "ORDER_STATE_REQUEST_CANCEL"


class PositionType(StrEnum):
    BUY = "POSITION_TYPE_BUY"
    SELL = "POSITION_TYPE_SELL"


class DealType(StrEnum):
    """The last three have no `_TYPE` in their names on the wire."""

    BUY = "DEAL_TYPE_BUY"
    SELL = "DEAL_TYPE_SELL"
    BALANCE = "DEAL_TYPE_BALANCE"
    CREDIT = "DEAL_TYPE_CREDIT"
    CHARGE = "DEAL_TYPE_CHARGE"
    CORRECTION = "DEAL_TYPE_CORRECTION"
    BONUS = "DEAL_TYPE_BONUS"
    COMMISSION = "DEAL_TYPE_COMMISSION"
    COMMISSION_DAILY = "DEAL_TYPE_COMMISSION_DAILY"
    COMMISSION_MONTHLY = "DEAL_TYPE_COMMISSION_MONTHLY"
    COMMISSION_AGENT_DAILY = "DEAL_TYPE_COMMISSION_AGENT_DAILY"
    COMMISSION_AGENT_MONTHLY = "DEAL_TYPE_COMMISSION_AGENT_MONTHLY"
    INTEREST = "DEAL_TYPE_INTEREST"
    BUY_CANCELED = "DEAL_TYPE_BUY_CANCELED"
    SELL_CANCELED = "DEAL_TYPE_SELL_CANCELED"
    DIVIDEND = "DEAL_DIVIDEND"
    DIVIDEND_FRANKED = "DEAL_DIVIDEND_FRANKED"
    TAX = "DEAL_TAX"


class DealEntry(StrEnum):
    IN = "DEAL_ENTRY_IN"
    OUT = "DEAL_ENTRY_OUT"
    INOUT = "DEAL_ENTRY_INOUT"
    OUT_BY = "DEAL_ENTRY_OUT_BY"


class Reason(StrEnum):
    """Who or what caused an order, a position or a deal.

    On the wire it is `ORDER_REASON_…`, `POSITION_REASON_…` or `DEAL_REASON_…`. Positions know the first four
    only, orders not `ROLLOVER`, `VMARGIN` and `SPLIT`.
    """

    CLIENT = "CLIENT"
    EXPERT = "EXPERT"
    MOBILE = "MOBILE"
    WEB = "WEB"
    SL = "SL"
    TP = "TP"
    SO = "SO"
    ROLLOVER = "ROLLOVER"
    VMARGIN = "VMARGIN"
    SPLIT = "SPLIT"
    UNKNOWN = "UNKNOWN"


class OrderFilling(StrEnum):
    """How much of an order may be filled; the symbol's filling modes name those that it allows."""

    FOK = "ORDER_FILLING_FOK"
    IOC = "ORDER_FILLING_IOC"
    RETURN = "ORDER_FILLING_RETURN"


class ExpirationType(StrEnum):
    GTC = "ORDER_TIME_GTC"
    DAY = "ORDER_TIME_DAY"
    SPECIFIED = "ORDER_TIME_SPECIFIED"
    SPECIFIED_DAY = "ORDER_TIME_SPECIFIED_DAY"


class StopUnits(StrEnum):
    """How a price or a distance in a request is to be read."""

    ABSOLUTE_PRICE = "ABSOLUTE_PRICE"
    RELATIVE_PRICE = "RELATIVE_PRICE"
    RELATIVE_POINTS = "RELATIVE_POINTS"
    RELATIVE_PIPS = "RELATIVE_PIPS"
    RELATIVE_CURRENCY = "RELATIVE_CURRENCY"
    RELATIVE_BALANCE_PERCENTAGE = "RELATIVE_BALANCE_PERCENTAGE"


class StopPriceBase(StrEnum):
    """What a relative stop is counted from."""

    OPEN_PRICE = "OPEN_PRICE"
    CURRENT_PRICE = "CURRENT_PRICE"
    STOP_PRICE = "STOP_PRICE"


class Expiration(Value, frozen=True, kw_only=True):
    """Until when a pending order stays."""

    type: ExpirationType
    expires_at: Instant | None = msgspec.field(name="time", default=None)
    """Needed by the two SPECIFIED types; the latter looks at the date only."""


class TrailingDistance(Value, frozen=True, kw_only=True):
    """A stop that follows the price at a distance."""

    distance: float
    units: StopUnits | None = None
    """Absent: `RELATIVE_PRICE`."""


class TrailingStep(Value, frozen=True, kw_only=True):
    """Where the stop goes once the price has reached the threshold."""

    threshold: float
    stop_loss: float


class TrailingThreshold(Value, frozen=True, kw_only=True):
    """A stop that moves in steps."""

    thresholds: list[TrailingStep]
    units: StopUnits | None = None
    """Absent: `ABSOLUTE_PRICE`."""
    stop_price_base: StopPriceBase | None = None
    """Absent: `OPEN_PRICE`."""


class TrailingStopLoss(Value, frozen=True, kw_only=True):
    """A stop loss that the server moves. With both parts the stop nearest to the price holds."""

    distance: TrailingDistance | None = None
    threshold: TrailingThreshold | None = None


class TradeRequest(Value, frozen=True, kw_only=True):
    """One flat request; `action_type` says which of the fields count."""

    action_type: TradeAction
    symbol: Symbol | None = None
    volume: float | None = None
    """Lots."""
    open_price: float | None = None
    open_price_units: StopUnits | None = None
    stop_limit_price: float | None = None
    stop_limit_price_units: StopUnits | None = None
    stop_loss: float | None = None
    stop_loss_units: StopUnits | None = None
    take_profit: float | None = None
    take_profit_units: StopUnits | None = None
    stop_price_base: StopPriceBase | None = None
    trailing_stop_loss: TrailingStopLoss | None = None
    comment: str | None = None
    client_id: str | None = None
    magic: int | None = None
    slippage: float | None = None
    """Points; absent: the account's setting."""
    filling_modes: list[OrderFilling] | None = None
    """In the order of preference."""
    expiration: Expiration | None = None
    position_id: str | None = None
    close_by_position_id: str | None = None
    order_id: str | None = None


class TradeResult(Value, frozen=True, kw_only=True):
    """The answer to a trade request, see `mtfleet.domain.returncodes`."""

    numeric_code: int
    string_code: str
    message: str
    order_id: str | None = None
    position_id: str | None = None


class Position(Value, frozen=True, kw_only=True):
    """An open trade. `profit` is `unrealized_profit` (price only) and `realized_profit` (with its swap and
    commission)."""

    id: str
    type: PositionType
    symbol: Symbol
    magic: int
    opened_at: Instant = msgspec.field(name="time")
    broker_time: str
    updated_at: Instant = msgspec.field(name="updateTime")
    open_price: float
    current_price: float
    current_tick_value: float
    stop_loss: float | None = None
    take_profit: float | None = None
    trailing_stop_loss: TrailingStopLoss | None = None
    volume: float
    profit: float
    realized_profit: float
    unrealized_profit: float
    commission: float
    realized_commission: float
    unrealized_commission: float
    swap: float
    realized_swap: float
    unrealized_swap: float
    comment: str | None = None
    client_id: str | None = None
    broker_comment: str | None = None
    reason: str
    account_currency_exchange_rate: float | None = None


class Order(Value, frozen=True, kw_only=True):
    """An order, pending or in the history."""

    id: str
    type: OrderType
    state: OrderState
    magic: int
    placed_at: Instant = msgspec.field(name="time")
    broker_time: str
    done_at: Instant | None = msgspec.field(name="doneTime", default=None)
    done_broker_time: str | None = None
    symbol: Symbol
    open_price: float | None = None
    stop_limit_price: float | None = None
    current_price: float | None = None
    """Always there while the order is open."""
    stop_loss: float | None = None
    take_profit: float | None = None
    trailing_stop_loss: TrailingStopLoss | None = None
    volume: float
    """Lots asked for."""
    current_volume: float
    """Lots not filled."""
    position_id: str | None = None
    platform: Platform
    comment: str | None = None
    client_id: str | None = None
    broker_comment: str | None = None
    reason: str
    filling_mode: OrderFilling
    expiration_type: ExpirationType
    expires_at: Instant | None = msgspec.field(name="expirationTime", default=None)
    close_by_position_id: str | None = None
    account_currency_exchange_rate: float | None = None


class Deal(Value, frozen=True, kw_only=True):
    """One execution, or an operation on the balance, where only the amount in `profit` says something."""

    id: str
    type: DealType
    entry_type: DealEntry | None = None
    symbol: Symbol | None = None
    magic: int | None = None
    made_at: Instant = msgspec.field(name="time")
    broker_time: str
    volume: float | None = None
    price: float | None = None
    commission: float | None = None
    swap: float | None = None
    profit: float
    position_id: str | None = None
    order_id: str | None = None
    comment: str | None = None
    client_id: str | None = None
    broker_comment: str | None = None
    platform: Platform
    reason: str | None = None
    stop_loss: float | None = None
    take_profit: float | None = None
    account_currency_exchange_rate: float | None = None
