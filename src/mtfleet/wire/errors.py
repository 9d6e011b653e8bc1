"""Errors over the wire, both ways: the server writes what was raised, the SDK raises what was written.

Contract section 3. Only `status_of`, `encode_error` and `from_wire` are needed from outside; `incident_of`
names an unexpected failure in the answer and in the log alike.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, SupportsIndex
from uuid import uuid4

import msgspec

from mtfleet.domain.errors import (
    ConflictError,
    FieldProblem,
    ForbiddenError,
    InternalError,
    MtfleetError,
    NotFoundError,
    NotSynchronizedError,
    PolicyError,
    TimedOutError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
    ValidationError,
)
from mtfleet.domain.secret import Secret
from mtfleet.domain.values import Instant
from mtfleet.wire.json import encode
from mtfleet.wire.replies import ErrorBody


class _Kind(msgspec.Struct, frozen=True):
    """One row of the table of errors."""

    status: int
    id: int
    raised: type[MtfleetError]


KINDS: Final[dict[str, _Kind]] = {
    "TooManyRequestsError": _Kind(429, 1, TooManyRequestsError),
    "UnauthorizedError": _Kind(401, 2, UnauthorizedError),
    "ValidationError": _Kind(400, 3, ValidationError),
    "NotFoundError": _Kind(404, 4, NotFoundError),
    "ForbiddenError": _Kind(403, 5, ForbiddenError),
    "InternalError": _Kind(500, 6, InternalError),
    "ConflictError": _Kind(409, 7, ConflictError),
    "TimeoutError": _Kind(504, 8, TimedOutError),
    "NotSynchronizedError": _Kind(503, 9, NotSynchronizedError),
}
"""Every error name that goes over the wire, with its status and number."""

UNAVAILABLE_STATUS: Final = 503
"""Of an `InternalError` that may be over in a moment: the database is away, not the program broken."""

_BY_STATUS: Final = {
    400: ValidationError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    408: TimedOutError,
    409: ConflictError,
    413: ValidationError,
    415: ValidationError,
    422: ValidationError,
    429: TooManyRequestsError,
    504: TimedOutError,
}
"""What to raise for an answer that names no error that we know."""

_MASKED_PARAMETERS: Final = ("password", "token", "secret", "preset")
_MAX_TEXT = 500
_MAX_DEPTH = 20


class Details(str):
    """The `details` code of an error: equal to the code, and a reader of the fields that came with it.

    `details == "E_SRV_NOT_FOUND"`, `details["serversByBrokers"]`, `details.get("serversByBrokers")` and
    `details.code` all work, whichever of the two shapes the server sent (contract 17.1).
    """

    fields: dict[str, Any]

    def __new__(cls, code: str, fields: Mapping[str, Any] | None = None) -> "Details":
        self = super().__new__(cls, code)
        self.fields = {**(fields or {}), "code": code}
        return self

    @property
    def code(self) -> str:
        """The code as a plain text."""
        return str(self)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field that came with the code, or `default`."""
        return self.fields.get(key, default)

    def __getitem__(self, key: SupportsIndex | slice | str) -> Any:
        return self.fields[key] if isinstance(key, str) else super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        return key in self.fields or (isinstance(key, str) and super().__contains__(key))

    def keys(self) -> Iterator[str]:
        """Name the fields, so that `dict(details)` works."""
        return iter(self.fields)

    def __reduce__(self) -> tuple[Any, ...]:
        return Details, (str(self), self.fields)


def incident_of(error: BaseException) -> str:
    """Return the id under which an unexpected failure is found in the log; the same for each call."""
    known = getattr(error, "mtfleet_incident_id", None)
    if isinstance(known, str):
        return known
    made = uuid4().hex
    error.mtfleet_incident_id = made  # type: ignore[attr-defined]  # a mark on whatever exception it is
    return made


def public_error(error: BaseException) -> MtfleetError:
    """Return what may be told of `error`: itself when it is meant for callers, otherwise a text without its
    own. Whoever calls this logs `error` when it is another than what comes back."""
    if isinstance(error, MtfleetError) and error.is_for_callers:
        return error
    if isinstance(error, msgspec.DecodeError):  # also msgspec.ValidationError
        return _of_msgspec(error)
    incident = {"incidentId": incident_of(error)}
    if isinstance(error, MtfleetError):
        kind = UnavailableError if isinstance(error, UnavailableError) else InternalError
        return kind(
            "Something that this server needs is out of order; its log tells whoever runs it why, under "
            f"incident {incident['incidentId']}. Try again in a few minutes.",
            metadata=incident,
        )
    if isinstance(error, TimeoutError):
        return TimedOutError(
            "Something this program waited for did not answer in time; try again. The log tells more under "
            f"incident {incident['incidentId']}.",
            metadata=incident,
        )
    return InternalError(
        "This program failed in a way that nobody foresaw; whether the request took effect is not known. The "
        f"server's log tells more under incident {incident['incidentId']}.",
        metadata=incident,
    )


def _of_msgspec(error: msgspec.DecodeError) -> ValidationError:
    text, _, path = str(error).partition(" - at `")
    where = path.rstrip("`").removeprefix("key in ").removeprefix("$").lstrip(".") or "body"
    return ValidationError(f"{where}: {text}", details=[FieldProblem(parameter=where, message=text)])


def _kind_of(error: MtfleetError) -> _Kind:
    return KINDS.get(error.name, KINDS["InternalError"])


def status_of(error: BaseException) -> int:
    """Return the HTTP status for an error."""
    shown = public_error(error)
    return UNAVAILABLE_STATUS if isinstance(shown, UnavailableError) else _kind_of(shown).status


def encode_error(error: BaseException) -> bytes:
    """Write the error body. Texts of exceptions that are not ours never get out."""
    shown = public_error(error)
    name = shown.name if shown.name in KINDS else "InternalError"
    return encode(
        ErrorBody(
            id=KINDS[name].id,
            error=name,
            message=_text(shown.message),
            details=_raw(_details_on_wire(shown.details)),
            metadata=_raw(shown.metadata),
        )
    )


def _raw(value: Any) -> msgspec.Raw | None:
    return None if value is None else msgspec.Raw(encode(_plain(value)))


def _details_on_wire(details: Any) -> Any:
    if isinstance(details, Details):
        return str(details) if len(details.fields) == 1 else details.fields
    if isinstance(details, Sequence) and not isinstance(details, str | bytes):
        return [_problem_on_wire(d) if isinstance(d, FieldProblem) else d for d in details]
    return details


def _problem_on_wire(problem: FieldProblem) -> dict[str, Any]:
    shown: dict[str, Any] = {"parameter": problem.parameter, "message": problem.message}
    if problem.value is not None:
        hidden = any(word in problem.parameter.lower() for word in _MASKED_PARAMETERS)
        shown["value"] = "***" if hidden else problem.value
    return shown


def _text(text: str) -> str:
    """Make a text that JSON can carry: lone surrogates, as a client may send them escaped, have no UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _plain(value: Any, depth: int = 0) -> Any:
    """Return plain JSON data for whatever an error carries, so that writing an error never fails."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, str):
        return _text(str(value))
    if isinstance(value, Instant):
        return value.to_wire()
    if isinstance(value, Secret):
        return "***"
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value, enc_hook=_plain)
    if depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            return {_text(str(k)): _plain(v, depth + 1) for k, v in value.items()}
        if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray):
            return [_plain(v, depth + 1) for v in value]
    return f"({type(value).__name__})"


def from_wire(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> MtfleetError:
    """Build the error that the server raised, from whatever came back.

    The body may be anything: a proxy's page, nothing at all, JSON of another shape. `headers` are searched in
    any case for `request-id`.
    """
    fields = _object(body)
    name = fields.get("error")
    kind = KINDS.get(name) if isinstance(name, str) else None
    raised = kind.raised if kind else _class_of_status(status)
    if name == InternalError.name and status == UNAVAILABLE_STATUS:
        raised = UnavailableError
    message = fields.get("message")
    error = raised(
        message if isinstance(message, str) and message else _message_of(status, body),
        details=_details_from_wire(fields.get("details")),
        metadata=fields.get("metadata") if isinstance(fields.get("metadata"), dict) else None,
    )
    number = fields.get("id")
    error.status_code = status
    error.id = number if isinstance(number, int) and not isinstance(number, bool) else None
    error.error = name if isinstance(name, str) and name else raised.name
    error.request_id = next((v for k, v in (headers or {}).items() if k.lower() == "request-id"), None)
    return error


def _object(body: bytes) -> dict[str, Any]:
    try:
        read = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _class_of_status(status: int) -> type[MtfleetError]:
    if known := _BY_STATUS.get(status):
        return known
    return PolicyError if 400 <= status < 500 else InternalError


def _details_from_wire(details: Any) -> Any:
    if isinstance(details, str):
        return Details(details)
    if isinstance(details, dict) and isinstance(details.get("code"), str):
        return Details(details["code"], details)
    return details


def _message_of(status: int, body: bytes) -> str:
    text = body[: _MAX_TEXT * 8].decode("utf-8", "replace")
    if re.match(r"\s*<", text):
        text = re.sub(r"(?is)<(script|style|head)\b.*?</\1\s*>|<[^>]*>", " ", text)
    text = " ".join(text.split())[:_MAX_TEXT]
    return f"The server answered with status {status} and no error body that can be read" + (
        f": {text}" if text and not text.startswith(("{", "[")) else "."
    )
