"""`mtfleet experts`: own expert advisors of MT4 accounts of type cloud-g1."""

import base64
from pathlib import Path
from typing import Annotated

import typer

from mtfleet.cli.accounts import AccountArgument, chosen
from mtfleet.cli.command import group, remote_command
from mtfleet.cli.confirm import confirm
from mtfleet.cli.exits import CommandError, ExitCode
from mtfleet.cli.output import Output
from mtfleet.cli.remote import Remote, path

app = group(
    "experts", "Your own expert advisors. Only for MT4 accounts of type cloud-g1; none that use DLLs."
)
ExpertArgument = Annotated[str, typer.Argument(metavar="EXPERT", help="Expert id, chosen by you.")]

_COLUMNS = [("ID", "expertId"), ("Symbol", "symbol"), ("Period", "period"), ("File uploaded", "fileUploaded")]


@remote_command(app, "list", "mtfleet experts list ACCOUNT")
def list_experts(remote: Remote, out: Output, account: AccountArgument) -> None:
    """List the expert advisors of an account."""
    items = remote.get(path("accounts", account, "expert-advisors"))
    if out.as_json:
        out.json(items)
        return
    out.table(items, _COLUMNS, empty="The account has no expert advisors of its own.")


@remote_command(app, "show", "mtfleet experts show ACCOUNT EXPERT")
def show_expert(remote: Remote, out: Output, account: AccountArgument, expert: ExpertArgument) -> None:
    """Show one expert advisor. Its preset is written, never shown."""
    item = remote.get(path("accounts", account, "expert-advisors", expert))
    if out.as_json:
        out.json(item)
        return
    out.record(item, _COLUMNS)


@remote_command(
    app,
    "put",
    "mtfleet experts put ACCOUNT my-ea --symbol EURUSD --period 1h --preset my.set --file my.ex4",
)
def put_expert(
    remote: Remote,
    out: Output,
    account: AccountArgument,
    expert: ExpertArgument,
    symbol: Annotated[str, typer.Option(help="Symbol of its chart.")],
    period: Annotated[str, typer.Option(help="Timeframe of its chart: 1m 5m 15m 30m 1h 4h 1d 1w 1mn.")],
    preset: Annotated[
        Path | None, typer.Option(help="Preset file (.set).", exists=True, dir_okay=False)
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="The expert itself (.ex4).", exists=True, dir_okay=False)
    ] = None,
) -> None:
    """Add an expert advisor, or change its chart and preset; its file stays unless --file is given."""
    encoded = None
    if preset is not None:
        try:
            encoded = base64.b64encode(preset.read_bytes()).decode()
        except OSError as problem:
            raise CommandError(f"{preset} can't be read: {problem.strerror}.", ExitCode.USAGE) from problem
    where = path("accounts", account, "expert-advisors", expert)
    remote.send("PUT", where, chosen(symbol=symbol, period=period, preset=encoded))
    if file is not None:
        with out.progress(f"Uploading {file.name}"):
            remote.upload(f"{where}/file", file)
    if out.as_json:
        out.json(remote.get(where))
    out.note(
        "Stored." if file else f"Stored. Upload its file: mtfleet experts upload {account} {expert} FILE"
    )


@remote_command(app, "upload", "mtfleet experts upload ACCOUNT my-ea my.ex4")
def upload_expert(
    remote: Remote,
    out: Output,
    account: AccountArgument,
    expert: ExpertArgument,
    file: Annotated[Path, typer.Argument(help="The expert itself (.ex4).", exists=True, dir_okay=False)],
) -> None:
    """Upload the file of an expert advisor; it replaces the one that is there."""
    where = path("accounts", account, "expert-advisors", expert)
    with out.progress(f"Uploading {file.name}"):
        remote.upload(f"{where}/file", file)
    if out.as_json:
        out.json(remote.get(where))
    out.note("Uploaded. It starts with the next redeploy of the account.")


@remote_command(app, "remove", "mtfleet experts remove ACCOUNT my-ea --yes")
def remove_expert(
    remote: Remote,
    out: Output,
    account: AccountArgument,
    expert: ExpertArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete an expert advisor and its file."""
    confirm(out, f"Remove the expert advisor {expert}?", is_sure=yes)
    remote.send("DELETE", path("accounts", account, "expert-advisors", expert))
    if out.as_json:
        out.json({"id": expert, "removed": True})
    out.note("Removed.")
