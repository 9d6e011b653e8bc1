"""The store's contract, part 1: accounts, replicas and lists."""
# ruff: noqa: S101, S106 - asserts are what a contract is made of; the tokens are made up

import itertools
from collections.abc import Iterator

from msgspec.structs import replace

from mtfleet.domain.accounts import Account, AccountFilter, AccountType, BrokerSettings, CopyFactoryRole
from mtfleet.domain.deployment import AccountState, ConnectionStatus, Hop, HopName, HopState, created
from mtfleet.domain.errors import ConflictError, NotFoundError, ValidationError
from mtfleet.domain.experts import Expert
from mtfleet.domain.ids import AccountId, ExpertId, Login, ProfileId, Region, ServerName, Symbol, UserId
from mtfleet.store.base import ACCOUNTS as ACCOUNTS_TABLE
from mtfleet.store.base import PASSWORD, SealedSecret, Store, StoredLink
from mtfleet.testing.store_contract_cases import (
    ALICE,
    BOB,
    START,
    Behaviour,
    a_replica,
    ids,
    later,
    listed,
    of_alice,
    put,
    put_replica,
)


async def b101_an_account_comes_back_as_it_was_put_in(store: Store) -> None:
    account = of_alice(
        name="Tëst „Ω“ 漢字 😀",
        login=None,
        provisioning_profile_id=ProfileId("p"),
        magic=2**63 - 1,
        slippage=0.1 + 0.2,
        quote_streaming_interval_in_seconds=5e-324,
        symbol=Symbol("EUR/USD#"),
        tags=["", "b", "a\n\t\\\"'"],
        metadata={"deep": [{"x": None, "y": 1.5, "z": {"nul": "\x00", "n": -(2**53)}}]},
        state=AccountState.DEPLOY_FAILED,
        connection_status=ConnectionStatus.DISCONNECTED_FROM_BROKER,
        hops=[
            Hop(name=HopName.LOGIN, state=HopState.FAILED, since=later(0.123), last_error="nö", details="E")
        ],
        allocate_dedicated_ip="ipv4",
    )
    await put(store, account)
    async with store.reader() as reader:
        assert await reader.accounts.get(ALICE, account.id) == account
    assert await listed(store) == [account.id]


async def b102_a_foreign_or_unknown_id_finds_nothing(store: Store) -> None:
    account = of_alice()
    await put(store, account)
    replica = a_replica(account)
    await put_replica(store, account, replica)
    async with store.reader() as reader:
        assert await reader.accounts.get(BOB, account.id) is None
        assert await reader.accounts.get(ALICE, AccountId("nothing")) is None
        assert await reader.accounts.get(ALICE, replica.id) is None
        assert await reader.accounts.replicas(BOB, account.id) == []
        assert await reader.accounts.replica(BOB, account.id, replica.id) is None
        assert await reader.accounts.replica(ALICE, replica.id, account.id) is None
        assert await reader.accounts.owner(account.id) == ALICE
        assert await reader.accounts.owner(replica.id) == ALICE
        assert await reader.accounts.owner(AccountId("nothing")) is None
    assert await listed(store, BOB) == []


async def b103_an_id_is_taken_once(store: Store) -> None:
    account = of_alice()
    await put(store, account)
    try:
        await put(store, replace(account, name="again"))
    except ConflictError:
        pass
    else:
        raise AssertionError("the second account with one id was taken")
    async with store.reader() as reader:
        assert await reader.accounts.get(ALICE, account.id) == account


async def b104_replicas_stand_in_their_account_and_follow_it(store: Store) -> None:
    account = of_alice()
    await put(store, account)
    replicas = [
        a_replica(account, magic=n, created_at=later(n), region=Region(f"r{n}"), tags=[str(n)])
        for n in (2, 1)
    ]
    for replica in replicas:
        await put_replica(store, account, replica)
    renamed = replace(account, name="New", server=ServerName("Other"), login=Login("1"), slippage=3.0)
    async with store.transaction() as tx:
        await tx.accounts.update(renamed)
        await tx.accounts.update(replace(replicas[0], magic=77))
    async with store.reader() as reader:
        shown = await reader.accounts.get(ALICE, account.id)
        stored = await reader.accounts.replicas(ALICE, account.id)
        one = await reader.accounts.replica(ALICE, account.id, replicas[0].id)
    assert shown is not None
    assert [replica.magic for replica in shown.account_replicas] == [1, 77]
    assert [one.account.id for one in stored] == [replicas[1].id, replicas[0].id]
    assert one is not None
    assert one.primary_id == account.id
    assert (one.account.name, one.account.server, one.account.login) == ("New", "Other", "1")
    assert (one.account.magic, one.account.slippage, one.account.region) == (77, 3.0, "r2")
    assert not one.account.primary_replica
    assert await listed(store) == [account.id]


async def b105_an_update_changes_settings_and_keeps_the_deployment(store: Store) -> None:
    account = of_alice(state=AccountState.DEPLOYED, connection_status=ConnectionStatus.CONNECTED)
    await put(store, account)
    changed = replace(account, name="Zwölf Boxkämpfer", tags=["t"], magic=9)
    async with store.transaction() as tx:
        await tx.accounts.update(replace(changed, state=AccountState.DELETING))
    async with store.reader() as reader:
        assert await reader.accounts.get(ALICE, account.id) == changed
    assert await listed(store, query="ZWÖLF") == [account.id]
    assert await listed(store, query=account.name) == []


async def b106_an_update_of_what_is_gone_or_foreign_is_refused(store: Store) -> None:
    account = of_alice()
    await put(store, account)
    for wrong in (of_alice(), replace(account, user_id=BOB)):
        try:
            async with store.transaction() as tx:
                await tx.accounts.update(wrong)
        except NotFoundError:
            continue
        raise AssertionError("the update was taken")


async def b107_removal_takes_everything_along_and_may_repeat(store: Store) -> None:
    account, other = of_alice(1), of_alice(2)
    await put(store, account, other)
    replica = a_replica(account)
    await put_replica(store, account, replica)
    secret = SealedSecret(table=ACCOUNTS_TABLE, record_id=account.id, field=PASSWORD, sealed=b"x")
    expert = Expert(expert_id=ExpertId("e"), period="1m", symbol=Symbol("X"), file_uploaded=False)
    link = StoredLink(token_hash="h", account_id=account.id, created_at=START, expires_at=later(9))
    async with store.transaction() as tx:
        await tx.secrets.put(secret)
        await tx.secrets.put(replace_secret(secret, other.id))
        await tx.experts.put(account.id, expert)
        await tx.links.add(link)
        await tx.leases.acquire_many([account.id, replica.id], "host", START, later(9))
    for _ in range(2):
        async with store.transaction() as tx:
            await tx.accounts.remove(account.id)
    async with store.reader() as reader:
        assert await reader.accounts.get(ALICE, account.id) is None
        assert await reader.deployments.get_many([account.id, replica.id]) == {}
        assert await reader.secrets.get(ACCOUNTS_TABLE, account.id, PASSWORD) is None
        assert await reader.secrets.get(ACCOUNTS_TABLE, other.id, PASSWORD) == b"x"
        assert await reader.experts.all(account.id) == []
        assert await reader.links.get("h") is None
        assert await reader.accounts.count(ALICE) == 1
    assert await listed(store, query="account") == [other.id]


def replace_secret(secret: SealedSecret, record_id: str) -> SealedSecret:
    """Return the same secret for another record."""
    return replace(secret, record_id=record_id)


async def b108_removing_a_replica_leaves_its_account(store: Store) -> None:
    account = of_alice()
    await put(store, account)
    replica = a_replica(account)
    await put_replica(store, account, replica)
    async with store.transaction() as tx:
        await tx.accounts.remove(replica.id)
    async with store.reader() as reader:
        assert await reader.accounts.get(ALICE, account.id) == account


async def b109_counts_see_replicas_regions_and_profiles(store: Store) -> None:
    account = of_alice(provisioning_profile_id=ProfileId("p"))
    await put(store, account, of_alice(2), of_alice(3, user_id=BOB))
    await put_replica(store, account, a_replica(account))
    async with store.reader() as reader:
        assert await reader.accounts.count(ALICE) == 3
        assert await reader.accounts.count(ALICE, Region("far")) == 1
        assert await reader.accounts.using_profile(ALICE, ProfileId("p")) == 1
        assert await reader.accounts.using_profile(BOB, ProfileId("p")) == 0


async def b112_usage_counts_what_quotas_are_about(store: Store) -> None:
    near, far = of_alice().region, Region("far")
    running = AccountState.DEPLOYED
    first = of_alice(1, state=running, metadata={"copyFactoryRoles": ["x"], "nul": "\x00"})
    second = of_alice(2, copy_factory_roles=[CopyFactoryRole.PROVIDER], allocate_dedicated_ip="ipv4")
    await put(store, first, second, of_alice(3, state=running), of_alice(4, user_id=BOB))
    await put_replica(store, second, a_replica(second, state=running))
    async with store.reader() as reader:
        usage = await reader.accounts.usage(ALICE)
        assert await reader.accounts.usage(UserId("nobody")) == []
    found = {
        (u.region, u.type, u.state, u.has_copy_factory_roles, u.has_dedicated_ip): u.count for u in usage
    }
    assert found == {
        (near, first.type, running, False, False): 2,
        (near, first.type, second.state, True, True): 1,
        (far, first.type, running, True, True): 1,
    }


async def b110_run_settings_join_account_password_and_broker(store: Store) -> None:
    account, draft = of_alice(1, slippage=2.0), of_alice(2, login=None)
    await put(store, account, draft, of_alice(3))
    replica = a_replica(account, magic=5, slippage=None)
    await put_replica(store, account, replica)
    broker = BrokerSettings(broker_timezone="EET", broker_dst_switch_timezone="America/New_York")
    async with store.transaction() as tx:
        await tx.accounts.set_broker(account.id, broker)
        for one in (account, draft):
            await tx.secrets.put(
                SealedSecret(table=ACCOUNTS_TABLE, record_id=one.id, field=PASSWORD, sealed=b"sealed")
            )
    async with store.reader() as reader:
        found = await reader.accounts.run_settings([account.id, replica.id, draft.id, AccountId("none")])
        shown = await reader.accounts.get(ALICE, account.id)
    assert set(found) == {account.id, replica.id}
    assert found[account.id].account == shown
    of_replica = found[replica.id]
    assert (of_replica.credentials_id, of_replica.sealed_password) == (account.id, b"sealed")
    assert of_replica.broker == broker
    own = of_replica.account
    assert (own.id, own.magic, own.slippage) == (replica.id, 5, 2.0)


async def b111_text_that_cannot_be_stored_is_refused(store: Store) -> None:
    for wrong in (of_alice(name="a\x00b"), of_alice(name="\ud800"), of_alice(tags=["\udfff"])):
        try:
            await put(store, wrong)
        except ValidationError:
            continue
        raise AssertionError("it was taken")
    async with store.reader() as reader:
        for query in ("a\x00b", "\ud800"):
            try:
                await reader.accounts.find(ALICE, AccountFilter(offset=0, limit=10, query=query))
            except ValidationError:
                continue
            raise AssertionError("it was taken")


async def b112_numbers_that_cannot_be_kept_exactly_are_refused(store: Store) -> None:
    for wrong in (of_alice(magic=2**63), of_alice(slippage=float("nan")), of_alice(slippage=float("inf"))):
        try:
            await put(store, wrong)
        except ValidationError:
            continue
        raise AssertionError("it was taken")
    lowest = of_alice(magic=-(2**63))
    await put(store, lowest)
    assert await listed(store) == [lowest.id]


async def b113_large_values_are_kept(store: Store) -> None:
    account = of_alice(name="n" * 100_000 + "Ende", metadata={"x": "y" * 1_000_000})
    await put(store, account)
    async with store.reader() as reader:
        assert await reader.accounts.get(ALICE, account.id) == account
    assert await listed(store, query="nEND") == [account.id]
    assert await listed(store, query="n" * 50_000) == [account.id]


async def b121_lists_are_ordered_by_creation_then_id_also_within_a_moment(store: Store) -> None:
    accounts = [of_alice(n, created_at=later(n % 3)) for n in range(60)]
    await put(store, *accounts)
    expected = ids(accounts)
    assert await listed(store) == expected
    for query in (None, "account", "sandbox-mt5", "t"):
        for start in range(0, 61, 7):
            page = await listed(store, query=query, offset=start, limit=7)
            assert page == expected[start : start + 7]
    assert await listed(store, offset=60, limit=7) == []
    assert await listed(store, limit=0) == []


def _matches(account: Account, query: str) -> bool:
    fields = (account.id, account.name, account.server, account.login or "")
    return any(query.casefold() in field.casefold() for field in fields)


async def b122_a_query_is_a_part_of_id_name_server_or_login_in_any_case(store: Store) -> None:
    latin = ["Straße", "STRASSE", "İstanbul", "a_b", "a%b", "axb", "a\\b", "100%", '"q"', "a*b", "", " "]
    names = [*latin, "ΣΊΣΥΦΟΣ", "漢字かな", "É", "é"]
    accounts = [of_alice(n, name=name) for n, name in enumerate(names)]
    await put(store, *accounts, of_alice(99, user_id=BOB, name="Straße"))
    parts = {
        name[start:end]
        for name in names
        for start in range(len(name))
        for end in (start + 1, start + 3, len(name))
    }
    queries = parts | {"straße", "σίσυφος", "MT5", "sandbox", "10000", "% OR", "_", "*", "NOT a", "zzz"}
    queries |= {accounts[0].id, accounts[0].id[5:20].upper(), "5\x1f1", "\x1f"}
    for query in sorted(queries):
        expected = ids(account for account in accounts if _matches(account, query))
        assert await listed(store, query=query) == expected, query


async def b123_an_empty_query_is_no_filter(store: Store) -> None:
    account = of_alice()
    await put(store, account)
    assert await listed(store, query="") == [account.id]


def _criteria() -> Iterator[dict[str, object]]:
    for states, statuses, query, profile in itertools.product(
        (None, {AccountState.DEPLOYED}, {AccountState.DEPLOYED, AccountState.CREATED, AccountState.DRAFT}),
        (None, {ConnectionStatus.CONNECTED}, {ConnectionStatus.DISCONNECTED, ConnectionStatus.CONNECTED}),
        (None, "even", "1", "sandbox"),
        (None, ProfileId("p0")),
    ):
        yield {
            "states": frozenset(states) if states else None,
            "connection_statuses": frozenset(statuses) if statuses else None,
            "query": query,
            "provisioning_profile_id": profile,
        }


def _passes(account: Account, criteria: dict[str, object]) -> bool:
    states, statuses = criteria["states"], criteria["connection_statuses"]
    return (
        (not isinstance(states, frozenset) or account.state in states)
        and (not isinstance(statuses, frozenset) or account.connection_status in statuses)
        and (not isinstance(criteria["query"], str) or _matches(account, criteria["query"]))
        and criteria["provisioning_profile_id"] in (None, account.provisioning_profile_id)
    )


def _mixed(count: int) -> list[Account]:
    states = [AccountState.DEPLOYED, AccountState.CREATED, AccountState.UNDEPLOYED]
    statuses = [ConnectionStatus.CONNECTED, ConnectionStatus.DISCONNECTED]
    return [
        of_alice(
            n,
            name=f"{'even' if n % 2 == 0 else 'odd'} {n}",
            state=states[n * 7 % 3],
            connection_status=statuses[n * 5 % 2],
            provisioning_profile_id=ProfileId(f"p{n % 4}"),
            version=4 + n % 2,
            type=AccountType.CLOUD_G1 if n % 5 == 0 else AccountType.CLOUD_G2,
        )
        for n in range(count)
    ]


async def b124_filters_combine_with_and(store: Store) -> None:
    accounts = _mixed(300)
    await put(store, *accounts)
    for criteria in _criteria():
        expected = ids(account for account in accounts if _passes(account, criteria))
        assert await listed(store, ALICE, **criteria) == expected, criteria
        for offset, limit in ((0, 1), (3, 10), (50, 100)):
            page = await listed(store, ALICE, **criteria, offset=offset, limit=limit)
            assert page == expected[offset : offset + limit], criteria


async def b125_versions_types_and_ids_filter(store: Store) -> None:
    accounts = _mixed(40)
    await put(store, *accounts)
    old = ids(account for account in accounts if account.version == 4)
    assert await listed(store, versions=frozenset({4})) == old
    first = ids(account for account in accounts if account.type is AccountType.CLOUD_G1)
    assert await listed(store, types=frozenset({AccountType.CLOUD_G1})) == first
    some = ids(accounts[5:9])
    wanted = frozenset([*some, AccountId("unknown")])
    assert await listed(store, ids=wanted) == some
    assert await listed(store, ids=wanted, offset=1, limit=2) == some[1:3]
    assert await listed(store, ids=wanted, query="even") == [one.id for one in accounts[6:9:2]]
    assert await listed(store, BOB, ids=wanted) == []
    for nothing in ("ids", "states", "versions", "types", "connection_statuses"):
        assert await listed(store, ALICE, **{nothing: frozenset()}) == []


async def b126_ten_thousand_ids_may_be_asked_for(store: Store) -> None:
    account = of_alice()
    await put(store, account)
    wanted = frozenset([account.id, *(AccountId(f"unknown {n}") for n in range(10_000))])
    assert await listed(store, ids=wanted) == [account.id]
    async with store.reader() as reader:
        assert set(await reader.deployments.get_many(sorted(wanted))) == {account.id}
        assert await reader.accounts.run_settings(sorted(wanted)) == {}


async def b127_a_list_follows_changes_of_state(store: Store) -> None:
    account = of_alice()
    await put(store, account)
    deployed = frozenset({AccountState.DEPLOYED})
    assert await listed(store, states=deployed) == []
    async with store.transaction() as tx:
        await tx.deployments.put_many([replace(created(account.id), state=AccountState.DEPLOYED)])
    assert await listed(store, states=deployed) == [account.id]
    assert await listed(store, states=deployed, query="account") == [account.id]


ACCOUNTS: tuple[Behaviour, ...] = (
    b101_an_account_comes_back_as_it_was_put_in,
    b102_a_foreign_or_unknown_id_finds_nothing,
    b103_an_id_is_taken_once,
    b104_replicas_stand_in_their_account_and_follow_it,
    b105_an_update_changes_settings_and_keeps_the_deployment,
    b106_an_update_of_what_is_gone_or_foreign_is_refused,
    b107_removal_takes_everything_along_and_may_repeat,
    b108_removing_a_replica_leaves_its_account,
    b109_counts_see_replicas_regions_and_profiles,
    b112_usage_counts_what_quotas_are_about,
    b110_run_settings_join_account_password_and_broker,
    b111_text_that_cannot_be_stored_is_refused,
    b112_numbers_that_cannot_be_kept_exactly_are_refused,
    b113_large_values_are_kept,
    b121_lists_are_ordered_by_creation_then_id_also_within_a_moment,
    b122_a_query_is_a_part_of_id_name_server_or_login_in_any_case,
    b123_an_empty_query_is_no_filter,
    b124_filters_combine_with_and,
    b125_versions_types_and_ids_filter,
    b126_ten_thousand_ids_may_be_asked_for,
    b127_a_list_follows_changes_of_state,
)
