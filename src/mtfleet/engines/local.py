"""The engine of one machine: the holder is in this process, so placing is a call.

Several programs on one database each have a local engine of their own; the lease table keeps them apart.
"""

from collections.abc import Collection, Sequence
from typing import Any

import structlog

from mtfleet.domain.deployment import Observed
from mtfleet.domain.errors import NotSynchronizedError
from mtfleet.domain.ids import AccountId
from mtfleet.engines.base import Changed, Engine, Holder, Placement, Query, Unsubscribe

log = structlog.get_logger(__name__)


class LocalEngine(Engine):
    """Place all work on the one holder that joined, whatever the account's region."""

    def __init__(self) -> None:
        self._holder: Holder | None = None
        self._watchers: list[Changed] = []
        self._subscribers: dict[AccountId, list[Changed]] = {}

    def join(self, holder: Holder) -> Changed:
        """See `Engine.join`. Raises `ValueError` for a second holder."""
        if self._holder is not None:
            raise ValueError("A local engine has one holder, and one has joined already.")
        self._holder = holder
        return self._changed

    async def place(self, placements: Sequence[Placement]) -> None:
        self._joined.take(placements)

    async def withdraw(self, account_ids: Sequence[AccountId]) -> None:
        self._joined.let_go(account_ids)

    async def forget(self, account_ids: Sequence[AccountId]) -> None:
        self._joined.forget(account_ids)

    def observed(self, account_id: AccountId) -> Observed | None:
        return self._joined.observed(account_id)

    def known(self) -> Collection[AccountId]:
        return self._joined.held()

    async def request(self, account_id: AccountId, query: Query) -> Any:
        if self._joined.observed(account_id) is None:
            raise NotSynchronizedError("No host runs this account now; try again in a moment.")
        return await self._joined.answer(account_id, query)

    def watch(self, changed: Changed) -> Unsubscribe:
        self._watchers.append(changed)

        def unsubscribe() -> None:
            if changed in self._watchers:
                self._watchers.remove(changed)

        return unsubscribe

    def subscribe(self, account_id: AccountId, changed: Changed) -> Unsubscribe:
        self._subscribers.setdefault(account_id, []).append(changed)

        def unsubscribe() -> None:
            subscribers = self._subscribers.get(account_id, [])
            if changed in subscribers:
                subscribers.remove(changed)
            if not subscribers:
                self._subscribers.pop(account_id, None)

        return unsubscribe

    @property
    def _joined(self) -> Holder:
        if self._holder is None:
            raise RuntimeError("No holder has joined this engine.")
        return self._holder

    def _changed(self, account_id: AccountId) -> None:
        subscribers = self._subscribers.get(account_id)
        for changed in (*self._watchers, *subscribers) if subscribers else tuple(self._watchers):
            try:
                changed(account_id)
            except Exception as error:  # one that is told must not keep the others from being told
                log.exception("engine.subscriber_failed", account_id=account_id, error=type(error).__name__)
