"""How answers are written: one codec, the statuses that the contract documents, and waiting times."""

import math
from datetime import timedelta
from email.utils import format_datetime
from typing import Any, TypeVar

import msgspec
from litestar import Response
from litestar.openapi.datastructures import ResponseSpec

from mtfleet.domain.values import Clock
from mtfleet.wire import json
from mtfleet.wire.replies import Accepted

T = TypeVar("T")


class JsonResponse(Response[T]):
    """An answer in the project's own JSON; bytes are taken as JSON that is written already."""

    def render(self, content: Any, media_type: str, enc_hook: Any = None) -> bytes:
        """Write the body."""
        if isinstance(content, bytes):
            return content
        if content is None:
            return b""
        if isinstance(content, str) and not media_type.startswith("application/json"):
            return content.encode()
        return json.encode(content)


class ErrorDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The one shape of every error."""

    id: int
    error: str
    message: str
    details: str | dict[str, Any] | list[Any] | None = None
    metadata: dict[str, Any] | None = None


_MEANINGS = {
    400: "Something in the request is wrong; `details` tells what",
    401: "The token is missing, not valid, expired or revoked",
    403: "The token does not allow this, or a quota is used up",
    404: "There is no such thing, or it is not yours",
    409: "It can't be done in the present state",
    429: "Too many requests; see `Retry-After`",
    500: "A defect of this program",
    503: "Not ready yet, or something this server needs is away; try again in a moment",
    504: "The terminal or broker did not answer in time",
}


def errors(*statuses: int) -> dict[int, ResponseSpec]:
    """Document error answers; those that every route which takes a token can give are added."""
    return {
        status: ResponseSpec(
            data_container=ErrorDocument, generate_examples=False, description=_MEANINGS[status]
        )
        for status in sorted({400, 401, 403, 429, 500, 503, 504, *statuses})
    }


def in_progress() -> dict[int, ResponseSpec]:
    """Document the 202 of work that goes on."""
    return {
        202: ResponseSpec(
            data_container=Accepted,
            generate_examples=False,
            description="Work goes on: repeat the request with its `transaction-id` after `Retry-After`",
        )
    }


def result(outcome: T | Accepted, clock: Clock) -> Response[T]:
    """Answer 201 with the result, or 202 with the time after which to ask again."""
    if isinstance(outcome, Accepted):
        again_at = clock.now() + timedelta(seconds=math.ceil(outcome.retry_after_seconds) + 1)
        waiting: Any = JsonResponse(
            outcome, status_code=202, headers={"Retry-After": format_datetime(again_at, usegmt=True)}
        )
        return waiting  # type: ignore[no-any-return]  # a 202 has another body; it is documented beside the 201
    return JsonResponse(outcome, status_code=201)
