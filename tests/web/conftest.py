"""The configuration page in-process, over scripted links."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast

import httpx2
import pytest
from litestar import Litestar

from mtfleet.domain.errors import NotFoundError
from mtfleet.domain.ids import AccountId
from mtfleet.domain.values import Value
from mtfleet.security.rates import Rates
from mtfleet.testing.clock import FakeClock
from mtfleet.web.configuration_page import PageServices, router
from mtfleet.web.forgery import FormGuard
from mtfleet.web.rendering import home, read_stylesheet
from mtfleet.web.submissions import Submissions
from mtfleet.wire.replies import Accepted
from mtfleet.wire.requests import Credentials

ACCOUNT_ID = "11111111-1111-4111-8111-111111111111"
TOKEN = "a" * 64
LINK = f"/configure-trading-account-credentials/{ACCOUNT_ID}/{TOKEN}"


class View(Value, frozen=True, kw_only=True):
    account_name: str
    server: str
    needs_login: bool


@dataclass
class Links:
    """One link; `answers` are given out in order, the last one for ever."""

    needs_login: bool = True
    answers: list[object] = field(default_factory=lambda: [None])
    sent: list[tuple[str | None, str | None]] = field(default_factory=list)
    is_good: bool = True
    hold: asyncio.Event | None = None

    async def look_up(self, account_id: AccountId, token: str) -> View:
        if (account_id, token) != (ACCOUNT_ID, TOKEN) or not self.is_good:
            raise NotFoundError("There is no such link.")
        return View(account_name="<b>Maria</b>", server="Sandbox-MT5", needs_login=self.needs_login)

    async def configure(
        self, account_id: AccountId, token: str, credentials: Credentials, remote_address: str | None
    ) -> object:
        self.sent.append((credentials.login, credentials.password))
        if self.hold:
            await self.hold.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if not isinstance(answer, Accepted):
            self.is_good = False
        return answer


class Hasher:
    def keyed_hash(self, data: bytes, purpose: str) -> str:
        return f"{purpose}-{hash(data)}"


@dataclass
class Built:
    client: httpx2.AsyncClient
    links: Links
    clock: FakeClock
    submissions: Submissions


@pytest.fixture
async def built() -> AsyncIterator[Built]:
    clock, links = FakeClock(), Links()
    submissions = Submissions(links, clock, max_kept=3)
    pages = router(
        PageServices(
            links=links,
            submissions=submissions,
            forms=FormGuard(Hasher(), is_https=False),
            clock=clock,
            views=Rates(clock, allowed=20, period_minutes=1, kind="PAGE_VIEWS"),
            attempts=Rates(clock, allowed=5, period_minutes=10, kind="PAGE_ATTEMPTS"),
            daily=Rates(clock, allowed=12, period_minutes=1440, kind="PAGE_ATTEMPTS_A_DAY"),
        )
    )
    app = Litestar([pages, home, read_stylesheet], openapi_config=None)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=cast("Any", app)), base_url="http://test"
    ) as client:
        yield Built(client, links, clock, submissions)
    await submissions.stop()
