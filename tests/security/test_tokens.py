import base64
import json
from typing import Any

import jwt
import pytest

from mtfleet.domain.access import MANAGEMENT, Caller, are_resources_narrowed_down
from mtfleet.domain.errors import ForbiddenError, NotFoundError, UnauthorizedError, ValidationError
from mtfleet.domain.ids import TokenId
from mtfleet.security.tokens import CACHE_SECONDS, MAX_LINE, MAX_TOKEN_CHARACTERS, Tokens
from mtfleet.security.users import Users
from mtfleet.security.vault import Vault
from mtfleet.testing.clock import FakeClock
from mtfleet.wire.requests import NarrowDown


def claims_of(raw: str) -> dict[str, Any]:
    part = raw.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


async def test_a_new_user_gets_in(users: Users, tokens: Tokens, clock: FakeClock) -> None:
    user, raw = await users.create("anna", is_administrator=True)
    caller = await tokens.authenticate(raw, remote_address="192.0.2.1")
    assert caller.user_id == user.id
    assert caller.is_administrator
    assert caller.rules is None
    assert caller.expires_at is None
    assert caller.remote_address == "192.0.2.1"
    claims = claims_of(raw)
    assert claims["_id"] == claims["sub"] == user.id
    assert claims["jti"] == caller.token_id
    assert claims["iat"] == int(clock.now().timestamp())
    assert not are_resources_narrowed_down(claims)
    assert await users.named("anna") == user
    assert await users.all() == [user]


@pytest.mark.parametrize("name", ["", " anna", "a\nb", "x" * 101])
async def test_a_name_must_be_one(users: Users, name: str) -> None:
    with pytest.raises(ValidationError):
        await users.create(name)


@pytest.mark.parametrize(
    "raw", [None, "", "x", "a.b.c", "é" * 10, "\ud800", "x" * (MAX_TOKEN_CHARACTERS + 1)]
)
async def test_what_is_no_token_is_refused(tokens: Tokens, raw: str | None) -> None:
    with pytest.raises(UnauthorizedError):
        await tokens.authenticate(raw)


async def test_forged_tokens_are_refused(users: Users, tokens: Tokens, vault: Vault) -> None:
    _, raw = await users.create("anna")
    claims = claims_of(raw)
    key = vault.derived_key("token-signing")
    assert (await tokens.authenticate(jwt.encode(claims, key, algorithm="HS256"))).rules is None
    header, body, signature = raw.split(".")
    wider = base64.urlsafe_b64encode(json.dumps({**claims, "admin": True}).encode()).decode().rstrip("=")
    for forged in [
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode(claims, key * 2, algorithm="HS512"),
        jwt.encode(claims, b"another key of thirty-two bytes!", algorithm="HS256"),
        f"{header}.{wider}.{signature}",
        f"{header}.{body}.",
        f"{header}.{body}",
        raw[:-2],
        jwt.encode({**claims, "iss": "elsewhere"}, key, algorithm="HS256"),
        jwt.encode({k: v for k, v in claims.items() if k != "jti"}, key, algorithm="HS256"),
        jwt.encode({**claims, "jti": "never-issued"}, key, algorithm="HS256"),
        jwt.encode({**claims, "sub": "somebody-else"}, key, algorithm="HS256"),
        jwt.encode({**claims, "accessRules": "all"}, key, algorithm="HS256"),
    ]:
        with pytest.raises(UnauthorizedError):
            await tokens.authenticate(forged)


async def test_a_token_expires_even_while_it_is_remembered(
    users: Users, tokens: Tokens, clock: FakeClock
) -> None:
    user, _ = await users.create("anna")
    raw = await tokens.issue(user, name="short", validity_hours=1 / 3600)
    await tokens.authenticate(raw)
    await clock.advance(0.999)
    await tokens.authenticate(raw)
    await clock.advance(0.001)
    with pytest.raises(UnauthorizedError, match="expired"):
        await tokens.authenticate(raw)


@pytest.mark.parametrize("hours", [0, -1, float("nan"), float("inf"), 876_001])
async def test_a_validity_must_be_sensible(users: Users, tokens: Tokens, hours: float) -> None:
    user, raw = await users.create("anna")
    with pytest.raises(ValidationError):
        await tokens.issue(user, validity_hours=hours)
    with pytest.raises(ValidationError) as caught:
        await tokens.narrow(await tokens.authenticate(raw), NarrowDown(), validity_hours=hours)
    assert caught.value.details[0].parameter == "validity-in-hours"


async def narrowed(tokens: Tokens, caller: Caller, hours: float = 24, **wish: Any) -> tuple[str, Caller]:
    raw = await tokens.narrow(caller, NarrowDown(**wish), validity_hours=hours)
    return raw, await tokens.authenticate(raw)


async def test_a_narrowed_token_is_never_wider(users: Users, tokens: Tokens) -> None:
    _, raw = await users.create("anna", is_administrator=True)
    parent = await tokens.authenticate(raw)
    child_raw, child = await narrowed(tokens, parent, applications=[MANAGEMENT], roles=["reader"], hours=2)
    assert not child.is_administrator
    assert child.rules is not None
    assert [(r.application, r.roles) for r in child.rules] == [(MANAGEMENT, ["reader"])]
    assert claims_of(child_raw)["accessRules"][0]["methodGroups"] == [
        {"group": "*", "methods": [{"method": "*"}]}
    ]
    _, grandchild = await narrowed(tokens, child, hours=1000)
    assert grandchild.expires_at == child.expires_at
    assert grandchild.rules == child.rules
    for wish in (NarrowDown(roles=["writer"]), NarrowDown(applications=["metaapi-rest-api"])):
        with pytest.raises(ForbiddenError):
            await tokens.narrow(child, wish)


async def test_a_line_of_tokens_has_an_end(users: Users, tokens: Tokens) -> None:
    _, raw = await users.create("anna")
    caller = await tokens.authenticate(raw)
    for _ in range(MAX_LINE - 1):
        _, caller = await narrowed(tokens, caller)
    _, last = await narrowed(tokens, caller)
    with pytest.raises(ForbiddenError, match="narrowed 16 times"):
        await tokens.narrow(last, NarrowDown())


async def test_resources_must_exist_and_be_the_callers(
    users: Users, tokens: Tokens, owned_account: str, owner_token: str
) -> None:
    owner = await tokens.authenticate(owner_token)
    resources = [{"entity": "account", "id": owned_account}]
    raw, _ = await narrowed(tokens, owner, resources=resources)
    assert are_resources_narrowed_down(claims_of(raw))
    _, stranger_raw = await users.create("stranger")
    stranger = await tokens.authenticate(stranger_raw)
    with pytest.raises(ValidationError) as caught:
        await tokens.narrow(stranger, NarrowDown(resources=resources))
    assert caught.value.details[0].parameter == "resources[0].id"
    with pytest.raises(ValidationError) as caught:
        await tokens.narrow(
            stranger,
            NarrowDown(access_rules=[{"application": MANAGEMENT, "resources": resources}]),
        )
    assert caught.value.details[0].parameter == "accessRules[0].resources[0].id"


@pytest.mark.parametrize(
    ("wish", "parameter"),
    [
        ({"resources": [{"entity": "account"}]}, "resources[0]"),
        ({"resources": [{"entity": "account", "id": 5}]}, "resources[0].id"),
        ({"access_rules": [{"roles": ["reader"]}]}, "accessRules[0]"),
        ({"applications": ["nonsense"]}, "applications[0]"),
    ],
)
async def test_a_wish_of_the_wrong_shape_names_its_field(
    users: Users, tokens: Tokens, wish: dict[str, Any], parameter: str
) -> None:
    _, raw = await users.create("anna")
    with pytest.raises(ValidationError) as caught:
        await tokens.narrow(await tokens.authenticate(raw), NarrowDown(**wish))
    assert caught.value.details[0].parameter == parameter


async def test_children_die_with_their_parent_at_once(users: Users, tokens: Tokens) -> None:
    _, raw = await users.create("anna")
    root = await tokens.authenticate(raw)
    parent_raw, parent = await narrowed(tokens, root)
    child_raw, child = await narrowed(tokens, parent)
    sibling_raw, _ = await narrowed(tokens, root)
    await tokens.revoke(root, parent.token_id)
    for dead in (parent_raw, child_raw):
        with pytest.raises(UnauthorizedError, match="revoked"):
            await tokens.authenticate(dead)
    with pytest.raises(UnauthorizedError):
        await tokens.narrow(child, NarrowDown())
    await tokens.authenticate(sibling_raw)
    await tokens.authenticate(raw)
    await tokens.revoke(root, parent.token_id)  # harmless


async def test_a_revocation_elsewhere_is_noticed_within_seconds(
    users: Users, tokens: Tokens, store: Any, vault: Vault, clock: FakeClock
) -> None:
    _, raw = await users.create("anna")
    caller = await tokens.authenticate(raw)
    elsewhere = Tokens(store, vault, clock)
    await elsewhere.revoke(caller, caller.token_id)
    await tokens.authenticate(raw)
    await clock.advance(CACHE_SECONDS)
    with pytest.raises(UnauthorizedError):
        await tokens.authenticate(raw)


async def test_who_may_revoke_what(users: Users, tokens: Tokens) -> None:
    _, anna_raw = await users.create("anna")
    _, boss_raw = await users.create("boss", is_administrator=True)
    anna, boss = await tokens.authenticate(anna_raw), await tokens.authenticate(boss_raw)
    _, child = await narrowed(tokens, anna)
    _, grandchild = await narrowed(tokens, child)
    with pytest.raises(NotFoundError):
        await tokens.revoke(anna, boss.token_id)
    with pytest.raises(NotFoundError):
        await tokens.revoke(child, anna.token_id)
    with pytest.raises(NotFoundError):
        await tokens.revoke(boss, TokenId("unknown"))
    assert [t.id for t in await tokens.list(child)] == sorted([child.token_id, grandchild.token_id])
    assert len(await tokens.list(anna)) == 3
    await tokens.revoke(child, grandchild.token_id)
    await tokens.revoke(boss, anna.token_id)
    with pytest.raises(UnauthorizedError):
        await tokens.authenticate(anna_raw)


async def test_use_is_noted(users: Users, tokens: Tokens, clock: FakeClock) -> None:
    _, raw = await users.create("anna")
    caller = await tokens.authenticate(raw)
    used_at = clock.now()
    await tokens.flush_usage()
    [token] = await tokens.list(caller)
    assert token.last_used_at == used_at


async def test_issues_and_revocations_are_in_the_audit_log(users: Users, tokens: Tokens, store: Any) -> None:
    _, raw = await users.create("anna")
    caller = await tokens.authenticate(raw, remote_address="192.0.2.1")
    child_raw, child = await narrowed(tokens, caller)
    await tokens.revoke(caller, child.token_id)
    async with store.reader() as tx:
        lines = await tx.audit.page()
    assert [line.action for line in lines] == [
        "user.created",
        "token.issued",
        "token.narrowed",
        "token.revoked",
    ]
    assert lines[3].entity_id == child.token_id
    assert lines[3].remote_address == "192.0.2.1"
    told = repr(lines)
    assert raw not in told
    assert child_raw not in told


async def test_a_token_too_long_for_a_header_is_refused(
    users: Users, tokens: Tokens, owned_account: str, owner_token: str
) -> None:
    owner = await tokens.authenticate(owner_token)
    rules = [
        {
            "application": MANAGEMENT,
            "id": f"{n:02}" * 100,
            "resources": [{"entity": "account", "id": owned_account}],
        }
        for n in range(40)
    ]
    with pytest.raises(ValidationError, match="header"):
        await tokens.narrow(owner, NarrowDown(access_rules=rules))
