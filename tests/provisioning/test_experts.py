import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mtfleet.domain.access import Caller
from mtfleet.domain.accounts import Account, AccountType
from mtfleet.domain.errors import ForbiddenError, NotFoundError, ValidationError
from mtfleet.domain.experts import PERIODS, Expert
from mtfleet.domain.ids import AccountId, ExpertId, Symbol, TokenId, UserId
from mtfleet.provisioning.experts import MAX_EXPERTS, MAX_PRESET_BYTES, ExpertService, decode_preset
from mtfleet.provisioning.options import default_options
from mtfleet.security.keys import FileKeySource
from mtfleet.security.vault import Vault
from mtfleet.store.base import EXPERTS, Store
from mtfleet.testing.accounts import add_account
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.store import open_test_store
from mtfleet.wire.requests import ExpertBody

ANNA = Caller(user_id=UserId("a" * 32), token_id=TokenId("t-a"), is_administrator=False)
BERT = Caller(user_id=UserId("b" * 32), token_id=TokenId("t-b"), is_administrator=False)
EA = ExpertId("expertId")
PRESET = "a2V5MT12YWx1ZTEKa2V5Mj12YWx1ZTIKa2V5Mz12YWx1ZTMKc3VwZXI9dHJ1ZQ"
GOOD = ExpertBody(period="1h", symbol="EURUSD", preset=PRESET)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with open_test_store("sqlite") as opened:
        yield opened


@pytest.fixture
async def vault(store: Store, tmp_path: Path) -> Vault:
    return await Vault.open(store, FileKeySource(tmp_path / "master.key"))


@pytest.fixture
def service(store: Store, vault: Vault) -> ExpertService:
    return ExpertService(store, vault, FakeClock(), replace(default_options(), max_upload_bytes=1000))


@pytest.fixture
async def account(store: Store) -> Account:
    return await add_account(store, ANNA, version=4, type=AccountType.CLOUD_G1)


async def test_an_expert_is_created_changed_and_deleted(
    service: ExpertService, vault: Vault, store: Store, account: Account
) -> None:
    async def preset() -> bytes:
        place = {"table": EXPERTS, "record_id": account.id, "field": EA}
        async with store.reader() as tx:
            sealed = await tx.secrets.get(**place)
        assert sealed is not None
        return base64.b64decode(vault.unseal(sealed, **place).reveal())

    await service.put(ANNA, account.id, EA, GOOD)
    expected = Expert(expert_id=EA, period="1h", symbol=Symbol("EURUSD"), file_uploaded=False)
    assert await service.get(ANNA, account.id, EA) == expected
    await service.upload_file(ANNA, account.id, EA, b"EX-04")
    await service.put(ANNA, account.id, EA, ExpertBody(period=" 4H ", symbol="GBPUSD#"))
    changed = Expert(expert_id=EA, period="4h", symbol=Symbol("GBPUSD#"), file_uploaded=True)
    assert await service.list(ANNA, account.id) == [changed]
    async with store.reader() as tx:
        assert await tx.experts.file(account.id, EA) == b"EX-04"
    assert await preset() == b"key1=value1\nkey2=value2\nkey3=value3\nsuper=true"
    await service.put(ANNA, account.id, EA, replace(GOOD, preset=""))
    assert await preset() == b""
    await service.remove(ANNA, account.id, EA)
    assert await service.list(ANNA, account.id) == []
    with pytest.raises(NotFoundError):
        await service.remove(ANNA, account.id, EA)
    async with store.reader() as tx:
        log = await tx.audit.page()
    assert [entry.action for entry in log] == [
        "expert.created",
        "expert.file_uploaded",
        "expert.updated",
        "expert.updated",
        "expert.deleted",
    ]
    assert "key1" not in repr(log)


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"version": 5}, "platform"),
        ({"version": 5, "type": AccountType.CLOUD_G1}, "platform"),
        ({"version": 4}, "type"),
    ],
)
async def test_an_account_that_takes_no_experts_says_why(
    service: ExpertService, store: Store, changes: dict[str, Any], parameter: str
) -> None:
    other = await add_account(store, ANNA, **changes)
    with pytest.raises(ValidationError) as caught:
        await service.put(ANNA, other.id, EA, GOOD)
    assert caught.value.details[0].parameter == parameter
    assert await service.list(ANNA, other.id) == []


@pytest.mark.parametrize(
    ("changes", "parameters"),
    [
        ({"period": None}, ["period"]),
        ({"period": "2h"}, ["period"]),
        ({"symbol": None}, ["symbol"]),
        ({"symbol": " "}, ["symbol"]),
        ({"symbol": "x" * 65}, ["symbol"]),
        ({"preset": "not base64!"}, ["preset"]),
        ({"preset": "abcde"}, ["preset"]),
        ({"preset": "A" * (2 * MAX_PRESET_BYTES + 1)}, ["preset"]),
        ({"preset": "A" * (MAX_PRESET_BYTES // 3 * 4 + 8)}, ["preset"]),
        ({"period": "x", "symbol": None, "preset": "é"}, ["period", "symbol", "preset"]),
    ],
)
async def test_every_wrong_field_is_named(
    service: ExpertService, account: Account, changes: dict[str, Any], parameters: list[str]
) -> None:
    with pytest.raises(ValidationError) as caught:
        await service.put(ANNA, account.id, EA, replace(GOOD, **changes))
    assert [p.parameter for p in caught.value.details] == parameters
    assert await service.list(ANNA, account.id) == []


@pytest.mark.parametrize("period", [p for period in PERIODS for p in (period, period.upper())])
async def test_periods_in_any_case(service: ExpertService, account: Account, period: str) -> None:
    await service.put(ANNA, account.id, EA, replace(GOOD, period=period))
    assert (await service.get(ANNA, account.id, EA)).period == period.lower()


@pytest.mark.parametrize("expert_id", ["", "x" * 129, "a\nb"])
async def test_an_expert_needs_an_id(service: ExpertService, account: Account, expert_id: str) -> None:
    with pytest.raises(ValidationError) as caught:
        await service.put(ANNA, account.id, ExpertId(expert_id), GOOD)
    assert caught.value.details[0].parameter == "expertId"


async def test_ids_are_the_callers_and_keep_their_order(service: ExpertService, account: Account) -> None:
    ids = [ExpertId(i) for i in ("z/1", "a #2", "ü", "A", "a")]
    for expert_id in ids:
        await service.put(ANNA, account.id, expert_id, GOOD)
    await service.put(ANNA, account.id, ids[0], GOOD)
    assert [e.expert_id for e in await service.list(ANNA, account.id)] == ids


@pytest.mark.parametrize("content", [b"", b"x" * 1001, b"MZ\x90\x00library"])
async def test_what_can_not_be_uploaded(service: ExpertService, account: Account, content: bytes) -> None:
    await service.put(ANNA, account.id, EA, GOOD)
    with pytest.raises(ValidationError) as caught:
        await service.upload_file(ANNA, account.id, EA, content)
    assert caught.value.details[0].parameter == "file"
    assert not (await service.get(ANNA, account.id, EA)).file_uploaded


async def test_what_is_foreign_or_unknown_is_not_found(service: ExpertService, account: Account) -> None:
    await service.put(ANNA, account.id, EA, GOOD)
    for caller, account_id, expert_id in [
        (BERT, account.id, EA),
        (ANNA, AccountId("unknown"), EA),
        (ANNA, account.id, ExpertId("unknown")),
    ]:
        with pytest.raises(NotFoundError):
            await service.get(caller, account_id, expert_id)
        with pytest.raises(NotFoundError):
            await service.upload_file(caller, account_id, expert_id, b"x")
        with pytest.raises(NotFoundError):
            await service.remove(caller, account_id, expert_id)
    with pytest.raises(NotFoundError):
        await service.list(BERT, account.id)
    with pytest.raises(NotFoundError):
        await service.put(BERT, account.id, EA, GOOD)


async def test_an_account_takes_so_many_and_no_more(service: ExpertService, account: Account) -> None:
    for n in range(MAX_EXPERTS):
        await service.put(ANNA, account.id, ExpertId(str(n)), replace(GOOD, preset=None))
    with pytest.raises(ForbiddenError):
        await service.put(ANNA, account.id, EA, GOOD)
    await service.put(ANNA, account.id, ExpertId("0"), GOOD)


@given(st.binary(max_size=60), st.booleans(), st.booleans(), st.integers(1, 20))
def test_base64_is_read_in_every_dress(preset: bytes, is_urlsafe: bool, is_padded: bool, width: int) -> None:
    text = (base64.urlsafe_b64encode if is_urlsafe else base64.b64encode)(preset).decode()
    if not is_padded:
        text = text.rstrip("=")
    wrapped = "\r\n".join(text[i : i + width] for i in range(0, len(text), width))
    assert decode_preset(wrapped) == preset
