"""Turn a symbol as a brokers file writes it into a definition."""

from decimal import Decimal
from enum import StrEnum
from typing import Any

from msgspec.structs import replace

from mtfleet.domain.brokertime import UnknownTimezone, zone_named
from mtfleet.domain.ids import Symbol
from mtfleet.domain.symbols import ExecutionMode, FillingMode, TradeMode
from mtfleet.simulator.brokers_text import SessionsText, SymbolText
from mtfleet.simulator.catalogue import CalculationMode, Replay, SymbolDefinition
from mtfleet.simulator.schedule import DAYS, MINUTES_PER_DAY, Clockwork, Schedule, WeeklySession
from mtfleet.simulator.standard_symbols import STANDARD_SYMBOLS, VOLATILITY

_MAX_NAME_LENGTH = 63
_PLAIN = (
    "description",
    "path",
    "base_currency",
    "profit_currency",
    "margin_currency",
    "digits",
    "tick_points",
    "pip_points",
    "contract_size",
    "min_volume",
    "max_volume",
    "volume_step",
    "stops_level",
    "freeze_level",
    "initial_margin",
    "hedged_margin",
    "swap_mode",
    "swap_long",
    "swap_short",
    "swap_rollover3_days",
    "spread",
    "price",
    "volatility",
    "tick_interval_ms",
)
_POSITIVE = (
    "tick_points",
    "pip_points",
    "contract_size",
    "min_volume",
    "max_volume",
    "volume_step",
    "price",
    "tick_interval_ms",
)
_NOT_NEGATIVE = ("stops_level", "freeze_level", "initial_margin", "hedged_margin", "spread", "volatility")
_MADE_UP = ("spread", "price", "volatility", "tick_interval_ms")
_SLOWEST, _FASTEST = Decimal("0.001"), Decimal(10_000)
_SWAP_MODES = frozenset(
    f"SYMBOL_SWAP_MODE_{name}"
    for name in (
        "DISABLED",
        "POINTS",
        "CURRENCY_SYMBOL",
        "CURRENCY_MARGIN",
        "CURRENCY_DEPOSIT",
        "INTEREST_CURRENT",
        "INTEREST_OPEN",
        "REOPEN_CURRENT",
        "REOPEN_BID",
    )
)


class SymbolProblem(ValueError):
    """A key of a symbol is not right."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key, self.reason = key, f"{key}: {reason}"


def symbol_of(entry: str | SymbolText, broker_clock: Clockwork) -> SymbolDefinition:
    """Return the symbol of an entry: the name of a standard one, or a table. Raises `SymbolProblem`."""
    if isinstance(entry, str):
        return _standard(entry, "symbols")
    name = entry.name
    if not 1 <= len(name) <= _MAX_NAME_LENGTH or not name.isprintable() or any(c.isspace() for c in name):
        raise SymbolProblem("name", f"1 to {_MAX_NAME_LENGTH} printable characters without blanks")
    base = _standard(entry.like, "like") if entry.like is not None else _standard(name, "name")
    changes: dict[str, Any] = {key: getattr(entry, key) for key in _PLAIN if getattr(entry, key) is not None}
    changes.setdefault("path", base.path.replace(base.name, name))
    for key, kind in (
        ("calculation_mode", CalculationMode),
        ("execution_mode", ExecutionMode),
        ("trade_mode", TradeMode),
    ):
        if getattr(entry, key) is not None:
            changes[key] = _member(kind, getattr(entry, key), key)
    if entry.filling_modes is not None:
        changes["filling_modes"] = tuple(
            _member(FillingMode, mode, "filling_modes") for mode in entry.filling_modes
        )
    if entry.profit_currency is not None:
        changes["quote_volatility"] = VOLATILITY.get(entry.profit_currency, Decimal(0))
    if entry.sessions is not None:
        sessions = entry.sessions
        changes["schedule"] = None if isinstance(sessions, str) else _schedule(sessions, broker_clock)
    changes["replay"] = _replay(entry)
    symbol = replace(base, name=Symbol(name), **changes)
    _check(symbol)
    return symbol


def _standard(name: str, key: str) -> SymbolDefinition:
    symbol = STANDARD_SYMBOLS.get(Symbol(name))
    if symbol is None:
        hint = " (say with `like` which one it resembles)" if key == "name" else ""
        raise SymbolProblem(
            key, f"{name!r} is no standard symbol{hint}; there are {', '.join(STANDARD_SYMBOLS)}"
        )
    return symbol


def _member(kind: type[StrEnum], text: str, key: str) -> StrEnum:
    try:
        return kind(text)
    except ValueError:
        raise SymbolProblem(key, f"{text!r} is not one of {', '.join(kind)}") from None


def _check(symbol: SymbolDefinition) -> None:
    if not 0 <= symbol.digits <= 8:
        raise SymbolProblem("digits", "0 to 8")
    for key in _POSITIVE:
        if getattr(symbol, key) <= 0:
            raise SymbolProblem(key, "more than 0")
    for key in _NOT_NEGATIVE:
        if getattr(symbol, key) < 0:
            raise SymbolProblem(key, "not below 0")
    if symbol.min_volume > symbol.max_volume:
        raise SymbolProblem("max_volume", "not below min_volume")
    if symbol.price < symbol.tick_size * 100:
        raise SymbolProblem("price", "at least a hundred ticks")
    if symbol.volatility > 200:
        raise SymbolProblem("volatility", "0 to 200 percent a year")
    interval = symbol.tick_interval_ms
    if not 100 <= interval <= 15_000 or 60_000 % interval:
        raise SymbolProblem(
            "tick_interval_ms", "100 to 15000 milliseconds, and a minute must be a multiple of it"
        )
    if symbol.swap_mode not in _SWAP_MODES:
        raise SymbolProblem(
            "swap_mode", f"{symbol.swap_mode!r} is not one of {', '.join(sorted(_SWAP_MODES))}"
        )
    if symbol.swap_rollover3_days not in (*DAYS, "NONE"):
        raise SymbolProblem("swap_rollover3_days", f"one of {', '.join(DAYS)} or NONE")
    for key in ("base_currency", "profit_currency", "margin_currency"):
        if not (getattr(symbol, key).isalnum() and getattr(symbol, key).isascii()):
            raise SymbolProblem(key, "letters and digits only, e.g. USD")


def _replay(entry: SymbolText) -> Replay | None:
    if entry.ticks_file is None:
        for key in ("speed", "loop", "starts_at"):
            if getattr(entry, key) is not None:
                raise SymbolProblem(key, "needs ticks_file beside it")
        return None
    if not entry.ticks_file.strip() or "\0" in entry.ticks_file:
        raise SymbolProblem("ticks_file", "the name of a file, relative to this one")
    for key in _MADE_UP:
        if getattr(entry, key) is not None:
            raise SymbolProblem(
                key, "has no meaning beside ticks_file, where prices and their times come from"
            )
    speed = Decimal(1) if entry.speed is None else entry.speed
    if not _SLOWEST <= speed <= _FASTEST:
        raise SymbolProblem("speed", f"{_SLOWEST} to {_FASTEST}")
    if entry.starts_at is not None and entry.starts_at.tzinfo is None:
        raise SymbolProblem("starts_at", "a time with its zone, e.g. 2026-05-20T12:00:00Z")
    return Replay(
        ticks_file=entry.ticks_file,
        speed=speed,
        is_looped=entry.loop is not False,
        starts_at=entry.starts_at,
    )


def _schedule(sessions: SessionsText, broker_clock: Clockwork) -> Schedule:
    clock = broker_clock
    if sessions.timezone is not None:
        clock = Clockwork(
            timezone=sessions.timezone, dst_switch_timezone=sessions.dst_switch_timezone or sessions.timezone
        )
        try:
            zone_named(clock.timezone), zone_named(clock.dst_switch_timezone)
        except UnknownTimezone as error:
            raise SymbolProblem("sessions", error.message) from error
    elif sessions.dst_switch_timezone is not None:
        raise SymbolProblem("sessions", "dst_switch_timezone needs timezone beside it")
    weekly = tuple(
        _weekly(day, text) for day, name in enumerate(DAYS) for text in getattr(sessions, name.lower())
    )
    if not weekly:
        raise SymbolProblem("sessions", 'name at least one session, or write "always"')
    return Schedule(clock=clock, sessions=weekly)


def _weekly(day: int, text: str) -> WeeklySession:
    opens, dash, closes = text.partition("-")
    start, end = _minute(opens), _minute(closes)
    if not dash or start is None or end is None or not start < end <= MINUTES_PER_DAY:
        raise SymbolProblem(
            "sessions", f"{text!r} is no session such as 09:30-16:00; the latest end is 24:00"
        )
    return WeeklySession(day=day, opens=start, closes=end)


def _minute(text: str) -> int | None:
    hours, _, minutes = text.strip().partition(":")
    if not (len(hours) == len(minutes) == 2 and (hours + minutes).isdecimal()) or int(minutes) > 59:
        return None
    return int(hours) * 60 + int(minutes)
