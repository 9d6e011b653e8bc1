"""Prices: random access, agreement of ticks and bars, sessions."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtfleet.domain.ids import ServerName, Symbol
from mtfleet.simulator.conversion import converted, route
from mtfleet.simulator.feed import Bar, Feed, SymbolFeed, Tick
from mtfleet.simulator.path import Candle, Path, Walk
from mtfleet.simulator.schedule import Calendar
from mtfleet.simulator.standard_symbols import INDEX_HOURS, STANDARD_SYMBOLS, STOCK_HOURS

FEED = Feed(7, ServerName("Test"), STANDARD_SYMBOLS)
YEAR = 365 * 24 * 60
NOW = int(datetime(2026, 5, 20, 12, tzinfo=UTC).timestamp()) // 60
symbols = st.sampled_from(sorted(STANDARD_SYMBOLS))
minutes = st.integers(min_value=NOW - 10 * YEAR, max_value=NOW + 5 * YEAR)


def bar_of(ticks: list[Tick]) -> Bar | None:
    if not ticks:
        return None
    bids = [tick.bid for tick in ticks]
    return Bar(Candle(bids[0], max(bids), min(bids), bids[-1]), len(bids))


def ticks_of(feed: SymbolFeed, start: int, end: int) -> list[Tick]:
    return list(feed.ticks(start * 60_000, end * 60_000))


def minute(year: int, month: int, day: int, hour: int = 0, minutes: int = 0) -> int:
    return int(datetime(year, month, day, hour, minutes, tzinfo=UTC).timestamp()) // 60


@given(symbol=symbols, start=minutes, length=st.integers(1, 180))
def test_a_bar_is_what_its_ticks_were(symbol: Symbol, start: int, length: int) -> None:
    feed = FEED[symbol]
    assert feed.bar(start, start + length) == bar_of(ticks_of(feed, start, start + length))


@given(
    slots=st.integers(4, 40),
    mean=st.sampled_from([100.0, 5_000.0, 1e8]),
    volatility=st.sampled_from([0.0, 0.05, 2.0]),
    hour=st.integers(400_000, 600_000),
    first=st.integers(0, 119),
    length=st.integers(1, 30),
)
def test_any_grid_and_any_volatility_keeps_bars_and_ticks_together(
    slots: int, mean: float, volatility: float, hour: int, first: int, length: int
) -> None:
    path = Path(5, Walk(6, volatility), Walk(7, 0.0), mean_ticks=mean, slots_per_minute=slots)
    start = hour * 60 + first
    prices = [price for minute in range(start, start + length) for price in path.prices(minute)]
    assert len(prices) == slots * length
    assert path.candle(start, start + length) == (prices[0], max(prices), min(prices), prices[-1])
    assert [path.price(start, slot) for slot in range(slots)] == prices[:slots]
    assert min(prices) >= 1


@given(symbol=symbols, start=minutes, until=st.integers(-30_000, 300_000))
def test_an_unfinished_bar_holds_the_ticks_so_far(symbol: Symbol, start: int, until: int) -> None:
    feed, until_ms = FEED[symbol], start * 60_000 + until
    so_far = [tick for tick in ticks_of(feed, start, start + 4) if tick.time_ms <= until_ms]
    assert feed.bar(start, start + 4, until_ms=until_ms) == bar_of(so_far)


@given(symbol=symbols, start=minutes, wait=st.integers(0, 59_999))
def test_the_current_price_is_the_newest_tick(symbol: Symbol, start: int, wait: int) -> None:
    feed, now = FEED[symbol], start * 60_000 + wait
    tick = feed.tick_at(now)
    assert tick is not None
    assert tick.time_ms <= now
    assert [*feed.ticks(tick.time_ms, now + 1)] == [tick]
    assert feed.calendar.is_open(tick.time_ms // 60_000)


@given(symbol=symbols, start=minutes)
def test_prices_depend_on_nothing_but_seed_server_symbol_and_time(symbol: Symbol, start: int) -> None:
    fresh = Feed(7, ServerName("Test"), STANDARD_SYMBOLS)[symbol]
    warm = FEED[symbol]
    warm.tick_at((start + 100_000) * 60_000)
    assert fresh.tick_at(start * 60_000) == warm.tick_at(start * 60_000)


def test_known_prices_never_change() -> None:
    """These numbers are what accounts were opened and orders were filled at: a change breaks histories."""
    found = {name: FEED[Symbol(name)].tick_at(NOW * 60_000) for name in ("EURUSD", "US30.cash", "ETH/USD")}
    assert found == KNOWN


def test_other_seeds_and_servers_have_other_prices() -> None:
    symbol = Symbol("EURUSD")
    here = FEED[symbol].bar(NOW, NOW + 60)
    assert Feed(8, ServerName("Test"), STANDARD_SYMBOLS)[symbol].bar(NOW, NOW + 60) != here
    assert Feed(7, ServerName("Else"), STANDARD_SYMBOLS)[symbol].bar(NOW, NOW + 60) != here


@given(symbol=symbols, start=minutes)
def test_prices_stay_near_their_mean_and_never_jump(symbol: Symbol, start: int) -> None:
    feed = FEED[symbol]
    mean = float(feed.definition.price / feed.definition.tick_size)
    bar = feed.bar(start // 60 * 60, start // 60 * 60 + 120)
    if bar is not None:
        assert 0.3 * mean < bar.candle.low <= bar.candle.high < 3 * mean
        assert bar.candle.high - bar.candle.low < 0.1 * mean


@given(start=minutes)
def test_crosses_follow_their_legs(start: int) -> None:
    hour = start // 60 * 60
    opens = {}
    for name in ("EURUSD", "USDJPY", "EURJPY"):
        feed = FEED[Symbol(name)]
        bar = feed.bar(hour, hour + 60)
        assert bar is not None
        opens[name] = feed.price_of(bar.candle.open)
    assert abs(opens["EURUSD"] * opens["USDJPY"] / opens["EURJPY"] - 1) < Decimal("0.0002")


def test_a_bar_of_nothing_is_none() -> None:
    assert FEED[Symbol("EURUSD")].bar(NOW, NOW) is None
    saturday = minute(2026, 5, 23, 10)
    assert FEED[Symbol("US30.cash")].bar(saturday, saturday + 60) is None


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        ((2026, 5, 17, 21, 59), False),  # Sunday, 17:59 in New York
        ((2026, 5, 17, 22, 0), True),
        ((2026, 5, 20, 20, 59), True),  # Wednesday, 16:59
        ((2026, 5, 20, 21, 0), False),
        ((2026, 5, 20, 22, 0), True),
        ((2026, 5, 22, 20, 59), True),  # Friday
        ((2026, 5, 22, 21, 0), False),
        ((2026, 5, 22, 22, 0), False),
        ((2026, 1, 14, 21, 59), True),  # in winter the same hours come one hour later
        ((2026, 1, 14, 22, 0), False),
    ],
)
def test_an_index_keeps_new_york_hours(at: tuple[int, ...], is_open: bool) -> None:
    assert Calendar(INDEX_HOURS).is_open(minute(*at)) is is_open


def test_closed_hours_show_the_last_tick_of_the_session() -> None:
    stock = FEED[Symbol("#AAPL")]
    saturday, close = minute(2026, 5, 23, 12), minute(2026, 5, 22, 20)
    tick = stock.tick_at(saturday * 60_000)
    assert tick == ticks_of(stock, close - 1, close)[-1]


@given(start=minutes, length=st.integers(1, 20_000))
def test_open_stretches_are_ascending_apart_and_within(start: int, length: int) -> None:
    calendar = Calendar(STOCK_HOURS)
    stretches = list(calendar.open_within(start, start + length))
    edges = [edge for stretch in stretches for edge in stretch]
    assert edges == sorted(set(edges)) or all(a < b for a, b in stretches)
    for opens, closes in stretches:
        assert start <= opens < closes <= start + length
        assert calendar.is_open(opens)
        assert calendar.is_open(closes - 1)
        assert calendar.last_open(closes - 1) == closes - 1


def test_profit_is_converted_on_the_unfavourable_side() -> None:
    steps = route(STANDARD_SYMBOLS.values(), "JPY", "USD")
    assert steps is not None
    quoted = [(step, Decimal(150), Decimal(151)) for step in steps]
    assert converted(Decimal(302), quoted, is_profit=True) == 2
    assert converted(Decimal(300), quoted, is_profit=False) == 2


@pytest.mark.parametrize(("source", "target"), [("CHF", "GBP"), ("USD", "USD"), ("BTC", "JPY")])
def test_any_two_currencies_are_connected(source: str, target: str) -> None:
    steps = route(STANDARD_SYMBOLS.values(), source, target)
    assert steps is not None
    for step in steps:
        pair = STANDARD_SYMBOLS[step.symbol].base_currency, STANDARD_SYMBOLS[step.symbol].profit_currency
        assert source == pair[step.is_inverse]
        source = pair[not step.is_inverse]
    assert source == target


def test_unconnected_currencies_have_no_route() -> None:
    assert route([STANDARD_SYMBOLS[Symbol("EURUSD")]], "EUR", "JPY") is None


KNOWN = {
    "EURUSD": Tick(time_ms=1779278399986, bid=116097, ask=116105),
    "US30.cash": Tick(time_ms=1779278399897, bid=367672, ask=367694),
    "ETH/USD": Tick(time_ms=1779278399594, bid=271492, ask=271752),
}
