"""One transaction id is one operation: run once, answered alike for ever, also after a restart."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from mtfleet.domain.accounts import AccountFilter, Platform
from mtfleet.domain.errors import ConflictError, InternalError, TimedOutError, ValidationError
from mtfleet.domain.ids import TransactionId
from mtfleet.provisioning.operations import ResultKind, Running
from mtfleet.store.errors import StoreUnavailable
from mtfleet.testing.provisioning import (
    ANNA,
    BERT,
    PASSWORD,
    Provisioning,
    new_account,
    new_demo_account,
    open_provisioning,
)
from mtfleet.wire.replies import Accepted, Created, GeneratedAccount

ALL = AccountFilter(offset=0, limit=1000)
ROUTE = "POST /things"


@pytest.fixture
async def world() -> AsyncIterator[Provisioning]:
    async with open_provisioning() as opened:
        yield opened


async def count(world: Provisioning) -> int | None:
    return (await world.accounts.list(ANNA, ALL, with_count=True)).count


async def test_a_repeat_gets_the_same_account_also_after_a_restart(world: Provisioning) -> None:
    first = await world.accounts.create(ANNA, new_account(), "t1")
    assert await world.accounts.create(ANNA, new_account(), "t1") == first
    await world.restart()
    assert await world.accounts.create(ANNA, new_account(), "t1") == first
    assert await count(world) == 1
    assert world.brokers.logins == 1


async def test_transactions_of_two_users_do_not_meet(world: Provisioning) -> None:
    mine = await world.accounts.create(ANNA, new_account(), "t1")
    theirs = await world.accounts.create(BERT, new_account(), "t1")
    assert mine != theirs


async def test_a_failure_is_repeated_with_class_text_and_details(world: Provisioning) -> None:
    body = new_account(password="wrong")
    errors = []
    for restarts in (False, True, False):
        if restarts:
            await world.restart()
        with pytest.raises(ValidationError) as caught:
            await world.accounts.create(ANNA, body, "t1")
        errors.append((caught.value.message, caught.value.details))
    assert errors[0][1] == "E_AUTH"
    assert errors[0] == errors[1] == errors[2]
    assert world.brokers.logins == 1


async def test_concurrent_duplicates_share_one_run(world: Provisioning) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(world.accounts.create(ANNA, new_account(), "t1")) for _ in range(20)]
    answers = {repr(task.result()) for task in tasks}
    assert len(answers) == 1
    assert await count(world) == 1
    assert world.brokers.logins == 1


async def test_another_body_under_the_same_id_is_refused(world: Provisioning) -> None:
    await world.accounts.create(ANNA, new_account(), "t1")
    for _ in range(2):
        with pytest.raises(ValidationError) as caught:
            await world.accounts.create(ANNA, new_account(password="Another-Password"), "t1")
        assert caught.value.details[0].parameter == "transaction-id"
        await world.restart()
    gate = asyncio.Event()
    world.brokers.scripts["Test-MT5"].gate = gate
    running = asyncio.create_task(world.accounts.create(ANNA, new_account(), "t2"))
    await world.until_running(1)
    with pytest.raises(ValidationError):
        await world.accounts.create(ANNA, new_account(magic=9), "t2")
    gate.set()
    assert isinstance(await running, Created)


@pytest.mark.parametrize("transaction_id", ["", "x" * 65, "ümlaut", "a\nb"])
async def test_a_transaction_id_is_printable_and_short(world: Provisioning, transaction_id: str) -> None:
    with pytest.raises(ValidationError) as caught:
        await world.accounts.create(ANNA, new_account(), transaction_id)
    assert caught.value.details[0].parameter == "transaction-id"


async def test_without_a_transaction_id_each_request_is_its_own(world: Provisioning) -> None:
    assert await world.accounts.create(ANNA, new_account(), None) != await world.accounts.create(
        ANNA, new_account(), None
    )


async def test_a_client_that_goes_away_does_not_stop_the_work(world: Provisioning) -> None:
    gate = asyncio.Event()
    world.brokers.scripts["Test-MT5"].gate = gate
    request = asyncio.create_task(world.accounts.create(ANNA, new_account(), "t1"))
    await world.until_running(1)
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    gate.set()
    await world.clock.run_until(lambda: len(world.fleet.woken) == 1)
    assert await count(world) == 1


async def test_work_that_a_restart_interrupted_is_resumed_by_the_repeat_with_the_same_id(
    world: Provisioning,
) -> None:
    world.brokers.scripts["Test-MT5"].gate = asyncio.Event()
    request = asyncio.create_task(world.accounts.create(ANNA, new_account(), "t1"))
    await world.until_running(1)
    await world.clock.run_until(request.done)
    assert isinstance(request.result(), Accepted)
    async with world.store.reader() as tx:
        (interrupted,) = await tx.operations.unfinished()
    await world.restart()
    assert await count(world) == 0
    assert world.brokers.running == 0
    world.brokers.scripts["Test-MT5"].gate = None
    made = await world.accounts.create(ANNA, new_account(), "t1")
    assert isinstance(made, Created)
    assert made.id == interrupted.entity_id


async def test_account_and_outcome_are_written_together_or_not_at_all(world: Provisioning) -> None:
    async def work(running: Running[Created]) -> None:
        async with world.store.transaction() as tx:
            await tx.secrets.remove("accounts", "none")
            await running.finish(tx, Created(id=running.entity_id, state="DRAFT"))  # type: ignore[arg-type]  # plain texts do
            raise ConflictError("Something in the same transaction failed.")

    kind = ResultKind(Created)
    for _ in range(2):
        with pytest.raises(ConflictError, match="same transaction"):
            await world.operations.run(ANNA, ROUTE, "t1", {}, kind, work)


async def test_a_defect_is_an_internal_error_and_tried_again_later(world: Provisioning) -> None:
    runs = []

    async def work(running: Running[Created]) -> None:
        runs.append(running.entity_id)
        raise ZeroDivisionError("never shown")

    kind = ResultKind(Created)
    for passed in (0.0, 0.0, 60.0):
        await world.clock.advance(passed)
        with pytest.raises(InternalError) as caught:
            await world.operations.run(ANNA, ROUTE, "t1", {}, kind, work)
        assert "never shown" not in caught.value.message
    assert len(runs) == 2
    assert runs[0] == runs[1]


async def test_a_failure_of_the_server_itself_is_told_by_its_number_only(world: Provisioning) -> None:
    async def work(running: Running[Created]) -> None:
        raise StoreUnavailable("The SQLite file /srv/hidden/mtfleet.db can't be used: the disk is full.")

    with pytest.raises(InternalError) as caught:
        await world.operations.run(ANNA, ROUTE, "t1", {}, ResultKind(Created), work)
    assert caught.value.metadata["incidentId"] in caught.value.message
    async with world.store.reader() as tx:
        stored = await tx.operations.get(ANNA.user_id, ROUTE, TransactionId("t1"))
        noted = await tx.audit.page(user_id=ANNA.user_id)
    assert "/srv/hidden" not in f"{caught.value.message}{stored}{noted}"


async def test_a_broker_that_was_down_is_asked_again_under_the_same_transaction(
    world: Provisioning,
) -> None:
    script = world.brokers.scripts["Test-MT5"]
    script.is_offline = True
    with pytest.raises(TimedOutError, match="Test-MT5"):
        await world.demo_accounts.create(ANNA, "default", Platform.MT5, new_demo_account(), "t1")
    script.is_offline = False
    await world.clock.advance(60)
    made = await world.demo_accounts.create(ANNA, "default", Platform.MT5, new_demo_account(), "t1")
    assert isinstance(made, GeneratedAccount)


async def test_outcomes_are_forgotten_after_a_week(world: Provisioning) -> None:
    await world.accounts.create(ANNA, new_account(), "t1")
    await world.demo_accounts.create(ANNA, "default", Platform.MT5, new_demo_account(), "t2")
    await world.clock.advance(timedelta(days=6).total_seconds())
    await world.accounts.create(ANNA, new_account(), "t1")
    assert await count(world) == 1
    await world.operations.stop()
    world.clock.jump(timedelta(days=2).total_seconds())
    await world.restart()
    await world.clock.run_until(lambda: world.clock.sleeping > 0)
    await world.accounts.create(ANNA, new_account(), "t1")
    assert await count(world) == 2


async def test_no_password_is_found_in_anything_that_was_written(
    world: Provisioning, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    secrets = [PASSWORD, "Wrong-Secret-1"]
    await world.accounts.create(ANNA, new_account(), "t1")
    with pytest.raises(ValidationError):
        await world.accounts.create(ANNA, new_account(password="Wrong-Secret-1"), "t2")
    made = await world.demo_accounts.create(ANNA, "default", Platform.MT5, new_demo_account(), "t3")
    assert isinstance(made, GeneratedAccount)
    secrets += [made.password, made.investor_password]
    captured = capfd.readouterr()
    written = captured.out + captured.err + caplog.text
    assert "operation.stage_entered" in written
    async with world.store.reader() as tx:
        written += repr(await tx.audit.page(limit=1000))
    data = b"".join(path.read_bytes() for path in world.data_directory.iterdir())
    assert b"Trading account #1" in data
    for secret in secrets:
        assert secret not in written
        assert secret.encode() not in data
