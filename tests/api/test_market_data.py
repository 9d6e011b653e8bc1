"""Candles, ticks and books over HTTP: what is passed on, what is refused and why."""

from typing import Any

import httpx2
import pytest
from msgspec.structs import replace

from mtfleet.domain.accounts import AccountType
from mtfleet.domain.errors import TooManyRequestsError
from mtfleet.domain.ids import Symbol
from mtfleet.domain.market import Book, BookEntry, BookSide, Candle, Tick
from mtfleet.domain.timeframes import Timeframe
from mtfleet.domain.values import Instant

ID = "11111111-1111-4111-8111-111111111111"
ACCOUNT = f"/users/current/accounts/{ID}"
HISTORY = f"{ACCOUNT}/historical-market-data/symbols"
AT = Instant.parse("2026-05-20T12:00:00.123Z")
WALL = "2026-05-20 15:00:00.123"
CANDLE = Candle(
    symbol=Symbol("EUR/USD"),
    timeframe=Timeframe.MN1,
    opened_at=AT,
    broker_time=WALL,
    open=1.1,
    high=1.3,
    low=1.0,
    close=1.2,
    tick_volume=77,
    spread=0,
    volume=0.0,
)
TICK = Tick(symbol=Symbol("EUR/USD"), quoted_at=AT, broker_time=WALL, bid=1.1, ask=1.2)
BOOK = Book(
    symbol=Symbol("EUR/USD"),
    quoted_at=AT,
    broker_time=WALL,
    book=[
        BookEntry(side=BookSide.SELL, price=1.2, volume=3.5),
        BookEntry(side=BookSide.BUY, price=1.1, volume=2),
    ],
)
Client = httpx2.AsyncClient


@pytest.fixture(autouse=True)
def _market(built: Any) -> None:
    built.script.answers |= {
        "fleet.current_candle": CANDLE,
        "fleet.current_tick": TICK,
        "fleet.book": BOOK,
        "fleet.candles": [CANDLE],
        "fleet.ticks": [TICK, TICK],
    }


def on_mt4(built: Any, kind: AccountType = AccountType.CLOUD_G2) -> None:
    account = built.script.answers["accounts.get"]
    built.script.answers["accounts.get"] = replace(account, version=4, type=kind)


async def test_current_values_as_the_contract_writes_them(client: Client, built: Any) -> None:
    path = f"{ACCOUNT}/symbols/EUR%2FUSD"
    candle = await client.get(f"{path}/current-candles/1mn?keepSubscription=true")
    assert candle.json() == {
        "symbol": "EUR/USD",
        "timeframe": "1mn",
        "time": "2026-05-20T12:00:00.123Z",
        "brokerTime": WALL,
        "open": 1.1,
        "high": 1.3,
        "low": 1.0,
        "close": 1.2,
        "tickVolume": 77,
        "spread": 0,
        "volume": 0.0,
    }
    assert built.script.positional == (ID, "EUR/USD", Timeframe.MN1)
    assert built.script.named == {"keep_subscription": True}
    tick = (await client.get(f"{path}/current-tick")).json()
    times = {"time": "2026-05-20T12:00:00.123Z", "brokerTime": WALL}
    assert tick == {"symbol": "EUR/USD", "bid": 1.1, "ask": 1.2, **times}
    assert built.script.named == {"keep_subscription": False}
    book = (await client.get(f"{path}/current-book")).json()
    assert book["book"] == [
        {"type": "BOOK_TYPE_SELL", "price": 1.2, "volume": 3.5},
        {"type": "BOOK_TYPE_BUY", "price": 1.1, "volume": 2.0},
    ]


async def test_history_is_passed_on_with_its_limits(client: Client, built: Any) -> None:
    candles = f"{HISTORY}/EUR%2FUSD/timeframes/1mn/candles"
    assert len((await client.get(candles)).json()) == 1
    assert built.script.named == {"before": None, "limit": 1000}
    assert (await client.get(f"{candles}?startTime=2026-05-20T15:00:00.5%2B03:00&limit=7")).status_code == 200
    assert built.script.named == {"before": Instant.parse("2026-05-20T12:00:00.500Z"), "limit": 7}
    assert built.script.positional == (ID, "EUR/USD", Timeframe.MN1)
    ticks = f"{HISTORY}/EUR%2FUSD/ticks"
    assert len((await client.get(ticks)).json()) == 2
    assert built.script.named == {"start": None, "offset": 0, "limit": 1000}
    await client.get(f"{ticks}?startTime=2026-05-20T12:00:00Z&offset=3&limit=2")
    assert built.script.named == {"start": Instant.parse("2026-05-20T12:00:00Z"), "offset": 3, "limit": 2}


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("EURUSD/timeframes/7m/candles", "timeframe"),
        ("EURUSD/timeframes/1M/candles", "timeframe"),
        ("EURUSD/timeframes/1m/candles?limit=1001", "limit"),
        ("EURUSD/timeframes/1m/candles?limit=0", "limit"),
        ("EURUSD/timeframes/1m/candles?startTime=yesterday", "startTime"),
        ("EURUSD/timeframes/1m/candles?startTime=0001-01-01T00:00:00%2B10:00", "startTime"),
        ("EURUSD/ticks?offset=-1", "offset"),
        ("EURUSD/ticks?limit=x", "limit"),
        ("EURUSD/ticks?startTime=2026-13-01", "startTime"),
    ],
)
async def test_wrong_values_are_named(client: Client, path: str, parameter: str) -> None:
    answer = await client.get(f"{HISTORY}/{path}")
    assert answer.status_code == 400
    assert answer.json()["error"] == "ValidationError"
    assert answer.json()["details"][0]["parameter"] == parameter


async def test_what_mt4_does_not_have_is_refused_with_the_reason(client: Client, built: Any) -> None:
    on_mt4(built)
    for path, reason in (
        (f"{HISTORY}/EURUSD/ticks", "historical ticks"),
        (f"{ACCOUNT}/symbols/EURUSD/current-book", "order books"),
        (f"{ACCOUNT}/symbols/EURUSD/current-candles/2m", "2m"),
        (f"{HISTORY}/EURUSD/timeframes/12h/candles", "12h"),
    ):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["error"]) == (400, "ValidationError")
        assert "MetaTrader 4" in answer.json()["message"]
        assert reason in answer.json()["message"]
    assert (await client.get(f"{HISTORY}/EURUSD/timeframes/4h/candles")).status_code == 200
    tick = f"{ACCOUNT}/symbols/EURUSD/current-tick"
    assert (await client.get(tick)).status_code == 200
    on_mt4(built, AccountType.CLOUD_G1)
    refused = await client.get(tick)
    assert refused.status_code == 400
    assert "cloud-g1" in refused.json()["message"]


async def test_too_many_at_once_is_429_with_the_time_to_come_again(client: Client, built: Any) -> None:
    again = {"recommendedRetryTime": "2036-01-01T00:00:00.000Z"}
    built.script.answers["fleet.candles"] = TooManyRequestsError("Wait.", metadata=again)
    answer = await client.get(f"{HISTORY}/EURUSD/timeframes/1m/candles")
    assert answer.status_code == 429
    assert answer.json()["metadata"] == again
    assert int(answer.headers["retry-after"]) > 0


async def test_others_and_the_unauthorised_get_nothing(client: Client) -> None:
    path = f"{HISTORY}/EURUSD/ticks"
    assert (await client.get(path, headers={"auth-token": ""})).status_code == 401
    assert (await client.get(path.replace(ID, "x"))).status_code == 404
