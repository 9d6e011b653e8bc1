"""The audit log: every change and every use of a credential, in the transaction of what it tells of.

Append-only: the store has no way to change or delete a line. Secrets are masked before they get here and once
more here.
"""

from typing import Any, Protocol

from mtfleet.domain.access import AuditEntry, Caller
from mtfleet.domain.values import Clock
from mtfleet.security.logging import redact
from mtfleet.security.records import Audited
from mtfleet.wire.json import to_builtins


class Recorder(Protocol):
    """What `record` looks like, for whoever takes it as an argument."""

    async def __call__(
        self,
        tx: Audited,
        clock: Clock,
        caller: Caller | None,
        action: str,
        *,
        entity: str,
        entity_id: str | None,
        outcome: str = "done",
        details: dict[str, Any] | None = None,
    ) -> None: ...


async def record(
    tx: Audited,
    clock: Clock,
    caller: Caller | None,
    action: str,
    *,
    entity: str,
    entity_id: str | None,
    outcome: str = "done",
    details: dict[str, Any] | None = None,
) -> None:
    """Write a line that becomes durable together with the rest of `tx`.

    `caller` `None` is this program itself. `action` is `noun.verb_past`, `outcome` `done`, `refused` or
    `failed`; `details` names changed fields and the like. A refusal is to be recorded in a transaction of its
    own, since the refused one rolls back.
    """
    await tx.audit.append(
        [
            AuditEntry(
                recorded_at=clock.now(),
                user_id=caller.user_id if caller else None,
                token_id=caller.token_id if caller else None,
                action=action,
                entity=entity,
                entity_id=entity_id,
                outcome=outcome,
                remote_address=caller.remote_address if caller else None,
                details=None if details is None else redact(to_builtins_or_text(details)),
            )
        ]
    )


def to_builtins_or_text(details: dict[str, Any]) -> dict[str, Any]:
    """Return plain JSON data; a value that has no JSON form is shown by its own (masked) text."""
    plain: dict[str, Any] = {}
    for name, value in details.items():
        try:
            plain[name] = to_builtins(value)
        except TypeError:
            plain[name] = str(value)
    return plain
