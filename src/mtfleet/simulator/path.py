"""A price path with random access: a pure function of time that needs no storage.

Two layers. An asset's `Walk` gives its level at each full hour by midpoint displacement, so that crosses
follow from
their legs and history reaches back as far as one likes. Below the hour a `Path` halves time again and again:
each
piece knows its first and last price and its exact high and low before anything in it is worked out, and hands
them
down to its halves. So the bar of any whole number of minutes costs a few halvings, one tick ten of them, and
both
agree exactly.

Prices here are whole numbers of ticks (multiples of the symbol's tick size), times are minutes since 1970 in
UTC.
"""

from typing import NamedTuple

from mtfleet.simulator.noise import bell, mix

HOURS_PER_YEAR = 8766
_BLOCK_BITS = 13  # hours in a block of the walk, as a power of two: a little under a year
_LEAF_BITS = 4  # hours that are worked out and kept together
_MAX_LEAVES = 64
_MAX_HOURS = 32
_LEFT = 0x5851F42D4C957F2D
_RIGHT = 0x14057B7EF767814F
_MINUTE = 0x2545F4914F6CDD1D


class Candle(NamedTuple):
    """First, highest, lowest and last price of a stretch of time, in ticks of the symbol."""

    open: int
    high: int
    low: int
    close: int


def joined(earlier: Candle | None, later: Candle) -> Candle:
    """Return the candle of two stretches, one after the other."""
    if earlier is None:
        return later
    return Candle(earlier.open, max(earlier.high, later.high), min(earlier.low, later.low), later.close)


class _Piece(NamedTuple):
    """`size` minutes or tick slots with known first, last, lowest and highest price."""

    size: int
    first: int
    last: int
    low: int
    high: int
    key: int


class Walk:
    """The value of an asset at each hour relative to its long-term mean."""

    __slots__ = ("_key", "_leaves", "hourly")

    def __init__(self, key: int, yearly_volatility: float) -> None:
        self._key = key
        self.hourly = yearly_volatility / HOURS_PER_YEAR**0.5
        """Deviation of one hour's change, as a part of the value."""
        self._leaves: dict[int, list[float]] = {}

    def at(self, hour: int) -> float:
        """Return the level at the beginning of an hour since 1970; its long-term mean is 1."""
        if not self.hourly:
            return 1.0
        index = hour >> _LEAF_BITS
        leaf = self._leaves.get(index)
        if leaf is None:
            if len(self._leaves) >= _MAX_LEAVES:
                self._leaves.clear()
            leaf = self._leaves[index] = self._leaf(index)
        return leaf[hour & (1 << _LEAF_BITS) - 1]

    def _edge(self, block: int) -> float:
        spread = self.hourly * (1 << _BLOCK_BITS) ** 0.5 / 2
        return _bounded(1 + spread * bell(mix(self._key ^ mix(block))))

    def _leaf(self, index: int) -> list[float]:
        block, place = index >> (_BLOCK_BITS - _LEAF_BITS), index & (1 << (_BLOCK_BITS - _LEAF_BITS)) - 1
        first, last, key = self._edge(block), self._edge(block + 1), mix(self._key + block)
        for bits in range(_BLOCK_BITS, _LEAF_BITS, -1):
            drawn, middle = self._middle(first, last, key, bits)
            if place >> (bits - _LEAF_BITS - 1) & 1:
                first, key = middle, drawn ^ _RIGHT
            else:
                last, key = middle, drawn ^ _LEFT
        levels = [first] * (1 << _LEAF_BITS)
        self._fill(levels, 0, _LEAF_BITS, last, key)
        return levels

    def _fill(self, levels: list[float], start: int, bits: int, last: float, key: int) -> None:
        if not bits:
            return
        drawn, middle = self._middle(levels[start], last, key, bits)
        half = start + (1 << bits - 1)
        levels[half] = middle
        self._fill(levels, start, bits - 1, middle, drawn ^ _LEFT)
        self._fill(levels, half, bits - 1, last, drawn ^ _RIGHT)

    def _middle(self, first: float, last: float, key: int, bits: int) -> tuple[int, float]:
        drawn = mix(key)
        spread = self.hourly * (1 << bits) ** 0.5 / 2
        return drawn, _bounded((first + last) / 2 + spread * bell(drawn))


def _bounded(level: float) -> float:
    return min(max(level, 0.4), 2.5)


class Path:
    """All prices of one symbol; knows nothing of sessions."""

    __slots__ = ("_base", "_hours", "_jump", "_key", "_mean", "_minute", "_quote", "_sway", "slots")

    def __init__(
        self, key: int, base: Walk, quote: Walk, *, mean_ticks: float, slots_per_minute: int
    ) -> None:
        if slots_per_minute < 4:
            raise ValueError("a minute needs at least four ticks, to hold a first, a last, a high and a low")
        self._key, self._base, self._quote, self._mean = key, base, quote, mean_ticks
        self.slots = slots_per_minute
        self._sway = (base.hourly**2 + quote.hourly**2) ** 0.5
        self._jump = max(1, round(mean_ticks * self._sway / (60 * slots_per_minute) ** 0.5))
        self._hours: dict[int, _Piece] = {}
        self._minute: tuple[int, _Piece] | None = None

    def candle(self, start: int, end: int) -> Candle:
        """Return the candle of the minutes `[start, end)`, of which there must be at least one."""
        result: Candle | None = None
        while start < end:
            hour = start // 60
            stop = min(end, hour * 60 + 60)
            result = joined(result, self._stretch(self._hour(hour), start - hour * 60, stop - hour * 60))
            start = stop
        if result is None:
            raise ValueError("a candle needs at least one minute")
        return result

    def price(self, minute: int, slot: int) -> int:
        """Return the price of one tick slot of a minute."""
        piece, place = self._minute_piece(minute), slot
        while piece.size >= 8:
            left, right = self._halves(piece)
            if place < left.size:
                piece = left
            else:
                piece, place = right, place - left.size
        return _slots(piece)[place]

    def prices(self, minute: int) -> list[int]:
        """Return the prices of all tick slots of a minute."""
        result: list[int] = []
        waiting = [self._minute_piece(minute)]
        while waiting:
            piece = waiting.pop()
            if piece.size < 8:
                result += _slots(piece)
            else:
                left, right = self._halves(piece)
                waiting += (right, left)
        return result

    def _level(self, hour: int) -> int:
        return max(1, round(self._mean * self._base.at(hour) / self._quote.at(hour)))

    def _hour(self, hour: int) -> _Piece:
        piece = self._hours.get(hour)
        if piece is None:
            first, following, drawn = self._level(hour), self._level(hour + 1), mix(self._key ^ mix(hour))
            last = max(1, following + (((drawn & 0xFF) - 128) * self._jump >> 7))
            # Two even numbers multiplied: most hours barely leave the way from first to last, some do by far.
            reach = 1.6 * first * self._sway / (1 << 24)
            above = round(reach * (drawn >> 8 & 0xFFF) * (drawn >> 20 & 0xFFF))
            below = round(reach * (drawn >> 32 & 0xFFF) * (drawn >> 44 & 0xFFF))
            piece = _Piece(
                60, first, last, max(1, min(first, last) - below), max(first, last) + above, mix(drawn)
            )
            if len(self._hours) >= _MAX_HOURS:
                self._hours.clear()
            self._hours[hour] = piece
        return piece

    def _minute_piece(self, minute: int) -> _Piece:
        if self._minute is not None and self._minute[0] == minute:
            return self._minute[1]
        piece, place = self._hour(minute // 60), minute % 60
        while piece.size > 1:
            left, right = self._halves(piece)
            if place < left.size:
                piece = left
            else:
                piece, place = right, place - left.size
        piece = piece._replace(size=self.slots, key=piece.key ^ _MINUTE)
        self._minute = minute, piece
        return piece

    def _stretch(self, piece: _Piece, start: int, end: int) -> Candle:
        if start <= 0 and end >= piece.size:
            return Candle(piece.first, piece.high, piece.low, piece.last)
        left, right = self._halves(piece)
        if end <= left.size:
            return self._stretch(left, start, end)
        if start >= left.size:
            return self._stretch(right, start - left.size, end - left.size)
        return joined(self._stretch(left, start, left.size), self._stretch(right, 0, end - left.size))

    def _halves(self, piece: _Piece) -> tuple[_Piece, _Piece]:
        """Cut a piece in two that together have its first, last, highest and lowest price."""
        size, first, last, low, high, key = piece
        drawn, half = mix(key), size >> 1
        # Lean towards the extreme that is farther from both ends: else it would stay a lone spike at the end.
        lean = high + low - first - last
        sway = ((drawn & 0xFFFF) - 0x8000) * (high - low) >> 17
        middle = first + (last - first) * half // size + (lean >> 1) + sway
        middle = low if middle < low else high if middle > high else middle
        after = middle + (((drawn >> 16 & 0xFF) - 128) * self._jump >> 7)
        after = low if after < low else high if after > high else after
        left_low, left_high = (first, middle) if first < middle else (middle, first)
        right_low, right_high = (after, last) if after < last else (last, after)
        # The half that comes nearer to an extreme usually gets it; the other reaches at most halfway there.
        if (left_high >= right_high) ^ (drawn >> 24 & 7 == 0):
            left_high, right_high = high, right_high + ((high - right_high) * (drawn >> 32 & 0xFFFF) >> 17)
        else:
            left_high, right_high = left_high + ((high - left_high) * (drawn >> 32 & 0xFFFF) >> 17), high
        if (left_low <= right_low) ^ (drawn >> 27 & 7 == 0):
            left_low, right_low = low, right_low - ((right_low - low) * (drawn >> 48) >> 17)
        else:
            left_low, right_low = left_low - ((left_low - low) * (drawn >> 48) >> 17), low
        return (
            _Piece(half, first, middle, left_low, left_high, drawn ^ _LEFT),
            _Piece(size - half, after, last, right_low, right_high, drawn ^ _RIGHT),
        )


def _slots(piece: _Piece) -> list[int]:
    """Return the prices of a piece of four to seven slots: first, last, high and low are all among them."""
    size, first, last, low, high, key = piece
    drawn = mix(key)
    prices = [first]
    for slot in range(1, size - 1):
        drift = (last - first) * slot // (size - 1)
        noise = ((drawn >> slot * 8 & 0xFF) - 128) * (high - low) >> 9
        prices.append(min(max(first + drift + noise, low), high))
    prices.append(last)
    inner = size - 2
    top = 1 + (drawn >> 56) % inner
    if high > first and high > last:
        prices[top] = high
    if low < first and low < last:
        prices[1 + (top + (drawn >> 60) % (inner - 1)) % inner] = low
    return prices
