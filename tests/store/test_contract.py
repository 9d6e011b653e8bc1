"""Both databases keep the store's contract."""

import pytest

from mtfleet.store.base import Store
from mtfleet.testing.store_contract import CONTRACT, Behaviour


@pytest.mark.parametrize("behaviour", CONTRACT, ids=lambda behaviour: behaviour.__name__)
async def test_contract(store: Store, behaviour: Behaviour) -> None:
    await behaviour(store)
