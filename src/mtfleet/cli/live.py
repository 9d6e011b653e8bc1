"""`mtfleet accounts information|symbols|specification|price|time`: what a terminal says."""

import time
from typing import Annotated

import typer

from mtfleet.cli.accounts import AccountArgument, app
from mtfleet.cli.command import remote_command
from mtfleet.cli.output import Output
from mtfleet.cli.remote import Remote, path

SymbolArgument = Annotated[
    str, typer.Argument(metavar="SYMBOL", help="As the broker writes it, e.g. EURUSD.")
]

_INFORMATION = [
    ("Name", "name"),
    ("Login", "login"),
    ("Server", "server"),
    ("Broker", "broker"),
    ("Platform", "platform"),
    ("Kind", "type"),
    ("Currency", "currency"),
    ("Balance", "balance"),
    ("Equity", "equity"),
    ("Margin", "margin"),
    ("Free margin", "freeMargin"),
    ("Margin level, %", "marginLevel"),
    ("Leverage", "leverage"),
    ("Credit", "credit"),
    ("Margin mode", "marginMode"),
    ("May trade", "tradeAllowed"),
    ("Investor password", "investorMode"),
]
_SPECIFICATION = [
    ("Symbol", "symbol"),
    ("Description", "description"),
    ("Path", "path"),
    ("Digits", "digits"),
    ("Point", "point"),
    ("Tick size", "tickSize"),
    ("Contract size", "contractSize"),
    ("Volume, least", "minVolume"),
    ("Volume, most", "maxVolume"),
    ("Volume step", "volumeStep"),
    ("Trading", "tradeMode"),
    ("Execution", "executionMode"),
    ("Filling", "fillingModes"),
    ("Stops level", "stopsLevel"),
    ("Freeze level", "freezeLevel"),
    ("Base currency", "baseCurrency"),
    ("Profit currency", "profitCurrency"),
    ("Margin currency", "marginCurrency"),
    ("Swap long", "swapLong"),
    ("Swap short", "swapShort"),
    ("Swap mode", "swapMode"),
    ("Triple swap", "swapRollover3Days"),
]


@remote_command(app, "information", "mtfleet accounts information ACCOUNT")
def information(
    remote: Remote,
    out: Output,
    account: AccountArgument,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask the terminal now instead of what is known.")
    ] = False,
) -> None:
    """Show balance, equity, margin and leverage as the broker sees them."""
    item = remote.get(
        path("accounts", account, "account-information"), {"refreshTerminalState": refresh or None}
    )
    if out.as_json:
        out.json(item)
        return
    out.record(item, _INFORMATION)


@remote_command(
    app, "symbols", "mtfleet accounts symbols ACCOUNT", "mtfleet accounts symbols ACCOUNT --query USD"
)
def symbols(
    remote: Remote,
    out: Output,
    account: AccountArgument,
    query: Annotated[str, typer.Option("--query", "-q", help="Part of the name, in any case.")] = "",
) -> None:
    """List the symbols that the account can see, one a line."""
    names = [s for s in remote.get(path("accounts", account, "symbols")) if query.lower() in s.lower()]
    if out.as_json:
        out.json(names)
        return
    for name in names:
        out.line(name)


@remote_command(app, "specification", "mtfleet accounts specification ACCOUNT EURUSD")
def specification(remote: Remote, out: Output, account: AccountArgument, symbol: SymbolArgument) -> None:
    """Show how a symbol is traded: digits, volumes, contract size, swaps; sessions with --json."""
    item = remote.get(path("accounts", account, "symbols", symbol, "specification"))
    if out.as_json:
        out.json(item)
        return
    out.record(item, _SPECIFICATION)


@remote_command(
    app, "price", "mtfleet accounts price ACCOUNT EURUSD", "mtfleet accounts price ACCOUNT EURUSD --watch 1"
)
def price(
    remote: Remote,
    out: Output,
    account: AccountArgument,
    symbol: SymbolArgument,
    watch: Annotated[
        float | None, typer.Option(min=0.1, help="Go on, one price every so many seconds; ends with Ctrl-C.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many prices.")] = None,
) -> None:
    """Show the newest bid and ask of a symbol, with the broker's time of the quote."""
    where = path("accounts", account, "symbols", symbol, "current-price")
    shown = 0
    out.on_interrupt = "No more prices."
    while True:
        item = remote.get(where, {"keepSubscription": True if watch else None})
        if out.as_json and watch:
            out.json_line(item)
        elif out.as_json:
            out.json(item)
        else:
            out.line(
                f"{item['symbol']}  bid {item['bid']}  ask {item['ask']}  at {item['brokerTime']} broker time"
            )
        shown += 1
        if watch is None or shown == count:
            return
        time.sleep(watch)


@remote_command(app, "time", "mtfleet accounts time ACCOUNT")
def server_time(remote: Remote, out: Output, account: AccountArgument) -> None:
    """Show the broker's clock, and when it last quoted."""
    item = remote.get(path("accounts", account, "server-time"))
    if out.as_json:
        out.json(item)
        return
    out.record(
        item,
        [
            ("UTC", "time"),
            ("Broker", "brokerTime"),
            ("Last quote, UTC", "lastQuoteTime"),
            ("Last quote, broker", "lastQuoteBrokerTime"),
        ],
    )
