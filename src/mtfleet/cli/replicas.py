"""`mtfleet replicas`: copies of an account in other regions."""

from typing import Annotated

import typer

from mtfleet.cli.accounts import (
    AccountArgument,
    MetadataOption,
    QuoteIntervalOption,
    SlotsOption,
    TagOption,
    TimeoutOption,
    TransactionOption,
    WaitOption,
    chosen,
    metadata_of,
)
from mtfleet.cli.command import group, remote_command
from mtfleet.cli.confirm import confirm
from mtfleet.cli.exits import CommandError, ExitCode
from mtfleet.cli.output import Output
from mtfleet.cli.remote import Remote, path
from mtfleet.cli.waiting import DEFAULT_TIMEOUT_SECONDS, Goal, wait_until

app = group("replicas", "Copies of an account in other regions, each with a terminal of its own.")
ReplicaArgument = Annotated[str, typer.Argument(metavar="REPLICA", help="Replica id.")]

_COLUMNS = [
    ("ID", "_id"),
    ("Region", "region"),
    ("State", "state"),
    ("Connection", "connectionStatus"),
    ("Reliability", "reliability"),
    ("Magic", "magic"),
    ("Tags", "tags"),
]
_FIELDS = [
    *_COLUMNS,
    ("Quote interval, s", "quoteStreamingIntervalInSeconds"),
    ("Slots", "resourceSlots"),
    ("Created", "createdAt"),
]


@remote_command(app, "list", "mtfleet replicas list ACCOUNT")
def list_replicas(remote: Remote, out: Output, account: AccountArgument) -> None:
    """List the replicas of an account."""
    items = remote.get(path("accounts", account, "replicas"))
    if out.as_json:
        out.json(items)
        return
    out.table(items, _COLUMNS, empty="The account has no replicas.")


@remote_command(app, "show", "mtfleet replicas show ACCOUNT REPLICA")
def show_replica(remote: Remote, out: Output, account: AccountArgument, replica: ReplicaArgument) -> None:
    """Show one replica."""
    item = remote.get(path("accounts", account, "replicas", replica))
    if out.as_json:
        out.json(item)
        return
    out.record(item, _FIELDS)


@remote_command(app, "add", "mtfleet replicas add ACCOUNT --region london", "mtfleet regions list")
def add_replica(
    remote: Remote,
    out: Output,
    account: AccountArgument,
    region: Annotated[str, typer.Option(help="Another region than the account's; see mtfleet regions list.")],
    magic: Annotated[int, typer.Option(min=0, help="Magic number of trades.")] = 0,
    reliability: Annotated[str | None, typer.Option(help="regular or high.")] = None,
    quote_interval: QuoteIntervalOption = None,
    symbol: Annotated[str | None, typer.Option(help="A symbol of the account, for cloud-g1.")] = None,
    resource_slots: SlotsOption = None,
    tag: TagOption = None,
    metadata: MetadataOption = None,
    transaction_id: TransactionOption = None,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT_SECONDS,
) -> None:
    """Make a copy of an account in another region."""
    body = chosen(
        region=region,
        magic=magic,
        reliability=reliability,
        quoteStreamingIntervalInSeconds=quote_interval,
        symbol=symbol,
        resourceSlots=resource_slots,
        tags=tag or None,
        metadata=metadata_of(metadata),
    )
    where = path("accounts", account, "replicas")
    made = remote.create(where, body, what=f"Adding a replica in {region}", transaction_id=transaction_id)
    if wait:
        made = wait_until(
            remote, out, path("accounts", account, "replicas", made["id"]), Goal.CONNECTED, timeout
        )
    if out.as_json:
        out.json(made)
        return
    out.line(made.get("id") or made["_id"])


@remote_command(app, "update", "mtfleet replicas update ACCOUNT REPLICA --tag spare")
def update_replica(
    remote: Remote,
    out: Output,
    account: AccountArgument,
    replica: ReplicaArgument,
    magic: Annotated[int | None, typer.Option(min=0, help="Magic number of trades.")] = None,
    quote_interval: QuoteIntervalOption = None,
    resource_slots: SlotsOption = None,
    tag: TagOption = None,
    metadata: MetadataOption = None,
) -> None:
    """Change a replica. Tags and metadata apply at once, the rest with the next redeploy."""
    body = chosen(
        magic=magic,
        quoteStreamingIntervalInSeconds=quote_interval,
        resourceSlots=resource_slots,
        tags=tag or None,
        metadata=metadata_of(metadata),
    )
    if not body:
        raise CommandError("There is nothing to change; name at least one setting.", ExitCode.USAGE)
    remote.send("PUT", path("accounts", account, "replicas", replica), body)
    if out.as_json:
        out.json(remote.get(path("accounts", account, "replicas", replica)))
    out.note("Updated.")


@remote_command(app, "remove", "mtfleet replicas remove ACCOUNT REPLICA --yes")
def remove_replica(
    remote: Remote,
    out: Output,
    account: AccountArgument,
    replica: ReplicaArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT_SECONDS,
) -> None:
    """Stop a replica and delete it. The account stays."""
    confirm(out, f"Remove the replica {replica}?", is_sure=yes)
    where = path("accounts", account, "replicas", replica)
    remote.send("DELETE", where)
    if wait:
        wait_until(remote, out, where, Goal.REMOVED, timeout)
    if out.as_json:
        out.json({"id": replica, "removed": wait})
    out.note("Removed." if wait else "Is being removed.")


def _declare_action(name: str, goal: Goal, said: str, text: str) -> None:
    def act(
        remote: Remote,
        out: Output,
        account: AccountArgument,
        replica: ReplicaArgument,
        wait: WaitOption = False,
        timeout: TimeoutOption = DEFAULT_TIMEOUT_SECONDS,
    ) -> None:
        where = path("accounts", account, "replicas", replica)
        remote.send("POST", f"{where}/{name}")
        if wait:
            wait_until(remote, out, where, goal, timeout)
        if out.as_json:
            out.json(remote.get(where))
        out.note(said)

    act.__doc__ = text
    remote_command(app, name, f"mtfleet replicas {name} ACCOUNT REPLICA")(act)


_declare_action("deploy", Goal.CONNECTED, "Deploying.", "Start the API server of a replica.")
_declare_action("undeploy", Goal.UNDEPLOYED, "Undeploying.", "Stop the API server of a replica.")
_declare_action("redeploy", Goal.CONNECTED, "Redeploying.", "Start the API server of a replica anew.")
_declare_action(
    "increase-reliability",
    Goal.CONNECTED,
    "Reliability is high now.",
    "Raise the reliability of a replica to high.",
)
