"""The store's contract, part 3: all but accounts, deployments and leases."""
# ruff: noqa: S101, PT017, S106 - asserts are what a contract is made of; the secrets are made up

from msgspec.structs import replace

from mtfleet.domain.access import AuditEntry, IssuedToken, User
from mtfleet.domain.errors import ConflictError, NotFoundError, ValidationError
from mtfleet.domain.experts import Expert
from mtfleet.domain.ids import AccountId, ExpertId, ProfileId, Region, Symbol, TokenId, TransactionId
from mtfleet.domain.profiles import Profile, ProfileFilter, ProfileStatus, ProfileType
from mtfleet.store.base import (
    EXPERTS,
    OPERATIONS,
    PROFILES,
    Operation,
    QuotaRequest,
    SealedSecret,
    Store,
    StoredLink,
)
from mtfleet.testing.store_contract_cases import ALICE, BOB, START, Behaviour, later, of_alice, put


async def b301_users_have_unique_names(store: Store) -> None:
    alice = User(id=ALICE, name="Älice", is_administrator=True, created_at=later(1))
    bob = User(id=BOB, name="bob", is_administrator=False, created_at=START)
    async with store.transaction() as tx:
        await tx.users.add(alice)
        await tx.users.add(bob)
    try:
        async with store.transaction() as tx:
            await tx.users.add(replace(bob, id=ALICE[::-1] + "x"))
    except ConflictError as error:
        assert "bob" in error.message
    else:
        raise AssertionError("a name was taken twice")
    async with store.reader() as reader:
        assert await reader.users.get(ALICE) == alice
        assert await reader.users.named("bob") == bob
        assert await reader.users.named("BOB") is None
        assert await reader.users.all() == [bob, alice]


def _token(name: str, parent: str | None = None) -> IssuedToken:
    return IssuedToken(
        id=TokenId(name),
        user_id=ALICE,
        parent_id=None if parent is None else TokenId(parent),
        created_at=START,
        expires_at=later(3600),
    )


async def b302_a_revoked_token_takes_its_descendants_along(store: Store) -> None:
    line = [_token("root"), _token("child", "root"), _token("grandchild", "child"), _token("other")]
    async with store.transaction() as tx:
        for token in line:
            await tx.tokens.add(token)
        assert all([await tx.tokens.is_live(token.id) for token in line])
        await tx.tokens.revoke(TokenId("child"), later(5))
        await tx.tokens.revoke(TokenId("child"), later(6))
    async with store.reader() as reader:
        live = [token.id for token in line if await reader.tokens.is_live(token.id)]
        assert live == ["root", "other"]
        found = await reader.tokens.get(TokenId("grandchild"))
        assert found is not None
        assert found.revoked_at == later(5)
        assert not await reader.tokens.is_live(TokenId("unknown"))
        assert [token.id for token in await reader.tokens.of_user(ALICE)] == sorted(one.id for one in line)
        assert await reader.tokens.of_user(BOB) == []


async def b303_a_child_of_a_revoked_token_is_never_live(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.tokens.add(_token("root"))
        await tx.tokens.revoke(TokenId("root"), later(1))
        await tx.tokens.add(_token("late", "root"))
        assert not await tx.tokens.is_live(TokenId("late"))
    try:
        async with store.transaction() as tx:
            await tx.tokens.add(_token("orphan", "nobody"))
    except NotFoundError:
        return
    raise AssertionError("a token without its parent was taken")


async def b304_the_last_use_of_a_token_only_moves_on(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.tokens.add(_token("t"))
        await tx.tokens.touch({TokenId("t"): later(9), TokenId("unknown"): later(1)})
        await tx.tokens.touch({TokenId("t"): later(3)})
        await tx.tokens.touch({})
        found = await tx.tokens.get(TokenId("t"))
    assert found == replace(_token("t"), last_used_at=later(9))


def _secret(record: str, field: str = "f", sealed: bytes = b"\x00\xff1") -> SealedSecret:
    return SealedSecret(table="t", record_id=record, field=field, sealed=sealed)


async def b311_secrets_are_bytes_under_table_record_and_field(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.secrets.put(_secret("r", "f", b"old"))
        await tx.secrets.put(_secret("r", "f"))
        await tx.secrets.put(_secret("r", "g"))
        await tx.secrets.put(_secret("s"))
        await tx.secrets.remove("t", "s")
        await tx.secrets.remove("t", "s")
        assert await tx.secrets.get("t", "r", "f") == b"\x00\xff1"
        assert await tx.secrets.get("u", "r", "f") is None
        await tx.secrets.remove("t", "r")
        assert await tx.secrets.get("t", "r", "g") is None


async def b312_secrets_are_walked_and_swapped_for_rotation(store: Store) -> None:
    async with store.transaction() as tx:
        for n in range(7):
            await tx.secrets.put(_secret(f"r{n}"))
        await tx.secrets.put(_secret("r0", sealed=b"changed"))
    seen: list[str] = []
    after = 0
    async with store.transaction() as tx:
        while page := await tx.secrets.page(after=after, limit=3):
            after = page[-1][0]
            seen += [secret.record_id for _, secret in page]
        assert not await tx.secrets.replace(_secret("r0"), b"new")
        assert await tx.secrets.replace(_secret("r0", sealed=b"changed"), b"new")
        assert await tx.secrets.get("t", "r0", "f") == b"new"
    assert seen == [f"r{n}" for n in range(7)]


async def b313_data_keys_are_kept_by_id(store: Store) -> None:
    async with store.transaction() as tx:
        assert await tx.secrets.data_keys() == {}
        await tx.secrets.put_data_key("k1", b"1")
        await tx.secrets.put_data_key("k2", b"2")
        await tx.secrets.put_data_key("k1", b"again")
        assert await tx.secrets.data_keys() == {"k1": b"again", "k2": b"2"}


def _profile(name: str, **changes: object) -> Profile:
    values: dict[str, object] = {
        "id": ProfileId(name.lower()),
        "name": name,
        "version": 5,
        "status": ProfileStatus.NEW,
        "broker_timezone": "EET",
        "broker_dst_switch_timezone": "EET",
        "type": ProfileType.MT_TERMINAL,
    }
    return Profile(**(values | changes))  # type: ignore[arg-type]  # callers give the fields' own types


async def b321_profiles_are_listed_in_order_with_filters(store: Store) -> None:
    kept = [_profile("Zwei"), _profile("eins", version=4), _profile("STRASSE 3", status=ProfileStatus.ACTIVE)]
    async with store.transaction() as tx:
        for profile in kept:
            await tx.profiles.add(ALICE, profile)
        await tx.profiles.add(BOB, _profile("foreign"))
    async with store.reader() as reader:

        async def find(**criteria: object) -> list[str]:
            values = {"offset": 0, "limit": 10} | criteria
            page = await reader.profiles.find(ALICE, ProfileFilter(**values), with_count=True)  # type: ignore[arg-type]  # fields' own types
            assert page.count is not None
            assert page.count >= len(page.items)
            return [profile.name for profile in page.items]

        assert await find() == ["Zwei", "eins", "STRASSE 3"]
        assert await find(offset=1, limit=1) == ["eins"]
        assert await find(query="straße") == ["STRASSE 3"]
        assert await find(query="ei") == ["Zwei", "eins"]
        assert await find(query="%") == []
        assert await find(version=4) == ["eins"]
        assert await find(status=ProfileStatus.ACTIVE) == ["STRASSE 3"]
        assert await find(type=ProfileType.MANAGER_API) == []
        assert await reader.profiles.count(ALICE) == 3
        assert await reader.profiles.get(BOB, kept[0].id) is None
        assert await reader.profiles.get(ALICE, kept[0].id) == kept[0]


async def b322_a_profile_changes_and_goes_with_its_files_and_secrets(store: Store) -> None:
    profile = _profile("p")
    secret = SealedSecret(table=PROFILES, record_id=profile.id, field="manager_password", sealed=b"s")
    async with store.transaction() as tx:
        await tx.profiles.add(ALICE, profile)
        await tx.secrets.put(secret)
        await tx.profiles.put_file(profile.id, "servers.dat", b"old")
        await tx.profiles.put_file(profile.id, "servers.dat", bytes(range(256)) * 10_000)
        await tx.profiles.put_file(profile.id, "other", b"")
        changed = replace(profile, name="q", status=ProfileStatus.ACTIVE)
        await tx.profiles.update(BOB, replace(changed, name="stolen"))
        await tx.profiles.update(ALICE, changed)
        await tx.profiles.remove(BOB, profile.id)
        assert await tx.profiles.get(ALICE, profile.id) == changed
        assert await tx.profiles.file_names(profile.id) == {"servers.dat", "other"}
        files = await tx.profiles.files(profile.id)
        assert files == {"servers.dat": bytes(range(256)) * 10_000, "other": b""}
        await tx.profiles.remove(ALICE, profile.id)
        assert await tx.profiles.files(profile.id) == {}
        assert await tx.secrets.get(PROFILES, profile.id, "manager_password") is None
    try:
        async with store.transaction() as tx:
            await tx.profiles.put_file(profile.id, "late", b"")
    except NotFoundError:
        return
    raise AssertionError("a file without its profile was taken")


async def b323_experts_keep_their_file_when_they_change(store: Store) -> None:
    account = of_alice()
    await put(store, account)
    first, second = (
        Expert(expert_id=ExpertId(name), period="1h", symbol=Symbol("EUR/USD"), file_uploaded=False)
        for name in ("b", "a")
    )
    async with store.transaction() as tx:
        await tx.experts.put(account.id, first)
        await tx.experts.put(account.id, second)
        await tx.experts.put_file(account.id, first.expert_id, b"\x00file")
        await tx.experts.put(account.id, replace(first, period="4h"))
        for name in ("a", "b"):
            preset = SealedSecret(table=EXPERTS, record_id=account.id, field=name, sealed=b"preset")
            await tx.secrets.put(preset)
    async with store.reader() as reader:
        changed = replace(first, period="4h", file_uploaded=True)
        assert await reader.experts.all(account.id) == [changed, second]
        assert await reader.experts.file(account.id, first.expert_id) == b"\x00file"
        assert await reader.experts.file(account.id, second.expert_id) is None
        assert await reader.experts.get(account.id, ExpertId("none")) is None
    async with store.transaction() as tx:
        await tx.experts.remove(account.id, first.expert_id)
        await tx.experts.remove(account.id, first.expert_id)
        assert await tx.experts.all(account.id) == [second]
        assert await tx.secrets.get(EXPERTS, account.id, "b") is None
        assert await tx.secrets.get(EXPERTS, account.id, "a") == b"preset"
        await tx.accounts.remove(account.id)
        assert await tx.secrets.get(EXPERTS, account.id, "a") is None


def _operation(name: str = "t", **changes: object) -> Operation:
    values: dict[str, object] = {
        "user_id": ALICE,
        "route": "POST /x",
        "transaction_id": TransactionId(name),
        "request_hash": "hash",
        "entity_id": f"entity {name}",
        "stage": "looking",
        "started_at": START,
    }
    return Operation(**(values | changes))  # type: ignore[arg-type]  # callers give the fields' own types


async def b331_an_operation_begins_once_and_ends_with_its_outcome(store: Store) -> None:
    begun = _operation()
    outcome = {"error": "E", "message": "ü", "details": [{"n": 1.5, "x": None}]}
    ended = replace(begun, stage="done", finished_at=later(2), is_success=False, outcome=outcome)
    async with store.transaction() as tx:
        assert await tx.operations.begin(begun) == begun
        assert await tx.operations.begin(replace(begun, request_hash="y", entity_id="z")) == begun
        assert await tx.operations.begin(replace(begun, user_id=BOB)) == replace(begun, user_id=BOB)
        await tx.operations.put(ended)
    async with store.reader() as reader:
        assert await reader.operations.get(ALICE, "POST /x", begun.transaction_id) == ended
        assert await reader.operations.get(ALICE, "POST /y", begun.transaction_id) is None
        assert await reader.operations.unfinished() == [replace(begun, user_id=BOB)]


async def b332_unfinished_operations_come_oldest_first_and_finished_ones_are_forgotten(store: Store) -> None:
    async with store.transaction() as tx:
        for n in (3, 1, 2):
            await tx.operations.begin(_operation(str(n), started_at=later(n)))
            await tx.secrets.put(
                SealedSecret(table=OPERATIONS, record_id=f"entity {n}", field="f", sealed=b"s")
            )
        unfinished = await tx.operations.unfinished()
        assert [one.transaction_id for one in unfinished] == ["1", "2", "3"]
        for n in (1, 2):
            await tx.operations.put(_operation(str(n), started_at=later(n), finished_at=later(10 * n)))
        assert await tx.operations.forget(later(20)) == 1
        assert await tx.operations.get(ALICE, "POST /x", TransactionId("1")) is None
        assert await tx.secrets.get(OPERATIONS, "entity 1", "f") is None
        assert await tx.secrets.get(OPERATIONS, "entity 2", "f") == b"s"


async def b341_a_link_is_used_once_and_not_after_its_time(store: Store) -> None:
    account = of_alice()
    await put(store, account)
    link = StoredLink(token_hash="h", account_id=account.id, created_at=START, expires_at=later(10))
    async with store.transaction() as tx:
        await tx.links.add(link)
        await tx.links.add(replace(link, token_hash="i"))
        assert await tx.links.get("h") == link
        assert not await tx.links.consume("none", START)
        assert not await tx.links.consume("h", later(10))
        assert await tx.links.consume("h", later(9))
        assert not await tx.links.consume("h", later(9))
        assert await tx.links.get("h") == replace(link, used_at=later(9))
        assert await tx.links.get("i") == replace(link, token_hash="i")
        assert await tx.links.tidy(AccountId("other"), later(9)) == 0
        assert await tx.links.tidy(account.id, later(9)) == 1
        assert await tx.links.get("h") is None
        assert await tx.links.tidy(account.id, later(10)) == 0
    try:
        async with store.transaction() as tx:
            await tx.links.add(replace(link, token_hash="j", account_id=AccountId("gone")))
    except NotFoundError:
        return
    raise AssertionError("a link without its account was taken")


async def b351_the_audit_log_is_read_in_order(store: Store) -> None:
    entries = [
        AuditEntry(
            recorded_at=later(-n),
            user_id=(ALICE, BOB, None)[n % 3],
            action="account.created",
            entity="account",
            entity_id=f"e{n % 2}",
            outcome="done",
            details={"fields": ["name", "ü"]} if n else None,
        )
        for n in range(6)
    ]
    async with store.transaction() as tx:
        await tx.audit.append(entries[:4])
        await tx.audit.append(entries[4:])
        await tx.audit.append([])
    async with store.reader() as reader:
        everything = await reader.audit.page()
        assert [replace(entry, sequence=None) for entry in everything] == entries
        sequences = [entry.sequence or 0 for entry in everything]
        assert sequences == sorted(set(sequences))
        assert await reader.audit.page(after=sequences[1], limit=2) == everything[2:4]
        assert await reader.audit.page(user_id=ALICE) == everything[::3]
        assert await reader.audit.page(entity_id="e1") == everything[1::2]
        assert await reader.audit.page(user_id=BOB, entity_id="e0") == [everything[4]]


async def b361_a_quota_request_is_pending_once_per_region(store: Store) -> None:
    wish = QuotaRequest(user_id=ALICE, region=Region("r"), quotas={"accounts": 2**40}, created_at=START)
    newer = replace(wish, quotas={"accounts": 3}, message="bitte", created_at=later(1))
    async with store.transaction() as tx:
        assert await tx.quotas.put_request(wish)
        assert not await tx.quotas.put_request(newer)
        assert await tx.quotas.put_request(replace(wish, region=Region("s")))
        assert await tx.quotas.put_request(replace(wish, user_id=BOB))
        assert await tx.quotas.requests(ALICE) == [replace(wish, region=Region("s")), newer]


async def b371_text_that_cannot_be_stored_is_refused_everywhere(store: Store) -> None:
    async with store.reader() as reader:
        for wrong in ("a\x00", "\ud83d"):
            for read, arguments in (
                (reader.users.named, (wrong,)),
                (reader.operations.get, (ALICE, wrong, TransactionId("t"))),
                (reader.accounts.get, (ALICE, AccountId(wrong))),
                (reader.deployments.get, (AccountId(wrong),)),
                (reader.links.get, (wrong,)),
            ):
                try:
                    await read(*arguments)
                except ValidationError:
                    continue
                raise AssertionError("it was asked for")


RECORDS: tuple[Behaviour, ...] = (
    b301_users_have_unique_names,
    b302_a_revoked_token_takes_its_descendants_along,
    b303_a_child_of_a_revoked_token_is_never_live,
    b304_the_last_use_of_a_token_only_moves_on,
    b311_secrets_are_bytes_under_table_record_and_field,
    b312_secrets_are_walked_and_swapped_for_rotation,
    b313_data_keys_are_kept_by_id,
    b321_profiles_are_listed_in_order_with_filters,
    b322_a_profile_changes_and_goes_with_its_files_and_secrets,
    b323_experts_keep_their_file_when_they_change,
    b331_an_operation_begins_once_and_ends_with_its_outcome,
    b332_unfinished_operations_come_oldest_first_and_finished_ones_are_forgotten,
    b341_a_link_is_used_once_and_not_after_its_time,
    b351_the_audit_log_is_read_in_order,
    b361_a_quota_request_is_pending_once_per_region,
    b371_text_that_cannot_be_stored_is_refused_everywhere,
)
