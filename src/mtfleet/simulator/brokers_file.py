"""Read simulated brokers from TOML. The format is described in `docs/reference/brokers.md`."""

import tomllib
from datetime import date
from decimal import Decimal
from typing import NoReturn

import msgspec

from mtfleet.domain.accounts import Platform
from mtfleet.domain.brokertime import UnknownTimezone, zone_named
from mtfleet.domain.errors import PolicyError
from mtfleet.domain.ids import Login, ServerName, Symbol
from mtfleet.domain.market import MarginMode, TradeAccountType
from mtfleet.domain.secret import Secret
from mtfleet.simulator.brokers_text import AccountText, BrokersText, ServerText
from mtfleet.simulator.catalogue import (
    Catalogue,
    DemoAccounts,
    Faults,
    Latency,
    ListedAccount,
    ServerDefinition,
    SymbolDefinition,
)
from mtfleet.simulator.conversion import route
from mtfleet.simulator.noise import key_of
from mtfleet.simulator.schedule import Clockwork
from mtfleet.simulator.standard_symbols import STANDARD_SYMBOLS
from mtfleet.simulator.symbol_text import SymbolProblem, symbol_of
from mtfleet.simulator.toml_lines import Place, line_at, lines_of, place_of

_MARGIN_MODES = {
    "hedging": MarginMode.RETAIL_HEDGING,
    "netting": MarginMode.RETAIL_NETTING,
    "exchange": MarginMode.EXCHANGE,
}
_ACCOUNT_TYPES = {
    "demo": TradeAccountType.DEMO,
    "contest": TradeAccountType.CONTEST,
    "real": TradeAccountType.REAL,
}
_MAX_NAME_LENGTH = 64
_FIRST_YEAR, _END_YEAR = 1971, 2100


class BrokersFileError(PolicyError):
    """The brokers file is not right."""

    name = "ValidationError"

    def __init__(self, source: str, line: int | None, reason: str) -> None:
        where = source if line is None else f"{source}, line {line}"
        super().__init__(f"{where}: {reason}")
        self.source, self.line, self.reason = source, line, reason


def read_brokers(text: str, source: str) -> Catalogue:
    """Read a brokers file; `source` is its name for messages. Raises `BrokersFileError`."""
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        reason, _, place = str(error).partition(" (at ")
        digits = "".join(c for c in place.partition(",")[0] if c.isdigit())
        line = int(digits) if digits else max(1, len(text.splitlines()))
        raise BrokersFileError(source, line, f"this is no TOML: {reason}") from error
    return _Reader(text, source).catalogue(document)


class _Reader:
    def __init__(self, text: str, source: str) -> None:
        self._lines, self._source = lines_of(text), source

    def catalogue(self, document: object) -> Catalogue:
        self._check_numbers(document, ())
        try:
            brokers = msgspec.convert(document, BrokersText)
        except msgspec.ValidationError as error:
            self._explain(error)
        servers: dict[str, ServerDefinition] = {}
        for i, broker in enumerate(brokers.brokers):
            self._check_name(broker.company, ("brokers", i, "company"))
            for k, server in enumerate(broker.servers):
                place: Place = ("brokers", i, "servers", k)
                if server.name.casefold() in servers:
                    self._fail((*place, "name"), f"there are two servers named {server.name!r}")
                servers[server.name.casefold()] = self._server(broker.company, server, place)
        regions = brokers.regions
        if regions is not None and (not regions or len(set(regions)) < len(regions) or not all(regions)):
            self._fail(("regions",), "regions: name at least one, each once")
        return Catalogue(servers=servers, regions=None if regions is None else tuple(regions))

    def _check_numbers(self, value: object, place: Place) -> None:
        if isinstance(value, Decimal) and not value.is_finite():
            self._fail(place, f"{place[-1]}: a finite number is needed")
        if isinstance(value, dict):
            for key, item in value.items():
                self._check_numbers(item, (*place, key))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self._check_numbers(item, (*place, index))

    def _fail(self, place: Place, reason: str, cause: Exception | None = None) -> NoReturn:
        raise BrokersFileError(self._source, line_at(self._lines, place), reason) from cause

    def _explain(self, error: msgspec.ValidationError) -> NoReturn:
        """Say what the decoder said, in terms of the file."""
        reason, _, path = str(error).partition(" - at `")
        place = place_of(path.rstrip("`"))
        if reason.startswith("Object contains unknown field `"):
            key = reason.split("`")[1]
            self._fail((*place, key), f"the key {key!r} is not known here", error)
        if reason.startswith("Object missing required field `"):
            self._fail(place, f"the key {reason.split('`')[1]!r} is missing", error)
        key = next((str(part) for part in reversed(place) if isinstance(part, str)), "file")
        self._fail(place, f"{key}: {reason[:1].lower()}{reason[1:]}", error)

    def _check_name(self, name: str, place: Place) -> None:
        if not name.strip() or name != name.strip() or len(name) > _MAX_NAME_LENGTH or not name.isprintable():
            self._fail(
                place, f"{place[-1]}: 1 to {_MAX_NAME_LENGTH} printable characters, no blank at the ends"
            )

    def _server(self, company: str, server: ServerText, place: Place) -> ServerDefinition:
        self._check_name(server.name, (*place, "name"))
        clock = Clockwork(
            timezone=server.timezone, dst_switch_timezone=server.dst_switch_timezone or server.timezone
        )
        self._check_zone(clock.timezone, (*place, "timezone"))
        self._check_zone(clock.dst_switch_timezone, (*place, "dst_switch_timezone"))
        platform = Platform(server.platform)
        if platform is Platform.MT4 and server.margin_mode not in (None, "hedging"):
            self._fail((*place, "margin_mode"), "margin_mode: MetaTrader 4 knows hedging only")
        symbols = self._symbols(server, clock, place)
        demo = self._demo(server, place)
        currencies = {symbol.profit_currency for symbol in symbols.values()}
        lost = {one for one in currencies if route(symbols.values(), one, demo.currency) is None}
        for index, symbol in enumerate(symbols.values()):
            if symbol.profit_currency in lost:
                source, target = symbol.profit_currency, demo.currency
                self._fail(
                    (*place, "symbols", index),
                    f"no symbol of the server turns {source}, the profit currency of {symbol.name}, "
                    f"into the account currency {target}; add one, e.g. {source}{target}",
                )
        self._check_delays(server, place)
        return ServerDefinition(
            name=ServerName(server.name),
            company=company,
            platform=platform,
            margin_mode=_MARGIN_MODES[server.margin_mode or "hedging"],
            clock=clock,
            symbols=symbols,
            latency=Latency(
                connect_seconds=server.latency.connect_seconds or 0.0,
                login_seconds=server.latency.login_seconds or 0.0,
                ticks_seconds=server.latency.ticks_seconds or 0.0,
                history_seconds=server.latency.history_seconds or 0.0,
                timeout_seconds=5.0
                if server.latency.timeout_seconds is None
                else server.latency.timeout_seconds,
            ),
            faults=Faults(
                is_offline=server.faults.offline,
                is_frozen=server.faults.freeze,
                rejects_logins=server.faults.reject_logins,
                never_synchronizes=server.faults.never_synchronize,
                drop_every_seconds=server.faults.drop_every_seconds,
            ),
            has_fresh_ticks=server.fresh_ticks,
            has_history=server.history,
            history_from=self._history_from(server, place),
            demo=demo,
            accounts=self._accounts(server, place),
        )

    def _check_zone(self, name: str, place: Place) -> None:
        try:
            zone_named(name)
        except UnknownTimezone as error:
            self._fail(place, f"{place[-1]}: {error.message}", error)

    def _symbols(self, server: ServerText, clock: Clockwork, place: Place) -> dict[Symbol, SymbolDefinition]:
        if server.symbols is None:
            return dict(STANDARD_SYMBOLS)
        if not server.symbols:
            self._fail(
                (*place, "symbols"), "symbols: name at least one, or leave the key out for all standard ones"
            )
        symbols: dict[Symbol, SymbolDefinition] = {}
        for index, entry in enumerate(server.symbols):
            try:
                symbol = symbol_of(entry, clock)
            except SymbolProblem as error:
                self._fail((*place, "symbols", index, error.key), error.reason, error)
            if symbol.name in symbols:
                self._fail((*place, "symbols", index, "name"), f"there are two symbols named {symbol.name!r}")
            symbols[symbol.name] = symbol
        return symbols

    def _demo(self, server: ServerText, place: Place) -> DemoAccounts:
        demo = server.demo_accounts
        first = demo.first_login
        if first is None:
            spread = key_of("first login", server.name.casefold())
            is_mt4 = server.platform == "mt4"
            first = (1_000_000 + spread % 800 * 10_000 if is_mt4 else 10_000_000 + spread % 8000 * 10_000) + 1
        if not 1 <= first <= 4_000_000_000:
            self._fail((*place, "demo_accounts", "first_login"), "first_login: 1 to 4000000000")
        if demo.max_leverage < 1:
            self._fail((*place, "demo_accounts", "max_leverage"), "max_leverage: at least 1")
        if demo.max_balance <= 0:
            self._fail((*place, "demo_accounts", "max_balance"), "max_balance: more than 0")
        if not 0 <= demo.currency_digits <= 8:
            self._fail((*place, "demo_accounts", "currency_digits"), "currency_digits: 0 to 8")
        return DemoAccounts(
            are_offered=demo.offered,
            currency=demo.currency,
            currency_digits=demo.currency_digits,
            max_leverage=demo.max_leverage,
            max_balance=demo.max_balance,
            first_login=first,
        )

    def _check_delays(self, server: ServerText, place: Place) -> None:
        for key in server.latency.__struct_fields__:
            seconds = getattr(server.latency, key)
            if seconds is not None and not 0 <= seconds <= 3600:
                self._fail((*place, "latency", key), f"{key}: 0 to 3600 seconds")
        every = server.faults.drop_every_seconds
        if every is not None and not 0.1 <= every <= 86_400:
            self._fail((*place, "faults", "drop_every_seconds"), "drop_every_seconds: 0.1 to 86400 seconds")

    def _history_from(self, server: ServerText, place: Place) -> date:
        if not _FIRST_YEAR <= server.history_from.year < _END_YEAR:
            years = f"{_FIRST_YEAR} to {_END_YEAR - 1}"
            self._fail((*place, "history_from"), f"history_from: a date in the years {years}")
        return server.history_from

    def _accounts(self, server: ServerText, place: Place) -> tuple[ListedAccount, ...]:
        accounts: dict[int, ListedAccount] = {}
        for index, account in enumerate(server.accounts):
            where: Place = (*place, "accounts", index)
            if account.login in accounts:
                self._fail((*where, "login"), f"there are two accounts {account.login}")
            accounts[account.login] = self._account(account, where)
        return tuple(accounts.values())

    def _account(self, account: AccountText, place: Place) -> ListedAccount:
        if not 1 <= account.login <= 4_294_967_295:
            self._fail((*place, "login"), "login: 1 to 4294967295")
        if not account.password or not account.investor_password:
            self._fail(place, "password, investor_password: not empty")
        if account.password == account.investor_password:
            self._fail((*place, "investor_password"), "investor_password: must differ from password")
        if account.leverage < 1:
            self._fail((*place, "leverage"), "leverage: at least 1")
        return ListedAccount(
            login=Login(str(account.login)),
            password=Secret(account.password),
            investor_password=Secret(account.investor_password),
            name=account.name,
            balance=account.balance,
            leverage=account.leverage,
            type=_ACCOUNT_TYPES[account.type],
        )
