"""One account at a simulated broker. No task, no timer, a few hundred bytes: ten thousand are cheap."""

from datetime import datetime

from mtfleet.domain.brokertime import to_utc, to_wall
from mtfleet.domain.deployment import HopName
from mtfleet.domain.errors import DetailCode, NotSynchronizedError, ValidationError
from mtfleet.domain.ids import Symbol
from mtfleet.domain.market import (
    AccountInformation,
    Book,
    BookEntry,
    BookSide,
    BrokerBar,
    Candle,
    ClockSample,
    Price,
    ServerTime,
    Tick,
    format_broker_time,
)
from mtfleet.domain.symbols import SymbolSpecification
from mtfleet.domain.timeframes import Timeframe, require_mt5, require_timeframe
from mtfleet.domain.values import Instant
from mtfleet.simulator.book import book_of
from mtfleet.simulator.candles import WallCandle
from mtfleet.simulator.feed import SymbolFeed
from mtfleet.simulator.feed import Tick as FeedTick
from mtfleet.simulator.server import Access, TradingAccount
from mtfleet.terminals.base import (
    BrokerUnreachable,
    Disconnected,
    HopPassed,
    Report,
    TerminalDriver,
    TerminalSpec,
    TerminalStartFailed,
    TerminalStatus,
)
from mtfleet.terminals.simulated.broker import SimulatedServer
from mtfleet.terminals.simulated.history import bounded, instant, milliseconds, wall_time_of
from mtfleet.terminals.simulated.wallclock import utc_minute, wall_time


class SimulatedDriver(TerminalDriver):
    """A terminal of a simulated server. `server` is `None` when the spec names one that does not exist."""

    __slots__ = ("_access", "_life", "_report", "_running", "_server", "_spec")

    def __init__(self, spec: TerminalSpec, report: Report, server: SimulatedServer | None) -> None:
        self._spec, self._report, self._server = spec, report, server
        self._running = False
        self._access: Access | None = None
        self._life = 0  # counts starts, stops and connects, so that what an older one left behind is noticed

    async def start(self) -> None:
        if self._server is None:
            raise TerminalStartFailed(
                f"There is no simulated {self._spec.platform} server {self._spec.server!r}. Check its name; "
                "servers of your own come from the brokers file."
            )
        self._running = True

    async def connect(self) -> None:
        server = self._server
        if server is None or not self._running:
            raise TerminalStartFailed("The terminal does not run; start it before it connects.")
        server.connections.discard(self)
        self._access = None
        self._life += 1
        life = self._life
        await server.reach()
        self._pass(HopName.BROKER, life)
        access = await server.log_in(self._spec.login, self._spec.password)
        self._pass(HopName.LOGIN, life)
        await server.synchronize()
        self._pass(HopName.SYNCHRONIZATION, life)
        self._access = access
        server.connections.add(self)

    async def stop(self, *, grace_seconds: float = 10.0) -> None:
        self._life += 1
        self._running, self._access = False, None
        if self._server is not None:
            self._server.connections.discard(self)

    def observe(self) -> TerminalStatus:
        if self._server is None or self._access is None:
            return TerminalStatus(is_running=self._running, is_connected=False)
        return TerminalStatus(
            is_running=self._running, is_connected=True, last_quote_at=self._server.last_quote_at()
        )

    def cut(self, reason: str) -> None:
        """Lose the connection; called by the server."""
        if self._access is not None:
            self._access = None
            self._report(Disconnected(reason=reason))

    @property
    def login(self) -> int:
        """The number of the account."""
        return int(self._spec.login)

    async def account_information(self) -> AccountInformation:
        server, account = await self._connected()
        definition = server.definition
        balance, credit = float(account.balance), float(account.credit)
        is_investor = self._access is Access.INVESTOR
        return AccountInformation(
            platform=definition.platform.value,
            broker=definition.company,
            currency=account.currency,
            server=definition.name,
            balance=balance,
            equity=balance + credit,
            margin=0.0,
            free_margin=balance + credit,
            leverage=account.leverage,
            trade_allowed=not is_investor,
            investor_mode=is_investor,
            margin_mode=definition.margin_mode,
            name=account.name,
            login=account.login,
            credit=credit,
            account_currency_exchange_rate=self._exchange_rate(server, account),
            type=account.type,
            currency_digits=account.currency_digits,
        )

    def _exchange_rate(self, server: SimulatedServer, account: TradingAccount) -> float | None:
        return server.exchange_rate(account.currency, self._spec.base_currency or "USD")

    async def symbols(self) -> list[Symbol]:
        server, _ = await self._connected()
        return list(server.feed)

    async def specification(self, symbol: Symbol) -> SymbolSpecification:
        server, _ = await self._connected()
        return server.specification(symbol)

    async def price(self, symbol: Symbol) -> Price:
        server, account = await self._connected()
        feed = server.symbol(symbol)
        tick = server.tick(feed)
        profit, loss = server.tick_values(feed, account.currency)
        quoted_at, broker_time = self._times(server, tick)
        return Price(
            symbol=symbol,
            bid=float(feed.price_of(tick.bid)),
            ask=float(feed.price_of(tick.ask)),
            profit_tick_value=float(profit),
            loss_tick_value=float(loss),
            account_currency_exchange_rate=self._exchange_rate(server, account),
            quoted_at=quoted_at,
            broker_time=broker_time,
        )

    async def candles(
        self, symbol: Symbol, timeframe: Timeframe, before: datetime | None, limit: int
    ) -> list[Candle]:
        server, _ = await self._connected()
        feed = server.symbol(symbol)
        require_timeframe(timeframe, server.definition.platform)
        await server.past()
        wall = None if before is None else self._wall(server, bounded(before))
        found = await server.history.candles(feed, timeframe, wall, limit, server.now_ms())
        return [self._candle(server, feed, timeframe, candle) for candle in found]

    async def current_candle(self, symbol: Symbol, timeframe: Timeframe) -> Candle:
        server, _ = await self._connected()
        feed = server.symbol(symbol)
        require_timeframe(timeframe, server.definition.platform)
        found = server.history.current_candle(feed, timeframe, server.now_ms())
        return self._candle(server, feed, timeframe, found)

    async def ticks(self, symbol: Symbol, start: datetime | None, offset: int, limit: int) -> list[Tick]:
        server, _ = await self._connected()
        feed = server.symbol(symbol)
        require_mt5(server.definition.platform, "historical ticks")
        await server.past()
        start_ms = None if start is None else milliseconds(self._true(server, bounded(start)))
        found = await server.history.ticks(feed, start_ms, offset, limit, server.now_ms())
        return [self._tick(server, feed, tick) for tick in found]

    async def current_tick(self, symbol: Symbol) -> Tick:
        server, _ = await self._connected()
        feed = server.symbol(symbol)
        return self._tick(server, feed, server.tick(feed))

    async def book(self, symbol: Symbol) -> Book:
        server, _ = await self._connected()
        feed = server.symbol(symbol)
        require_mt5(server.definition.platform, "order books")
        tick = server.tick(feed)
        quoted_at, broker_time = self._times(server, tick)
        step = feed.definition.volume_step
        entries = [
            BookEntry(
                side=BookSide.SELL if level.is_sell else BookSide.BUY,
                price=float(feed.price_of(level.price)),
                volume=float(level.steps * step),
            )
            for level in book_of(feed, tick)
        ]
        return Book(symbol=symbol, quoted_at=quoted_at, broker_time=broker_time, book=entries)

    async def server_time(self) -> ServerTime:
        server, _ = await self._connected()
        if self._spec.broker_timezone is None:
            raise ValidationError(
                f"The time zone of the server {server.definition.name} is not known yet.",
                details=DetailCode.SERVER_TIMEZONE,
            )
        now, quoted = instant(server.now_ms()), server.last_quote_at()
        wall, quoted_wall = (wall_time(server.definition.clock, moment) for moment in (now, quoted))
        return ServerTime(
            now=self._moment(server, now, wall),
            broker_time=format_broker_time(wall),
            last_quote_at=self._moment(server, quoted, quoted_wall),
            last_quote_broker_time=format_broker_time(quoted_wall),
        )

    async def clock_samples(self, count: int) -> list[ClockSample]:
        server, _ = await self._connected()
        return await server.clock_samples(count)

    async def hourly_bars(self, symbol: Symbol, start: datetime, end: datetime) -> list[BrokerBar]:
        server, _ = await self._connected()
        clock = server.definition.clock
        return await server.hourly_bars(symbol, utc_minute(clock, start), utc_minute(clock, end))

    async def _connected(self) -> tuple[SimulatedServer, TradingAccount]:
        """Return both once the server answers. Raises `NotSynchronizedError`, `TimedOutError`."""
        if self._server is not None and self._access is not None:
            await self._server.answer()
        if self._server is not None and self._access is not None:
            account = self._server.commands.server.account(self.login)
            if account is not None:
                return self._server, account
        raise NotSynchronizedError(
            f"The terminal of account {self._spec.login} on {self._spec.server} is not connected."
        )

    def _pass(self, hop: HopName, life: int) -> None:
        if life != self._life:
            raise BrokerUnreachable("The terminal was stopped or connected anew while it was connecting.")
        self._report(HopPassed(hop=hop))

    def _candle(
        self, server: SimulatedServer, feed: SymbolFeed, timeframe: Timeframe, candle: WallCandle
    ) -> Candle:
        # A whole number divided by a power of ten is rounded right: the same double as by way of Decimal.
        points, unit = feed.definition.tick_points, 10**feed.definition.digits
        wall, prices = wall_time_of(candle), candle.bar.candle
        clock = server.definition.clock
        opened_at = Instant.of(to_utc(clock.timezone, clock.dst_switch_timezone, wall))
        return Candle(
            symbol=feed.definition.name,
            timeframe=timeframe,
            opened_at=self._moment(server, opened_at, wall),
            broker_time=format_broker_time(wall),
            open=prices.open * points / unit,
            high=prices.high * points / unit,
            low=prices.low * points / unit,
            close=prices.close * points / unit,
            tick_volume=candle.bar.tick_volume,
            spread=candle.spread * points,
            volume=0.0,
        )

    def _tick(self, server: SimulatedServer, feed: SymbolFeed, tick: FeedTick) -> Tick:
        points, unit = feed.definition.tick_points, 10**feed.definition.digits
        quoted_at, broker_time = self._times(server, tick)
        return Tick(
            symbol=feed.definition.name,
            quoted_at=quoted_at,
            broker_time=broker_time,
            bid=tick.bid * points / unit,
            ask=tick.ask * points / unit,
        )

    def _times(self, server: SimulatedServer, tick: FeedTick) -> tuple[Instant, str]:
        """Return when a tick came, as a moment and as the broker writes it."""
        true = instant(tick.time_ms)
        wall = wall_time(server.definition.clock, true)
        return self._moment(server, true, wall), format_broker_time(wall)

    def _knows_clock(self, server: SimulatedServer) -> bool:
        spec, clock = self._spec, server.definition.clock
        if spec.broker_timezone is None:
            return True
        switch = spec.broker_dst_switch_timezone or spec.broker_timezone
        return (spec.broker_timezone, switch) == (clock.timezone, clock.dst_switch_timezone)

    def _moment(self, server: SimulatedServer, true: Instant, wall: datetime) -> Instant:
        """Return what a terminal makes of the broker's clock: wrong if the spec's zones are."""
        zone = self._spec.broker_timezone
        if zone is None or self._knows_clock(server):
            return true
        return Instant.of(to_utc(zone, self._spec.broker_dst_switch_timezone or zone, wall))

    def _wall(self, server: SimulatedServer, moment: datetime) -> datetime:
        """Return what a terminal takes for the broker's wall clock at a moment: `_moment` undone."""
        zone = self._spec.broker_timezone
        if zone is None or self._knows_clock(server):
            return wall_time(server.definition.clock, moment)
        return to_wall(zone, self._spec.broker_dst_switch_timezone or zone, moment)

    def _true(self, server: SimulatedServer, moment: datetime) -> datetime:
        """Return the moment that a terminal means by one of its own: `_moment` undone."""
        if self._knows_clock(server):
            return moment
        clock = server.definition.clock
        return to_utc(clock.timezone, clock.dst_switch_timezone, self._wall(server, moment))
