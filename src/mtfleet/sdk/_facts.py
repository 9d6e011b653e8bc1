"""What the server says about accounts, experts and profiles, as the SDK reads it.

Read leniently: a field that another server of the same API leaves out has the API's documented default, and
enumerations are plain texts, so that a state nobody knew yet is no error. Unknown fields are ignored.
"""

from datetime import datetime
from typing import Any

import msgspec


class Hop(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One step on the way to the broker: placement, terminal, broker, login or synchronization."""

    name: str
    state: str
    """`waiting`, `trying`, `passed` or `failed`."""
    since: datetime | None = None
    last_error: str | None = None
    """What failed, what was tried and what to do."""
    details: str | None = None
    """A code such as `E_AUTH`, if there is one."""
    next_try_at: datetime | None = None
    """Absent when nothing will be tried by itself."""


class ReplicaFacts(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A replica inside its account."""

    id: str = msgspec.field(name="_id")
    state: str
    connection_status: str = "DISCONNECTED"
    magic: int = 0
    quote_streaming_interval_in_seconds: float = 2.5
    symbol: str | None = None
    reliability: str = "high"
    tags: list[str] = []
    metadata: dict[str, Any] | None = None
    resource_slots: int = 1
    copy_factory_resource_slots: int = 1
    region: str = ""
    created_at: datetime | None = None
    hops: list[Hop] = []


class AccountFacts(ReplicaFacts, frozen=True, kw_only=True, rename="camel"):
    """An account. It has all that a replica has."""

    name: str = ""
    login: str | None = None
    server: str = ""
    type: str = "cloud-g2"
    version: int = 0
    provisioning_profile_id: str | None = None
    manual_trades: bool = False
    slippage: float | None = None
    base_currency: str = "USD"
    copy_factory_roles: list[str] = []
    hash: float | str | None = None
    primary_replica: bool = True
    user_id: str | None = None
    account_replicas: list[ReplicaFacts] = []
    metastats_api_enabled: bool = False
    risk_management_api_enabled: bool = False
    allocate_dedicated_ip: str | None = None
    connections: list[dict[str, Any]] = []


class ExpertFacts(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An expert advisor."""

    expert_id: str
    period: str = ""
    symbol: str = ""
    file_uploaded: bool = False


class ProfileFacts(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A provisioning profile."""

    id: str = msgspec.field(name="_id")
    name: str = ""
    version: int = 0
    status: str = "new"
    broker_timezone: str = ""
    broker_dst_switch_timezone: str = msgspec.field(name="brokerDSTSwitchTimezone", default="")
    type: str = "mtTerminal"
    manager_login: int | None = None
    manager_server: str | None = None


class AccountsPage(msgspec.Struct, frozen=True, kw_only=True):
    """A classic page of accounts."""

    count: int
    items: list[AccountFacts]


class ProfilesPage(msgspec.Struct, frozen=True, kw_only=True):
    """A classic page of profiles."""

    count: int
    items: list[ProfileFacts]


class NewId(msgspec.Struct, frozen=True, kw_only=True):
    """The id of what was just made."""

    id: str


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that was just made."""

    token: str

    def __repr__(self) -> str:
        return "NewToken(***)"
