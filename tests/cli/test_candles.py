"""`mtfleet candles`: table, CSV, JSON, and long lists by pages."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

from typer.testing import Result

from mtfleet.testing.scripted_server import Reply, Script

Run = Callable[..., Result]
ID = "11111111-2222-4333-8444-555555555555"
PATH = f"/users/current/accounts/{ID}/historical-market-data/symbols/EUR%2FUSD/timeframes/1m/candles"
START = datetime(2026, 5, 20, tzinfo=UTC)


def candle(number: int, **changes: Any) -> dict[str, Any]:
    at = START + timedelta(minutes=number)
    return {
        "symbol": "EUR/USD",
        "timeframe": "1m",
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "brokerTime": (at + timedelta(hours=3)).strftime("%Y-%m-%d %H:%M:%S.000"),
        "open": 1.1,
        "high": 1.10012,
        "low": 1.0,
        "close": 1.1,
        "tickVolume": 60 + number,
        "spread": 8,
        "volume": 0.0,
    } | changes


def test_a_table_shows_all_prices_with_as_many_digits(script: Script, run: Run) -> None:
    script.on("GET", PATH, Reply(200, [candle(0), candle(1)]))
    done = run("candles", ID, "EUR/USD", "-t", "1m", "--before", "2026-05-20T00:01:30Z")
    assert done.exit_code == 0
    assert "2026-05-20 03:00:00.000" in done.stdout
    assert "1.10000" in done.stdout
    assert "1.00000" in done.stdout
    assert script.only("GET", PATH).query == {"startTime": ["2026-05-20T00:01:30Z"], "limit": ["20"]}


def test_csv_has_a_heading_and_a_line_for_each(script: Script, run: Run) -> None:
    script.on("GET", PATH, Reply(200, [candle(0), candle(1)]))
    done = run("candles", ID, "EUR/USD", "-t", "1m", "--csv", "-n", "2")
    rows = list(csv.DictReader(StringIO(done.stdout)))
    assert [row["time"] for row in rows] == ["2026-05-20T00:00:00.000Z", "2026-05-20T00:01:00.000Z"]
    assert (rows[1]["high"], rows[1]["tickVolume"]) == ("1.10012", "61")


def test_a_long_list_is_fetched_by_pages_that_meet(script: Script, run: Run) -> None:
    pages = [
        [candle(number) for number in range(1500, 2500)],
        [candle(number) for number in range(501, 1501)],
        [candle(number) for number in range(499, 502)],
    ]
    script.on("GET", PATH, *(Reply(200, page) for page in pages))
    done = run("candles", ID, "EUR/USD", "-t", "1m", "--json", "-n", "2001")
    found = json.loads(done.stdout)
    assert [one["tickVolume"] - 60 for one in found] == list(range(499, 2500))
    asked = [(sent.query.get("startTime"), sent.query["limit"]) for sent in script.sent]
    assert asked == [
        (None, ["1000"]),
        ([candle(1500)["time"]], ["1000"]),
        ([candle(501)["time"]], ["3"]),
    ]


def test_the_beginning_of_history_ends_the_list(script: Script, run: Run) -> None:
    first = [candle(number) for number in range(1000)]
    script.on("GET", PATH, Reply(200, first), Reply(200, first[:1]))
    done = run("candles", ID, "EUR/USD", "-t", "1m", "--json", "-n", "5000")
    assert json.loads(done.stdout) == first
    script.on("GET", PATH, Reply(200, []))
    none = run("candles", ID, "EUR/USD", "-t", "1m")
    assert none.exit_code == 0
    assert "no such candles" in none.stderr


def test_one_form_at_a_time_and_refusals_are_told(script: Script, run: Run) -> None:
    assert run("candles", ID, "EUR/USD", "--csv", "--json").exit_code == 2
    refusal = {"id": 3, "error": "ValidationError", "message": "timeframe: must be one of 1m"}
    script.on("GET", PATH, Reply(400, refusal))
    done = run("candles", ID, "EUR/USD", "-t", "1m")
    assert done.exit_code == 1
    assert "must be one of" in done.stderr
