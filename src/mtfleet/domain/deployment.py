"""The life of an account's API server: desired state, observed state, the legal moves between them.

`state` says what was decided and done, `connectionStatus` what is seen now, and each hop on the way to the
broker
tells how it stands. Desired state changes by `want_*`, observed state by `on_*`; both return a new value.
"""

from enum import StrEnum

from msgspec.structs import replace

from mtfleet.domain.errors import ConflictError, DetailCode, ValidationError
from mtfleet.domain.ids import AccountId
from mtfleet.domain.values import Instant, Value


class Desired(StrEnum):
    DEPLOYED = "DEPLOYED"
    UNDEPLOYED = "UNDEPLOYED"
    DELETED = "DELETED"


class AccountState(StrEnum):
    DRAFT = "DRAFT"
    CREATED = "CREATED"
    DEPLOYING = "DEPLOYING"
    DEPLOYED = "DEPLOYED"
    DEPLOY_FAILED = "DEPLOY_FAILED"
    UNDEPLOYING = "UNDEPLOYING"
    UNDEPLOYED = "UNDEPLOYED"
    UNDEPLOY_FAILED = "UNDEPLOY_FAILED"
    DELETING = "DELETING"
    DELETE_FAILED = "DELETE_FAILED"
    REDEPLOY_FAILED = "REDEPLOY_FAILED"


class ConnectionStatus(StrEnum):
    CONNECTED = "CONNECTED"
    DISCONNECTED = "DISCONNECTED"
    DISCONNECTED_FROM_BROKER = "DISCONNECTED_FROM_BROKER"


class HopName(StrEnum):
    """The steps from here to a usable account, in order. A hop is tried when the one before it is passed."""

    PLACEMENT = "placement"
    TERMINAL = "terminal"
    BROKER = "broker"
    LOGIN = "login"
    SYNCHRONIZATION = "synchronization"


class HopState(StrEnum):
    WAITING = "waiting"
    TRYING = "trying"
    PASSED = "passed"
    FAILED = "failed"


class Hop(Value, frozen=True, kw_only=True):
    """How one hop stands: since when, what went wrong last, when it is tried again."""

    name: HopName
    state: HopState
    since: Instant
    last_error: str | None = None
    """What failed, what was tried and what to do; never holds a secret."""
    details: str | None = None
    """A code such as `E_AUTH`, if there is one."""
    next_try_at: Instant | None = None
    """Absent when nothing will be tried by itself: passed, or a definite no."""


class Deployment(Value, frozen=True, kw_only=True):
    """Desired and observed state of one account or replica."""

    account_id: AccountId
    desired: Desired
    revision: int
    """Counts the changes of the desired state that need a fresh terminal; starts at 0."""
    is_redeploy: bool
    """Whether the present revision came from a redeploy, which names the state after a failure."""
    state: AccountState
    connection_status: ConnectionStatus
    hops: list[Hop]
    """Empty unless deployed or on the way there."""
    is_rejected: bool
    """Whether the broker definitely refused the stored credentials; nothing is tried until they change."""


FAILED_STATES = frozenset(
    {
        AccountState.DEPLOY_FAILED,
        AccountState.REDEPLOY_FAILED,
        AccountState.UNDEPLOY_FAILED,
        AccountState.DELETE_FAILED,
    }
)
DEPLOYMENT_STATUSES: dict[str, frozenset[AccountState]] = {
    "deployed": frozenset({AccountState.DEPLOYED, AccountState.DEPLOYING}),
    "undeployed": frozenset(
        {AccountState.UNDEPLOYED, AccountState.UNDEPLOYING, AccountState.CREATED, AccountState.DRAFT}
    ),
    "failed": FAILED_STATES,
}
"""What the list filter `deploymentStatus` means."""


def draft(account_id: AccountId) -> Deployment:
    """Return the deployment of an account that has no credentials yet."""
    return _idle(account_id, Desired.UNDEPLOYED, AccountState.DRAFT, revision=0)


def created(account_id: AccountId) -> Deployment:
    """Return the deployment of a new account that is to be started."""
    return _idle(account_id, Desired.DEPLOYED, AccountState.CREATED, revision=1)


def _idle(account_id: AccountId, desired: Desired, state: AccountState, *, revision: int) -> Deployment:
    return Deployment(
        account_id=account_id,
        desired=desired,
        revision=revision,
        is_redeploy=False,
        state=state,
        connection_status=ConnectionStatus.DISCONNECTED,
        hops=[],
        is_rejected=False,
    )


def want_deployed(deployment: Deployment) -> Deployment:
    """Ask for a running account. The same value comes back when that is wanted already and has not failed.

    Raises `ConflictError` while the account is being deleted, `ValidationError` for a draft, and
    `ValidationError`
    with `E_AUTH` when the broker refused the credentials and they have not changed since.
    """
    _refuse_deleted(deployment)
    if deployment.state is AccountState.DRAFT:
        raise ValidationError(
            "The account is a draft: it has no login and password yet. Set them with an update or hand out a "
            "configuration link, then deploy."
        )
    if deployment.is_rejected:
        raise ValidationError(
            "The broker refused the login and password of this account the last time. "
            "Update them, then deploy.",
            details=DetailCode.AUTH,
        )
    if deployment.desired is Desired.DEPLOYED and deployment.state not in FAILED_STATES:
        return deployment
    return replace(
        deployment,
        desired=Desired.DEPLOYED,
        revision=deployment.revision + 1,
        is_redeploy=False,
        state=AccountState.DEPLOYING,
    )


def want_undeployed(deployment: Deployment) -> Deployment:
    """Ask for a stopped account. The same value comes back when it is stopped or stopping, or a draft."""
    _refuse_deleted(deployment)
    if deployment.desired is Desired.UNDEPLOYED and deployment.state is not AccountState.UNDEPLOY_FAILED:
        return deployment
    return replace(
        deployment, desired=Desired.UNDEPLOYED, is_redeploy=False, state=AccountState.UNDEPLOYING, hops=[]
    )


def want_redeployed(deployment: Deployment) -> Deployment:
    """Ask for a fresh terminal with the settings as they are now. Raises what `want_deployed` raises."""
    _refuse_deleted(deployment)
    if deployment.desired is not Desired.DEPLOYED or deployment.state is AccountState.DRAFT:
        return want_deployed(deployment)
    if deployment.is_rejected:
        return want_deployed(deployment)  # raises
    was_running = deployment.state is AccountState.DEPLOYED
    return replace(
        deployment,
        revision=deployment.revision + 1,
        is_redeploy=True,
        state=AccountState.UNDEPLOYING if was_running else AccountState.DEPLOYING,
    )


def want_deleted(deployment: Deployment) -> Deployment:
    """Ask for the account to go. Repeating it is harmless."""
    return replace(deployment, desired=Desired.DELETED, state=AccountState.DELETING, hops=[])


def credentials_changed(deployment: Deployment) -> Deployment:
    """Forget that the broker refused the former credentials; a draft becomes an undeployed account."""
    state = AccountState.UNDEPLOYED if deployment.state is AccountState.DRAFT else deployment.state
    return replace(deployment, is_rejected=False, state=state)


def _refuse_deleted(deployment: Deployment) -> None:
    if deployment.desired is Desired.DELETED:
        raise ConflictError("The account is being deleted.")
