"""The contract of terminals as numbered cases, each run against a real server that the author provides.

    @pytest.mark.parametrize("case", cases_for(MyTerminals.capabilities), ids=str)
    async def test_contract(case: Case, subject: Subject) -> None:
        await case.run(subject)

A case that needs a capability which a driver does not declare is left out, never passed. A driver that
breaks the
contract raises `ContractBroken` in the case that shows it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from mtfleet.domain.accounts import Platform
from mtfleet.domain.deployment import HopName
from mtfleet.domain.errors import DetailCode, MtfleetError, NotFoundError, NotSynchronizedError
from mtfleet.domain.ids import AccountId, Login, ServerName, Symbol
from mtfleet.domain.secret import Secret
from mtfleet.domain.values import Clock
from mtfleet.terminals.base import (
    Capabilities,
    DemoAccountRefused,
    DemoAccountRequest,
    HopPassed,
    LoginRejected,
    TerminalDriver,
    TerminalEvent,
    Terminals,
    TerminalSpec,
    TerminalStartFailed,
)

_ABSENT_SYMBOL = Symbol("NO.SUCH#SYMBOL")


class ContractBroken(AssertionError):
    """A driver did something else than its contract says."""


@dataclass(frozen=True)
class Subject:
    """What is tested: opened terminals, and an account on a server that answers and quotes."""

    terminals: Terminals
    clock: Clock
    platform: Platform
    server: ServerName
    login: Login
    password: Secret
    investor_password: Secret | None
    broker_timezone: str
    broker_dst_switch_timezone: str
    quoted_symbol: Symbol


@dataclass
class _Seat:
    """A driver and everything that it reported."""

    driver: TerminalDriver
    events: list[TerminalEvent] = field(default_factory=list)


@dataclass(frozen=True)
class Case:
    """One numbered case."""

    number: int
    title: str
    run: Callable[[Subject], Awaitable[None]]
    needs: Callable[[Capabilities], bool]

    def __str__(self) -> str:
        return f"T{self.number:02d}-{self.title}"


_cases: list[Case] = []


def cases_for(capabilities: Capabilities) -> list[Case]:
    """Return the cases that a driver with these capabilities must pass."""
    return [case for case in _cases if case.needs(capabilities)]


def _case(
    number: int, needs: Callable[[Capabilities], bool] = lambda _: True
) -> Callable[[Callable[[Subject], Awaitable[None]]], Callable[[Subject], Awaitable[None]]]:
    def add(run: Callable[[Subject], Awaitable[None]]) -> Callable[[Subject], Awaitable[None]]:
        _cases.append(Case(number, getattr(run, "__name__", "case").strip("_"), run, needs))
        return run

    return add


def _expect(condition: object, message: str) -> None:
    if not condition:
        raise ContractBroken(message)


async def _expect_error(kind: type[MtfleetError], awaitable: Awaitable[Any], what: str) -> MtfleetError:
    try:
        await awaitable
    except kind as error:
        return error
    except MtfleetError as error:
        raise ContractBroken(f"{what} raised {type(error).__name__}, not {kind.__name__}") from error
    raise ContractBroken(f"{what} did not raise {kind.__name__}")


def _seat(subject: Subject, *, login: Login | None = None, password: Secret | None = None) -> _Seat:
    events: list[TerminalEvent] = []
    spec = TerminalSpec(
        account_id=AccountId("00000000-0000-4000-8000-000000000001"),
        platform=subject.platform,
        server=subject.server,
        login=login or subject.login,
        password=password or subject.password,
        magic=0,
        quote_streaming_interval_seconds=2.5,
        broker_timezone=subject.broker_timezone,
        broker_dst_switch_timezone=subject.broker_dst_switch_timezone,
    )
    return _Seat(subject.terminals.driver(spec, events.append), events)


async def _connected(subject: Subject, *, password: Secret | None = None) -> _Seat:
    seat = _seat(subject, password=password)
    await seat.driver.start()
    await seat.driver.connect()
    return seat


@_case(1)
async def finds_a_server_whatever_the_case(subject: Subject) -> None:
    for name in (subject.server, subject.server.upper(), subject.server.lower()):
        found = await subject.terminals.find_server(subject.platform, name)
        _expect(
            found is not None and found.name == subject.server, f"{name!r} was not found as it is spelled"
        )


@_case(2)
async def knows_no_other_server(subject: Subject) -> None:
    found = await subject.terminals.find_server(subject.platform, "No-Such-Server-4711")
    _expect(found is None, "a server was found that does not exist")


@_case(3)
async def lists_servers_in_a_stable_order(subject: Subject) -> None:
    first = await subject.terminals.servers(subject.platform)
    second = await subject.terminals.servers(subject.platform)
    _expect(list(first.items()) == list(second.items()), "the order of servers changed")
    _expect(
        any(subject.server in names for names in first.values()), "the server is not among the known ones"
    )


@_case(4)
async def observes_before_the_start(subject: Subject) -> None:
    status = _seat(subject).driver.observe()
    _expect(not status.is_running and not status.is_connected, "a terminal that never started seems to run")


@_case(5)
async def connects_only_when_started(subject: Subject) -> None:
    await _expect_error(TerminalStartFailed, _seat(subject).driver.connect(), "connect before start")


@_case(6)
async def starts_twice_without_harm(subject: Subject) -> None:
    seat = _seat(subject)
    await seat.driver.start()
    await seat.driver.start()
    status = seat.driver.observe()
    _expect(
        status.is_running and not status.is_connected, "started, the terminal must run and not be connected"
    )
    await seat.driver.stop()


@_case(7)
async def reports_each_hop_in_order(subject: Subject) -> None:
    seat = await _connected(subject)
    hops = [event.hop for event in seat.events if isinstance(event, HopPassed)]
    wanted = [HopName.BROKER, HopName.LOGIN, HopName.SYNCHRONIZATION]
    _expect(hops == wanted, f"hops were {hops}")
    _expect(seat.driver.observe().is_connected, "connected, and not seen as such")
    await seat.driver.stop()


@_case(8)
async def refuses_a_wrong_password(subject: Subject) -> None:
    seat = _seat(subject, password=Secret("wrong-" + subject.password.reveal()))
    await seat.driver.start()
    error = await _expect_error(LoginRejected, seat.driver.connect(), "a wrong password")
    _expect(error.details == DetailCode.AUTH, f"details were {error.details!r}")
    _expect("wrong-" not in str(error), "the password is in the message")
    _expect(not seat.driver.observe().is_connected, "connected with a wrong password")
    await seat.driver.stop()


@_case(9)
async def refuses_an_unknown_login(subject: Subject) -> None:
    seat = _seat(subject, login=Login("1"))
    await seat.driver.start()
    error = await _expect_error(LoginRejected, seat.driver.connect(), "an unknown login")
    _expect(error.details == DetailCode.AUTH, f"details were {error.details!r}")
    await seat.driver.stop()


@_case(10)
async def shows_the_account(subject: Subject) -> None:
    seat = await _connected(subject)
    account = await seat.driver.account_information()
    _expect(str(account.login) == subject.login, "it is another account's information")
    _expect(account.server == subject.server, "it is another server's information")
    _expect(account.platform == subject.platform, "it is another platform's information")
    _expect(account.trade_allowed and not account.investor_mode, "the master password must allow to trade")
    await seat.driver.stop()


@_case(11)
async def lets_an_investor_read_only(subject: Subject) -> None:
    if subject.investor_password is None:
        return
    seat = await _connected(subject, password=subject.investor_password)
    account = await seat.driver.account_information()
    _expect(account.investor_mode and not account.trade_allowed, "an investor must not be allowed to trade")
    await seat.driver.stop()


@_case(12)
async def answers_nothing_while_disconnected(subject: Subject) -> None:
    driver = _seat(subject).driver
    await driver.start()
    now = subject.clock.now()
    reads: Sequence[tuple[str, Awaitable[Any]]] = (
        ("account_information", driver.account_information()),
        ("symbols", driver.symbols()),
        ("specification", driver.specification(subject.quoted_symbol)),
        ("price", driver.price(subject.quoted_symbol)),
        ("server_time", driver.server_time()),
        ("clock_samples", driver.clock_samples(3)),
        ("hourly_bars", driver.hourly_bars(subject.quoted_symbol, now - timedelta(hours=5), now)),
    )
    for name, read in reads:
        await _expect_error(NotSynchronizedError, read, name)
    await driver.stop()


@_case(13)
async def specifies_every_symbol(subject: Subject) -> None:
    seat = await _connected(subject)
    symbols = await seat.driver.symbols()
    _expect(symbols and len(set(symbols)) == len(symbols), "symbols are missing or repeated")
    _expect(subject.quoted_symbol in symbols, "the quoted symbol is not listed")
    for symbol in symbols[:50]:
        found = await seat.driver.specification(symbol)
        _expect(found.symbol == symbol, f"{symbol} has the specification of {found.symbol}")
        _expect(0 < found.min_volume <= found.max_volume, f"{symbol} has no sensible volumes")
        _expect(found.volume_step > 0 and found.tick_size > 0, f"{symbol} has no volume step or tick size")
        _expect(len(found.quote_sessions) == 7, f"{symbol} must have sessions for seven days")
    await seat.driver.stop()


@_case(14)
async def knows_no_other_symbol(subject: Subject) -> None:
    seat = await _connected(subject)
    await _expect_error(NotFoundError, seat.driver.specification(_ABSENT_SYMBOL), "an unknown specification")
    await _expect_error(NotFoundError, seat.driver.price(_ABSENT_SYMBOL), "an unknown symbol's price")
    await seat.driver.stop()


@_case(15)
async def quotes_sensibly(subject: Subject) -> None:
    seat = await _connected(subject)
    price = await seat.driver.price(subject.quoted_symbol)
    found = await seat.driver.specification(subject.quoted_symbol)
    _expect(price.symbol == subject.quoted_symbol, "it is another symbol's price")
    _expect(0 < price.bid <= price.ask, f"bid {price.bid}, ask {price.ask}")
    for value in (price.bid, price.ask):
        ticks = value / found.tick_size
        _expect(abs(ticks - round(ticks)) < 1e-3, f"{value} is no multiple of {found.tick_size}")
    _expect(price.profit_tick_value > 0 and price.loss_tick_value > 0, "a tick must be worth something")
    _expect(price.quoted_at <= subject.clock.now(), "the quote is from the future")
    await seat.driver.stop()


@_case(16)
async def samples_the_clock(subject: Subject) -> None:
    seat = await _connected(subject)
    samples = await seat.driver.clock_samples(3)
    _expect(len(samples) <= 3, "there are more samples than were asked for")
    times = [sample.observed_at for sample in samples]
    _expect(times == sorted(times), "samples are not in order")
    _expect(all(sample.broker_wall_time.tzinfo is None for sample in samples), "a wall time has a zone")
    await seat.driver.stop()


@_case(17)
async def keeps_hourly_bars(subject: Subject) -> None:
    seat = await _connected(subject)
    now = subject.clock.now()
    bars = await seat.driver.hourly_bars(subject.quoted_symbol, now - timedelta(days=3), now)
    opened = [bar.opened_at for bar in bars]
    _expect(opened == sorted(set(opened)), "bars are not in order or repeated")
    for bar in bars:
        _expect(bar.opened_at.tzinfo is None and not bar.opened_at.minute, f"{bar.opened_at} is no wall hour")
        _expect(bar.low <= min(bar.open, bar.close), f"the low of {bar} is not its lowest price")
        _expect(bar.high >= max(bar.open, bar.close), f"the high of {bar} is not its highest price")
        _expect(bar.tick_volume > 0, f"{bar} has no ticks")
    await seat.driver.stop()


@_case(18)
async def tells_the_time(subject: Subject) -> None:
    seat = await _connected(subject)
    told = await seat.driver.server_time()
    _expect(abs(told.now - subject.clock.now()) < timedelta(minutes=1), f"{told.now} is not now")
    await seat.driver.stop()


@_case(19)
async def stops_for_good(subject: Subject) -> None:
    seat = await _connected(subject)
    await seat.driver.stop()
    before = len(seat.events)
    await seat.driver.stop()
    status = seat.driver.observe()
    _expect(not status.is_running and not status.is_connected, "stopped, and still seen to run")
    await _expect_error(NotSynchronizedError, seat.driver.account_information(), "a read after stop")
    _expect(len(seat.events) == before, "a stopped terminal reported something")


@_case(20)
async def starts_again_after_a_stop(subject: Subject) -> None:
    seat = await _connected(subject)
    await seat.driver.stop()
    await seat.driver.start()
    await seat.driver.connect()
    _expect(seat.driver.observe().is_connected, "not connected after start, stop and start")
    await seat.driver.stop()


@_case(21)
async def leaves_nothing_behind_when_cancelled(subject: Subject) -> None:
    seat = _seat(subject)
    await seat.driver.start()
    connecting = asyncio.create_task(seat.driver.connect())
    await asyncio.sleep(0)
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    await seat.driver.stop()
    before = len(seat.events)
    await asyncio.sleep(0)
    status = seat.driver.observe()
    _expect(not status.is_running and not status.is_connected, "stopped, and still seen to run")
    _expect(len(seat.events) == before, "a stopped terminal reported something")


def _demo_request(subject: Subject, request_id: str, server: str | None = None) -> DemoAccountRequest:
    return DemoAccountRequest(
        platform=subject.platform,
        server=ServerName(server or subject.server),
        balance=10_000.0,
        leverage=100,
        email="contract@example.com",
        request_id=request_id,
    )


@_case(22, lambda capabilities: capabilities.can_create_demo_accounts)
async def opens_demo_accounts_that_log_in(subject: Subject) -> None:
    made = await subject.terminals.create_demo_account(_demo_request(subject, "contract-22"))
    seat = _seat(subject, login=made.login, password=made.password)
    await seat.driver.start()
    await seat.driver.connect()
    account = await seat.driver.account_information()
    _expect(account.balance == 10_000.0 and account.leverage == 100, "not the account that was asked for")
    await seat.driver.stop()


@_case(23, lambda capabilities: capabilities.can_create_demo_accounts)
async def opens_one_demo_account_per_request(subject: Subject) -> None:
    first = await subject.terminals.create_demo_account(_demo_request(subject, "contract-23"))
    again = await subject.terminals.create_demo_account(_demo_request(subject, "contract-23"))
    other = await subject.terminals.create_demo_account(_demo_request(subject, "contract-23-other"))
    _expect(first == again, "the same request got another account or other passwords")
    _expect(first.login != other.login, "two requests got one account")
    _expect(first.password not in (other.password, first.investor_password), "two passwords are the same")


@_case(24, lambda capabilities: capabilities.can_create_demo_accounts)
async def opens_no_demo_account_at_an_unknown_server(subject: Subject) -> None:
    request = _demo_request(subject, "contract-24", "No-Such-Server-4711")
    await _expect_error(
        DemoAccountRefused, subject.terminals.create_demo_account(request), "an unknown server's demo account"
    )
