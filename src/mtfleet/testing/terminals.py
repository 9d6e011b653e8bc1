"""The contract of terminals as numbered cases, each run against a real server that the author provides.

    @pytest.mark.parametrize("case", cases_for(MyTerminals.capabilities), ids=str)
    async def test_contract(case: Case, subject: Subject) -> None:
        await case.run(subject)

A case that needs a capability which a driver does not declare is left out, never passed. A driver that
breaks the
contract raises `ContractBroken` in the case that shows it.
"""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mtfleet.domain.deployment import HopName
from mtfleet.domain.errors import DetailCode, NotFoundError, NotSynchronizedError
from mtfleet.domain.ids import Login, ServerName
from mtfleet.domain.secret import Secret
from mtfleet.terminals.base import (
    Capabilities,
    DemoAccountRefused,
    DemoAccountRequest,
    HopPassed,
    LoginRejected,
    TerminalStartFailed,
)
from mtfleet.testing import terminal_market_cases
from mtfleet.testing.terminal_cases import (
    ABSENT_SYMBOL,
    CASES,
    Case,
    ContractBroken,
    Subject,
    case,
    connected,
    expect,
    expect_error,
    seat_of,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

__all__ = ["Case", "ContractBroken", "Subject", "cases_for"]

assert terminal_market_cases.__name__  # noqa: S101 - importing it adds its cases


def cases_for(capabilities: Capabilities) -> list[Case]:
    """Return the cases that a driver with these capabilities must pass."""
    return sorted((one for one in CASES if one.needs(capabilities)), key=lambda one: one.number)


@case(1)
async def finds_a_server_whatever_the_case(subject: Subject) -> None:
    for name in (subject.server, subject.server.upper(), subject.server.lower()):
        found = await subject.terminals.find_server(subject.platform, name)
        expect(found is not None and found.name == subject.server, f"{name!r} was not found as it is spelled")


@case(2)
async def knows_no_other_server(subject: Subject) -> None:
    found = await subject.terminals.find_server(subject.platform, "No-Such-Server-4711")
    expect(found is None, "a server was found that does not exist")


@case(3)
async def lists_servers_in_a_stable_order(subject: Subject) -> None:
    first = await subject.terminals.servers(subject.platform)
    second = await subject.terminals.servers(subject.platform)
    expect(list(first.items()) == list(second.items()), "the order of servers changed")
    expect(any(subject.server in names for names in first.values()), "the server is not among the known ones")


@case(4)
async def observes_before_the_start(subject: Subject) -> None:
    status = seat_of(subject).driver.observe()
    expect(not status.is_running and not status.is_connected, "a terminal that never started seems to run")


@case(5)
async def connects_only_when_started(subject: Subject) -> None:
    await expect_error(TerminalStartFailed, seat_of(subject).driver.connect(), "connect before start")


@case(6)
async def starts_twice_without_harm(subject: Subject) -> None:
    seat = seat_of(subject)
    await seat.driver.start()
    await seat.driver.start()
    status = seat.driver.observe()
    expect(
        status.is_running and not status.is_connected, "started, the terminal must run and not be connected"
    )
    await seat.driver.stop()


@case(7)
async def reports_each_hop_in_order(subject: Subject) -> None:
    seat = await connected(subject)
    hops = [event.hop for event in seat.events if isinstance(event, HopPassed)]
    wanted = [HopName.BROKER, HopName.LOGIN, HopName.SYNCHRONIZATION]
    expect(hops == wanted, f"hops were {hops}")
    expect(seat.driver.observe().is_connected, "connected, and not seen as such")
    await seat.driver.stop()


@case(8)
async def refuses_a_wrong_password(subject: Subject) -> None:
    seat = seat_of(subject, password=Secret("wrong-" + subject.password.reveal()))
    await seat.driver.start()
    error = await expect_error(LoginRejected, seat.driver.connect(), "a wrong password")
    expect(error.details == DetailCode.AUTH, f"details were {error.details!r}")
    expect("wrong-" not in str(error), "the password is in the message")
    expect(not seat.driver.observe().is_connected, "connected with a wrong password")
    await seat.driver.stop()


@case(9)
async def refuses_an_unknown_login(subject: Subject) -> None:
    seat = seat_of(subject, login=Login("1"))
    await seat.driver.start()
    error = await expect_error(LoginRejected, seat.driver.connect(), "an unknown login")
    expect(error.details == DetailCode.AUTH, f"details were {error.details!r}")
    await seat.driver.stop()


@case(10)
async def shows_the_account(subject: Subject) -> None:
    seat = await connected(subject)
    account = await seat.driver.account_information()
    expect(str(account.login) == subject.login, "it is another account's information")
    expect(account.server == subject.server, "it is another server's information")
    expect(account.platform == subject.platform, "it is another platform's information")
    expect(account.trade_allowed and not account.investor_mode, "the master password must allow to trade")
    await seat.driver.stop()


@case(11)
async def lets_an_investor_read_only(subject: Subject) -> None:
    if subject.investor_password is None:
        return
    seat = await connected(subject, password=subject.investor_password)
    account = await seat.driver.account_information()
    expect(account.investor_mode and not account.trade_allowed, "an investor must not be allowed to trade")
    await seat.driver.stop()


@case(12)
async def answers_nothing_while_disconnected(subject: Subject) -> None:
    driver = seat_of(subject).driver
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
        await expect_error(NotSynchronizedError, read, name)
    await driver.stop()


@case(13)
async def specifies_every_symbol(subject: Subject) -> None:
    seat = await connected(subject)
    symbols = await seat.driver.symbols()
    expect(symbols and len(set(symbols)) == len(symbols), "symbols are missing or repeated")
    expect(subject.quoted_symbol in symbols, "the quoted symbol is not listed")
    for symbol in symbols[:50]:
        found = await seat.driver.specification(symbol)
        expect(found.symbol == symbol, f"{symbol} has the specification of {found.symbol}")
        expect(0 < found.min_volume <= found.max_volume, f"{symbol} has no sensible volumes")
        expect(found.volume_step > 0 and found.tick_size > 0, f"{symbol} has no volume step or tick size")
        expect(len(found.quote_sessions) == 7, f"{symbol} must have sessions for seven days")
    await seat.driver.stop()


@case(14)
async def knows_no_other_symbol(subject: Subject) -> None:
    seat = await connected(subject)
    await expect_error(NotFoundError, seat.driver.specification(ABSENT_SYMBOL), "an unknown specification")
    await expect_error(NotFoundError, seat.driver.price(ABSENT_SYMBOL), "an unknown symbol's price")
    await seat.driver.stop()


@case(15)
async def quotes_sensibly(subject: Subject) -> None:
    seat = await connected(subject)
    price = await seat.driver.price(subject.quoted_symbol)
    found = await seat.driver.specification(subject.quoted_symbol)
    expect(price.symbol == subject.quoted_symbol, "it is another symbol's price")
    expect(0 < price.bid <= price.ask, f"bid {price.bid}, ask {price.ask}")
    for value in (price.bid, price.ask):
        ticks = value / found.tick_size
        expect(abs(ticks - round(ticks)) < 1e-3, f"{value} is no multiple of {found.tick_size}")
    expect(price.profit_tick_value > 0 and price.loss_tick_value > 0, "a tick must be worth something")
    expect(price.quoted_at <= subject.clock.now(), "the quote is from the future")
    await seat.driver.stop()


@case(16)
async def samples_the_clock(subject: Subject) -> None:
    seat = await connected(subject)
    samples = await seat.driver.clock_samples(3)
    expect(len(samples) <= 3, "there are more samples than were asked for")
    times = [sample.observed_at for sample in samples]
    expect(times == sorted(times), "samples are not in order")
    expect(all(sample.broker_wall_time.tzinfo is None for sample in samples), "a wall time has a zone")
    await seat.driver.stop()


@case(17)
async def keeps_hourly_bars(subject: Subject) -> None:
    seat = await connected(subject)
    now = subject.clock.now()
    bars = await seat.driver.hourly_bars(subject.quoted_symbol, now - timedelta(days=3), now)
    opened = [bar.opened_at for bar in bars]
    expect(opened == sorted(set(opened)), "bars are not in order or repeated")
    for bar in bars:
        expect(bar.opened_at.tzinfo is None and not bar.opened_at.minute, f"{bar.opened_at} is no wall hour")
        expect(bar.low <= min(bar.open, bar.close), f"the low of {bar} is not its lowest price")
        expect(bar.high >= max(bar.open, bar.close), f"the high of {bar} is not its highest price")
        expect(bar.tick_volume > 0, f"{bar} has no ticks")
    await seat.driver.stop()


@case(18)
async def tells_the_time(subject: Subject) -> None:
    seat = await connected(subject)
    told = await seat.driver.server_time()
    expect(abs(told.now - subject.clock.now()) < timedelta(minutes=1), f"{told.now} is not now")
    await seat.driver.stop()


@case(19)
async def stops_for_good(subject: Subject) -> None:
    seat = await connected(subject)
    await seat.driver.stop()
    before = len(seat.events)
    await seat.driver.stop()
    status = seat.driver.observe()
    expect(not status.is_running and not status.is_connected, "stopped, and still seen to run")
    await expect_error(NotSynchronizedError, seat.driver.account_information(), "a read after stop")
    expect(len(seat.events) == before, "a stopped terminal reported something")


@case(20)
async def starts_again_after_a_stop(subject: Subject) -> None:
    seat = await connected(subject)
    await seat.driver.stop()
    await seat.driver.start()
    await seat.driver.connect()
    expect(seat.driver.observe().is_connected, "not connected after start, stop and start")
    await seat.driver.stop()


@case(21)
async def leaves_nothing_behind_when_cancelled(subject: Subject) -> None:
    seat = seat_of(subject)
    await seat.driver.start()
    connecting = asyncio.create_task(seat.driver.connect())
    await asyncio.sleep(0)
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    await seat.driver.stop()
    before = len(seat.events)
    await asyncio.sleep(0)
    status = seat.driver.observe()
    expect(not status.is_running and not status.is_connected, "stopped, and still seen to run")
    expect(len(seat.events) == before, "a stopped terminal reported something")


def _demo_request(subject: Subject, request_id: str, server: str | None = None) -> DemoAccountRequest:
    return DemoAccountRequest(
        platform=subject.platform,
        server=ServerName(server or subject.server),
        balance=10_000.0,
        leverage=100,
        email="contract@example.com",
        request_id=request_id,
    )


@case(22, lambda capabilities: capabilities.can_create_demo_accounts)
async def opens_demo_accounts_that_log_in(subject: Subject) -> None:
    made = await subject.terminals.create_demo_account(_demo_request(subject, "contract-22"))
    seat = seat_of(subject, login=made.login, password=made.password)
    await seat.driver.start()
    await seat.driver.connect()
    account = await seat.driver.account_information()
    expect(account.balance == 10_000.0 and account.leverage == 100, "not the account that was asked for")
    await seat.driver.stop()


@case(23, lambda capabilities: capabilities.can_create_demo_accounts)
async def opens_one_demo_account_per_request(subject: Subject) -> None:
    first = await subject.terminals.create_demo_account(_demo_request(subject, "contract-23"))
    again = await subject.terminals.create_demo_account(_demo_request(subject, "contract-23"))
    other = await subject.terminals.create_demo_account(_demo_request(subject, "contract-23-other"))
    expect(first == again, "the same request got another account or other passwords")
    expect(first.login != other.login, "two requests got one account")
    expect(first.password not in (other.password, first.investor_password), "two passwords are the same")


@case(24, lambda capabilities: capabilities.can_create_demo_accounts)
async def opens_no_demo_account_at_an_unknown_server(subject: Subject) -> None:
    request = _demo_request(subject, "contract-24", "No-Such-Server-4711")
    await expect_error(
        DemoAccountRefused, subject.terminals.create_demo_account(request), "an unknown server's demo account"
    )
