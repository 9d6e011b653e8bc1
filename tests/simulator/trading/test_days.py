"""Time: expirations, the end of the server's day, and what a restart must not do."""

from decimal import Decimal

import pytest

from mtfleet.domain.trading import Expiration, ExpirationType, OrderState, TradeAction
from mtfleet.domain.values import Instant
from mtfleet.simulator.schedule import Clockwork
from mtfleet.simulator.trading.daytime import day_end, last_second
from mtfleet.simulator.trading.daytime import moment as moment_of
from mtfleet.simulator.trading.desk import DealingDesk
from mtfleet.simulator.trading.records import PassTime, Quote, Quoted
from mtfleet.simulator.trading.terms import Conditions, GtcMode
from mtfleet.simulator.trading.views import Views
from mtfleet.testing.trading import EET, EURUSD, LOGIN, USDJPY, Trader, server_terms, terms_of

NEW_YORK_SWITCH = Clockwork(timezone="EET", dst_switch_timezone="America/New_York")


def ms(text: str) -> int:
    return round(Instant.parse(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("kind", "moment", "ends"),
    [
        (ExpirationType.DAY, None, "2024-05-06T21:00:00Z"),
        (ExpirationType.SPECIFIED, "2024-05-07T08:30:00Z", "2024-05-07T08:30:00Z"),
        (ExpirationType.SPECIFIED_DAY, "2024-05-08T10:00:00Z", "2024-05-08T20:59:59Z"),
        (ExpirationType.SPECIFIED_DAY, "2024-05-08T22:00:00Z", "2024-05-09T20:59:59Z"),
    ],
)
def test_an_order_expires_at_its_moment_of_broker_time(
    kind: ExpirationType, moment: str | None, ends: str
) -> None:
    trader = Trader(terms_of("EURUSD"))
    trader.quote(EURUSD, 1.1, 1.1001)
    order = trader.trade(
        TradeAction.BUY_LIMIT,
        symbol=EURUSD,
        volume=0.1,
        open_price=1.09,
        expiration=Expiration(type=kind, expires_at=None if moment is None else Instant.parse(moment)),
    ).order
    trader.apply(PassTime(at_ms=ms(ends) - 1))
    assert list(trader.account.orders) == [order]
    trader.apply(PassTime(at_ms=ms(ends) + 60_000_000))
    done = Views(trader.desk.book).order(trader.account.history_orders[order])
    assert done.state is OrderState.EXPIRED
    assert done.done_at == Instant.parse(ends)


def test_a_shortened_expiration_holds_and_a_longer_one_too() -> None:
    trader = Trader(terms_of("EURUSD"))
    trader.quote(EURUSD, 1.1, 1.1001)
    order = trader.trade(TradeAction.BUY_LIMIT, symbol=EURUSD, volume=0.1, open_price=1.09).order
    for moment in ("2024-05-06T14:00:00Z", "2024-05-06T13:00:00Z", "2024-05-06T15:00:00Z"):
        wish = Expiration(type=ExpirationType.SPECIFIED, expires_at=Instant.parse(moment))
        answer = trader.trade(TradeAction.ORDER_MODIFY, order_id=str(order), expiration=wish)
        assert answer.code == 10009
    trader.apply(PassTime(at_ms=ms("2024-05-06T14:30:00Z")))
    assert trader.account.orders[order].price == 109_000
    trader.apply(PassTime(at_ms=ms("2024-05-06T15:00:00Z")))
    assert trader.account.orders == {}


def test_metatrader_4_wants_ten_minutes() -> None:
    server = server_terms(is_mt4=True, min_expiration_seconds=600)
    trader = Trader(terms_of("EURUSD"), server=server)
    trader.quote(EURUSD, 1.1, 1.1001)
    codes = []
    for moment in ("2024-05-06T12:10:00Z", "2024-05-06T12:10:01Z"):
        wish = Expiration(type=ExpirationType.SPECIFIED, expires_at=Instant.parse(moment))
        answer = trader.trade(
            TradeAction.BUY_LIMIT, symbol=EURUSD, volume=0.1, open_price=1.09, expiration=wish
        )
        codes.append(answer.code)
    assert codes == [147, 0]
    trader.apply(PassTime(at_ms=ms("2024-05-06T13:00:00Z")))
    assert [order.text for order in trader.account.history_orders.values()] == ["expiration"]


@pytest.mark.parametrize(
    ("mode", "orders", "sl"),
    [(GtcMode.GTC, 1, 105_000), (GtcMode.DAILY_EXCLUDING_STOPS, 0, 105_000), (GtcMode.DAILY, 0, 0)],
)
def test_what_lives_for_a_day(mode: GtcMode, orders: int, sl: int) -> None:
    trader = Trader(terms_of("EURUSD", Conditions(gtc_mode=mode)))
    trader.quote(EURUSD, 1.1, 1.1001)
    trader.buy(0.1, stop_loss=1.05)
    trader.trade(TradeAction.BUY_LIMIT, symbol=EURUSD, volume=0.1, open_price=1.09)
    trader.apply(PassTime(at_ms=ms("2024-05-06T21:00:00Z")))
    assert (len(trader.account.orders), trader.position.sl) == (orders, sl)


@pytest.mark.parametrize(
    ("clock", "moment", "end"),
    [
        (EET, "2024-03-31T00:30:00Z", "2024-03-31T21:00:00Z"),
        (EET, "2024-10-27T12:00:00Z", "2024-10-27T22:00:00Z"),
        (NEW_YORK_SWITCH, "2024-03-15T12:00:00Z", "2024-03-15T21:00:00Z"),
        (EET, "2024-03-15T22:00:00Z", "2024-03-16T22:00:00Z"),
    ],
)
def test_days_end_at_midnight_of_the_servers_clock(clock: Clockwork, moment: str, end: str) -> None:
    assert day_end(clock, ms(moment)) == ms(end)
    assert last_second(clock, Instant.parse(moment)) == ms(end) - 1000


def test_time_never_goes_back() -> None:
    trader = Trader(terms_of("EURUSD"))
    trader.quote(EURUSD, 1.1, 1.1001)
    trader.now_ms -= 1_000_000
    trader.buy(0.1)
    assert trader.position.opened_ms == trader.now_ms + 1_000_000


def test_a_restart_waits_for_quotes_before_it_judges() -> None:
    """Of two symbols only the losing one is quoted at first: nobody is stopped out, no day ends."""
    trader = Trader(terms_of("EURUSD"), terms_of("USDJPY"), balance="1000")
    trader.quote(EURUSD, 1.1, 1.1001)
    trader.quote(USDJPY, 150, 150.01)
    trader.buy(0.3)
    trader.sell(0.3, USDJPY)
    trader.quote(USDJPY, 145, 145.01)
    trader.quote(EURUSD, 1.07, 1.0701)
    assert len(trader.positions) == 2
    desk = DealingDesk.load(trader.server, trader.symbols, trader.desk.dump())
    tomorrow = trader.now_ms + 86_400_000
    assert desk.apply(Quoted(at_ms=tomorrow, quotes=(Quote(EURUSD, 107_000, 107_010),))) == []
    assert len(desk.book.positions) == 2
    assert desk.book.accounts[LOGIN].unvalued == 1
    desk.apply(Quoted(at_ms=tomorrow, quotes=(Quote(USDJPY, 145_000, 145_010),)))
    desk.apply(PassTime(at_ms=tomorrow))
    assert desk.book.day_end_ms == ms("2024-05-07T21:00:00Z")
    assert all(position.swap for position in desk.book.positions.values())


def test_what_can_not_be_exchanged_yet_waits() -> None:
    trader = Trader(terms_of("EURGBP"), terms_of("GBPUSD"), terms_of("EURUSD"))
    for symbol, bid in (("EURGBP", 0.85), ("GBPUSD", 1.25), ("EURUSD", 1.08)):
        trader.quote(symbol, bid, bid + 0.0001)
    trader.buy(0.1, "EURGBP", stop_loss=0.84)
    order = trader.trade(TradeAction.BUY_LIMIT, symbol="EURGBP", volume=0.1, open_price=0.845).order
    desk = DealingDesk.load(trader.server, trader.symbols, trader.desk.dump())
    fallen = Quoted(at_ms=trader.now_ms, quotes=(Quote("EURGBP", 83_900, 83_910),))
    assert desk.apply(fallen) == []
    assert list(desk.book.orders) == [order]
    others = (Quote("GBPUSD", 125_000, 125_010), Quote("EURUSD", 108_000, 108_010))
    assert desk.apply(Quoted(at_ms=trader.now_ms, quotes=others)) == []
    desk.apply(fallen)
    assert list(desk.book.positions) == [order]
    assert desk.book.accounts[LOGIN].deals[-2].text == "[sl 0.84000]"


def test_no_night_is_free_because_a_quote_is_missing() -> None:
    """Swap in euros waits for EURUSD, though profit in pounds could be valued."""
    symbol = terms_of("EURGBP", swap_mode="SYMBOL_SWAP_MODE_CURRENCY_SYMBOL", swap_long=Decimal(-5))
    trader = Trader(symbol, terms_of("GBPUSD"), terms_of("EURUSD"))
    quotes = Quote("EURGBP", 85_000, 85_010), Quote("GBPUSD", 125_000, 125_010)
    trader.apply(Quoted(at_ms=trader.now_ms, quotes=(*quotes, Quote("EURUSD", 110_000, 110_010))))
    trader.buy(1, "EURGBP")
    assert trader.desk.watched() == ["EURGBP", "EURUSD", "GBPUSD"]
    desk = DealingDesk.load(trader.server, trader.symbols, trader.desk.dump())
    desk.apply(Quoted(at_ms=trader.now_ms, quotes=quotes))
    tonight = ms("2024-05-06T21:30:00Z")
    assert desk.apply(PassTime(at_ms=tonight)) == []
    desk.apply(Quoted(at_ms=tonight, quotes=(Quote("EURUSD", 110_000, 110_010),)))
    desk.apply(PassTime(at_ms=tonight))
    assert [one.swap for one in desk.book.positions.values()] == [-5_50]


def test_a_desk_tells_which_quotes_it_needs() -> None:
    trader = Trader(terms_of("EURGBP"), terms_of("GBPUSD"), terms_of("EURUSD"), terms_of("USDJPY"))
    assert trader.desk.needed_for(LOGIN, "EURGBP") == ["EURGBP", "EURUSD", "GBPUSD"]
    assert trader.desk.needed_for(LOGIN, "NOPE") == trader.desk.needed_for(7, "EURGBP") == []
    assert trader.desk.watched() == []
    for symbol, bid in (("EURGBP", 0.85), ("GBPUSD", 1.25), ("EURUSD", 1.08)):
        trader.quote(symbol, bid, bid + 0.0001)
    trader.buy(0.1, "EURGBP")
    assert trader.desk.watched() == ["EURGBP", "GBPUSD"]


def test_what_was_moved_often_leaves_nothing_behind() -> None:
    trader = Trader(terms_of("EURUSD"))
    trader.quote(EURUSD, 1.1, 1.1001)
    ticket = str(trader.buy(0.1).position)
    for step in range(2_000):
        stop = round(1.05 + step % 100 / 1e4, 5)
        trader.trade(TradeAction.POSITION_MODIFY, position_id=ticket, stop_loss=stop)
    order = str(trader.trade(TradeAction.BUY_LIMIT, symbol=EURUSD, volume=0.1, open_price=1.0).order)
    for step in range(2_000):
        moment = Instant.of(moment_of(trader.now_ms + 60_000 * (step + 1)))
        wish = Expiration(type=ExpirationType.SPECIFIED, expires_at=moment)
        trader.trade(TradeAction.ORDER_MODIFY, order_id=order, expiration=wish)
    assert len(trader.desk.book.expirations) <= 65
    assert sum(map(len, trader.desk.book.symbols[EURUSD].triggers)) <= 65


def test_swap_can_use_the_margin_up() -> None:
    trader = Trader(terms_of("EURUSD", swap_long=Decimal(-6000)), balance="1200")
    trader.quote(EURUSD, 1.1, 1.1)
    trader.buy(0.1)
    trader.apply(PassTime(at_ms=ms("2024-05-08T21:00:00Z")))
    assert trader.positions == []
    assert trader.account.deals[-1].text.startswith("[so ")
