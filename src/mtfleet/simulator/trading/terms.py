"""On what terms a server trades a symbol, in whole numbers and exact fractions."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final

import msgspec

from mtfleet.domain.accounts import Platform
from mtfleet.domain.market import MarginMode
from mtfleet.domain.symbols import ExecutionMode, FillingMode, TradeMode
from mtfleet.simulator.catalogue import ServerDefinition, SymbolDefinition
from mtfleet.simulator.schedule import DAYS, Calendar, Clockwork

VOLUME_SCALE: Final = 10**6
"""Units of volume in a lot."""


class Calculation(StrEnum):
    """How margin and profit are worked out."""

    FOREX = "SYMBOL_CALC_MODE_FOREX"
    FOREX_NO_LEVERAGE = "SYMBOL_CALC_MODE_FOREX_NO_LEVERAGE"
    FUTURES = "SYMBOL_CALC_MODE_FUTURES"
    CFD = "SYMBOL_CALC_MODE_CFD"
    CFD_INDEX = "SYMBOL_CALC_MODE_CFDINDEX"
    CFD_LEVERAGE = "SYMBOL_CALC_MODE_CFDLEVERAGE"
    EXCH_STOCKS = "SYMBOL_CALC_MODE_EXCH_STOCKS"
    EXCH_FUTURES = "SYMBOL_CALC_MODE_EXCH_FUTURES"


class SwapMode(StrEnum):
    DISABLED = "SYMBOL_SWAP_MODE_DISABLED"
    POINTS = "SYMBOL_SWAP_MODE_POINTS"
    CURRENCY_SYMBOL = "SYMBOL_SWAP_MODE_CURRENCY_SYMBOL"
    CURRENCY_MARGIN = "SYMBOL_SWAP_MODE_CURRENCY_MARGIN"
    CURRENCY_DEPOSIT = "SYMBOL_SWAP_MODE_CURRENCY_DEPOSIT"
    INTEREST_CURRENT = "SYMBOL_SWAP_MODE_INTEREST_CURRENT"
    INTEREST_OPEN = "SYMBOL_SWAP_MODE_INTEREST_OPEN"
    REOPEN_CURRENT = "SYMBOL_SWAP_MODE_REOPEN_CURRENT"
    REOPEN_BID = "SYMBOL_SWAP_MODE_REOPEN_BID"


class GtcMode(StrEnum):
    """What happens to orders at the end of the server's day."""

    GTC = "SYMBOL_ORDERS_GTC"
    DAILY = "SYMBOL_ORDERS_DAILY"
    """Pending orders go, stop loss and take profit too."""
    DAILY_EXCLUDING_STOPS = "SYMBOL_ORDERS_DAILY_EXCLUDING_STOPS"


class StopOutMode(StrEnum):
    PERCENT = "ACCOUNT_STOPOUT_MODE_PERCENT"
    MONEY = "ACCOUNT_STOPOUT_MODE_MONEY"


class Allowed(StrEnum):
    """Parts of `allowedOrderTypes` and `allowedExpirationModes`."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    SL = "SL"
    TP = "TP"
    CLOSE_BY = "CLOSEBY"
    GTC = "GTC"
    DAY = "DAY"
    SPECIFIED = "SPECIFIED"
    SPECIFIED_DAY = "SPECIFIED_DAY"


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """What a broker adds to a symbol's specification. The defaults are those of the sandbox."""

    calculation: Calculation | None = None
    """`None`: the definition's."""
    tick_value: Decimal | None = None
    """Value of one tick of one lot in the profit currency, for futures and index contracts."""
    volume_limit: Decimal = Decimal(0)
    """Greatest sum of lots in one direction, open and pending; 0: none."""
    hedged_uses_larger_leg: bool = False
    margin_rate_buy: Decimal = Decimal(1)
    margin_rate_sell: Decimal = Decimal(1)
    allowed: frozenset[Allowed] = frozenset(Allowed)
    gtc_mode: GtcMode = GtcMode.GTC
    commission_per_lot: Decimal = Decimal(0)
    """In the account's currency for one side; MetaTrader 4 charges both sides at the opening."""
    commission_at_exit: bool = True
    only_real: bool = False
    """Demo accounts may not trade the symbol."""
    slippage: int = 0
    """The price moves by up to so many points either way before an order is executed."""
    rejects_per_mille: int = 0
    liquidity: Decimal = Decimal(0)
    """Lots that are filled at once; 0: any number."""


class ServerTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for all accounts of a server."""

    is_mt4: bool
    is_netting: bool
    clock: Clockwork
    stop_out_mode: StopOutMode = StopOutMode.PERCENT
    margin_call: Decimal = Decimal(100)
    stop_out: Decimal = Decimal(50)
    """Percent, or money."""
    max_orders: int = 0
    """Pending orders of an account; 0: any number."""
    max_positions: int = 0
    max_requests_per_second: int = 0
    closes_fifo: bool = False
    prohibits_hedging: bool = False
    min_expiration_seconds: int = 0
    first_ticket: int = 1


class SymbolTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The terms of one symbol."""

    name: str
    digits: int
    tick_points: int
    pip_points: int
    contract: Fraction
    min_volume: int
    max_volume: int
    volume_step: int
    volume_limit: int
    calculation: Calculation
    base_currency: str
    profit_currency: str
    margin_currency: str
    execution: ExecutionMode
    has_fok: bool
    has_ioc: bool
    trade_mode: TradeMode
    stops_level: int
    freeze_level: int
    initial_margin: Fraction
    hedged_share: Fraction
    """Margin of a hedged lot as a part of the margin of a lot."""
    hedged_uses_larger_leg: bool
    margin_rate_buy: Fraction
    margin_rate_sell: Fraction
    tick_ratio: Fraction | None
    """Value of one price unit of one lot, where the symbol has a tick value."""
    point_value: Fraction
    """Value of one point of one lot in the profit currency."""
    swap_mode: SwapMode
    swap_long: Fraction
    swap_short: Fraction
    triple_day: int | None
    """0 is Sunday."""
    calendar: Calendar | None
    """`None`: always open."""
    allowed: frozenset[Allowed]
    gtc_mode: GtcMode
    commission: Fraction
    commission_at_exit: bool
    only_real: bool
    slippage: int
    rejects_per_mille: int
    liquidity: int


def volume_units(lots: Decimal) -> int:
    """Return lots in the units that volumes are counted in. Raises `ValueError` for less than one unit."""
    units = Fraction(lots) * VOLUME_SCALE
    if units.denominator != 1:
        raise ValueError(f"{lots} lots is finer than the millionth of a lot that volumes are counted in")
    return units.numerator


def symbol_terms(symbol: SymbolDefinition, conditions: Conditions | None = None) -> SymbolTerms:
    """Return the terms for a symbol of the catalogue."""
    more = conditions or Conditions()
    contract, point = Fraction(symbol.contract_size), Fraction(symbol.point)
    tick_ratio = None if more.tick_value is None else Fraction(more.tick_value) / Fraction(symbol.tick_size)
    days = {day: number for number, day in enumerate(DAYS)}
    initial = Fraction(symbol.initial_margin)
    return SymbolTerms(
        name=symbol.name,
        digits=symbol.digits,
        tick_points=symbol.tick_points,
        pip_points=symbol.pip_points,
        contract=contract,
        min_volume=volume_units(symbol.min_volume),
        max_volume=volume_units(symbol.max_volume),
        volume_step=volume_units(symbol.volume_step),
        volume_limit=volume_units(more.volume_limit),
        calculation=more.calculation or Calculation(symbol.calculation_mode.value),
        base_currency=symbol.base_currency,
        profit_currency=symbol.profit_currency,
        margin_currency=symbol.margin_currency,
        execution=symbol.execution_mode,
        has_fok=FillingMode.FOK in symbol.filling_modes,
        has_ioc=FillingMode.IOC in symbol.filling_modes,
        trade_mode=symbol.trade_mode,
        stops_level=symbol.stops_level,
        freeze_level=symbol.freeze_level,
        initial_margin=initial,
        hedged_share=Fraction(symbol.hedged_margin) / (initial or contract),
        hedged_uses_larger_leg=more.hedged_uses_larger_leg,
        margin_rate_buy=Fraction(more.margin_rate_buy),
        margin_rate_sell=Fraction(more.margin_rate_sell),
        tick_ratio=tick_ratio,
        point_value=(contract if tick_ratio is None else tick_ratio) * point,
        swap_mode=SwapMode(symbol.swap_mode),
        swap_long=Fraction(symbol.swap_long),
        swap_short=Fraction(symbol.swap_short),
        triple_day=days.get(symbol.swap_rollover3_days),
        calendar=None if symbol.schedule is None else Calendar(symbol.schedule),
        allowed=more.allowed,
        gtc_mode=more.gtc_mode,
        commission=Fraction(more.commission_per_lot),
        commission_at_exit=more.commission_at_exit,
        only_real=more.only_real,
        slippage=more.slippage,
        rejects_per_mille=more.rejects_per_mille,
        liquidity=volume_units(more.liquidity),
    )


_MT4_EXPIRATION_SECONDS: Final = 600


def trading_of(
    server: ServerDefinition, conditions: Mapping[str, Conditions] | None = None
) -> tuple[ServerTerms, dict[str, SymbolTerms]]:
    """Return what makes a desk for a server of the catalogue; `conditions` are by symbol."""
    more = conditions or {}
    is_mt4 = server.platform is Platform.MT4
    terms = ServerTerms(
        is_mt4=is_mt4,
        is_netting=server.margin_mode is not MarginMode.RETAIL_HEDGING,
        clock=server.clock,
        min_expiration_seconds=_MT4_EXPIRATION_SECONDS if is_mt4 else 0,
    )
    return terms, {name: symbol_terms(one, more.get(name)) for name, one in server.symbols.items()}
