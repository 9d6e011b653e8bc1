"""Margin, profit and swap as MetaQuotes documents the formulas.

The MetaTrader 5 help ("Trading operations", "Margin calculation: retail forex, futures") and the MQL5
reference ("Symbol properties": ENUM_SYMBOL_CALC_MODE and ENUM_SYMBOL_SWAP_MODE) give the formulas; the
numbers here are worked out from them by hand.
"""

from decimal import Decimal
from itertools import pairwise

import pytest

from mtfleet.domain.ids import Symbol
from mtfleet.simulator.trading.records import PassTime
from mtfleet.simulator.trading.terms import Calculation, Conditions, SwapMode, SymbolTerms
from mtfleet.testing.trading import Trader, terms_of

DAY_MS = 86_400_000


def contract(mode: Calculation, *, tick_value: str | None = None, **changes: object) -> SymbolTerms:
    """A symbol of two digits at about 100, one tick of 0.01, in dollars."""
    conditions = Conditions(calculation=mode, tick_value=None if tick_value is None else Decimal(tick_value))
    fields: dict[str, object] = {
        "name": Symbol("X"),
        "base_currency": "USD",
        "profit_currency": "USD",
        "margin_currency": "USD",
        "digits": 2,
        "tick_points": 1,
        "contract_size": Decimal(10),
        "initial_margin": Decimal(0),
        "hedged_margin": Decimal(10),
        **changes,
    }
    return terms_of("EURUSD", conditions, **fields)


@pytest.mark.parametrize(
    ("mode", "tick_value", "initial", "margin", "profit"),
    [
        # Forex: lots x contract / leverage; (close - open) x contract x lots.
        (Calculation.FOREX, None, 0, "0.20", "40.00"),
        (Calculation.FOREX, None, 500, "10.00", "40.00"),
        # Forex without leverage: lots x contract.
        (Calculation.FOREX_NO_LEVERAGE, None, 0, "20.00", "40.00"),
        (Calculation.FOREX_NO_LEVERAGE, None, 500, "1000.00", "40.00"),
        # CFD: lots x contract x price.
        (Calculation.CFD, None, 0, "2000.00", "40.00"),
        (Calculation.CFD, None, 500, "1000.00", "40.00"),
        # CFD with leverage: the same / leverage.
        (Calculation.CFD_LEVERAGE, None, 0, "20.00", "40.00"),
        (Calculation.CFD_LEVERAGE, None, 500, "10.00", "40.00"),
        # CFD index: lots x contract x price x tick price / tick size; profit by the tick price.
        (Calculation.CFD_INDEX, "0.05", 0, "10000.00", "20.00"),
        # Futures: lots x initial margin; profit by the tick price.
        (Calculation.FUTURES, "0.05", 500, "1000.00", "20.00"),
        (Calculation.EXCH_FUTURES, "0.05", 500, "1000.00", "20.00"),
        # Stocks: lots x contract x price.
        (Calculation.EXCH_STOCKS, None, 0, "2000.00", "40.00"),
    ],
)
def test_two_lots_from_100_to_102(
    mode: Calculation, tick_value: str | None, initial: int, margin: str, profit: str
) -> None:
    symbol = contract(mode, tick_value=tick_value, initial_margin=Decimal(initial))
    trader = Trader(symbol, leverage=100, balance="50000")
    trader.quote("X", 100, 100)
    assert trader.buy(2, "X").code == 10009
    assert trader.account.margin == Decimal(margin) * 100
    trader.quote("X", 102, 102)
    assert trader.account.floating == Decimal(profit) * 100
    assert trader.account.margin == Decimal(margin) * 100
    trader.close(trader.position.ticket)
    assert trader.account.balance == 50000_00 + Decimal(profit) * 100


def test_forex_margin_is_exchanged_at_the_ask_for_buys_and_at_the_bid_for_sells() -> None:
    """One lot of 100,000 EUR at 1:100 is 1,000 EUR; at an ask of 1.2790 that is 1,279 USD."""
    trader = Trader(terms_of("EURUSD"), leverage=100)
    trader.quote("EURUSD", 1.2788, 1.2790)
    trader.buy(1)
    assert trader.account.margin == 1279_00
    trader.close(trader.position.ticket)
    trader.sell(1)
    assert trader.account.margin == 1278_80


def test_the_margin_keeps_the_rate_of_the_opening() -> None:
    trader = Trader(terms_of("EURUSD"))
    trader.quote("EURUSD", 1.1, 1.1)
    trader.buy(1)
    trader.quote("EURUSD", 1.2, 1.2)
    assert trader.account.margin == 1100_00


def test_profit_is_exchanged_at_the_worse_side() -> None:
    """100 pips of a lot of USDJPY are 100,000 JPY. A gain is divided by the ask, a loss by the bid."""
    trader = Trader(terms_of("USDJPY"))
    trader.quote("USDJPY", 150.000, 150.010)
    trader.buy(1, "USDJPY")
    trader.quote("USDJPY", 151.010, 151.020)
    assert trader.account.floating == round(Decimal(100_000) / Decimal("151.020") * 100)
    trader.quote("USDJPY", 149.010, 149.020)
    assert trader.account.floating == -round(Decimal(100_000) / Decimal("149.010") * 100)


def test_profit_in_the_quoted_currency_is_divided_in_an_account_of_the_base() -> None:
    """100 pips of a lot of EURUSD are 1,000 USD; an account in EUR buys its own currency at the ask."""
    trader = Trader(terms_of("EURUSD"), currency="EUR")
    trader.quote("EURUSD", 1.1, 1.1)
    trader.buy(1)
    assert trader.account.margin == 1000_00
    trader.quote("EURUSD", 1.11, 1.1101)
    assert trader.account.floating == round(Decimal(1000) / Decimal("1.1101") * 100)


def test_an_account_without_decimals() -> None:
    trader = Trader(terms_of("USDJPY"), currency="JPY", digits=0, balance="1000000")
    trader.quote("USDJPY", 150.0, 150.01)
    trader.buy(0.1, "USDJPY")
    assert (trader.account.margin, trader.account.floating) == (15_001, -100)


def test_a_cross_is_exchanged_by_a_third_symbol() -> None:
    trader = Trader(terms_of("EURGBP"), terms_of("GBPUSD"), terms_of("EURUSD"))
    trader.quote("GBPUSD", 1.25, 1.2501)
    trader.quote("EURUSD", 1.1, 1.1001)
    trader.quote("EURGBP", 0.88, 0.8801)
    trader.buy(1, "EURGBP")
    assert trader.account.margin == 1100_10
    assert trader.account.floating == round(Decimal(-10) * Decimal("1.2501") * 100)
    trader.quote("GBPUSD", 1.3, 1.3001)
    assert trader.account.floating == round(Decimal(-10) * Decimal("1.3001") * 100)


@pytest.mark.parametrize(
    ("hedged", "larger_leg", "sell_lots", "margin"),
    [
        # 2 lots against 1: one lot uncovered at 1,000, one covered at the hedged margin.
        (100_000, False, 1, 2000_00),
        (50_000, False, 1, 1500_00),
        (0, False, 1, 1000_00),
        (0, False, 2, 0),
        (100_000, False, 2, 2000_00),
        # By the larger leg.
        (100_000, True, 1, 2000_00),
        (0, True, 3, 3000_00),
    ],
)
def test_hedged_margin(hedged: int, larger_leg: bool, sell_lots: int, margin: int) -> None:
    symbol = terms_of("USDJPY", Conditions(hedged_uses_larger_leg=larger_leg), hedged_margin=Decimal(hedged))
    trader = Trader(symbol, leverage=100)
    trader.quote("USDJPY", 150, 150)
    assert trader.buy(2, "USDJPY").code == 10009
    assert trader.account.margin == 2000_00
    assert trader.sell(sell_lots, "USDJPY").code == 10009
    assert trader.account.margin == margin


def test_hedged_margin_takes_the_average_of_unequal_prices() -> None:
    """CFD: 2 lots bought at 100, 1 sold at 103; contract 10, hedged 10.

    Uncovered: 1 x 10 x 100 = 1,000. Covered: 1 x 10 x (2 x 100 + 1 x 103) / 3 = 1,010.
    """
    trader = Trader(contract(Calculation.CFD), balance="50000")
    trader.quote("X", 100, 100)
    trader.buy(2, "X")
    trader.quote("X", 103, 103)
    trader.sell(1, "X")
    assert trader.account.margin == 2010_00


@pytest.mark.parametrize(
    ("mode", "rate", "expected"),
    [
        # Points: 1 lot x -7.2 points x 0.00001 x 100,000.
        (SwapMode.POINTS, "-7.2", -7_20),
        # In the base currency, here EUR, exchanged at 1.1.
        (SwapMode.CURRENCY_SYMBOL, "-5", -5_50),
        (SwapMode.CURRENCY_MARGIN, "-5", -5_50),
        (SwapMode.CURRENCY_DEPOSIT, "-5", -5_00),
        # Yearly percent of 360 days: 100,000 x 1.1 x 3.6 % / 360.
        (SwapMode.INTEREST_CURRENT, "-3.6", -11_00),
        # The same of the open price, 1.0.
        (SwapMode.INTEREST_OPEN, "-3.6", -10_00),
        (SwapMode.DISABLED, "-3.6", 0),
    ],
)
def test_one_night_of_one_lot(mode: SwapMode, rate: str, expected: int) -> None:
    symbol = terms_of("EURUSD", swap_mode=mode.value, swap_long=Decimal(rate))
    trader = Trader(symbol)
    trader.quote("EURUSD", 1.0, 1.0)
    trader.buy(1)
    trader.quote("EURUSD", 1.1, 1.1)
    trader.apply(PassTime(at_ms=trader.now_ms + DAY_MS // 2))
    assert trader.position.swap == expected
    assert trader.account.equity == 10_000_00 + 10_000_00 + expected
    balance = trader.account.balance
    trader.now_ms += DAY_MS // 2
    trader.close(trader.position.ticket)
    assert trader.account.balance == balance + 10_000_00 + expected


def test_wednesday_counts_three_nights_and_the_weekend_none() -> None:
    trader = Trader(terms_of("EURUSD", swap_long=Decimal(-1), swap_rollover3_days="WEDNESDAY"))
    trader.quote("EURUSD", 1.1, 1.1)
    trader.buy(1)
    swaps = [0]
    for _ in range(8):
        trader.now_ms += DAY_MS
        trader.apply(PassTime(at_ms=trader.now_ms))
        swaps.append(trader.position.swap)
    # The nights that end Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday, Monday.
    assert [after - before for before, after in pairwise(swaps)] == [
        -100,
        -100,
        -300,
        -100,
        -100,
        0,
        0,
        -100,
    ]


def test_several_days_at_once_are_charged_each() -> None:
    trader = Trader(terms_of("EURUSD", swap_long=Decimal(-1), swap_rollover3_days="WEDNESDAY"))
    trader.quote("EURUSD", 1.1, 1.1)
    trader.buy(1)
    trader.apply(PassTime(at_ms=trader.now_ms + 8 * DAY_MS))
    assert trader.position.swap == -800


def test_reopening_puts_the_swap_into_the_price() -> None:
    symbol = terms_of("EURUSD", swap_mode=SwapMode.REOPEN_CURRENT.value, swap_long=Decimal(-7))
    trader = Trader(symbol)
    trader.quote("EURUSD", 1.1, 1.1)
    trader.buy(1)
    ticket = trader.position.ticket
    trader.apply(PassTime(at_ms=trader.now_ms + DAY_MS // 2))
    assert trader.position.ticket != ticket
    assert trader.position.cost == 110_007 * trader.position.volume
    assert trader.account.equity == 10_000_00 - 7_00
