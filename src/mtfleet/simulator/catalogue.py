"""What simulated brokers are: companies, their trade servers and the symbols that these offer.

Everything is a frozen value that many accounts share. `brokers_file` reads a catalogue from TOML.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from mtfleet.domain.accounts import Platform
from mtfleet.domain.ids import Login, ServerName, Symbol
from mtfleet.domain.market import MarginMode, TradeAccountType
from mtfleet.domain.secret import Secret
from mtfleet.domain.symbols import ExecutionMode, FillingMode, Sessions, SymbolSpecification, TradeMode
from mtfleet.simulator.schedule import Clockwork, Schedule


class CalculationMode(StrEnum):
    """How margin and profit are worked out."""

    FOREX = "SYMBOL_CALC_MODE_FOREX"
    CFD = "SYMBOL_CALC_MODE_CFD"
    CFD_INDEX = "SYMBOL_CALC_MODE_CFDINDEX"
    CFD_LEVERAGE = "SYMBOL_CALC_MODE_CFDLEVERAGE"


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """The recorded ticks that a symbol has instead of made-up ones."""

    ticks_file: str
    """As the brokers file writes it: relative to where that is."""
    speed: Decimal
    is_looped: bool
    starts_at: datetime | None
    """When the first tick comes; `None`: when it was recorded."""


class SymbolDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol of a simulated server: its specification, and what its prices are made from."""

    name: Symbol
    description: str
    path: str
    base_currency: str
    profit_currency: str
    margin_currency: str
    digits: int
    tick_points: int
    """Tick size in points."""
    pip_points: int
    contract_size: Decimal
    min_volume: Decimal
    max_volume: Decimal
    volume_step: Decimal
    calculation_mode: CalculationMode
    execution_mode: ExecutionMode
    filling_modes: tuple[FillingMode, ...]
    trade_mode: TradeMode
    stops_level: int
    freeze_level: int
    initial_margin: Decimal
    hedged_margin: Decimal
    swap_mode: str
    swap_long: Decimal
    swap_short: Decimal
    swap_rollover3_days: str
    spread: int
    """Points between bid and ask."""
    price: Decimal
    """Long-term mean of the bid."""
    volatility: Decimal
    """Deviation of the yearly change of the base asset in percent."""
    quote_volatility: Decimal
    """The same of the profit currency, so that crosses of one currency move together."""
    tick_interval_ms: int
    schedule: Schedule | None
    """`None`: always open."""
    replay: Replay | None = None

    @property
    def point(self) -> Decimal:
        return Decimal(1).scaleb(-self.digits)

    @property
    def tick_size(self) -> Decimal:
        return self.tick_points * self.point


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """How long a server takes, in seconds."""

    connect_seconds: float
    login_seconds: float
    ticks_seconds: float
    """Until fresh ticks have arrived after they were asked for."""
    history_seconds: float
    """For one request of bars."""
    timeout_seconds: float
    """How long a terminal waits for a server that does not answer."""


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong at a server."""

    is_offline: bool
    """The server never answers a connection."""
    is_frozen: bool
    """The server answers nothing any more: connections stay, requests and new connections time out."""
    rejects_logins: bool
    never_synchronizes: bool
    drop_every_seconds: float | None
    """All connections are cut this often."""


class DemoAccounts(msgspec.Struct, frozen=True, kw_only=True):
    """The terms on which a server opens demo accounts."""

    are_offered: bool
    currency: str
    currency_digits: int
    max_leverage: int
    max_balance: Decimal
    first_login: int


class ListedAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account that the brokers file lists, opened when the server is."""

    login: Login
    password: Secret
    investor_password: Secret
    name: str
    balance: Decimal
    leverage: int
    type: TradeAccountType


class ServerDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A simulated trade server."""

    name: ServerName
    company: str
    platform: Platform
    margin_mode: MarginMode
    clock: Clockwork
    symbols: Mapping[Symbol, SymbolDefinition]
    """In the broker's order."""
    latency: Latency
    faults: Faults
    has_fresh_ticks: bool
    """Whether a terminal sees fresh ticks, from which the broker's clock can be read."""
    has_history: bool
    history_from: date
    """The first day, on the wall clock, of which anything is kept."""
    demo: DemoAccounts
    accounts: tuple[ListedAccount, ...]


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """All simulated servers by lower-case name, and the regions where terminals run."""

    servers: Mapping[str, ServerDefinition]
    regions: tuple[str, ...] | None

    def find(self, name: str) -> ServerDefinition | None:
        """Return the server of that name; case and surrounding blanks do not matter."""
        return self.servers.get(name.strip().casefold())

    def with_servers_of(self, other: "Catalogue") -> "Catalogue":
        """Return both catalogues as one. Where both have a server, the one of `other` holds."""
        return Catalogue(servers={**self.servers, **other.servers}, regions=other.regions or self.regions)


def specification(symbol: SymbolDefinition, sessions: Sessions, platform: Platform) -> SymbolSpecification:
    """Return the specification as a terminal shows it, with sessions in broker time."""
    orders = ["MARKET", "LIMIT", "STOP", "SL", "TP", "CLOSEBY"]
    if platform is Platform.MT5:
        orders.insert(3, "STOP_LIMIT")
    return SymbolSpecification(
        symbol=symbol.name,
        tick_size=float(symbol.tick_size),
        min_volume=float(symbol.min_volume),
        max_volume=float(symbol.max_volume),
        volume_step=float(symbol.volume_step),
        contract_size=float(symbol.contract_size),
        filling_modes=list(symbol.filling_modes),
        execution_mode=symbol.execution_mode,
        quote_sessions=sessions,
        trade_sessions=sessions,
        trade_mode=symbol.trade_mode,
        point=float(symbol.point),
        digits=symbol.digits,
        pip_size=float(symbol.pip_points * symbol.point),
        stops_level=symbol.stops_level,
        freeze_level=symbol.freeze_level,
        initial_margin=float(symbol.initial_margin),
        maintenance_margin=0.0,
        hedged_margin=float(symbol.hedged_margin),
        hedged_margin_uses_larger_leg=False,
        base_currency=symbol.base_currency,
        margin_currency=symbol.margin_currency,
        profit_currency=symbol.profit_currency,
        price_calculation_mode=symbol.calculation_mode.value,
        swap_mode=symbol.swap_mode,
        swap_long=float(symbol.swap_long),
        swap_short=float(symbol.swap_short),
        swap_rollover3_days=symbol.swap_rollover3_days,
        allowed_expiration_modes=[
            f"SYMBOL_EXPIRATION_{mode}" for mode in ("GTC", "DAY", "SPECIFIED", "SPECIFIED_DAY")
        ],
        allowed_order_types=[f"SYMBOL_ORDER_{kind}" for kind in orders],
        order_gtc_mode="SYMBOL_ORDERS_GTC",
        description=symbol.description,
        path=symbol.path,
    )
