"""How long to wait before a request is sent again: the server's word first, our own back-off otherwise."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from mtfleet.domain.values import Clock, Instant
from mtfleet.sdk._options import Retry


def back_off(retry: Retry, failures: int, jitter: Callable[[], float]) -> float:
    """Return the seconds to wait after the `failures`-th failure in a row.

    It doubles from the smallest to the largest delay; up to a quarter is added by chance, so that many
    clients that failed together do not come back together.
    """
    doubled: float = retry.min_delay * 2 ** min(failures - 1, 30)
    return min(retry.max_delay, doubled * (1 + jitter() / 4))


def server_wait(headers: Mapping[str, str], body: bytes, clock: Clock) -> float | None:
    """Return how many seconds the server asks to wait, or `None` when it does not say.

    Seconds are taken before dates, and a date is compared with the server's own clock (its `Date` header)
    where it sent one: the clocks of two machines rarely agree.
    """
    said = _said_in_body(body)
    wait = _seconds(said.get("retryAfterSeconds"))
    if wait is None:
        wait = _header_wait(headers, clock)
    if wait is None:
        metadata = said.get("metadata")
        moment = metadata.get("recommendedRetryTime") if isinstance(metadata, dict) else None
        wait = _until_iso(moment, headers, clock)
    return None if wait is None else max(0.0, wait)


def message_of(body: bytes, default: str) -> str:
    """Return the `message` of an answer as one line of at most 500 characters."""
    message = _said_in_body(body).get("message")
    text = message if isinstance(message, str) and message.strip() else default
    return one_line(text)


def one_line(text: str) -> str:
    """Return `text` fit for a log: one line, nothing unprintable, at most 500 characters."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:500]


def _said_in_body(body: bytes) -> dict[str, Any]:
    if not body.lstrip().startswith(b"{"):
        return {}
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}  # a proxy's page; what it may ask for stands in its headers
    return said if isinstance(said, dict) else {}


def _seconds(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def _header_wait(headers: Mapping[str, str], clock: Clock) -> float | None:
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        moment = _http_date(text)
        return None if moment is None else moment.timestamp() - _server_now(headers, clock)
    return seconds if 0 <= seconds < 1e9 else None  # also refuses nan and inf


def _until_iso(text: Any, headers: Mapping[str, str], clock: Clock) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        return Instant.parse(text).timestamp() - _server_now(headers, clock)
    except (ValueError, OverflowError):
        return None


def _server_now(headers: Mapping[str, str], clock: Clock) -> float:
    return (_http_date(headers.get("date", "")) or clock.now()).timestamp()


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
