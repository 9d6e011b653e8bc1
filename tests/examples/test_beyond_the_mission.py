"""What the SDK offers beyond the mission guide, against a real server."""

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mtfleet import (
    ForbiddenException,
    MetaApi,
    NotFoundException,
    TimeoutException,
    UnauthorizedException,
    ValidationException,
)
from mtfleet.sdk import MetatraderAccount
from mtfleet.testing.server import RunningServer

pytestmark = pytest.mark.e2e


@pytest.fixture
async def api(server: RunningServer) -> AsyncIterator[MetaApi]:
    async with MetaApi(server.token, {"url": server.url}) as api:
        yield api


async def wanted(api: MetaApi, server_name: str = "Sandbox-MT5", **fields: Any) -> dict[str, Any]:
    """What makes an account of a new login at the simulated broker."""
    platform = "mt4" if server_name == "Sandbox-MT4" else "mt5"
    generator = api.metatrader_account_generator_api
    create = generator.create_mt4_demo_account if platform == "mt4" else generator.create_mt5_demo_account
    demo = await create(
        {"balance": 5000, "email": "a@example.com", "leverage": 100, "serverName": server_name}
    )
    return {
        "name": "Beyond",
        "login": demo.login,
        "password": demo.password,
        "server": server_name,
        "platform": platform,
        "magic": 0,
        **fields,
    }


async def removed(account: MetatraderAccount) -> None:
    await account.remove()
    await account.wait_removed()


async def test_a_replica_lives_beside_its_account(api: MetaApi) -> None:
    account = await api.metatrader_account_api.create_account(await wanted(api))
    regions = await api.request("GET", "/users/current/regions")
    elsewhere = next(region for region in regions if region != account.region)
    replica = await account.create_replica(replica={"region": elsewhere, "magic": 5, "tags": ["copy"]})
    assert (replica.region, replica.magic, replica.tags) == (elsewhere, 5, ["copy"])
    await replica.wait_connected()
    await replica.update(metatrader_account={"magic": 6})
    assert replica.magic == 6
    await replica.redeploy()
    await replica.wait_connected()
    await replica.undeploy()
    await replica.wait_undeployed()
    await replica.deploy()
    await replica.wait_deployed()
    await replica.increase_reliability()
    assert replica.reliability == "high"
    await replica.remove()
    await replica.wait_removed()
    await account.reload()
    assert account.replicas == []
    await removed(account)


async def test_the_same_transaction_makes_one_account(api: MetaApi) -> None:
    body = await wanted(api)
    first, second = await asyncio.gather(
        *(api.metatrader_account_api.create_account(body, transaction_id="beyond-1" * 4) for _ in range(2))
    )
    third = await api.metatrader_account_api.create_account(body, transaction_id="beyond-1" * 4)
    assert first.id == second.id == third.id
    with pytest.raises(ValidationException, match="transaction"):
        await api.metatrader_account_api.create_account(
            body | {"name": "Other"}, transaction_id="beyond-1" * 4
        )
    await removed(first)


async def test_a_deployed_account_can_be_read(api: MetaApi) -> None:
    account = await api.metatrader_account_api.create_account(await wanted(api))
    await account.wait_connected()
    path = f"/users/current/accounts/{account.id}"
    information = await api.request("GET", f"{path}/account-information", service="client")
    assert information["balance"] == 5000
    symbols = await api.request("GET", f"{path}/symbols", service="client")
    assert "EURUSD" in symbols
    price = await api.request("GET", f"{path}/symbols/EURUSD/current-price", service="client")
    assert 0 < price["bid"] <= price["ask"]
    await removed(account)


async def test_a_narrowed_token_sees_one_account_and_makes_none(api: MetaApi, server: RunningServer) -> None:
    one, other = [await api.metatrader_account_api.create_account(await wanted(api)) for _ in range(2)]
    tokens = api.token_management_api
    assert not tokens.are_token_resources_narrowed_down(server.token)
    assert [rule["application"] for rule in await tokens.get_access_rules()]
    token = await tokens.narrow_down_token_resources(
        [{"entity": "account", "id": one.id}], validity_in_hours=1
    )
    assert tokens.are_token_resources_narrowed_down(token)
    async with MetaApi(token, {"url": server.url}) as narrow:
        seen = await narrow.metatrader_account_api.get_accounts_with_classic_pagination()
        assert ([account.id for account in seen], seen["count"]) == ([one.id], 1)
        with pytest.raises(ForbiddenException):
            await narrow.metatrader_account_api.get_account(other.id)
        with pytest.raises(ForbiddenException):
            await narrow.metatrader_account_api.create_account(await wanted(api))
    reader = await tokens.narrow_down_token({"roles": ["reader"]})
    async with MetaApi(reader, {"url": server.url}) as reading:
        account = await reading.metatrader_account_api.get_account(one.id)
        with pytest.raises(ForbiddenException):
            await account.undeploy()
    await removed(one)
    await removed(other)


async def test_an_offline_broker_is_named_when_a_wait_ends(api: MetaApi) -> None:
    profile = await api.provisioning_profile_api.create_provisioning_profile(
        {"name": "Offline", "version": 5, "brokerTimezone": "EET", "brokerDSTSwitchTimezone": "EET"}
    )
    await profile.upload_file("servers.dat", io.BytesIO(b"x"))
    account = await api.metatrader_account_api.create_account(
        {
            "name": "Offline",
            "login": "123",
            "password": "hidden-password",
            "server": "Sandbox-Offline",
            "provisioningProfileId": profile.id,
            "magic": 0,
        }
    )
    await account.wait_deployed()
    with pytest.raises(TimeoutException, match="DISCONNECTED_FROM_BROKER; the hop 'broker' is") as caught:
        await account.wait_connected(timeout_in_seconds=2)
    assert "hidden-password" not in str(caught.value)
    await removed(account)
    await profile.remove()


async def test_experts_with_names_that_paths_do_not_like(api: MetaApi) -> None:
    account = await api.metatrader_account_api.create_account(
        await wanted(api, "Sandbox-MT4", type="cloud-g1")
    )
    for expert_id in ("a/b#c", "Über 100%", "dots.and spaces?"):
        expert = await account.create_expert_advisor(expert_id, {"period": "1H", "symbol": "EURUSD"})
        assert expert.expert_id == expert_id
        await expert.upload_file(io.BytesIO(b"EX4" * 100_000))
        assert expert.file_uploaded
        await expert.remove()
        with pytest.raises(NotFoundException):
            await expert.reload()
    await removed(account)


async def test_a_wrong_token_is_told_at_once(server: RunningServer) -> None:
    async with MetaApi("not.a.token", {"url": server.url}) as api:
        with pytest.raises(UnauthorizedException) as caught:
            await api.metatrader_account_api.get_accounts_with_infinite_scroll_pagination()
    assert caught.value.status_code == 401
    assert "not.a.token" not in str(caught.value)
