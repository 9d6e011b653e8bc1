"""What was acknowledged is there after the writer was killed, and two programs may write to one file."""

import asyncio
import subprocess
import sys
from pathlib import Path

from mtfleet.store.sql import open_store
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.store import an_account
from mtfleet.testing.store_contract_cases import listed

WRITER = """
import asyncio, sys
from mtfleet.store.sql import open_store
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.store import an_account
from mtfleet.testing.store_contract_cases import put

async def main():
    store = await open_store(sys.argv[1], clock=FakeClock())
    for number in range(int(sys.argv[2])):
        account = an_account(number)
        await put(store, account)
        sys.stdout.write(account.id + "\\n")
        sys.stdout.flush()
    await store.close()

asyncio.run(main())
"""


def _writer(url: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, url, str(count)], stdout=subprocess.PIPE, text=True
    )


def _ids(lines: list[str]) -> set[str]:
    """Return the ids of whole lines: a kill may cut the last, and the log's lines hold spaces."""
    return {line.strip() for line in lines if line.endswith("\n") and " " not in line.strip()}


async def test_every_acknowledged_change_survives_a_kill(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    acknowledged: set[str] = set()
    for seen in (3, 10, 25, 1, 40):
        with _writer(url, 1_000_000) as process:
            assert process.stdout is not None
            lines: list[str] = []
            while len(_ids(lines)) < seen:
                lines.append(await asyncio.to_thread(process.stdout.readline))
            process.kill()
            lines += process.stdout.readlines()
        acknowledged |= _ids(lines)
        store = await open_store(url, clock=FakeClock())
        stored = await listed(store, an_account().user_id)
        assert acknowledged <= set(stored)
        assert len(stored) <= len(acknowledged) + 5
        assert await listed(store, an_account().user_id, query="account") == stored
        await store.close()


async def test_two_programs_write_to_one_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    processes = [_writer(url, 40) for _ in range(2)]
    found = [await asyncio.to_thread(process.communicate) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    acknowledged = set().union(*(_ids(output.splitlines(keepends=True)) for output, _ in found))
    store = await open_store(url, clock=FakeClock())
    assert set(await listed(store, an_account().user_id)) == acknowledged
    assert len(acknowledged) == 80
    await store.close()
