"""`mtfleet brokers`, `regions` and `quotas`: what a server offers."""

from typing import Annotated

import typer

from mtfleet.cli.accounts import chosen
from mtfleet.cli.command import group, remote_command
from mtfleet.cli.exits import CommandError, ExitCode
from mtfleet.cli.output import Output
from mtfleet.cli.remote import Remote, path

brokers_app = group("brokers", "Brokers and their trade servers that are known here.")
regions_app = group("regions", "Regions that accounts and replicas can run in.")
quotas_app = group("quotas", "How many accounts you may have.")


@regions_app.callback()
def _keep_as_group() -> None:
    """Regions that accounts and replicas can run in."""


@remote_command(brokers_app, "list", "mtfleet brokers list")
def list_brokers(remote: Remote, out: Output) -> None:
    """List the simulated brokers' servers; for the administrator."""
    items = remote.get("/admin/brokers")
    if out.as_json:
        out.json(items)
        return
    columns = [("Server", "name"), ("Platform", "platform"), ("Broker", "broker")]
    out.table(items, columns, empty="No simulated brokers.")


@remote_command(
    brokers_app, "search", "mtfleet brokers search ICMarkets", "mtfleet brokers search Sandbox --version 4"
)
def search_servers(
    remote: Remote,
    out: Output,
    query: Annotated[str, typer.Argument(help="Part of a server's or broker's name.")],
    platform_version: Annotated[int, typer.Option("--version", min=4, max=5, help="4 or 5.")] = 5,
) -> None:
    """Search the trade servers that are known by name."""
    found = remote.get(f"/known-mt-servers/{platform_version}/search", {"query": query})
    if out.as_json:
        out.json(found)
        return
    rows = [{"broker": broker, "server": server} for broker, servers in found.items() for server in servers]
    out.table(rows, [("Broker", "broker"), ("Server", "server")], empty="No server matches.")


@remote_command(regions_app, "list", "mtfleet regions list")
def list_regions(remote: Remote, out: Output) -> None:
    """List the regions; the first is the default."""
    names = remote.get(path("regions"))
    if out.as_json:
        out.json(names)
        return
    for name in names:
        out.line(name)


@remote_command(quotas_app, "list", "mtfleet quotas list")
def list_quotas(remote: Remote, out: Output) -> None:
    """List your quotas by region, and how much of them is used."""
    items = remote.get(path("quotas"))
    if out.as_json:
        out.json(items)
        return
    rows = [
        {"region": item["region"], "what": name, **value}
        for item in items
        for name, value in item.items()
        if isinstance(value, dict)
    ]
    columns = [("Region", "region"), ("Quota", "what"), ("Most", "quota"), ("Used, %", "usageInPercents")]
    out.table(rows, columns, empty="No quotas.")


@remote_command(
    quotas_app, "request", "mtfleet quotas request vint-hill --max-accounts 500 --message 'a new team'"
)
def request_quotas(
    remote: Remote,
    out: Output,
    region: Annotated[str, typer.Argument(help="Region.")],
    max_accounts: Annotated[int | None, typer.Option(min=0, help="Accounts in all.")] = None,
    max_deployed_g1: Annotated[int | None, typer.Option(min=0, help="Deployed accounts of cloud-g1.")] = None,
    max_deployed_g2: Annotated[int | None, typer.Option(min=0, help="Deployed accounts of cloud-g2.")] = None,
    max_deployed_copy_factory: Annotated[
        int | None, typer.Option(min=0, help="Deployed copy trading accounts.")
    ] = None,
    message: Annotated[str | None, typer.Option(help="Why, for the administrator.")] = None,
) -> None:
    """Ask the administrator for other quotas. A second request for a region replaces the first."""
    body = chosen(
        maxAccounts=max_accounts,
        maxDeployedG1Accounts=max_deployed_g1,
        maxDeployedG2Accounts=max_deployed_g2,
        maxDeployedCopyFactoryAccounts=max_deployed_copy_factory,
    )
    if not body:
        raise CommandError("Name at least one quota.", ExitCode.USAGE)
    remote.send("PATCH", path("regions", region, "quotas"), {**body, **chosen(message=message)})
    if out.as_json:
        out.json(remote.get(path("quota-update-requests")))
    out.note("Asked for.")


@remote_command(quotas_app, "requests", "mtfleet quotas requests")
def list_requests(remote: Remote, out: Output) -> None:
    """List your pending requests."""
    items = remote.get(path("quota-update-requests"))
    if out.as_json:
        out.json(items)
        return
    out.table(
        items,
        [("Region", "region"), ("Quotas", "quotas"), ("Message", "message"), ("Asked at", "createdAt")],
        empty="No requests.",
    )
