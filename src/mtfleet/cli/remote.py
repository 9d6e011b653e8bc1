"""The server that commands talk to: how it is found, and one thin HTTP call for everything."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mtfleet.cli.exits import CommandError, ExitCode

if TYPE_CHECKING:
    import httpx2

    from mtfleet.cli.output import Output

DEFAULT_DATA_DIR = Path(".mtfleet")
_REQUEST_SECONDS = 60.0
_LONGEST_WAIT_SECONDS = 60.0
_POLL_FAILURES = 5


@dataclass(frozen=True)
class Address:
    """Where a server is, and the token for it."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Address(url={self.url!r}, token=***)"


def data_dir_of(given: Path | None) -> Path:
    """Return the data directory: the one given, `MTFLEET_DATA_DIR`, or `.mtfleet` here."""
    if given is not None:
        return given
    return Path(os.environ.get("MTFLEET_DATA_DIR") or DEFAULT_DATA_DIR)


def find_server(url: str | None, token_file: Path | None, data_dir: Path | None) -> Address:
    """Find a server and a token for it.

    The address is `--url`, else that of the server which runs on `--data-dir`, else `MTFLEET_URL`, else that
    of the server which runs on the default data directory. The token is the content of `--token-file`, else
    the administrator's token when `--data-dir` was given, else `MTFLEET_TOKEN`, else the administrator's
    token of the default data directory when the address came from there: never sent to any other address.

    Raises `CommandError`: unreachable when no server is known, not allowed when there is no token.
    """
    if not url and data_dir is None:
        url = os.environ.get("MTFLEET_URL")
    if url:
        return Address(url.rstrip("/"), _token(token_file))
    directory = data_dir_of(data_dir)
    url = _running_on(directory)
    if token_file is None and (data_dir is not None or not os.environ.get("MTFLEET_TOKEN")):
        token_file = directory / "admin.token"
    return Address(url.rstrip("/"), _token(token_file))


def _running_on(directory: Path) -> str:
    try:
        return str(json.loads((directory / "server.json").read_text(encoding="utf-8"))["url"])
    except (OSError, ValueError, KeyError, TypeError):
        raise CommandError(
            f"No server is known: MTFLEET_URL is not set, and none runs on the data directory {directory}.",
            ExitCode.UNREACHABLE,
            hint=f"Start one: mtfleet serve --data-dir {directory}, or name one with --url or MTFLEET_URL.",
        ) from None


def _token(token_file: Path | None) -> str:
    if token_file is not None:
        try:
            return token_file.read_text(encoding="utf-8").strip()
        except OSError as problem:
            raise CommandError(
                f"The token file {token_file} can't be read: {problem.strerror}.", ExitCode.NOT_ALLOWED
            ) from problem
    token = os.environ.get("MTFLEET_TOKEN", "").strip()
    if not token:
        raise CommandError(
            "There is no token for this server.",
            ExitCode.NOT_ALLOWED,
            hint="Set MTFLEET_TOKEN or use --token-file FILE. Tokens come from: mtfleet users create NAME",
        )
    return token


def path(*parts: str) -> str:
    """Join parts to a path below `/users/current`, each one escaped."""
    return "/users/current/" + "/".join(quote(part, safe="") for part in parts)


class Remote:
    """Calls to one server. Answers are plain JSON data; refusals raise `CommandError`."""

    def __init__(self, address: Address, out: "Output") -> None:
        self.address = address
        self.out = out
        self._client: httpx2.Client | None = None

    def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            self._client.close()

    def get(self, where: str, params: Mapping[str, Any] | None = None, *, version: int | None = None) -> Any:
        """Read. `version` 2 asks for `{count, items}` instead of an array."""
        headers = {"api-version": str(version)} if version else {}
        return self._answer(self._send("GET", where, params=params, headers=headers))

    def send(self, method: str, where: str, body: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        """Change something; returns the answer's data, or `None` when there is none."""
        return self._answer(self._send(method, where, params=params, body=body))

    def upload(self, where: str, file: Path) -> None:
        """Send a file as the part `file`. Raises `CommandError` when it can't be read."""
        try:
            with file.open("rb") as content:
                response = self._send("PUT", where, files={"file": (file.name, content)})
        except OSError as problem:
            raise CommandError(f"{file} can't be read: {problem.strerror}.", ExitCode.USAGE) from problem
        self._answer(response)

    def create(self, where: str, body: Any, *, what: str, transaction_id: str | None = None) -> Any:
        """Create something that may take a while: asks again, under one transaction id, until it is settled.

        Shows each stage that the server tells of. Asking again under the same id never creates a second one,
        so that a broken connection is tried again too.
        """
        import secrets

        import httpx2

        transaction = transaction_id or secrets.token_hex(16)
        self.out.on_interrupt = (
            f"The server goes on. Get the result by the same command with --transaction-id {transaction}"
        )
        failures = 0
        with self.out.progress(what):
            while True:
                try:
                    response = self._try("POST", where, body=body, headers={"transaction-id": transaction})
                except httpx2.TransportError as problem:
                    failures += 1
                    if failures >= _POLL_FAILURES:
                        raise self._unreachable(problem) from problem
                    time.sleep(min(0.2 * 2**failures, 5.0))
                    continue
                if response.status_code != 202:
                    break
                failures = 0
                answer = self._answer(response)
                # What follows the first sentence tells programs to ask again, which is done here.
                self.out.step(str(answer.get("message", what)).partition(". ")[0])
                time.sleep(_wait_seconds(response))
        self.out.on_interrupt = None
        return self._answer(response)

    def _send(self, method: str, where: str, **more: Any) -> "httpx2.Response":
        import httpx2

        try:
            return self._try(method, where, **more)
        except httpx2.TransportError as problem:
            raise self._unreachable(problem) from problem

    def _try(
        self,
        method: str,
        where: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        files: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> "httpx2.Response":
        kept = {k: _param(v) for k, v in (params or {}).items() if v is not None and v != []}
        return self._http().request(
            method, where, params=kept, json=body, files=files, headers=dict(headers or {})
        )

    def _http(self) -> "httpx2.Client":
        import httpx2

        if self._client is None:
            try:
                self._client = httpx2.Client(
                    base_url=self.address.url,
                    headers={"auth-token": self.address.token},
                    timeout=_REQUEST_SECONDS,
                    transport=httpx2.HTTPTransport(retries=2),  # repeats only what never reached the server
                )
            except (httpx2.InvalidURL, ValueError) as problem:
                raise CommandError(
                    f"{self.address.url} is no address of a server: {problem}.", ExitCode.USAGE
                ) from problem
        return self._client

    def _unreachable(self, problem: Exception) -> CommandError:
        return CommandError(
            f"The server at {self.address.url} can't be reached: {str(problem) or type(problem).__name__}.",
            ExitCode.UNREACHABLE,
            hint="Is it running? mtfleet doctor tells what is wrong; mtfleet serve starts one.",
        )

    def _answer(self, response: "httpx2.Response") -> Any:
        if response.status_code >= 300:
            raise _refusal(response)
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError:
            raise CommandError(
                f"{self.address.url} answers, but not as mtfleet does. Is the address right?",
                ExitCode.UNREACHABLE,
            ) from None


def _param(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _wait_seconds(response: "httpx2.Response") -> float:
    """Return how long the server wants us to wait: its header in seconds or as a date, bounded."""
    from email.utils import parsedate_to_datetime

    header = response.headers.get("retry-after", "")
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
            sent = parsedate_to_datetime(response.headers["date"])
            seconds = (date - sent).total_seconds()
        except (ValueError, KeyError, TypeError):
            seconds = 1.0
    return min(max(seconds, 0.2), _LONGEST_WAIT_SECONDS)


def _refusal(response: "httpx2.Response") -> CommandError:
    try:
        body = response.json()
        message = str(body["message"])
    except (ValueError, KeyError, TypeError):
        body, message = {}, f"The server answered with status {response.status_code} and no explanation."
    code, hint = {
        401: (
            ExitCode.NOT_ALLOWED,
            "Check MTFLEET_TOKEN or --token-file: is it this server's, and not revoked?",
        ),
        403: (ExitCode.NOT_ALLOWED, None),
        404: (ExitCode.NOT_FOUND, None),
        408: (ExitCode.TIMED_OUT, None),
        504: (ExitCode.TIMED_OUT, None),
    }.get(response.status_code, (ExitCode.FAILED, None))
    if response.status_code == 429:
        hint = f"Try again in {response.headers.get('retry-after', 'a few')} seconds."
    return CommandError(message, code, error=body.get("error"), details=body.get("details"), hint=hint)
