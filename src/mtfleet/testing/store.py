"""Stores for tests, and the contract that every store keeps.

`open_test_store("sqlite")` is what tests of other packages need. It opens a fresh, migrated database in a few
milliseconds.
"""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mtfleet.domain.values import Clock
from mtfleet.store.sql import SqlStore, open_store
from mtfleet.testing.clock import FakeClock


@asynccontextmanager
async def open_test_store(kind: str = "sqlite", *, clock: Clock | None = None) -> AsyncIterator[SqlStore]:
    """Open an empty store that is gone afterwards. `kind` is `sqlite`."""
    with tempfile.TemporaryDirectory(prefix="mtfleet-store-") as directory:
        path = Path(directory, "mtfleet.db")
        store = await open_store(f"sqlite:///{path}", clock=clock or FakeClock(), is_durable=False)
        try:
            yield store
        finally:
            await store.close()
