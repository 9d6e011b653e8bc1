"""`mtfleet tokens`: narrow, list and revoke tokens."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mtfleet.cli.accounts import chosen
from mtfleet.cli.command import group, remote_command
from mtfleet.cli.exits import CommandError, ExitCode
from mtfleet.cli.output import Output
from mtfleet.cli.remote import Remote, path

app = group(
    "tokens",
    "Tokens: what programs and people identify themselves with.\n\n"
    "Give each program a token of its own, narrowed to what it needs. A narrowed token is never wider than "
    "the one it came from, and is revoked with it.",
)

_COLUMNS = [
    ("ID", "id"),
    ("Name", "name"),
    ("From", "parentId"),
    ("Created", "createdAt"),
    ("Expires", "expiresAt"),
    ("Revoked", "revokedAt"),
    ("Last used", "lastUsedAt"),
]


@remote_command(app, "list", "mtfleet tokens list")
def list_tokens(remote: Remote, out: Output) -> None:
    """List the tokens that were issued to you: never the tokens themselves."""
    items = remote.get(path("tokens"))
    if out.as_json:
        out.json(items)
        return
    out.table(items, _COLUMNS, empty="No tokens.")


@remote_command(
    app,
    "narrow",
    "mtfleet tokens narrow --role reader --account ACCOUNT --hours 12",
    "mtfleet tokens narrow --application trading-account-management-api",
    "mtfleet tokens rules --json > rules.json; mtfleet tokens narrow --rules rules.json",
)
def narrow_token(
    remote: Remote,
    out: Output,
    application: Annotated[
        list[str] | None, typer.Option(help="Only these applications; see mtfleet tokens rules.")
    ] = None,
    role: Annotated[list[str] | None, typer.Option(help="Only these roles: reader, writer.")] = None,
    account: Annotated[list[str] | None, typer.Option(help="Only these accounts.")] = None,
    rules: Annotated[
        Path | None, typer.Option(help="Detailed access rules as JSON.", exists=True, dir_okay=False)
    ] = None,
    hours: Annotated[float, typer.Option(min=0.01, help="How long it is valid.")] = 24,
) -> None:
    """Make a narrower token from yours and print it, once."""
    if rules is not None and (application or role or account):
        raise CommandError(
            "--rules says it all; leave out --application, --role and --account.", ExitCode.USAGE
        )
    resources = [{"entity": "account", "id": one} for one in account or []]
    body = (
        {"accessRules": _rules(rules)}
        if rules is not None
        else chosen(applications=application or None, roles=role or None, resources=resources or None)
    )
    if not body:
        raise CommandError(
            "Say what to narrow it to: --application, --role, --account or --rules.", ExitCode.USAGE
        )
    made = remote.send("POST", path("narrow-down-auth-token"), body, {"validity-in-hours": hours})
    if out.as_json:
        out.json(made)
        return
    out.line(made["token"])


def _rules(file: Path) -> Any:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise CommandError(f"{file} can't be read as JSON: {problem}", ExitCode.USAGE) from problem
    return value.get("accessRules", value) if isinstance(value, dict) else value


@remote_command(app, "revoke", "mtfleet tokens revoke TOKEN_ID")
def revoke_token(
    remote: Remote, out: Output, token_id: Annotated[str, typer.Argument(help="Id from mtfleet tokens list.")]
) -> None:
    """Revoke a token and all that were narrowed from it. It can't be undone."""
    remote.send("DELETE", path("tokens", token_id))
    if out.as_json:
        out.json({"id": token_id, "revoked": True})
    out.note("Revoked.")


@remote_command(app, "rules", "mtfleet tokens rules", "mtfleet tokens rules --json")
def show_rules(remote: Remote, out: Output) -> None:
    """List the applications, methods and roles that a token can be narrowed to."""
    items = remote.get(path("access-rules-manifest"))
    if out.as_json:
        out.json(items)
        return
    out.table(
        items,
        [
            ("ID", "id"),
            ("Application", "application"),
            ("Service", "service"),
            ("Roles", "roles"),
            ("What it is", "description"),
        ],
        empty="No rules.",
    )
