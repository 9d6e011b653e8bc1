"""`mtfleet users`: who may use the server. For its administrator."""

from typing import Annotated

import typer

from mtfleet.cli.administration import administration
from mtfleet.cli.command import (
    DataDirOption,
    TokenFileOption,
    UrlOption,
    group,
    plain_command,
    remote_command,
)
from mtfleet.cli.output import Output
from mtfleet.cli.remote import Remote, path

app = group(
    "users",
    "Users of a server; for its administrator.\n\n"
    "Every account, profile and token belongs to one user. With --data-dir these commands also work while no "
    "server runs.",
)

_COLUMNS = [("ID", "id"), ("Name", "name"), ("Administrator", "isAdministrator"), ("Created", "createdAt")]


@plain_command(
    app,
    "create",
    "mtfleet users create alice",
    "mtfleet users create ci --json | jq -r .token",
    "mtfleet users create alice --data-dir /var/lib/mtfleet",
)
def create_user(
    out: Output,
    name: Annotated[str, typer.Argument(help="Name, not taken yet.")],
    administrator: Annotated[
        bool, typer.Option("--administrator", help="May manage users and keys.")
    ] = False,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make a user and print the user's token, once."""
    with administration(out, url, token_file, data_dir) as desk:
        made = desk.create_user(name, is_administrator=administrator)
    if out.as_json:
        out.json({"id": made["id"], "name": made["name"], "token": made["token"]})
        return
    out.record(made, [("Id", "id"), ("Name", "name")])
    out.line(made["token"])
    out.note("That is the token; it is not shown again. Use it as MTFLEET_TOKEN.")


@plain_command(app, "list", "mtfleet users list", "mtfleet users list --data-dir /var/lib/mtfleet")
def list_users(
    out: Output, url: UrlOption = None, token_file: TokenFileOption = None, data_dir: DataDirOption = None
) -> None:
    """List the users."""
    with administration(out, url, token_file, data_dir) as desk:
        items = desk.users()
    if out.as_json:
        out.json(items)
        return
    out.table(items, _COLUMNS, empty="No users.")


@plain_command(
    app,
    "issue-token",
    "mtfleet users issue-token alice --name laptop",
    "mtfleet users issue-token admin --data-dir /var/lib/mtfleet",
)
def issue_token(
    out: Output,
    user: Annotated[str, typer.Argument(help="Name or id.")],
    name: Annotated[str | None, typer.Option(help="What it is for, to know it in lists.")] = None,
    hours: Annotated[
        float | None, typer.Option(min=0.01, help="How long it is valid; default: until revoked.")
    ] = None,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Issue another token to a user, for instance when the first was lost."""
    with administration(out, url, token_file, data_dir) as desk:
        token = desk.issue_token(user, name=name, hours=hours)
    if out.as_json:
        out.json({"token": token})
        return
    out.line(token)


@remote_command(app, "current", "mtfleet users current")
def current_user(remote: Remote, out: Output) -> None:
    """Tell whose token you use."""
    item = remote.get(path().rstrip("/"))
    if out.as_json:
        out.json(item)
        return
    out.record(item, [("Id", "id"), ("Name", "name"), ("Administrator", "isAdministrator")])
