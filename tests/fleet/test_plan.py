"""The plan is complete, is at rest when all is as it is wanted, and never starts a second terminal."""

from hypothesis import given
from hypothesis import strategies as st

from mtfleet.domain.deployment import (
    AccountState,
    ConnectionStatus,
    Deployment,
    Desired,
    Observed,
    Phase,
    is_wanted,
)
from mtfleet.domain.ids import AccountId
from mtfleet.fleet.plan import Forget, Remove, Start, Stop, plan, reflect

ID = AccountId("00000000-0000-0000-0000-000000000001")
DEPLOYMENTS = st.builds(
    Deployment,
    account_id=st.just(ID),
    desired=st.sampled_from(Desired),
    revision=st.integers(1, 3),
    is_redeploy=st.booleans(),
    state=st.sampled_from([state for state in AccountState if state is not AccountState.DRAFT]),
    connection_status=st.sampled_from(ConnectionStatus),
    hops=st.just([]),
    is_rejected=st.booleans(),
)
SEEN = st.builds(
    Observed,
    account_id=st.just(ID),
    revision=st.integers(-1, 3),
    phase=st.sampled_from(Phase),
    connection_status=st.sampled_from(ConnectionStatus),
    hops=st.just([]),
    is_holder=st.booleans(),
    is_rejected=st.booleans(),
    has_failed=st.booleans(),
    credentials_mark=st.just(0),
)


@given(DEPLOYMENTS, st.none() | SEEN)
def test_a_terminal_is_started_only_when_wanted_and_when_none_runs(
    deployment: Deployment, seen: Observed | None
) -> None:
    action = plan(deployment, seen)
    is_free = seen is None or seen.phase is Phase.STOPPED
    assert isinstance(action, Start) == (is_wanted(deployment) and is_free)
    if isinstance(action, Forget | Remove):
        assert seen is not None
        assert seen.phase is Phase.STOPPED
        assert not is_wanted(deployment)
    if isinstance(action, Remove):
        assert deployment.desired is Desired.DELETED


@given(DEPLOYMENTS, SEEN)
def test_what_runs_unwanted_is_stopped_or_being_stopped(deployment: Deployment, seen: Observed) -> None:
    runs = seen.phase in (Phase.WAITING, Phase.STARTING, Phase.RUNNING)
    is_right = is_wanted(deployment) and seen.revision == deployment.revision
    assert isinstance(plan(deployment, seen), Stop) == (runs and not is_right)


@given(DEPLOYMENTS, SEEN)
def test_reflecting_twice_changes_nothing_and_never_what_is_wanted(
    deployment: Deployment, seen: Observed
) -> None:
    once = reflect(deployment, seen)
    assert reflect(once, seen) == once
    assert (once.desired, once.revision) == (deployment.desired, deployment.revision)


@given(DEPLOYMENTS, SEEN)
def test_undeployed_is_said_only_on_proof(deployment: Deployment, seen: Observed) -> None:
    shown = reflect(deployment, seen)
    if shown.state is AccountState.UNDEPLOYED is not deployment.state:
        assert seen.phase is Phase.STOPPED
        assert seen.is_holder
