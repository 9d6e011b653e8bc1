"""What each platform writes: orders, deals and positions after the same wishes."""

from decimal import Decimal
from typing import Any

import pytest

from mtfleet.domain.symbols import ExecutionMode
from mtfleet.domain.trading import DealEntry, OrderState, OrderType, PositionType, StopUnits, TradeAction
from mtfleet.simulator.trading.records import IN, INOUT, OUT, OUT_BY, Cause, OrderDone
from mtfleet.simulator.trading.terms import Conditions
from mtfleet.simulator.trading.views import Views
from mtfleet.testing.trading import EURUSD, USDJPY, Trader, server_terms, terms_of


def at_platform(name: str, *symbols: Any, **fields: Any) -> Trader:
    server = server_terms(is_mt4=name == "mt4", is_netting=name == "netting")
    found = Trader(*symbols, server=server, **fields)
    found.quote(EURUSD, 1.1, 1.1001)
    return found


def entries(trader: Trader) -> list[tuple[int, int, int]]:
    """Entry, volume in hundredths of a lot and profit of each deal."""
    return [(deal.entry, deal.volume // 10_000, deal.profit) for deal in trader.account.deals if deal.symbol]


@pytest.mark.parametrize("platform", ["hedging", "netting", "mt4"])
def test_a_trade_there_and_back(platform: str) -> None:
    trader = at_platform(platform)
    views = Views(trader.desk.book)
    answer = trader.buy(0.1, comment="c", client_id="TE_1_2", magic=7, stop_loss=1.09, take_profit=1.12)
    position = views.position(trader.position)
    assert (position.id, position.type, position.open_price) == (
        str(answer.position),
        PositionType.BUY,
        1.1001,
    )
    assert (position.stop_loss, position.take_profit, position.volume) == (1.09, 1.12, 0.1)
    assert (position.comment, position.client_id, position.broker_comment) == ("c", "TE_1_2", "TE_1_2|c")
    assert (position.current_price, position.profit, position.current_tick_value) == (1.1, -1.0, 1.0)
    assert position.broker_time == "2024-05-06 15:00:00.000"
    assert position.reason == "POSITION_REASON_CLIENT"
    trader.quote(EURUSD, 1.105, 1.1051)
    trader.close(trader.position.ticket)
    assert trader.positions == []
    _, opening, closing = (views.deal(deal) for deal in trader.account.deals)
    assert (opening.entry_type, opening.price, opening.profit) == (DealEntry.IN, 1.1001, 0.0)
    assert (closing.entry_type, closing.price, closing.profit) == (DealEntry.OUT, 1.105, 49.0)
    assert opening.position_id == closing.position_id == position.id
    assert opening.client_id == "TE_1_2"
    # MetaTrader 5 closes by an order of its own, which has its own comment: none.
    assert closing.client_id == ("TE_1_2" if platform == "mt4" else None)
    assert (closing.stop_loss, closing.take_profit) == (1.09, 1.12)
    orders = [views.order(order) for order in trader.account.history_orders.values()]
    assert all(order.state is OrderState.FILLED and order.current_volume == 0 for order in orders)
    kinds = [order.type for order in orders]
    assert kinds == ([OrderType.BUY] if platform == "mt4" else [OrderType.BUY, OrderType.SELL])
    assert views.money(trader.account) == (10049.0, 0.0, 10049.0, 0.0, 10049.0, None)


def test_metatrader_4_numbers_deals_by_their_orders() -> None:
    trader = at_platform("mt4")
    views = Views(trader.desk.book)
    ticket = trader.buy(0.1).order
    trader.close(ticket)
    assert [views.deal(deal).id for deal in trader.account.deals] == ["1", str(ticket), f"{ticket}-out"]


def test_hedging_keeps_opposite_positions() -> None:
    trader = at_platform("hedging")
    trader.buy(0.1)
    trader.sell(0.1)
    assert [one.is_buy for one in trader.positions] == [True, False]


def test_netting_adds_reduces_and_reverses() -> None:
    trader = at_platform("netting")
    first = trader.buy(0.1)
    trader.quote(EURUSD, 1.1009, 1.1011)
    trader.buy(0.3, stop_loss=1.05)
    assert trader.position.volume == 400_000
    assert trader.position.cost == (110_010 * 1 + 110_110 * 3) * 100_000
    assert trader.position.sl == 105_000
    trader.quote(EURUSD, 1.2, 1.2001)
    trader.sell(0.1)
    reverse = trader.sell(0.5)
    position = trader.position
    assert (position.is_buy, position.volume, position.cost) == (False, 200_000, 120_000 * 200_000)
    assert (position.ticket, position.identifier) == (reverse.order, first.position)
    assert entries(trader) == [(IN, 10, 0), (IN, 30, 0), (OUT, 10, 991_50), (INOUT, 50, 2974_50)]
    assert trader.close(first.position).code == 10009  # by the number that its life began with
    assert trader.positions == []


def test_a_partial_close_keeps_the_ticket() -> None:
    trader = at_platform("hedging", terms_of("EURUSD", Conditions(commission_per_lot=Decimal(4))))
    ticket = trader.buy(0.3).position
    trader.quote(EURUSD, 1.1101, 1.1102)
    trader.close(ticket, 0.1)
    position = Views(trader.desk.book).position(trader.position)
    assert (position.id, position.volume) == (str(ticket), 0.2)
    assert (position.realized_profit, position.unrealized_profit, position.profit) == (99.2, 200.0, 299.2)
    assert (position.realized_commission, position.unrealized_commission) == (-0.8, -0.8)
    assert trader.account.balance == 10_000_00 - 1_20 + 100_00 - 40
    trader.close(ticket, 5)
    assert trader.positions == []
    assert entries(trader) == [(IN, 30, 0), (OUT, 10, 100_00), (OUT, 20, 200_00)]


def test_a_partial_close_at_metatrader_4_goes_on_under_a_new_ticket() -> None:
    trader = at_platform("mt4", terms_of("EURUSD", Conditions(commission_per_lot=Decimal(4))))
    ticket = trader.buy(0.3, comment="mine").order
    assert trader.account.balance == 10_000_00
    assert trader.account.equity == 10_000_00 - 3_00 - 2_40
    trader.quote(EURUSD, 1.1101, 1.1102)
    trader.close(ticket, 0.1)
    rest = trader.position
    assert rest.ticket > ticket
    assert (rest.text, rest.volume, rest.comment) == (f"from #{ticket}", 200_000, "mine")
    history = trader.account.history_orders
    assert history[ticket].text == f"to #{rest.ticket}"
    assert history[rest.ticket].text == f"from #{ticket}"
    assert trader.account.balance == 10_000_00 + 100_00 - 80
    trader.close(rest.ticket)
    assert entries(trader) == [(IN, 30, 0), (OUT, 10, 100_00), (OUT, 20, 200_00)]
    assert trader.account.balance == 10_000_00 + 300_00 - 2_40


@pytest.mark.parametrize("platform", ["hedging", "mt4"])
def test_close_by_realises_the_difference_once(platform: str) -> None:
    trader = at_platform(platform)
    long = trader.buy(0.3).position
    trader.quote(EURUSD, 1.11, 1.1101)
    short = trader.sell(0.1).position
    answer = trader.trade(
        TradeAction.POSITION_CLOSE_BY, position_id=str(short), close_by_position_id=str(long)
    )
    assert answer.code == (0 if platform == "mt4" else 10009)
    first, second = trader.account.deals[-2:]
    assert (first.price, second.price) == (110_010, 111_000)
    assert (first.profit, second.profit) == (99_00, 0)
    assert trader.position.volume == 200_000
    if platform == "mt4":
        assert trader.position.text == f"from #{long}"
        assert trader.account.history_orders[long].text == f"close hedge by #{short}"
    else:
        assert trader.position.ticket == long
        assert first.entry == second.entry == OUT_BY
        order = Views(trader.desk.book).order(list(trader.account.history_orders.values())[-1])
        assert (order.type, order.close_by_position_id) == (OrderType.CLOSE_BY, str(long))


def test_close_by_symbol_closes_nothing_else() -> None:
    trader = at_platform("hedging")
    trader.quote(USDJPY, 150, 150.01)
    for symbol in (EURUSD, USDJPY, EURUSD):
        trader.buy(0.1, symbol)
    assert trader.trade(TradeAction.POSITIONS_CLOSE_SYMBOL, symbol=EURUSD).code == 10009
    assert [one.symbol for one in trader.positions] == [USDJPY]


@pytest.mark.parametrize(
    ("platform", "text"), [("hedging", "[sl 1.09000]"), ("netting", "[sl 1.09000]"), ("mt4", "mine[sl]")]
)
def test_a_stop_loss_fills_at_the_market(platform: str, text: str) -> None:
    trader = at_platform(platform)
    trader.buy(0.1, stop_loss=1.09, comment="mine")
    assert trader.quote(EURUSD, 1.09001, 1.0901) == []
    trader.quote(EURUSD, 1.088, 1.0881)
    deal = trader.account.deals[-1]
    assert (deal.price, deal.cause, deal.text) == (108_800, Cause.SL, text)
    assert trader.positions == []


def test_a_take_profit_of_a_sell_looks_at_the_ask() -> None:
    trader = at_platform("hedging")
    trader.sell(0.1, take_profit=1.09)
    assert trader.quote(EURUSD, 1.0899, 1.09001) == []
    trader.quote(EURUSD, 1.0897, 1.0899)
    deal = trader.account.deals[-1]
    assert (deal.price, deal.cause, deal.text) == (108_990, Cause.TP, "[tp 1.09000]")


def test_a_moved_stop_fires_where_it_is_now() -> None:
    trader = at_platform("hedging")
    ticket = str(trader.buy(0.1, stop_loss=1.09).position)
    for level in (1.08, 1.085, 1.08):
        assert trader.trade(TradeAction.POSITION_MODIFY, position_id=ticket, stop_loss=level).code == 10009
    trader.quote(EURUSD, 1.082, 1.0821)
    assert trader.position.sl == 108_000
    trader.trade(TradeAction.POSITION_MODIFY, position_id=ticket)
    trader.quote(EURUSD, 1.07, 1.0701)
    assert trader.position.sl == 0


@pytest.mark.parametrize(
    ("action", "distance", "bid", "price"),
    [
        (TradeAction.BUY_LIMIT, 10, 1.0989, 109_900),
        (TradeAction.SELL_LIMIT, 10, 1.1011, 110_110),
        (TradeAction.BUY_STOP, 10, 1.1011, 110_120),
        (TradeAction.SELL_STOP, 10, 1.0989, 109_890),
    ],
)
@pytest.mark.parametrize("platform", ["hedging", "netting", "mt4"])
def test_pending_orders_fill(
    platform: str, action: TradeAction, distance: float, bid: float, price: int
) -> None:
    trader = at_platform(platform)
    answer = trader.trade(
        action,
        symbol=EURUSD,
        volume=0.1,
        open_price=distance,
        open_price_units=StopUnits.RELATIVE_PIPS,
        stop_loss=20,
        stop_loss_units=StopUnits.RELATIVE_PIPS,
        client_id="id",
    )
    assert list(trader.account.orders) == [answer.order]
    trader.quote(EURUSD, bid, bid + 0.0001)
    position = trader.position
    assert (position.ticket, position.cost // position.volume) == (answer.order, price)
    assert position.client_id == "id"
    assert trader.account.orders == {}
    done = Views(trader.desk.book).order(trader.account.history_orders[answer.order])
    assert done.state is OrderState.FILLED
    assert done.type == (position_type(position.is_buy) if platform == "mt4" else action)


def position_type(is_buy: bool) -> OrderType:
    return OrderType.BUY if is_buy else OrderType.SELL


def test_a_stop_limit_order_becomes_a_limit_order() -> None:
    trader = at_platform("hedging")
    order = trader.trade(
        TradeAction.BUY_STOP_LIMIT, symbol=EURUSD, volume=0.1, open_price=1.11, stop_limit_price=1.105
    ).order
    trader.quote(EURUSD, 1.1099, 1.11)
    assert trader.positions == []
    assert Views(trader.desk.book).order(trader.account.orders[order]).type is OrderType.BUY_LIMIT
    trader.quote(EURUSD, 1.1039, 1.104)
    assert trader.position.cost == 110_400 * 100_000


def test_an_order_without_money_is_dropped() -> None:
    trader = at_platform("hedging", balance="100")
    order = trader.trade(TradeAction.BUY_STOP, symbol=EURUSD, volume=1, open_price=1.11).order
    trader.quote(EURUSD, 1.1111, 1.1112)
    done = trader.account.history_orders[order]
    assert (done.text, trader.positions) == ("[no money]", [])
    assert Views(trader.desk.book).order(done).state is OrderState.CANCELED


@pytest.mark.parametrize(
    ("bid", "stopped", "is_called"),
    [
        (1.0950, [], False),
        (1.0944, [], True),
        (1.0889, [300_000], True),
        (1.0850, [300_000, 200_000], True),
        (1.0700, [300_000, 200_000, 100_000], False),
    ],
)
def test_the_largest_loss_is_stopped_out_first(bid: float, stopped: list[int], is_called: bool) -> None:
    """0.6 lots need 660.06: the call comes with a loss of 339.94 of 1,000, the stop-out with 669.97."""
    trader = at_platform("hedging", balance="1000")
    for volume in (0.2, 0.3, 0.1):
        trader.buy(volume)
    assert trader.account.margin == 660_06
    trader.quote(EURUSD, bid, bid + 0.0001)
    closing = [deal for deal in trader.account.deals if deal.cause == Cause.SO]
    assert [deal.volume for deal in closing] == stopped
    assert trader.account.is_called is is_called
    if bid == 1.0889:
        assert closing[0].text == "[so 49.69%/328.00/660.06]"


def test_no_order_makes_a_hedge_where_that_is_prohibited() -> None:
    trader = Trader(terms_of("EURUSD"), server=server_terms(prohibits_hedging=True))
    trader.quote(EURUSD, 1.1, 1.1001)
    order = trader.trade(TradeAction.SELL_STOP, symbol=EURUSD, volume=0.1, open_price=1.09).order
    trader.buy(0.1)
    trader.quote(EURUSD, 1.089, 1.0891)
    assert trader.position.is_buy
    assert trader.account.history_orders[order].text == "[hedge is prohibited]"


def test_what_is_hedged_whole_is_stopped_out_in_debt_only() -> None:
    trader = at_platform("hedging", terms_of("EURUSD", hedged_margin=Decimal(0)), balance="1200")
    trader.buy(1)
    trader.sell(1)
    assert trader.account.margin == 0
    trader.quote(EURUSD, 1.05, 1.0611)
    assert len(trader.positions) == 2
    trader.quote(EURUSD, 1.05, 1.0625)
    assert trader.positions == []


def test_requotes_and_slippage_follow_the_roll() -> None:
    market = at_platform("hedging", terms_of("EURUSD", Conditions(slippage=5)))
    prices = {market.buy(0.01, roll=roll).price for roll in range(11)}
    assert prices == set(range(110_005, 110_016))
    symbol = terms_of("EURUSD", Conditions(slippage=5), execution_mode=ExecutionMode.INSTANT)
    instant = at_platform("hedging", symbol)
    codes = [instant.buy(0.01, roll=roll, slippage=3).code for roll in range(11)]
    assert codes.count(10004) == 4
    assert all(abs(one.cost // one.volume - 110_010) <= 3 for one in instant.positions)


def test_relative_stops_in_money() -> None:
    trader = at_platform("hedging")
    trader.buy(
        0.5,
        stop_loss=100,
        stop_loss_units=StopUnits.RELATIVE_CURRENCY,
        take_profit=2,
        take_profit_units=StopUnits.RELATIVE_BALANCE_PERCENTAGE,
    )
    assert (trader.position.sl, trader.position.tp) == (110_010 - 200, 110_010 + 400)


def test_events_tell_of_every_order() -> None:
    trader = at_platform("hedging")
    trader.buy(0.1)
    trader.close(trader.position.ticket)
    told = [event.order.ticket for event in trader.journal if isinstance(event, OrderDone)]
    assert told == list(trader.account.history_orders)
    assert trader.replayed().dump() == trader.desk.dump()
