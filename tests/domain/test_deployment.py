"""The rules of what may be wanted, and what evidence does to the states."""

import pytest
from msgspec.structs import replace

from mtfleet.domain.deployment import (
    FAILED_STATES,
    AccountState,
    ConnectionStatus,
    Deployment,
    Desired,
    HopName,
    HopState,
    Observed,
    Phase,
    created,
    credentials_changed,
    draft,
    is_wanted,
    on_program_start,
    on_rejected,
    on_running,
    on_start_failed,
    on_starting,
    on_stop_failed,
    on_stopped,
    on_stopping,
    on_unplaceable,
    waiting_hops,
    want_deleted,
    want_deployed,
    want_redeployed,
    want_undeployed,
)
from mtfleet.domain.errors import ConflictError, ValidationError
from mtfleet.domain.ids import AccountId
from mtfleet.domain.values import Instant

S = AccountState
ID = AccountId("00000000-0000-0000-0000-000000000001")
NOW = Instant.parse("2026-01-05T12:00:00Z")
NEW = created(ID)
DEPLOYED = replace(
    NEW, state=S.DEPLOYED, connection_status=ConnectionStatus.CONNECTED, hops=waiting_hops(NOW)
)
REJECTED = replace(NEW, state=S.DEPLOY_FAILED, is_rejected=True)


def seen(phase: Phase, **changes: object) -> Observed:
    observed = Observed(
        account_id=ID,
        revision=1,
        phase=phase,
        connection_status=ConnectionStatus.DISCONNECTED,
        hops=waiting_hops(NOW),
        is_holder=True,
        is_rejected=False,
        has_failed=False,
        credentials_mark=1,
    )
    return replace(observed, **changes)


def test_deploying_what_is_deployed_changes_nothing() -> None:
    assert want_deployed(DEPLOYED) == DEPLOYED
    assert want_undeployed(replace(DEPLOYED, desired=Desired.UNDEPLOYED)).desired is Desired.UNDEPLOYED


def test_each_change_that_needs_a_fresh_terminal_has_a_revision_of_its_own() -> None:
    redeployed = want_redeployed(DEPLOYED)
    assert (redeployed.revision, redeployed.state, redeployed.is_redeploy) == (2, S.UNDEPLOYING, True)
    again = want_deployed(want_undeployed(redeployed))
    assert (again.revision, again.state, again.is_redeploy) == (3, S.DEPLOYING, False)


@pytest.mark.parametrize("verb", [want_deployed, want_undeployed, want_redeployed])
def test_what_is_being_deleted_can_not_be_called_back(verb: object) -> None:
    assert callable(verb)
    with pytest.raises(ConflictError):
        verb(want_deleted(DEPLOYED))
    assert want_deleted(want_deleted(DEPLOYED)) == want_deleted(DEPLOYED)


@pytest.mark.parametrize("verb", [want_deployed, want_redeployed])
def test_refused_credentials_must_change_first(verb: object) -> None:
    assert callable(verb)
    with pytest.raises(ValidationError) as caught:
        verb(REJECTED)
    assert caught.value.details == "E_AUTH"
    assert verb(credentials_changed(REJECTED)).state is S.DEPLOYING


def test_a_draft_is_deployed_only_after_it_got_credentials() -> None:
    with pytest.raises(ValidationError):
        want_deployed(draft(ID))
    assert want_undeployed(draft(ID)) == draft(ID)
    assert want_deployed(credentials_changed(draft(ID))).state is S.DEPLOYING


def test_a_terminal_is_wanted_unless_refused_or_a_draft() -> None:
    assert is_wanted(NEW)
    assert not is_wanted(REJECTED)
    assert not is_wanted(draft(ID))
    assert not is_wanted(want_undeployed(NEW))


def test_nothing_that_was_seen_is_believed_at_start_but_what_was_decided_stays() -> None:
    begun = on_program_start(DEPLOYED, NOW)
    assert (begun.state, begun.connection_status) == (S.DEPLOYED, ConnectionStatus.DISCONNECTED)
    assert {hop.state for hop in begun.hops} == {HopState.WAITING}
    refused = replace(REJECTED, hops=waiting_hops(NOW))
    assert on_program_start(refused, NOW) == refused, "why it was refused stays to be read"


@pytest.mark.parametrize(
    ("deployment", "state"),
    [
        (NEW, S.DEPLOYING),
        (replace(NEW, state=S.UNDEPLOYING), S.DEPLOYING),
        (DEPLOYED, S.DEPLOYED),
        (replace(NEW, state=S.DEPLOY_FAILED), S.DEPLOY_FAILED),
    ],
)
def test_starting(deployment: Deployment, state: S) -> None:
    assert on_starting(deployment, seen(Phase.STARTING)).state is state


@pytest.mark.parametrize("is_redeploy", [False, True])
def test_failures_are_named_after_what_was_asked(is_redeploy: bool) -> None:
    deployment = replace(NEW, is_redeploy=is_redeploy, state=S.DEPLOYING)
    failed = S.REDEPLOY_FAILED if is_redeploy else S.DEPLOY_FAILED
    assert on_start_failed(deployment, seen(Phase.STARTING)).state is failed
    assert on_stop_failed(deployment, seen(Phase.STUCK)).state is failed
    assert on_unplaceable(deployment, "no password", NOW).state is failed
    rejected = on_rejected(deployment, seen(Phase.STOPPING, is_rejected=True))
    assert (rejected.state, rejected.is_rejected) == (failed, True)
    assert on_running(rejected, seen(Phase.RUNNING)).state is S.DEPLOYED


def test_an_account_that_was_deployed_stays_so_while_its_terminal_is_started_again() -> None:
    assert on_start_failed(DEPLOYED, seen(Phase.RUNNING)).state is S.DEPLOYED


def test_being_unplaceable_is_written_once() -> None:
    first = on_unplaceable(NEW, "no password", NOW)
    later = Instant.parse("2026-01-05T13:00:00Z")
    assert on_unplaceable(first, "no password", later) == first
    assert first.hops[0].name is HopName.PLACEMENT


@pytest.mark.parametrize(
    ("verb", "stopping", "failed", "stopped"),
    [
        (want_undeployed, S.UNDEPLOYING, S.UNDEPLOY_FAILED, S.UNDEPLOYED),
        (want_deleted, S.DELETING, S.DELETE_FAILED, S.DELETING),
        (want_redeployed, S.UNDEPLOYING, S.REDEPLOY_FAILED, S.DEPLOYING),
    ],
)
def test_the_end_of_a_terminal(verb: object, stopping: S, failed: S, stopped: S) -> None:
    assert callable(verb)
    wanted = verb(DEPLOYED)
    assert on_stopping(wanted, seen(Phase.STOPPING)).state is stopping
    assert on_stop_failed(wanted, seen(Phase.STUCK)).state is failed
    assert failed in FAILED_STATES
    assert on_stopped(wanted, seen(Phase.STOPPED)).state is stopped
