"""The simulated driver passes the contract suite, on each kind of server."""

import pytest

from mtfleet.domain.accounts import Platform
from mtfleet.domain.ids import ServerName, Symbol
from mtfleet.terminals.base import DemoAccountRequest
from mtfleet.terminals.simulated import SimulatedTerminals
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.terminals import Case, Subject, cases_for

SERVERS = {
    "Sandbox-MT5": (Platform.MT5, "EET", "EET"),
    "Sandbox-MT5-Netting": (Platform.MT5, "EET", "America/New_York"),
    "Sandbox-MT4": (Platform.MT4, "EET", "EET"),
    "Sandbox-NoTimezone": (Platform.MT5, "EET", "EET"),
}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("case", cases_for(SimulatedTerminals.capabilities), ids=str)
async def test_contract(case: Case, server: str, terminals: SimulatedTerminals, clock: FakeClock) -> None:
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
    await case.run(
        Subject(
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
    )


def test_cases_are_numbered_without_gaps() -> None:
    cases = cases_for(SimulatedTerminals.capabilities)
    assert [case.number for case in cases] == list(range(1, len(cases) + 1))
