"""Contract section 5: states, what leads from one to another, and what an unready account answers."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mtfleet.testing.contract import ACCOUNTS, PROFILES, ContractClient, draft_body

pytestmark = pytest.mark.e2e

STATES = {
    "CREATED",
    "DEPLOYING",
    "DEPLOYED",
    "DEPLOY_FAILED",
    "UNDEPLOYING",
    "UNDEPLOYED",
    "UNDEPLOY_FAILED",
    "DELETING",
    "DELETE_FAILED",
    "REDEPLOY_FAILED",
    "DRAFT",
}
CONNECTIONS = {"CONNECTED", "DISCONNECTED", "DISCONNECTED_FROM_BROKER"}


def is_in(state: str) -> Any:
    return lambda account: account["state"] == state


def test_deploy_and_undeploy_and_back(user: ContractClient) -> None:
    account = user.account()
    path = f"{ACCOUNTS}/{account}"
    for _ in range(2):
        user.post(f"{path}/deploy", 204)  # no-op
    assert user.get(path)["connectionStatus"] == "CONNECTED"
    user.post(f"{path}/undeploy", 204, json={})
    stopped = user.wait(account, is_in("UNDEPLOYED"))
    assert stopped["connectionStatus"] == "DISCONNECTED"
    user.post(f"{path}/undeploy", 204)  # no-op
    assert user.get(path)["state"] == "UNDEPLOYED"
    user.post(f"{path}/deploy", 204)
    user.wait(account, lambda one: one["connectionStatus"] == "CONNECTED" and one["state"] == "DEPLOYED")
    user.post(f"{path}/redeploy", 204)
    user.wait(account, lambda one: one["connectionStatus"] == "CONNECTED" and one["state"] == "DEPLOYED")
    user.delete(path)
    user.wait_gone(path)


def test_redeploy_starts_what_was_stopped(user: ContractClient) -> None:
    account = user.account()
    user.post(f"{ACCOUNTS}/{account}/undeploy", 204)
    user.wait(account, is_in("UNDEPLOYED"))
    user.post(f"{ACCOUNTS}/{account}/redeploy", 204)
    user.wait(account, lambda one: one["connectionStatus"] == "CONNECTED")


def test_a_draft_is_not_deployed(user: ContractClient) -> None:
    path = f"{ACCOUNTS}/{user.draft()}"
    for verb in ("deploy", "redeploy"):
        user.post(f"{path}/{verb}", 400)
    user.post(f"{path}/undeploy", 204)
    assert user.get(path)["state"] == "DRAFT"
    user.post(f"{path}/replicas", 400, json={"magic": 0, "region": "new-york"})


def test_refused_credentials_stop_an_account_until_they_change(user: ContractClient) -> None:
    account = user.account()
    path = f"{ACCOUNTS}/{account}"
    password = user.demo()
    user.put(path, 204, json={"password": "changed-and-wrong"})
    assert user.get(path)["state"] == "DEPLOYED", "settings count with the next redeploy"
    user.post(f"{path}/redeploy", 204)
    failed = user.wait(account, is_in("REDEPLOY_FAILED"))
    assert failed["connectionStatus"] == "DISCONNECTED"
    assert [one["_id"] for one in user.get(ACCOUNTS, params={"deploymentStatus": "failed"})] == [account]
    for verb in ("deploy", "redeploy"):
        assert user.post(f"{path}/{verb}", 400)["details"] == "E_AUTH"
    body = {"magic": 0, "region": "new-york"}
    assert user.post(f"{path}/replicas", 400, json=body)["details"] == "E_AUTH"
    user.put(path, 204, json={"login": password["login"], "password": password["password"]})
    user.post(f"{path}/deploy", 204)
    user.wait(account, lambda one: one["connectionStatus"] == "CONNECTED")
    user.put(path, 204, json={"password": "wrong-again"})
    user.post(f"{path}/undeploy", 204)
    user.wait(account, is_in("UNDEPLOYED"))
    user.post(f"{path}/deploy", 204)
    user.wait(account, is_in("DEPLOY_FAILED"))
    user.post(f"{path}/undeploy", 204)
    user.wait(account, is_in("UNDEPLOYED"))
    user.delete(path)
    user.wait_gone(path)


def test_a_broker_that_never_answers(user: ContractClient) -> None:
    profile = make_profile(user)
    body = draft_body(server="Sandbox-Offline", login="1", password="x", provisioningProfileId=profile)
    made = user.repeat_until_done(ACCOUNTS, body)
    assert made.status_code == 201, made.text
    account = user.wait(made.json()["id"], lambda one: one["connectionStatus"] == "DISCONNECTED_FROM_BROKER")
    assert account["state"] in {"DEPLOYING", "DEPLOYED"}
    user.wait(account["_id"], is_in("DEPLOYED"))
    user.post(f"{ACCOUNTS}/{account['_id']}/undeploy", 204)
    user.wait(account["_id"], is_in("UNDEPLOYED"))


def make_profile(user: ContractClient) -> str:
    body = {"name": "P", "version": 5, "brokerTimezone": "EET", "brokerDSTSwitchTimezone": "EET"}
    profile = str(user.post(PROFILES, 201, json=body)["id"])
    user.put(f"{PROFILES}/{profile}/servers.dat", 204, files={"file": ("servers.dat", b"Sandbox-Offline")})
    return profile


def test_only_documented_states_are_ever_seen(user: ContractClient) -> None:
    account = user.account()
    seen: set[tuple[str, str]] = set()
    ends = time.monotonic() + 1.0
    verbs = iter(["undeploy", "deploy", "redeploy", "undeploy", "redeploy", "deploy"] * 20)
    while time.monotonic() < ends:
        user.post(f"{ACCOUNTS}/{account}/{next(verbs)}", 204)
        for _ in range(5):
            one = user.get(f"{ACCOUNTS}/{account}")
            seen.add((one["state"], one["connectionStatus"]))
    assert {state for state, _ in seen} <= STATES - {"DRAFT", "DELETING"}
    assert {connection for _, connection in seen} <= CONNECTIONS
    assert ("UNDEPLOYED", "CONNECTED") not in seen


def test_verbs_at_once_end_in_one_state(user: ContractClient) -> None:
    account = user.account()
    verbs = ["deploy", "undeploy", "redeploy", "undeploy"] * 5
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda verb: user.post(f"{ACCOUNTS}/{account}/{verb}", 204), verbs))
    user.post(f"{ACCOUNTS}/{account}/deploy", 204)
    user.wait(account, lambda one: one["connectionStatus"] == "CONNECTED" and one["state"] == "DEPLOYED")


def test_features_restart_a_running_account(user: ContractClient) -> None:
    account = user.account()
    user.post(f"{ACCOUNTS}/{account}/enable-metastats-api", 204)
    found = user.wait(account, lambda one: one["connectionStatus"] == "CONNECTED")
    assert found["metastatsApiEnabled"] is True


def test_an_account_that_is_not_deployed_has_no_terminal(user: ContractClient) -> None:
    account = user.draft()
    for what in ("account-information", "server-time", "symbols", "symbols/EURUSD/current-price"):
        assert user.get(f"{ACCOUNTS}/{account}/{what}", 404)["details"] == "E_NOT_DEPLOYED"


def test_removal_while_deploying(user: ContractClient) -> None:
    demo = user.demo()
    made = user.repeat_until_done(ACCOUNTS, draft_body(login=demo["login"], password=demo["password"]))
    path = f"{ACCOUNTS}/{made.json()['id']}"
    user.delete(path)
    while (answer := user.send("GET", path)).status_code != 404:
        assert answer.json()["state"] == "DELETING"
        refused = user.send("POST", f"{path}/deploy")
        assert refused.status_code in {404, 409}
        assert user.send("PUT", path, json={"name": "x"}).status_code in {404, 409}
    user.delete(path, 404)
