"""A client that knows the documented API and nothing of this program, and what must hold of any answer.

The answer to each request is checked for what holds of all of them: no 5xx, the one error shape, a request
id, JSON without `null`, moments in UTC with milliseconds. Give it an address and a token, of this program or
of another that claims to speak the same contract.
"""

# ruff: noqa: S101 - asserting is what this module is for

import json
import re
import secrets
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import httpx2

ACCOUNTS: Final = "/users/current/accounts"
PROFILES: Final = "/users/current/provisioning-profiles"
NOBODY: Final = "deadbeef-0000-4000-8000-00000000cafe"
"""An id that nothing has."""
UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
BROKER_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}")
ERROR_NAMES: Final = {
    400: "ValidationError",
    401: "UnauthorizedError",
    403: "ForbiddenError",
    404: "NotFoundError",
    405: "ValidationError",
    409: "ConflictError",
    429: "TooManyRequestsError",
    503: "NotSynchronizedError",
    504: "TimeoutError",
}
_FREE: Final = frozenset({"metadata", "details"})
"""Fields that hold whatever a caller put there."""
_WAIT_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 0.02


class ContractClient:
    """One user of the API."""

    def __init__(self, url: str, token: str | None) -> None:
        headers = {} if token is None else {"auth-token": token}
        self.url = url
        self.token = token
        # No certificates are read, which would take longer than most tests.
        self.http = httpx2.Client(
            base_url=url, headers=headers, timeout=30, verify=not url.startswith("http:")
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def send(self, method: str, path: str, expected: int | None = None, **options: Any) -> httpx2.Response:
        """Send a request and check its answer; `expected` is its status."""
        answer = self.http.request(method, path, **options)
        where = f"{method} {path} -> {answer.status_code} {answer.text[:600]}"
        check_answer(answer, where)
        assert expected is None or answer.status_code == expected, where
        return answer

    def get(self, path: str, expected: int = 200, **options: Any) -> Any:
        """Read something and return its JSON."""
        return self.send("GET", path, expected, **options).json()

    def post(self, path: str, expected: int, **options: Any) -> Any:
        """Post under a new transaction id unless one is given; returns the JSON, `None` for no body."""
        headers = {"transaction-id": secrets.token_hex(16), **options.pop("headers", {})}
        answer = self.send("POST", path, expected, headers=headers, **options)
        return answer.json() if answer.content else None

    def put(self, path: str, expected: int = 204, **options: Any) -> Any:
        """Put and return the JSON, `None` for no body."""
        answer = self.send("PUT", path, expected, **options)
        return answer.json() if answer.content else None

    def delete(self, path: str, expected: int = 204, **options: Any) -> Any:
        """Delete and return the JSON of a refusal."""
        answer = self.send("DELETE", path, expected, **options)
        return answer.json() if answer.content else None

    def repeat_until_done(self, path: str, body: Any) -> httpx2.Response:
        """Post as the contract says: the same request again, while the answer is 202."""
        headers = {"transaction-id": secrets.token_hex(16)}
        ends = time.monotonic() + _WAIT_SECONDS
        while True:
            answer = self.send("POST", path, json=body, headers=headers)
            if answer.status_code != 202 or time.monotonic() > ends:
                return answer
            time.sleep(_LOOK_SECONDS)

    def demo(self, server: str = "Sandbox-MT5", **more: Any) -> dict[str, str]:
        """Open a demo account and return its credentials."""
        platform = "mt4" if "MT4" in server else "mt5"
        wish = {"balance": 10_000, "email": "a@example.com", "leverage": 100, "serverName": server, **more}
        made: dict[str, str] = self.post(f"{PROFILES}/default/{platform}-demo-accounts", 201, json=wish)
        return made

    def draft(self, **more: Any) -> str:
        """Add an account without credentials and return its id."""
        return str(self.post(ACCOUNTS, 201, json=draft_body(**more))["id"])

    def account(self, server: str = "Sandbox-MT5", **more: Any) -> str:
        """Add an account with the credentials of a new demo account, wait until connected, return its id."""
        demo = self.demo(server)
        body = draft_body(server=server, login=demo["login"], password=demo["password"], **more)
        made = self.repeat_until_done(ACCOUNTS, body)
        assert made.status_code == 201, made.text
        account_id = str(made.json()["id"])
        self.wait(account_id, lambda account: account["connectionStatus"] == "CONNECTED")
        return account_id

    def wait(self, account_id: str, is_there: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read an account until it is as wanted."""
        return self.wait_at(f"{ACCOUNTS}/{account_id}", is_there)

    def wait_at(self, path: str, is_there: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read something until it is as wanted."""
        ends = time.monotonic() + _WAIT_SECONDS
        while True:
            found: dict[str, Any] = self.get(path)
            if is_there(found):
                return found
            assert time.monotonic() < ends, f"still not as wanted: {found}"
            time.sleep(_LOOK_SECONDS)

    def wait_gone(self, path: str) -> None:
        """Wait for a 404."""
        ends = time.monotonic() + _WAIT_SECONDS
        while self.send("GET", path).status_code != 404:
            assert time.monotonic() < ends, f"{path} is still there"
            time.sleep(_LOOK_SECONDS)


def draft_body(**more: Any) -> dict[str, Any]:
    """Return the least body of a new account; `None` leaves a field out."""
    server = more.get("server") or "Sandbox-MT5"
    least = {
        "name": "Contract",
        "server": server,
        "platform": "mt4" if "MT4" in server else "mt5",
        "magic": 0,
    }
    return {name: value for name, value in (least | more).items() if value is not None}


def check_answer(answer: httpx2.Response, where: str) -> None:
    """Check what holds of every answer. A 5xx is wrong unless it names what was waited for."""
    assert answer.status_code < 500 or answer.status_code in {503, 504}, where
    assert answer.headers.get("request-id"), f"no request-id: {where}"
    is_head = answer.request.method == "HEAD"
    if answer.status_code == 204:
        assert not answer.content, where
        return
    if is_head or not answer.content or answer.headers.get("content-type", "").startswith("text/"):
        return
    assert answer.headers["content-type"] == "application/json; charset=utf-8", where
    body = json.loads(answer.content.decode("utf-8"))
    check_plain(body, where)
    if answer.status_code >= 400:
        check_error(answer.status_code, body, where)


def check_error(status: int, body: Any, where: str = "") -> None:
    """Check the one error shape (contract 3.1)."""
    assert isinstance(body, dict), where
    assert set(body) <= {"id", "error", "message", "details", "metadata"}, where
    assert type(body["id"]) is int, where
    assert body["error"] == ERROR_NAMES[status], where
    assert isinstance(body["message"], str), where
    assert body["message"], where
    details = body.get("details", "absent")
    assert isinstance(details, str | dict | list), where
    if isinstance(details, dict):
        assert isinstance(details["code"], str), where
    for problem in details if isinstance(details, list) else ():
        assert isinstance(problem["parameter"], str), where
        assert isinstance(problem["message"], str), where
        assert set(problem) <= {"parameter", "message", "value"}, where


def check_plain(value: Any, where: str, name: str = "") -> None:
    """Check that absent fields are absent and that moments have milliseconds and `Z`."""
    assert value is not None, f"{name} is null: {where}"
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in _FREE:
                check_plain(inner, where, key)
    elif isinstance(value, list):
        for inner in value:
            check_plain(inner, where, name)
    elif isinstance(value, str) and re.search(r"(At|Time)$|^(time|since)$", name):
        form = BROKER_TIME if "roker" in name else MOMENT
        assert form.fullmatch(value), f"{name}: {value!r} in {where}"


def parameters(error: Any) -> set[str]:
    """Return the names of the fields that an error complains about."""
    details = error.get("details")
    return {one["parameter"] for one in details} if isinstance(details, list) else set()
