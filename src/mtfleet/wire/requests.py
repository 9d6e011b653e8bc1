"""Request bodies as clients send them.

Clients are sloppy and that is fine: unknown fields are ignored and `null` means "not set". What is required
and
which values are legal is checked where the request is used, so that an answer can name every wrong field at
once.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class Request(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A request body; a field that is absent or `null` is `None`."""


class NewAccount(Request, frozen=True, kw_only=True):
    """`POST /users/current/accounts` (contract 7.3)."""

    name: str | None = None
    server: str | None = None
    magic: int | None = None
    login: str | None = None
    password: str | None = None
    platform: str | None = None
    provisioning_profile_id: str | None = None
    keywords: list[str] | None = None
    type: str | None = None
    region: str | None = None
    symbol: str | None = None
    manual_trades: bool | None = None
    slippage: float | None = None
    quote_streaming_interval_in_seconds: float | None = None
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None
    reliability: str | None = None
    base_currency: str | None = None
    copy_factory_roles: list[str] | None = None
    resource_slots: int | None = None
    copy_factory_resource_slots: int | None = None
    risk_management_api_enabled: bool | None = None
    metastats_api_enabled: bool | None = None
    allocate_dedicated_ip: str | None = None

    def __repr__(self) -> str:
        return f"NewAccount(name={self.name!r}, server={self.server!r}, password=***)"


class AccountUpdate(Request, frozen=True, kw_only=True):
    """`PUT /users/current/accounts/{id}` and its replica twin (contract 7.4): any subset; `null` clears an
    optional field."""

    name: str | UnsetType | None = UNSET
    login: str | UnsetType | None = UNSET
    password: str | UnsetType | None = UNSET
    server: str | UnsetType | None = UNSET
    magic: int | UnsetType | None = UNSET
    manual_trades: bool | UnsetType | None = UNSET
    slippage: float | UnsetType | None = UNSET
    quote_streaming_interval_in_seconds: float | UnsetType | None = UNSET
    tags: list[str] | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType | None = UNSET
    copy_factory_roles: list[str] | UnsetType | None = UNSET
    resource_slots: int | UnsetType | None = UNSET
    copy_factory_resource_slots: int | UnsetType | None = UNSET

    def __repr__(self) -> str:
        return f"AccountUpdate(name={self.name!r}, server={self.server!r}, password=***)"


class NewReplica(Request, frozen=True, kw_only=True):
    """`POST …/replicas` (contract 8)."""

    magic: int | None = None
    region: str | None = None
    symbol: str | None = None
    quote_streaming_interval_in_seconds: float | None = None
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None
    reliability: str | None = None
    resource_slots: int | None = None
    copy_factory_resource_slots: int | None = None


class CopyFactory(Request, frozen=True, kw_only=True):
    """`POST …/enable-copy-factory-api` (contract 7.11)."""

    copy_factory_roles: list[str] | None = None
    copy_factory_resource_slots: int | None = None


class Features(Request, frozen=True, kw_only=True):
    """`POST …/enable-account-features` (contract 7.10); `false` does not disable."""

    copy_factory_api: CopyFactory | None = None
    risk_management_api_enabled: bool | None = None
    metastats_api_enabled: bool | None = None
    reliability_increased: bool | None = None
    allocate_dedicated_ip: str | None = None


class NewProfile(Request, frozen=True, kw_only=True):
    """`POST /users/current/provisioning-profiles` (contract 9.3)."""

    name: str | None = None
    version: int | None = None
    broker_timezone: str | None = None
    broker_dst_switch_timezone: str | None = msgspec.field(name="brokerDSTSwitchTimezone", default=None)
    type: str | None = None
    manager_login: int | None = None
    manager_password: str | None = None
    manager_server: str | None = None

    def __repr__(self) -> str:
        return f"NewProfile(name={self.name!r}, version={self.version!r}, manager_password=***)"


class ProfileUpdate(Request, frozen=True, kw_only=True):
    """`PUT /users/current/provisioning-profiles/{id}` (contract 9.4)."""

    name: str | None = None


class ExpertBody(Request, frozen=True, kw_only=True):
    """`PUT …/expert-advisors/{expertId}` (contract 10)."""

    period: str | None = None
    symbol: str | None = None
    preset: str | None = None
    """Base64 of a preset file, padded or not."""


class NewDemoAccount(Request, frozen=True, kw_only=True):
    """`POST …/mt4-demo-accounts` and `…/mt5-demo-accounts` (contract 11)."""

    account_type: str | None = None
    balance: float | None = None
    email: str | None = None
    leverage: float | None = None
    name: str | None = None
    phone: str | None = None
    server_name: str | None = None
    keywords: list[str] | None = None


class Credentials(Request, frozen=True, kw_only=True):
    """What an end user enters on a configuration page; `login` only for a draft."""

    login: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return "Credentials(***)"


class NarrowDown(Request, frozen=True, kw_only=True):
    """`POST /users/current/narrow-down-auth-token` (contract 13): the simplified or the detailed form."""

    applications: list[str] | None = None
    roles: list[str] | None = None
    resources: list[dict[str, Any]] | None = None
    access_rules: list[dict[str, Any]] | None = None
