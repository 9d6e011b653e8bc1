"""The one tree of errors. It knows nothing of HTTP: `wire/errors.py` maps it there and back.

    MtfleetError
    ├── PolicyError              the caller can change something
    │   ├── ValidationError      a value is wrong, or the broker said so (`details` holds a code)
    │   ├── UnauthorizedError    the token is missing, wrong, expired or revoked
    │   ├── ForbiddenError       the token lacks the right, or a quota is used up
    │   ├── NotFoundError        there is no such thing, or it is another user's
    │   ├── ConflictError        it can't be done in the present state
    │   └── TooManyRequestsError wait until `metadata["recommendedRetryTime"]`
    └── SystemError_             nobody's request was wrong
        ├── InternalError        a defect of this program
        ├── TimedOutError        a hop did not answer in time
        └── NotSynchronizedError the terminal's state is not loaded yet

The docstring of a class is its default message.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec


class FieldProblem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong with one field of a request: its name as the caller wrote it, and what would be right."""

    parameter: str
    message: str
    value: Any = None


class DetailCode:
    """The machine-readable codes of `details`. Programs branch on them; texts may change."""

    SERVER_NOT_FOUND = "E_SRV_NOT_FOUND"
    AUTH = "E_AUTH"
    SERVER_TIMEZONE = "E_SERVER_TIMEZONE"
    RESOURCE_SLOTS = "E_RESOURCE_SLOTS"
    NO_SYMBOLS = "E_NO_SYMBOLS"
    OTP_REQUIRED = "ERR_OTP_REQUIRED"
    PASSWORD_CHANGE_REQUIRED = "E_PASSWORD_CHANGE_REQUIRED"  # noqa: S105 - a code, no password
    TRADING_ACCOUNT_DISABLED = "E_TRADING_ACCOUNT_DISABLED"
    NOT_DEPLOYED = "E_NOT_DEPLOYED"


class MtfleetError(Exception):
    """Something went wrong."""

    name: ClassVar[str] = "InternalError"
    """Stable class name for programs, e.g. `ValidationError`."""
    is_for_callers: ClassVar[bool] = True
    """Whether the message is written for whoever called the API, and not for whoever runs the server."""

    status_code: int | None = None
    """HTTP status; only on an error that came over the wire."""
    id: int | None = None
    """Number of the error's kind (contract 3.2); only on an error that came over the wire."""
    error: str | None = None
    """The kind's name as it was sent; only on an error that came over the wire."""
    request_id: str | None = None
    """Id of the refused request in the server's log; only on an error that came over the wire."""

    def __init__(
        self,
        message: str | None = None,
        *,
        details: "str | Mapping[str, Any] | Sequence[FieldProblem] | None" = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.message: str = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.details: Any = details
        self.metadata: Any = metadata
        super().__init__(self.message)


class PolicyError(MtfleetError):
    """The request can't be done as it was asked."""


class ValidationError(PolicyError):
    """The request is not valid."""

    name = "ValidationError"


class UnauthorizedError(PolicyError):
    """The token is missing, not valid, expired or revoked. Send a valid one in the header auth-token."""

    name = "UnauthorizedError"


class ForbiddenError(PolicyError):
    """The token does not allow this."""

    name = "ForbiddenError"


class NotFoundError(PolicyError):
    """There is no such thing."""

    name = "NotFoundError"


class ConflictError(PolicyError):
    """This can't be done in the present state."""

    name = "ConflictError"


class TooManyRequestsError(PolicyError):
    """Too many requests; wait until the recommended time."""

    name = "TooManyRequestsError"


class SystemError_(MtfleetError):
    """The program or something it depends on failed.

    Unless a subclass says otherwise its message is for the server's log only, since it may name paths, hosts
    and keys; callers are told the number of the incident.
    """

    is_for_callers = False


class InternalError(SystemError_):
    """An unexpected failure of this program."""

    name = "InternalError"
    is_for_callers = True


class UnavailableError(InternalError):
    """Something that this program depends on can't be used right now; try again in a moment."""


class TimedOutError(SystemError_):
    """No answer came in time."""

    name = "TimeoutError"
    is_for_callers = True


class NotSynchronizedError(SystemError_):
    """The terminal's state is not loaded yet; try again in a moment."""

    name = "NotSynchronizedError"
    is_for_callers = True


MAX_PROBLEMS = 50
"""Most wrong fields that one error tells of, so that an answer is never much larger than its request."""
MAX_SHOWN_CHARACTERS = 200
"""Most characters of a wrong value that an error shows."""


def invalid(parameter: str, message: str, value: Any = None) -> ValidationError:
    """Return the error for one wrong field."""
    return wrong_fields([FieldProblem(parameter=parameter, message=message, value=value)])


def wrong_fields(problems: Sequence[FieldProblem], introduction: str = "") -> ValidationError:
    """Return the error for some wrong fields: the first of them, with values cut to a readable length."""
    told = [_with_short_value(problem) for problem in problems[:MAX_PROBLEMS]]
    text = "; ".join(f"{problem.parameter}: {problem.message}" for problem in told)
    more = f"; and {len(problems) - len(told)} more" if len(problems) > len(told) else ""
    return ValidationError(f"{introduction} {text}{more}".lstrip(), details=told)


def _with_short_value(problem: FieldProblem) -> FieldProblem:
    value = problem.value
    if isinstance(value, str) and len(value) > MAX_SHOWN_CHARACTERS:
        return msgspec.structs.replace(problem, value=value[:MAX_SHOWN_CHARACTERS] + "…")
    return problem
