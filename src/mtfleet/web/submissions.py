"""Credentials that are being checked at a broker while their page waits."""

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

import structlog

from mtfleet.domain.errors import InternalError, MtfleetError, TimedOutError, TooManyRequestsError
from mtfleet.domain.ids import AccountId
from mtfleet.domain.values import Clock
from mtfleet.security.incidents import for_callers
from mtfleet.wire.replies import Accepted
from mtfleet.wire.requests import Credentials

log = structlog.get_logger(__name__)

LONGEST_SECONDS = 300.0
"""How long a check at a broker may take in all."""


class LinkView(Protocol):
    """What a page may show of the account behind a link."""

    @property
    def account_name(self) -> str: ...
    @property
    def server(self) -> str: ...
    @property
    def needs_login(self) -> bool: ...


class ConfigurationLinks(Protocol):
    """The links, as `provisioning/` provides them."""

    async def look_up(self, account_id: AccountId, token: str) -> LinkView:
        """Raises `NotFoundError` for a link that is unknown, expired or used."""
        ...

    async def configure(
        self, account_id: AccountId, token: str, credentials: Credentials, remote_address: str | None
    ) -> object:
        """Check and store credentials; `Accepted` means: call again with the same in a moment."""
        ...


@dataclass
class Submission:
    """One sent form. The password lives only in the task that checks it."""

    ticket: str
    account_id: AccountId
    token: str
    login: str
    task: "asyncio.Task[None]"

    @property
    def is_running(self) -> bool:
        return not self.task.done()

    @property
    def error(self) -> MtfleetError | None:
        """Why it failed; `None` when it runs or went well."""
        if self.is_running:
            return None
        if self.task.cancelled():
            return TimedOutError("The check was broken off because this server stops.")
        failure = self.task.exception()
        if failure is None or isinstance(failure, MtfleetError):
            return failure
        return InternalError()

    def __repr__(self) -> str:
        return f"Submission(account_id={self.account_id!r})"


class Submissions:
    """Runs the checks, one at a time for each link, at most `max_kept` at once; owns their tasks."""

    def __init__(self, links: ConfigurationLinks, clock: Clock, *, max_kept: int = 1000) -> None:
        self._links = links
        self._clock = clock
        self._max_kept = max_kept
        self._kept: OrderedDict[str, Submission] = OrderedDict()

    def submit(
        self, account_id: AccountId, token: str, credentials: Credentials, remote_address: str | None
    ) -> Submission:
        """Begin a check, or return the one that runs for this link: a second click changes nothing.

        Raises `TooManyRequestsError` when too many checks run already.
        """
        for kept in self._kept.values():
            if kept.is_running and (kept.account_id, kept.token) == (account_id, token):
                return kept
        self._make_room()
        ticket = secrets.token_urlsafe(16)
        task = asyncio.create_task(self._check(account_id, token, credentials, remote_address))
        task.add_done_callback(_note_failure)
        kept = Submission(ticket, account_id, token, credentials.login or "", task)
        self._kept[ticket] = kept
        return kept

    def find(self, account_id: AccountId, token: str, ticket: str) -> Submission | None:
        """Return a submission of that link."""
        kept = self._kept.get(ticket)
        return kept if kept and (kept.account_id, kept.token) == (account_id, token) else None

    async def stop(self) -> None:
        """Break off all checks; what a broker already confirmed is stored or not, never half."""
        running = [kept.task for kept in self._kept.values() if kept.is_running]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._kept.clear()

    def _make_room(self) -> None:
        while len(self._kept) >= self._max_kept:
            done = next((ticket for ticket, kept in self._kept.items() if not kept.is_running), None)
            if done is None:
                raise TooManyRequestsError("Too many credentials are being checked; try again in a minute.")
            del self._kept[done]

    async def _check(
        self, account_id: AccountId, token: str, credentials: Credentials, remote_address: str | None
    ) -> None:
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                while True:
                    outcome = await self._links.configure(account_id, token, credentials, remote_address)
                    if not isinstance(outcome, Accepted):
                        return
                    await self._clock.sleep(outcome.retry_after_seconds)
        except TimeoutError as late:
            raise TimedOutError(f"The broker gave no answer within {LONGEST_SECONDS:g} seconds.") from late


def _note_failure(task: "asyncio.Task[None]") -> None:
    if task.cancelled():
        return
    failure = task.exception()
    if isinstance(failure, MtfleetError):
        for_callers("credentials.check_failed", failure)
    elif failure is not None:
        log.error("credentials.check_failed", exc_info=failure)
