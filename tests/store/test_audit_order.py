"""On PostgreSQL, where transactions run side by side: audit entries are numbered as they are committed."""

from mtfleet.domain.access import AuditEntry
from mtfleet.testing.clock import FakeClock
from mtfleet.testing.postgres import PostgresServer
from mtfleet.testing.store import open_test_store


def _entry(action: str) -> AuditEntry:
    return AuditEntry(
        recorded_at=FakeClock().now(), action=action, entity="e", entity_id=None, outcome="done"
    )


async def test_an_entry_that_is_committed_later_has_the_greater_number(postgres: PostgresServer) -> None:
    async with open_test_store("postgresql", server=postgres) as store:
        async with store.transaction() as slow:
            await slow.audit.append([_entry("slow")])
            async with store.transaction() as quick:
                await quick.audit.append([_entry("quick")])
            async with store.reader() as reader:
                [seen] = await reader.audit.page()
        async with store.reader() as reader:
            [later] = await reader.audit.page(after=seen.sequence or 0)
    assert (seen.action, later.action) == ("quick", "slow")
