"""What the SDK raises. The server's own errors come over the wire as the same classes; these are their names
here.

    ApiException (MtfleetError)
    ├── ValidationException        400, or an argument that is wrong before anything is sent
    │   └── UploadNotFound         the file to upload is not there (also a FileNotFoundError)
    ├── UnauthorizedException      401
    ├── ForbiddenException         403
    │   └── MethodAccessException  this token can't do that; found out without asking the server
    ├── NotFoundException          404
    ├── ConflictException          409
    ├── TooManyRequestsException   429
    ├── InternalException          5xx, or an answer that makes no sense
    ├── TimeoutException           a wait or a request took too long
    └── NetworkException           the server could not be reached

Every one has `message`, `details`, `metadata`, `status_code`, `id`, `error` and `request_id`; what does not
apply is `None`, so that `err.details == "E_AUTH"` may be asked of any of them.
"""

from mtfleet.domain.errors import (
    ConflictError,
    ForbiddenError,
    InternalError,
    MtfleetError,
    NotFoundError,
    SystemError_,
    TimedOutError,
    TooManyRequestsError,
    UnauthorizedError,
    ValidationError,
)

ApiException = MtfleetError
ValidationException = ValidationError
UnauthorizedException = UnauthorizedError
ForbiddenException = ForbiddenError
NotFoundException = NotFoundError
ConflictException = ConflictError
TooManyRequestsException = TooManyRequestsError
InternalException = InternalError
TimeoutException = TimedOutError


class NetworkException(SystemError_):
    """The server could not be reached."""


class MethodAccessException(ForbiddenError):
    """This token can't be used for that call."""


class UploadNotFound(ValidationError, FileNotFoundError):
    """The file to upload does not exist."""


def format_error(error: BaseException) -> str:
    """Return an error as text for people: kind, status, message, and what the server added for programs."""
    if not isinstance(error, MtfleetError):
        return f"{type(error).__name__}: {error}"
    status = f" ({error.status_code})" if error.status_code is not None else ""
    lines = [f"{error.error or type(error).__name__}{status}: {error.message}"]
    for label in ("details", "metadata", "request_id"):
        value = getattr(error, label)
        if value is not None:
            fields = getattr(value, "fields", None)
            lines.append(f"  {label.replace('_', ' ')}: {fields if fields and len(fields) > 1 else value}")
    return "\n".join(lines)
