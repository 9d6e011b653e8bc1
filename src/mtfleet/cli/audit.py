"""`mtfleet audit`: who did what."""

from typing import Annotated

import typer

from mtfleet.cli.command import group, remote_command
from mtfleet.cli.output import Output
from mtfleet.cli.remote import Remote, path

app = group("audit", "The audit log: every change and every use of credentials.")


@app.callback()
def _keep_as_group() -> None:
    """The audit log: every change and every use of credentials."""


@remote_command(app, "list", "mtfleet audit list", "mtfleet audit list --entity ACCOUNT --json")
def list_entries(
    remote: Remote,
    out: Output,
    entity: Annotated[str | None, typer.Option(help="Only what concerns this id.")] = None,
    after: Annotated[int, typer.Option(min=0, help="Only entries after this number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most entries to show.")] = 100,
    everybody: Annotated[
        bool, typer.Option("--everybody", help="All users' entries; for the administrator.")
    ] = False,
) -> None:
    """List entries of the audit log, oldest first; --after goes on from the last number shown."""
    items = remote.get(
        path("audit-log"),
        {"entityId": entity, "after": after, "limit": limit, "everybody": everybody or None},
    )
    if out.as_json:
        out.json(items)
        return
    out.table(
        items,
        [
            ("No.", "sequence"),
            ("When", "recordedAt"),
            ("Action", "action"),
            ("On", "entity"),
            ("Entity id", "entityId"),
            ("Outcome", "outcome"),
            ("User", "userId"),
            ("From", "remoteAddress"),
            ("Details", "details"),
        ],
        empty="No entries.",
    )
