"""Who may do what: access rules in the documented shape, and how a token is narrowed."""

from typing import Any

from mtfleet.domain.ids import AccountId, TokenId, UserId
from mtfleet.domain.values import Instant, Value


class Resource(Value, frozen=True, kw_only=True):
    """One thing that a rule is limited to, e.g. `{"entity": "account", "id": "<uuid>"}`."""

    entity: str
    id: str


class Method(Value, frozen=True, kw_only=True):
    method: str
    """Name such as `getAccount`, or `*`."""
    scopes: list[str] | None = None


class MethodGroup(Value, frozen=True, kw_only=True):
    group: str
    """Name such as `account-management`, or `*`."""
    methods: list[Method]


class AccessRule(Value, frozen=True, kw_only=True):
    """What a token may do in one application. Empty `resources` means all of the user's."""

    id: str
    application: str
    service: str
    resources: list[Resource]
    method_groups: list[MethodGroup]
    roles: list[str]


class Caller(Value, frozen=True, kw_only=True):
    """Whoever sent a request, as its token says."""

    user_id: UserId
    token_id: TokenId
    is_administrator: bool
    """Whether users may be managed, beyond the caller's own things."""
    rules: list[AccessRule] | None = None
    """Absent for a token that is not narrowed: all of the user's things."""
    expires_at: Instant | None = None
    remote_address: str | None = None
    """Where the request came from, for the audit log."""


class User(Value, frozen=True, kw_only=True):
    id: UserId
    name: str
    is_administrator: bool
    created_at: Instant


class AuditEntry(Value, frozen=True, kw_only=True):
    """One line of the append-only audit log: who did what to which thing, and how it ended."""

    sequence: int | None = None
    """Given by the store, ascending."""
    recorded_at: Instant
    user_id: UserId | None = None
    token_id: TokenId | None = None
    action: str
    """`noun.verb_past`, e.g. `account.created`, `credentials.used`."""
    entity: str
    entity_id: str | None = None
    outcome: str
    """`done`, `refused` or `failed`."""
    remote_address: str | None = None
    details: dict[str, Any] | None = None
    """Names of changed fields and the like; never a secret."""


class IssuedToken(Value, frozen=True, kw_only=True):
    """What is stored of a token: never the token itself."""

    id: TokenId
    user_id: UserId
    parent_id: TokenId | None = None
    name: str | None = None
    created_at: Instant
    expires_at: Instant | None = None
    revoked_at: Instant | None = None
    last_used_at: Instant | None = None


AccountIds = frozenset[AccountId]
