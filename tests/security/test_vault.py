import asyncio
import contextlib
import os
import stat
import sys
from pathlib import Path

import pytest

from mtfleet.domain.secret import Secret
from mtfleet.security.keys import (
    CommandKeySource,
    EnvironmentKeySource,
    FileKeySource,
    KeySource,
    MasterKey,
    MasterKeyError,
)
from mtfleet.security.vault import SecretNotOpened, UnknownDataKey, Vault, VaultLocked, key_id_of
from mtfleet.store.base import SealedSecret, Store

PLACE = {"table": "accounts", "record_id": "a-1", "field": "password"}
PASSWORD = Secret("pä55 wörd")
posix = pytest.mark.skipif(os.name != "posix", reason="file modes are a matter of POSIX")


async def put(store: Store, vault: Vault, record_id: str, text: str) -> None:
    place = {"table": "accounts", "record_id": record_id, "field": "password"}
    async with store.transaction() as tx:
        await tx.secrets.put(SealedSecret(**place, sealed=vault.seal(Secret(text), **place)))


async def read(store: Store, vault: Vault, record_id: str) -> str:
    place = {"table": "accounts", "record_id": record_id, "field": "password"}
    async with store.reader() as tx:
        sealed = await tx.secrets.get(**place)
    assert sealed is not None
    return (await vault.open_secret(sealed, **place)).reveal()


def test_seals_and_opens(vault: Vault) -> None:
    sealed = vault.seal(PASSWORD, **PLACE)
    assert vault.unseal(sealed, **PLACE) == PASSWORD
    assert b"wo" not in sealed
    assert vault.seal(PASSWORD, **PLACE) != sealed  # a fresh nonce each time
    assert sealed[0] == 1


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"table": "profiles", "record_id": "a-1", "field": "password"},
        {"table": "accounts", "record_id": "a-2", "field": "password"},
        {"table": "accounts", "record_id": "a-1", "field": "investor"},
        {"table": "accountsa", "record_id": "-1", "field": "password"},
    ],
)
def test_a_moved_ciphertext_does_not_open(vault: Vault, elsewhere: dict[str, str]) -> None:
    sealed = vault.seal(PASSWORD, **PLACE)
    with pytest.raises(SecretNotOpened):
        vault.unseal(sealed, **elsewhere)


def test_a_changed_ciphertext_does_not_open(vault: Vault) -> None:
    sealed = vault.seal(PASSWORD, **PLACE)
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises((SecretNotOpened, UnknownDataKey)):
            vault.unseal(bytes(changed), **PLACE)
    for length in range(len(sealed)):
        with pytest.raises(SecretNotOpened):
            vault.unseal(sealed[:length], **PLACE)


async def test_opens_again_with_the_same_key_file(store: Store, vault: Vault, tmp_path: Path) -> None:
    sealed = vault.seal(PASSWORD, **PLACE)
    again = await Vault.open(store, FileKeySource(tmp_path / "master.key"))
    assert again.unseal(sealed, **PLACE) == PASSWORD
    assert again.keyed_hash(b"x", "link") == vault.keyed_hash(b"x", "link")


async def test_another_or_missing_master_key_is_refused_and_none_is_made(
    store: Store, vault: Vault, tmp_path: Path
) -> None:
    missing = tmp_path / "elsewhere.key"
    with pytest.raises(VaultLocked, match="No master key"):
        await Vault.open(store, FileKeySource(missing))
    assert not missing.exists()
    other = MasterKey.new().to_text()
    with pytest.raises(VaultLocked, match="Another master key") as caught:
        await Vault.open(store, EnvironmentKeySource("KEY", {"KEY": other}))
    assert other not in str(caught.value)


def test_keyed_hash_depends_on_purpose_and_data(vault: Vault) -> None:
    hashes = {vault.keyed_hash(d, p) for d in (b"a", b"b") for p in ("link", "request")}
    assert len(hashes) == 4
    assert all(len(h) == 64 and int(h, 16) >= 0 for h in hashes)


async def test_rotation_seals_everything_anew(store: Store, vault: Vault) -> None:
    for n in range(450):
        await put(store, vault, f"a-{n}", f"password {n}")
    hashed = vault.keyed_hash(b"x", "link")
    told: list[int] = []
    assert await vault.rotate(told.append) == 450
    assert told[-1] == 450
    assert told == sorted(told)
    async with store.reader() as tx:
        rows = await tx.secrets.page(limit=1000)
    assert len({key_id_of(s.sealed) for _, s in rows}) == 1
    assert [await read(store, vault, f"a-{n}") for n in (0, 199, 200, 449)] == [
        "password 0",
        "password 199",
        "password 200",
        "password 449",
    ]
    assert vault.keyed_hash(b"x", "link") == hashed


async def test_another_process_serves_on_through_rotation(store: Store, vault: Vault, tmp_path: Path) -> None:
    other = await Vault.open(store, FileKeySource(tmp_path / "master.key"))
    await put(store, vault, "a-1", "one")
    await vault.rotate()
    await put(store, other, "a-2", "two")  # sealed with the key that this process still takes for the newest
    sealed = vault.seal(PASSWORD, **PLACE)
    with pytest.raises(UnknownDataKey):
        other.unseal(sealed, **PLACE)
    assert await read(store, other, "a-1") == "one"
    assert other.unseal(sealed, **PLACE) == PASSWORD
    assert await read(store, vault, "a-2") == "two"
    assert await vault.rotate() == 2


async def test_a_secret_changed_during_rotation_keeps_its_new_value(store: Store, vault: Vault) -> None:
    for n in range(3):
        await put(store, vault, f"a-{n}", "old")
    original = vault.seal

    def seal_after_change(secret: Secret, *, table: str, record_id: str, field: str) -> bytes:
        changes.append(record_id)
        return original(secret, table=table, record_id=record_id, field=field)

    changes: list[str] = []
    stale = original(Secret("new"), table="accounts", record_id="a-1", field="password")
    vault.seal = seal_after_change  # type: ignore[method-assign]  # to look at the moment between read and swap
    async with store.transaction() as tx:
        await tx.secrets.put(SealedSecret(table="accounts", record_id="a-1", field="password", sealed=stale))
    assert await vault.rotate() == 3
    assert sorted(changes) == ["a-0", "a-1", "a-2"]
    assert await read(store, vault, "a-1") == "new"


async def test_what_is_written_with_the_former_key_meanwhile_is_taken_along(
    store: Store, vault: Vault, tmp_path: Path
) -> None:
    other = await Vault.open(store, FileKeySource(tmp_path / "master.key"))
    for n in range(450):
        await put(store, vault, f"a-{n}", "old")
    writes: list[asyncio.Task[None]] = []

    def write_behind(done: int) -> None:
        if not writes:  # the first page is done: what changes there now is seen by another pass only
            writes.append(asyncio.create_task(put(store, other, "a-0", "new")))

    rewrapped = await vault.rotate(write_behind)
    await writes[0]
    assert rewrapped == 451
    async with store.reader() as tx:
        rows = await tx.secrets.page(limit=1000)
    assert len({key_id_of(s.sealed) for _, s in rows}) == 1
    assert await read(store, vault, "a-0") == "new"


class PowerCut(Exception):
    pass


async def test_an_interrupted_rotation_can_be_run_again(store: Store, vault: Vault, tmp_path: Path) -> None:
    for n in range(450):
        await put(store, vault, f"a-{n}", f"password {n}")

    def cut(done: int) -> None:
        if done >= 200:
            raise PowerCut

    with contextlib.suppress(PowerCut):
        await vault.rotate(cut)
        raise AssertionError("the rotation was not interrupted")
    after = await Vault.open(store, FileKeySource(tmp_path / "master.key"))
    assert await read(store, after, "a-0") == "password 0"
    assert await read(store, after, "a-449") == "password 449"
    assert await after.rotate() == 450
    assert await read(store, after, "a-449") == "password 449"


async def test_rotation_goes_on_past_a_damaged_secret_and_names_it(store: Store, vault: Vault) -> None:
    await put(store, vault, "a-1", "one")
    moved = vault.seal(PASSWORD, table="accounts", record_id="elsewhere", field="password")
    async with store.transaction() as tx:
        await tx.secrets.put(SealedSecret(table="accounts", record_id="a-2", field="password", sealed=moved))
    await put(store, vault, "a-3", "three")
    with pytest.raises(SecretNotOpened, match="accounts/a-2/password"):
        await vault.rotate()
    async with store.reader() as tx:
        rows = {s.record_id: key_id_of(s.sealed) for _, s in await tx.secrets.page()}
    assert rows["a-1"] == rows["a-3"] != rows["a-2"]


async def test_rekey_in_place(store: Store, vault: Vault, tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    other = await Vault.open(store, FileKeySource(path))
    await put(store, vault, "a-1", "one")
    old = path.read_text()
    hashed = vault.keyed_hash(b"x", "link")
    assert await vault.rekey() == 2
    assert path.read_text() != old
    assert os.listdir(tmp_path) == ["master.key"]
    assert await read(store, vault, "a-1") == "one"
    assert vault.keyed_hash(b"x", "link") == hashed
    await vault.rotate()
    assert await read(store, other, "a-1") == "one"  # it reads the key file again
    with pytest.raises(VaultLocked):
        await Vault.open(store, EnvironmentKeySource("KEY", {"KEY": old}))


async def test_rekey_to_another_source(store: Store, vault: Vault) -> None:
    await put(store, vault, "a-1", "one")
    source = EnvironmentKeySource("KEY", {"KEY": MasterKey.new().to_text()})
    await vault.rekey(source)
    assert await read(store, await Vault.open(store, source), "a-1") == "one"


@pytest.mark.parametrize("is_stored", [False, True])
async def test_either_key_opens_when_rekeying_was_cut(
    store: Store, vault: Vault, tmp_path: Path, is_stored: bool
) -> None:
    path = tmp_path / "master.key"

    class CutSource(FileKeySource):
        async def settle(self, key: MasterKey) -> None:
            raise PowerCut

    await put(store, vault, "a-1", "one")
    source = FileKeySource(path)
    await source.prepare_renewal()
    if is_stored:
        await vault.rekey(EnvironmentKeySource("KEY", {"KEY": path.with_name("master.key.next").read_text()}))
    with pytest.raises(PowerCut):
        await Vault.open(store, CutSource(path))
    after = await Vault.open(store, FileKeySource(path))
    assert await read(store, after, "a-1") == "one"
    assert path.with_name("master.key.next").exists() is not is_stored
    await after.rekey()
    assert await read(store, after, "a-1") == "one"
    assert not path.with_name("master.key.next").exists()


@posix
async def test_the_key_file_is_made_for_its_owner_only(tmp_path: Path) -> None:
    source = FileKeySource(tmp_path / "new" / "master.key")
    assert await source.candidates() == []
    made = await source.create()
    assert stat.S_IMODE((tmp_path / "new" / "master.key").stat().st_mode) == 0o600
    assert (await source.create()).fingerprint == made.fingerprint  # never overwritten
    assert [k.fingerprint for k in await source.candidates()] == [made.fingerprint]
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["master.key"]


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666])
async def test_a_key_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    source = FileKeySource(tmp_path / "master.key")
    await source.create()
    (tmp_path / "master.key").chmod(mode)
    with pytest.raises(MasterKeyError, match="chmod 600"):
        await source.candidates()


@pytest.mark.parametrize("text", ["", "short", "x" * 64, "not base64 at all!", "QUJD"])
async def test_what_is_no_key_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "master.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(MasterKeyError) as caught:
        await FileKeySource(path).candidates()
    assert not text or text not in str(caught.value)


async def test_a_key_from_the_environment_and_from_a_command(tmp_path: Path) -> None:
    key = MasterKey.new()
    forms = [key.to_text(), key.to_text().rstrip("="), key.reveal().hex(), f"  {key.to_text()}\n"]
    for form in forms:
        [read_back] = await EnvironmentKeySource("KEY", {"KEY": form}).candidates()
        assert read_back.fingerprint == key.fingerprint
    assert await EnvironmentKeySource("KEY", {}).candidates() == []
    with pytest.raises(MasterKeyError):
        await EnvironmentKeySource("KEY", {}).create()
    [printed] = await CommandKeySource([sys.executable, "-c", f"print({key.to_text()!r})"]).candidates()
    assert printed.reveal() == key.reveal()
    assert key.to_text() not in repr(key)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (CommandKeySource([sys.executable, "-c", "raise SystemExit(3)"]), "code 3"),
        (CommandKeySource("/nonexistent/command --print"), "can't be run"),
        (
            CommandKeySource(
                [sys.executable, "-c", "input(); import time; time.sleep(60)"], timeout_seconds=0
            ),
            "within",
        ),
    ],
)
async def test_a_command_that_gives_no_key_is_told(source: KeySource, said: str) -> None:
    with pytest.raises(MasterKeyError, match=said):
        await source.candidates()
