"""What the server closes by itself: stop losses, take profits, and everything when the money runs out."""

from fractions import Fraction

from mtfleet.simulator.trading.book import STOP_LOSS, Book
from mtfleet.simulator.trading.execution import Execution, tag_of
from mtfleet.simulator.trading.holdings import AccountBook, Group
from mtfleet.simulator.trading.records import FOK, Cause, Position, broker_text
from mtfleet.simulator.trading.refusal import Refused
from mtfleet.simulator.trading.terms import StopOutMode


class Protection:
    """Closes positions on the server's side."""

    __slots__ = ("_book", "_execution", "_is_percent", "_stop_out")

    def __init__(self, book: Book, execution: Execution) -> None:
        self._book, self._execution = book, execution
        self._is_percent = book.terms.stop_out_mode is StopOutMode.PERCENT
        self._stop_out = Fraction(book.terms.stop_out)

    def fire(self, ticket: int, kind: int) -> None:
        """Close a position whose stop loss or take profit was reached, at the market."""
        position = self._book.positions[ticket]
        symbol = self._book.symbols[position.symbol]
        group = symbol.groups[position.login]
        name, level = ("sl", position.sl) if kind == STOP_LOSS else ("tp", position.tp)
        if self._book.terms.is_mt4:
            text = f"{broker_text(position)}[{name}]"
        else:
            text = f"[{name} {_price(level, symbol.terms.digits)}]"
        price = symbol.bid if position.is_buy else symbol.ask
        cause = Cause.SL if kind == STOP_LOSS else Cause.TP
        self._execution.leave(group, position, position.volume, price, tag_of(position, cause, text), FOK)

    def check(self, account: AccountBook) -> None:
        """Call for margin, and close positions until the stop-out level is left, the largest loss first."""
        if account.unvalued:
            return
        is_called = account.equity <= account.danger and account.positions_count > 0
        if is_called != account.is_called:
            self._book.call_margin(account.terms.login, is_called=is_called)
        if not is_called or not self._is_out(account):
            return
        for group, position in self._worst_first(account):
            if not self._is_out(account):
                break
            price = group.symbol.bid if position.is_buy else group.symbol.ask
            try:
                tag = tag_of(position, Cause.SO, self._text(account))
                self._execution.leave(group, position, position.volume, price, tag, FOK)
            except Refused:
                break  # no quote to exchange the money at: it stays until there is one
        still = account.equity <= account.danger and account.positions_count > 0
        if still != account.is_called:
            self._book.call_margin(account.terms.login, is_called=still)

    def _is_out(self, account: AccountBook) -> bool:
        if not account.positions_count:
            return False
        if not self._is_percent:
            return bool(account.equity <= self._stop_out * 10**account.terms.digits)
        if not account.margin:
            return account.equity < 0
        return 100 * account.equity <= account.margin * self._stop_out

    def _worst_first(self, account: AccountBook) -> list[tuple[Group, Position]]:
        found: list[tuple[int, int, Group, Position]] = []
        minute = self._book.now_ms // 60_000
        for group in account.groups.values():
            symbol = group.symbol
            if symbol.terms.calendar is not None and not symbol.terms.calendar.is_open(minute):
                continue
            for ticket, position in group.positions.items():
                raw = symbol.bid * position.volume - position.cost
                if not position.is_buy:
                    raw = position.cost - symbol.ask * position.volume
                profit = group.profit_of(raw)
                if profit is not None:
                    found.append((profit + position.swap, ticket, group, position))
        found.sort(key=lambda one: one[:2])
        return [(group, position) for _, _, group, position in found]

    def _text(self, account: AccountBook) -> str:
        unit = 10**account.terms.digits
        level = f"{100 * account.equity / account.margin:.2f}%" if account.margin else "0.00%"
        words = f"so {level}/{account.equity / unit:.2f}/{account.margin / unit:.2f}"
        return words.replace("so ", "so: ") if self._book.terms.is_mt4 else f"[{words}]"


def _price(points: int, digits: int) -> str:
    whole, part = divmod(points, 10**digits)
    return f"{whole}.{part:0{digits}d}" if digits else str(whole)
