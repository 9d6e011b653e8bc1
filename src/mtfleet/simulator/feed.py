"""Prices of one server: a pure function of (seed, server, symbol, time)."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from mtfleet.domain.ids import ServerName, Symbol
from mtfleet.simulator.catalogue import SymbolDefinition
from mtfleet.simulator.noise import key_of
from mtfleet.simulator.path import Candle, Path, Walk, joined
from mtfleet.simulator.schedule import Calendar

MS_PER_MINUTE = 60_000


class Tick(NamedTuple):
    """A quote; prices in ticks of the symbol."""

    time_ms: int
    """Milliseconds since 1970 in UTC."""
    bid: int
    ask: int


class Bar(NamedTuple):
    """What the ticks of a stretch of time were; prices in ticks of the symbol."""

    candle: Candle
    tick_volume: int


class SymbolFeed(ABC):
    """The prices of one symbol as a function of time; everything else is worked out from these."""

    __slots__ = ("calendar", "definition")

    def __init__(self, definition: SymbolDefinition) -> None:
        self.definition = definition
        self.calendar = Calendar(definition.schedule)
        """The sessions, as the specification shows them."""

    def price_of(self, ticks: int) -> Decimal:
        """Turn a price in ticks into a price."""
        return Decimal(ticks * self.definition.tick_points).scaleb(-self.definition.digits)

    @abstractmethod
    def is_quoted(self, minute: int) -> bool:
        """Tell whether ticks may come in that UTC minute since 1970."""

    @abstractmethod
    def tick_at(self, time_ms: int) -> Tick | None:
        """Return the newest tick up to and including a moment; `None` if there was none for weeks."""

    @abstractmethod
    def ticks(self, start_ms: int, end_ms: int) -> Iterator[Tick]:
        """Yield the ticks of `[start, end)`, ascending; work is done as they are taken."""

    @abstractmethod
    def count(self, start_ms: int, end_ms: int) -> int:
        """Return how many ticks `[start, end)` has, without making them."""

    @abstractmethod
    def spread_at(self, time_ms: int) -> int:
        """Return the spread, in ticks of the symbol, of the newest tick up to and including a moment."""

    @abstractmethod
    def bar(self, start: int, end: int, *, until_ms: int | None = None) -> Bar | None:
        """Return the bar of the UTC minutes `[start, end)` since 1970; `None` if it has no ticks.

        Ticks after the moment `until_ms` have not come yet and don't count.
        """


class SyntheticFeed(SymbolFeed):
    """Prices made from a seed. Ticks come on a fixed grid while a session is open."""

    __slots__ = ("_interval", "_last", "_path", "_phase", "_spread")

    def __init__(self, definition: SymbolDefinition, path: Path, phase_ms: int) -> None:
        super().__init__(definition)
        self._path = path
        self._phase = phase_ms
        self._interval = definition.tick_interval_ms
        self._spread = -(-definition.spread // definition.tick_points)
        self._last: tuple[int, int, Tick] | None = None

    def is_quoted(self, minute: int) -> bool:
        return self.calendar.is_open(minute)

    def tick_at(self, time_ms: int) -> Tick | None:
        minute, rest = divmod(time_ms, MS_PER_MINUTE)
        slot = (rest - self._phase) // self._interval
        if slot < 0:
            minute, slot = minute - 1, self._path.slots - 1
        if self._last is not None and self._last[0] == minute and self._last[1] == slot:
            return self._last[2]
        open_minute = self.calendar.last_open(minute) if self.definition.schedule is not None else minute
        if open_minute is None:
            return None
        found = self._tick(open_minute, slot if open_minute == minute else self._path.slots - 1)
        self._last = minute, slot, found
        return found

    def ticks(self, start_ms: int, end_ms: int) -> Iterator[Tick]:
        first, last = start_ms // MS_PER_MINUTE, -(-end_ms // MS_PER_MINUTE)
        for opens, closes in self.calendar.open_within(first, last):
            for minute in range(opens, closes):
                time_ms = minute * MS_PER_MINUTE + self._phase
                for bid in self._path.prices(minute):
                    if start_ms <= time_ms < end_ms:
                        yield Tick(time_ms, bid, bid + self._spread)
                    time_ms += self._interval

    def count(self, start_ms: int, end_ms: int) -> int:
        total = 0
        first, last = start_ms // MS_PER_MINUTE, -(-end_ms // MS_PER_MINUTE)
        for opens, closes in self.calendar.open_within(first, last):
            begin = opens * MS_PER_MINUTE + self._phase
            slots = (closes - opens) * self._path.slots
            # The grid goes on from minute to minute: how many of its points lie before each end?
            before = min(slots, max(0, -(-(start_ms - begin) // self._interval)))
            until = min(slots, max(0, -(-(end_ms - begin) // self._interval)))
            total += max(0, until - before)
        return total

    def spread_at(self, time_ms: int) -> int:
        return self._spread

    def bar(self, start: int, end: int, *, until_ms: int | None = None) -> Bar | None:
        candle: Candle | None = None
        volume = 0
        if until_ms is not None and until_ms < end * MS_PER_MINUTE:
            end, full = until_ms // MS_PER_MINUTE, self.bar(start, until_ms // MS_PER_MINUTE)
            if full is not None:
                candle, volume = full
            for tick in self.ticks(max(start, end) * MS_PER_MINUTE, until_ms + 1):
                candle = joined(candle, Candle(tick.bid, tick.bid, tick.bid, tick.bid))
                volume += 1
            return None if candle is None else Bar(candle, volume)
        for opens, closes in self.calendar.open_within(start, end):
            candle = joined(candle, self._path.candle(opens, closes))
            volume += (closes - opens) * self._path.slots
        return None if candle is None else Bar(candle, volume)

    def _tick(self, minute: int, slot: int) -> Tick:
        bid = self._path.price(minute, slot)
        return Tick(minute * MS_PER_MINUTE + self._phase + slot * self._interval, bid, bid + self._spread)


class Feed(Mapping[Symbol, SymbolFeed]):
    """The feeds of all symbols of a server. Symbols that share a currency share its movements.

    `recorded` has the feeds of those whose prices are not made up.
    """

    def __init__(
        self,
        seed: int,
        server: ServerName,
        symbols: Mapping[Symbol, SymbolDefinition],
        recorded: Mapping[Symbol, SymbolFeed] | None = None,
    ) -> None:
        self._seed, self._server, self._symbols = seed, server, symbols
        self._feeds: dict[Symbol, SymbolFeed] = dict(recorded or {})
        self._walks: dict[tuple[str, Decimal], Walk] = {}

    def __getitem__(self, symbol: Symbol) -> SymbolFeed:
        feed = self._feeds.get(symbol)
        if feed is None:
            feed = self._feeds[symbol] = self._feed(self._symbols[symbol])
        return feed

    def __iter__(self) -> Iterator[Symbol]:
        return iter(self._symbols)

    def __len__(self) -> int:
        return len(self._symbols)

    def _walk(self, asset: str, volatility: Decimal) -> Walk:
        walk = self._walks.get((asset, volatility))
        if walk is None:
            key = key_of(self._seed, self._server, "asset", asset)
            walk = self._walks[asset, volatility] = Walk(key, float(volatility) / 100)
        return walk

    def _feed(self, symbol: SymbolDefinition) -> SymbolFeed:
        # An index or a stock is priced in the currency it is counted in: then it is an asset of its own.
        is_pair = symbol.base_currency != symbol.profit_currency
        base = self._walk(symbol.base_currency if is_pair else f"={symbol.name}", symbol.volatility)
        key = key_of(self._seed, self._server, "symbol", symbol.name)
        path = Path(
            key,
            base,
            self._walk(symbol.profit_currency, symbol.quote_volatility),
            mean_ticks=float(symbol.price / symbol.tick_size),
            slots_per_minute=MS_PER_MINUTE // symbol.tick_interval_ms,
        )
        return SyntheticFeed(symbol, path, key % symbol.tick_interval_ms)
