"""Candles and ticks of the past."""

from datetime import UTC, datetime
from typing import Any

from mtfleet.domain.errors import invalid
from mtfleet.domain.values import Instant
from mtfleet.sdk._http import Call, HttpClient, segment


async def historical_candles(
    http: HttpClient, path: str, symbol: str, timeframe: str, start_time: datetime | None, limit: int | None
) -> list[dict[str, Any]]:
    """Fetch a page of candles below an account's `path`."""
    where = f"symbols/{segment('symbol', symbol)}/timeframes/{segment('timeframe', timeframe)}/candles"
    return await _page(http, f"{path}/historical-market-data/{where}", start_time, {"limit": limit})


async def historical_ticks(
    http: HttpClient,
    path: str,
    symbol: str,
    start_time: datetime | None,
    offset: int | None,
    limit: int | None,
) -> list[dict[str, Any]]:
    """Fetch a page of ticks below an account's `path`."""
    where = f"symbols/{segment('symbol', symbol)}/ticks"
    numbers = {"offset": offset, "limit": limit}
    return await _page(http, f"{path}/historical-market-data/{where}", start_time, numbers)


async def _page(
    http: HttpClient, path: str, start_time: datetime | None, numbers: dict[str, int | None]
) -> list[dict[str, Any]]:
    params: dict[str, str | list[str]] = {}
    if start_time is not None:
        params["startTime"] = _written(start_time)
    for name, number in numbers.items():
        if number is None:
            continue
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise invalid(name, "give a whole number, not below 0", number)
        params[name] = str(number)
    call = Call(method="GET", path=path, params=params, service="market-data", is_long=True)
    found = await http.fetch(call, list[dict[str, Any]])
    for one in found:
        if isinstance(one.get("time"), str):
            one["time"] = datetime.fromisoformat(one["time"])
    return found


def _written(moment: datetime) -> str:
    if not isinstance(moment, datetime):
        raise invalid("start_time", f"give a datetime, not {type(moment).__name__}")
    # A time without a zone is this machine's local time, as everywhere in Python's standard library.
    try:
        return Instant.of(moment.astimezone(UTC)).to_wire()
    except (OverflowError, ValueError, OSError):  # the last is what Windows says of a year before 1970
        raise invalid("start_time", "give a time that can be written in UTC", str(moment)) from None
