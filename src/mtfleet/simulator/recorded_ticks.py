"""Recorded ticks: reading them from CSV, and the candle of any run of them without looking at each."""

import csv
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from mtfleet.simulator.brokers_file import BrokersFileError
from mtfleet.simulator.catalogue import SymbolDefinition
from mtfleet.simulator.path import Candle
from mtfleet.simulator.schedule import EPOCH

MAX_TICKS: Final = 5_000_000
_COLUMNS: Final = ("time", "bid", "ask")
_MS: Final = timedelta(milliseconds=1)
_BLOCK: Final = 256
"""Ticks whose lowest and highest price are known together."""


class RecordedTicks:
    """Ticks in ascending order of time; prices in ticks of the symbol. There is at least one."""

    __slots__ = ("_bids", "_highs", "_lows", "_offsets", "_spreads", "first_ms")

    def __init__(self, times_ms: Sequence[int], bids: Sequence[int], asks: Sequence[int]) -> None:
        self.first_ms = times_ms[0]
        self._offsets = array("q", (time - self.first_ms for time in times_ms))
        self._bids = array("q", bids)
        self._spreads = array("q", (ask - bid for bid, ask in zip(bids, asks, strict=True)))
        blocks = [self._bids[i : i + _BLOCK] for i in range(0, len(self._bids), _BLOCK)]
        self._lows, self._highs = array("q", map(min, blocks)), array("q", map(max, blocks))

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def duration_ms(self) -> int:
        """From the first tick to the last."""
        return self._offsets[-1]

    def count_by(self, offset_ms: int) -> int:
        """Return how many ticks came up to and including so long after the first."""
        return bisect_right(self._offsets, offset_ms)

    def offset_of(self, index: int) -> int:
        """Return how long after the first a tick came."""
        return self._offsets[index]

    def quote(self, index: int) -> tuple[int, int]:
        """Return bid and ask of a tick."""
        bid = self._bids[index]
        return bid, bid + self._spreads[index]

    def candle(self, start: int, end: int) -> Candle:
        """Return the candle of the ticks `[start, end)`, of which there must be at least one."""
        first, last = -(-start // _BLOCK), end // _BLOCK
        if first < last:  # whole blocks in the middle
            edges = self._bids[start : first * _BLOCK] + self._bids[last * _BLOCK : end]
            lows, highs = edges + self._lows[first:last], edges + self._highs[first:last]
        else:
            lows = highs = self._bids[start:end]
        return Candle(self._bids[start], max(highs), min(lows), self._bids[end - 1])


def read_ticks(lines: Iterable[str], source: str, symbol: SymbolDefinition) -> RecordedTicks:
    """Read CSV with the columns `time`, `bid` and `ask`; `source` is the file's name for messages.

    Raises `BrokersFileError` with line and reason.
    """
    reader = csv.reader(lines)
    times, bids, asks = array("q"), array("q"), array("q")
    prices = _Prices(symbol)
    try:
        columns = _columns(next(reader, []))
        for row in reader:
            if not row:
                continue
            time, bid, ask = _fields(row, columns)
            moment, low, high = _moment(time), prices.of(bid), prices.of(ask)
            if times and moment < times[-1]:
                raise ValueError(f"the time {time!r} is before that of the tick above it")
            if high < low:
                raise ValueError(f"the ask {ask} is below the bid {bid}")
            if len(times) == MAX_TICKS:
                raise ValueError(f"there are more than {MAX_TICKS} ticks")
            times.append(moment)
            bids.append(low)
            asks.append(high)
    except UnicodeDecodeError as error:
        raise BrokersFileError(source, None, "the file is not UTF-8 text") from error
    except (ValueError, csv.Error) as error:
        raise BrokersFileError(source, max(1, reader.line_num), str(error)) from error
    if not times:
        raise BrokersFileError(source, None, "there are no ticks in it")
    return RecordedTicks(times, bids, asks)


def _columns(heading: Sequence[str]) -> tuple[int, ...]:
    names = [name.strip().lower() for name in heading]
    missing = [name for name in _COLUMNS if names.count(name) != 1]
    if missing:
        raise ValueError(f"the first line must name the columns time, bid and ask; once each: {missing[0]}")
    return tuple(names.index(name) for name in _COLUMNS)


def _fields(row: Sequence[str], columns: tuple[int, ...]) -> list[str]:
    if len(row) <= max(columns):
        raise ValueError(f"there are {len(row)} columns, which is too few")
    return [row[column].strip() for column in columns]


def _moment(text: str) -> int:
    if text.isdecimal() and text.isascii():
        moment = int(text)
    else:
        try:
            read = datetime.fromisoformat(text)
            moment = ((read if read.tzinfo else read.replace(tzinfo=UTC)) - EPOCH) // _MS
        except (ValueError, OverflowError):
            raise ValueError(
                f"{text!r} is no time such as 2026-05-20T12:00:00.250Z, nor milliseconds since 1970"
            ) from None
    if not 0 <= moment < _END_MS:
        raise ValueError(f"the time {text!r} is not between 1970 and 2100")
    return moment


_END_MS: Final = (datetime(2100, 1, 1, tzinfo=UTC) - EPOCH) // _MS


class _Prices:
    """Turns prices into ticks of a symbol; remembers those it has seen, since they come again and again."""

    def __init__(self, symbol: SymbolDefinition) -> None:
        self._symbol = symbol
        self._known: dict[str, int] = {}

    def of(self, text: str) -> int:
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= 1_000_000:
                self._known.clear()
            known = self._known[text] = self._read(text)
        return known

    def _read(self, text: str) -> int:
        try:
            price = Decimal(text)
        except InvalidOperation:
            raise ValueError(f"{text!r} is no price") from None
        if not price.is_finite() or not 0 < price < _HIGHEST:
            raise ValueError(f"the price {text} is not above 0 and below {_HIGHEST}")
        ticks = price / self._symbol.tick_size
        if ticks != ticks.to_integral_value():
            raise ValueError(
                f"the price {text} is no multiple of {self._symbol.tick_size}, the tick size of "
                f"{self._symbol.name}; see its digits and tick_points"
            )
        return int(ticks)


_HIGHEST: Final = Decimal(10**9)
