import pytest

from mtfleet.engines.base import Engine
from mtfleet.engines.local import LocalEngine
from mtfleet.testing.engines import EngineContract, NotingHolder


class TestLocalEngine(EngineContract):
    @pytest.fixture
    def engine(self) -> Engine:
        return LocalEngine()


async def test_a_second_holder_is_refused() -> None:
    engine = LocalEngine()
    engine.join(NotingHolder())
    with pytest.raises(ValueError, match="one holder"):
        engine.join(NotingHolder())
