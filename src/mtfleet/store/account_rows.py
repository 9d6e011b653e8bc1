"""Accounts as rows: what is stored of them, and how a row becomes JSON or an account again.

The settings of an account are kept as the JSON that the API sends; state, connection status and hops are
columns of their own, because they change often and are filtered by. A reply is put together from both without
reading the JSON.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from mtfleet.domain.accounts import Account, Replica
from mtfleet.domain.deployment import Deployment
from mtfleet.domain.errors import ValidationError, invalid
from mtfleet.store.text_search import searchable
from mtfleet.store.unit import INT64, check_text
from mtfleet.wire import json

_ELSEWHERE = ("state", "connectionStatus", "hops", "accountReplicas")
_OWN_OF_REPLICA = (
    "id",
    "magic",
    "quote_streaming_interval_in_seconds",
    "symbol",
    "reliability",
    "tags",
    "metadata",
    "resource_slots",
    "copy_factory_resource_slots",
    "region",
    "created_at",
)
_POSITION_BITS = 20


def first_position(created_at: int) -> int:
    """Return the lowest position of accounts created in that millisecond; the next one's is its end."""
    return created_at << _POSITION_BITS


def millisecond_end(position: int) -> int:
    """Return the position after all those of accounts created in the same millisecond as this one."""
    return ((position >> _POSITION_BITS) + 1) << _POSITION_BITS


def settings_json(account: Account, *, is_replica: bool) -> str:
    """Return what is stored of an account's settings.

    Raises `ValidationError` for what can't be kept exactly.
    """
    for name, text in (("name", account.name), ("server", account.server), ("login", account.login)):
        check_text(name, text or "")
    if account.magic not in INT64:
        raise invalid("magic", "does not fit into 64 bits.")
    for name, number in (
        ("slippage", account.slippage),
        ("quoteStreamingIntervalInSeconds", account.quote_streaming_interval_in_seconds),
    ):
        if number is not None and not math.isfinite(number):
            raise invalid(name, "must be a finite number.")
    value = to_replica(account) if is_replica else account
    plain = json.to_builtins(value)
    for name in _ELSEWHERE:
        plain.pop(name, None)
    return to_json(plain)


def to_json(value: Any) -> str:
    """Return JSON text. Raises `ValidationError` for text that is no Unicode."""
    try:
        return json.encode(value).decode()
    except UnicodeEncodeError as error:
        raise ValidationError("A text holds half of a character (a lone surrogate).") from error


def to_replica(account: Account) -> Replica:
    """Return a replica as it stands inside its account."""
    own = {name: getattr(account, name) for name in _OWN_OF_REPLICA}
    return Replica(**own, state=account.state, connection_status=account.connection_status, hops=account.hops)


def as_account(primary: Account, replica: Replica) -> Account:
    """Return a replica as if it were an account: its own settings on top of its primary's."""
    own = {name: getattr(replica, name) for name in _OWN_OF_REPLICA}
    return replace(
        primary,
        **own,
        state=replica.state,
        connection_status=replica.connection_status,
        hops=replica.hops,
        primary_replica=False,
        account_replicas=[],
    )


def account_text(account: Account) -> str:
    """Return what a text filter looks into."""
    return searchable((account.id, account.name, account.server, account.login))


def deployment_columns(deployment: Deployment) -> dict[str, Any]:
    """Return the columns of a deployment but for the account's id."""
    return {
        "desired": deployment.desired.value,
        "revision": deployment.revision,
        "is_redeploy": deployment.is_redeploy,
        "is_rejected": deployment.is_rejected,
        "state": deployment.state.value,
        "connection_status": deployment.connection_status.value,
        "hops_json": to_json(deployment.hops) if deployment.hops else "[]",
    }


def replica_json(row: Sequence[Any]) -> str:
    """Return a replica's JSON from a row with settings, state, connection status and hops at its end."""
    settings, state, connection_status, hops = row[-4:]
    return f'{settings[:-1]},"state":"{state}","connectionStatus":"{connection_status}","hops":{hops}}}'


def accounts_json(rows: Iterable[Sequence[Any]], replicas: Iterable[Sequence[Any]]) -> bytes:
    """Return accounts as a JSON array.

    Rows of accounts hold id, settings, state, connection status and hops; rows of replicas the same with the
    id of their primary.
    """
    by_primary: dict[str, list[str]] = {}
    for row in replicas:
        by_primary.setdefault(row[0], []).append(replica_json(row))
    items = [
        f'{settings[:-1]},"state":"{state}","connectionStatus":"{status}","hops":{hops},"accountReplicas":[{inner}]}}'
        for id_, settings, state, status, hops in rows
        for inner in (",".join(by_primary[id_]) if id_ in by_primary else "",)
    ]
    return f"[{','.join(items)}]".encode()


def to_accounts(rows: Iterable[Sequence[Any]], replicas: Iterable[Sequence[Any]]) -> list[Account]:
    """Return accounts from rows as `accounts_json` takes them."""
    return json.decode(accounts_json(rows, replicas), list[Account])
