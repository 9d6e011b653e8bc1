"""`mtfleet demo-accounts`: open demo accounts at brokers that allow it."""

from typing import Annotated

import typer

from mtfleet.cli.accounts import TransactionOption, chosen
from mtfleet.cli.command import group, remote_command
from mtfleet.cli.output import Output
from mtfleet.cli.remote import Remote, path

app = group("demo-accounts", "Demo accounts, opened at brokers that allow it. The sandbox brokers do.")


@app.callback()
def _keep_as_group() -> None:
    """Demo accounts, opened at brokers that allow it. The sandbox brokers do.

    See mtfleet brokers list.
    """


@remote_command(
    app,
    "create",
    "mtfleet demo-accounts create --server Sandbox-MT5 --email me@example.com",
    "mtfleet demo-accounts create --platform mt4 --server Sandbox-MT4 --balance 500 --email me@example.com",
)
def create_demo_account(
    remote: Remote,
    out: Output,
    server: Annotated[str, typer.Option(help="Trade server, e.g. Sandbox-MT5.")],
    email: Annotated[str, typer.Option(help="E-mail address for the broker.")],
    platform: Annotated[str, typer.Option(help="mt4 or mt5.")] = "mt5",
    balance: Annotated[float, typer.Option(min=0, help="Money to start with.")] = 10_000,
    leverage: Annotated[float, typer.Option(min=1, help="Leverage.")] = 100,
    account_type: Annotated[str | None, typer.Option(help="Account type, as the terminal lists it.")] = None,
    name: Annotated[str | None, typer.Option(help="Holder's name.")] = None,
    phone: Annotated[str | None, typer.Option(help="Phone, in international form.")] = None,
    profile: Annotated[
        str, typer.Option(help="Provisioning profile id, when the server is not known by name.")
    ] = "default",
    keyword: Annotated[list[str] | None, typer.Option(help="Helps to find the broker.")] = None,
    transaction_id: TransactionOption = None,
) -> None:
    """Open a demo account and show its login and passwords, once."""
    body = chosen(
        serverName=server,
        email=email,
        balance=balance,
        leverage=leverage,
        accountType=account_type,
        name=name,
        phone=phone,
        keywords=keyword or None,
    )
    where = path("provisioning-profiles", profile, f"{platform}-demo-accounts")
    made = remote.create(
        where, body, what=f"Opening a demo account at {server}", transaction_id=transaction_id
    )
    if out.as_json:
        out.json(made)
        return
    out.record(
        made,
        [
            ("Login", "login"),
            ("Password", "password"),
            ("Investor password", "investorPassword"),
            ("Server", "serverName"),
        ],
    )
    where = f"--server {made['serverName']} --platform {platform}"
    out.note(f"Add it: mtfleet accounts add --name Demo --login {made['login']} {where}")
