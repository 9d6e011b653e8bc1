"""One account, read by SDK, REST and command line: all say the same of the past and of now."""

import csv
import io
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from mtfleet import MetaApi, ValidationException
from mtfleet.clock import SystemClock
from mtfleet.sdk import MetatraderAccount
from mtfleet.testing.server import RunningServer

pytestmark = pytest.mark.e2e


async def an_account(api: MetaApi, version: int) -> MetatraderAccount:
    generator = api.metatrader_account_generator_api
    make = generator.create_mt4_demo_account if version == 4 else generator.create_mt5_demo_account
    demo = await make(
        {"balance": 5000, "email": "a@example.com", "leverage": 100, "serverName": f"Sandbox-MT{version}"}
    )
    account = await api.metatrader_account_api.create_account(
        {
            "name": f"Market data {version}",
            "login": demo.login,
            "password": demo.password,
            "server": demo.server_name,
            "platform": f"mt{version}",
            "magic": 0,
        }
    )
    await account.wait_connected()
    return account


async def test_candles_and_ticks_are_one_story(server: RunningServer) -> None:
    async with MetaApi(server.token, {"url": server.url}) as api:
        account = await an_account(api, 5)
        over = SystemClock().now().replace(second=0, microsecond=0) - timedelta(minutes=10)
        symbol = "ETH/USD"
        minutes = await account.get_historical_candles(symbol, "1m", over, 5)
        assert minutes[-1]["time"] == over
        for minute in minutes:
            end = minute["time"] + timedelta(minutes=1)
            ticks = await account.get_historical_ticks(symbol, minute["time"], limit=1000)
            bids = [tick["bid"] for tick in ticks if tick["time"] < end]
            shown = tuple(minute[key] for key in ("open", "high", "low", "close", "tickVolume"))
            assert shown == (bids[0], max(bids), min(bids), bids[-1], len(bids))
        path = f"/users/current/accounts/{account.id}/symbols/ETH%2FUSD"
        tick, book, candle = [
            await api.request("GET", f"{path}/{what}", service="client")
            for what in ("current-tick", "current-book", "current-candles/1mn")
        ]
        assert candle["low"] <= tick["bid"] <= candle["high"]
        assert {entry["type"] for entry in book["book"]} == {"BOOK_TYPE_SELL", "BOOK_TYPE_BUY"}
        command = (
            "candles",
            account.id,
            symbol,
            "-t",
            "1m",
            "--before",
            over.isoformat(),
            "-n",
            "5",
            "--csv",
        )
        rows = list(csv.DictReader(io.StringIO(run(server, *command))))
        assert [float(row["close"]) for row in rows] == [minute["close"] for minute in minutes]
        await account.remove()


async def test_mt4_has_candles_but_no_ticks(server: RunningServer) -> None:
    async with MetaApi(server.token, {"url": server.url}) as api:
        account = await an_account(api, 4)
        days = await account.get_historical_candles("EURUSD", "1d", limit=3)
        assert [day["brokerTime"][10:] for day in days] == [" 00:00:00.000"] * 3
        for refused in (
            account.get_historical_ticks("EURUSD"),
            account.get_historical_candles("EURUSD", "2m"),
        ):
            with pytest.raises(ValidationException, match="MetaTrader 4"):
                await refused
        await account.remove()


def run(server: RunningServer, *arguments: str) -> str:
    done: Any = subprocess.run(
        [sys.executable, "-m", "mtfleet", *arguments],
        env=server.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout)
