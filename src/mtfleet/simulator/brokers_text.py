"""The brokers file as it is written: every key that it may have, before anything is checked or filled in."""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import msgspec


class _Text(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class SessionsText(_Text, frozen=True, kw_only=True):
    """`HH:MM-HH:MM` texts by weekday; a day that is left out is closed."""

    timezone: str | None = None
    """`None`: the broker's own clock."""
    dst_switch_timezone: str | None = None
    sunday: list[str] = []
    monday: list[str] = []
    tuesday: list[str] = []
    wednesday: list[str] = []
    thursday: list[str] = []
    friday: list[str] = []
    saturday: list[str] = []


class SymbolText(_Text, frozen=True, kw_only=True):
    """A symbol; what is left out is taken from the standard symbol that it is `like`."""

    name: str
    like: str | None = None
    description: str | None = None
    path: str | None = None
    base_currency: str | None = None
    profit_currency: str | None = None
    margin_currency: str | None = None
    digits: int | None = None
    tick_points: int | None = None
    pip_points: int | None = None
    contract_size: Decimal | None = None
    min_volume: Decimal | None = None
    max_volume: Decimal | None = None
    volume_step: Decimal | None = None
    calculation_mode: str | None = None
    execution_mode: str | None = None
    filling_modes: list[str] | None = None
    trade_mode: str | None = None
    stops_level: int | None = None
    freeze_level: int | None = None
    initial_margin: Decimal | None = None
    hedged_margin: Decimal | None = None
    swap_mode: str | None = None
    swap_long: Decimal | None = None
    swap_short: Decimal | None = None
    swap_rollover3_days: str | None = None
    spread: int | None = None
    price: Decimal | None = None
    volatility: Decimal | None = None
    tick_interval_ms: int | None = None
    sessions: Literal["always"] | SessionsText | None = None
    ticks_file: str | None = None
    speed: Decimal | None = None
    loop: bool | None = None
    starts_at: datetime | None = None


class LatencyText(_Text, frozen=True, kw_only=True):
    connect_seconds: float | None = None
    login_seconds: float | None = None
    ticks_seconds: float | None = None
    history_seconds: float | None = None
    timeout_seconds: float | None = None


class FaultsText(_Text, frozen=True, kw_only=True):
    offline: bool = False
    freeze: bool = False
    reject_logins: bool = False
    never_synchronize: bool = False
    drop_every_seconds: float | None = None


class DemoAccountsText(_Text, frozen=True, kw_only=True):
    offered: bool = True
    currency: str = "USD"
    currency_digits: int = 2
    max_leverage: int = 3000
    max_balance: Decimal = Decimal(1_000_000_000)
    first_login: int | None = None


class AccountText(_Text, frozen=True, kw_only=True):
    login: int
    password: str
    investor_password: str
    name: str = ""
    balance: Decimal = Decimal(0)
    leverage: int = 100
    type: Literal["demo", "contest", "real"] = "demo"


class ServerText(_Text, frozen=True, kw_only=True):
    name: str
    platform: Literal["mt4", "mt5"]
    margin_mode: Literal["hedging", "netting", "exchange"] | None = None
    timezone: str
    dst_switch_timezone: str | None = None
    symbols: list[str | SymbolText] | None = None
    fresh_ticks: bool = True
    history: bool = True
    history_from: date = date(2010, 1, 1)
    latency: LatencyText = LatencyText()
    faults: FaultsText = FaultsText()
    demo_accounts: DemoAccountsText = DemoAccountsText()
    accounts: list[AccountText] = []


class BrokerText(_Text, frozen=True, kw_only=True):
    company: str
    servers: list[ServerText]


class BrokersText(_Text, frozen=True, kw_only=True):
    brokers: list[BrokerText]
    regions: list[str] | None = None
