"""Detection against the simulated brokers that every installation offers, at all times of the year."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mtfleet.domain.accounts import BrokerSettings, Platform
from mtfleet.domain.errors import ValidationError
from mtfleet.domain.ids import AccountId, ServerName, UserId
from mtfleet.provisioning.detection import Detection, Findings, ProbeSubject
from mtfleet.provisioning.options import default_options
from mtfleet.provisioning.places import Places
from mtfleet.terminals.base import DemoAccountRequest
from mtfleet.terminals.simulated import SimulatedTerminals
from mtfleet.testing.clock import FakeClock

DATES = [
    datetime(2026, 1, 14, 9, 30, tzinfo=UTC),
    datetime(2026, 3, 18, 20, 5, tzinfo=UTC),
    datetime(2026, 4, 4, 3, 0, tzinfo=UTC),  # a Saturday
    datetime(2026, 11, 1, 22, 30, tzinfo=UTC),  # a Sunday
]
BROKERS = """
[[brokers]]
company = "Zone Brokers"
"""
ZONES = {
    "Zone-London": ("Europe/London", "Europe/London"),
    "Zone-NewYork": ("America/New_York", "America/New_York"),
    "Zone-UTC": ("UTC", "UTC"),
    "Zone-Tokyo": ("Asia/Tokyo", "Asia/Tokyo"),
    "Zone-Sydney": ("Australia/Sydney", "Australia/Sydney"),
}
SANDBOX = {
    "Sandbox-MT5": ("EET", "EET"),
    "Sandbox-MT5-Netting": ("EET", "America/New_York"),
    "Sandbox-Slow": ("EET", "EET"),
}


async def terminals_at(moment: datetime, directory: Path) -> tuple[SimulatedTerminals, FakeClock]:
    text = BROKERS + "".join(
        f'[[brokers.servers]]\nname = "{name}"\nplatform = "mt5"\ntimezone = "{zone}"\n'
        for name, (zone, _) in ZONES.items()
    )
    brokers = directory / "brokers.toml"
    await asyncio.to_thread(brokers.write_text, text)
    clock = FakeClock(moment)
    terminals = SimulatedTerminals(directory / "data", clock, brokers)
    await terminals.open()
    return terminals, clock


async def detect(terminals: SimulatedTerminals, clock: FakeClock, server: str) -> Findings:
    wish = DemoAccountRequest(
        platform=Platform.MT5,
        server=ServerName(server),
        balance=1000,
        leverage=100,
        email="a@example.com",
        request_id=f"r-{server}",
    )
    opening = asyncio.create_task(terminals.create_demo_account(wish))
    await clock.run_until(opening.done, step_seconds=0.5)
    demo = opening.result()
    options = default_options()
    detection = Detection({"simulated": terminals}, clock, options, Places(4))
    subject = ProbeSubject(
        user_id=UserId("a"),
        account_id=AccountId("probe"),
        platform=Platform.MT5,
        server=server,
        login=demo.login,
        password=demo.password,
        resource_slots=1,
    )

    async def enter(_stage: str) -> None:
        """Keep no stages."""

    task = asyncio.create_task(detection.detect(subject, enter))
    await clock.run_until(task.done, step_seconds=0.5)
    return task.result()


@pytest.fixture
async def opened(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[SimulatedTerminals, FakeClock]]:
    terminals, clock = await terminals_at(request.param, tmp_path)
    yield terminals, clock
    await terminals.close()


@pytest.mark.parametrize("opened", DATES, indirect=True, ids=lambda moment: moment.date().isoformat())
async def test_the_sandbox_servers_are_told_on_any_date(
    opened: tuple[SimulatedTerminals, FakeClock],
) -> None:
    for server, names in SANDBOX.items():
        found = await detect(*opened, server)
        settings = (found.broker.broker_timezone, found.broker.broker_dst_switch_timezone)
        assert settings == names, server


@pytest.mark.parametrize("opened", [DATES[1]], indirect=True, ids=["march"])
async def test_servers_of_a_brokers_file_are_told(opened: tuple[SimulatedTerminals, FakeClock]) -> None:
    for server, names in {**ZONES, "Zone-Tokyo": ("Etc/GMT-9", "Etc/GMT-9")}.items():
        found = await detect(*opened, server)
        assert found.broker == BrokerSettings(
            broker_timezone=names[0], broker_dst_switch_timezone=names[1]
        ), server


@pytest.mark.parametrize("opened", [DATES[0]], indirect=True, ids=["january"])
async def test_a_server_without_ticks_and_history_is_not_guessed(
    opened: tuple[SimulatedTerminals, FakeClock],
) -> None:
    with pytest.raises(ValidationError) as caught:
        await detect(*opened, "Sandbox-NoTimezone")
    assert caught.value.details == "E_SERVER_TIMEZONE"
