"""mtfleet: a MetaTrader account cloud that you run yourself.

The SDK's names can be imported from here. They are loaded on first use, so that the server and `mtfleet
--help` do not pay for an HTTP client.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtfleet.sdk import (
        ApiException,
        ConflictException,
        ForbiddenException,
        InternalException,
        MetaApi,
        MethodAccessException,
        NetworkException,
        NotFoundException,
        TimeoutException,
        TooManyRequestsException,
        UnauthorizedException,
        UploadNotFound,
        ValidationException,
        format_error,
    )

__all__ = [
    "ApiException",
    "ConflictException",
    "ForbiddenException",
    "InternalException",
    "MetaApi",
    "MethodAccessException",
    "NetworkException",
    "NotFoundException",
    "TimeoutException",
    "TooManyRequestsException",
    "UnauthorizedException",
    "UploadNotFound",
    "ValidationException",
    "format_error",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mtfleet import sdk  # here and not above: see the docstring

    value = getattr(sdk, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
