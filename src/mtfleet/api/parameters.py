"""Parameters that several routes share, read as leniently as real clients need."""

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, QueryParameter

from mtfleet.api.ports import Services
from mtfleet.domain.access import Caller
from mtfleet.domain.errors import invalid

T = TypeVar("T")

AnyRequest = Request[Any, Any, Any]
TheServices = NamedDependency[Services]
TheCaller = NamedDependency[Caller]

ApiVersion = Annotated[
    str | None,
    HeaderParameter(
        name="api-version", description="`1` for a plain array, `2` for `{count, items}`; 1 by default"
    ),
]
TransactionId = Annotated[
    str | None,
    HeaderParameter(
        name="transaction-id",
        description="Names this operation, 1 to 64 printable ASCII characters; a repeat gets the same answer",
    ),
]
Offset = Annotated[int, QueryParameter(name="offset", ge=0, le=2**53, description="How many to skip")]
Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=1000, description="How many to return at most")]
ForAllReplicas = Annotated[
    bool, QueryParameter(name="executeForAllReplicas", description="Whether to do the same to all replicas")
]

_TRANSACTION_ID = re.compile(r"[\x20-\x7e]{1,64}")


def wants_count(api_version: str | None) -> bool:
    """Tell whether the list is to come as `{count, items}`. Raises `ValidationError`."""
    if api_version not in {None, "1", "2"}:
        raise invalid("api-version", "must be 1 or 2")
    return api_version == "2"


def checked_transaction_id(text: str | None) -> str | None:
    """Return the id if it can be one. Raises `ValidationError`."""
    if text is not None and not _TRANSACTION_ID.fullmatch(text):
        raise invalid("transaction-id", "must have 1 to 64 printable ASCII characters")
    return text


def choices(
    parameter: str, values: list[str] | None, meanings: Callable[[str], Iterable[T]]
) -> frozenset[T] | None:
    """Read an array parameter, also comma-separated; nothing in it means no filter.

    `meanings` gives what a word stands for and raises `ValueError` or `KeyError` for an unknown one.
    """
    words = [word.strip() for value in values or () for word in value.split(",")]
    found: set[T] = set()
    for word in filter(None, words):
        try:
            found.update(meanings(word))
        except (ValueError, KeyError):
            raise invalid(parameter, "is not one of the documented values") from None
    return frozenset(found) or None
