"""Expert advisors that a user adds to an MT4 account."""

from mtfleet.domain.ids import ExpertId, Symbol
from mtfleet.domain.values import Value

PERIODS: tuple[str, ...] = ("1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w", "1mn")
"""Timeframes of MT4, as the API writes them."""


class Expert(Value, frozen=True, kw_only=True):
    """An expert advisor as the API shows it. Its preset is written, never shown."""

    expert_id: ExpertId
    period: str
    symbol: Symbol
    file_uploaded: bool
