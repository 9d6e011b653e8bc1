"""Every symbol of every built-in server can be traded at the prices of its own feed."""

from decimal import Decimal

import pytest

from mtfleet.domain.trading import TradeAction, TradeRequest
from mtfleet.simulator.catalogue import ServerDefinition
from mtfleet.simulator.feed import Feed
from mtfleet.simulator.trading.desk import DealingDesk
from mtfleet.simulator.trading.records import (
    Account,
    Answered,
    ChangeBalance,
    OpenTrading,
    PassTime,
    Quote,
    Quoted,
    Trade,
)
from mtfleet.simulator.trading.terms import trading_of
from mtfleet.terminals.simulated.terminals import builtin_catalogue

MONDAY_AFTERNOON = 1_715_007_600_000
"""2024-05-06 15:00 UTC, 11:00 in New York: everything is open."""
SERVERS = list(builtin_catalogue().servers.values())


@pytest.mark.parametrize("server", SERVERS, ids=[server.name for server in SERVERS])
def test_every_symbol_is_bought_held_overnight_and_sold(server: ServerDefinition) -> None:
    desk = DealingDesk(*trading_of(server))
    feed = Feed(1, server.name, server.symbols)
    now = MONDAY_AFTERNOON

    def quotes() -> tuple[Quote, ...]:
        found = []
        for name, symbol in feed.items():
            tick = symbol.tick_at(now)
            assert tick is not None
            points = symbol.definition.tick_points
            found.append(Quote(name, tick.bid * points, tick.ask * points))
        return tuple(found)

    desk.apply(
        OpenTrading(
            at_ms=now, account=Account(login=1, currency="USD", digits=2, leverage=100, is_real=False)
        )
    )
    desk.apply(ChangeBalance(at_ms=now, login=1, amount=Decimal(1_000_000)))
    desk.apply(Quoted(at_ms=now, quotes=quotes()))
    account = desk.book.accounts[1]
    tickets = []
    for name, symbol in server.symbols.items():
        before = account.margin
        request = TradeRequest(action_type=TradeAction.BUY, symbol=name, volume=float(symbol.min_volume * 10))
        answer = desk.apply(Trade(at_ms=now, login=1, request=request))[-1]
        assert isinstance(answer, Answered)
        assert answer.code in (0, 10009), name
        assert 0 < account.margin - before < 5_000_00, name
        tickets.append(answer.position)
    assert account.equity < 1_000_000_00  # the spreads
    desk.apply(PassTime(at_ms=now + 12 * 3_600_000))
    assert account.carried != 0
    now += 24 * 3_600_000
    desk.apply(Quoted(at_ms=now, quotes=quotes()))
    for ticket in tickets:
        request = TradeRequest(action_type=TradeAction.POSITION_CLOSE_ID, position_id=str(ticket))
        answer = desk.apply(Trade(at_ms=now, login=1, request=request))[-1]
        assert isinstance(answer, Answered)
        assert answer.code in (0, 10009)
    assert (account.margin, account.floating, account.carried) == (0, 0, 0)
    assert account.balance == sum(deal.profit + deal.swap + deal.commission for deal in account.deals)
