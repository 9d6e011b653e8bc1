"""`mtfleet profiles`: provisioning profiles, for brokers whose settings can't be detected."""

from pathlib import Path
from typing import Annotated

import typer

from mtfleet.cli.accounts import chosen
from mtfleet.cli.command import group, remote_command
from mtfleet.cli.confirm import confirm
from mtfleet.cli.output import Output
from mtfleet.cli.remote import Remote, path

app = group(
    "profiles",
    "Provisioning profiles: a broker's time zone and server files given by hand.\n\n"
    "Only needed when mtfleet accounts add could not find the server or detect its settings.",
)
ProfileArgument = Annotated[str, typer.Argument(metavar="PROFILE", help="Profile id.")]

_COLUMNS = [
    ("ID", "_id"),
    ("Name", "name"),
    ("MT", "version"),
    ("Status", "status"),
    ("Time zone", "brokerTimezone"),
    ("DST switch", "brokerDSTSwitchTimezone"),
    ("Type", "type"),
]


@remote_command(app, "list", "mtfleet profiles list", "mtfleet profiles list --version 5 --status active")
def list_profiles(
    remote: Remote,
    out: Output,
    query: Annotated[str | None, typer.Option("--query", "-q", help="Part of the name.")] = None,
    platform_version: Annotated[int | None, typer.Option("--version", help="4 or 5.")] = None,
    status: Annotated[str | None, typer.Option(help="new or active.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="mtTerminal, managerApi or managerUi.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most profiles to show.")] = 100,
    offset: Annotated[int, typer.Option(min=0, help="How many to pass over.")] = 0,
) -> None:
    """List provisioning profiles, oldest first."""
    params = {
        "query": query,
        "version": platform_version,
        "status": status,
        "type": type_,
        "limit": limit,
        "offset": offset,
    }
    page = remote.get(path("provisioning-profiles"), params, version=2)
    if out.as_json:
        out.json(page)
        return
    out.table(page["items"], _COLUMNS, empty="No profile matches.")
    shown = len(page["items"])
    if shown and shown < page["count"]:
        out.note(f"{offset + 1} to {offset + shown} of {page['count']}; go on with --offset {offset + shown}")


@remote_command(app, "show", "mtfleet profiles show PROFILE")
def show_profile(remote: Remote, out: Output, profile: ProfileArgument) -> None:
    """Show one profile."""
    item = remote.get(path("provisioning-profiles", profile))
    if out.as_json:
        out.json(item)
        return
    out.record(item, [*_COLUMNS, ("Manager login", "managerLogin"), ("Manager server", "managerServer")])


@remote_command(
    app,
    "add",
    "mtfleet profiles add --name 'My broker' --version 5 --timezone EET --file servers.dat",
    "mtfleet profiles add --name X --version 4 --timezone EET --dst-switch America/New_York",
)
def add_profile(
    remote: Remote,
    out: Output,
    name: Annotated[str, typer.Option(help="Your own name for it.")],
    platform_version: Annotated[int, typer.Option("--version", help="4 or 5.")],
    timezone: Annotated[str, typer.Option(help="IANA zone with the broker's standard offset, e.g. EET.")],
    dst_switch: Annotated[
        str | None, typer.Option(help="IANA zone whose summer time the broker follows; default: --timezone.")
    ] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option(
            help="Server file to upload at once; its name selects the slot.", exists=True, dir_okay=False
        ),
    ] = None,
) -> None:
    """Make a profile. Its server file makes it active: servers.dat (MT5), broker.srv or servers.ini (MT4)."""
    body = chosen(
        name=name,
        version=platform_version,
        brokerTimezone=timezone,
        brokerDSTSwitchTimezone=dst_switch or timezone,
    )
    made = remote.send("POST", path("provisioning-profiles"), body)
    for one in file or []:
        with out.progress(f"Uploading {one.name}"):
            remote.upload(path("provisioning-profiles", made["id"], one.name), one)
    if out.as_json:
        out.json(remote.get(path("provisioning-profiles", made["id"])))
        return
    out.line(made["id"])
    if not file:
        out.note(f"Upload its server file next: mtfleet profiles upload {made['id']} servers.dat")


@remote_command(
    app,
    "upload",
    "mtfleet profiles upload PROFILE ~/terminal/config/servers.dat",
    "mtfleet profiles upload PROFILE MyBroker-Demo.srv --as broker.srv",
)
def upload_file(
    remote: Remote,
    out: Output,
    profile: ProfileArgument,
    file: Annotated[Path, typer.Argument(help="The file.", exists=True, dir_okay=False)],
    slot: Annotated[
        str | None, typer.Option("--as", help="Slot name, when the file has another one.")
    ] = None,
) -> None:
    """Upload a server file. It replaces one of the same slot."""
    with out.progress(f"Uploading {file.name}"):
        remote.upload(path("provisioning-profiles", profile, slot or file.name), file)
    item = remote.get(path("provisioning-profiles", profile))
    if out.as_json:
        out.json(item)
    out.note(f"Uploaded. The profile is {item['status']}.")


@remote_command(app, "update", "mtfleet profiles update PROFILE --name 'New name'")
def update_profile(
    remote: Remote,
    out: Output,
    profile: ProfileArgument,
    name: Annotated[str, typer.Option(help="New name.")],
) -> None:
    """Rename a profile. Its version and time zones are fixed: make another one for others."""
    remote.send("PUT", path("provisioning-profiles", profile), {"name": name})
    if out.as_json:
        out.json(remote.get(path("provisioning-profiles", profile)))
    out.note("Renamed.")


@remote_command(app, "remove", "mtfleet profiles remove PROFILE --yes")
def remove_profile(
    remote: Remote,
    out: Output,
    profile: ProfileArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a profile. Refused while accounts use it."""
    confirm(out, f"Remove the profile {profile}?", is_sure=yes)
    remote.send("DELETE", path("provisioning-profiles", profile))
    if out.as_json:
        out.json({"id": profile, "removed": True})
    out.note("Removed.")
