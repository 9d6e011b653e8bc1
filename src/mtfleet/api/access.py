"""Who calls, and whether they may: the guards of all routes."""

import re
from typing import TYPE_CHECKING, Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from mtfleet.domain.access import MANAGEMENT, Caller, require
from mtfleet.domain.errors import ForbiddenError, NotFoundError, ValidationError
from mtfleet.domain.ids import AccountId

if TYPE_CHECKING:
    from mtfleet.api.ports import Services

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UUID_PARAMETERS = {"account_id": "account", "replica_id": "replica", "profile_id": "provisioning profile"}

Connection = ASGIConnection[Any, Any, Any, Any]


async def authenticated(connection: Connection) -> Caller:
    """Find out who calls and count the request against the user's rate."""
    services: Services = connection.app.state.services
    client = connection.client
    caller = await services.tokens.authenticate(
        connection.headers.get("auth-token") or _bearer(connection),
        remote_address=client.host if client else None,
    )
    services.user_rate.take(caller.user_id)
    connection.scope["auth"] = caller
    if b"%00" in connection.scope["query_string"]:
        raise ValidationError("The query holds a NUL character (%00), which no name or text here has.")
    return caller


def _bearer(connection: Connection) -> str | None:
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def current_caller(connection: Connection) -> Caller:
    """Return who was let in by a guard."""
    caller: Caller = connection.scope["auth"]
    return caller


class Allows:
    """A guard: the caller's token must allow this method of the application."""

    def __init__(
        self,
        group: str,
        method: str,
        *,
        is_writing: bool = False,
        application: str = MANAGEMENT,
        takes_default_profile: bool = False,
    ) -> None:
        self.group = group
        self.method = method
        self.is_writing = is_writing
        self.application = application
        self.takes_default_profile = takes_default_profile

    async def __call__(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Raises `UnauthorizedError`, `ForbiddenError`, `TooManyRequestsError`; `NotFoundError` for no id."""
        caller = await authenticated(connection)
        parameters = connection.path_params
        account_id = parameters.get("account_id")
        require(
            caller,
            application=self.application,
            group=self.group,
            method=self.method,
            is_writing=self.is_writing,
            account_id=None if account_id is None else AccountId(account_id),
        )
        for name, what in _UUID_PARAMETERS.items():
            text = parameters.get(name)
            if text is None or _UUID.fullmatch(text):
                continue
            if not (self.takes_default_profile and (name, text) == ("profile_id", "default")):
                raise NotFoundError(f"There is no {what} {text[:64]!r}: its id is a lower-case UUID.")


class AnyToken:
    """A guard: any valid token will do."""

    async def __call__(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Raises `UnauthorizedError`."""
        await authenticated(connection)


class WholeUser:
    """A guard: a token that is not narrowed."""

    async def __call__(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Raises `UnauthorizedError` or `ForbiddenError`."""
        caller = await authenticated(connection)
        if caller.rules is not None:
            raise ForbiddenError("A narrowed token can't do this; use one of the user's own tokens.")


class Administrator:
    """A guard: an administrator's token that is not narrowed."""

    async def __call__(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Raises `UnauthorizedError` or `ForbiddenError`."""
        caller = await authenticated(connection)
        if not caller.is_administrator or caller.rules is not None:
            raise ForbiddenError("Only an administrator may do this, with a token that is not narrowed.")
