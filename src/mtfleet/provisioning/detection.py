"""Find out whether a broker takes an account's credentials, and what its settings are, in named stages.

Find the server, log in, read the symbols, compare clocks, read a year of bars, work out the time zone. Each
stage is stored before it begins. The terminal that is started for it is always stopped again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import structlog

from mtfleet.domain.accounts import BrokerSettings, Platform
from mtfleet.domain.errors import DetailCode, NotFoundError, SystemError_, TimedOutError, ValidationError
from mtfleet.domain.ids import AccountId, Login, Symbol, UserId
from mtfleet.domain.market import BrokerBar
from mtfleet.domain.secret import Secret
from mtfleet.domain.symbols import Sessions
from mtfleet.domain.timezones import NotEnoughEvidence, infer_settings
from mtfleet.domain.values import Clock
from mtfleet.provisioning.near_names import near_servers, server_not_found
from mtfleet.provisioning.options import Options
from mtfleet.provisioning.places import Places
from mtfleet.terminals.base import (
    LoginRejected,
    ServerDescription,
    ServerFile,
    TerminalDriver,
    TerminalEvent,
    Terminals,
    TerminalSpec,
)

log = structlog.get_logger(__name__)

Enter = Callable[[str], Awaitable[None]]
"""Stores and shows the name of a stage."""

CLOCK_SAMPLES = 8
MAX_SYMBOLS_READ = 6
MAX_SYMBOLS_CONSIDERED = 48
DAYS_OF_THE_WEEK = range(7)
HISTORY = timedelta(days=371)
STOP_GRACE_SECONDS = 5.0
TELLING_SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY", "XAUUSD", "AUDUSD", "US500", "US30", "SPX500")
"""Beginnings of names that most brokers have, of markets that keep New York's hours."""


class ProbeSubject(msgspec.Struct, frozen=True, kw_only=True):
    """The account that is to be tried."""

    user_id: UserId
    account_id: AccountId
    platform: Platform
    server: str
    login: Login
    password: Secret
    resource_slots: int
    symbol: Symbol | None = None
    keywords: Sequence[str] = ()


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A server, and the kind of terminal that reaches it."""

    terminals: Terminals
    server: ServerDescription


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    server: ServerDescription
    broker: BrokerSettings


class Detection:
    """Tries accounts at their brokers, a bounded number at once."""

    def __init__(
        self,
        terminals: Mapping[str, Terminals],
        clock: Clock,
        options: Options,
        places: Places,
    ) -> None:
        self._terminals = terminals
        self._clock = clock
        self._options = options
        self._places = places

    async def detect(self, subject: ProbeSubject, enter: Enter) -> Findings:
        """Log in and find out the broker's settings.

        Raises `ValidationError` with `E_SRV_NOT_FOUND`, `E_AUTH`, `E_NO_SYMBOLS`, `E_RESOURCE_SLOTS`, or
        `E_SERVER_TIMEZONE` for everything that keeps the settings from being known.
        """
        async with self._place_in_line(subject.user_id, enter):
            place = await self.find(subject.platform, subject.server, subject.keywords, (), enter)
            try:
                broker = await self._probe_settings(place, subject, enter)
            except SystemError_ as error:
                if not error.is_for_callers:
                    raise
                raise _settings_unknown(place.server, f"{error.message}") from error
            return Findings(server=place.server, broker=broker)

    async def validate(
        self, subject: ProbeSubject, files: Sequence[ServerFile], broker: BrokerSettings, enter: Enter
    ) -> Findings:
        """Log in with the settings of a provisioning profile.

        A broker that does not answer is no objection: the account is to be connected when it does. Raises
        `ValidationError` as `detect` does, but for the settings.
        """
        async with self._place_in_line(subject.user_id, enter):
            place = await self.find(subject.platform, subject.server, subject.keywords, files, enter)
            try:
                async with self._logged_in(place, subject, enter, files, broker) as driver:
                    await self._check_symbols(driver, place.server, subject, enter)
            except SystemError_ as error:
                if not error.is_for_callers:
                    raise
                log.info("detection.postponed", server=place.server.name, reason=error.message)
            return Findings(server=place.server, broker=broker)

    async def find(
        self,
        platform: Platform,
        name: str,
        keywords: Sequence[str],
        files: Sequence[ServerFile],
        enter: Enter,
    ) -> Place:
        """Return the server of that name. Raises `ValidationError` with `E_SRV_NOT_FOUND` and near names."""
        await enter(f"Looking for the server {name}")
        found = await self._look_up(platform, name, files)
        if found is not None:
            return found
        known: dict[str, list[str]] = {}
        for terminals in self._of(platform):
            async with self._limit("reading the list of servers"):
                for broker, servers in (await terminals.servers(platform)).items():
                    known.setdefault(broker, []).extend(servers)
        other = next(one for one in Platform if one is not platform)
        hint = ""
        if await self._look_up(other, name, ()) is not None:
            hint = f" There is an {other.name} server of that name."
        raise server_not_found(
            name,
            platform,
            near_servers(name, keywords, known),
            as_object=self._options.server_not_found_details == "object",
            hint=hint,
        )

    def _of(self, platform: Platform) -> list[Terminals]:
        return [one for one in self._terminals.values() if platform in one.capabilities.platforms]

    async def _look_up(self, platform: Platform, name: str, files: Sequence[ServerFile]) -> Place | None:
        for terminals in self._of(platform):
            async with self._limit("looking for the server"):
                server = await terminals.find_server(platform, name, files)
            if server is not None:
                return Place(terminals=terminals, server=server)
        return None

    @asynccontextmanager
    async def _place_in_line(self, user_id: UserId, enter: Enter) -> AsyncIterator[None]:
        if not self._places.is_free_for(user_id):
            await enter(f"Waiting for one of {self._options.max_detections} running detections to end")
        async with self._places.taken(user_id):
            yield

    @asynccontextmanager
    async def _limit(self, doing: str) -> AsyncIterator[None]:
        seconds = self._options.stage_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise TimedOutError(f"No answer within {seconds:g} seconds while {doing}.") from None

    @asynccontextmanager
    async def _logged_in(
        self,
        place: Place,
        subject: ProbeSubject,
        enter: Enter,
        files: Sequence[ServerFile] = (),
        broker: BrokerSettings | None = None,
    ) -> AsyncIterator[TerminalDriver]:
        server = place.server
        await enter(f"Logging in to {server.name}")
        spec = TerminalSpec(
            account_id=subject.account_id,
            platform=subject.platform,
            server=server.name,
            login=subject.login,
            password=subject.password,
            magic=0,
            quote_streaming_interval_seconds=0,
            symbol=subject.symbol,
            broker_timezone=broker.broker_timezone if broker else None,
            broker_dst_switch_timezone=broker.broker_dst_switch_timezone if broker else None,
            server_files=tuple(files),
        )
        driver = place.terminals.driver(spec, _not_interested)
        try:
            async with self._limit(f"logging in to {server.name}"):
                await driver.start()
                await driver.connect()
            yield driver
        except LoginRejected as error:
            raise ValidationError(error.message, details=error.details) from error
        finally:
            await self._stop(driver, server)

    async def _stop(self, driver: TerminalDriver, server: ServerDescription) -> None:
        try:
            async with self._limit(f"logging out of {server.name}"):
                await driver.stop(grace_seconds=STOP_GRACE_SECONDS)
        except SystemError_ as error:
            # What was found out is as good as before; hiding it behind this would help nobody.
            log.error("terminal.stop_failed", server=server.name, reason=error.message)

    async def _probe_settings(self, place: Place, subject: ProbeSubject, enter: Enter) -> BrokerSettings:
        server = place.server
        async with self._logged_in(place, subject, enter) as driver:
            symbols = await self._check_symbols(driver, server, subject, enter)
            await enter(f"Comparing the clock of {server.name} with UTC")
            async with self._limit("waiting for ticks"):
                samples = await driver.clock_samples(CLOCK_SAMPLES)
            await enter(f"Reading a year of hourly bars from {server.name}")
            bars = await self._read_bars(driver, await self._closing_symbols(driver, symbols))
        await enter(f"Working out the time zone of {server.name}")
        settings = await asyncio.to_thread(infer_settings, samples, bars, self._clock.now())
        if isinstance(settings, NotEnoughEvidence):
            raise _settings_unknown(server, f"There is not enough evidence: {settings.reason}.")
        log.info("detection.finished", server=server.name, timezone=settings.broker_timezone)
        return settings

    async def _check_symbols(
        self, driver: TerminalDriver, server: ServerDescription, subject: ProbeSubject, enter: Enter
    ) -> list[Symbol]:
        await enter(f"Reading the symbols of {server.name}")
        async with self._limit("reading the symbols"):
            symbols = await driver.symbols()
        if not symbols:
            raise ValidationError(
                f"{server.name} offers account {subject.login} no symbols. Ask the broker to enable some, or "
                "use another account.",
                details=DetailCode.NO_SYMBOLS,
            )
        needed = -(-len(symbols) // self._options.slot_rule.symbols_per_slot)
        if needed > subject.resource_slots:
            raise ValidationError(
                f"{server.name} has {len(symbols)} symbols; an account there needs {needed} resource slots, "
                f"not {subject.resource_slots}. Send the request again with resourceSlots {needed} and a new "
                "transaction-id.",
                details={"code": DetailCode.RESOURCE_SLOTS, "recommendedResourceSlots": needed},
            )
        return symbols

    async def _closing_symbols(self, driver: TerminalDriver, symbols: Sequence[Symbol]) -> list[Symbol]:
        """Return the symbols to read bars of: those that close at times, as far as the broker says so."""
        candidates = likely_symbols(symbols)
        closing: list[Symbol] = []
        for symbol in candidates:
            if len(closing) == MAX_SYMBOLS_READ:
                break
            async with self._limit(f"reading the specification of {symbol}"):
                try:
                    is_closing = not is_always_open((await driver.specification(symbol)).quote_sessions)
                except NotFoundError:
                    is_closing = True  # unknown: its bars will tell
            if is_closing:
                closing.append(symbol)
        return closing or candidates[:MAX_SYMBOLS_READ]

    async def _read_bars(
        self, driver: TerminalDriver, symbols: Sequence[Symbol]
    ) -> dict[Symbol, list[BrokerBar]]:
        now = self._clock.now().replace(tzinfo=None)
        bars: dict[Symbol, list[BrokerBar]] = {}
        for symbol in symbols:
            async with self._limit(f"reading bars of {symbol}"):
                bars[symbol] = await driver.hourly_bars(symbol, now - HISTORY, now + timedelta(days=1))
        return bars


def likely_symbols(symbols: Sequence[Symbol]) -> list[Symbol]:
    """Choose symbols that may close at times: well-known ones first, then some from all over the list."""
    known = [symbol for wanted in TELLING_SYMBOLS for symbol in symbols if symbol.upper().startswith(wanted)]
    rest = [symbol for symbol in symbols if symbol not in set(known)]
    step = -(-len(rest) // MAX_SYMBOLS_CONSIDERED) or 1
    chosen = [*known[: MAX_SYMBOLS_CONSIDERED // 2], *rest[::step], *known]
    return list(dict.fromkeys(chosen))[:MAX_SYMBOLS_CONSIDERED]


def is_always_open(sessions: Sessions) -> bool:
    """Whether the sessions leave no time of the week out."""
    return len(sessions) == len(DAYS_OF_THE_WEEK) and all(
        day and day[0].opens.startswith("00:00") and day[-1].closes.startswith(("24:00", "23:59"))
        for day in sessions.values()
    )


def _settings_unknown(server: ServerDescription, why: str) -> ValidationError:
    return ValidationError(
        f"The settings of {server.name} could not be detected. {why} Try again later with a new "
        "transaction-id, or create the account with a provisioning profile.",
        details=DetailCode.SERVER_TIMEZONE,
    )


def _not_interested(event: TerminalEvent) -> None:
    """Pass over what the terminal reports: a failing hop is raised by the call that needs it."""
