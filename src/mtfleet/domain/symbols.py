"""What can be traded and how: the specification of a symbol, with MetaTrader's own enumerations."""

from enum import StrEnum

import msgspec

from mtfleet.domain.ids import Symbol
from mtfleet.domain.values import Value


class FillingMode(StrEnum):
    FOK = "ORDER_FILLING_FOK"
    IOC = "ORDER_FILLING_IOC"


class ExecutionMode(StrEnum):
    REQUEST = "SYMBOL_TRADE_EXECUTION_REQUEST"
    INSTANT = "SYMBOL_TRADE_EXECUTION_INSTANT"
    MARKET = "SYMBOL_TRADE_EXECUTION_MARKET"
    EXCHANGE = "SYMBOL_TRADE_EXECUTION_EXCHANGE"


class TradeMode(StrEnum):
    DISABLED = "SYMBOL_TRADE_MODE_DISABLED"
    LONGONLY = "SYMBOL_TRADE_MODE_LONGONLY"
    SHORTONLY = "SYMBOL_TRADE_MODE_SHORTONLY"
    CLOSEONLY = "SYMBOL_TRADE_MODE_CLOSEONLY"
    FULL = "SYMBOL_TRADE_MODE_FULL"


class Session(Value, frozen=True, kw_only=True):
    """A part of a day in broker time, `HH:mm:ss.SSS`; `to` is exclusive and may be `24:00:00.000`."""

    opens: str = msgspec.field(name="from")
    closes: str = msgspec.field(name="to")


Sessions = dict[str, list[Session]]
"""From `SUNDAY` to `SATURDAY`; an empty list is a closed day."""


class SymbolSpecification(Value, frozen=True, kw_only=True):
    """Everything a trader must know about a symbol. Distances are in points, volumes in lots, money in its
    currency."""

    symbol: Symbol
    tick_size: float
    min_volume: float
    max_volume: float
    volume_step: float
    contract_size: float
    filling_modes: list[FillingMode]
    execution_mode: ExecutionMode
    quote_sessions: Sessions
    trade_sessions: Sessions
    trade_mode: TradeMode
    point: float
    digits: int
    pip_size: float | None = None
    stops_level: int
    freeze_level: int
    initial_margin: float | None = None
    maintenance_margin: float | None = None
    hedged_margin: float | None = None
    hedged_margin_uses_larger_leg: bool | None = None
    base_currency: str
    margin_currency: str
    profit_currency: str
    price_calculation_mode: str
    swap_mode: str
    swap_long: float
    swap_short: float
    swap_rollover3_days: str = msgspec.field(name="swapRollover3Days")
    allowed_expiration_modes: list[str]
    allowed_order_types: list[str]
    order_gtc_mode: str | None = msgspec.field(name="orderGTCMode", default=None)
    description: str
    path: str
