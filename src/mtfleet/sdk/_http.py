"""Sends requests: retries what may be repeated, polls what takes long, and turns answers into values or
errors.

The loop is our own; docs/adr/0008 says why it is not stamina's. Waits are told by the server, for failures
and for progress (202) alike, and share one bound.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from mtfleet.domain.errors import InternalError, MtfleetError, TimedOutError, ValidationError, invalid
from mtfleet.domain.secret import Secret
from mtfleet.sdk._exceptions import NetworkException
from mtfleet.sdk._files import Upload
from mtfleet.sdk._options import URL_VARIABLE, Options, Service, without_credentials
from mtfleet.sdk._waiting import back_off, message_of, one_line, server_wait
from mtfleet.wire.errors import from_wire
from mtfleet.wire.json import decode, encode

T = TypeVar("T")
log = logging.getLogger("mtfleet")

_IDLE_SECONDS: Final = 4.0
"""How long an idle connection is kept: less than the five seconds after which common servers close theirs,
so that a request is not written into a connection that is just being closed."""
_UNSENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
"""Failures before the first byte of a request was sent."""
_HOPELESS: Final = (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)


_chance: Final = secrets.SystemRandom().random


class Repeat(Enum):
    """When a request may be sent again."""

    ALWAYS = "repeating it changes nothing more, because of its method or its transaction id"
    IF_NOT_DONE = "only when it surely was not carried out"


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request as the SDK wants it, whatever it takes to get an answer."""

    method: str
    path: str
    params: Mapping[str, str | list[str]] | None = None
    content: bytes | None = None
    upload: Upload | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeat: Repeat = Repeat.ALWAYS
    service: Service = "provisioning"
    is_long: bool = False
    """Whether one answer may take as long as long work does."""

    @property
    def is_polled(self) -> bool:
        """Whether a 202 means "ask again with the same transaction id"."""
        return "transaction-id" in self.headers

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class HttpClient:
    """One connection pool with one token. Safe to use from many tasks of one event loop at once."""

    def __init__(self, token: Secret, options: Options, jitter: Callable[[], float] = _chance) -> None:
        self.token: Final = token
        self.options: Final = options
        self.clock: Final = options.clock
        self._jitter = jitter
        self._client: httpx2.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    async def close(self) -> None:
        """Close all connections; a second call does nothing."""
        self._is_closed = True
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def send(self, call: Call) -> httpx2.Response:
        """Send until there is a final answer.

        Raises the server's error, `NetworkException` or `TimeoutException` once retrying is over. A cancelled
        caller stops at once; what the server has begun goes on there.
        """
        effort = _Effort(call, self)
        while True:
            try:
                response = await self._attempt(call)
            except (httpx2.HTTPError, TimeoutError, httpx2.InvalidURL) as failure:
                error = self._describe(call, failure)
                wait = effort.wait_after_failure(failure)
                if wait is None:
                    raise error from failure
                reason = one_line(error.message)
            else:
                if response.status_code == 202 and call.is_polled:
                    wait = effort.wait_for_progress(response)
                    reason = message_of(response.content, "the request is still being worked on")
                elif response.is_success or effort.was_done_before(response):
                    return response
                else:
                    wait = effort.wait_after_error(response)
                    if wait is None:
                        raise _error_of(call, response)
                    reason = message_of(response.content, f"status {response.status_code}")
            log.info(
                "Retrying request in %s seconds because request returned message: %s", f"{wait:.3g}", reason
            )
            await self.clock.sleep(wait)

    async def fetch(self, call: Call, kind: type[T]) -> T:
        """Send, and read the answer as `kind`."""
        return self.read(call, await self.send(call), kind)

    def read(self, call: Call, response: httpx2.Response, kind: type[T]) -> T:
        """Read an answer as `kind`. Raises `InternalException` when it is something else."""
        try:
            return decode(response.content, kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            sort = response.headers.get("content-type", "no content type")
            raise InternalError(
                f"{call} was answered with status {response.status_code} and something that can't be read as "
                f"it should be ({sort}: {error}). If it is a web page, something between here and the server "
                "answered in its place."
            ) from error

    async def _attempt(self, call: Call) -> httpx2.Response:
        client = self._open()
        headers: dict[str, Any] = {**call.headers}
        if call.content is not None:
            headers["content-type"] = "application/json"
        request = client.build_request(
            call.method,
            self.options.addresses[call.service] + call.path,
            params=call.params,
            content=call.content,
            files=call.upload.as_multipart() if call.upload else None,
            headers=headers,
            timeout=self._limit(call) if call.is_long else self.options.request_timeout,
        )
        async with asyncio.timeout(self._limit(call)):
            return await client.send(request)

    def _open(self) -> httpx2.AsyncClient:
        if self._is_closed:
            raise ValidationError("This MetaApi is closed; make a new one.")
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop:
            if not self._loop.is_closed():
                raise ValidationError("This MetaApi is used in another event loop; make one for each loop.")
            self._client = None  # its connections ended with their loop, e.g. with an earlier asyncio.run
        self._loop = loop
        if self._client is None:
            gate = self.options.gate
            self._client = httpx2.AsyncClient(
                auth=(gate[0], gate[1].reveal()) if gate else None,
                headers={
                    "auth-token": self.token.reveal(),
                    "accept": "application/json",
                    "user-agent": "mtfleet-python",
                },
                timeout=self.options.request_timeout,
                limits=httpx2.Limits(
                    max_connections=100, max_keepalive_connections=100, keepalive_expiry=_IDLE_SECONDS
                ),
                transport=self.options.transport,
                # An answer that points elsewhere must not carry the token there.
                follow_redirects=False,
            )
        return self._client

    def _limit(self, call: Call) -> float:
        # A big file or a long download may take longer than other requests: its bound is that of long work.
        is_long = call.is_long or call.upload is not None
        return self.options.retry.long_running_timeout if is_long else self.options.request_timeout

    def _describe(self, call: Call, failure: Exception) -> MtfleetError:
        if isinstance(failure, httpx2.InvalidURL):
            return invalid("path", f"no address can be made of it ({failure})", call.path)
        address = self.options.addresses[call.service]
        if isinstance(failure, TimeoutError | httpx2.ReadTimeout | httpx2.WriteTimeout):
            option = "retryOpts.longRunningRequestTimeoutInMinutes" if call.is_long else "requestTimeout"
            return TimedOutError(
                f"{address} did not answer {call} in time (option {option}, {self._limit(call):g} seconds)."
            )
        cause = f"{type(failure).__name__}: {failure}" if str(failure) else type(failure).__name__
        return NetworkException(
            f"{call} got no answer from {address} ({cause}). Is the server running, and is the address right "
            f"(option url, or {URL_VARIABLE})?"
        )


class _Effort:
    """What has been tried for one call: says whether to try again, and after how many seconds."""

    def __init__(self, call: Call, http: HttpClient) -> None:
        self._call = call
        self._http = http
        self._failures = 0
        self._may_have_been_done = False
        self._deadline = http.clock.monotonic() + http.options.retry.long_running_timeout

    def wait_after_failure(self, failure: Exception) -> float | None:
        """Decide after a failure without an answer; `None` means to give up."""
        if isinstance(failure, (*_HOPELESS, httpx2.InvalidURL)):
            return None
        is_unsent = isinstance(failure, _UNSENT)
        if not is_unsent:
            self._may_have_been_done = True
        return self._next_wait(None) if is_unsent or self._call.repeat is Repeat.ALWAYS else None

    def wait_after_error(self, response: httpx2.Response) -> float | None:
        """Decide after an error answer; `None` means to give up."""
        status = response.status_code
        if status != 429 and (status < 500 or status == 501):
            return None
        if status != 429:
            if self._call.repeat is not Repeat.ALWAYS:
                return None
            self._may_have_been_done = True
        return self._next_wait(server_wait(response.headers, response.content, self._http.clock))

    def wait_for_progress(self, response: httpx2.Response) -> float:
        """Decide after a 202. Raises `TimeoutException` when the bound for long work is reached."""
        self._failures = 0  # the server is there and working: earlier failures are over
        left = self._left()
        if left <= 0:
            bound = self._http.options.retry.long_running_timeout
            transaction = self._call.headers["transaction-id"]
            raise TimedOutError(
                f"{self._call} is not finished after {bound:g} seconds (option "
                "retryOpts.longRunningRequestTimeoutInMinutes); the server's last word was: "
                f"{message_of(response.content, 'none')} The work goes on there. To get its result, make "
                f"the same call again with transaction_id='{transaction}'.",
                metadata={"transactionId": transaction},
            )
        asked = server_wait(response.headers, response.content, self._http.clock)
        smallest = self._http.options.retry.min_delay
        return min(left, asked if asked else smallest)

    def was_done_before(self, response: httpx2.Response) -> bool:
        """Whether a 404 on a removal only says that an earlier try, whose answer was lost, has worked."""
        return response.status_code == 404 and self._call.method == "DELETE" and self._may_have_been_done

    def _next_wait(self, asked: float | None) -> float | None:
        retry = self._http.options.retry
        self._failures += 1
        if self._failures > retry.retries or (self._call.upload and not self._call.upload.is_repeatable):
            return None
        wait = asked if asked else back_off(retry, self._failures, self._http._jitter)
        return wait if wait <= self._left() else None

    def _left(self) -> float:
        return self._deadline - self._http.clock.monotonic()


def _error_of(call: Call, response: httpx2.Response) -> MtfleetError:
    if response.is_redirect:
        target = without_credentials(httpx2.URL(response.headers.get("location", "")))
        error = from_wire(response.status_code, b"", response.headers)
        error.message = (
            f"{call} was sent elsewhere ({target}). The SDK does not follow, so as not to give the token "
            "away: set the option url to the right address."
        )
        error.args = (error.message,)
        return error
    return from_wire(response.status_code, response.content, response.headers)


def segment(name: str, value: str) -> str:
    """Return `value` as one segment of a path, whatever characters it has.

    Raises `ValidationError` naming the argument when it is no text, or one that no path can hold.
    """
    if not isinstance(value, str):
        raise invalid(name, f"give a text, not {type(value).__name__}")
    if value.strip() in ("", ".", ".."):
        raise invalid(name, "give an id; this one is empty or only dots", value)
    return quote(value, safe="")


def body(name: str, value: Mapping[str, Any]) -> bytes:
    """Return a dictionary with the API's own names as JSON. Raises `ValidationError` naming the argument."""
    if not isinstance(value, Mapping):
        raise invalid(name, f"give a dictionary, not {type(value).__name__}")
    try:
        return encode(dict(value))
    except (TypeError, ValueError) as error:
        raise invalid(name, f"it can't be written as JSON ({error})") from None


def query(name: str, values: Mapping[str, Any] | None) -> dict[str, str | list[str]]:
    """Return filters as query parameters: `None` is left out, lists are repeated, truth is `true` or
    `false`."""
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise invalid(name, f"give a dictionary, not {type(values).__name__}")
    return {
        key: [_plain(v) for v in value]
        if isinstance(value, list | tuple | set | frozenset)
        else _plain(value)
        for key, value in values.items()
        if value is not None
    }


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def transaction_headers(transaction_id: str | None) -> dict[str, str]:
    """Return the header that names one logical operation: by 32 random characters unless the caller named it.

    Raises `ValidationError` for a name that no header can hold.
    """
    if transaction_id is None:
        return {"transaction-id": secrets.token_hex(16)}
    is_text = isinstance(transaction_id, str) and transaction_id.isascii() and transaction_id.isprintable()
    if not is_text or transaction_id != transaction_id.strip() or not 1 <= len(transaction_id) <= 64:
        raise invalid("transaction_id", "give 1 to 64 printable ASCII characters", transaction_id)
    return {"transaction-id": transaction_id}
