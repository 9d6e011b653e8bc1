"""`mtfleet accounts`: add, list, change, start and stop trading accounts."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from mtfleet.cli.command import group, remote_command
from mtfleet.cli.confirm import confirm
from mtfleet.cli.exits import CommandError, ExitCode
from mtfleet.cli.output import Output, text_of
from mtfleet.cli.passwords import read_password
from mtfleet.cli.remote import Remote, path
from mtfleet.cli.waiting import DEFAULT_TIMEOUT_SECONDS, Goal, wait_until

app = group(
    "accounts",
    "Trading accounts: add, list, change, deploy, look at.\n\n"
    "An account is added once with its broker's server, login and password; mtfleet detects the broker's "
    "settings, starts an API server for it (deploys it) and keeps it connected.",
)

AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Account id.")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Return when it is done, not when it is accepted.")]
TimeoutOption = Annotated[float, typer.Option("--timeout", help="Longest wait in seconds.")]
PrimaryOnlyOption = Annotated[bool, typer.Option("--primary-only", help="Leave the replicas as they are.")]
PasswordStdinOption = Annotated[
    bool,
    typer.Option(
        "--password-stdin",
        help="Read the password from standard input (else: MTFLEET_PASSWORD, or asked for).",
    ),
]
MetadataOption = Annotated[
    str | None, typer.Option(metavar="JSON", help="Your own data, a JSON object of at most 1024 characters.")
]
TransactionOption = Annotated[
    str | None, typer.Option(help="Continue an interrupted command: the same id never creates a second one.")
]
MagicOption = Annotated[int | None, typer.Option(min=0, help="Magic number of trades; 0 with manual trades.")]
QuoteIntervalOption = Annotated[
    float | None, typer.Option(min=0, help="Seconds between quotes; 0 sends every tick.")
]
SlippageOption = Annotated[float | None, typer.Option(min=0, help="Default slippage in points.")]
SlotsOption = Annotated[int | None, typer.Option(min=1, help="Resource slots.")]
TagOption = Annotated[list[str] | None, typer.Option("--tag", help="A tag; repeat for more.")]

_LIST_COLUMNS = [
    ("ID", "_id"),
    ("Name", "name"),
    ("Login", "login"),
    ("Server", "server"),
    ("MT", "version"),
    ("State", "state"),
    ("Connection", "connectionStatus"),
    ("Region", "region"),
    ("Tags", "tags"),
]
_FIELDS = [
    ("Id", "_id"),
    ("Name", "name"),
    ("State", "state"),
    ("Connection", "connectionStatus"),
    ("Login", "login"),
    ("Server", "server"),
    ("MetaTrader", "version"),
    ("Type", "type"),
    ("Region", "region"),
    ("Reliability", "reliability"),
    ("Profile", "provisioningProfileId"),
    ("Magic", "magic"),
    ("Manual trades", "manualTrades"),
    ("Slippage", "slippage"),
    ("Quote interval, s", "quoteStreamingIntervalInSeconds"),
    ("Symbol", "symbol"),
    ("Base currency", "baseCurrency"),
    ("Resource slots", "resourceSlots"),
    ("CopyFactory roles", "copyFactoryRoles"),
    ("Statistics", "metastatsApiEnabled"),
    ("Risk management", "riskManagementApiEnabled"),
    ("Tags", "tags"),
    ("Metadata", "metadata"),
    ("Created", "createdAt"),
]
_HOP_COLUMNS = [
    ("Hop", "name"),
    ("State", "state"),
    ("Since", "since"),
    ("Next try", "nextTryAt"),
    ("Code", "details"),
    ("Last error", "lastError"),
]
_REPLICA_COLUMNS = [
    ("ID", "_id"),
    ("Region", "region"),
    ("State", "state"),
    ("Connection", "connectionStatus"),
    ("Magic", "magic"),
]


class DeploymentStatus(StrEnum):
    DEPLOYED = "deployed"
    UNDEPLOYED = "undeployed"
    FAILED = "failed"


def chosen(**fields: Any) -> dict[str, Any]:
    """Return a request body of the fields that were given."""
    return {name: value for name, value in fields.items() if value is not None}


def metadata_of(text: str | None) -> Any:
    """Read `--metadata`. Raises `CommandError` when it is no JSON object."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError as problem:
        raise CommandError(f"--metadata is not JSON: {problem}.", ExitCode.USAGE) from problem
    if not isinstance(value, dict):
        raise CommandError("--metadata is not a JSON object.", ExitCode.USAGE)
    return value


@remote_command(
    app,
    "list",
    "mtfleet accounts list",
    "mtfleet accounts list --state DEPLOYED --query ICMarkets",
    "mtfleet accounts list --json | jq -r '.items[]._id'",
)
def list_accounts(
    remote: Remote,
    out: Output,
    query: Annotated[
        str | None, typer.Option("--query", "-q", help="Part of id, name, server or login.")
    ] = None,
    state: Annotated[list[str] | None, typer.Option(help="State such as DEPLOYED; repeat for more.")] = None,
    connection: Annotated[list[str] | None, typer.Option(help="Connection status such as CONNECTED.")] = None,
    deployment: Annotated[list[DeploymentStatus] | None, typer.Option(help="Group of states.")] = None,
    platform_version: Annotated[list[int] | None, typer.Option("--version", help="4 or 5.")] = None,
    type_: Annotated[list[str] | None, typer.Option("--type", help="cloud-g1 or cloud-g2.")] = None,
    profile: Annotated[str | None, typer.Option(help="Provisioning profile id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most accounts to show.")] = 100,
    offset: Annotated[int, typer.Option(min=0, help="How many to pass over.")] = 0,
) -> None:
    """List accounts, oldest first. Filters combine; values of one filter are alternatives."""
    params = {
        "query": query,
        "state": state,
        "connectionStatus": connection,
        "deploymentStatus": [d.value for d in deployment or []],
        "version": platform_version,
        "type": type_,
        "provisioningProfileId": profile,
        "limit": limit,
        "offset": offset,
    }
    page = remote.get(path("accounts"), params, version=2)
    if out.as_json:
        out.json(page)
        return
    out.table(page["items"], _LIST_COLUMNS, empty="No account matches. Add one with: mtfleet accounts add")
    shown = len(page["items"])
    if shown and shown < page["count"]:
        out.note(f"{offset + 1} to {offset + shown} of {page['count']}; go on with --offset {offset + shown}")


@remote_command(
    app, "show", "mtfleet accounts show ACCOUNT", "mtfleet accounts show ACCOUNT --json | jq .hops"
)
def show_account(remote: Remote, out: Output, account: AccountArgument) -> None:
    """Show one account: its settings, its replicas, and every hop on the way to the broker.

    The hops tell where a connection stands or fails: placement, terminal, broker, login, synchronization.
    """
    show(remote.get(path("accounts", account)), out)


def show(item: Mapping[str, Any], out: Output) -> None:
    """Write an account with hops and replicas."""
    if out.as_json:
        out.json(item)
        return
    out.record(item, _FIELDS)
    if item.get("hops"):
        out.table(item["hops"], _HOP_COLUMNS, empty="")
    if item.get("accountReplicas"):
        out.table(item["accountReplicas"], _REPLICA_COLUMNS, empty="")


@remote_command(
    app,
    "add",
    "mtfleet accounts add --name Mine --login 1234567 --server ICMarketsSC-Demo --platform mt5 --wait",
    "mtfleet accounts add --name Mine --login 1 --server S --platform mt4 --password-stdin < file",
    "mtfleet accounts add --name 'For a customer' --server S --platform mt5 --draft",
)
def add_account(
    remote: Remote,
    out: Output,
    name: Annotated[str, typer.Option(help="Your own name for it.")],
    server: Annotated[str, typer.Option(help="The broker's trade server, as the terminal shows it.")],
    login: Annotated[str | None, typer.Option(help="Account number at the broker.")] = None,
    platform: Annotated[
        str | None, typer.Option(help="mt4 or mt5; comes from the profile when one is given.")
    ] = None,
    password_stdin: PasswordStdinOption = False,
    draft: Annotated[
        bool, typer.Option("--draft", help="No login yet: hand out a link with mtfleet links create.")
    ] = False,
    profile: Annotated[
        str | None, typer.Option(help="Provisioning profile id; without it the settings are detected.")
    ] = None,
    keyword: Annotated[
        list[str] | None, typer.Option(help="Helps to find the broker, e.g. its company's name.")
    ] = None,
    magic: MagicOption = 0,
    type_: Annotated[str | None, typer.Option("--type", help="cloud-g1 or cloud-g2.")] = None,
    region: Annotated[str | None, typer.Option(help="One of mtfleet regions list.")] = None,
    reliability: Annotated[str | None, typer.Option(help="regular or high.")] = None,
    quote_interval: QuoteIntervalOption = None,
    manual_trades: Annotated[bool | None, typer.Option(help="Whether trades by hand are expected.")] = None,
    slippage: SlippageOption = None,
    symbol: Annotated[str | None, typer.Option(help="A symbol of the account, for cloud-g1.")] = None,
    base_currency: Annotated[str | None, typer.Option(help="Three letters, e.g. USD.")] = None,
    resource_slots: SlotsOption = None,
    tag: TagOption = None,
    metadata: MetadataOption = None,
    transaction_id: TransactionOption = None,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT_SECONDS,
) -> None:
    """Add an account: its broker's settings are detected, then it is deployed.

    The password may be the investor password, for reading only. It is asked for, piped in with
    --password-stdin or taken from MTFLEET_PASSWORD; there is no flag for it, since process lists show flags.
    """
    if draft and (login or password_stdin):
        raise CommandError("A draft has no login and no password; leave them out.", ExitCode.USAGE)
    if not draft and not login:
        raise CommandError("--login is needed, or --draft for an account without one.", ExitCode.USAGE)
    password = (
        None
        if draft
        else read_password(from_stdin=password_stdin, prompt=f"Password of {login} at {server}: ")
    )
    body = chosen(
        name=name,
        server=server,
        login=login,
        password=password.reveal() if password else None,
        platform=platform,
        provisioningProfileId=profile,
        keywords=keyword or None,
        magic=0 if manual_trades else magic,
        type=type_,
        region=region,
        reliability=reliability,
        quoteStreamingIntervalInSeconds=quote_interval,
        manualTrades=manual_trades,
        slippage=slippage,
        symbol=symbol,
        baseCurrency=base_currency,
        resourceSlots=resource_slots,
        tags=tag or None,
        metadata=metadata_of(metadata),
    )
    made = remote.create(path("accounts"), body, what=f"Adding {name}", transaction_id=transaction_id)
    if wait and not draft:
        wait_until(remote, out, path("accounts", made["id"]), Goal.CONNECTED, timeout)
    if out.as_json:
        out.json(remote.get(path("accounts", made["id"])) if wait else made)
        return
    out.line(made["id"])
    out.note(
        f"Draft. Let its owner enter the login: mtfleet links create {made['id']}"
        if draft
        else f"Added. Look at it with: mtfleet accounts show {made['id']}"
    )


@remote_command(
    app,
    "update",
    "mtfleet accounts update ACCOUNT --name 'New name'",
    "mtfleet accounts update ACCOUNT --change-password --redeploy",
)
def update_account(
    remote: Remote,
    out: Output,
    account: AccountArgument,
    name: Annotated[str | None, typer.Option(help="New name.")] = None,
    login: Annotated[str | None, typer.Option(help="New account number.")] = None,
    server: Annotated[str | None, typer.Option(help="New trade server.")] = None,
    change_password: Annotated[
        bool, typer.Option("--change-password", help="Ask for a new password (or MTFLEET_PASSWORD).")
    ] = False,
    password_stdin: PasswordStdinOption = False,
    magic: MagicOption = None,
    manual_trades: Annotated[bool | None, typer.Option(help="Whether trades by hand are expected.")] = None,
    slippage: SlippageOption = None,
    quote_interval: QuoteIntervalOption = None,
    resource_slots: SlotsOption = None,
    copy_factory_role: Annotated[list[str] | None, typer.Option(help="PROVIDER or SUBSCRIBER.")] = None,
    tag: TagOption = None,
    metadata: MetadataOption = None,
    redeploy: Annotated[
        bool, typer.Option("--redeploy", help="Let the new settings take effect now.")
    ] = False,
) -> None:
    """Change an account. Name, tags and metadata apply at once, the rest with the next redeploy."""
    password = None
    if change_password or password_stdin:
        password = read_password(from_stdin=password_stdin, prompt="New password: ").reveal()
    body = chosen(
        name=name,
        login=login,
        server=server,
        password=password,
        magic=magic,
        manualTrades=manual_trades,
        slippage=slippage,
        quoteStreamingIntervalInSeconds=quote_interval,
        resourceSlots=resource_slots,
        copyFactoryRoles=copy_factory_role or None,
        tags=tag or None,
        metadata=metadata_of(metadata),
    )
    if not body:
        raise CommandError("There is nothing to change; name at least one setting.", ExitCode.USAGE)
    remote.send("PUT", path("accounts", account), body)
    if redeploy:
        remote.send("POST", path("accounts", account, "redeploy"))
    _told(
        remote,
        out,
        account,
        "Updated." if redeploy else "Updated; some settings take effect with a redeploy.",
    )


@remote_command(
    app,
    "remove",
    "mtfleet accounts remove ACCOUNT",
    "mtfleet accounts remove ACCOUNT --yes --replicas --wait",
)
def remove_account(
    remote: Remote,
    out: Output,
    account: AccountArgument,
    replicas: Annotated[
        bool, typer.Option("--replicas", help="Remove its replicas too; needed when there are any.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT_SECONDS,
) -> None:
    """Stop an account and delete it here with all its data. The account at the broker stays as it is."""
    confirm(out, f"Remove the account {account} from mtfleet?", is_sure=yes)
    remote.send("DELETE", path("accounts", account), params={"executeForAllReplicas": replicas})
    if wait:
        wait_until(remote, out, path("accounts", account), Goal.REMOVED, timeout)
    if out.as_json:
        out.json({"id": account, "removed": wait})
    out.note("Removed." if wait else "Is being removed.")


def _declare_action(name: str, goal: Goal, said: str, text: str) -> None:
    def act(
        remote: Remote,
        out: Output,
        account: AccountArgument,
        primary_only: PrimaryOnlyOption = False,
        wait: WaitOption = False,
        timeout: TimeoutOption = DEFAULT_TIMEOUT_SECONDS,
    ) -> None:
        where = path("accounts", account, name)
        remote.send("POST", where, params={"executeForAllReplicas": not primary_only})
        if wait:
            wait_until(remote, out, path("accounts", account), goal, timeout)
        _told(remote, out, account, said)

    act.__doc__ = text
    remote_command(app, name, f"mtfleet accounts {name} ACCOUNT --wait")(act)


_declare_action(
    "deploy", Goal.CONNECTED, "Deploying.", "Start the API server of an account; --wait until connected."
)
_declare_action(
    "undeploy",
    Goal.UNDEPLOYED,
    "Undeploying.",
    "Stop the API server of an account. It stays here and can be deployed again.",
)
_declare_action(
    "redeploy",
    Goal.CONNECTED,
    "Redeploying.",
    "Start the API server anew, with the settings as they are now.",
)


@remote_command(
    app, "wait", "mtfleet accounts wait ACCOUNT", "mtfleet accounts wait ACCOUNT --for removed --timeout 30"
)
def wait_for_account(
    remote: Remote,
    out: Output,
    account: AccountArgument,
    goal: Annotated[Goal, typer.Option("--for", help="What to wait for.")] = Goal.CONNECTED,
    timeout: TimeoutOption = DEFAULT_TIMEOUT_SECONDS,
) -> None:
    """Wait until an account is connected, deployed, undeployed, disconnected or removed.

    Ends at once with code 1 when the broker definitely refused it, with code 6 when the time runs out.
    """
    last = wait_until(remote, out, path("accounts", account), goal, timeout)
    if out.as_json:
        out.json(last if last is not None else {"id": account, "removed": True})
    out.note(f"{account} is {goal.value}.")


@remote_command(
    app,
    "enable",
    "mtfleet accounts enable ACCOUNT --high-reliability",
    "mtfleet accounts enable ACCOUNT --copy-factory-role PROVIDER --copy-factory-slots 1",
)
def enable_features(
    remote: Remote,
    out: Output,
    account: AccountArgument,
    high_reliability: Annotated[
        bool, typer.Option("--high-reliability", help="Raise the reliability to high.")
    ] = False,
    statistics: Annotated[bool, typer.Option("--statistics", help="Switch trading statistics on.")] = False,
    risk_management: Annotated[
        bool, typer.Option("--risk-management", help="Switch risk management on.")
    ] = False,
    dedicated_ip: Annotated[str | None, typer.Option(help="ipv4.")] = None,
    copy_factory_role: Annotated[list[str] | None, typer.Option(help="PROVIDER or SUBSCRIBER.")] = None,
    copy_factory_slots: Annotated[
        int | None, typer.Option(min=1, help="Resource slots for copy trading.")
    ] = None,
) -> None:
    """Switch features of an account on. A running account restarts; nothing is ever switched off by this."""
    copying = None
    if copy_factory_role or copy_factory_slots:
        copying = {
            "copyFactoryRoles": copy_factory_role or [],
            "copyFactoryResourceSlots": copy_factory_slots or 1,
        }
    body = chosen(
        reliabilityIncreased=high_reliability or None,
        metastatsApiEnabled=statistics or None,
        riskManagementApiEnabled=risk_management or None,
        allocateDedicatedIp=dedicated_ip,
        copyFactoryApi=copying,
    )
    if not body:
        raise CommandError("Name at least one feature.", ExitCode.USAGE)
    remote.send("POST", path("accounts", account, "enable-account-features"), body)
    _told(remote, out, account, "Switched on.")


def _told(remote: Remote, out: Output, account: str, said: str) -> None:
    """Tell how the account stands after a change: the whole of it for programs, a line for people."""
    item = remote.get(path("accounts", account))
    if out.as_json:
        out.json(item)
    out.note(f"{said} State {item['state']}, {text_of(item['connectionStatus'])}.")
