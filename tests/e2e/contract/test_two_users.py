"""What is one user's is not there for another: 404 on every endpoint, and nothing in any list."""

from collections.abc import Callable
from typing import Any

import pytest

from mtfleet.testing.contract import ACCOUNTS, PROFILES, ContractClient

pytestmark = pytest.mark.e2e

FILE = {"files": {"file": ("servers.dat", b"data")}}
EXPERT = {"json": {"period": "1h", "symbol": "EURUSD"}}


class Things:
    """All that a user can have."""

    def __init__(self, user: ContractClient) -> None:
        self.account = f"{ACCOUNTS}/{user.account('Sandbox-MT4', type='cloud-g1', name='Secret name')}"
        self.replica = user.post(f"{self.account}/replicas", 201, json={"magic": 0, "region": "new-york"})[
            "id"
        ]
        user.wait_at(
            f"{self.account}/replicas/{self.replica}", lambda one: one["connectionStatus"] == "CONNECTED"
        )
        body = {
            "name": "Secret profile",
            "version": 4,
            "brokerTimezone": "EET",
            "brokerDSTSwitchTimezone": "EET",
        }
        self.profile = f"{PROFILES}/{user.post(PROFILES, 201, json=body)['id']}"
        user.put(f"{self.profile}/broker.srv", 204, **FILE)
        user.put(f"{self.account}/expert-advisors/ea", 204, **EXPERT)
        user.send("PATCH", "/users/current/regions/vint-hill/quotas", 201, json={"maxAccounts": 7})

    def requests(self) -> list[tuple[str, str, dict[str, Any]]]:
        """All requests that name one of these things."""
        one, replica = self.account, f"{self.account}/replicas/{self.replica}"
        demo = {"balance": 1, "email": "a@b.c", "leverage": 1, "serverName": "Sandbox-MT4"}
        slots = {"copyFactoryRoles": [], "copyFactoryResourceSlots": 1}
        rename = {"json": {"name": "taken over", "magic": 9}}
        return [
            *[
                ("GET", one + rest, {})
                for rest in ("", "/replicas", "/expert-advisors", "/expert-advisors/ea")
            ],
            *[("GET", f"{one}/{rest}", {}) for rest in ("account-information", "server-time", "symbols")],
            *[("GET", f"{one}/symbols/EURUSD/{rest}", {}) for rest in ("specification", "current-price")],
            ("GET", f"{one}/accountInformation", {}),
            ("GET", replica, {}),
            ("GET", self.profile, {}),
            ("PUT", one, rename),
            ("PUT", replica, rename),
            ("PUT", self.profile, rename),
            ("PUT", f"{self.profile}/broker.srv", FILE),
            ("PUT", f"{one}/configuration-link", {}),
            ("PUT", f"{one}/expert-advisors/ea", EXPERT),
            ("PUT", f"{one}/expert-advisors/new", EXPERT),
            ("PUT", f"{one}/expert-advisors/ea/file", FILE),
            ("POST", f"{one}/enable-account-features", {"json": {"metastatsApiEnabled": True}}),
            ("POST", f"{one}/enable-copy-factory-api", {"json": slots}),
            *[
                ("POST", f"{one}/{verb}", {})
                for verb in ("deploy", "undeploy", "redeploy", "increase-reliability", "enable-metastats-api")
            ],
            *[
                ("POST", f"{replica}/{verb}", {})
                for verb in ("deploy", "undeploy", "redeploy", "increase-reliability")
            ],
            ("POST", f"{one}/enable-risk-management-api", {}),
            ("POST", f"{one}/replicas", {"json": {"magic": 0, "region": "new-york"}}),
            ("POST", f"{self.profile}/mt4-demo-accounts", {"json": demo}),
            ("DELETE", f"{one}/expert-advisors/ea", {}),
            ("DELETE", replica, {}),
            ("DELETE", self.profile, {}),
            ("DELETE", f"{one}?executeForAllReplicas=true", {}),
        ]

    def seen_by(self, user: ContractClient) -> list[Any]:
        """What their owner sees of them."""
        paths = (self.account, f"{self.account}/replicas", f"{self.account}/expert-advisors", self.profile)
        return [user.get(path) for path in paths]


def test_neither_sees_nor_changes_the_other_s(new_user: Callable[[], ContractClient]) -> None:
    one, two = new_user(), new_user()
    things = Things(one)
    before = things.seen_by(one)
    refusals = {}
    for method, path, body in things.requests():
        answer = two.send(method, path, 404, **body)
        assert "Secret" not in answer.text
        refusals[method, path] = answer.json()["error"]
    assert set(refusals.values()) == {"NotFoundError"}
    assert things.seen_by(one) == before
    for path in (ACCOUNTS, PROFILES, "/users/current/quota-update-requests"):
        assert two.get(path) == []
        assert len(one.get(path)) == 1
    assert two.get(ACCOUNTS, headers={"api-version": "2"}) == {"count": 0, "items": []}
    account = before[0]
    for text in (account["_id"], account["name"], account["login"]):
        assert two.get(ACCOUNTS, params={"query": text}) == []
    profile = things.profile.rpartition("/")[2]
    assert two.get(ACCOUNTS, params={"provisioningProfileId": profile}) == []
    body = {"name": "x", "server": "Sandbox-MT4", "magic": 0, "provisioningProfileId": profile}
    two.post(ACCOUNTS, 404, json=body)
    quotas = two.get("/users/current/quotas")
    assert all(region["maxAccounts"]["usageInPercents"] == 0 for region in quotas)


def test_administrators_are_no_owners(user: ContractClient, administrator: ContractClient) -> None:
    things = Things(user)
    before = things.seen_by(user)
    for method, path, body in things.requests():
        administrator.send(method, path, 404, **body)
    assert things.seen_by(user) == before


def test_the_owner_may_do_all_of_it(user: ContractClient) -> None:
    things = Things(user)
    for method, path, body in things.requests():
        answer = user.send(method, path, **body)
        assert answer.status_code in {200, 201, 204, 400, 409}, f"{method} {path} {answer.text}"
    user.wait_gone(things.account)


def test_audit_and_tokens_are_each_user_s_own(new_user: Callable[[], ContractClient]) -> None:
    one, two = new_user(), new_user()
    account = one.draft()
    token = one.get("/users/current/tokens")[0]["id"]
    assert two.get("/users/current/audit-log", params={"entityId": account}) == []
    assert account in {entry.get("entityId") for entry in one.get("/users/current/audit-log")}
    assert token not in {found["id"] for found in two.get("/users/current/tokens")}
    two.delete(f"/users/current/tokens/{token}", 404)
    one.get(ACCOUNTS)
