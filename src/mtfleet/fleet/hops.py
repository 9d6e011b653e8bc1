"""How one account stands on its way to the broker, kept small: the `Hop` values are built when asked for."""

from mtfleet.domain.deployment import Hop, HopName, HopState
from mtfleet.domain.values import Instant

HOPS = tuple(HopName)
_INDEX = {name: index for index, name in enumerate(HOPS)}
_END = len(HOPS)


class HopTrail:
    """The hops before the present one are passed, those after it wait."""

    __slots__ = ("_details", "_error", "_index", "_next_try_at", "_since", "_state")

    def __init__(self, now: Instant) -> None:
        self._index = 0
        self._state = HopState.WAITING
        self._since = (now,) * _END
        self._error: str | None = None
        self._details: str | None = None
        self._next_try_at: Instant | None = None

    @property
    def present(self) -> HopName | None:
        """The hop that is tried or failed; `None` when all are passed."""
        return HOPS[self._index] if self._index < _END else None

    def begin(self, name: HopName, now: Instant) -> None:
        """Try `name` now; its last error stays until it is passed."""
        index = _INDEX[name]
        if index != self._index:
            self._error = self._details = None
        self._move(index, HopState.TRYING, now)
        self._next_try_at = None

    def passed(self, name: HopName, now: Instant) -> None:
        """`name` is passed, and the next one is tried. Passing one that was passed changes nothing."""
        index = _INDEX[name]
        if index < self._index:
            return
        self._since = self._since[: self._index] + (now,) * (_END - self._index)
        self._index, self._state = index + 1, HopState.TRYING
        self._error = self._details = self._next_try_at = None

    def failed(
        self,
        name: HopName,
        now: Instant,
        error: str,
        *,
        details: str | None = None,
        next_try_at: Instant | None = None,
    ) -> None:
        """`name` failed; it is tried again at `next_try_at`, or never by itself."""
        self._move(_INDEX[name], HopState.FAILED, now)
        self._error, self._details, self._next_try_at = error, details, next_try_at

    def _move(self, index: int, state: HopState, now: Instant) -> None:
        """Make `index` the present hop. While it is tried and fails in turn, `since` tells since when it is
        not passed: that says how long a broker has been away."""
        is_same = index == self._index and self._state is not HopState.WAITING
        kept = index + 1 if is_same else min(index, self._index)
        self._since = self._since[:kept] + (now,) * (_END - kept)
        self._index, self._state = index, state

    def build(self) -> list[Hop]:
        """Return the hops as they are shown."""
        return [self._hop(index) for index in range(_END)]

    def _hop(self, index: int) -> Hop:
        name, since = HOPS[index], self._since[index]
        if index < self._index:
            return Hop(name=name, state=HopState.PASSED, since=since)
        if index > self._index:
            return Hop(name=name, state=HopState.WAITING, since=since)
        return Hop(
            name=name,
            state=self._state,
            since=since,
            last_error=self._error,
            details=self._details,
            next_try_at=self._next_try_at,
        )

    def describe(self) -> str:
        """Say in a sentence which hop is not passed and why; empty when all are."""
        name = self.present
        if name is None:
            return ""
        text = f"hop {name.value}: {self._state.value}"
        return f"{text}; last error: {self._error}" if self._error else text
