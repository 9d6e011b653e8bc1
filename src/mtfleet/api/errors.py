"""The one place where an exception becomes an answer."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog
from litestar import Request, Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from mtfleet.api.responses import JsonResponse
from mtfleet.domain.errors import (
    FieldProblem,
    MtfleetError,
    NotFoundError,
    NotSynchronizedError,
    TooManyRequestsError,
    UnavailableError,
    ValidationError,
    wrong_fields,
)
from mtfleet.domain.values import Clock, Instant
from mtfleet.wire.errors import encode_error, public_error, status_of

if TYPE_CHECKING:
    from mtfleet.api.ports import Services

log = structlog.get_logger(__name__)

UNAVAILABLE_RETRY_SECONDS = 2


def answer(request: Request[Any, Any, Any], raised: Exception) -> Response[Any]:
    """Answer with the error shape; what nobody expected is logged and told as `InternalError`."""
    error = as_domain_error(raised, _wire_names(request))
    status = 405 if isinstance(raised, MethodNotAllowedException) else status_of(error)
    headers: dict[str, str] = {}
    if isinstance(raised, MethodNotAllowedException):
        headers["Allow"] = _allowed((raised.headers or {}).get("allow", ""))
    services: Services = request.app.state.services
    if isinstance(error, TooManyRequestsError):
        headers["Retry-After"] = str(wait_seconds(error, services.clock))
    if isinstance(error, NotSynchronizedError | UnavailableError):
        headers["Retry-After"] = str(UNAVAILABLE_RETRY_SECONDS)
    if status >= 500 and error is not raised:
        log.error(
            "request.failed",
            route=request.scope.get("path_template"),
            incident=(error.metadata or {}).get("incidentId"),
            exc_info=raised,
        )
    return JsonResponse(
        encode_error(error), status_code=status, headers=headers, media_type="application/json"
    )


def _allowed(methods: str) -> str:
    """Add HEAD, which every address takes that takes GET."""
    known = set(methods.split(", "))
    return ", ".join(sorted(known | {"HEAD"} if "GET" in known else known))


def wait_seconds(error: TooManyRequestsError, clock: Clock) -> int:
    """Return how long the caller should wait, in whole seconds and at least one."""
    text = (error.metadata or {}).get("recommendedRetryTime")
    if text is None:
        return 1
    return max(1, math.ceil((Instant.parse(text) - clock.now()).total_seconds()))


def _wire_names(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Return how callers write the parameters of the route's function."""
    handler = request.scope.get("route_handler")
    if handler is None:
        return {}
    parameters = handler.parsed_fn_signature.parameters
    return {
        name: written
        for name, one in parameters.items()
        if isinstance(written := getattr(one.kwarg_definition, "name", None), str)
    }


def as_domain_error(raised: Exception, wire_names: Mapping[str, str] | None = None) -> MtfleetError:
    """Say it in the project's own terms; what went wrong inside this program is not told outside."""
    if isinstance(raised, RecursionError):
        return ValidationError("The body is nested too deeply.")
    if isinstance(raised, HTTPException) and raised.status_code < 500:
        return _client_error(raised, wire_names or {})
    return public_error(raised)


def _client_error(raised: HTTPException, wire_names: Mapping[str, str]) -> MtfleetError:
    if isinstance(raised, NotFoundException):
        return NotFoundError("There is nothing at this address; /swagger/ lists all that there is.")
    if isinstance(raised, MethodNotAllowedException):
        return ValidationError(
            "This address does not take this method; the header Allow lists those it does."
        )
    if isinstance(raised, RequestEntityTooLarge):
        return ValidationError("The request's body is larger than this server takes.")
    if isinstance(raised, ValidationException):
        return _invalid(raised, wire_names)
    if isinstance(raised, ClientException):
        return ValidationError(f"The request can't be read: {raised.detail}")
    return ValidationError(raised.detail)


def _invalid(raised: ValidationException, wire_names: Mapping[str, str]) -> ValidationError:
    found = raised.extra if isinstance(raised.extra, list) else []
    problems = [_problem(one, wire_names) for one in found if isinstance(one, dict)]
    if not problems:
        return ValidationError(f"The request is not valid: {raised.detail}")
    return wrong_fields(problems)


def _problem(found: dict[str, Any], wire_names: Mapping[str, str]) -> FieldProblem:
    """Name the field and what is wrong; the value itself is never repeated, it might be a password."""
    key = str(found.get("key", "request"))
    message = str(found.get("message", "is not valid"))
    if key == "data" and message == "'data'":
        return FieldProblem(parameter="body", message="a JSON object is required")
    return FieldProblem(
        parameter="body" if key == "data" else wire_names.get(key, key), message=message.replace("`", "")
    )
