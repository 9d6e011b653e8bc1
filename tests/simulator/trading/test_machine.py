"""Random trading on all three platforms: what must hold after every single command."""

from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mtfleet.domain.symbols import ExecutionMode
from mtfleet.domain.trading import (
    Expiration,
    ExpirationType,
    OrderFilling,
    StopPriceBase,
    StopUnits,
    TradeAction,
    TradeRequest,
)
from mtfleet.domain.values import Instant
from mtfleet.simulator.trading.desk import DealingDesk
from mtfleet.simulator.trading.holdings import AccountBook, Group
from mtfleet.simulator.trading.money import MICRO, rounded
from mtfleet.simulator.trading.records import (
    BUY_LIMIT,
    BUY_STOP,
    CREDIT,
    FILLED,
    IN,
    INOUT,
    SELL_LIMIT,
    SELL_STOP,
    Account,
    Answered,
    ChangeBalance,
    DealMade,
    Event,
    OpenTrading,
    OrderDone,
    PassTime,
    Position,
    Quote,
    Quoted,
    Trade,
)
from mtfleet.simulator.trading.terms import Conditions, GtcMode, ServerTerms, SymbolTerms
from mtfleet.testing.trading import MONDAY_NOON, server_terms, terms_of

LOGINS = (1, 2)
PRICES = {"EURUSD": 110_000, "USDJPY": 150_000, "EURJPY": 165_000, "XAUUSD": 230_000}
PLAUSIBLE = st.floats(0.9, 1.3) | st.sampled_from([1.1, 1.0995, 1.1005, 1.09, 1.11])
WILD = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, -1.0, 1e300, 5e-324])
PRICE = st.none() | PLAUSIBLE.map(lambda price: round(price, 5)) | WILD
VOLUME = st.sampled_from([0.01, 0.02, 0.1, 0.5, 1.0, 3.0, 0.015]) | WILD | st.none()
UNITS = st.none() | st.sampled_from(StopUnits)
TICKET = st.none() | st.integers(1, 40).map(str) | st.sampled_from(["", "x", "-1", "9" * 30, "²"])

requests = st.builds(
    TradeRequest,
    action_type=st.sampled_from(TradeAction),
    symbol=st.sampled_from([*PRICES, "EURUSD", "EURUSD", "NOPE"]) | st.none(),
    volume=VOLUME,
    open_price=PRICE,
    open_price_units=UNITS,
    stop_limit_price=PRICE,
    stop_limit_price_units=UNITS,
    stop_loss=PRICE,
    stop_loss_units=UNITS,
    take_profit=PRICE,
    take_profit_units=UNITS,
    stop_price_base=st.none() | st.sampled_from(StopPriceBase),
    comment=st.none() | st.text(max_size=40),
    client_id=st.none() | st.text(max_size=40),
    magic=st.none() | st.integers(),
    slippage=st.none() | WILD,
    filling_modes=st.none() | st.lists(st.sampled_from(OrderFilling), max_size=3),
    expiration=st.none()
    | st.builds(
        Expiration,
        type=st.sampled_from(ExpirationType),
        expires_at=st.none()
        | st.sampled_from(
            [
                Instant.parse("2024-05-06T12:30:00Z"),
                Instant.parse("2024-05-08T01:00:00Z"),
                Instant.parse("0001-01-01T00:00:00Z"),
                Instant.parse("9999-12-31T23:59:59Z"),
            ]
        ),
    ),
    position_id=TICKET,
    close_by_position_id=TICKET,
    order_id=TICKET,
)


def symbols() -> dict[str, SymbolTerms]:
    found = (
        terms_of("EURUSD", Conditions(commission_per_lot=Decimal("3.5"), slippage=3, rejects_per_mille=20)),
        terms_of("USDJPY", Conditions(gtc_mode=GtcMode.DAILY), execution_mode=ExecutionMode.INSTANT),
        terms_of(
            "EURJPY",
            Conditions(liquidity=Decimal(1), volume_limit=Decimal(2)),
            execution_mode=ExecutionMode.EXCHANGE,
            stops_level=5,
        ),
        terms_of("XAUUSD", swap_mode="SYMBOL_SWAP_MODE_REOPEN_CURRENT", freeze_level=3),
    )
    return {one.name: one for one in found}


class Trading(RuleBasedStateMachine):
    """Two accounts, four symbols. Subclasses choose the platform."""

    server: ServerTerms

    def __init__(self) -> None:
        super().__init__()
        self.symbols = symbols()
        self.desk = DealingDesk(self.server, self.symbols)
        self.now_ms = MONDAY_NOON
        self.journal: list[bytes] = []
        self.prices = dict(PRICES)

    def apply(self, command: Any) -> list[Event]:
        before = {name: (book.bid, book.ask) for name, book in self.desk.book.symbols.items()}
        events = self.desk.apply(command)
        self.journal.append(msgspec.msgpack.encode(events))
        self.check_fills(events, before)
        return events

    def check_fills(self, events: list[Event], before: dict[str, tuple[int, int]]) -> None:
        """No limit order fills at worse than its price, no stop order before its price was there."""
        opened = {
            event.deal.order: event.deal.price
            for event in events
            if isinstance(event, DealMade) and event.deal.entry in (IN, INOUT) and event.deal.symbol
        }
        for event in events:
            if isinstance(event, OrderDone) and event.order.state == FILLED and event.order.ticket in opened:
                order, price = event.order, opened[event.order.ticket]
                if order.type in (BUY_LIMIT, SELL_STOP):
                    assert price <= order.price
                elif order.type in (SELL_LIMIT, BUY_STOP):
                    assert price >= order.price

    @initialize()
    def begin(self) -> None:
        for login, leverage in zip(LOGINS, (100, 500), strict=True):
            terms = Account(login=login, currency="USD", digits=2, leverage=leverage, is_real=True)
            self.apply(OpenTrading(at_ms=self.now_ms, account=terms))
            self.apply(ChangeBalance(at_ms=self.now_ms, login=login, amount=Decimal(3000)))
        self.apply(Quoted(at_ms=self.now_ms, quotes=self.quotes()))

    def quotes(self) -> tuple[Quote, ...]:
        return tuple(Quote(name, price, price + 10) for name, price in self.prices.items())

    @rule(name=st.sampled_from(sorted(PRICES)), permille=st.integers(-12, 12) | st.sampled_from([-60, 60]))
    def move(self, name: str, permille: int) -> None:
        self.prices[name] = max(1000, self.prices[name] * (1000 + permille) // 1000)
        price = self.prices[name]
        self.apply(Quoted(at_ms=self.now_ms, quotes=(Quote(name, price, price + 10),)))

    @rule(login=st.sampled_from([*LOGINS, 99]), request=requests, roll=st.integers(0, 2**32 - 1))
    def ask_for_anything(self, login: int, request: TradeRequest, roll: int) -> None:
        events = self.apply(Trade(at_ms=self.now_ms, login=login, request=request, roll=roll))
        assert isinstance(events[-1], Answered)

    @rule(
        login=st.sampled_from(LOGINS),
        name=st.sampled_from(sorted(PRICES)),
        is_buy=st.booleans(),
        volume=st.sampled_from([0.01, 0.1, 0.2, 0.5, 1.0]),
        points=st.sampled_from([None, 20, 200]),
        roll=st.integers(0, 2**32 - 1),
    )
    def open_position(
        self, login: int, name: str, is_buy: bool, volume: float, points: int | None, roll: int
    ) -> None:
        request = TradeRequest(
            action_type=TradeAction.BUY if is_buy else TradeAction.SELL,
            symbol=name,  # type: ignore[arg-type]  # a plain text, as it comes from the wire
            volume=volume,
            stop_loss=points,
            stop_loss_units=StopUnits.RELATIVE_POINTS,
            take_profit=points,
            take_profit_units=StopUnits.RELATIVE_POINTS,
            slippage=5,
        )
        self.apply(Trade(at_ms=self.now_ms, login=login, request=request, roll=roll))

    @rule(
        login=st.sampled_from(LOGINS),
        name=st.sampled_from(sorted(PRICES)),
        action=st.sampled_from([one for one in TradeAction if "_STOP" in one.value or "_LIMIT" in one.value]),
        points=st.integers(1, 300),
        kind=st.sampled_from(ExpirationType),
    )
    def place_order(
        self, login: int, name: str, action: TradeAction, points: int, kind: ExpirationType
    ) -> None:
        request = TradeRequest(
            action_type=action,
            symbol=name,  # type: ignore[arg-type]  # a plain text, as it comes from the wire
            volume=0.1,
            open_price=points,
            open_price_units=StopUnits.RELATIVE_POINTS,
            stop_limit_price=5,
            stop_limit_price_units=StopUnits.RELATIVE_POINTS,
            expiration=Expiration(type=kind, expires_at=Instant.parse("2024-05-07T12:00:00Z")),
        )
        self.apply(Trade(at_ms=self.now_ms, login=login, request=request))

    @rule(data=st.data(), part=st.sampled_from([None, 0.01, 0.05]))
    def close_something(self, data: st.DataObject, part: float | None) -> None:
        if self.desk.book.positions:
            position = data.draw(st.sampled_from(list(self.desk.book.positions.values())))
            action = TradeAction.POSITION_CLOSE_ID if part is None else TradeAction.POSITION_PARTIAL
            request = TradeRequest(
                action_type=action, position_id=str(position.ticket), volume=part, slippage=5
            )
            self.apply(Trade(at_ms=self.now_ms, login=position.login, request=request))

    @rule(data=st.data())
    def close_by(self, data: st.DataObject) -> None:
        if self.desk.book.positions:
            choice = st.sampled_from(list(self.desk.book.positions.values()))
            one, other = data.draw(choice), data.draw(choice)
            request = TradeRequest(
                action_type=TradeAction.POSITION_CLOSE_BY,
                position_id=str(one.ticket),
                close_by_position_id=str(other.ticket),
            )
            self.apply(Trade(at_ms=self.now_ms, login=one.login, request=request))

    @rule(minutes=st.sampled_from([1, 60, 720, 4000]))
    def pass_time(self, minutes: int) -> None:
        self.now_ms += minutes * 60_000
        self.apply(PassTime(at_ms=self.now_ms))

    @rule(login=st.sampled_from(LOGINS), amount=st.decimals(0, 500, places=2), is_credit=st.booleans())
    def pay_in(self, login: int, amount: Decimal, is_credit: bool) -> None:
        if amount:
            self.apply(ChangeBalance(at_ms=self.now_ms, login=login, amount=amount, is_credit=is_credit))

    @rule()
    def restart(self) -> None:
        dumped = self.desk.dump()
        self.desk = DealingDesk.load(self.server, self.symbols, dumped)
        assert self.desk.dump() == dumped
        self.apply(Quoted(at_ms=self.now_ms, quotes=self.quotes()))

    @invariant()
    def the_balance_is_the_sum_of_deals(self) -> None:
        for account in self.desk.book.accounts.values():
            deals = [deal for deal in account.deals if deal.symbol or deal.type != CREDIT]
            assert account.balance == sum(deal.profit + deal.swap + deal.commission for deal in deals)
            assert account.credit == sum(deal.profit for deal in account.deals) - sum(
                deal.profit for deal in deals
            )

    @invariant()
    def sums_equal_what_they_are_sums_of(self) -> None:
        for login, account in self.desk.book.accounts.items():
            held = [one for one in self.desk.book.positions.values() if one.login == login]
            assert account.positions_count == len(held)
            carried = sum(one.swap + (one.commission if self.server.is_mt4 else 0) for one in held)
            assert account.carried == carried
            assert account.equity == account.balance + account.credit + carried + account.floating
            assert account.floating == sum(group.floating for group in account.groups.values())
            assert account.margin == sum(group.margin for group in account.groups.values())
            assert account.margin >= 0
            assert not account.unvalued
            for group in account.groups.values():
                self.check_group(account, group)

    def check_group(self, account: AccountBook, group: Group) -> None:
        held = [
            one
            for one in self.desk.book.positions.values()
            if one.login == account.terms.login and one.symbol == group.symbol.terms.name
        ]
        assert held == list(group.positions.values())
        buys = [one for one in held if one.is_buy]
        sells = [one for one in held if not one.is_buy]
        assert group.buy_volume == sum(one.volume for one in buys)
        assert group.sell_volume == sum(one.volume for one in sells)
        assert group.buy_cost == sum(one.cost for one in buys)
        assert group.sell_cost == sum(one.cost for one in sells)
        assert all(one.volume > 0 and one.margin >= 0 for one in held)
        if not buys or not sells:
            assert group.margin == rounded(sum(one.margin for one in held), MICRO)
        self.check_floating(group, buys, sells)

    def check_floating(self, group: Group, buys: list[Position], sells: list[Position]) -> None:
        """From scratch it is the same; from single positions it differs by roundings and a spread at most."""
        symbol = group.symbol
        gains = [symbol.bid * one.volume - one.cost for one in buys]
        gains += [one.cost - symbol.ask * one.volume for one in sells]
        if group.profit_conversion is None:
            assert group.floating == group.profit_of(sum(gains))
        else:
            sides = [group.profit_of(sum(gains[: len(buys)])), group.profit_of(sum(gains[len(buys) :]))]
            assert group.floating == sum(side or 0 for side in sides)
        single = [group.profit_of(raw) or 0 for raw in gains]
        spread = sum(abs(profit) for profit in single) // 1000
        assert abs(group.floating - sum(single)) <= len(single) + spread

    @invariant()
    def accounts_are_stopped_out_in_time(self) -> None:
        for account in self.desk.book.accounts.values():
            if account.margin:
                assert 100 * account.equity > 50 * account.margin
            assert account.is_called == (account.equity <= account.danger and account.positions_count > 0)

    @invariant()
    def netting_holds_one_position_of_a_symbol(self) -> None:
        if self.server.is_netting:
            for account in self.desk.book.accounts.values():
                assert all(len(group.positions) <= 1 for group in account.groups.values())

    @invariant()
    def no_trigger_that_was_crossed_is_left(self) -> None:
        for position in self.desk.book.positions.values():
            symbol = self.desk.book.symbols[position.symbol]
            price = symbol.bid if position.is_buy else symbol.ask
            sign = 1 if position.is_buy else -1
            # At the very level one may stand until the next tick, when the symbol has no stops level.
            assert not position.sl or sign * (price - position.sl) >= 0
            assert not position.tp or sign * (position.tp - price) >= 0

    def teardown(self) -> None:
        """Replay the whole journal, as it would come from a disk."""
        events = [
            event for entry in self.journal for event in msgspec.msgpack.decode(entry, type=list[Event])
        ]
        again = DealingDesk(self.server, self.symbols)
        again.replay(events)
        assert again.dump() == self.desk.dump()


class Hedging(Trading):
    server = server_terms(max_positions=12)


class Netting(Trading):
    server = server_terms(is_netting=True)


class MetaTrader4(Trading):
    server = server_terms(is_mt4=True, max_orders=15, min_expiration_seconds=600)


_MODERATE = settings(
    max_examples=50,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
Hedging.TestCase.settings = Netting.TestCase.settings = MetaTrader4.TestCase.settings = _MODERATE
TestHedging = Hedging.TestCase
TestNetting = Netting.TestCase
TestMetaTrader4 = MetaTrader4.TestCase
