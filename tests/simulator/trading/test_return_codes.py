"""Each return code that the desk can give, by the one thing that is wrong with the request."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from mtfleet.domain.returncodes import as_mt4
from mtfleet.domain.symbols import ExecutionMode, FillingMode, TradeMode
from mtfleet.domain.trading import Expiration, ExpirationType, OrderFilling, StopUnits, TradeAction
from mtfleet.domain.values import Instant
from mtfleet.simulator.schedule import Schedule, WeeklySession
from mtfleet.simulator.trading import refusal
from mtfleet.simulator.trading.records import Answered, Cause, OpenTrading
from mtfleet.simulator.trading.terms import Allowed, Conditions, SymbolTerms
from mtfleet.testing.trading import EET, EURUSD, MONDAY_NOON, Trader, server_terms, terms_of

BID, ASK = 1.1, 1.1001
SUNDAYS = Schedule(clock=EET, sessions=(WeeklySession(day=0, opens=0, closes=1440),))
PAST = Expiration(type=ExpirationType.SPECIFIED, expires_at=Instant.parse("2024-05-06T11:59:59Z"))
DAY = Expiration(type=ExpirationType.DAY)
Act = Callable[[Trader], Answered]


def trader(
    symbol: SymbolTerms | None = None, *, server: dict[str, Any] | None = None, **fields: Any
) -> Trader:
    """An account at 1.1000 / 1.1001."""
    found = Trader(symbol or terms_of("EURUSD"), server=server_terms(**(server or {})), **fields)
    found.quote(EURUSD, BID, ASK)
    return found


def eurusd(conditions: Conditions | None = None, **changes: Any) -> Trader:
    return trader(terms_of("EURUSD", conditions, **changes))


def limit(trader: Trader, price: float | None = 1.09, **fields: Any) -> Answered:
    return trader.trade(
        TradeAction.BUY_LIMIT, **{"symbol": EURUSD, "volume": 0.1, "open_price": price, **fields}
    )


def opened(trader: Trader, **fields: Any) -> str:
    """Open a position of a tenth of a lot and return its ticket."""
    answer = trader.buy(0.1, **fields)
    assert answer.code in {10009, 0}
    return str(answer.position)


def modify(trader: Trader, ticket: str, **fields: Any) -> Answered:
    return trader.trade(TradeAction.POSITION_MODIFY, position_id=ticket, **fields)


def without(*kinds: Allowed) -> Conditions:
    return Conditions(allowed=frozenset(Allowed) - set(kinds))


def frozen_position() -> Answered:
    found = eurusd(freeze_level=10)
    ticket = opened(found, stop_loss=1.099)
    found.quote(EURUSD, 1.0991, 1.0992)
    return modify(found, ticket, stop_loss=1.0985)


def frozen_order() -> Answered:
    found = eurusd(freeze_level=10)
    order = str(limit(found, 1.0998).order)
    found.quote(EURUSD, 1.0998, 1.0999)
    return found.trade(TradeAction.ORDER_CANCEL, order_id=order)


def fifo() -> Answered:
    found = trader(server={"closes_fifo": True})
    opened(found)
    return found.trade(TradeAction.POSITION_CLOSE_ID, position_id=opened(found))


def again(action: TradeAction) -> Answered:
    """Do to a position or an order what was done to it before."""
    found = trader()
    if action is TradeAction.ORDER_CANCEL:
        order = str(limit(found).order)
        found.trade(action, order_id=order)
        return found.trade(action, order_id=order)
    ticket = opened(found)
    found.trade(action, position_id=ticket)
    return found.trade(action, position_id=ticket)


def twice(server: dict[str, Any], act: Act) -> Answered:
    found = trader(server=server)
    act(found)
    return act(found)


def disabled() -> Answered:
    found = trader()
    found.apply(OpenTrading(at_ms=found.now_ms, account=replace(found.account.terms, can_trade=False)))
    return found.buy(0.1)


def expert_disabled() -> Answered:
    found = trader()
    terms = replace(found.account.terms, can_use_experts=False)
    found.apply(OpenTrading(at_ms=found.now_ms, account=terms))
    assert found.buy(0.1).code == refusal.DONE
    return found.buy(0.1, cause=Cause.EXPERT)


def unquoted() -> Answered:
    return Trader(terms_of("EURUSD")).buy(0.1)


def unexchangeable() -> Answered:
    """The account's currency can't be had."""
    return trader(currency="SEK").buy(0.1)


def opposite(server: dict[str, Any]) -> Answered:
    found = trader(server=server)
    found.buy(0.1)
    return found.sell(0.1)


def same_sides() -> Answered:
    found = trader()
    return found.trade(
        TradeAction.POSITION_CLOSE_BY, position_id=opened(found), close_by_position_id=opened(found)
    )


def unchanged_order() -> Answered:
    found = trader()
    order = str(limit(found, stop_loss=1.08).order)
    return found.trade(TradeAction.ORDER_MODIFY, order_id=order, open_price=1.09, stop_loss=1.08)


def same_stops() -> Answered:
    found = trader()
    return modify(found, opened(found))


def too_much() -> Answered:
    found = eurusd(Conditions(volume_limit=Decimal("0.15")))
    opened(found)
    return limit(found)


def remainder_too_small() -> Answered:
    found = eurusd(min_volume=Decimal("0.05"))
    return found.close(int(opened(found)), 0.06)


INSTANT: dict[str, Any] = {"execution_mode": ExecutionMode.INSTANT}
CASES: list[tuple[str, int, Callable[[], Answered]]] = [
    ("investor", refusal.INVESTOR, lambda: trader().buy(0.1, is_investor=True)),
    (
        "pips without a pip size",
        refusal.NO_PIP_SIZE,
        lambda: eurusd(pip_points=0).buy(0.1, stop_loss=5, stop_loss_units=StopUnits.RELATIVE_PIPS),
    ),
    ("no such position", refusal.POSITION_NOT_FOUND, lambda: trader().close(77)),
    (
        "nothing of that symbol",
        refusal.POSITION_NOT_FOUND,
        lambda: trader().trade(TradeAction.POSITIONS_CLOSE_SYMBOL, symbol=EURUSD),
    ),
    (
        "no such order",
        refusal.ORDER_NOT_FOUND,
        lambda: trader().trade(TradeAction.ORDER_CANCEL, order_id="77"),
    ),
    (
        "price moved, instant",
        refusal.REQUOTE,
        lambda: eurusd(**INSTANT).buy(0.1, seen_price=1.1003, slippage=19),
    ),
    (
        "price moved, request",
        refusal.PRICE_CHANGED,
        lambda: eurusd(execution_mode=ExecutionMode.REQUEST).buy(0.1, seen_price=1.1003, slippage=19),
    ),
    ("broker's whim", refusal.REJECT, lambda: eurusd(Conditions(rejects_per_mille=1000)).buy(0.1)),
    (
        "fill or kill without liquidity",
        refusal.REJECT,
        lambda: eurusd(Conditions(liquidity=Decimal("0.05"))).buy(0.1, filling_modes=[OrderFilling.FOK]),
    ),
    ("no such symbol", refusal.INVALID, lambda: trader().buy(0.1, "NOPE")),
    ("close by of the same side", refusal.INVALID, same_sides),
    ("below the least volume", refusal.INVALID_VOLUME, lambda: trader().buy(0.001)),
    ("above the greatest volume", refusal.INVALID_VOLUME, lambda: eurusd(max_volume=Decimal(5)).buy(6)),
    ("between the steps", refusal.INVALID_VOLUME, lambda: trader().buy(0.015)),
    ("no number", refusal.INVALID_VOLUME, lambda: trader().buy(float("nan"))),
    ("limit above the market", refusal.INVALID_PRICE, lambda: limit(trader(), 1.2)),
    ("limit within the stops level", refusal.INVALID_PRICE, lambda: limit(eurusd(stops_level=50), 1.0999)),
    ("no price", refusal.INVALID_PRICE, lambda: limit(trader(), None)),
    ("price off the grid", refusal.INVALID_PRICE, lambda: limit(trader(), 1.0900001234)),
    (
        "limit beyond its stop",
        refusal.INVALID_PRICE,
        lambda: trader().trade(
            TradeAction.BUY_STOP_LIMIT, symbol=EURUSD, volume=0.1, open_price=1.11, stop_limit_price=1.12
        ),
    ),
    ("stop loss of a buy above", refusal.INVALID_STOPS, lambda: trader().buy(0.1, stop_loss=1.2)),
    ("take profit of a sell above", refusal.INVALID_STOPS, lambda: trader().sell(0.1, take_profit=1.2)),
    ("stop loss too near", refusal.INVALID_STOPS, lambda: eurusd(stops_level=50).buy(0.1, stop_loss=1.0996)),
    ("stops of an order", refusal.INVALID_STOPS, lambda: limit(trader(), stop_loss=1.095)),
    (
        "no stop losses here",
        refusal.INVALID_STOPS,
        lambda: eurusd(without(Allowed.SL)).buy(0.1, stop_loss=1.0),
    ),
    ("symbol disabled", refusal.TRADE_DISABLED, lambda: eurusd(trade_mode=TradeMode.DISABLED).buy(0.1)),
    ("account disabled", refusal.TRADE_DISABLED, disabled),
    ("unknown account", refusal.TRADE_DISABLED, lambda: trader().buy(0.1, login=7)),
    ("outside the session", refusal.MARKET_CLOSED, lambda: eurusd(schedule=SUNDAYS).buy(0.1)),
    ("too little margin", refusal.NO_MONEY, lambda: trader(balance="100").buy(1)),
    ("no quote", refusal.PRICE_OFF, unquoted),
    ("no exchange rate", refusal.PRICE_OFF, unexchangeable),
    ("expired already", refusal.INVALID_EXPIRATION, lambda: limit(trader(), expiration=PAST)),
    (
        "no such expiration",
        refusal.INVALID_EXPIRATION,
        lambda: limit(eurusd(without(Allowed.DAY)), expiration=DAY),
    ),
    ("cancelled twice", refusal.ORDER_CHANGED, lambda: again(TradeAction.ORDER_CANCEL)),
    (
        "too many requests",
        refusal.TOO_MANY_REQUESTS,
        lambda: twice({"max_requests_per_second": 1}, lambda found: found.buy(0.1)),
    ),
    ("same stops", refusal.NO_CHANGES, same_stops),
    ("same order", refusal.NO_CHANGES, unchanged_order),
    ("experts disabled", refusal.SERVER_DISABLES_AT, expert_disabled),
    ("stop about to fire", refusal.FROZEN, frozen_position),
    ("order about to be activated", refusal.FROZEN, frozen_order),
    (
        "filling mode",
        refusal.INVALID_FILL,
        lambda: eurusd(filling_modes=(FillingMode.FOK,)).buy(0.1, filling_modes=[OrderFilling.IOC]),
    ),
    ("real accounts only", refusal.ONLY_REAL, lambda: eurusd(Conditions(only_real=True)).buy(0.1)),
    ("too many orders", refusal.LIMIT_ORDERS, lambda: twice({"max_orders": 1}, limit)),
    (
        "too much of a symbol",
        refusal.LIMIT_VOLUME,
        too_much,
    ),
    ("no market orders", refusal.INVALID_ORDER, lambda: eurusd(without(Allowed.MARKET)).buy(0.1)),
    ("no limit orders", refusal.INVALID_ORDER, lambda: limit(eurusd(without(Allowed.LIMIT)))),
    ("closed twice", refusal.POSITION_CLOSED, lambda: again(TradeAction.POSITION_CLOSE_ID)),
    ("too little would be left", refusal.INVALID_CLOSE_VOLUME, remainder_too_small),
    (
        "too many positions",
        refusal.LIMIT_POSITIONS,
        lambda: twice({"max_positions": 1}, lambda found: found.buy(0.1)),
    ),
    ("long only", refusal.LONG_ONLY, lambda: eurusd(trade_mode=TradeMode.LONGONLY).sell(0.1)),
    ("short only", refusal.SHORT_ONLY, lambda: eurusd(trade_mode=TradeMode.SHORTONLY).buy(0.1)),
    ("close only", refusal.CLOSE_ONLY, lambda: eurusd(trade_mode=TradeMode.CLOSEONLY).buy(0.1)),
    ("not the oldest", refusal.FIFO_CLOSE, fifo),
    ("against another", refusal.HEDGE_PROHIBITED, lambda: opposite({"prohibits_hedging": True})),
    (
        "stop-limit at MetaTrader 4",
        refusal.NOT_SUPPORTED,
        lambda: trader(server={"is_mt4": True}).trade(
            TradeAction.SELL_STOP_LIMIT, symbol=EURUSD, volume=0.1, open_price=1.09, stop_limit_price=1.095
        ),
    ),
    ("done", refusal.DONE, lambda: trader().buy(0.1)),
    (
        "immediate or cancel, a part",
        refusal.DONE_PARTIAL,
        lambda: eurusd(Conditions(liquidity=Decimal("0.05"))).buy(0.1, filling_modes=[OrderFilling.IOC]),
    ),
]


@pytest.mark.parametrize(("code", "act"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_code_has_its_reason(code: int, act: Callable[[], Answered]) -> None:
    answer = act()
    assert answer.code == code
    assert (answer.deal > 0 or answer.order > 0) == (code in (refusal.DONE, refusal.DONE_PARTIAL))


def test_every_code_in_reach_is_in_the_table() -> None:
    reach = {value for name, value in vars(refusal).items() if name.isupper()}
    assert {case[1] for case in CASES} == reach


@pytest.mark.parametrize("code", [10006, 10007, 10011, 10012, 10028, 10031])
def test_what_only_a_fault_brings_can_be_injected(code: int) -> None:
    found = trader()
    assert found.buy(0.1, fault=code).code == code
    assert found.positions == []


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda found: found.buy(0.1), 0),
        (lambda found: found.buy(0.001), 131),
        (lambda found: found.buy(100), 134),
        (lambda found: found.buy(0.1, stop_loss=1.2), 130),
        (lambda found: limit(found, 1.2), 129),
        (lambda found: limit(found, expiration=DAY), 147),
        (lambda found: found.buy(0.1, "NOPE"), 3),
        (lambda found: modify(found, opened(found)), 1),
        (lambda found: found.close(77), 4753),
    ],
)
def test_metatrader_4_has_numbers_of_its_own(act: Act, code: int) -> None:
    assert act(trader(server={"is_mt4": True})).code == code


def test_a_refused_request_changes_nothing() -> None:
    found = trader()
    opened(found)
    before = found.desk.dump()
    for _ in range(3):
        found.buy(1000)
        limit(found, 1.2)
        found.close(99)
    assert found.desk.dump() == before


def test_the_first_failure_is_told_and_the_rest_is_closed() -> None:
    found = eurusd(freeze_level=10)
    opened(found, stop_loss=1.099)
    opened(found)
    found.quote(EURUSD, 1.0991, 1.0992)
    assert found.trade(TradeAction.POSITIONS_CLOSE_SYMBOL, symbol=EURUSD).code == refusal.FROZEN
    assert [one.sl for one in found.positions] == [109_900]


def test_trade_modes_let_positions_close() -> None:
    found = trader()
    ticket = opened(found)
    for mode in (TradeMode.CLOSEONLY, TradeMode.SHORTONLY):
        desk = Trader(terms_of("EURUSD", trade_mode=mode))
        desk.desk.replay(found.journal)
        desk.quote(EURUSD, BID, ASK)
        assert desk.close(int(ticket)).code == refusal.DONE


def test_codes_map_to_metatrader_4() -> None:
    assert [as_mt4(code) for code in (10009, 10019, 10018, -8, 4753)] == [0, 134, 132, -8, 4753]
    assert MONDAY_NOON % 86_400_000 == 43_200_000
