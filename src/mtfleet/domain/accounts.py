"""Accounts and replicas: what is stored and shown, with the enumerations of the documented API."""

from enum import StrEnum
from typing import Any

import msgspec

from mtfleet.domain.deployment import AccountState, ConnectionStatus, Hop
from mtfleet.domain.ids import AccountId, Login, ProfileId, Region, ServerName, Symbol, UserId
from mtfleet.domain.values import Instant, Value


class Platform(StrEnum):
    MT4 = "mt4"
    MT5 = "mt5"

    @property
    def version(self) -> int:
        """4 or 5, as the API writes it."""
        return int(self.value[-1])

    @classmethod
    def of_version(cls, version: int) -> "Platform":
        """Return the platform of version 4 or 5."""
        return cls(f"mt{version}")


class AccountType(StrEnum):
    CLOUD_G1 = "cloud-g1"
    CLOUD_G2 = "cloud-g2"


class Reliability(StrEnum):
    REGULAR = "regular"
    HIGH = "high"


class CopyFactoryRole(StrEnum):
    PROVIDER = "PROVIDER"
    SUBSCRIBER = "SUBSCRIBER"


class Replica(Value, frozen=True, kw_only=True):
    """A copy of an account in another region, as it stands inside its account."""

    id: AccountId = msgspec.field(name="_id")
    state: AccountState
    magic: int
    connection_status: ConnectionStatus
    quote_streaming_interval_in_seconds: float
    symbol: Symbol | None = None
    reliability: Reliability
    tags: list[str]
    metadata: dict[str, Any] | None = None
    resource_slots: int
    copy_factory_resource_slots: int
    region: Region
    created_at: Instant
    hops: list[Hop]


class Account(Value, frozen=True, kw_only=True):
    """A trading account as the API shows it. Passwords are never part of it."""

    id: AccountId = msgspec.field(name="_id")
    user_id: UserId
    name: str
    login: Login | None = None
    server: ServerName
    provisioning_profile_id: ProfileId | None = None
    version: int
    type: AccountType
    magic: int
    manual_trades: bool
    slippage: float | None = None
    quote_streaming_interval_in_seconds: float
    symbol: Symbol | None = None
    region: Region
    reliability: Reliability
    base_currency: str
    resource_slots: int
    copy_factory_resource_slots: int
    copy_factory_roles: list[CopyFactoryRole]
    tags: list[str]
    metadata: dict[str, Any] | None = None
    state: AccountState
    connection_status: ConnectionStatus
    hash: int
    primary_replica: bool
    account_replicas: list[Replica]
    metastats_api_enabled: bool
    risk_management_api_enabled: bool
    allocate_dedicated_ip: str | None = None
    created_at: Instant
    hops: list[Hop]

    @property
    def platform(self) -> Platform:
        return Platform.of_version(self.version)


class BrokerSettings(Value, frozen=True, kw_only=True):
    """What detection or a provisioning profile found out about an account's broker; stored with the
    account."""

    broker_timezone: str
    """IANA zone that gives the standard offset, e.g. `EET`."""
    broker_dst_switch_timezone: str
    """IANA zone whose calendar says when the extra hour applies, e.g. `America/New_York`."""


class Page(Value, frozen=True, kw_only=True):
    """One page of accounts and, if asked for, how many match in all."""

    items: list[Account]
    count: int | None = None


class AccountFilter(Value, frozen=True, kw_only=True):
    """Which accounts to list. Fields combine with AND, values of a field with OR; `None` means no filter."""

    offset: int
    limit: int
    query: str | None = None
    provisioning_profile_id: ProfileId | None = None
    versions: frozenset[int] | None = None
    types: frozenset[AccountType] | None = None
    states: frozenset[AccountState] | None = None
    connection_statuses: frozenset[ConnectionStatus] | None = None
    ids: frozenset[AccountId] | None = None
    """Only these, for a token that is narrowed to some accounts."""
