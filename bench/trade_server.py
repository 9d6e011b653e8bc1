"""The simulated trade server's core: a trade in memory with its events encoded, ticks, and memory.

Processor time of one process; nothing is written to disk here.
"""

import gc
import time
import tracemalloc
from decimal import Decimal

import msgspec

from bench.table import Row
from mtfleet.domain.ids import Symbol
from mtfleet.domain.trading import TradeAction, TradeRequest
from mtfleet.simulator.schedule import Clockwork
from mtfleet.simulator.standard_symbols import STANDARD_SYMBOLS
from mtfleet.simulator.trading.desk import DealingDesk
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
from mtfleet.simulator.trading.terms import ServerTerms, symbol_terms

_LOGIN = 1
_NOON = 1_714_996_800_000  # a Monday
_BID, _ASK = 108_500, 108_508
_EURUSD = Symbol("EURUSD")
_ROUNDS = 4_000
_NO_COMPARISON = "the comparison with nautilus_trader is still to come"


def rows() -> list[Row]:
    """Measure and return the rows."""
    alone, beside = _open_and_close(0), _open_and_close(1_000)
    found = [
        Row(
            what="open + close a position in memory, events encoded",
            value=alone * 1e6,
            unit="µs",
            aim="<= 60 µs",
            note=f"processor time; {_NO_COMPARISON}",
        ),
        Row(
            what="the same beside 1,000 open positions of the account and symbol",
            value=beside * 1e6,
            unit="µs",
            aim="<= 140 µs",
            note=f"{beside / alone:.2f} x the first; {_NO_COMPARISON}",
        ),
    ]
    found += _tick_rows()
    memory, whole = _memory()
    found.append(
        Row(
            what="memory of one more open position",
            value=memory,
            unit="KiB",
            aim="<= 1 KiB",
            note=f"with stop loss and take profit; {whole:.2f} KiB with its order and deal in the history",
        )
    )
    return found


def _tick_rows() -> list[Row]:
    found = []
    for count, aim in ((0, ""), (1_000, ">= 20,000 /s"), (100_000, "")):
        found.append(
            Row(
                what=f"ticks with equity, margin and stop-out known, {count:,} open positions",
                value=_ticks(count, has_stops=False),
                unit="1/s",
                aim=aim,
                note="one account, one symbol",
            )
        )
    found.append(
        Row(
            what="the same, 1,000 positions with a stop loss and a take profit each",
            value=_ticks(1_000, has_stops=True),
            unit="1/s",
            aim=">= 3,000 /s",
            note="no tick reaches them",
        )
    )
    found.append(
        Row(
            what="ticks with all equities known, 1,000 accounts with a position of the symbol each",
            value=_ticks_of_many(),
            unit="1/s",
            aim="",
            note="each account is valued at each tick",
        )
    )
    return found


def _desk() -> DealingDesk:
    terms = ServerTerms(
        is_mt4=False, is_netting=False, clock=Clockwork(timezone="EET", dst_switch_timezone="EET")
    )
    desk = DealingDesk(terms, {name: symbol_terms(symbol) for name, symbol in STANDARD_SYMBOLS.items()})
    account = Account(login=_LOGIN, currency="USD", digits=2, leverage=500, is_real=False)
    desk.apply(OpenTrading(at_ms=_NOON, account=account))
    desk.apply(ChangeBalance(at_ms=_NOON, login=_LOGIN, amount=Decimal(10**9)))
    desk.apply(Quoted(at_ms=_NOON, quotes=(Quote(_EURUSD, _BID, _ASK),)))
    return desk


def _fill(desk: DealingDesk, count: int, *, has_stops: bool) -> None:
    for number in range(count):
        request = TradeRequest(
            action_type=TradeAction.BUY,
            symbol=_EURUSD,
            volume=0.01,
            stop_loss=round(0.9 + (number % 5_000) / 1e5, 5) if has_stops else None,
            take_profit=round(1.2 + (number % 5_000) / 1e5, 5) if has_stops else None,
        )
        _answer(desk.apply(Trade(at_ms=_NOON, login=_LOGIN, request=request)))


def _answer(events: list[Event]) -> Answered:
    answer = events[-1]
    assert isinstance(answer, Answered)
    assert answer.code == 10009, answer
    return answer


def _open_and_close(beside: int) -> float:
    """Return seconds of processor time for each pair of trades."""
    desk = _desk()
    _fill(desk, beside, has_stops=False)
    encode = msgspec.msgpack.Encoder().encode
    opening = TradeRequest(
        action_type=TradeAction.BUY, symbol=_EURUSD, volume=0.1, comment="bench", client_id="TE_EURUSD_1"
    )
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        for number in range(_ROUNDS):
            at_ms = _NOON + number
            quotes = (Quote(_EURUSD, _BID + number % 7, _ASK + number % 7),)
            events = desk.apply(Trade(at_ms=at_ms, login=_LOGIN, request=opening, quotes=quotes))
            encode(events)
            closing = TradeRequest(
                action_type=TradeAction.POSITION_CLOSE_ID, position_id=str(_answer(events).position)
            )
            events = desk.apply(Trade(at_ms=at_ms, login=_LOGIN, request=closing, quotes=quotes))
            encode(events)
            _answer(events)
        best = min(best, (time.process_time() - started) / _ROUNDS)
    return best


def _ticks(count: int, *, has_stops: bool) -> float:
    """Return ticks for each second of processor time."""
    desk = _desk()
    _fill(desk, count, has_stops=has_stops)
    account = desk.book.accounts[_LOGIN]
    ticks = 20_000
    commands = [
        Quoted(at_ms=_NOON + number, quotes=(Quote(_EURUSD, _BID + number % 50, _ASK + number % 50),))
        for number in range(ticks)
    ]
    started = time.process_time()
    total = 0
    for command in commands:
        desk.apply(command)
        total += account.equity - account.margin
    seconds = time.process_time() - started
    assert total > 0
    return ticks / seconds


def _ticks_of_many() -> float:
    """Return ticks for each second of processor time, beside a thousand accounts."""
    desk = _desk()
    request = TradeRequest(action_type=TradeAction.BUY, symbol=_EURUSD, volume=0.01)
    for login in range(_LOGIN + 1, _LOGIN + 1_001):
        account = Account(login=login, currency="USD", digits=2, leverage=500, is_real=False)
        desk.apply(OpenTrading(at_ms=_NOON, account=account))
        desk.apply(ChangeBalance(at_ms=_NOON, login=login, amount=Decimal(10_000)))
        _answer(desk.apply(Trade(at_ms=_NOON, login=login, request=request)))
    ticks = 500
    started = time.process_time()
    for number in range(ticks):
        moved = Quote(_EURUSD, _BID + number % 50, _ASK + number % 50)
        desk.apply(Quoted(at_ms=_NOON + number, quotes=(moved,)))
    return ticks / (time.process_time() - started)


def _memory() -> tuple[float, float]:
    """Return KiB of one position without and with its history, measured over many."""
    desk, count = _desk(), 20_000
    _fill(desk, 100, has_stops=True)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    _fill(desk, count, has_stops=True)
    gc.collect()
    whole, _ = tracemalloc.get_traced_memory()
    account = desk.book.accounts[_LOGIN]
    account.history_orders.clear()
    account.deals.clear()
    gc.collect()
    alone, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (alone - before) / count / 1024, (whole - before) / count / 1024
