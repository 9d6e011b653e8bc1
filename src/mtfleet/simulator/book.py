"""A made-up order book: its best prices are the quote, its depth a function of symbol and tick."""

from typing import Final, NamedTuple

from mtfleet.simulator.feed import SymbolFeed, Tick
from mtfleet.simulator.noise import key_of, mix

_LEVELS: Final = 8
_SMALLEST_STEPS: Final = 100
"""The volume at a price is at least so many volume steps."""


class Level(NamedTuple):
    """A price in ticks of the symbol, and a volume in steps of the symbol."""

    is_sell: bool
    price: int
    steps: int


def book_of(feed: SymbolFeed, tick: Tick) -> list[Level]:
    """Return the levels around a quote, the highest price first. Volume grows away from the quote."""
    noise = mix(key_of("book", feed.definition.name) ^ mix(tick.time_ms))
    sells: list[Level] = []
    buys: list[Level] = []
    sell, buy = tick.ask, tick.bid
    for number in range(1, _LEVELS + 1):
        for levels, price, drawn in ((sells, sell, noise & 0xFFFF), (buys, buy, noise >> 16 & 0xFFFF)):
            if price > 0:
                steps = _SMALLEST_STEPS * number * (0x8000 + drawn) // 0x8000
                levels.append(Level(levels is sells, price, steps))
        sell += 1 + (noise >> 32 & 3) % number
        buy -= 1 + (noise >> 34 & 3) % number
        noise = mix(noise)
    return [*reversed(sells), *buys]
