"""Contract sections 6.2 and 8: replicas in the second region."""

from typing import Any

import pytest

from mtfleet.testing.contract import ACCOUNTS, NOBODY, UUID, ContractClient, parameters

pytestmark = pytest.mark.e2e

SHORT = {
    "_id": str,
    "state": str,
    "magic": int,
    "connectionStatus": str,
    "quoteStreamingIntervalInSeconds": float,
    "reliability": str,
    "tags": list,
    "resourceSlots": int,
    "copyFactoryResourceSlots": int,
    "region": str,
    "createdAt": str,
}
LEAST = {"magic": 0, "region": "new-york"}


def test_a_replica_has_its_fields_and_defaults(user: ContractClient) -> None:
    account = user.account(name="Primary")
    path = f"{ACCOUNTS}/{account}"
    assert user.get(f"{path}/replicas") == []
    made = user.post(f"{path}/replicas", 201, json=LEAST)
    assert set(made) == {"id", "state"}
    assert UUID.fullmatch(made["id"])
    assert made["state"] in {"DEPLOYED", "UNDEPLOYED"}
    replica = f"{path}/replicas/{made['id']}"
    full = user.wait_at(replica, lambda one: one["connectionStatus"] == "CONNECTED")
    for name, kind in SHORT.items():
        assert type(full[name]) is kind, name
    assert (full["magic"], full["region"], full["state"]) == (0, "new-york", "DEPLOYED")
    assert (full["quoteStreamingIntervalInSeconds"], full["reliability"]) == (2.5, "high")
    assert (full["tags"], full["resourceSlots"], full["copyFactoryResourceSlots"]) == ([], 1, 1)
    assert not {"metadata", "symbol"} & set(full)
    primary = user.get(path)
    assert full["primaryAccount"] == {k: v for k, v in primary.items() if k != "accountReplicas"}
    assert user.get(f"{path}/replicas") == [full]
    short = primary["accountReplicas"]
    assert short == [{name: value for name, value in full.items() if name != "primaryAccount"}]
    assert [one["_id"] for one in user.get(ACCOUNTS)] == [account], "replicas are nested only"
    counted = user.get(ACCOUNTS, headers={"api-version": "2"})
    assert (counted["count"], counted["items"]) == (1, [primary])


def test_given_fields_come_back_and_update_alone(user: ContractClient) -> None:
    account = user.account()
    given: dict[str, Any] = {
        "magic": 5,
        "region": "new-york",
        "quoteStreamingIntervalInSeconds": 0,
        "tags": ["r"],
        "metadata": {"r": [1]},
        "reliability": "regular",
        "resourceSlots": 2,
        "copyFactoryResourceSlots": 3,
        "application": "x",
    }
    made = user.post(f"{ACCOUNTS}/{account}/replicas", 201, json=given)
    path = f"{ACCOUNTS}/{account}/replicas/{made['id']}"
    found = user.get(path)
    assert {name: found[name] for name in given if name != "application"} == {
        name: value for name, value in given.items() if name != "application"
    }
    changes: dict[str, Any] = {
        "magic": 6,
        "quoteStreamingIntervalInSeconds": 4.5,
        "tags": [],
        "metadata": {"x": "y"},
        "resourceSlots": 4,
        "copyFactoryResourceSlots": 5,
    }
    for name, value in changes.items():
        user.put(path, 204, json={name: value})
        assert user.get(path)[name] == value
    user.put(path, 204, json={"metadata": None, "region": "vint-hill", "name": "x", "reliability": "high"})
    after = user.get(path)
    assert "metadata" not in after
    assert (after["region"], after["reliability"]) == ("new-york", "regular")
    user.post(f"{path}/increase-reliability", 204)
    assert user.get(path)["reliability"] == "high"
    assert parameters(user.put(path, 400, json={"magic": -1, "resourceSlots": 0})) == {
        "magic",
        "resourceSlots",
    }


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"region": "vint-hill"}, "region"),
        ({"region": "mars"}, "region"),
        ({"region": None}, "region"),
        ({"magic": None}, "magic"),
        ({"magic": -1}, "magic"),
        ({"resourceSlots": 0}, "resourceSlots"),
        ({"metadata": {"x": "y" * 1024}}, "metadata"),
        ({"reliability": "best"}, "reliability"),
        ({"tags": ["\u0000"]}, "tags[0]"),
    ],
)
def test_wrong_replicas_are_refused(
    trader: ContractClient, primary: str, change: dict[str, Any], wrong: str
) -> None:
    path = f"{ACCOUNTS}/{primary}/replicas"
    assert wrong in parameters(trader.post(path, 400, json=LEAST | change))
    assert trader.get(path) == []


@pytest.fixture(scope="module")
def primary(trader: ContractClient) -> str:
    return trader.account()


def test_a_region_holds_one_copy(user: ContractClient) -> None:
    path = f"{ACCOUNTS}/{user.account()}/replicas"
    user.post(path, 201, json=LEAST)
    assert parameters(user.post(path, 400, json=LEAST)) == {"region"}


def test_verbs_reach_replicas_unless_told_otherwise(user: ContractClient) -> None:
    account = user.account()
    path = f"{ACCOUNTS}/{account}"
    replica = f"{path}/replicas/{user.post(f'{path}/replicas', 201, json=LEAST)['id']}"

    def states() -> tuple[str, str]:
        found = user.get(path)
        return found["state"], found["accountReplicas"][0]["state"]

    def wait(*expected: str) -> None:
        user.wait(account, lambda one: (one["state"], one["accountReplicas"][0]["state"]) == expected)

    wait("DEPLOYED", "DEPLOYED")
    user.post(f"{path}/undeploy", 204)
    wait("UNDEPLOYED", "UNDEPLOYED")
    user.post(f"{path}/deploy?executeForAllReplicas=false", 204)
    wait("DEPLOYED", "UNDEPLOYED")
    user.post(f"{replica}/deploy", 204)
    user.post(f"{replica}/deploy", 204)
    wait("DEPLOYED", "DEPLOYED")
    user.post(f"{path}/undeploy?executeForAllReplicas=false", 204)
    wait("UNDEPLOYED", "DEPLOYED")
    user.post(f"{replica}/undeploy", 204)
    user.post(f"{replica}/undeploy", 204)
    wait("UNDEPLOYED", "UNDEPLOYED")
    user.post(f"{path}/redeploy?executeForAllReplicas=true", 204)
    wait("DEPLOYED", "DEPLOYED")
    user.post(f"{replica}/redeploy", 204)
    wait("DEPLOYED", "DEPLOYED")
    user.post(f"{path}/deploy?executeForAllReplicas=maybe", 400)
    assert states() == ("DEPLOYED", "DEPLOYED")


def test_deleting_asks_for_the_replicas(user: ContractClient) -> None:
    account = user.account()
    path = f"{ACCOUNTS}/{account}"
    replica = user.post(f"{path}/replicas", 201, json=LEAST)["id"]
    assert parameters(user.delete(path, 400)) == {"executeForAllReplicas"}
    assert parameters(user.delete(f"{path}?executeForAllReplicas=false", 400)) == {"executeForAllReplicas"}
    user.delete(f"{path}/replicas/{replica}")
    user.wait_gone(f"{path}/replicas/{replica}")
    user.delete(f"{path}/replicas/{replica}", 404)
    assert user.get(path)["accountReplicas"] == []
    user.post(f"{path}/replicas", 201, json=LEAST)
    user.delete(f"{path}?executeForAllReplicas=true")
    user.wait_gone(path)
    assert user.get(ACCOUNTS) == []


def test_a_replica_belongs_to_its_account(user: ContractClient) -> None:
    one, two = user.account(), user.account()
    replica = user.post(f"{ACCOUNTS}/{one}/replicas", 201, json=LEAST)["id"]
    for account in (two, NOBODY, replica):
        path = f"{ACCOUNTS}/{account}/replicas/{replica}"
        user.get(path, 404)
        user.put(path, 404, json={"magic": 1})
        user.delete(path, 404)
        for verb in ("deploy", "undeploy", "redeploy", "increase-reliability"):
            user.post(f"{path}/{verb}", 404)
    user.get(f"{ACCOUNTS}/{replica}/replicas", 404)
    user.get(f"{ACCOUNTS}/{replica}", 404)
    user.delete(f"{ACCOUNTS}/{replica}", 404)
    assert len(user.get(f"{ACCOUNTS}/{one}/replicas")) == 1
