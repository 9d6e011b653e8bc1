"""Who may do what: access rules in the documented shape, and how a token is narrowed.

A rule allows a method when its application, one of its roles, one of its method groups and its resources all
do. Rules add up: one that allows is enough. `reader` stands for methods that change nothing, `writer` for
those that do; neither includes the other.
"""

from collections.abc import Mapping
from typing import Any, Final

from mtfleet.domain.errors import ForbiddenError
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

ANY: Final = "*"
ROLES: Final = ("reader", "writer")
ENTITIES: Final = ("account",)
"""Kinds of things that a rule can be limited to."""


class Served(Value, frozen=True, kw_only=True):
    """An application that this program serves, and its methods."""

    application: str
    service: str
    description: str
    groups: Mapping[str, tuple[str, ...]]


MANAGEMENT: Final = "trading-account-management-api"
REST: Final = "metaapi-rest-api"

_TERMINAL_GROUPS: Final = {
    "account-information": ("getAccountInformation",),
    "market-data": (
        "getSymbols",
        "getSymbolSpecification",
        "getSymbolPrice",
        "getSymbolCandle",
        "getSymbolTick",
        "getSymbolBook",
        "getHistoricalCandles",
        "getHistoricalTicks",
    ),
    "server": ("getServerTime",),
}

SERVED: Final[dict[str, Served]] = {
    served.application: served
    for served in (
        Served(
            application=MANAGEMENT,
            service="rest",
            description="Accounts, replicas, provisioning profiles, expert advisors, demo accounts, quotas",
            groups={
                "account-management": (
                    "getAccounts",
                    "getAccount",
                    "createAccount",
                    "updateAccount",
                    "deleteAccount",
                    "deployAccount",
                    "undeployAccount",
                    "redeployAccount",
                    "createConfigurationLink",
                    "enableAccountFeatures",
                    "enableCopyFactoryApi",
                    "enableRiskManagementApi",
                    "enableMetastatsApi",
                    "increaseReliability",
                ),
                "replica-management": (
                    "getAccountReplicas",
                    "getAccountReplica",
                    "createAccountReplica",
                    "updateAccountReplica",
                    "deleteAccountReplica",
                    "deployAccountReplica",
                    "undeployAccountReplica",
                    "redeployAccountReplica",
                    "increaseReplicaReliability",
                ),
                "provisioning-profile-management": (
                    "getProvisioningProfiles",
                    "getProvisioningProfile",
                    "createProvisioningProfile",
                    "updateProvisioningProfile",
                    "uploadProvisioningProfileFile",
                    "deleteProvisioningProfile",
                ),
                "expert-advisor-management": (
                    "getExpertAdvisors",
                    "getExpertAdvisor",
                    "updateExpertAdvisor",
                    "uploadExpertAdvisorFile",
                    "deleteExpertAdvisor",
                ),
                "account-generation": ("createMT4DemoAccount", "createMT5DemoAccount"),
                "region-management": (
                    "getRegions",
                    "getKnownServers",
                    "getQuotas",
                    "getRegionQuotas",
                    "requestQuotas",
                    "getQuotaRequests",
                ),
            },
        ),
        Served(
            application=REST,
            service="rest",
            description="State of a deployed account and its market, by single requests",
            groups=_TERMINAL_GROUPS,
        ),
        Served(
            application="metaapi-rpc-api",
            service="websocket",
            description="State of a deployed account and its market, by requests over one connection",
            groups=_TERMINAL_GROUPS,
        ),
        Served(
            application="metaapi-real-time-streaming-api",
            service="websocket",
            description="State of a deployed account and its market, as it changes",
            groups=_TERMINAL_GROUPS,
        ),
    )
}

ALIASES: Final = {"metaapi-api": (REST, "metaapi-rpc-api", "metaapi-real-time-streaming-api")}
"""One name for several applications."""
NOT_SERVED: Final = ("copyfactory-api", "metastats-api", "risk-management-api", "mt-manager-api")
"""Names that tokens of programs written for the hosted API may ask for; here they allow nothing."""

WITHOUT_ACCOUNT: Final = frozenset({"getAccounts", "getRegions", "getKnownServers"})
"""Methods that name no account and are still allowed to a token that is limited to some accounts: lists that
are filtered by it, and what is the same for everybody."""


def access_rules_manifest() -> list[dict[str, Any]]:
    """Return all rules there are, as the API shows them: what a full token may do."""
    return [
        {
            "id": served.application,
            "application": served.application,
            "description": served.description,
            "service": served.service,
            "resources": [],
            "methodGroups": [
                {"group": group, "methods": [{"method": name} for name in methods]}
                for group, methods in served.groups.items()
            ],
            "roles": list(ROLES),
        }
        for served in SERVED.values()
    ]


def full_rule(application: str) -> AccessRule:
    """Return the rule that allows everything in an application."""
    return AccessRule(
        id=application,
        application=application,
        service=SERVED[application].service if application in SERVED else "rest",
        resources=[],
        method_groups=[MethodGroup(group=ANY, methods=[Method(method=ANY)])],
        roles=list(ROLES),
    )


def _has_method(rule: AccessRule, group: str, method: str) -> bool:
    return any(
        g.group in (ANY, group) and any(m.method in (ANY, method) for m in g.methods)
        for g in rule.method_groups
    )


def _has_role(rule: AccessRule, *, is_writing: bool) -> bool:
    return ("writer" if is_writing else "reader") in rule.roles


def _has_resource(rule: AccessRule, method: str, account_id: AccountId | None) -> bool:
    if not rule.resources:
        return True
    if account_id is None:
        return method in WITHOUT_ACCOUNT
    return any(r.entity == "account" and r.id == account_id for r in rule.resources)


def allows(
    caller: Caller,
    *,
    application: str,
    group: str,
    method: str,
    is_writing: bool,
    account_id: AccountId | None,
) -> bool:
    """Tell whether the caller's token allows a method, on that account or (`None`) on no account.

    It says nothing about whose account that is: services look only among the caller's own.
    """
    return caller.rules is None or any(
        rule.application == application
        and _has_role(rule, is_writing=is_writing)
        and _has_method(rule, group, method)
        and _has_resource(rule, method, account_id)
        for rule in caller.rules
    )


def require(
    caller: Caller,
    *,
    application: str,
    group: str,
    method: str,
    is_writing: bool,
    account_id: AccountId | None,
) -> None:
    """Raise `ForbiddenError`, naming what the token lacks, unless it allows the method (see `allows`)."""
    if allows(
        caller,
        application=application,
        group=group,
        method=method,
        is_writing=is_writing,
        account_id=account_id,
    ):
        return
    rules = [r for r in caller.rules or [] if r.application == application]
    role = "writer" if is_writing else "reader"
    if not rules:
        lacks = f"the application {application}"
    elif not any(_has_method(r, group, method) for r in rules):
        lacks = f"the method {group}/{method} of {application}"
    elif not any(_has_method(r, group, method) and _has_role(r, is_writing=is_writing) for r in rules):
        lacks = f"the role {role} for {group}/{method} of {application}"
    elif account_id is None:
        lacks = f"{group}/{method} beyond the accounts that it is limited to"
    else:
        lacks = f"{group}/{method} on the account {account_id}"
    raise ForbiddenError(f"This token does not allow {lacks}. Use a token that does.")


def visible_accounts(
    caller: Caller, application: str, *, group: str = "account-management", method: str = "getAccounts"
) -> AccountIds | None:
    """Return the accounts that a list may show to the caller; `None` means all of the user's."""
    if caller.rules is None:
        return None
    visible: set[AccountId] = set()
    for rule in caller.rules:
        if (
            rule.application == application
            and _has_role(rule, is_writing=False)
            and _has_method(rule, group, method)
        ):
            if not rule.resources:
                return None
            visible.update(AccountId(r.id) for r in rule.resources if r.entity == "account")
    return frozenset(visible)


def are_resources_narrowed_down(claims: Mapping[str, Any]) -> bool:
    """Tell from a token's claims whether it is limited to some resources in any application."""
    rules = claims.get("accessRules")
    return isinstance(rules, list) and any(isinstance(r, dict) and bool(r.get("resources")) for r in rules)
