"""A dealing desk with one account, for tests that trade."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from mtfleet.domain.ids import Symbol
from mtfleet.domain.trading import TradeAction, TradeRequest
from mtfleet.simulator.schedule import Clockwork
from mtfleet.simulator.standard_symbols import STANDARD_SYMBOLS
from mtfleet.simulator.trading.desk import DealingDesk
from mtfleet.simulator.trading.holdings import AccountBook
from mtfleet.simulator.trading.records import (
    Account,
    Answered,
    ChangeBalance,
    Command,
    Event,
    OpenTrading,
    Position,
    Quote,
    Quoted,
    Trade,
)
from mtfleet.simulator.trading.terms import Conditions, ServerTerms, SymbolTerms, symbol_terms

LOGIN = 101
MONDAY_NOON = 1_714_996_800_000
"""2024-05-06 12:00 UTC, 15:00 in the zone EET."""
EET = Clockwork(timezone="EET", dst_switch_timezone="EET")
EURUSD = Symbol("EURUSD")
USDJPY = Symbol("USDJPY")


def terms_of(name: str, conditions: Conditions | None = None, /, **changes: Any) -> SymbolTerms:
    """Return a standard symbol's terms with other definitions."""
    return symbol_terms(replace(STANDARD_SYMBOLS[Symbol(name)], **changes), conditions)


def server_terms(**changes: Any) -> ServerTerms:
    """Return the terms of an MT5 hedging server in EET, or others."""
    return replace(ServerTerms(is_mt4=False, is_netting=False, clock=EET), **changes)


class Trader:
    """Trades one account of a desk of its own and keeps all events."""

    def __init__(
        self,
        *symbols: SymbolTerms,
        server: ServerTerms | None = None,
        balance: str = "10000",
        currency: str = "USD",
        digits: int = 2,
        leverage: int = 100,
        is_real: bool = False,
    ) -> None:
        self.symbols = {one.name: one for one in symbols or (terms_of("EURUSD"), terms_of("USDJPY"))}
        self.server = server or server_terms()
        self.desk = DealingDesk(self.server, self.symbols)
        self.now_ms = MONDAY_NOON
        self.journal: list[Event] = []
        terms = Account(login=LOGIN, currency=currency, digits=digits, leverage=leverage, is_real=is_real)
        self.apply(OpenTrading(at_ms=self.now_ms, account=terms))
        if Decimal(balance):
            self.apply(ChangeBalance(at_ms=self.now_ms, login=LOGIN, amount=Decimal(balance)))

    @property
    def account(self) -> AccountBook:
        return self.desk.book.accounts[LOGIN]

    @property
    def positions(self) -> list[Position]:
        return [one for one in self.desk.book.positions.values() if one.login == LOGIN]

    @property
    def position(self) -> Position:
        """The only position."""
        (found,) = self.positions
        return found

    def apply(self, command: Command) -> list[Event]:
        """Carry a command out."""
        events = self.desk.apply(command)
        self.journal += events
        return events

    def quote(self, symbol: str, bid: float, ask: float) -> list[Event]:
        """Move a price."""
        scale = 10 ** self.symbols[symbol].digits
        moved = Quote(symbol, round(bid * scale), round(ask * scale))
        return self.apply(Quoted(at_ms=self.now_ms, quotes=(moved,)))

    def trade(self, action: TradeAction, *, login: int = LOGIN, **fields: Any) -> Answered:
        """Send a request; fields that `TradeRequest` does not have are those of `Trade`."""
        own = {name: fields.pop(name) for name in list(fields) if name in _OF_TRADE}
        request = TradeRequest(action_type=action, **fields)
        events = self.apply(Trade(at_ms=self.now_ms, login=login, request=request, **own))
        answer = events[-1]
        if not isinstance(answer, Answered):
            raise TypeError(f"a trade ended with {answer!r}")
        return answer

    def buy(self, volume: float, symbol: str = EURUSD, **fields: Any) -> Answered:
        return self.trade(TradeAction.BUY, symbol=symbol, volume=volume, **fields)

    def sell(self, volume: float, symbol: str = EURUSD, **fields: Any) -> Answered:
        return self.trade(TradeAction.SELL, symbol=symbol, volume=volume, **fields)

    def close(self, ticket: int, volume: float | None = None, **fields: Any) -> Answered:
        """Close a position, or a part of it."""
        action = TradeAction.POSITION_CLOSE_ID if volume is None else TradeAction.POSITION_PARTIAL
        return self.trade(action, position_id=str(ticket), volume=volume, **fields)

    def replayed(self, journal: Iterable[Event] | None = None) -> DealingDesk:
        """Return a desk that was told the events so far."""
        desk = DealingDesk(self.server, self.symbols)
        desk.replay(self.journal if journal is None else journal)
        return desk


_OF_TRADE = frozenset(Trade.__struct_fields__) - {"at_ms", "login", "request"} - {"magic", "slippage"}
