"""Accounts, replicas, experts: what is sent, and what the objects show."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mtfleet import MetaApi, NotFoundException, TimeoutException, ValidationException
from mtfleet.sdk import MetatraderAccount
from mtfleet.testing.http import HastyClock, ScriptedServer, account_body, error, ok, replica_body

ID = account_body()["_id"]
PATH = f"/users/current/accounts/{ID}"


NAMES = (
    "name login server type version region state connection_status provisioning_profile_id "
    "magic manual_trades slippage quote_streaming_interval_in_seconds symbol reliability "
    "base_currency resource_slots copy_factory_resource_slots copy_factory_roles tags user_id "
    "primary_replica metastats_api_enabled risk_management_api_enabled connections hash "
    "allocate_dedicated_ip"
)
"""Properties that are named as on the wire, apart from the case."""


@pytest.fixture
async def account(api: MetaApi, server: ScriptedServer) -> MetatraderAccount:
    """An account that was read; the server's memory of the request is empty again."""
    server.will(ok(account_body()))
    found = await api.metatrader_account_api.get_account(ID)
    server.requests.clear()
    server.bodies.clear()
    return found


async def test_an_account_shows_every_property(api: MetaApi, server: ScriptedServer) -> None:
    body = account_body(
        provisioningProfileId="p",
        slippage=30,
        symbol="EURUSD",
        metadata={"a": 1},
        copyFactoryRoles=["PROVIDER"],
        riskManagementApiEnabled=True,
        connections=[{"application": "x"}],
        allocateDedicatedIp="ipv4",
        accountReplicas=[replica_body()],
        somethingNew={"x": 1},
    )
    server.will(ok(body))
    account = await api.metatrader_account_api.get_account(account_id=ID)
    assert server.asked == [f"GET {PATH}"]
    names = {
        "id": "_id",
        "created_at": None,
        "replicas": None,
        "hops": None,
        "metadata": "metadata",
    } | {
        name: "".join([first, *(w.capitalize() for w in rest)])
        for name in NAMES.split(" ")
        for first, *rest in [name.split("_")]
    }
    for name, wire in names.items():
        value = getattr(account, name)
        if wire:
            assert value == body[wire], name
        with pytest.raises(AttributeError):
            setattr(account, name, value)
    assert account.created_at == datetime(2026, 5, 20, 12, 0, 0, 123000, UTC)
    replica = account.replicas[0]
    assert (replica.region, replica.magic, replica.reliability) == ("london", 7, "regular")
    assert replica.primary_account is account


async def test_another_servers_shorter_answer_gets_the_documented_defaults(
    api: MetaApi, server: ScriptedServer
) -> None:
    server.will(ok({"_id": "x", "state": "A_NEW_STATE"}))
    account = await api.metatrader_account_api.get_account("x")
    assert (account.state, account.connection_status, account.hops) == ("A_NEW_STATE", "DISCONNECTED", [])
    assert (account.login, account.tags, account.quote_streaming_interval_in_seconds) == (None, [], 2.5)


async def test_create_sends_the_dictionary_as_it_is(api: MetaApi, server: ScriptedServer) -> None:
    server.will(ok({"id": ID, "state": "DEPLOYED"}, 201), ok(account_body()))
    wanted = {"name": "x", "type": "cloud", "keywords": ["Raw"], "quoteStreamingIntervalInSeconds": 2.5}
    account = await api.metatrader_account_api.create_account(account=wanted)
    assert server.asked == ["POST /users/current/accounts", f"GET {PATH}"]
    assert server.sent(0) == wanted
    assert server.requests[0].headers["content-type"] == "application/json"
    assert account.id == ID


@pytest.mark.parametrize(
    "form", ["E_SRV_NOT_FOUND", {"code": "E_SRV_NOT_FOUND", "serversByBrokers": {"B": []}}]
)
async def test_details_compare_with_a_code_in_both_forms(
    api: MetaApi, server: ScriptedServer, form: object
) -> None:
    server.will(error(400, "ValidationError", "no such server", details=form))
    with pytest.raises(ValidationException) as caught:
        await api.metatrader_account_api.create_account({})
    err = caught.value
    assert hasattr(err, "details")
    assert err.details == "E_SRV_NOT_FOUND"
    assert err.details["code"] == "E_SRV_NOT_FOUND"
    assert (err.status_code, err.id, err.error, str(err)) == (400, 3, "ValidationError", "no such server")
    assert "E_SRV_NOT_FOUND" in api.format_error(err)


@pytest.mark.parametrize("method", ["infinite", "classic", "alias"])
async def test_both_kinds_of_lists(api: MetaApi, server: ScriptedServer, method: str) -> None:
    accounts = api.metatrader_account_api
    call = {
        "infinite": accounts.get_accounts_with_infinite_scroll_pagination,
        "classic": accounts.get_accounts_with_classic_scroll_pagination,
        "alias": accounts.get_accounts_with_classic_pagination,
    }[method]
    bodies = [account_body(_id="a"), account_body(_id="b")]
    server.will(ok(bodies if method == "infinite" else {"count": 7, "items": bodies}))
    page = await call(
        accounts_filter={
            "limit": 10,
            "offset": 0,
            "query": "a b&c",
            "state": ["DEPLOYED", "DRAFT"],
            "type": None,
        }
    )
    assert server.asked == [
        "GET /users/current/accounts?limit=10&offset=0&query=a+b%26c&state=DEPLOYED&state=DRAFT"
    ]
    assert server.requests[0].headers["api-version"] == ("1" if method == "infinite" else "2")
    assert [a.id for a in page] == [a.id for a in page["items"]] == ["a", "b"]
    assert (len(page), page[0].id, [a.id for a in page[1:]]) == (2, "a", ["b"])
    if method == "infinite":
        with pytest.raises(KeyError, match="classic"):
            page["count"]
    else:
        assert page["count"] == 7
    with pytest.raises(KeyError):
        page["other"]  # type: ignore[call-overload]  # that is what is tested


async def test_lists_need_no_filter_and_may_be_long(api: MetaApi, server: ScriptedServer) -> None:
    server.will(ok([account_body(_id=str(n)) for n in range(1000)]))
    page = await api.metatrader_account_api.get_accounts_with_infinite_scroll_pagination()
    assert server.asked == ["GET /users/current/accounts"]
    assert [a.id for a in page] == [str(n) for n in range(1000)]


async def test_update_reloads(account: MetatraderAccount, server: ScriptedServer) -> None:
    server.will(ok(), ok(account_body(name="new")))
    await account.update(account={"name": "new", "password": "p"})
    assert server.asked == [f"PUT {PATH}", f"GET {PATH}"]
    assert server.sent(0) == {"name": "new", "password": "p"}
    assert account.name == "new"


@pytest.mark.parametrize("action", ["deploy", "undeploy", "redeploy"])
async def test_actions_reload(account: MetatraderAccount, server: ScriptedServer, action: str) -> None:
    server.will(ok(), ok(account_body(state="DEPLOYING")), ok(), ok(account_body()))
    await getattr(account, action)()
    assert account.state == "DEPLOYING"
    await getattr(account, action)(execute_for_all_replicas=False)
    assert server.asked[0::2] == [
        f"POST {PATH}/{action}",
        f"POST {PATH}/{action}?executeForAllReplicas=false",
    ]


async def test_remove_takes_the_replicas_with_it(api: MetaApi, server: ScriptedServer) -> None:
    server.will(ok(account_body(accountReplicas=[replica_body()])), ok(), error(404, "NotFoundError"))
    account = await api.metatrader_account_api.get_account(ID)
    await account.remove()
    assert server.asked[1] == f"DELETE {PATH}?executeForAllReplicas=true"
    assert (account.state, account.connection_status) == ("DELETING", "DISCONNECTED")


async def test_remove_alone(account: MetatraderAccount, server: ScriptedServer) -> None:
    server.will(ok(), ok(account_body(state="DELETING")))
    await account.remove()
    assert server.asked[0] == f"DELETE {PATH}"
    assert account.state == "DELETING"


async def test_configuration_links(account: MetatraderAccount, server: ScriptedServer) -> None:
    server.will(ok({"configurationLink": "http://x/1"}), ok({"configurationLink": "http://x/2"}))
    link = await account.create_configuration_link(ttl_in_days=7)
    assert link["configurationLink"] == link.configuration_link == "http://x/1"
    await account.create_configuration_link()
    assert server.asked == [f"PUT {PATH}/configuration-link?ttlInDays=7", f"PUT {PATH}/configuration-link"]


@pytest.mark.parametrize(
    ("method", "feature"),
    [
        ("increase_reliability", "reliabilityIncreased"),
        ("enable_risk_management_api", "riskManagementApiEnabled"),
        ("enable_metastats_api", "metastatsApiEnabled"),
    ],
)
async def test_features(
    account: MetatraderAccount, server: ScriptedServer, method: str, feature: str
) -> None:
    server.will(ok(), ok(account_body()))
    await getattr(account, method)()
    assert server.asked == [f"POST {PATH}/enable-account-features", f"GET {PATH}"]
    assert server.sent(0) == {feature: True}


async def test_replicas_live_as_long_as_their_account(
    account: MetatraderAccount, server: ScriptedServer
) -> None:
    replica_id = replica_body()["_id"]
    server.will(
        ok({"message": "checking", "retryAfterSeconds": 1}, 202),
        ok({"id": replica_id, "state": "DEPLOYED"}, 201),
    )
    server.will(ok(account_body(accountReplicas=[replica_body()])))
    replica = await account.create_replica(replica={"region": "london", "magic": 7})
    assert server.requests[0].headers["transaction-id"] == server.requests[1].headers["transaction-id"]
    assert account.replicas == [replica]

    server.will(ok(account_body(accountReplicas=[replica_body(state="UNDEPLOYED")])))
    await account.reload()
    assert account.replicas == [replica]
    assert replica.state == "UNDEPLOYED"

    server.requests.clear()
    full = replica_body(primaryAccount=account_body())
    for call in (
        replica.update(metatrader_account={"magic": 8}),
        replica.deploy(),
        replica.undeploy(),
        replica.redeploy(),
        replica.increase_reliability(),
    ):
        server.will(ok(), ok(full))
        await call
    server.will(ok(), ok(account_body()))
    await replica.remove()
    path = f"{PATH}/replicas/{replica_id}"
    assert server.asked[0::2] == [
        f"PUT {path}",
        *(f"POST {path}/{action}" for action in ("deploy", "undeploy", "redeploy", "increase-reliability")),
        f"DELETE {path}",
    ]
    assert account.replicas == []
    server.will(error(404, "NotFoundError"))
    await replica.wait_removed()


async def test_experts(account: MetatraderAccount, server: ScriptedServer) -> None:
    body = {"expertId": "my/expert#1", "period": "1h", "symbol": "EURUSD", "fileUploaded": False}
    path = f"{PATH}/expert-advisors/my%2Fexpert%231"
    server.will(ok(), ok(body), ok([body]), ok(body), ok(), ok(body | {"period": "4h"}), ok())
    expert = await account.create_expert_advisor(expert_id="my/expert#1", expert={"period": "1h"})
    assert [e.expert_id for e in await account.get_expert_advisors()] == ["my/expert#1"]
    assert (await account.get_expert_advisor(expert_id="my/expert#1")).symbol == "EURUSD"
    await expert.update(expert={"period": "4h"})
    assert (expert.period, expert.file_uploaded) == ("4h", False)
    await expert.remove()
    assert server.asked == [
        f"PUT {path}",
        f"GET {path}",
        f"GET {PATH}/expert-advisors",
        f"GET {path}",
        f"PUT {path}",
        f"GET {path}",
        f"DELETE {path}",
    ]


@pytest.mark.parametrize("account_id", ["", " ", ".", "..", None, 5])
async def test_an_id_that_no_path_can_hold_is_refused(
    api: MetaApi, server: ScriptedServer, account_id: Any
) -> None:
    with pytest.raises(ValidationException, match="account_id"):
        await api.metatrader_account_api.get_account(account_id)
    assert server.requests == []


@pytest.mark.parametrize("value", [None, "x", [1], {"name": object()}])
async def test_what_is_no_dictionary_of_plain_values_is_refused(
    api: MetaApi, server: ScriptedServer, value: Any
) -> None:
    with pytest.raises(ValidationException, match="account"):
        await api.metatrader_account_api.create_account(account=value)
    assert server.requests == []


async def test_waits_poll_at_the_given_interval(
    account: MetatraderAccount, server: ScriptedServer, clock: HastyClock
) -> None:
    server.will(*[ok(account_body(state="DEPLOYING")) for _ in range(3)], ok(account_body()))
    await account.wait_deployed()
    assert clock.slept == [1, 1, 1]
    server.will(ok(account_body()), ok(account_body(state="UNDEPLOYED", connectionStatus="DISCONNECTED")))
    await account.wait_undeployed(timeout_in_seconds=10, interval_in_milliseconds=250)
    assert clock.slept[3:] == [0.25]
    server.will(ok(account_body(connectionStatus="DISCONNECTED_FROM_BROKER")))
    await account.wait_disconnected()
    server.will(ok(account_body()), error(404, "NotFoundError"))
    await account.wait_removed()


async def test_an_account_counts_as_connected_with_one_replica(
    account: MetatraderAccount, server: ScriptedServer
) -> None:
    server.will(
        ok(
            account_body(
                connectionStatus="DISCONNECTED",
                accountReplicas=[replica_body(connectionStatus="CONNECTED")],
            )
        )
    )
    await account.wait_connected()
    assert account.connection_status == "DISCONNECTED"


async def test_a_wait_that_ends_names_the_state_and_the_failing_hop(
    account: MetatraderAccount, server: ScriptedServer, clock: HastyClock
) -> None:
    since = (clock.now() - timedelta(minutes=2)).isoformat()
    hops = [
        {"name": "placement", "state": "passed", "since": since},
        {"name": "broker", "state": "failed", "since": since, "lastError": "connection refused by 10.0.0.1"},
        {"name": "login", "state": "waiting", "since": since},
    ]
    offline = account_body(connectionStatus="DISCONNECTED_FROM_BROKER", hops=hops)
    server.will(*[ok(offline) for _ in range(4)])
    with pytest.raises(TimeoutException) as caught:
        await account.wait_connected(timeout_in_seconds=2.5)
    text = str(caught.value)
    assert clock.slept == [1, 1, 0.5]
    for part in (
        "DEPLOYED",
        "DISCONNECTED_FROM_BROKER",
        "'broker' is failed",
        "connection refused by 10.0.0.1",
    ):
        assert part in text
    assert account.failing_hop is not None
    assert account.failing_hop.name == "broker"
    assert caught.value.details is None


async def test_a_failed_state_does_not_end_a_wait(account: MetatraderAccount, server: ScriptedServer) -> None:
    server.will(ok(account_body(state="DEPLOY_FAILED")), ok(account_body()))
    await account.wait_deployed()
    assert account.state == "DEPLOYED"


async def test_waiting_for_something_removed_says_so(
    account: MetatraderAccount, server: ScriptedServer
) -> None:
    server.will(error(404, "NotFoundError", "there is no such account"))
    with pytest.raises(NotFoundException, match="there is no such account"):
        await account.wait_connected()


@pytest.mark.parametrize("timeout", [-1, "5", float("nan"), True])
async def test_a_wait_of_the_wrong_kind_is_refused(account: MetatraderAccount, timeout: Any) -> None:
    with pytest.raises(ValidationException, match="timeout_in_seconds"):
        await account.wait_deployed(timeout_in_seconds=timeout)


async def test_the_low_level_request(api: MetaApi, server: ScriptedServer) -> None:
    server.will(ok(["vint-hill"]), ok(), ok({"id": "1"}, 202), ok({"id": "1"}, 201))
    assert await api.request("get", "/users/current/regions", params={"a": [1, 2], "b": True}) == [
        "vint-hill"
    ]
    assert await api.request("POST", "/x", json={"a": 1}) is None
    made = await api.request("POST", "/y", json={}, headers={"Transaction-Id": "t"})
    assert made == {"id": "1"}
    assert server.asked[0] == "GET /users/current/regions?a=1&a=2&b=true"
    with pytest.raises(ValidationException, match="path"):
        await api.request("GET", "users")
