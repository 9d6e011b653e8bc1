"""`mtfleet candles`: what a symbol's prices were."""

import csv
import sys
from decimal import Decimal
from typing import Annotated, Any

import typer

from mtfleet.cli.accounts import AccountArgument
from mtfleet.cli.command import remote_command
from mtfleet.cli.exits import CommandError, ExitCode
from mtfleet.cli.live import SymbolArgument
from mtfleet.cli.output import Output
from mtfleet.cli.remote import Remote, path

_PAGE = 1000
_PRICES = ("open", "high", "low", "close")
_FIELDS = ("time", "brokerTime", *_PRICES, "tickVolume", "spread", "volume")
_COLUMNS = [
    ("Broker time", "brokerTime"),
    ("Open", "open"),
    ("High", "high"),
    ("Low", "low"),
    ("Close", "close"),
    ("Ticks", "tickVolume"),
    ("Spread", "spread"),
]


def candles(
    remote: Remote,
    out: Output,
    account: AccountArgument,
    symbol: SymbolArgument,
    timeframe: Annotated[
        str, typer.Option("--timeframe", "-t", help="1m, 5m, 15m, 30m, 1h, 4h, 1d, 1w, 1mn; MT5 has more.")
    ] = "1h",
    before: Annotated[
        str | None,
        typer.Option(help="Latest opening of a candle, ISO 8601; UTC without a zone.", show_default="now"),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="How many at most; as many as you like.")
    ] = 20,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print comma-separated values with a heading.")
    ] = False,
) -> None:
    """Show candles of a symbol, the newest last; the very last one may still be in the making.

    Times in the table are the broker's.
    """
    if as_csv and out.as_json:
        raise CommandError("Give --csv or --json, not both.", ExitCode.USAGE)
    found = _fetch(remote, account, symbol, timeframe, before, limit)
    if out.as_json:
        out.json(found)
    elif as_csv:
        table = csv.DictWriter(sys.stdout, _FIELDS, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(found)
    else:
        digits = max((_digits(one[price]) for one in found for price in _PRICES), default=0)
        shown = [one | {price: f"{one[price]:.{digits}f}" for price in _PRICES} for one in found]
        out.table(shown, _COLUMNS, empty="The broker has no such candles.")


def _fetch(
    remote: Remote, account: str, symbol: str, timeframe: str, before: str | None, limit: int
) -> list[dict[str, Any]]:
    where = path(
        *("accounts", account, "historical-market-data", "symbols", symbol),
        *("timeframes", timeframe, "candles"),
    )
    found: list[dict[str, Any]] = []
    while len(found) < limit:
        wanted = min(_PAGE, limit - len(found))
        # One more than is wanted, where a page before this one follows on: its last is this one's first.
        asked = wanted if not found else min(_PAGE, wanted + 1)
        page = remote.get(where, {"startTime": found[0]["time"] if found else before, "limit": asked})
        older = [one for one in page if not found or one["time"] < found[0]["time"]]
        found = older + found
        if not older or len(page) < asked:
            break
    return found


def _digits(price: float) -> int:
    exponent = Decimal(repr(price)).normalize().as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def add_to(app: typer.Typer, panel: str) -> None:
    """Declare the command."""
    remote_command(
        app,
        "candles",
        "mtfleet candles ACCOUNT EURUSD",
        "mtfleet candles ACCOUNT EURUSD --timeframe 1d --limit 250",
        "mtfleet candles ACCOUNT EURUSD -t 1m -n 5000 --before 2026-05-20T12:00:00Z --csv > EURUSD.csv",
        panel=panel,
    )(candles)
