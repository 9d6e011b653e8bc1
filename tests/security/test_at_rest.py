"""What lies on the disk, and rotation while other programs use the same database."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mtfleet.domain.access import Caller
from mtfleet.domain.secret import Secret
from mtfleet.security.audit import record
from mtfleet.security.keys import FileKeySource
from mtfleet.security.tokens import Tokens
from mtfleet.security.users import Users
from mtfleet.security.vault import Vault, key_id_of
from mtfleet.store.base import ACCOUNTS, PASSWORD, SealedSecret, Store
from mtfleet.store.sql import SqlStore, open_store
from mtfleet.testing.accounts import add_account
from mtfleet.testing.clock import FakeClock
from mtfleet.wire.requests import NarrowDown, NewAccount

TEXT = "qw3rty-Unmistakable-pässword"


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[tuple[SqlStore, SqlStore]]:
    """One database, opened twice as two programs would."""
    url = f"sqlite:///{tmp_path / 'mtfleet.db'}"
    first = await open_store(url, clock=FakeClock(), is_durable=False)
    second = await open_store(url, clock=FakeClock(), is_durable=False)
    try:
        yield first, second
    finally:
        await first.close()
        await second.close()


def bytes_below(directory: Path, *, skipped: set[str]) -> bytes:
    return b"".join(p.read_bytes() for p in directory.rglob("*") if p.is_file() and p.name not in skipped)


async def put_password(store: Store, vault: Vault, account_id: str, text: str) -> None:
    sealed = vault.seal(Secret(text), table=ACCOUNTS, record_id=account_id, field=PASSWORD)
    async with store.transaction() as tx:
        await tx.secrets.put(
            SealedSecret(table=ACCOUNTS, record_id=account_id, field=PASSWORD, sealed=sealed)
        )


async def read_password(store: Store, vault: Vault, account_id: str) -> str:
    async with store.reader() as tx:
        sealed = await tx.secrets.get(ACCOUNTS, account_id, PASSWORD)
    assert sealed is not None
    opened = await vault.open_secret(sealed, table=ACCOUNTS, record_id=account_id, field=PASSWORD)
    return opened.reveal()


async def test_no_secret_lies_in_a_byte_of_the_database(
    shared: tuple[SqlStore, SqlStore], tmp_path: Path
) -> None:
    store, _ = shared
    clock = FakeClock()
    vault = await Vault.open(store, FileKeySource(tmp_path / "master.key"), clock=clock)
    tokens = Tokens(store, vault, clock)
    _, raw = await Users(store, tokens, clock).create("anna")
    caller = await tokens.authenticate(raw)
    narrowed = await tokens.narrow(caller, NarrowDown(roles=["reader"]))
    account = await add_account(store, caller)
    await put_password(store, vault, account.id, TEXT)
    async with store.transaction() as tx:
        body = NewAccount(name="n", password=TEXT)
        await record(
            tx,
            clock,
            caller,
            "account.created",
            entity="account",
            entity_id=account.id,
            details={"password": TEXT, "body": body, "header": f"auth-token: {raw}"},
        )
    await vault.rotate(caller=caller)
    await vault.rekey()
    async with store.reader() as tx:
        log = [(entry.action, entry.user_id) for entry in await tx.audit.page()]
    assert log[-2:] == [("vault.rotated", caller.user_id), ("vault.rekeyed", None)]
    on_disk = bytes_below(tmp_path, skipped={"master.key"})
    assert account.id.encode() in on_disk  # it is the right database
    assert "mtfleet.db-wal" in os.listdir(tmp_path)
    for secret in (TEXT, raw, narrowed, raw.split(".")[2]):
        assert secret.encode() not in on_disk
    assert vault.derived_key("token-signing") not in on_disk
    assert (tmp_path / "master.key").read_bytes().strip() not in on_disk
    assert await read_password(store, vault, account.id) == TEXT


async def test_another_program_reads_and_writes_while_the_keys_rotate(
    shared: tuple[SqlStore, SqlStore], tmp_path: Path
) -> None:
    store, other_store = shared
    source = FileKeySource(tmp_path / "master.key")
    vault = await Vault.open(store, source)
    other = await Vault.open(other_store, source)
    owner = Caller(user_id="a" * 32, token_id="t", is_administrator=False)  # type: ignore[arg-type]  # ids are texts
    ids = [(await add_account(store, owner)).id for _ in range(60)]
    expected = {account_id: f"{account_id} 0" for account_id in ids}
    for account_id, text in expected.items():
        await put_password(store, vault, account_id, text)
    rotated = asyncio.Event()
    rounds = 0

    async def serve() -> None:
        nonlocal rounds
        while not rotated.is_set() or rounds < 3:
            rounds += 1
            for account_id in ids[rounds % 7 :: 7]:
                expected[account_id] = f"{account_id} {rounds}"
                await put_password(other_store, other, account_id, expected[account_id])
                assert await read_password(other_store, other, account_id) == expected[account_id]

    async def rotate() -> None:
        for _ in range(3):
            await vault.rotate()
        await vault.rekey()
        await vault.rotate()
        rotated.set()

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(serve())
        group.create_task(rotate())
    await vault.rotate()
    await other.refresh()
    for account_id, text in expected.items():
        assert await read_password(store, vault, account_id) == text
        assert await read_password(other_store, other, account_id) == text
    async with store.reader() as tx:
        rows = [secret for _, secret in await tx.secrets.page()]
    assert len(rows) == len(ids)
    assert len({key_id_of(secret.sealed) for secret in rows}) == 1


async def test_two_rotations_at_once_lose_nothing(shared: tuple[SqlStore, SqlStore], tmp_path: Path) -> None:
    store, other_store = shared
    source = FileKeySource(tmp_path / "master.key")
    vault = await Vault.open(store, source)
    other = await Vault.open(other_store, source)
    owner = Caller(user_id="a" * 32, token_id="t", is_administrator=False)  # type: ignore[arg-type]  # ids are texts
    ids = [(await add_account(store, owner)).id for _ in range(20)]
    for account_id in ids:
        await put_password(store, vault, account_id, account_id)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(vault.rotate())
        group.create_task(other.rotate())
    for account_id in ids:
        assert await read_password(store, vault, account_id) == account_id
        assert await read_password(other_store, other, account_id) == account_id


async def test_two_programs_that_start_first_share_one_vault(
    shared: tuple[SqlStore, SqlStore], tmp_path: Path
) -> None:
    source = FileKeySource(tmp_path / "master.key")
    first, second = await asyncio.gather(*(Vault.open(store, source) for store in shared))
    assert first.keyed_hash(b"x", "link") == second.keyed_hash(b"x", "link")
    place = {"table": "accounts", "record_id": "a", "field": "password"}
    sealed = first.seal(Secret(TEXT), **place)
    assert (await second.open_secret(sealed, **place)).reveal() == TEXT


async def test_the_documented_change_of_the_master_key(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "rotate-keys.md"
    [program] = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert "/var/lib/mtfleet" in program
    store = await open_store(f"sqlite:///{tmp_path / 'mtfleet.db'}", clock=FakeClock(), is_durable=False)
    try:
        source = FileKeySource(tmp_path / "master.key")
        vault = await Vault.open(store, source)
        [before] = await source.candidates()
        hashed = vault.keyed_hash(b"x", "link")
        finished = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", program.replace("/var/lib/mtfleet", str(tmp_path))],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        [after] = await source.candidates()
        assert after.fingerprint != before.fingerprint
        assert (await Vault.open(store, source)).keyed_hash(b"x", "link") == hashed
    finally:
        await store.close()
