"""One simulated trade server at run time: its accounts, prices, latency, faults and connected terminals."""

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, Protocol

from mtfleet.domain.errors import DetailCode, NotFoundError, NotSynchronizedError, TimedOutError
from mtfleet.domain.ids import Login, Symbol
from mtfleet.domain.market import BrokerBar, ClockSample
from mtfleet.domain.secret import Secret
from mtfleet.domain.symbols import SymbolSpecification
from mtfleet.domain.values import Clock, Instant
from mtfleet.simulator.catalogue import Faults, ServerDefinition, specification
from mtfleet.simulator.conversion import Step, converted, route
from mtfleet.simulator.feed import MS_PER_MINUTE, Feed, SymbolFeed, Tick
from mtfleet.simulator.schedule import (
    ALWAYS_OPEN,
    MINUTES_PER_DAY,
    MINUTES_PER_WEEK,
    sessions_in_wall_time,
)
from mtfleet.simulator.server import Access
from mtfleet.simulator.wall_clock import offset_minutes
from mtfleet.terminals.base import BrokerUnreachable, LoginRejected
from mtfleet.terminals.simulated.commit import CommandLog
from mtfleet.terminals.simulated.history import History, instant
from mtfleet.terminals.simulated.wallclock import (
    hourly_bars,
    joined_bars,
    next_hour,
    wall_time,
)

_FRESH_MS: Final = 120_000
_QUOTE_AGE_MS: Final = 100
_BARS_AT_ONCE: Final = 500
_SUNDAY: Final = 3 * MINUTES_PER_DAY  # the first Sunday of 1970 was its fourth day
_MAX_HISTORIES: Final = 8


class Connection(Protocol):
    """What a server knows of a terminal that is connected to it."""

    @property
    def login(self) -> int:
        """The number of the account."""
        ...

    def cut(self, reason: str) -> None:
        """Note that the link is gone and report it."""
        ...


class SimulatedServer:
    """A trade server that drivers connect to."""

    def __init__(
        self,
        definition: ServerDefinition,
        commands: CommandLog,
        key_digest: Callable[[Secret, bytes], bytes],
        clock: Clock,
        seed: int,
        recorded: Mapping[Symbol, SymbolFeed] | None = None,
    ) -> None:
        self.definition, self.commands = definition, commands
        self.faults: Faults = definition.faults
        self.feed = Feed(seed, definition.name, definition.symbols, recorded)
        self.history = History(definition)
        self.connections: set[Connection] = set()
        self._digest, self._clock = key_digest, clock
        self._specifications: dict[Symbol, tuple[int, SymbolSpecification]] = {}
        self._routes: dict[str, tuple[Step, ...]] = {}
        self._last_quote: tuple[int, Instant] | None = None
        self._histories: dict[tuple[Symbol, int, int], list[BrokerBar]] = {}

    def now_ms(self) -> int:
        """Return milliseconds since 1970 in UTC."""
        return round(self._clock.now().timestamp() * 1000)

    async def reach(self) -> None:
        """Open a connection. Raises `BrokerUnreachable` after the time that a terminal waits."""
        await self.pause(self.definition.latency.connect_seconds)
        if self.faults.is_offline or self.faults.is_frozen:
            seconds = self.definition.latency.timeout_seconds
            await self.pause(seconds)
            raise BrokerUnreachable(
                f"The server {self.definition.name} of {self.definition.company} did not answer within "
                f"{seconds:g} s. It may be down; the connection will be tried again."
            )

    async def log_in(self, login: Login, password: Secret) -> Access:
        """Return what the credentials open. Raises `LoginRejected`."""
        await self.pause(self.definition.latency.login_seconds)
        access = Access.REFUSED
        if login.isdecimal() and len(login) < 20 and not self.faults.rejects_logins:
            access = self.commands.server.access(int(login), lambda salt: self._digest(password, salt))
        if access is Access.REFUSED:
            raise LoginRejected(
                f"The server {self.definition.name} refused the log-in of account {login}. "
                "Check the login, the password and the name of the server."
            )
        if access is Access.DISABLED:
            raise LoginRejected(
                f"The account {login} on {self.definition.name} is disabled by its broker. Ask the broker.",
                code=DetailCode.TRADING_ACCOUNT_DISABLED,
            )
        return access

    async def synchronize(self) -> None:
        """Load the state of an account. Raises `NotSynchronizedError`."""
        if self.faults.never_synchronizes:
            await self.pause(self.definition.latency.timeout_seconds)
            raise NotSynchronizedError(
                f"The server {self.definition.name} let the account in, but did not send its state."
            )

    async def answer(self) -> None:
        """Wait until the server answers a request of a connected terminal. Raises `TimedOutError`."""
        if self.faults.is_frozen:
            seconds = self.definition.latency.timeout_seconds
            await self.pause(seconds)
            raise TimedOutError(f"The server {self.definition.name} did not answer within {seconds:g} s.")

    async def pause(self, seconds: float) -> None:
        """Let time pass; none costs no timer."""
        if seconds > 0:
            await self._clock.sleep(seconds)

    def cut_connections(self, reason: str) -> int:
        """Cut all connections; return how many there were."""
        connections, self.connections = self.connections, set()
        for connection in connections:
            connection.cut(reason)
        return len(connections)

    def symbol(self, name: Symbol) -> SymbolFeed:
        """Return a symbol's feed. Raises `NotFoundError`."""
        try:
            return self.feed[name]
        except KeyError:
            raise NotFoundError(
                f"The server {self.definition.name} has no symbol {name!r}. "
                "Names are spelled as the broker spells them, with prefixes and suffixes."
            ) from None

    def tick(self, feed: SymbolFeed) -> Tick:
        """Return the newest quote. Raises `TimedOutError` when there is none."""
        tick = feed.tick_at(self.now_ms())
        if tick is None:
            raise TimedOutError(f"The server {self.definition.name} has no quote of {feed.definition.name}.")
        return tick

    def last_quote_at(self) -> Instant:
        """Return when the newest quote of any symbol came, at most a moment late."""
        now = self.now_ms()
        if self._last_quote is not None and 0 <= now - self._last_quote[0] < _QUOTE_AGE_MS:
            return self._last_quote[1]
        quoted = [feed for feed in self.feed.values() if feed.is_quoted(now // MS_PER_MINUTE)]
        ticks = (feed.tick_at(now) for feed in quoted or self.feed.values())
        newest = instant(max((tick.time_ms for tick in ticks if tick is not None), default=now))
        self._last_quote = now, newest
        return newest

    def tick_values(self, feed: SymbolFeed, currency: str) -> tuple[Decimal, Decimal]:
        """Return what one tick of one lot is worth in profit and in loss, in the currency of the account."""
        amount = feed.definition.tick_size * feed.definition.contract_size
        source = feed.definition.profit_currency
        if source == currency:
            return amount, amount
        steps = self._quoted(source, currency)
        return converted(amount, steps, is_profit=True), converted(amount, steps, is_profit=False)

    def exchange_rate(self, source: str, target: str) -> float | None:
        """Return how much of `target` one `source` is, in the middle of bid and ask; `None` if no symbols
        lead there."""
        if source == target:
            return 1.0
        steps = self._quoted(source, target)
        if not steps:
            return None
        rate = Decimal(1)
        for step, bid, ask in steps:
            middle = (bid + ask) / 2
            rate = rate / middle if step.is_inverse else rate * middle
        return float(round(rate, 8))

    def specification(self, name: Symbol) -> SymbolSpecification:
        """Return a symbol's specification with the sessions of this week. Raises `NotFoundError`."""
        feed = self.symbol(name)
        week = self._week()
        known = self._specifications.get(name)
        if known is not None and known[0] == week:
            return known[1]
        sessions = ALWAYS_OPEN
        if feed.definition.schedule is not None:
            days = range(week, week + MINUTES_PER_WEEK, MINUTES_PER_DAY)
            clock = self.definition.clock
            offsets = [offset_minutes(clock, day - offset_minutes(clock, day)) for day in days]
            sessions = sessions_in_wall_time(feed.calendar, week, offsets)
        made = specification(feed.definition, sessions, self.definition.platform)
        self._specifications[name] = week, made
        return made

    async def past(self) -> None:
        """Wait as long as the server takes for a request of candles or ticks of the past."""
        await self.pause(self.definition.latency.history_seconds)

    async def clock_samples(self, count: int) -> list[ClockSample]:
        """Return up to `count` ticks of the last minutes, the newest of each symbol first in line."""
        await self.pause(self.definition.latency.ticks_seconds)
        if not self.definition.has_fresh_ticks:
            return []
        now, times = self.now_ms(), []
        for feed in self.feed.values():
            tick = feed.tick_at(now)
            if tick is not None and now - tick.time_ms < _FRESH_MS:
                times.append(tick.time_ms)
        if len(times) < count:
            for feed in self.feed.values():
                times += [tick.time_ms for tick in feed.ticks(now - _FRESH_MS // 2, now)]
                if len(set(times)) >= count:
                    break
        newest = sorted(sorted(set(times), reverse=True)[:count])
        return [self._sample(time_ms) for time_ms in newest]

    async def hourly_bars(self, name: Symbol, start: int, end: int) -> list[BrokerBar]:
        """Return the hourly bars that open in the UTC minutes `[start, end)`, as far as they have begun."""
        feed = self.symbol(name)
        await self.past()
        now, clock = self.now_ms(), self.definition.clock
        start = max(start, self.history.first_ms // MS_PER_MINUTE)
        start, end = next_hour(clock, start), next_hour(clock, end)
        end = min(end, now // MS_PER_MINUTE + 1)
        if not self.definition.has_history or start >= end:
            return []
        # What is long past is kept: many accounts of one server ask for the same year.
        past = max(start, min(end, now // MS_PER_MINUTE // 60 * 60))
        known = self._histories.get((name, start, past))
        if known is None:
            known = await self._history(feed, start, past)
            if len(self._histories) >= _MAX_HISTORIES:
                self._histories.pop(next(iter(self._histories)), None)
            self._histories[name, start, past] = known
        return joined_bars(known, hourly_bars(feed, clock, past, end, until_ms=now))

    async def _history(self, feed: SymbolFeed, start: int, end: int) -> list[BrokerBar]:
        bars: list[BrokerBar] = []
        for bar in hourly_bars(feed, self.definition.clock, start, end):
            bars.append(bar)
            if len(bars) % _BARS_AT_ONCE == 0:
                await asyncio.sleep(0)  # let others run: a year takes a tenth of a second
        return bars

    def _quoted(self, source: str, target: str) -> list[tuple[Step, Decimal, Decimal]]:
        key = f"{source}>{target}"
        steps = self._routes.get(key)
        if steps is None:
            # A brokers file without a chain to the account's currency is refused.
            steps = route(self.definition.symbols.values(), source, target) or ()
            self._routes[key] = steps
        quoted = []
        for step in steps:
            feed = self.feed[step.symbol]
            tick = self.tick(feed)
            quoted.append((step, feed.price_of(tick.bid), feed.price_of(tick.ask)))
        return quoted

    def _sample(self, time_ms: int) -> ClockSample:
        observed_at = instant(time_ms)
        return ClockSample(
            observed_at=observed_at, broker_wall_time=wall_time(self.definition.clock, observed_at)
        )

    def _week(self) -> int:
        """Return the last Sunday's midnight as minutes since 1970 on the wall clock."""
        minute = self.now_ms() // MS_PER_MINUTE
        wall = minute + offset_minutes(self.definition.clock, minute)
        return wall - (wall - _SUNDAY) % MINUTES_PER_WEEK
