"""The simulated driver passes the contract suite, on each kind of server."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from mtfleet.domain.accounts import Platform
from mtfleet.domain.ids import Login, ServerName, Symbol
from mtfleet.domain.market import Book, Candle, Tick
from mtfleet.domain.secret import Secret
from mtfleet.domain.timeframes import Timeframe
from mtfleet.terminals.base import (
    DemoAccount,
    DemoAccountRequest,
    Report,
    ServerDescription,
    ServerFile,
    TerminalDriver,
    TerminalEvent,
    TerminalSpec,
)
from mtfleet.terminals.simulated import SimulatedTerminals
from mtfleet.terminals.simulated.driver import SimulatedDriver
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.scripted import ScriptedTerminals
from mtfleet.testing.terminals import Case, ContractBroken, Subject, cases_for

SERVERS = {
    "Sandbox-MT5": (Platform.MT5, "EET", "EET"),
    "Sandbox-MT5-Netting": (Platform.MT5, "EET", "America/New_York"),
    "Sandbox-MT4": (Platform.MT4, "EET", "EET"),
    "Sandbox-NoTimezone": (Platform.MT5, "EET", "EET"),
}


async def subject_of(terminals: SimulatedTerminals, clock: FakeClock, server: str) -> Subject:
    platform, zone, switch_zone = SERVERS[server]
    account = await terminals.create_demo_account(
        DemoAccountRequest(
            platform=platform,
            server=ServerName(server),
            balance=1000.0,
            leverage=50,
            email="a@example.com",
            request_id="subject",
        )
    )
    return Subject(
        terminals=terminals,
        clock=clock,
        platform=platform,
        server=ServerName(server),
        login=account.login,
        password=account.password,
        investor_password=account.investor_password,
        broker_timezone=zone,
        broker_dst_switch_timezone=switch_zone,
        quoted_symbol=Symbol("EURUSD"),
    )


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("case", cases_for(SimulatedTerminals.capabilities), ids=str)
async def test_contract(case: Case, server: str, terminals: SimulatedTerminals, clock: FakeClock) -> None:
    await case.run(await subject_of(terminals, clock, server))


class Imaginary(SimulatedTerminals):
    """Finds whatever is asked for."""

    async def find_server(
        self, platform: Platform, name: str, files: Sequence[ServerFile] = ()
    ) -> ServerDescription | None:
        return ServerDescription(name=ServerName(name), broker="Any", platform=platform)


class Forgetful(SimulatedTerminals):
    """Opens a new account each time."""

    requests = 0

    async def create_demo_account(self, request: DemoAccountRequest) -> DemoAccount:
        self.requests += 1
        return await super().create_demo_account(replace(request, request_id=f"{self.requests}"))


class Credulous(SimulatedTerminals):
    """Lets anyone in: knocks with the right password whatever it was given."""

    right: dict[Login, Secret]

    def driver(self, spec: TerminalSpec, report: Report) -> TerminalDriver:
        return super().driver(replace(spec, password=self.right.get(spec.login, spec.password)), report)

    async def create_demo_account(self, request: DemoAccountRequest) -> DemoAccount:
        account = await super().create_demo_account(request)
        self.right = {**getattr(self, "right", {}), account.login: account.password}
        return account


class Unsteady(SimulatedTerminals):
    """Reports a hop twice."""

    def driver(self, spec: TerminalSpec, report: Report) -> TerminalDriver:
        def twice(event: TerminalEvent) -> None:
            report(event)
            report(event)

        return super().driver(spec, twice)


class Sloppy(SimulatedTerminals):
    """Its drivers turn candles and books round, and mind no start of ticks; the current tick is stale."""

    def driver(self, spec: TerminalSpec, report: Report) -> TerminalDriver:
        return _SloppyDriver(super().driver(spec, report))


class _SloppyDriver(SimulatedDriver):
    def __init__(self, right: TerminalDriver) -> None:
        assert isinstance(right, SimulatedDriver)
        super().__init__(right._spec, right._report, right._server)

    async def candles(
        self, symbol: Symbol, timeframe: Timeframe, before: datetime | None, limit: int
    ) -> list[Candle]:
        return (await super().candles(symbol, timeframe, before, limit))[::-1]

    async def ticks(self, symbol: Symbol, start: datetime | None, offset: int, limit: int) -> list[Tick]:
        return await super().ticks(symbol, None, offset, limit)

    async def current_tick(self, symbol: Symbol) -> Tick:
        return (await super().ticks(symbol, None, 1, 1))[0]

    async def book(self, symbol: Symbol) -> Book:
        found = await super().book(symbol)
        return replace(found, book=found.book[::-1])


@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        (Imaginary, {1, 2}),
        (Forgetful, {23}),
        (Credulous, {8, 11}),
        (Unsteady, {7}),
        (Sloppy, {25, 26, 27, 30, 31, 32}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_the_suite_catches_terminals_that_break_the_contract(
    kind: type[SimulatedTerminals], broken: set[int], data_dir: Path, clock: FakeClock
) -> None:
    terminals = kind(data_dir, clock)
    await terminals.open()
    caught = set()
    subject = await subject_of(terminals, clock, "Sandbox-MT5")
    for case in cases_for(terminals.capabilities):
        try:
            await case.run(subject)
        except ContractBroken:
            caught.add(case.number)
    await terminals.close()
    assert caught == broken


def test_cases_are_numbered_without_gaps() -> None:
    cases = cases_for(SimulatedTerminals.capabilities)
    assert [case.number for case in cases] == list(range(1, len(cases) + 1))


async def test_a_driver_that_can_read_no_market_data_says_so_by_name() -> None:
    clock = FakeClock()
    terminals = ScriptedTerminals(clock)
    subject = Subject(
        terminals=terminals,
        clock=clock,
        platform=Platform.MT5,
        server=ServerName("Scripted-Demo"),
        login=Login("1"),
        password=Secret("x"),
        investor_password=None,
        broker_timezone="EET",
        broker_dst_switch_timezone="EET",
        quoted_symbol=Symbol("EURUSD"),
    )
    cases = [case for case in cases_for(terminals.capabilities) if case.number > 24]
    assert [case.number for case in cases] == [33, 34]
    for case in cases:
        await case.run(subject)
