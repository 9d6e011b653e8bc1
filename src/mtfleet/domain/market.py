"""Prices, candles and clocks of a broker, and the state of an account there, as the API shows them."""

from datetime import datetime
from enum import StrEnum

import msgspec

from mtfleet.domain.ids import ServerName, Symbol
from mtfleet.domain.timeframes import Timeframe
from mtfleet.domain.values import Instant, Value


class Price(Value, frozen=True, kw_only=True):
    """The newest quote of a symbol, with the value of one tick of one lot in the account's currency."""

    symbol: Symbol
    bid: float
    ask: float
    profit_tick_value: float
    loss_tick_value: float
    account_currency_exchange_rate: float | None = None
    quoted_at: Instant = msgspec.field(name="time")
    broker_time: str


class Candle(Value, frozen=True, kw_only=True):
    """What the quotes of a stretch of time were; prices are bids."""

    symbol: Symbol
    timeframe: Timeframe
    opened_at: Instant = msgspec.field(name="time")
    """When it opened on the broker's wall clock, even if the first tick came later."""
    broker_time: str
    open: float
    high: float
    low: float
    close: float
    tick_volume: int
    """How many ticks it has."""
    spread: int
    """Points between bid and ask at its last tick."""
    volume: float
    """What was traded, in lots; 0 where there is no exchange that tells."""


class Tick(Value, frozen=True, kw_only=True):
    """A quote, or a trade at an exchange."""

    symbol: Symbol
    quoted_at: Instant = msgspec.field(name="time")
    broker_time: str
    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    volume: float | None = None
    side: str | None = None
    """`buy` or `sell`, of a trade."""


class BookSide(StrEnum):
    SELL = "BOOK_TYPE_SELL"
    BUY = "BOOK_TYPE_BUY"
    SELL_MARKET = "BOOK_TYPE_SELL_MARKET"
    BUY_MARKET = "BOOK_TYPE_BUY_MARKET"


class BookEntry(Value, frozen=True, kw_only=True):
    """What is offered or wanted at a price."""

    side: BookSide = msgspec.field(name="type")
    price: float
    volume: float
    """Lots."""


class Book(Value, frozen=True, kw_only=True):
    """The order book of a symbol, the highest price first."""

    symbol: Symbol
    quoted_at: Instant = msgspec.field(name="time")
    broker_time: str
    book: list[BookEntry]


class ServerTime(Value, frozen=True, kw_only=True):
    """The broker's clock, and when it last quoted."""

    now: Instant = msgspec.field(name="time")
    broker_time: str
    last_quote_at: Instant | None = msgspec.field(name="lastQuoteTime", default=None)
    last_quote_broker_time: str | None = None


class MarginMode(StrEnum):
    EXCHANGE = "ACCOUNT_MARGIN_MODE_EXCHANGE"
    RETAIL_NETTING = "ACCOUNT_MARGIN_MODE_RETAIL_NETTING"
    RETAIL_HEDGING = "ACCOUNT_MARGIN_MODE_RETAIL_HEDGING"


class TradeAccountType(StrEnum):
    DEMO = "ACCOUNT_TRADE_MODE_DEMO"
    CONTEST = "ACCOUNT_TRADE_MODE_CONTEST"
    REAL = "ACCOUNT_TRADE_MODE_REAL"


class AccountInformation(Value, frozen=True, kw_only=True):
    """The trading account as its broker sees it; money in `currency`."""

    platform: str
    broker: str
    currency: str
    server: ServerName
    balance: float
    equity: float
    margin: float
    free_margin: float
    leverage: int
    margin_level: float | None = None
    """Percent; absent without margin."""
    trade_allowed: bool
    investor_mode: bool | None = None
    margin_mode: MarginMode
    name: str
    login: int
    credit: float
    account_currency_exchange_rate: float | None = None
    type: TradeAccountType
    currency_digits: int


class BrokerBar(Value, frozen=True, kw_only=True):
    """A bar as a terminal keeps it: opened at a wall-clock time of the broker, which has no zone."""

    opened_at: datetime
    """Naive: the broker's wall clock."""
    open: float
    high: float
    low: float
    close: float
    tick_volume: int


class ClockSample(Value, frozen=True, kw_only=True):
    """A fresh tick: what our clock and the broker's wall clock said of the same moment."""

    observed_at: Instant
    broker_wall_time: datetime
    """Naive: the broker's wall clock."""


def format_broker_time(wall: datetime) -> str:
    """Write a broker's wall-clock time as `YYYY-MM-DD HH:mm:ss.SSS`."""
    return wall.strftime("%Y-%m-%d %H:%M:%S.") + f"{wall.microsecond // 1000:03d}"
