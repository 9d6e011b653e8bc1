"""The dealing desk: commands in, events out. No clock and no chance of its own, no input or output."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import msgspec

from mtfleet.domain.returncodes import as_mt4
from mtfleet.simulator.refused import CommandRefused
from mtfleet.simulator.trading.book import ACTIVATION, Book
from mtfleet.simulator.trading.daytime import day_end
from mtfleet.simulator.trading.execution import Execution
from mtfleet.simulator.trading.holdings import AccountBook, Conversion, SymbolBook
from mtfleet.simulator.trading.intake import NOTHING, Intake
from mtfleet.simulator.trading.pending import PendingOrders
from mtfleet.simulator.trading.protection import Protection
from mtfleet.simulator.trading.records import (
    BALANCE,
    CREDIT,
    Account,
    Answered,
    Cause,
    ChangeBalance,
    Command,
    Deal,
    Event,
    OpenTrading,
    Order,
    PassTime,
    Position,
    Quote,
    Quoted,
    Trade,
)
from mtfleet.simulator.trading.refusal import Refused
from mtfleet.simulator.trading.rollover import Rollover
from mtfleet.simulator.trading.terms import ServerTerms, SymbolTerms

_GREATEST_AMOUNT: Final = Decimal(10**12)


class _AccountState(msgspec.Struct, frozen=True, array_like=True):
    account: Account
    orders: list[Order]
    history_orders: list[Order]
    deals: list[Deal]
    is_called: bool


class _State(msgspec.Struct, frozen=True, array_like=True):
    next_ticket: int
    next_deal: int
    day_end_ms: int
    accounts: list[_AccountState]
    positions: list[Position]


class DealingDesk:
    """All trading of one server.

    `apply` decides, carries out and tells; `replay` does the same from what it told. A journal of the events
    is a server. Quotes are not in it: after `load` or `replay` send the newest ones with a `Quoted`. Until
    all symbols with positions have one, no day ends, and accounts that miss one can't open positions and are
    not stopped out.
    """

    def __init__(self, terms: ServerTerms, symbols: Mapping[str, SymbolTerms]) -> None:
        self.book = Book(terms, symbols)
        self._execution = Execution(self.book)
        self._pending = PendingOrders(self.book, self._execution)
        self._protection = Protection(self.book, self._execution)
        self._rollover = Rollover(self.book, self._execution, self._pending)
        self._intake = Intake(self.book, self._execution, self._pending)
        self._code_of: Callable[[int], int] = as_mt4 if terms.is_mt4 else int
        self._handlers: dict[type, Callable[[Any], None]] = {
            Quoted: self._quoted,
            Trade: self._trade,
            OpenTrading: self._open_trading,
            ChangeBalance: self._change_balance,
            PassTime: lambda command: None,
        }

    def apply(self, command: Command) -> list[Event]:
        """Carry a command out and return what happened, in order.

        A `Trade` always ends with `Answered`, whatever the client sent. Raises `CommandRefused` for what
        the broker itself asks and can't have.

        Time never goes back: an earlier moment counts as the newest one.
        """
        book = self.book
        if command.at_ms > book.now_ms:
            book.now_ms = command.at_ms
        events: list[Event] = []
        book.events = events
        if not book.day_end_ms:
            book.set_day_end(day_end(book.terms.clock, book.now_ms))
        if book.now_ms >= book.day_end_ms or (book.expirations and book.expirations[0][0] <= book.now_ms):
            self._do_what_is_due()
        self._handlers[type(command)](command)
        return events

    def watched(self) -> list[str]:
        """Return the symbols whose quotes matter now: held, ordered, or exchanging money of what is held."""
        found = {name for name, symbol in self.book.symbols.items() if symbol.live or symbol.dependents}
        for name in list(found):
            for group in self.book.symbols[name].groups.values():
                found.update(_steps(self._rollover.conversion(group)))
        return sorted(found)

    def needed_for(self, login: int, name: str) -> list[str]:
        """Return the symbols that need a quote before an account can open a position; none if unknown."""
        account, symbol = self.book.accounts.get(login), self.book.symbols.get(name)
        if account is None or symbol is None:
            return []
        group = self.book.group(account, symbol)
        ways = group.profit_conversion, group.margin_conversion, self._rollover.conversion(group)
        return sorted({name, *(step for way in ways for step in _steps(way))})

    def take_up(self, account: Account, balance: Decimal, at_ms: int) -> None:
        """Open an account with a first deposit.

        No time passes by it, and it tells nothing: whoever keeps a journal has the command that it came of.
        """
        book = self.book
        book.events = []
        book.set_account(account)
        amount = int(balance * 10**account.digits)
        if amount:
            book.make_deal(self._balance_deal(account.login, amount, at_ms, "", is_credit=False))

    def replay(self, events: Iterable[Event]) -> None:
        """Carry out events of before."""
        self.book.events = []
        for event in events:
            self.book.fold(event)

    def dump(self) -> bytes:
        """Return the whole state as bytes; equal states give equal bytes."""
        book = self.book
        accounts = [
            _AccountState(
                account.terms,
                list(account.orders.values()),
                list(account.history_orders.values()),
                account.deals,
                account.is_called,
            )
            for account in book.accounts.values()
        ]
        return msgspec.msgpack.encode(
            _State(book.next_ticket, book.next_deal, book.day_end_ms, accounts, list(book.positions.values()))
        )

    @classmethod
    def load(cls, terms: ServerTerms, symbols: Mapping[str, SymbolTerms], data: bytes) -> "DealingDesk":
        """Return the desk that `dump` wrote. Raises `msgspec.DecodeError` for anything else."""
        state = msgspec.msgpack.decode(data, type=_State)
        desk = cls(terms, symbols)
        book = desk.book
        for one in state.accounts:
            book.set_account(one.account)
            account = book.accounts[one.account.login]
            for deal in one.deals:
                book.make_deal(deal)
            for order in one.history_orders:
                book.finish_order(order)
            for order in one.orders:
                book.put_order(order)
            account.is_called = one.is_called
        for position in state.positions:
            book.put_position(position)
        book.next_ticket, book.next_deal = state.next_ticket, state.next_deal
        book.day_end_ms = state.day_end_ms
        book.events = []
        return desk

    def _do_what_is_due(self) -> None:
        """Expire orders and end days, each at its moment and in order."""
        book = self.book
        now = book.now_ms
        while True:
            found = book.next_expiration(min(now, book.day_end_ms))
            if found is not None:
                book.now_ms, order = found
                self._pending.expire(order)
            elif book.day_end_ms <= now and self._rollover.is_ready():
                book.now_ms = at_ms = book.day_end_ms
                self._rollover.end_day(at_ms)
                for _, account in sorted(book.accounts.items()):  # swap may have used the margin up
                    if account.is_called or account.equity <= account.danger:
                        self._protection.check(account)
                is_idle = not book.positions and not book.orders
                book.set_day_end(day_end(book.terms.clock, now if is_idle else at_ms))
            else:
                break
        book.now_ms = now

    def _quoted(self, command: Quoted) -> None:
        for quote in command.quotes:
            self._quote(quote)

    def _quote(self, quote: Quote) -> None:
        """Take a new price in: value what it touches, fire what it crosses, then look after the margins."""
        symbol = self.book.symbols.get(quote.symbol)
        if symbol is None or not 0 < quote.bid <= quote.ask:
            return
        symbol.bid, symbol.ask = quote.bid, quote.ask
        endangered: dict[int, AccountBook] = {}
        for group in symbol.groups.values():
            group.revalue()
            account = group.account
            if account.equity <= account.danger or account.is_called:
                endangered[account.terms.login] = account
        for group in symbol.dependents.values():
            group.revalue()
            account = group.account
            if account.equity <= account.danger or account.is_called:
                endangered[account.terms.login] = account
        for account in self._fire(symbol):
            endangered[account.terms.login] = account
        for _, account in sorted(endangered.items()):
            self._protection.check(account)

    def _fire(self, symbol: SymbolBook) -> list[AccountBook]:
        book, touched, postponed = self.book, [], []
        while (found := book.next_trigger(symbol)) is not None:
            ticket, kind = found
            record = book.orders[ticket] if kind == ACTIVATION else book.positions[ticket]
            touched.append(book.accounts[record.login])
            try:
                if kind == ACTIVATION:
                    self._pending.activate(ticket)
                else:
                    self._protection.fire(ticket, kind)
            except Refused:  # no quote yet to exchange the money at: it waits for the next tick
                postponed.append(found)
        for ticket, kind in postponed:
            book.watch_again(symbol, ticket, kind)
        return touched

    def _trade(self, command: Trade) -> None:
        for quote in command.quotes:
            self._quote(quote)
        book = self.book
        try:
            code, done, volume, price = self._intake.take(command)
        except Refused as refused:
            code, done, volume, price = refused.code, NOTHING, 0, 0
        account = book.accounts.get(command.login)
        if account is not None and (account.is_called or account.equity <= account.danger):
            self._protection.check(account)
        book.events.append(
            Answered(command.login, self._code_of(code), done.order, done.position, done.deal, volume, price)
        )

    def _open_trading(self, command: OpenTrading) -> None:
        if command.account.leverage < 1:
            raise CommandRefused(f"A leverage of {command.account.leverage} is none; the least is 1.")
        known = self.book.accounts.get(command.account.login)
        if known is not None and (known.terms.currency, known.terms.digits) != (
            command.account.currency,
            command.account.digits,
        ):
            raise CommandRefused(f"The account {command.account.login} has money in another currency.")
        self.book.set_account(command.account)

    def _change_balance(self, command: ChangeBalance) -> None:
        book = self.book
        account = book.accounts.get(command.login)
        if account is None:
            raise CommandRefused(f"The server has no account {command.login}.")
        digits = account.terms.digits
        is_number = command.amount.is_finite() and abs(command.amount) < _GREATEST_AMOUNT
        exact = Fraction(command.amount) * 10**digits if is_number else Fraction(0)
        amount = exact.numerator
        if exact.denominator != 1 or not amount:
            raise CommandRefused(
                f"{command.amount} is no amount of {account.terms.currency} with {digits} decimal digits."
            )
        before = account.credit if command.is_credit else account.balance
        if amount < 0 and before + amount < 0:
            raise CommandRefused(f"The account {command.login} has less than {-command.amount}.")
        is_bound = account.unvalued or account.equity + amount < account.margin
        if amount < 0 and account.positions_count and is_bound:
            raise CommandRefused(
                f"The account {command.login} has less than {-command.amount} in free margin."
            )
        book.make_deal(
            self._balance_deal(
                command.login, amount, book.now_ms, command.comment, is_credit=command.is_credit
            )
        )
        if account.is_called or account.equity <= account.danger:
            self._protection.check(account)

    def _balance_deal(self, login: int, amount: int, at_ms: int, comment: str, *, is_credit: bool) -> Deal:
        book = self.book
        return Deal(
            book.next_deal,
            login,
            book.next_ticket if book.terms.is_mt4 else 0,
            0,
            "",
            CREDIT if is_credit else BALANCE,
            0,
            0,
            0,
            amount,
            0,
            0,
            at_ms,
            0,
            0,
            0,
            comment,
            "",
            "",
            Cause.CLIENT,
        )


def _steps(conversion: Conversion | None) -> list[str]:
    if conversion is None or conversion.steps is None:
        return []
    return [symbol.terms.name for symbol, _ in conversion.steps]
