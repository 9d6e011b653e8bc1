"""What every store must do, as numbered behaviours: run each `CONTRACT` entry on an empty store of its own.

    @pytest.mark.parametrize("behaviour", CONTRACT, ids=lambda behaviour: behaviour.__name__)
    async def test_contract(store: Store, behaviour: Behaviour) -> None:
        await behaviour(store)

Numbers stay; new behaviours get new ones. 1xx are accounts, 2xx deployments and leases, 3xx all the rest,
4xx transactions.
"""

from mtfleet.testing.store_contract_accounts import ACCOUNTS
from mtfleet.testing.store_contract_cases import Behaviour
from mtfleet.testing.store_contract_deployments import DEPLOYMENTS
from mtfleet.testing.store_contract_records import RECORDS
from mtfleet.testing.store_contract_transactions import TRANSACTIONS

CONTRACT: tuple[Behaviour, ...] = (*ACCOUNTS, *DEPLOYMENTS, *RECORDS, *TRANSACTIONS)

__all__ = ["CONTRACT", "Behaviour"]
