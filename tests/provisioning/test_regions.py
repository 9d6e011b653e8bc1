from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from mtfleet.domain.access import Caller
from mtfleet.domain.accounts import AccountType, CopyFactoryRole, Platform
from mtfleet.domain.deployment import AccountState
from mtfleet.domain.errors import NotFoundError, TimedOutError, ValidationError
from mtfleet.domain.ids import Region, ServerName, TokenId, UserId
from mtfleet.provisioning.options import default_options
from mtfleet.provisioning.regions import RegionService
from mtfleet.store.base import Store
from mtfleet.terminals.base import Terminals
from mtfleet.testing.accounts import add_account
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.store import open_test_store
from mtfleet.wire.json import encode

ANNA = Caller(user_id=UserId("a" * 32), token_id=TokenId("t-a"), is_administrator=False)
BERT = Caller(user_id=UserId("b" * 32), token_id=TokenId("t-b"), is_administrator=False)
HERE, THERE = Region("vint-hill"), Region("new-york")
OPTIONS = replace(default_options(), regions=(HERE, THERE), max_accounts_per_region=8)


class ServerLists(Terminals):
    """Terminals that know some servers and can do nothing else."""

    name = "lists"

    def __init__(self, known: Mapping[str, Sequence[str]], *, is_slow: bool = False) -> None:
        self._known = known
        self._is_slow = is_slow

    async def servers(self, platform: Platform) -> Mapping[str, Sequence[ServerName]]:
        if self._is_slow:
            raise TimeoutError
        if platform is Platform.MT4:
            return {}
        return {broker: [ServerName(n) for n in names] for broker, names in self._known.items()}

    async def open(self) -> None:
        raise NotImplementedError

    close = open

    def driver(self, spec: Any, report: Any) -> Any:
        raise NotImplementedError

    async def find_server(self, platform: Platform, name: str, files: Any = ()) -> Any:
        raise NotImplementedError

    async def create_demo_account(self, request: Any) -> Any:
        raise NotImplementedError


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with open_test_store("sqlite") as opened:
        yield opened


@pytest.fixture
def service(store: Store) -> RegionService:
    kinds = {
        "one": ServerLists({"Sandbox Markets Ltd": ["Sandbox-MT5", "Sandbox-Slow"], "Other": ["Third"]}),
        "two": ServerLists({"Sandbox Markets Ltd": ["Sandbox-MT5", "Sandbox-New"], "Fourth": ["x-sandbox"]}),
    }
    return RegionService(store, kinds, FakeClock(), OPTIONS)


def test_regions_in_the_order_of_the_options(service: RegionService) -> None:
    assert service.regions() == [HERE, THERE]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (
            "SANDBOX",
            {
                "Sandbox Markets Ltd": ["Sandbox-MT5", "Sandbox-Slow", "Sandbox-New"],
                "Fourth": ["x-sandbox"],
            },
        ),
        ("slow", {"Sandbox Markets Ltd": ["Sandbox-Slow"]}),
        (" markets ltd ", {"Sandbox Markets Ltd": ["Sandbox-MT5", "Sandbox-Slow", "Sandbox-New"]}),
        ("nothing like it", {}),
    ],
)
async def test_known_servers_by_a_part_of_either_name(
    service: RegionService, query: str, found: dict[str, list[str]]
) -> None:
    assert await service.known_servers(ANNA, 5, query) == found
    assert await service.known_servers(ANNA, 4, query) == {}


@pytest.mark.parametrize(
    ("version", "query", "parameter"), [(6, "x", "version"), (5, "", "query"), (5, "  ", "query")]
)
async def test_a_search_needs_a_version_and_a_text(
    service: RegionService, version: int, query: str, parameter: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        await service.known_servers(ANNA, version, query)
    assert caught.value.details[0].parameter == parameter


async def test_terminals_that_do_not_answer_are_named(store: Store) -> None:
    service = RegionService(store, {"slow": ServerLists({}, is_slow=True)}, FakeClock(), OPTIONS)
    with pytest.raises(TimedOutError, match="slow"):
        await service.known_servers(ANNA, 5, "x")


async def test_quotas_count_what_is_there(service: RegionService, store: Store) -> None:
    running = AccountState.DEPLOYED
    primary = await add_account(
        store, ANNA, state=running, region=HERE, copy_factory_roles=[CopyFactoryRole.PROVIDER]
    )
    await add_account(store, ANNA, primary=primary, state=running, region=THERE)
    await add_account(
        store, ANNA, state=AccountState.DEPLOYING, version=4, type=AccountType.CLOUD_G1, region=HERE
    )
    await add_account(store, ANNA, state=AccountState.UNDEPLOYED, region=HERE)
    await add_account(store, BERT, state=running, region=HERE)
    [here, there] = msgspec.json.decode(encode(await service.quotas(ANNA)))
    usage = {k: v["usageInPercents"] for k, v in here.items() if k != "region"}
    assert usage == {
        "maxAccounts": 37.5,
        "maxDeployedG1Accounts": 12.5,
        "maxDeployedG2Accounts": 12.5,
        "maxDeployedCopyFactoryAccounts": 12.5,
        "maxDedicatedIpv4": 0.0,
        "maxDedicatedIpv6": 0.0,
    }
    assert here["region"] == HERE
    assert here["maxAccounts"]["quota"] == 8
    assert there["maxAccounts"]["usageInPercents"] == 12.5
    assert there["maxDeployedG2Accounts"]["usageInPercents"] == 12.5
    assert there["maxDeployedG1Accounts"]["usageInPercents"] == 0.0


async def test_a_regions_quotas_as_plain_numbers(service: RegionService) -> None:
    quotas = await service.region_quotas(ANNA, "new-york")
    assert quotas["maxAccounts"] == 8
    assert set(quotas) == {
        k for k in msgspec.json.decode(encode((await service.quotas(ANNA))[0])) if k != "region"
    }
    with pytest.raises(NotFoundError):
        await service.region_quotas(ANNA, "atlantis")


async def test_a_wish_for_quotas_is_kept(service: RegionService) -> None:
    assert await service.request_quotas(ANNA, "new-york", {"maxAccounts": 50, "justification": "growth"})
    assert not await service.request_quotas(ANNA, "new-york", {"maxAccounts": 60, "message": "more", "x": 1})
    assert await service.request_quotas(ANNA, "vint-hill", {"maxDedicatedIpv4": 0})
    wishes = {w.region: w for w in await service.quota_requests(ANNA)}
    assert wishes[THERE].quotas == {"maxAccounts": 60}
    assert wishes[THERE].message == "more"
    assert await service.quota_requests(BERT) == []


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({}, "maxAccounts"),
        ({"message": "only this"}, "maxAccounts"),
        ({"maxAccounts": None}, "maxAccounts"),
        ({"maxAccounts": -1}, "maxAccounts"),
        ({"maxAccounts": 2**70}, "maxAccounts"),
        ({"maxAccounts": True}, "maxAccounts"),
        ({"maxDedicatedIpv4": "5"}, "maxDedicatedIpv4"),
        ({"maxAccounts": 5, "message": 5}, "message"),
        ({"maxAccounts": 5, "message": "x" * 2001}, "message"),
    ],
)
async def test_a_wish_that_is_none_is_refused(
    service: RegionService, body: dict[str, Any], parameter: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        await service.request_quotas(ANNA, "new-york", body)
    assert caught.value.details[0].parameter == parameter
    with pytest.raises(NotFoundError):
        await service.request_quotas(ANNA, "atlantis", body)
    assert await service.quota_requests(ANNA) == []
