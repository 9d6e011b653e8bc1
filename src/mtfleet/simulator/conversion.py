"""Money from one currency into another at the prices of a server's own symbols."""

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple, Protocol

from mtfleet.domain.ids import Symbol


class Exchangeable(Protocol):
    """What says which currencies a symbol exchanges."""

    @property
    def name(self) -> str: ...
    @property
    def base_currency(self) -> str: ...
    @property
    def profit_currency(self) -> str: ...


class Step(NamedTuple):
    """One exchange: multiply by the symbol's price, or divide when it is quoted the other way round."""

    symbol: Symbol
    is_inverse: bool


def route(symbols: Iterable[Exchangeable], source: str, target: str) -> tuple[Step, ...] | None:
    """Return the shortest chain of symbols that turns `source` into `target`, `None` if there is none."""
    edges: dict[str, list[tuple[str, Step]]] = {}
    for symbol in symbols:
        if symbol.base_currency != symbol.profit_currency:
            edges.setdefault(symbol.base_currency, []).append(
                (symbol.profit_currency, Step(Symbol(symbol.name), False))
            )
            edges.setdefault(symbol.profit_currency, []).append(
                (symbol.base_currency, Step(Symbol(symbol.name), True))
            )
    routes: dict[str, tuple[Step, ...]] = {source: ()}
    waiting = deque([source])
    while waiting:
        currency = waiting.popleft()
        if currency == target:
            return routes[currency]
        for following, step in edges.get(currency, ()):
            if following not in routes:
                routes[following] = (*routes[currency], step)
                waiting.append(following)
    return None


def converted(amount: Decimal, steps: Iterable[tuple[Step, Decimal, Decimal]], *, is_profit: bool) -> Decimal:
    """Return `amount` after all steps, each with bid and ask, always on the unfavourable side."""
    for step, bid, ask in steps:
        if step.is_inverse:
            amount /= ask if is_profit else bid
        else:
            amount *= bid if is_profit else ask
    return amount
