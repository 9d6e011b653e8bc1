"""A feed of recorded ticks. Like the made-up one it is a pure function of time: it stores no position."""

from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction

from mtfleet.simulator.catalogue import Replay, SymbolDefinition
from mtfleet.simulator.feed import MS_PER_MINUTE, Bar, SymbolFeed, Tick
from mtfleet.simulator.path import Candle, joined
from mtfleet.simulator.recorded_ticks import RecordedTicks
from mtfleet.simulator.schedule import EPOCH

_LEAST_PAUSE_MS = 1000


class ReplayFeed(SymbolFeed):
    """Recorded ticks at their own pace or another, once or again and again.

    Ticks are numbered from the first of the recording. A recording that repeats does so without an end in
    both directions of time, so that there is history too: number -1 is its last tick, one round earlier.
    """

    __slots__ = ("_is_looped", "_period", "_speed", "_start", "_ticks")

    def __init__(self, definition: SymbolDefinition, replay: Replay, ticks: RecordedTicks) -> None:
        super().__init__(definition)
        self._ticks = ticks
        self._is_looped = replay.is_looped
        self._speed = Fraction(replay.speed)
        # From the last tick to the first of the next round it is as long as between two on average.
        pause = ticks.duration_ms // max(1, len(ticks) - 1)
        self._period = ticks.duration_ms + max(_LEAST_PAUSE_MS, pause)
        self._start = ticks.first_ms
        if replay.starts_at is not None:
            self._start = (replay.starts_at - EPOCH) // timedelta(milliseconds=1)

    def is_quoted(self, minute: int) -> bool:
        if self._is_looped:
            return True
        end = self._time_of(len(self._ticks) - 1)
        return self._start < (minute + 1) * MS_PER_MINUTE and minute * MS_PER_MINUTE <= end

    def tick_at(self, time_ms: int) -> Tick | None:
        number = self._count_by(time_ms) - 1
        return None if number < 0 and not self._is_looped else self._tick(number)

    def ticks(self, start_ms: int, end_ms: int) -> Iterator[Tick]:
        for number in range(self._count_by(start_ms - 1), self._count_by(end_ms - 1)):
            yield self._tick(number)

    def count(self, start_ms: int, end_ms: int) -> int:
        return max(0, self._count_by(end_ms - 1) - self._count_by(start_ms - 1))

    def spread_at(self, time_ms: int) -> int:
        tick = self.tick_at(time_ms)
        return 0 if tick is None else tick.ask - tick.bid

    def bar(self, start: int, end: int, *, until_ms: int | None = None) -> Bar | None:
        last_ms = end * MS_PER_MINUTE - 1
        if until_ms is not None:
            last_ms = min(last_ms, until_ms)
        first, beyond = self._count_by(start * MS_PER_MINUTE - 1), self._count_by(last_ms)
        return Bar(self._candle(first, beyond), beyond - first) if first < beyond else None

    def _count_by(self, time_ms: int) -> int:
        """Return the number of the first tick after a moment."""
        offset = (time_ms - self._start) * self._speed.numerator // self._speed.denominator
        if not self._is_looped:
            return self._ticks.count_by(offset)
        rounds, offset = divmod(offset, self._period)
        return rounds * len(self._ticks) + self._ticks.count_by(offset)

    def _time_of(self, number: int) -> int:
        rounds, index = divmod(number, len(self._ticks))
        offset = rounds * self._period + self._ticks.offset_of(index)
        # Rounded up: the first millisecond by which `_count_by` counts it.
        return self._start - (-offset * self._speed.denominator // self._speed.numerator)

    def _tick(self, number: int) -> Tick:
        bid, ask = self._ticks.quote(number % len(self._ticks))
        return Tick(self._time_of(number), bid, ask)

    def _candle(self, first: int, beyond: int) -> Candle:
        size = len(self._ticks)
        begin, end = first % size, (beyond - 1) % size + 1
        rounds = (beyond - 1) // size - first // size
        if not rounds:
            return self._ticks.candle(begin, end)
        head, tail = self._ticks.candle(begin, size), self._ticks.candle(0, end)
        middle = joined(head, self._ticks.candle(0, size)) if rounds > 1 else head
        return joined(middle, tail)
