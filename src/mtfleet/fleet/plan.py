"""What is to be done next for one account: pure functions of what is wanted and what is seen.

`reflect` writes down what is seen, `plan` names the next step. Both are called again after every change, so a
step that was lost (a crash, a full queue) is simply planned again.

    wanted?  seen                                  next step
    yes      nothing, or a stopped terminal        Start
    yes      a terminal of this revision           none
    yes      a terminal of an earlier revision     Stop, and Start once it has stopped
    no       a terminal                            Stop
    no       nothing, but no proof of it           Stop: the host takes the lease and so proves it
    no       a stopped terminal                    Forget, or Remove when the account is to be deleted
"""

import msgspec

from mtfleet.domain.deployment import (
    AccountState,
    Deployment,
    Desired,
    Observed,
    Phase,
    is_wanted,
    on_rejected,
    on_running,
    on_start_failed,
    on_starting,
    on_stop_failed,
    on_stopped,
    on_stopping,
)
from mtfleet.domain.ids import AccountId


class Start(msgspec.Struct, frozen=True):
    """Place it: a host starts a terminal with the settings as they are now."""

    account_id: AccountId
    revision: int


class Stop(msgspec.Struct, frozen=True):
    """Withdraw it: whoever holds it stops its terminal; if nobody does, that is proven."""

    account_id: AccountId


class Forget(msgspec.Struct, frozen=True):
    """The stop is written down: the host may let go of the lease."""

    account_id: AccountId


class Remove(msgspec.Struct, frozen=True):
    """Nothing runs and nobody can start it: delete the account."""

    account_id: AccountId


Action = Start | Stop | Forget | Remove

_AT_REST = frozenset({AccountState.UNDEPLOYED, AccountState.DRAFT})


def plan(deployment: Deployment, running: Observed | None) -> Action | None:
    """Return the next step, or `None` when there is nothing to do or a step is under way."""
    account_id = deployment.account_id
    if is_wanted(deployment):
        if running is None or running.phase is Phase.STOPPED:
            return Start(account_id, deployment.revision)
        is_current = running.revision == deployment.revision
        return None if is_current or _is_ending(running) else Stop(account_id)
    if running is None:
        is_at_rest = deployment.state in _AT_REST or deployment.desired is Desired.DEPLOYED
        return None if is_at_rest else Stop(account_id)
    if running.phase is Phase.STOPPED:
        is_deleted = deployment.desired is Desired.DELETED
        return Remove(account_id) if is_deleted else Forget(account_id)
    return None if _is_ending(running) else Stop(account_id)


def reflect(deployment: Deployment, running: Observed) -> Deployment:
    """Return the deployment with what is seen written into it."""
    if deployment.state is AccountState.DRAFT or not running.is_holder:
        return deployment
    if deployment.desired is Desired.DEPLOYED and running.revision == deployment.revision:
        return _reflect_current(deployment, running)
    match running.phase:
        case Phase.STOPPED:
            return on_stopped(deployment, running)
        case Phase.STUCK:
            return on_stop_failed(deployment, running)
        case _:
            return on_stopping(deployment, running)


def _reflect_current(deployment: Deployment, running: Observed) -> Deployment:
    if running.is_rejected or deployment.is_rejected:
        return on_rejected(deployment, running)
    if running.phase is Phase.RUNNING:
        return on_running(deployment, running)
    if running.phase is Phase.STUCK:
        return on_stop_failed(deployment, running)
    if running.has_failed:
        return on_start_failed(deployment, running)
    return on_starting(deployment, running)


def _is_ending(running: Observed) -> bool:
    return running.phase in (Phase.STOPPING, Phase.STUCK)
