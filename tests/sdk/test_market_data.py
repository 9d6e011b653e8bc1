"""Candles and ticks of the past: what is asked for, and what programs get."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx2
import pytest

from mtfleet import MetaApi, TimeoutException, TooManyRequestsException, ValidationException
from mtfleet.sdk import MetatraderAccount
from mtfleet.testing.http import TOKEN, ScriptedServer, account_body, error, ok

ID = account_body()["_id"]
HISTORY = f"/users/current/accounts/{ID}/historical-market-data/symbols"
CANDLE = {
    "symbol": "EUR/USD",
    "timeframe": "15m",
    "time": "2026-05-20T12:00:00.000Z",
    "brokerTime": "2026-05-20 15:00:00.000",
    "open": 1.1,
    "high": 1.2,
    "low": 1.0,
    "close": 1.1,
    "tickVolume": 5,
    "spread": 1,
    "volume": 0.0,
}


@pytest.fixture
async def account(api: MetaApi, server: ScriptedServer) -> MetatraderAccount:
    server.will(ok(account_body()))
    return await api.metatrader_account_api.get_account(ID)


def asked(server: ScriptedServer) -> tuple[str, dict[str, str]]:
    url = server.requests[-1].url
    return url.raw_path.decode().partition("?")[0], dict(url.params)


async def test_candles_are_dictionaries_with_real_times(
    account: MetatraderAccount, server: ScriptedServer
) -> None:
    server.will(ok([CANDLE]))
    (candle,) = await account.get_historical_candles("EUR/USD", "15m")
    assert candle == CANDLE | {"time": datetime(2026, 5, 20, 12, tzinfo=UTC)}
    assert asked(server) == (f"{HISTORY}/EUR%2FUSD/timeframes/15m/candles", {})
    server.will(ok([]))
    start = datetime(2026, 5, 20, 14, 0, 0, 5999, tzinfo=timezone(timedelta(hours=2)))
    assert await account.get_historical_candles("EURUSD", "1m", start_time=start, limit=7) == []
    assert asked(server)[1] == {"startTime": "2026-05-20T12:00:00.005Z", "limit": "7"}


async def test_ticks_and_times_without_a_zone(account: MetatraderAccount, server: ScriptedServer) -> None:
    server.will(ok([{"symbol": "#A", "time": "2026-05-20T12:00:00.123Z", "brokerTime": "x", "bid": 1}]))
    local = datetime.fromtimestamp(1_779_278_400)  # noqa: DTZ006 - as examples for the hosted API have it
    (tick,) = await account.get_historical_ticks("#A", local, 3, 10)
    assert tick["time"] == datetime(2026, 5, 20, 12, 0, 0, 123_000, tzinfo=UTC)
    assert asked(server) == (
        f"{HISTORY}/%23A/ticks",
        {"startTime": "2026-05-20T12:00:00.000Z", "offset": "3", "limit": "10"},
    )


@pytest.mark.parametrize(
    ("named", "parameter"),
    [
        ({"symbol": ""}, "symbol"),
        ({"timeframe": 5}, "timeframe"),
        ({"start_time": "2026-05-20"}, "start_time"),
        ({"start_time": datetime.min.replace(tzinfo=timezone(timedelta(hours=2)))}, "start_time"),
        ({"limit": 1.5}, "limit"),
        ({"limit": True}, "limit"),
    ],
)
async def test_wrong_arguments_are_named_before_anything_is_sent(
    account: MetatraderAccount, server: ScriptedServer, named: dict[str, Any], parameter: str
) -> None:
    count = len(server.requests)
    with pytest.raises(ValidationException, match=parameter):
        await account.get_historical_candles(**{"symbol": "EURUSD", "timeframe": "1m"} | named)
    with pytest.raises(ValidationException, match="offset"):
        await account.get_historical_ticks("EURUSD", offset=-1)
    assert len(server.requests) == count


async def test_a_full_queue_is_waited_for(account: MetatraderAccount, server: ScriptedServer) -> None:
    server.will(error(429, "TooManyRequestsError"), ok([CANDLE]))
    assert len(await account.get_historical_candles("EURUSD", "1m")) == 1
    server.will(*[error(429, "TooManyRequestsError")] * 6)
    with pytest.raises(TooManyRequestsException):
        await account.get_historical_candles("EURUSD", "1m")


async def test_a_download_has_the_bound_of_long_work(options: dict[str, Any]) -> None:
    limits: list[Any] = []

    async def late(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith(ID):
            return httpx2.Response(200, json=account_body())
        limits.append(request.extensions["timeout"]["read"])
        raise httpx2.ReadTimeout("late")

    long = {"longRunningRequestTimeoutInMinutes": 4, "retries": 0}
    transport = httpx2.MockTransport(late)
    async with MetaApi(TOKEN, options | {"transport": transport, "retryOpts": long}) as api:
        account = await api.metatrader_account_api.get_account(ID)
        with pytest.raises(TimeoutException, match="longRunningRequestTimeoutInMinutes, 240 seconds"):
            await account.get_historical_candles("EURUSD", "1m")
    assert limits == [240]


async def test_hosted_style_addresses_have_a_host_of_their_own() -> None:
    hosts: list[str] = []

    async def answer(request: httpx2.Request) -> httpx2.Response:
        hosts.append(request.url.host)
        return httpx2.Response(200, json=[] if "historical" in request.url.path else account_body())

    opts = {"domain": "example.com", "transport": httpx2.MockTransport(answer)}
    async with MetaApi(TOKEN, opts) as api:
        account = await api.metatrader_account_api.get_account(ID)
        await account.get_historical_ticks("EURUSD")
    assert hosts[1] == "mt-market-data-client-api-v1.vint-hill.example.com"
