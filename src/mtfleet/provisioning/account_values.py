"""From checked request bodies to accounts: defaults, updates, the configuration hash. Pure."""

import zlib

import msgspec
from msgspec.structs import replace

from mtfleet.domain.accounts import Account, CopyFactoryRole, Platform, Reliability
from mtfleet.domain.deployment import AccountState, ConnectionStatus
from mtfleet.domain.ids import AccountId, Login, ProfileId, Region, ServerName, Symbol, UserId
from mtfleet.domain.values import Instant
from mtfleet.provisioning.validation import ACCOUNT_TYPES, DEFAULT_QUOTE_INTERVAL_SECONDS, given, merged
from mtfleet.wire.json import to_builtins
from mtfleet.wire.requests import AccountUpdate, NewAccount, NewReplica

_CONFIGURATION = (
    "login",
    "server",
    "provisioning_profile_id",
    "version",
    "type",
    "magic",
    "manual_trades",
    "slippage",
    "quote_streaming_interval_in_seconds",
    "symbol",
    "region",
    "reliability",
    "base_currency",
    "resource_slots",
    "copy_factory_resource_slots",
    "copy_factory_roles",
    "metastats_api_enabled",
    "risk_management_api_enabled",
    "allocate_dedicated_ip",
)
"""What a fresh terminal depends on: fields that make the hash."""


def new_account(
    body: NewAccount,
    *,
    account_id: AccountId,
    user_id: UserId,
    platform: Platform,
    default_region: Region,
    created_at: Instant,
) -> Account:
    """Return the account that a checked body asks for, with all defaults filled in."""
    return with_hash(
        Account(
            id=account_id,
            user_id=user_id,
            name=body.name or "",
            login=Login(body.login) if body.login else None,
            server=ServerName(body.server or ""),
            provisioning_profile_id=(
                ProfileId(body.provisioning_profile_id) if body.provisioning_profile_id else None
            ),
            version=platform.version,
            type=ACCOUNT_TYPES[body.type or "cloud"],
            magic=body.magic or 0,
            manual_trades=bool(body.manual_trades),
            slippage=body.slippage,
            quote_streaming_interval_in_seconds=_interval(body.quote_streaming_interval_in_seconds),
            symbol=Symbol(body.symbol) if body.symbol else None,
            region=Region(body.region or default_region),
            reliability=Reliability(body.reliability or Reliability.HIGH),
            base_currency=(body.base_currency or "USD").upper(),
            resource_slots=body.resource_slots or 1,
            copy_factory_resource_slots=body.copy_factory_resource_slots or 1,
            copy_factory_roles=_roles(body.copy_factory_roles),
            tags=list(body.tags or ()),
            metadata=body.metadata,
            state=AccountState.CREATED,
            connection_status=ConnectionStatus.DISCONNECTED,
            hash=0,
            primary_replica=True,
            account_replicas=[],
            metastats_api_enabled=bool(body.metastats_api_enabled),
            risk_management_api_enabled=bool(body.risk_management_api_enabled),
            allocate_dedicated_ip=body.allocate_dedicated_ip,
            created_at=created_at,
            hops=[],
        )
    )


def new_replica(body: NewReplica, primary: Account, *, replica_id: AccountId, created_at: Instant) -> Account:
    """Return the replica that a checked body asks for, as an account of its own."""
    return with_hash(
        replace(
            primary,
            id=replica_id,
            magic=body.magic or 0,
            region=Region(body.region or ""),
            symbol=Symbol(body.symbol) if body.symbol else None,
            quote_streaming_interval_in_seconds=_interval(body.quote_streaming_interval_in_seconds),
            tags=list(body.tags or ()),
            metadata=body.metadata,
            reliability=Reliability(body.reliability or Reliability.HIGH),
            resource_slots=body.resource_slots or 1,
            copy_factory_resource_slots=body.copy_factory_resource_slots or 1,
            primary_replica=False,
            account_replicas=[],
            state=AccountState.CREATED,
            connection_status=ConnectionStatus.DISCONNECTED,
            hops=[],
            created_at=created_at,
        )
    )


def updated(account: Account, body: AccountUpdate, *, is_replica: bool = False) -> Account:
    """Return the account with a checked update: what was left out stays, `null` clears."""
    changed = replace(
        account,
        magic=merged(body.magic, account.magic, account.magic),
        quote_streaming_interval_in_seconds=merged(
            body.quote_streaming_interval_in_seconds,
            account.quote_streaming_interval_in_seconds,
            DEFAULT_QUOTE_INTERVAL_SECONDS,
        ),
        tags=merged(body.tags, account.tags, []),
        metadata=merged(body.metadata, account.metadata, None),
        resource_slots=merged(body.resource_slots, account.resource_slots, 1),
        copy_factory_resource_slots=merged(
            body.copy_factory_resource_slots, account.copy_factory_resource_slots, 1
        ),
    )
    if not is_replica:
        changed = replace(
            changed,
            name=merged(body.name, account.name, account.name),
            login=merged(body.login, account.login, account.login),
            server=merged(body.server, account.server, account.server),
            manual_trades=merged(body.manual_trades, account.manual_trades, False),
            slippage=merged(body.slippage, account.slippage, None),
            copy_factory_roles=(
                account.copy_factory_roles
                if body.copy_factory_roles is msgspec.UNSET
                else _roles(given(body.copy_factory_roles))
            ),
        )
    return with_hash(changed)


def with_hash(account: Account) -> Account:
    """Return the account with the hash of its configuration, which changes with it and only with it."""
    settings = {name: to_builtins(getattr(account, name)) for name in _CONFIGURATION}
    return replace(account, hash=zlib.crc32(msgspec.json.encode(settings, order="deterministic")))


def changed_fields(before: Account, after: Account) -> list[str]:
    """Return the names of the fields that differ, for the audit log."""
    return [
        name
        for name in Account.__struct_fields__
        if name != "hash" and getattr(before, name) != getattr(after, name)
    ]


def _interval(seconds: float | None) -> float:
    return DEFAULT_QUOTE_INTERVAL_SECONDS if seconds is None else seconds


def _roles(roles: list[str] | None) -> list[CopyFactoryRole]:
    return [CopyFactoryRole(role) for role in dict.fromkeys(roles or ())]
