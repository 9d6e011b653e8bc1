"""What was acknowledged survives: journals, recovery, full disks, `kill -9`."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtfleet.domain.accounts import Platform
from mtfleet.domain.ids import ServerName
from mtfleet.terminals.base import DemoAccount, DemoAccountRequest, TerminalStartFailed
from mtfleet.terminals.simulated import SimulatedTerminals
from mtfleet.terminals.simulated.commit import JournalMismatch, JournalWriteFailed
from mtfleet.terminals.simulated.journal import Journal, JournalCorrupt
from mtfleet.testing.clock import FakeClock

MT5 = "Sandbox-MT5"


def request(request_id: str) -> DemoAccountRequest:
    return DemoAccountRequest(
        platform=Platform.MT5,
        server=ServerName(MT5),
        balance=100.0,
        leverage=100,
        email="a@example.com",
        request_id=request_id,
    )


async def create(terminals: SimulatedTerminals, *request_ids: str) -> list[DemoAccount]:
    return list(await asyncio.gather(*(terminals.create_demo_account(request(r)) for r in request_ids)))


async def reopened(data_dir: Path) -> SimulatedTerminals:
    terminals = SimulatedTerminals(data_dir, FakeClock())
    await terminals.open()
    return terminals


async def test_accounts_survive_a_restart_with_the_same_credentials(data_dir: Path) -> None:
    terminals = await reopened(data_dir)
    made = await create(terminals, "a", "b", "c")
    await terminals.close()
    terminals = await reopened(data_dir)
    assert await create(terminals, "c", "a", "b") == [made[2], made[0], made[1]]
    assert terminals.account_count(MT5) == 3
    (new,) = await create(terminals, "d")
    assert int(new.login) == max(int(account.login) for account in made) + 1
    await terminals.close()


async def test_one_request_sent_many_times_at_once_makes_one_account(terminals: SimulatedTerminals) -> None:
    made = await create(terminals, *["same"] * 20)
    assert len({account.login for account in made}) == 1
    assert terminals.account_count(MT5) == 1


async def test_many_requests_share_few_syncs(
    terminals: SimulatedTerminals, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(terminals, "first")
    syncs = []
    real_sync = os.fsync

    def counted(descriptor: int) -> None:
        syncs.append(descriptor)
        real_sync(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    await create(terminals, *(f"r{n}" for n in range(500)))
    assert 1 <= len(syncs) <= 3
    assert terminals.account_count(MT5) == 501


async def test_nothing_is_acknowledged_or_kept_when_the_disk_is_full(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminals = await reopened(data_dir)
    await create(terminals, "before")
    real_write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) > 20:
            return real_write(descriptor, data[:20])  # a part of the frame still fits
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(JournalWriteFailed, match="No space left"):
            await create(terminals, "during")
    assert terminals.account_count(MT5) == 1
    (after,) = await create(terminals, "after")
    await terminals.close()
    terminals = await reopened(data_dir)
    assert terminals.account_count(MT5) == 2
    assert await create(terminals, "after") == [after]
    await terminals.close()


async def test_a_journal_in_doubt_takes_nothing_until_recovered(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminals = await reopened(data_dir)
    await create(terminals, "before")

    def broken(*_: object) -> int:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", broken)
        with pytest.raises(JournalWriteFailed):
            await create(terminals, "during")
    with pytest.raises(JournalWriteFailed, match="restart"):
        await create(terminals, "later")
    await terminals.close()
    terminals = await reopened(data_dir)
    assert await create(terminals, "later")
    await terminals.close()


async def test_only_one_may_hold_a_directory(terminals: SimulatedTerminals, data_dir: Path) -> None:
    with pytest.raises(TerminalStartFailed, match="Another process"):
        await reopened(data_dir)


async def test_the_key_is_private_and_needed(data_dir: Path) -> None:
    terminals = await reopened(data_dir)
    await create(terminals, "a")
    await terminals.close()
    key = data_dir / "password.key"
    assert key.stat().st_mode & 0o777 == 0o600
    secret = key.read_bytes()
    key.unlink()
    with pytest.raises(TerminalStartFailed, match="missing"):
        await reopened(data_dir)
    key.write_bytes(bytes(32))
    with pytest.raises(JournalMismatch):
        await reopened(data_dir)
    key.write_bytes(secret)
    terminals = await reopened(data_dir)
    assert terminals.account_count(MT5) == 1
    await terminals.close()


def contents_of(directory: Path) -> list[bytes]:
    return [file.read_bytes() for file in directory.iterdir()]


async def test_no_password_is_on_disk(terminals: SimulatedTerminals, data_dir: Path) -> None:
    (account,) = await create(terminals, "a")
    for content in contents_of(data_dir):
        assert account.password.reveal().encode() not in content
        assert account.investor_password.reveal().encode() not in content


payloads = st.lists(st.binary(max_size=60), min_size=1, max_size=6)


def written(path: Path, contents: list[bytes]) -> list[int]:
    """Write a journal and return where each frame ends."""
    path.unlink(missing_ok=True)
    journal = Journal.create(path, contents[0])
    ends = [path.stat().st_size]
    for payload in contents[1:]:
        journal.append(payload)
        ends.append(path.stat().st_size)
    journal.close()
    return ends


function_scoped = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)


@function_scoped
@given(contents=payloads, cut=st.integers(0, 500))
def test_a_torn_tail_loses_only_what_was_not_whole(tmp_path: Path, contents: list[bytes], cut: int) -> None:
    path = tmp_path / "j"
    ends = written(path, contents)
    size = max(ends[0], ends[-1] - cut)
    os.truncate(path, size)
    journal, found = Journal.recover(path)
    assert found == contents[: sum(end <= size for end in ends)]
    journal.append(b"after")
    journal.close()
    journal, again = Journal.recover(path)
    journal.close()
    assert again == [*found, b"after"]


@function_scoped
@given(contents=payloads, noise=st.binary(min_size=1, max_size=40))
def test_garbage_at_the_end_is_cut(tmp_path: Path, contents: list[bytes], noise: bytes) -> None:
    path = tmp_path / "j"
    written(path, contents)
    with path.open("ab") as file:
        file.write(noise)
    journal, found = Journal.recover(path)
    journal.close()
    assert found == contents


@function_scoped
@given(contents=payloads, data=st.data())
def test_damage_before_sound_frames_is_named_and_left_alone(
    tmp_path: Path, contents: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path / "j"
    ends = written(path, [*contents, b"last"])
    place = data.draw(st.integers(0, ends[-2] - 1))
    damaged = bytearray(path.read_bytes())
    damaged[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(damaged)
    with pytest.raises(JournalCorrupt) as caught:
        Journal.recover(path)
    assert caught.value.offset == max([0, *(end for end in ends if end <= place)])
    assert str(path) in str(caught.value)
    assert path.read_bytes() == damaged


CHILD = """
import asyncio, sys
from pathlib import Path
import structlog
from mtfleet.domain.accounts import Platform
from mtfleet.terminals.base import DemoAccountRequest
from mtfleet.terminals.simulated import SimulatedTerminals
from mtfleet.testing.clock import FakeClock

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

async def main():
    terminals = SimulatedTerminals(Path(sys.argv[1]), FakeClock())
    await terminals.open()
    async def one(worker):
        for n in range(100_000):
            request_id = f"{sys.argv[2]}-{worker}-{n}"
            account = await terminals.create_demo_account(DemoAccountRequest(
                platform=Platform.MT5, server="Sandbox-MT5", balance=10.0, leverage=1, email="a@example.com",
                request_id=request_id))
            sys.stdout.write(f"{request_id} {account.login} {account.password.reveal()}\\n")
            sys.stdout.flush()
    await asyncio.gather(*(one(worker) for worker in range(8)))

asyncio.run(main())
"""


async def test_kill_9_loses_nothing_that_was_acknowledged(data_dir: Path) -> None:
    acknowledged: dict[str, tuple[str, str]] = {}
    for life in range(3):
        child = await asyncio.to_thread(
            subprocess.Popen,
            [sys.executable, "-c", CHILD, str(data_dir), str(life)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert child.stdout is not None
        with child.stdout as pipe:
            lines = [await asyncio.to_thread(pipe.readline) for _ in range(60 + 37 * life)]
            child.send_signal(signal.SIGKILL)
            lines += (await asyncio.to_thread(pipe.read)).splitlines(keepends=True)
        assert await asyncio.to_thread(child.wait) == -signal.SIGKILL
        for line in lines:
            if line.endswith(b"\n"):
                request_id, login, password = line.decode().split()
                acknowledged[request_id] = login, password
    terminals = await reopened(data_dir)
    before = terminals.account_count(MT5)
    assert before >= len(acknowledged) > 200
    found = await create(terminals, *acknowledged)
    assert terminals.account_count(MT5) == before
    assert {
        r: (a.login, a.password.reveal()) for r, a in zip(acknowledged, found, strict=True)
    } == acknowledged
    await terminals.close()
