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


class Phase(StrEnum):
    """How far a host is with an account's terminal."""

    WAITING = "waiting"
    """Placed, but no lease or no free slot yet: nothing runs."""
    STARTING = "starting"
    """The terminal is being started, or its first attempt to connect is under way."""
    RUNNING = "running"
    """The terminal runs and its first attempt to connect has ended, whether it is connected now or not."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    """Proven: nothing of it runs, and the lease keeps everybody else from starting it."""
    STUCK = "stuck"
    """Stopping failed several times: the terminal may still run. It is tried again now and then."""


class Observed(Value, frozen=True, kw_only=True):
    """What the host that holds an account sees of it."""

    account_id: AccountId
    revision: int
    """The revision of the desired state that this terminal was started for."""
    phase: Phase
    connection_status: ConnectionStatus
    hops: list[Hop]
    is_holder: bool
    """Whether that host holds the lease. Without it somebody else may know better, so nothing is written
    down."""
    is_rejected: bool
    """The broker definitely refused the credentials that this terminal was started with."""
    has_failed: bool
    """Starting the terminal has failed several times in a row; it is still tried now and then."""
    credentials_mark: int
    """Tells whether these are still the stored credentials; 0 before any were used."""


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


def waiting_hops(since: Instant) -> list[Hop]:
    """Return the hops of an account that nobody has begun to start."""
    return [Hop(name=name, state=HopState.WAITING, since=since) for name in HopName]


def failed_hops(name: HopName, since: Instant, error: str, details: str | None = None) -> list[Hop]:
    """Return the hops when one before any terminal ran failed and is not tried again by itself."""
    return [
        Hop(name=hop, state=HopState.FAILED, since=since, last_error=error, details=details)
        if hop is name
        else Hop(name=hop, state=HopState.WAITING, since=since)
        for hop in HopName
    ]


def is_wanted(deployment: Deployment) -> bool:
    """Whether a terminal should run: wanted, and not with credentials that the broker refused."""
    return (
        deployment.desired is Desired.DEPLOYED
        and not deployment.is_rejected
        and deployment.state is not AccountState.DRAFT
    )


def on_program_start(deployment: Deployment, now: Instant) -> Deployment:
    """Believe nothing of what a former run saw; what was decided stays."""
    kept = deployment.hops if deployment.is_rejected else []
    hops = waiting_hops(now) if is_wanted(deployment) else kept
    return replace(deployment, connection_status=ConnectionStatus.DISCONNECTED, hops=hops)


def on_starting(deployment: Deployment, observed: Observed) -> Deployment:
    """A terminal for the present revision is on its way. A state that says how the last try ended stays."""
    stays = deployment.state in (
        AccountState.DEPLOYED,
        AccountState.DEPLOY_FAILED,
        AccountState.REDEPLOY_FAILED,
    )
    return _seen(deployment, observed, deployment.state if stays else AccountState.DEPLOYING)


def on_running(deployment: Deployment, observed: Observed) -> Deployment:
    """The terminal runs and its first attempt to connect has ended without a definite no."""
    return _seen(deployment, observed, AccountState.DEPLOYED)


def on_start_failed(deployment: Deployment, observed: Observed) -> Deployment:
    """The terminal did not start, several times in a row. An account that was deployed once stays deployed:
    its hops tell what is wrong."""
    if deployment.state is AccountState.DEPLOYED:
        return _seen(deployment, observed, AccountState.DEPLOYED)
    return _seen(deployment, observed, _failure(deployment))


def on_unplaceable(deployment: Deployment, error: str, now: Instant) -> Deployment:
    """It can't be placed, e.g. because no password is stored; nothing is tried until someone deploys
    again."""
    same = deployment.hops and deployment.hops[0].last_error == error
    return replace(
        deployment,
        state=_failure(deployment),
        connection_status=ConnectionStatus.DISCONNECTED,
        hops=deployment.hops if same else failed_hops(HopName.PLACEMENT, now, error),
    )


def on_rejected(deployment: Deployment, observed: Observed) -> Deployment:
    """The broker definitely refused the stored credentials."""
    return replace(_seen(deployment, observed, _failure(deployment)), is_rejected=True)


def on_stopping(deployment: Deployment, observed: Observed) -> Deployment:
    """A terminal that is not wanted (any more) still runs or is being stopped."""
    match deployment.desired:
        case Desired.UNDEPLOYED:
            return _seen(deployment, observed, AccountState.UNDEPLOYING)
        case Desired.DELETED:
            return _seen(deployment, observed, AccountState.DELETING)
        case Desired.DEPLOYED:
            return _seen(deployment, observed, deployment.state)


def on_stopped(deployment: Deployment, observed: Observed) -> Deployment:
    """Nothing of a terminal that is not wanted (any more) runs."""
    match deployment.desired:
        case Desired.UNDEPLOYED:
            return replace(_seen(deployment, observed, AccountState.UNDEPLOYED), hops=[])
        case Desired.DELETED:
            return replace(_seen(deployment, observed, AccountState.DELETING), hops=[])
        case Desired.DEPLOYED:
            return on_starting(deployment, observed)


def on_stop_failed(deployment: Deployment, observed: Observed) -> Deployment:
    """A terminal that is not wanted (any more) can't be stopped."""
    match deployment.desired:
        case Desired.UNDEPLOYED:
            return _seen(deployment, observed, AccountState.UNDEPLOY_FAILED)
        case Desired.DELETED:
            return _seen(deployment, observed, AccountState.DELETE_FAILED)
        case Desired.DEPLOYED:
            return _seen(deployment, observed, _failure(deployment))


def _failure(deployment: Deployment) -> AccountState:
    return AccountState.REDEPLOY_FAILED if deployment.is_redeploy else AccountState.DEPLOY_FAILED


def _seen(deployment: Deployment, observed: Observed, state: AccountState) -> Deployment:
    return replace(deployment, state=state, connection_status=observed.connection_status, hops=observed.hops)


def _refuse_deleted(deployment: Deployment) -> None:
    if deployment.desired is Desired.DELETED:
        raise ConflictError("The account is being deleted.")
