"""Simulated terminals on a clock that stands still."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mtfleet.terminals.simulated import SimulatedTerminals
from mtfleet.testing.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "simulated"


@pytest.fixture
async def terminals(data_dir: Path, clock: FakeClock) -> AsyncIterator[SimulatedTerminals]:
    opened = SimulatedTerminals(data_dir, clock)
    await opened.open()
    yield opened
    await opened.close()
