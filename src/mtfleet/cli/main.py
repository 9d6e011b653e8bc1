"""`mtfleet`: the whole command line, put together."""

import typer

from mtfleet.cli import (
    accounts,
    audit,
    brokers,
    candles,
    demo,
    demo_accounts,
    doctor,
    experts,
    links,
    live,
    profiles,
    replicas,
    serve,
    tokens,
    users,
    vault,
)
from mtfleet.cli.command import epilog

_EXAMPLES = (
    "mtfleet demo                                 see it work, offline, in a minute",
    "mtfleet serve                                run a server on .mtfleet",
    "mtfleet accounts add --name A --login 1234567 --server Sandbox-MT5 --platform mt5 --wait",
    "mtfleet accounts list --json                 data for programs",
    "mtfleet candles ACCOUNT EURUSD -t 1d --csv   prices of the past",
    "mtfleet doctor                               what is wrong, and what to do",
)

app = typer.Typer(
    name="mtfleet",
    help=(
        "A MetaTrader account cloud that you run yourself.\n\n"
        "Commands find the server by --url, --data-dir or MTFLEET_URL and MTFLEET_TOKEN; "
        "without them, the one that runs on .mtfleet here."
    ),
    epilog=epilog(_EXAMPLES),
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
_GROUPS = {
    "Accounts": (accounts.app, replicas.app, experts.app, links.app),
    "Brokers": (
        demo_accounts.app,
        profiles.app,
        brokers.brokers_app,
        brokers.regions_app,
        brokers.quotas_app,
    ),
    "Access": (tokens.app, users.app, vault.app, audit.app),
}
for _command in (serve, demo, doctor):
    _command.add_to(app, "Running it")
candles.add_to(app, "Accounts")
for _panel, _members in _GROUPS.items():
    for _member in _members:
        app.add_typer(_member, rich_help_panel=_panel)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib.metadata import version

        typer.echo(f"mtfleet {version('mtfleet')}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", is_eager=True, callback=_show_version
    ),
) -> None:
    """A MetaTrader account cloud that you run yourself."""


def main() -> None:
    """Run the command line; the console script."""
    app(prog_name="mtfleet")


__all__ = ["app", "live", "main"]
