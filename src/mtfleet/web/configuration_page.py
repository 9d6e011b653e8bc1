"""The page behind a configuration link: an end user enters credentials, unseen by who made the link."""

import asyncio
import ipaddress
import math
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from litestar import Request, Response, Router, get, post
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.exceptions import ClientException, HTTPException
from litestar.params import FromPath
from litestar.response import Redirect

from mtfleet.domain.errors import (
    DetailCode,
    FieldProblem,
    MtfleetError,
    NotFoundError,
    SystemError_,
    TooManyRequestsError,
    ValidationError,
)
from mtfleet.domain.ids import AccountId
from mtfleet.domain.values import Clock, Instant
from mtfleet.web.forgery import PATH, FormGuard
from mtfleet.web.rendering import HEADERS, page
from mtfleet.web.submissions import ConfigurationLinks, LinkView, Submission, Submissions
from mtfleet.wire.requests import Credentials

log = structlog.get_logger(__name__)

MAX_FORM_BYTES = 16 * 1024
MAX_PASSWORD_CHARACTERS = 256
MAX_LOGIN_DIGITS = 20
WAIT_SECONDS = 3.0
"""How long the answer to a sent form waits for the broker before it shows that the check goes on."""

AnyRequest = Request[Any, Any, Any]

OUTDATED = "This form was not sent from a fresh page of ours. Please enter the password again and send it."
WORDS = {
    DetailCode.AUTH: "Your broker did not accept this login and password. Check both, then try again.",
    DetailCode.SERVER_NOT_FOUND: "Your broker's server is not known here. Tell whoever sent you this link.",
    DetailCode.SERVER_TIMEZONE: "Your broker let you in, but its settings could not be found out. "
    "Try again later.",
    DetailCode.OTP_REQUIRED: "Your broker asks for a one-time password at every log-in. "
    "Switch that off at your broker, then try again.",
    DetailCode.PASSWORD_CHANGE_REQUIRED: "Your broker wants you to change the password first. "
    "Do that in MetaTrader, then come back.",
    DetailCode.TRADING_ACCOUNT_DISABLED: "Your broker has disabled this account. Please ask your broker.",
}
UNREACHABLE = "Your broker could not be reached just now. Nothing was saved; try again in a few minutes."


class Limit(Protocol):
    def take(self, key: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class PageServices:
    """What the page needs."""

    links: ConfigurationLinks
    submissions: Submissions
    forms: FormGuard
    clock: Clock
    views: Limit
    """How often the page may be seen, per address and per link."""
    attempts: Limit
    """How often a form may be sent, per address and per link."""
    daily: Limit
    """How often in a day forms may be sent for one account, through whichever links: who was sent a link must
    not be able to try passwords for as long as the link lives."""


@dataclass(frozen=True)
class _Form:
    """What is shown in the form: what was typed stays, except the password."""

    login: str = ""
    problem: str | None = None
    login_problem: str | None = None
    password_problem: str | None = None

    @property
    def has_problems(self) -> bool:
        return bool(self.problem or self.login_problem or self.password_problem)


def router(services: PageServices) -> Router:
    """Return the page's routes."""
    here = _Pages(services)

    @get("/{account_id:str}/{token:str}")
    async def show(request: AnyRequest, account_id: FromPath[str], token: FromPath[str]) -> Response[Any]:
        return await here.show(request, AccountId(account_id), token)

    @post("/{account_id:str}/{token:str}", status_code=200, request_max_body_size=MAX_FORM_BYTES)
    async def send(request: AnyRequest, account_id: FromPath[str], token: FromPath[str]) -> Response[Any]:
        return await here.send(request, AccountId(account_id), token)

    @get("/{account_id:str}/{token:str}/progress/{ticket:str}")
    async def progress(
        request: AnyRequest, account_id: FromPath[str], token: FromPath[str], ticket: FromPath[str]
    ) -> Response[Any]:
        return await here.progress(request, AccountId(account_id), token, ticket)

    def failed(request: AnyRequest, raised: Exception) -> Response[Any]:
        return problem_page(raised, services.clock)

    return Router(
        PATH,
        route_handlers=[show, send, progress],
        include_in_schema=False,
        exception_handlers={Exception: failed},
    )


class _Pages:
    def __init__(self, services: PageServices) -> None:
        self._services = services

    async def show(self, request: AnyRequest, account_id: AccountId, token: str) -> Response[Any]:
        """Show the form. Looking at it uses nothing up."""
        self._count(self._services.views, request, account_id, token)
        view = await self._services.links.look_up(account_id, token)
        return self._form(request, view, account_id, token, _Form())

    async def send(self, request: AnyRequest, account_id: AccountId, token: str) -> Response[Any]:
        """Check what was sent at the broker; the link is used up when that went well."""
        self._count(self._services.views, request, account_id, token)
        view = await self._services.links.look_up(account_id, token)
        if request.content_type[0] == RequestEncodingType.MULTI_PART:
            raise ClientException("Our form is sent URL-encoded.")  # the other kind names character sets
        sent = await request.form()
        login, password = _text(sent.get("login")).strip(), _text(sent.get("password"))
        genuine = self._services.forms.is_genuine(
            request, f"{account_id}/{token}", _text(sent.get("form_token"))
        )
        if not genuine:
            return self._form(request, view, account_id, token, _Form(login, problem=OUTDATED), status=403)
        form = _checked(view, login, password)
        if form.has_problems:
            return self._form(request, view, account_id, token, form, status=400)
        self._count(self._services.attempts, request, account_id, token)
        self._services.daily.take(f"account {account_id}")
        credentials = Credentials(login=login if view.needs_login else None, password=password)
        submission = self._services.submissions.submit(account_id, token, credentials, _address(request))
        await asyncio.wait([submission.task], timeout=WAIT_SECONDS)
        if submission.error is not None:
            return self._refused(request, view, submission, submission.error)
        return Redirect(
            f"{PATH}/{account_id}/{token}/progress/{submission.ticket}", status_code=303, headers=HEADERS
        )

    async def progress(
        self, request: AnyRequest, account_id: AccountId, token: str, ticket: str
    ) -> Response[Any]:
        """Show how a check stands; the page asks again by itself, without script."""
        self._count(self._services.views, request, account_id, token)
        submission = self._services.submissions.find(account_id, token, ticket)
        if submission is None:  # this server was restarted, or it is long ago
            return Redirect(f"{PATH}/{account_id}/{token}", status_code=303, headers=HEADERS)
        if submission.is_running:
            return page("progress.html", here=request.url.path)
        if submission.error is None:
            return page("done.html")
        view = await self._services.links.look_up(account_id, token)
        return self._refused(request, view, submission, submission.error)

    def _refused(
        self, request: AnyRequest, view: LinkView, submission: Submission, error: MtfleetError
    ) -> Response[Any]:
        if isinstance(error, NotFoundError | TooManyRequestsError):
            return problem_page(error, self._services.clock)
        status = (
            400 if isinstance(error, ValidationError) else 503 if isinstance(error, SystemError_) else 400
        )
        form = _explained(error, submission.login)
        return self._form(request, view, submission.account_id, submission.token, form, status=status)

    def _form(
        self,
        request: AnyRequest,
        view: LinkView,
        account_id: AccountId,
        token: str,
        form: _Form,
        *,
        status: int = 200,
    ) -> Response[Any]:
        form_token, cookie = self._services.forms.issue(request, f"{account_id}/{token}")
        answer = page(
            "configure.html",
            status=status,
            view=view,
            form=form,
            form_token=form_token,
            action=f"{PATH}/{account_id}/{token}",
            max_login=MAX_LOGIN_DIGITS,
            max_password=MAX_PASSWORD_CHARACTERS,
        )
        return _with_cookie(answer, cookie)

    def _count(self, limit: Limit, request: AnyRequest, account_id: AccountId, token: str) -> None:
        limit.take(f"address {_network(_address(request))}")
        limit.take(f"link {account_id}/{token}")


def _with_cookie(answer: Response[Any], cookie: Cookie) -> Response[Any]:
    answer.cookies.append(cookie)
    return answer


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _address(request: AnyRequest) -> str | None:
    return request.client.host if request.client else None


def _network(address: str | None) -> str | None:
    """Return what one household has: an IPv4 address, or the 64 bits in front of its IPv6 addresses."""
    if address is None or ":" not in address:
        return address
    try:
        given = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if given.ipv4_mapped is not None:
        return str(given.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(given) >> 64 << 64, 64)))


def _checked(view: LinkView, login: str, password: str) -> _Form:
    return _Form(
        login[:100],
        login_problem=_what_is_wrong_with_login(login) if view.needs_login else None,
        password_problem=_what_is_wrong_with_password(password),
    )


def _what_is_wrong_with_login(login: str) -> str | None:
    if not login:
        return "Enter the login, the number of your trading account."
    if not (login.isascii() and login.isdigit() and len(login) <= MAX_LOGIN_DIGITS):
        return "The login is a number: digits only."
    return None


def _what_is_wrong_with_password(password: str) -> str | None:
    if not password:
        return "Enter the password."
    if len(password) > MAX_PASSWORD_CHARACTERS or "\x00" in password:
        return "This can't be a password of a trading account."
    return None


def _explained(error: MtfleetError, login: str) -> _Form:
    """Say in an end user's words what went wrong."""
    if isinstance(error, SystemError_):
        return _Form(login, problem=UNREACHABLE)
    details = error.details
    code = details.get("code") if isinstance(details, dict) else details
    if isinstance(code, str) and code in WORDS:
        return _Form(login, problem=WORDS[code])
    if isinstance(details, list | tuple):
        problems = {one.parameter: one.message for one in details if isinstance(one, FieldProblem)}
        if problems.keys() & {"login", "password"}:
            return _Form(
                login, login_problem=problems.get("login"), password_problem=problems.get("password")
            )
    return _Form(login, problem=error.message)


def problem_page(raised: Exception, clock: Clock) -> Response[Any]:
    """Say that the page can't be shown. Unknown, expired and used links are told alike."""
    if isinstance(raised, TooManyRequestsError):
        return page(
            "problem.html",
            status=429,
            title="Too many attempts",
            text="This page was opened or sent too often. Please wait a few minutes, then try again.",
            headers={"Retry-After": str(_wait_seconds(raised, clock))},
        )
    if isinstance(raised, NotFoundError):
        return page(
            "problem.html",
            status=404,
            title="This link does not work",
            text="It may have been used already, it may have expired, or it was not copied whole. "
            "Ask whoever sent it to you for a new one.",
        )
    if isinstance(raised, HTTPException) and raised.status_code < 500:
        return page(
            "problem.html",
            status=400,
            title="That could not be read",
            text="The form came here damaged or was too large. Please go back and try again.",
        )
    log.error("page.failed", exc_info=raised)
    return page(
        "problem.html",
        status=503 if isinstance(raised, SystemError_) else 500,
        title="Something went wrong",
        text="The fault is on our side and nothing was saved. Please try again in a few minutes.",
    )


def _wait_seconds(error: TooManyRequestsError, clock: Clock) -> int:
    text = (error.metadata or {}).get("recommendedRetryTime")
    if text is None:
        return 60
    return max(1, math.ceil((Instant.parse(text) - clock.now()).total_seconds()))
