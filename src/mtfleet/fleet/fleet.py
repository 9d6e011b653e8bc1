"""The fleet's face: bring accounts to life, and read from those that live."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import structlog

from mtfleet.domain.deployment import (
    ConnectionStatus,
    Deployment,
    HopName,
    HopState,
    Observed,
    Phase,
    is_wanted,
)
from mtfleet.domain.errors import DetailCode, NotFoundError, NotSynchronizedError, TimedOutError
from mtfleet.domain.ids import AccountId, Symbol
from mtfleet.domain.market import AccountInformation, Book, Candle, Price, ServerTime, Tick
from mtfleet.domain.symbols import SymbolSpecification
from mtfleet.domain.timeframes import Timeframe
from mtfleet.domain.values import Clock, Instant
from mtfleet.engines.base import HISTORICAL, Engine, Query, QueryKind
from mtfleet.fleet.answers import MAX_PAGE
from mtfleet.fleet.credentials import OpensSecrets
from mtfleet.fleet.host import Host
from mtfleet.fleet.leases import StoreLeases, held_elsewhere
from mtfleet.fleet.settings import FleetSettings
from mtfleet.fleet.supervisor import Supervisor
from mtfleet.fleet.timers import Limit
from mtfleet.store.base import Store
from mtfleet.terminals.base import Terminals

log = structlog.get_logger(__name__)


class HeldElsewhere(NotSynchronizedError):
    """Another server on the same database runs this account; this one can't ask its terminal."""


class Fleet:
    """All accounts of a store, kept as they are wanted, by this program's host.

    Make it and use it in one event loop: `await start()`, then `wake` after each committed change of what is
    wanted; `await stop()` leaves what is wanted as it is.
    """

    def __init__(
        self,
        store: Store,
        vault: OpensSecrets,
        engine: Engine,
        terminals: Mapping[str, Terminals],
        clock: Clock,
        random: Callable[[], float],
        settings: FleetSettings | None = None,
    ) -> None:
        """`random` returns numbers in `[0, 1)`. Give `settings` a `holder` that no other program uses."""
        self._store = store
        self._clock = clock
        self._engine = engine
        self._settings = settings or FleetSettings()
        self._host = Host(
            leases=StoreLeases(store, clock, self._settings.holder),
            terminals=terminals,
            vault=vault,
            clock=clock,
            random=random,
            settings=self._settings,
        )
        self._supervisor = Supervisor(
            store,
            engine,
            self._host.timers,
            clock,
            self._settings,
            needs_server_files=any(kind.capabilities.needs_server_files for kind in terminals.values()),
        )

    @property
    def holder(self) -> str:
        """The name under which this program holds leases."""
        return self._settings.holder

    async def start(self) -> None:
        """Recover: nothing that a former run saw is believed, deployed accounts come back, and whatever was
        under way is finished. Returns when all of that is planned. Raises what the store raises."""
        await self._host.start(self._engine.join(self._host))
        try:
            await self._supervisor.start()
        except BaseException:
            await self._host.stop()
            raise

    async def stop(self) -> None:
        """Stop all terminals within a bounded time and give back their leases. Repeating it is harmless."""
        await self._supervisor.stop()
        await self._host.stop()

    def wake(self, account_ids: Iterable[AccountId]) -> None:
        """Look at these soon. Call it after the transaction that changed what is wanted; never blocks."""
        self._supervisor.wake(account_ids)

    def check_lease(self, account_id: AccountId) -> int:
        """Return the epoch under which this program may trade for the account, right before each order.

        Raises `NotSynchronizedError` when another program may run it by now.
        """
        return self._host.check_lease(account_id)

    # Reads of a live account. All raise `NotFoundError` (`E_NOT_DEPLOYED`), `TimedOutError` naming the hop
    # that is not passed, `NotSynchronizedError` while its state is being loaded, and what the terminal
    # raises.

    async def account_information(
        self, account_id: AccountId, *, refresh: bool = False, timeout_seconds: float | None = None
    ) -> AccountInformation:
        """Return the account's state at its broker. It is asked for each time, so `refresh` changes nothing
        yet."""
        answer = await self._ask(account_id, Query(kind=QueryKind.ACCOUNT_INFORMATION), timeout_seconds)
        assert isinstance(answer, AccountInformation)  # noqa: S101 - the port says so
        return answer

    async def symbols(self, account_id: AccountId, *, timeout_seconds: float | None = None) -> list[Symbol]:
        """Return the names of all symbols that the broker offers, in the broker's order."""
        answer = await self._ask(account_id, Query(kind=QueryKind.SYMBOLS), timeout_seconds)
        return list(answer)

    async def specification(
        self, account_id: AccountId, symbol: Symbol, *, timeout_seconds: float | None = None
    ) -> SymbolSpecification:
        """Return a symbol's specification. Raises `NotFoundError` for one that the broker does not have."""
        query = Query(kind=QueryKind.SPECIFICATION, symbol=symbol)
        answer = await self._ask(account_id, query, timeout_seconds)
        assert isinstance(answer, SymbolSpecification)  # noqa: S101 - the port says so
        return answer

    async def price(
        self,
        account_id: AccountId,
        symbol: Symbol,
        *,
        keep_subscription: bool = False,
        timeout_seconds: float | None = None,
    ) -> Price:
        """Return the newest quote. Terminals quote when asked, so `keep_subscription` changes nothing yet."""
        answer = await self._ask(account_id, Query(kind=QueryKind.PRICE, symbol=symbol), timeout_seconds)
        assert isinstance(answer, Price)  # noqa: S101 - the port says so
        return answer

    async def server_time(self, account_id: AccountId, *, timeout_seconds: float | None = None) -> ServerTime:
        """Return the broker's clock."""
        answer = await self._ask(account_id, Query(kind=QueryKind.SERVER_TIME), timeout_seconds)
        assert isinstance(answer, ServerTime)  # noqa: S101 - the port says so
        return answer

    async def current_candle(
        self,
        account_id: AccountId,
        symbol: Symbol,
        timeframe: Timeframe,
        *,
        keep_subscription: bool = False,
        timeout_seconds: float | None = None,
    ) -> Candle:
        """Return the candle that is being formed; `keep_subscription` as of `price`."""
        query = Query(kind=QueryKind.CURRENT_CANDLE, symbol=symbol, timeframe=timeframe)
        answer = await self._ask(account_id, query, timeout_seconds)
        assert isinstance(answer, Candle)  # noqa: S101 - the port says so
        return answer

    async def current_tick(
        self,
        account_id: AccountId,
        symbol: Symbol,
        *,
        keep_subscription: bool = False,
        timeout_seconds: float | None = None,
    ) -> Tick:
        """Return the newest tick; `keep_subscription` as of `price`."""
        query = Query(kind=QueryKind.CURRENT_TICK, symbol=symbol)
        answer = await self._ask(account_id, query, timeout_seconds)
        assert isinstance(answer, Tick)  # noqa: S101 - the port says so
        return answer

    async def book(
        self,
        account_id: AccountId,
        symbol: Symbol,
        *,
        keep_subscription: bool = False,
        timeout_seconds: float | None = None,
    ) -> Book:
        """Return the order book; `keep_subscription` as of `price`."""
        answer = await self._ask(account_id, Query(kind=QueryKind.BOOK, symbol=symbol), timeout_seconds)
        assert isinstance(answer, Book)  # noqa: S101 - the port says so
        return answer

    # Reads of the past. They also raise `TooManyRequestsError`: see `mtfleet.fleet.turns`.

    async def candles(
        self,
        account_id: AccountId,
        symbol: Symbol,
        timeframe: Timeframe,
        *,
        before: Instant | None = None,
        limit: int = MAX_PAGE,
        timeout_seconds: float | None = None,
    ) -> list[Candle]:
        """Return candles as `TerminalDriver.candles` says."""
        query = Query(kind=QueryKind.CANDLES, symbol=symbol, timeframe=timeframe, moment=before, limit=limit)
        return list(await self._ask(account_id, query, timeout_seconds))

    async def ticks(
        self,
        account_id: AccountId,
        symbol: Symbol,
        *,
        start: Instant | None = None,
        offset: int = 0,
        limit: int = MAX_PAGE,
        timeout_seconds: float | None = None,
    ) -> list[Tick]:
        """Return ticks as `TerminalDriver.ticks` says."""
        query = Query(kind=QueryKind.TICKS, symbol=symbol, moment=start, offset=offset, limit=limit)
        return list(await self._ask(account_id, query, timeout_seconds))

    async def _ask(self, account_id: AccountId, query: Query, timeout_seconds: float | None) -> Any:
        usual = self._settings.history_seconds if query.kind in HISTORICAL else self._settings.read_seconds
        seconds = usual if timeout_seconds is None else timeout_seconds
        limit = Limit(self._host.timers, seconds)
        is_asked = False
        try:
            async with limit:
                await self._until_connected(account_id)
                is_asked = True
                return await self._engine.request(account_id, query)
        except TimeoutError:
            if is_asked:
                raise TimedOutError(
                    f"The terminal is connected but did not answer {query.kind.value} within {seconds:g} s. "
                    "Try again; if it lasts, redeploy the account."
                ) from None
            raise _not_ready(self._engine.observed(account_id), seconds) from None

    async def _until_connected(self, account_id: AccountId) -> None:
        seen = self._engine.observed(account_id)
        if seen is not None and seen.connection_status is ConnectionStatus.CONNECTED:
            return
        changed = asyncio.Event()
        unsubscribe = self._engine.subscribe(account_id, lambda _: changed.set())
        try:
            while seen is None or seen.connection_status is not ConnectionStatus.CONNECTED:
                if seen is None or _is_going(seen):
                    await self._require_wanted(account_id)
                elif self._is_kept_from_us(seen):
                    await self._require_no_other_holder(account_id)
                await changed.wait()
                changed.clear()
                seen = self._engine.observed(account_id)
        finally:
            unsubscribe()

    async def _require_wanted(self, account_id: AccountId) -> None:
        """Raise unless a terminal of this account is wanted, and so will come."""
        async with self._store.reader() as tx:
            deployment = await tx.deployments.get(account_id)
        if deployment is not None and is_wanted(deployment):
            return
        raise _not_deployed(deployment)

    def _is_kept_from_us(self, seen: Observed) -> bool:
        """Whether its lease has been refused for longer than the lease of a program that died can last."""
        if seen.is_holder or not seen.hops or seen.hops[0].state is not HopState.FAILED:
            return False
        longest = timedelta(seconds=self._settings.lease_seconds)
        return self._clock.now() - seen.hops[0].since > longest

    async def _require_no_other_holder(self, account_id: AccountId) -> None:
        async with self._store.reader() as tx:
            held = await held_elsewhere(tx, [account_id], self._settings.holder, self._clock)
        if account_id in held:
            raise HeldElsewhere(
                f"Another server on the same database runs this account ({held[account_id]}). Ask that one, "
                "or stop it to have the account here."
            )


def _is_going(seen: Observed) -> bool:
    return seen.phase in (Phase.STOPPING, Phase.STOPPED, Phase.STUCK)


def _not_deployed(deployment: Deployment | None) -> NotFoundError:
    text = "The account is not deployed"
    if deployment is not None:
        failed = next((hop for hop in deployment.hops if hop.state is HopState.FAILED), None)
        text += f" (state {deployment.state.value})"
        if failed is not None:
            text += f"; hop {failed.name.value} failed: {failed.last_error}"
    return NotFoundError(f"{text}. Deploy it first.", details=DetailCode.NOT_DEPLOYED)


def _not_ready(seen: Observed | None, seconds: float) -> TimedOutError | NotSynchronizedError:
    """Name the hop that is not passed, its last error and when it is tried again."""
    hop = next((hop for hop in seen.hops if hop.state is not HopState.PASSED), None) if seen else None
    if hop is None:
        return TimedOutError(
            f"The account was not connected within {seconds:g} s; hop placement: no host has taken it yet. "
            "Try again in a moment."
        )
    if hop.name is HopName.SYNCHRONIZATION and hop.state is HopState.TRYING:
        return NotSynchronizedError(
            f"The account's state is still being loaded from its broker after {seconds:g} s. "
            "Try again in a moment."
        )
    text = f"The account was not connected within {seconds:g} s; hop {hop.name.value}: {hop.state.value}"
    if hop.last_error:
        text += f", last error: {hop.last_error}"
    if hop.next_try_at is not None:
        text += f" Next try at {hop.next_try_at.to_wire()}."
    return TimedOutError(text)
