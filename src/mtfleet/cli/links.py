"""`mtfleet links`: pages where an account's owner enters the login."""

from typing import Annotated

import typer

from mtfleet.cli.accounts import AccountArgument
from mtfleet.cli.command import group, remote_command
from mtfleet.cli.output import Output
from mtfleet.cli.remote import Remote, path

app = group(
    "links", "Links to a page where the owner of an account enters login and password; you never see them."
)


@app.callback()
def _keep_as_group() -> None:
    """Links to a page where the owner of an account enters login and password; you never see them."""


@remote_command(app, "create", "mtfleet links create ACCOUNT", "mtfleet links create ACCOUNT --ttl-days 1")
def create_link(
    remote: Remote,
    out: Output,
    account: AccountArgument,
    ttl_days: Annotated[float, typer.Option(min=0, help="Days that it is valid, parts allowed.")] = 7,
) -> None:
    """Make a link for a draft's login and password, or for a new password. It works once."""
    made = remote.send("PUT", path("accounts", account, "configuration-link"), params={"ttlInDays": ttl_days})
    if out.as_json:
        out.json(made)
        return
    out.line(made["configurationLink"])
