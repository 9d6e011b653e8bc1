"""Small answer bodies. Accounts, profiles and the like are their own bodies, from `domain/`."""

import msgspec

from mtfleet.domain.deployment import AccountState
from mtfleet.domain.ids import AccountId, ProfileId
from mtfleet.domain.values import Value


class Created(Value, frozen=True, kw_only=True):
    """Id and state of a new account or replica: `DEPLOYED` means that it is to be deployed."""

    id: AccountId
    state: AccountState


class ProfileCreated(Value, frozen=True, kw_only=True):
    id: ProfileId


class Accepted(Value, frozen=True, kw_only=True):
    """The work goes on; repeat the same request with the same transaction id after the given time."""

    message: str
    retry_after_seconds: int
    """Sent as the header `Retry-After`; also in the body for clients that can't read headers."""


class ConfigurationLink(Value, frozen=True, kw_only=True):
    configuration_link: str


class GeneratedAccount(Value, frozen=True, kw_only=True):
    """A new demo account's credentials, shown once to the caller who asked for it."""

    login: str
    password: str
    server_name: str
    investor_password: str

    def __repr__(self) -> str:
        return f"GeneratedAccount(login={self.login!r}, server_name={self.server_name!r}, password=***)"


class NarrowedToken(msgspec.Struct, frozen=True, kw_only=True):
    token: str

    def __repr__(self) -> str:
        return "NarrowedToken(***)"


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The one shape of every error answer (contract 3.1)."""

    id: int
    error: str
    message: str
    details: msgspec.Raw | None = None
    metadata: msgspec.Raw | None = None
