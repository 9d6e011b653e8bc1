"""Errors as plain JSON, so that the outcome of an operation can be stored and raised again later."""

from collections.abc import Sequence
from typing import Any

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
    ValidationError,
)
from mtfleet.wire.json import to_builtins

_CLASSES: dict[str, type[MtfleetError]] = {
    kind.name: kind
    for kind in (
        ValidationError,
        UnauthorizedError,
        ForbiddenError,
        NotFoundError,
        ConflictError,
        TooManyRequestsError,
        InternalError,
        TimedOutError,
        NotSynchronizedError,
    )
}


def to_plain(error: MtfleetError) -> dict[str, Any]:
    """Return class name, message, details and metadata."""
    plain: dict[str, Any] = {"error": error.name, "message": error.message}
    if error.details is not None:
        plain["details"] = to_builtins(error.details)
    if error.metadata is not None:
        plain["metadata"] = to_builtins(error.metadata)
    return plain


def from_plain(plain: dict[str, Any]) -> MtfleetError:
    """Return an error equal to the stored one, of the class that its name stands for."""
    kind = _CLASSES.get(plain["error"], InternalError)
    return kind(plain["message"], details=_details(plain.get("details")), metadata=plain.get("metadata"))


def is_policy(plain: dict[str, Any]) -> bool:
    """Whether the stored error tells of something that the caller can change."""
    return issubclass(_CLASSES.get(plain["error"], InternalError), PolicyError)


def _details(details: Any) -> Any:
    if isinstance(details, Sequence) and not isinstance(details, str):
        return [msgspec.convert(problem, FieldProblem) for problem in details]
    return details
