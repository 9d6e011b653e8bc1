"""One account at a simulated broker. No task, no timer, a few hundred bytes: ten thousand are cheap."""

from datetime import datetime

from mtfleet.domain.brokertime import to_utc
from mtfleet.domain.deployment import HopName
from mtfleet.domain.errors import DetailCode, NotSynchronizedError, ValidationError
from mtfleet.domain.ids import Symbol
from mtfleet.domain.market import (
    AccountInformation,
    BrokerBar,
    ClockSample,
    Price,
    ServerTime,
    format_broker_time,
)
from mtfleet.domain.symbols import SymbolSpecification
from mtfleet.domain.values import Instant
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
from mtfleet.terminals.simulated.broker import SimulatedServer, instant
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
            account_currency_exchange_rate=1.0 if account.currency == "USD" else None,
            type=account.type,
            currency_digits=account.currency_digits,
        )

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
        wall = wall_time(server.definition.clock, instant(tick.time_ms))
        return Price(
            symbol=symbol,
            bid=float(feed.price_of(tick.bid)),
            ask=float(feed.price_of(tick.ask)),
            profit_tick_value=float(profit),
            loss_tick_value=float(loss),
            account_currency_exchange_rate=1.0 if account.currency == "USD" else None,
            quoted_at=self._moment(server, instant(tick.time_ms), wall),
            broker_time=format_broker_time(wall),
        )

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

    def _moment(self, server: SimulatedServer, true: Instant, wall: datetime) -> Instant:
        """Return what a terminal makes of the broker's clock: wrong if the spec's zones are."""
        spec, clock = self._spec, server.definition.clock
        if spec.broker_timezone is None:
            return true
        switch = spec.broker_dst_switch_timezone or spec.broker_timezone
        if (spec.broker_timezone, switch) == (clock.timezone, clock.dst_switch_timezone):
            return true
        return Instant.of(to_utc(spec.broker_timezone, switch, wall))
