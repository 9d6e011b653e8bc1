"""Configuration links and demo accounts."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from mtfleet.domain.accounts import Platform
from mtfleet.domain.deployment import AccountState, Desired
from mtfleet.domain.errors import ForbiddenError, NotFoundError, ValidationError
from mtfleet.domain.ids import AccountId
from mtfleet.provisioning import links
from mtfleet.provisioning.links import Configured
from mtfleet.testing.provisioning import (
    ANNA,
    PASSWORD,
    PROFILE_ID,
    Provisioning,
    new_account,
    new_demo_account,
    open_provisioning,
)
from mtfleet.wire.replies import Accepted, Created, GeneratedAccount
from mtfleet.wire.requests import Credentials

GOOD = Credentials(login="1001", password=PASSWORD)
PREFIX = "https://mt.example/configure-trading-account-credentials/"


@pytest.fixture
async def world() -> AsyncIterator[Provisioning]:
    async with open_provisioning() as opened:
        yield opened


async def add(world: Provisioning, **changes: Any) -> AccountId:
    made = await world.accounts.create(ANNA, new_account(**changes), None)
    assert isinstance(made, Created)
    return made.id


async def link(world: Provisioning, account_id: AccountId, ttl_days: float = 7) -> str:
    url = (await world.links.create(ANNA, account_id, ttl_days)).configuration_link
    assert url.startswith(f"{PREFIX}{account_id}/")
    return url.rsplit("/", 1)[1]


async def desired(world: Provisioning, account_id: AccountId) -> Desired:
    async with world.store.reader() as tx:
        found = await tx.deployments.get(account_id)
    assert found is not None
    return found.desired


async def test_an_account_has_so_many_good_links_and_no_more(
    world: Provisioning, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MAX_LINKS", 2)
    account_id = await add(world, login=None, password=None)
    for _ in range(2):
        await link(world, account_id, 1)
    with pytest.raises(ForbiddenError, match="2 links"):
        await link(world, account_id)
    await world.clock.advance(25 * 3600)
    await link(world, account_id)


@pytest.mark.parametrize("name", ["a\x9b31mb", "gpj\u202eexe", "a\u2028b", "a\x1b[2Jb", "a\nb", "a\u2066b"])
async def test_a_name_can_not_look_like_another(world: Provisioning, name: str) -> None:
    with pytest.raises(ValidationError, match="control characters"):
        await add(world, name=name)


async def test_an_end_user_configures_a_draft_and_the_link_is_used_up(world: Provisioning) -> None:
    account_id = await add(world, login=None, password=None)
    token = await link(world, account_id)
    assert len(token) == 64
    view = await world.links.look_up(account_id, token)
    assert (view.account_name, view.server, view.needs_login) == ("Trading account #1", "Test-MT5", True)
    done = await world.links.configure(account_id, token, GOOD, "10.0.0.1")
    assert isinstance(done, Configured)
    assert await desired(world, account_id) is Desired.DEPLOYED
    assert await world.password_of(account_id) == PASSWORD
    assert await world.broker_of(account_id) is not None
    with pytest.raises(NotFoundError):
        await world.links.look_up(account_id, token)
    with pytest.raises(NotFoundError):
        await world.links.configure(account_id, token, Credentials(login="1002", password=PASSWORD), None)
    assert await world.links.configure(account_id, token, GOOD, None) == done, "a repeat of the same entry"
    async with world.store.reader() as tx:
        configured = [e for e in await tx.audit.page() if e.action == "account.configured"]
    assert [entry.remote_address for entry in configured] == ["10.0.0.1"]


async def test_a_wrong_entry_leaves_the_link_good(world: Provisioning) -> None:
    account_id = await add(world, login=None, password=None)
    token = await link(world, account_id)
    with pytest.raises(ValidationError) as caught:
        await world.links.configure(account_id, token, Credentials(login="1001", password="wrong"), None)
    assert caught.value.details == "E_AUTH"
    with pytest.raises(ValidationError) as caught:
        await world.links.configure(account_id, token, Credentials(), None)
    assert {problem.parameter for problem in caught.value.details} == {"login", "password"}
    assert (await world.accounts.get(ANNA, account_id)).state is AccountState.DRAFT
    assert isinstance(await world.links.configure(account_id, token, GOOD, None), Configured)


async def test_a_broker_that_was_down_can_be_tried_again_with_the_same_entry(world: Provisioning) -> None:
    account_id = await add(world, login=None, password=None)
    token = await link(world, account_id)
    world.brokers.scripts["Test-MT5"].is_offline = True
    with pytest.raises(ValidationError) as caught:
        await world.links.configure(account_id, token, GOOD, None)
    assert caught.value.details == "E_SERVER_TIMEZONE"
    world.brokers.scripts["Test-MT5"].is_offline = False
    await world.clock.advance(30)
    assert isinstance(await world.links.configure(account_id, token, GOOD, None), Configured)


async def test_a_later_link_changes_the_password_only(world: Provisioning) -> None:
    account_id = await add(world)
    token = await link(world, account_id)
    assert not (await world.links.look_up(account_id, token)).needs_login
    world.brokers.scripts["Test-MT5"].passwords["1001"] = "Changed-1"
    await world.links.configure(account_id, token, Credentials(login="9", password="Changed-1"), None)
    assert (await world.accounts.get(ANNA, account_id)).login == "1001"
    assert await world.password_of(account_id) == "Changed-1"


async def test_unknown_expired_and_foreign_links_are_answered_alike(world: Provisioning) -> None:
    account_id = await add(world, login=None, password=None)
    other = await add(world, login=None, password=None, name="Other")
    good, short = await link(world, account_id), await link(world, account_id, 0.5)
    await world.clock.advance(timedelta(days=1).total_seconds())
    messages = set()
    for target, token in (
        (account_id, short),
        (account_id, "0" * 64),
        (other, good),
        (AccountId("none"), good),
    ):
        for attempt in (
            world.links.look_up(target, token),
            world.links.configure(target, token, GOOD, None),
        ):
            with pytest.raises(NotFoundError) as caught:
                await attempt
            messages.add(caught.value.message)
    assert len(messages) == 1
    await world.links.look_up(account_id, good)


async def test_two_at_once_configure_once(world: Provisioning) -> None:
    account_id = await add(world, login=None, password=None)
    token = await link(world, account_id)
    entries = [GOOD, GOOD, Credentials(login="1002", password=PASSWORD)]
    answers = await asyncio.gather(
        *(world.links.configure(account_id, token, entry, None) for entry in entries), return_exceptions=True
    )
    logins = {"1001" if isinstance(answers[0], Configured) else "1002"}
    assert sum(isinstance(answer, Configured) for answer in (answers[0], answers[2])) == 1
    assert (await world.accounts.get(ANNA, account_id)).login in logins


async def test_a_slow_broker_is_answered_with_accepted(world: Provisioning) -> None:
    account_id = await add(world, login=None, password=None)
    token = await link(world, account_id)
    gate = asyncio.Event()
    world.brokers.scripts["Test-MT5"].gate = gate
    first = asyncio.create_task(world.links.configure(account_id, token, GOOD, None))
    await world.clock.run_until(first.done)
    assert isinstance(first.result(), Accepted)
    gate.set()
    assert isinstance(await world.links.configure(account_id, token, GOOD, None), Configured)


@pytest.mark.parametrize("ttl", [0, -1, 365.1, float("nan"), float("inf")])
async def test_a_time_to_live_is_at_most_a_year(world: Provisioning, ttl: float) -> None:
    account_id = await add(world, login=None, password=None)
    with pytest.raises(ValidationError) as caught:
        await world.links.create(ANNA, account_id, ttl)
    assert caught.value.details[0].parameter == "ttlInDays"


async def test_the_token_itself_is_not_stored(world: Provisioning) -> None:
    account_id = await add(world, login=None, password=None)
    token = await link(world, account_id)
    data = b"".join(path.read_bytes() for path in world.data_directory.iterdir())
    assert account_id.encode() in data
    assert token.encode() not in data


async def test_a_demo_account_is_made_once_for_a_transaction(world: Provisioning) -> None:
    first = await world.demo_accounts.create(ANNA, "default", Platform.MT5, new_demo_account(), "t1")
    assert isinstance(first, GeneratedAccount)
    assert await world.demo_accounts.create(ANNA, "default", Platform.MT5, new_demo_account(), "t1") == first
    await world.restart()
    assert await world.demo_accounts.create(ANNA, "default", Platform.MT5, new_demo_account(), "t1") == first
    assert world.brokers.demo_accounts == 1
    await add(world, login=first.login, password=first.password, server=first.server_name)
    other = await world.demo_accounts.create(ANNA, "default", Platform.MT5, new_demo_account(), "t2")
    assert other != first


async def test_demo_accounts_for_mt4_and_with_a_profile(world: Provisioning) -> None:
    mt4 = await world.demo_accounts.create(
        ANNA, "default", Platform.MT4, new_demo_account(serverName="Test-MT4"), "t1"
    )
    assert isinstance(mt4, GeneratedAccount)
    profile = await world.add_profile()
    body = new_demo_account(serverName="From-File")
    made = await world.demo_accounts.create(ANNA, profile, Platform.MT5, body, "t2")
    assert isinstance(made, GeneratedAccount)
    assert made.server_name == "From-File"
    with pytest.raises(ValidationError, match="mt5"):
        await world.demo_accounts.create(ANNA, profile, Platform.MT4, body, "t3")


async def test_demo_accounts_are_refused_by_name_of_the_reason(world: Provisioning) -> None:
    async def refusal(profile_id: str = "default", **changes: Any) -> ValidationError:
        with pytest.raises(ValidationError) as caught:
            await world.demo_accounts.create(
                ANNA, profile_id, Platform.MT5, new_demo_account(**changes), None
            )
        return caught.value

    missing = await refusal(balance=None, leverage=0, email=None, serverName=None)
    parameters = {problem.parameter for problem in missing.details}
    assert parameters == {"balance", "leverage", "email", "serverName"}
    near = await refusal(serverName="Test-MT55")
    assert near.details == "E_SRV_NOT_FOUND"
    assert "Test-MT5" in near.message
    named = await refusal(serverName="Xyzzy", keywords=["Quiet Brokers"])
    assert "Off-Line" in named.message
    world.brokers.scripts["Test-MT5"].opens_demo_accounts = False
    assert "web site only" in (await refusal()).message
    with pytest.raises(NotFoundError):
        await world.demo_accounts.create(ANNA, PROFILE_ID, Platform.MT5, new_demo_account(), None)
