"""A trade server with a desk: accounts and their trading in one journal."""

from decimal import Decimal

import msgspec
import pytest

from mtfleet.domain.market import TradeAccountType
from mtfleet.domain.trading import TradeAction, TradeRequest
from mtfleet.simulator.server import ChangePassword, Command, CommandRefused, OpenAccount, TradeServer
from mtfleet.simulator.trading.records import (
    Account,
    Answered,
    ChangeBalance,
    Event,
    OpenTrading,
    Quote,
    Quoted,
    Trade,
)
from mtfleet.testing.trading import EURUSD, MONDAY_NOON, server_terms, terms_of

FIRST = 5_000_001
TRADING = (server_terms(), {"EURUSD": terms_of("EURUSD")})


def opening(name: str, at_ms: int) -> OpenAccount:
    return OpenAccount(
        at_ms=at_ms,
        request_id=name,
        login=None,
        type=TradeAccountType.DEMO,
        group=None,
        name=name,
        email="ada@example.com",
        phone=None,
        currency="USD",
        currency_digits=2,
        balance=Decimal("1000.50"),
        leverage=100,
        salt=b"salt",
        master_digest=b"master",
        investor_digest=b"investor",
    )


def buy(login: int, at_ms: int) -> Trade:
    request = TradeRequest(action_type=TradeAction.BUY, symbol=EURUSD, volume=0.1)
    return Trade(at_ms=at_ms, login=login, request=request, quotes=(Quote("EURUSD", 110_000, 110_010),))


def test_an_opened_account_can_trade() -> None:
    server = TradeServer(FIRST, TRADING)
    server.apply(opening("a", MONDAY_NOON))
    answer = server.apply(buy(FIRST, MONDAY_NOON))[-1]
    assert isinstance(answer, Answered)
    assert answer.code == 10009
    assert server.desk is not None
    account = server.desk.book.accounts[FIRST]
    assert [deal.profit for deal in account.deals] == [1000_50, 0]
    assert account.equity == 1000_50 - 1_00


def test_a_journal_of_both_makes_the_same_server() -> None:
    server = TradeServer(FIRST, TRADING)
    journal: list[Command | Event] = []
    commands: list[OpenAccount | ChangePassword | Trade | Quoted] = [
        opening("a", MONDAY_NOON),
        buy(FIRST, MONDAY_NOON),
        Quoted(at_ms=MONDAY_NOON + 86_400_000, quotes=(Quote("EURUSD", 110_100, 110_110),)),
        opening("b", MONDAY_NOON + 3 * 86_400_000),
        buy(FIRST + 1, MONDAY_NOON + 3 * 86_400_000),
        ChangePassword(at_ms=MONDAY_NOON, login=FIRST, is_investor=False, digest=b"new"),
    ]
    for command in commands:
        if isinstance(command, OpenAccount | ChangePassword):
            server.apply(command)
            journal.append(command)
        else:
            events = msgspec.msgpack.encode(server.apply(command))
            journal += msgspec.msgpack.decode(events, type=list[Event])
    assert TradeServer.replay(FIRST, journal, TRADING).dump() == server.dump()
    assert TradeServer.load(server.dump(), TRADING).dump() == server.dump()


def test_a_server_without_a_desk_does_not_trade() -> None:
    with pytest.raises(CommandRefused):
        TradeServer(FIRST).apply(buy(FIRST, MONDAY_NOON))


@pytest.mark.parametrize("amount", ["0", "0.001", "-1000.51", "NaN", "1e30", "-Infinity"])
def test_amounts_that_are_none_are_refused(amount: str) -> None:
    server = TradeServer(FIRST, TRADING)
    server.apply(opening("a", MONDAY_NOON))
    before = server.dump()
    with pytest.raises(CommandRefused):
        server.apply(ChangeBalance(at_ms=MONDAY_NOON, login=FIRST, amount=Decimal(amount)))
    with pytest.raises(CommandRefused):
        server.apply(ChangeBalance(at_ms=MONDAY_NOON, login=7, amount=Decimal(5)))
    assert TradeServer.load(before, TRADING).desk is not None
    assert server.desk is not None
    assert [deal.profit for deal in server.desk.book.accounts[FIRST].deals] == [1000_50]


def test_what_is_bound_as_margin_is_not_paid_out() -> None:
    server = TradeServer(FIRST, TRADING)
    server.apply(opening("a", MONDAY_NOON))
    server.apply(buy(FIRST, MONDAY_NOON))
    with pytest.raises(CommandRefused):
        server.apply(ChangeBalance(at_ms=MONDAY_NOON, login=FIRST, amount=Decimal(-900)))
    server.apply(ChangeBalance(at_ms=MONDAY_NOON, login=FIRST, amount=Decimal(-800)))
    assert server.desk is not None
    assert server.desk.book.accounts[FIRST].balance == 200_50


def test_the_currency_of_an_account_stays() -> None:
    server = TradeServer(FIRST, TRADING)
    server.apply(opening("a", MONDAY_NOON))
    account = Account(login=FIRST, currency="EUR", digits=2, leverage=100, is_real=False)
    with pytest.raises(CommandRefused):
        server.apply(OpenTrading(at_ms=MONDAY_NOON, account=account))
