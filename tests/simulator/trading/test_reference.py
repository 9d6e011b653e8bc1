"""The desk against a plain second opinion: every trade worked out in `Decimal` from its prices alone."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtfleet.domain.trading import TradeAction
from mtfleet.testing.trading import EURUSD, USDJPY, Trader, server_terms, terms_of

DIGITS: dict[str, int] = {EURUSD: 5, USDJPY: 3}
STARTS: dict[str, int] = {EURUSD: 110_000, USDJPY: 150_000}


class Steps:
    """A random path of both symbols with random trades along it."""

    moves = st.tuples(st.sampled_from([EURUSD, USDJPY]), st.integers(-300, 300), st.integers(0, 30))
    trades = st.tuples(st.sampled_from([EURUSD, USDJPY]), st.booleans(), st.integers(1, 300))
    step = st.one_of(moves.map(lambda one: ("move", one)), trades.map(lambda one: ("trade", one)))
    path = st.lists(step, min_size=15, max_size=60)


def exchanged(
    profit: Decimal, currency: str, account: str, quotes: dict[str, tuple[Decimal, Decimal]]
) -> Decimal:
    """Exchange by the bid or the ask, whichever is worse for the account."""
    if currency == account:
        return profit
    is_gain = profit > 0
    (eur_bid, eur_ask), (jpy_bid, jpy_ask) = quotes[EURUSD], quotes[USDJPY]
    if currency == "JPY":
        profit, currency = profit / (jpy_ask if is_gain else jpy_bid), "USD"
    if currency == "USD" and account == "EUR":
        profit /= eur_ask if is_gain else eur_bid
    return profit


def rounded(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


@pytest.mark.parametrize("platform", ["hedging", "netting", "mt4"])
@pytest.mark.parametrize("currency", ["USD", "EUR"])
@settings(max_examples=40, deadline=None)
@given(path=Steps.path)
def test_each_closed_trade_made_what_its_prices_say(
    platform: str, currency: str, path: list[tuple[str, tuple[str, int, int]]]
) -> None:
    trader = Trader(
        terms_of("EURUSD"),
        terms_of("USDJPY"),
        server=server_terms(is_mt4=platform == "mt4", is_netting=platform == "netting"),
        balance="1000000",
        currency=currency,
        leverage=500,
    )
    quotes: dict[str, tuple[Decimal, Decimal]] = {}
    held: dict[str, tuple[Decimal, Decimal]] = {}  # netting: signed lots and average price by symbol
    balance = Decimal(1_000_000)

    def quote(symbol: str, points: int, spread: int) -> None:
        bid = Decimal(points).scaleb(-DIGITS[symbol])
        ask = Decimal(points + spread).scaleb(-DIGITS[symbol])
        quotes[symbol] = bid, ask
        trader.quote(symbol, float(bid), float(ask))

    points = dict(STARTS)
    for symbol, start in STARTS.items():
        quote(symbol, start, 10)
    for what, (symbol, first, second) in path:
        if what == "move":
            points[symbol] += first
            quote(symbol, points[symbol], second)
            continue
        lots = Decimal(second) / 100
        if platform == "netting":
            price = quotes[symbol][1] if first else quotes[symbol][0]
            trader.trade(TradeAction.BUY if first else TradeAction.SELL, symbol=symbol, volume=float(lots))
            profit, held[symbol] = netted(
                held.get(symbol, (Decimal(0), Decimal(0))), lots if first else -lots, price
            )
        else:
            opened = trader.trade(
                TradeAction.BUY if first else TradeAction.SELL, symbol=symbol, volume=float(lots)
            )
            entry = quotes[symbol][1] if first else quotes[symbol][0]
            points[symbol] += 37
            quote(symbol, points[symbol], 12)
            trader.close(opened.position)
            exit_price = quotes[symbol][0] if first else quotes[symbol][1]
            profit = (exit_price - entry) * lots * 100_000 * (1 if first else -1)
        profit_currency = "JPY" if symbol == USDJPY else "USD"
        balance += rounded(exchanged(profit, profit_currency, currency, quotes))
        assert trader.account.balance == balance * 100
    assert trader.replayed().dump() == trader.desk.dump()


def netted(
    held: tuple[Decimal, Decimal], lots: Decimal, price: Decimal
) -> tuple[Decimal, tuple[Decimal, Decimal]]:
    """Return the profit that an order realises, and the position after it."""
    before, average = held
    after = before + lots
    if before * lots >= 0:
        return Decimal(0), (after, (average * before + price * lots) / after)
    closed = min(abs(before), abs(lots)) * (1 if before > 0 else -1)
    profit = (price - average) * closed * 100_000
    return profit, (after, price if before * after < 0 else average)
