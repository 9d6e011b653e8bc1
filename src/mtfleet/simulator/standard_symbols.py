"""The symbols that every simulated server can offer and a brokers file can build on with `like`."""

from decimal import Decimal
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from mtfleet.domain.ids import Symbol
from mtfleet.domain.symbols import ExecutionMode, FillingMode, TradeMode
from mtfleet.simulator.catalogue import CalculationMode, SymbolDefinition
from mtfleet.simulator.schedule import Clockwork, Schedule, WeeklySession

_NEW_YORK = Clockwork(timezone="America/New_York", dst_switch_timezone="America/New_York")

INDEX_HOURS: Final = Schedule(
    clock=_NEW_YORK,
    sessions=(
        WeeklySession(day=0, opens=18 * 60, closes=24 * 60),
        *(WeeklySession(day=day, opens=0, closes=17 * 60) for day in range(1, 6)),
        *(WeeklySession(day=day, opens=18 * 60, closes=24 * 60) for day in range(1, 5)),
    ),
)
"""Sunday 18:00 to Friday 17:00 in New York, with a break from 17:00 to 18:00."""

STOCK_HOURS: Final = Schedule(
    clock=_NEW_YORK,
    sessions=tuple(WeeklySession(day=day, opens=9 * 60 + 30, closes=16 * 60) for day in range(1, 6)),
)

_VALUE_IN_USD: Final = {
    "USD": Decimal(1),
    "EUR": Decimal("1.085"),
    "GBP": Decimal("1.27"),
    "AUD": Decimal("0.66"),
    "NZD": Decimal("0.605"),
    "CAD": Decimal("0.735"),
    "CHF": Decimal("1.13"),
    "JPY": Decimal("0.0066667"),
}
VOLATILITY: Final = {
    "USD": Decimal(0),
    "EUR": Decimal(7),
    "GBP": Decimal(8),
    "AUD": Decimal(10),
    "NZD": Decimal(10),
    "CAD": Decimal(6),
    "CHF": Decimal(7),
    "JPY": Decimal(9),
}
"""Deviation of the yearly change of a currency's value in US dollars, in percent."""

_CURRENCY_NAMES: Final = {
    "USD": "US Dollar",
    "EUR": "Euro",
    "GBP": "Great Britain Pound",
    "AUD": "Australian Dollar",
    "NZD": "New Zealand Dollar",
    "CAD": "Canadian Dollar",
    "CHF": "Swiss Franc",
    "JPY": "Japanese Yen",
}
# Symbol, spread in points, swap long and short in points.
_FOREX: Final = (
    ("EURUSD", 8, "-7.2", "3.1"),
    ("GBPUSD", 10, "-3.9", "-1.2"),
    ("USDJPY", 9, "9.8", "-19.5"),
    ("USDCHF", 12, "6.1", "-11.4"),
    ("USDCAD", 13, "1.8", "-6.0"),
    ("AUDUSD", 9, "-3.1", "0.6"),
    ("NZDUSD", 14, "-2.4", "-0.8"),
    ("EURGBP", 11, "-5.6", "1.4"),
    ("EURJPY", 14, "6.9", "-16.2"),
    ("GBPJPY", 20, "13.5", "-28.4"),
    ("EURCHF", 15, "2.2", "-8.9"),
    ("AUDJPY", 16, "6.0", "-13.8"),
)


def _forex(name: str, spread: int, swap_long: str, swap_short: str) -> SymbolDefinition:
    base, quote = name[:3], name[3:]
    digits = 3 if quote == "JPY" else 5
    is_major = "USD" in (base, quote)
    return SymbolDefinition(
        name=Symbol(name),
        description=f"{_CURRENCY_NAMES[base]} vs {_CURRENCY_NAMES[quote]}",
        path=f"Forex\\{'Majors' if is_major else 'Crosses'}\\{name}",
        base_currency=base,
        profit_currency=quote,
        margin_currency=base,
        digits=digits,
        tick_points=1,
        pip_points=10,
        contract_size=Decimal(100_000),
        min_volume=Decimal("0.01"),
        max_volume=Decimal(100),
        volume_step=Decimal("0.01"),
        calculation_mode=CalculationMode.FOREX,
        execution_mode=ExecutionMode.MARKET,
        filling_modes=(FillingMode.FOK, FillingMode.IOC),
        trade_mode=TradeMode.FULL,
        stops_level=0,
        freeze_level=0,
        initial_margin=Decimal(0),
        hedged_margin=Decimal(0),
        swap_mode="SYMBOL_SWAP_MODE_POINTS",
        swap_long=Decimal(swap_long),
        swap_short=Decimal(swap_short),
        swap_rollover3_days="WEDNESDAY",
        spread=spread,
        price=round(_VALUE_IN_USD[base] / _VALUE_IN_USD[quote], digits),
        volatility=VOLATILITY[base],
        quote_volatility=VOLATILITY[quote],
        tick_interval_ms=1000 if is_major else 1500,
        schedule=None,
    )


def _metals(dollar: SymbolDefinition) -> list[SymbolDefinition]:
    gold = replace(
        dollar,
        name=Symbol("XAUUSD"),
        description="Gold vs US Dollar",
        path="Metals\\XAUUSD",
        base_currency="XAU",
        margin_currency="USD",
        digits=2,
        contract_size=Decimal(100),
        max_volume=Decimal(50),
        calculation_mode=CalculationMode.CFD_LEVERAGE,
        swap_long=Decimal("-34.5"),
        swap_short=Decimal("18.2"),
        spread=18,
        price=Decimal("2350.00"),
        volatility=Decimal(15),
        tick_interval_ms=500,
    )
    silver = replace(
        gold,
        name=Symbol("XAGUSD"),
        description="Silver vs US Dollar",
        path="Metals\\XAGUSD",
        base_currency="XAG",
        margin_currency="USD",
        digits=3,
        contract_size=Decimal(5000),
        swap_long=Decimal("-4.1"),
        swap_short=Decimal("1.3"),
        spread=24,
        price=Decimal("28.500"),
        volatility=Decimal(28),
        tick_interval_ms=1000,
    )
    return [gold, silver]


def _exchange_traded(dollar: SymbolDefinition) -> list[SymbolDefinition]:
    index = replace(
        dollar,
        name=Symbol("US30.cash"),
        description="US Wall Street 30",
        path="Indices\\US30.cash",
        base_currency="USD",
        margin_currency="USD",
        digits=1,
        contract_size=Decimal(1),
        min_volume=Decimal("0.1"),
        max_volume=Decimal(250),
        volume_step=Decimal("0.1"),
        calculation_mode=CalculationMode.CFD_LEVERAGE,
        swap_mode="SYMBOL_SWAP_MODE_INTEREST_CURRENT",
        swap_long=Decimal("-7.4"),
        swap_short=Decimal("-0.4"),
        swap_rollover3_days="FRIDAY",
        spread=22,
        price=Decimal("39000.0"),
        volatility=Decimal(16),
        schedule=INDEX_HOURS,
    )
    stock = replace(
        index,
        name=Symbol("#AAPL"),
        description="Apple Inc. (CFD)",
        path="Stocks\\US\\#AAPL",
        digits=2,
        pip_points=1,
        min_volume=Decimal(1),
        max_volume=Decimal(10_000),
        volume_step=Decimal(1),
        calculation_mode=CalculationMode.CFD,
        swap_long=Decimal("-8.1"),
        swap_short=Decimal("-1.9"),
        spread=4,
        price=Decimal("190.00"),
        volatility=Decimal(25),
        tick_interval_ms=3000,
        schedule=STOCK_HOURS,
    )
    return [index, stock]


def _crypto(dollar: SymbolDefinition) -> list[SymbolDefinition]:
    bitcoin = replace(
        dollar,
        name=Symbol("BTCUSD"),
        description="Bitcoin vs US Dollar",
        path="Crypto\\BTCUSD",
        base_currency="BTC",
        margin_currency="USD",
        digits=2,
        pip_points=100,
        contract_size=Decimal(1),
        max_volume=Decimal(20),
        calculation_mode=CalculationMode.CFD_LEVERAGE,
        swap_mode="SYMBOL_SWAP_MODE_INTEREST_CURRENT",
        swap_long=Decimal(-20),
        swap_short=Decimal(-20),
        spread=2400,
        price=Decimal("65000.00"),
        volatility=Decimal(45),
        tick_interval_ms=500,
    )
    ether = replace(
        bitcoin,
        name=Symbol("ETH/USD"),
        description="Ethereum vs US Dollar",
        path="Crypto\\ETH/USD",
        base_currency="ETH",
        margin_currency="USD",
        max_volume=Decimal(200),
        spread=260,
        price=Decimal("3200.00"),
        volatility=Decimal(55),
    )
    return [bitcoin, ether]


def _others(like: SymbolDefinition) -> list[SymbolDefinition]:
    """Return what is no currency pair; `like` lends the common terms of trade."""
    dollar = replace(
        like, profit_currency="USD", quote_volatility=Decimal(0), filling_modes=(FillingMode.IOC,)
    )
    return [*_metals(dollar), *_exchange_traded(dollar), *_crypto(dollar)]


def _all() -> dict[Symbol, SymbolDefinition]:
    pairs = [_forex(*row) for row in _FOREX]
    return {symbol.name: symbol for symbol in [*pairs, *_others(pairs[0])]}


STANDARD_SYMBOLS: Final = MappingProxyType(_all())
