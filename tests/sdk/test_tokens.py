"""Narrower tokens, and what is told of a token without asking the server."""

import base64
import json
from typing import Any

import pytest

from mtfleet import MetaApi, MethodAccessException, ValidationException
from mtfleet.testing.http import TOKEN, ScriptedServer, ok


def token_with(rules: Any) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": "u", "accessRules": rules}).encode()).decode()
    return f"e30.{claims.rstrip('=')}.c2ln"


ONE_ACCOUNT = token_with([{"resources": [{"entity": "account", "id": "a"}]}])


async def test_every_way_to_narrow_returns_the_token(api: MetaApi, server: ScriptedServer) -> None:
    tokens = api.token_management_api
    server.will(*[ok({"token": f"t{n}"}) for n in range(4)])
    assert await tokens.narrow_down_token({"roles": ["reader"], "applications": ["x"]}) == "t0"
    assert await tokens.narrow_down_token_applications(["metaapi-api"], validity_in_hours=1.5) == "t1"
    assert await tokens.narrow_down_token_roles(["reader"]) == "t2"
    assert await tokens.narrow_down_token_resources([{"entity": "account", "id": "a"}], 3) == "t3"
    path = "POST /users/current/narrow-down-auth-token?validity-in-hours="
    assert server.asked == [f"{path}24", f"{path}1.5", f"{path}24", f"{path}3"]
    assert [server.sent(n) for n in range(4)] == [
        {"roles": ["reader"], "applications": ["x"]},
        {"applications": ["metaapi-api"]},
        {"roles": ["reader"]},
        {"resources": [{"entity": "account", "id": "a"}]},
    ]


async def test_access_rules(api: MetaApi, server: ScriptedServer) -> None:
    server.will(ok([{"id": "r"}]))
    assert await api.token_management_api.get_access_rules() == [{"id": "r"}]
    assert server.asked == ["GET /users/current/access-rules-manifest"]


@pytest.mark.parametrize("hours", [0, -1, "24", True, float("nan")])
async def test_a_validity_of_the_wrong_kind_is_refused(api: MetaApi, hours: Any) -> None:
    with pytest.raises(ValidationException, match="validity_in_hours"):
        await api.token_management_api.narrow_down_token_roles(["reader"], validity_in_hours=hours)


@pytest.mark.parametrize(
    ("rules", "is_narrowed"),
    [
        (None, False),
        ([], False),
        ([{"resources": []}], False),
        ([{"application": "x"}], False),
        ([{"resources": ["*:$USER_ID$:*"]}], False),
        ([{"resources": [{"entity": "*", "id": "*"}]}], False),
        ([{"resources": [{"entity": "account", "id": "a"}]}], True),
        ([{"resources": []}, {"resources": [{"entity": "account", "id": "a"}]}], True),
        ([{"resources": ["account:$USER_ID$:a"]}], True),
    ],
)
def test_narrowed_resources_are_seen_in_the_token_itself(
    options: dict[str, Any], rules: Any, is_narrowed: bool
) -> None:
    tokens = MetaApi(TOKEN, options).token_management_api
    assert tokens.are_token_resources_narrowed_down(token_with(rules)) is is_narrowed


@pytest.mark.parametrize("token", ["opaque-secret", "a.b", "a.%%%.c", "a.aGk.c", "e30.WzFd.x", 5678])
def test_a_token_that_can_not_be_read_is_not_shown(options: dict[str, Any], token: Any) -> None:
    with pytest.raises(ValidationException) as caught:
        MetaApi(TOKEN, options).token_management_api.are_token_resources_narrowed_down(token)
    assert str(token) not in str(caught.value)


async def test_calls_that_a_token_can_not_make_are_refused_at_once(
    options: dict[str, Any], server: ScriptedServer
) -> None:
    async with MetaApi(ONE_ACCOUNT, options) as api:
        with pytest.raises(MethodAccessException, match="create_account"):
            await api.metatrader_account_api.create_account({})
        with pytest.raises(MethodAccessException, match="create_provisioning_profile"):
            await api.provisioning_profile_api.create_provisioning_profile({})
    async with MetaApi("opaque", options) as api:
        with pytest.raises(MethodAccessException, match="narrow_down_token"):
            await api.token_management_api.narrow_down_token({})
    assert server.requests == []
