"""Work that is done once, however often it is asked for (contract section 4).

A caller names an operation with a transaction id. Its first request starts the work in a task of this
object; that request and every repeat wait for the result for a short while and are told to come back if it
takes longer. The outcome, success or failure, is stored in the transaction that stores the result itself, so
that a repeat gets the same answer, also after a restart. Work that a crash interrupted left nothing behind
but its entry: the repeat, which carries the same body, starts it again under the same entity id.
"""

import asyncio
import re
import secrets
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Generic, TypeVar

import msgspec
import structlog
from msgspec.structs import replace

from mtfleet.domain.access import Caller
from mtfleet.domain.errors import (
    ConflictError,
    InternalError,
    MtfleetError,
    PolicyError,
    TooManyRequestsError,
    invalid,
)
from mtfleet.domain.ids import TransactionId, UserId
from mtfleet.domain.secret import Secret
from mtfleet.domain.values import Clock, Instant
from mtfleet.provisioning.options import Options, default_options
from mtfleet.provisioning.places import Places
from mtfleet.provisioning.ports import Sealer
from mtfleet.provisioning.stored_errors import from_plain, is_policy, to_plain
from mtfleet.security.audit import record
from mtfleet.security.incidents import for_callers
from mtfleet.store.base import OPERATIONS, Operation, SealedSecret, Store, Transaction
from mtfleet.wire.json import convert, encode, to_builtins
from mtfleet.wire.replies import Accepted

T = TypeVar("T")
Key = tuple[UserId, str, TransactionId]

log = structlog.get_logger(__name__)

MAX_RUNNING = 2000
"""How many operations may be under way; more are refused with 429."""
MAX_RUNNING_OF_ONE = 500
"""How many of them may be one user's."""
FORGET_EVERY_SECONDS = 3600.0
KEEP_SYSTEM_FAILURE_SECONDS = 10.0
"""How long a failure that nobody's request caused is repeated before the work is tried again."""
_TRANSACTION_ID = re.compile(r"[\x20-\x7e]{1,64}")


class ResultKind(msgspec.Struct, Generic[T], frozen=True):
    """How a result is stored: its class, and the fields (wire names) that are sealed apart from it."""

    kind: type[T]
    secret_fields: tuple[str, ...] = ()


class _Run:
    """An operation under way in this process."""

    def __init__(self, request_hash: str, now: float) -> None:
        self.request_hash = request_hash
        self.stage = "Waiting to begin"
        self.started_at = now
        self.task: asyncio.Task[Operation]


class Running(Generic[T]):
    """What the work sees of its own operation."""

    def __init__(self, owner: "Operations", operation: Operation, run: _Run, result: ResultKind[T]) -> None:
        self._owner = owner
        self._run = run
        self._result = result
        self.operation = operation

    @property
    def entity_id(self) -> str:
        """Id that the result is to have; the same when the work is started again."""
        return self.operation.entity_id

    async def enter(self, stage: str) -> None:
        """Store and show what is being done now, e.g. `Logging in to Sandbox-MT5`."""
        self._run.stage = stage
        self.operation = replace(self.operation, stage=stage)
        async with self._owner.store.transaction() as tx:
            await tx.operations.put(self.operation)
        log.info("operation.stage_entered", entity_id=self.entity_id, stage=stage)

    async def finish(self, tx: Transaction, body: T) -> None:
        """Store the success in the transaction that stores the result."""
        plain = to_builtins(body)
        for name in self._result.secret_fields:
            secret = Secret(plain.pop(name))
            place = {"table": OPERATIONS, "record_id": self.entity_id, "field": name}
            await tx.secrets.put(SealedSecret(**place, sealed=self._owner.sealer.seal(secret, **place)))
        self.operation = replace(
            self.operation, finished_at=self._owner.clock.now(), is_success=True, outcome=plain
        )
        if not await tx.operations.put(self.operation):
            raise ConflictError("Another program finished this operation at the same time.")


Work = Callable[[Running[T]], Awaitable[None]]


class Operations:
    """All operations of this process; see the module. Needs `start` before and `stop` after its use."""

    def __init__(self, store: Store, sealer: Sealer, clock: Clock, options: Options | None = None) -> None:
        self.store = store
        self.sealer = sealer
        self.clock = clock
        self._options = options or default_options()
        self._runs: dict[tuple[Key, str], _Run] = {}
        self._forgetting: asyncio.Task[None] | None = None
        self.places = Places(self._options.max_detections)
        """Places for work at brokers, shared by all who detect."""

    async def start(self) -> None:
        """Settle what a crash interrupted, and begin to forget what is old."""
        await self._settle_interrupted()
        self._forgetting = asyncio.create_task(self._forget_for_ever())

    async def stop(self) -> None:
        """End all work; what was not finished is started again by the client's repeat."""
        tasks: list[asyncio.Task[Any]] = [run.task for run in self._runs.values()]
        if self._forgetting is not None:
            tasks.append(self._forgetting)
            self._forgetting = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def run(
        self,
        caller: Caller,
        route: str,
        transaction_id: str | None,
        body: Any,
        result: ResultKind[T],
        work: Work[T],
        *,
        keep_failure_seconds: float | None = None,
    ) -> T | Accepted:
        """Do `work` once for this transaction id and return its result, or `Accepted` when it takes longer.

        `work` calls `Running.finish` in the transaction that stores its result. Errors that it raises are
        stored and raised again for every repeat. Raises `ValidationError` when the id is not valid or was
        used with another body. Cancelling the caller does not cancel the work. A failure of this program or
        of something it depends on is kept for a short time only, and any failure for `keep_failure_seconds`
        if that is given; then a repeat starts the work again.
        """
        if transaction_id is not None and not _TRANSACTION_ID.fullmatch(transaction_id):
            raise invalid("transaction-id", "Send 1 to 64 printable ASCII characters, best 32 random ones.")
        key = (caller.user_id, route, TransactionId(transaction_id or secrets.token_hex(16)))
        request_hash = self.sealer.keyed_hash(_canonical(body), "operation")
        # Another body under the same id gets a run of its own, which finds the first entry and ends.
        run = self._runs.get((key, request_hash))
        if run is None:
            run = self._begin(caller, key, request_hash, result, work, keep_failure_seconds)
        await self._wait(run)
        if not run.task.done() or run.task.cancelled():
            return self._accepted(run)
        operation = run.task.result()
        if operation.request_hash != request_hash:
            raise _other_body()
        return await self._answer(operation, result)

    def _begin(
        self,
        caller: Caller,
        key: Key,
        request_hash: str,
        result: ResultKind[T],
        work: Work[T],
        keep_failure_seconds: float | None,
    ) -> _Run:
        own = sum(one[0] == key[0] for one, _ in self._runs)
        if len(self._runs) >= MAX_RUNNING or own >= MAX_RUNNING_OF_ONE:
            retry_at = Instant.of(self.clock.now() + timedelta(seconds=self._options.retry_after_seconds))
            raise TooManyRequestsError(
                f"{own} operations of yours are under way already, {len(self._runs)} in all; try again in "
                "a few seconds.",
                metadata={"recommendedRetryTime": retry_at.to_wire()},
            )
        run = _Run(request_hash, self.clock.monotonic())
        run.task = asyncio.create_task(self._perform(caller, key, run, result, work, keep_failure_seconds))
        self._runs[key, request_hash] = run
        run.task.add_done_callback(lambda task: self._ended(key, request_hash, task))
        return run

    def _ended(self, key: Key, request_hash: str, task: "asyncio.Task[Operation]") -> None:
        del self._runs[key, request_hash]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("operation.failed", route=key[1], error=type(error).__name__)

    async def _perform(
        self,
        caller: Caller,
        key: Key,
        run: _Run,
        result: ResultKind[T],
        work: Work[T],
        keep_failure_seconds: float | None,
    ) -> Operation:
        user_id, route, transaction_id = key
        wish = Operation(
            user_id=user_id,
            route=route,
            transaction_id=transaction_id,
            request_hash=run.request_hash,
            entity_id=str(uuid.uuid4()),
            stage=run.stage,
            started_at=self.clock.now(),
        )
        async with self.store.transaction() as tx:
            operation = await tx.operations.begin(wish)
        if operation.request_hash != run.request_hash:
            return operation
        if operation.finished_at is not None:
            if not self._is_to_be_tried_again(operation, keep_failure_seconds):
                return operation
            operation = replace(
                wish, entity_id=operation.entity_id
            )  # the id stays: it may have reached a broker
        running = Running(self, operation, run, result)
        try:
            await work(running)
        except MtfleetError as error:
            told = for_callers("operation.broken_off", error, entity_id=operation.entity_id)
            return await self._fail(caller, running.operation, told)
        except Exception as error:
            log.exception("operation.crashed", route=route, entity_id=operation.entity_id)
            return await self._fail(
                caller,
                running.operation,
                InternalError(
                    f"The operation failed in a way that was not foreseen ({type(error).__name__}) while "
                    f"{run.stage!r}. The server's log tells more; try again with a new transaction-id."
                ),
            )
        return running.operation

    def _is_to_be_tried_again(self, operation: Operation, keep_failure_seconds: float | None) -> bool:
        if operation.is_success or operation.finished_at is None:
            return False
        if keep_failure_seconds is None and is_policy(operation.outcome):
            return False
        age = (self.clock.now() - operation.finished_at).total_seconds()
        return age >= (KEEP_SYSTEM_FAILURE_SECONDS if keep_failure_seconds is None else keep_failure_seconds)

    async def _fail(self, caller: Caller, operation: Operation, error: MtfleetError) -> Operation:
        failed = replace(operation, finished_at=self.clock.now(), is_success=False, outcome=to_plain(error))
        async with self.store.transaction() as tx:
            if not await tx.operations.put(failed):
                # Two programs did it at once, and the other one's success is stored: that is the answer.
                done = await tx.operations.get(operation.user_id, operation.route, operation.transaction_id)
                return failed if done is None else done
            await record(
                tx,
                self.clock,
                caller,
                "operation.ended",
                entity="operation",
                entity_id=operation.entity_id,
                outcome="refused" if isinstance(error, PolicyError) else "failed",
                details={"route": operation.route, "error": error.name, "message": error.message},
            )
        log.info("operation.refused", entity_id=operation.entity_id, error=error.name)
        return failed

    async def _wait(self, run: _Run) -> None:
        budget = asyncio.ensure_future(self.clock.sleep(self._options.synchronous_budget_seconds))
        try:
            await asyncio.wait({run.task, budget}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            budget.cancel()

    async def _answer(self, operation: Operation, result: ResultKind[T]) -> T:
        if not operation.is_success:
            raise from_plain(operation.outcome)
        plain = dict(operation.outcome)
        async with self.store.reader() as tx:
            sealed = {
                name: await tx.secrets.get(OPERATIONS, operation.entity_id, name)
                for name in result.secret_fields
            }
        for name, ciphertext in sealed.items():
            if ciphertext is None:
                raise InternalError(f"The stored result of {operation.route} lacks its {name}.")
            opened = await self.sealer.open_secret(
                ciphertext, table=OPERATIONS, record_id=operation.entity_id, field=name
            )
            plain[name] = opened.reveal()
        return convert(plain, result.kind)

    def _accepted(self, run: _Run) -> Accepted:
        seconds = self._options.retry_after_seconds
        passed = round(self.clock.monotonic() - run.started_at)
        return Accepted(
            message=f"{run.stage} (under way for {passed} seconds). Repeat the request with the same "
            f"transaction-id in {seconds} seconds.",
            retry_after_seconds=seconds,
        )

    async def _settle_interrupted(self) -> None:
        """Mark what nobody came back for as failed, so that it is forgotten in time.

        Nothing else is to be settled: a result and the success of its operation are committed together, so an
        unfinished operation has no result.
        """
        oldest = Instant.of(self.clock.now() - self._retention)
        async with self.store.transaction() as tx:
            for operation in await tx.operations.unfinished():
                if operation.started_at >= oldest:
                    stage = "Interrupted by a restart of the server"
                    await tx.operations.put(replace(operation, stage=stage))
                else:
                    error = InternalError("The operation was interrupted and not repeated in time.")
                    await tx.operations.put(
                        replace(
                            operation,
                            finished_at=self.clock.now(),
                            is_success=False,
                            outcome=to_plain(error),
                        )
                    )

    @property
    def _retention(self) -> timedelta:
        return timedelta(days=self._options.operation_retention_days)

    async def _forget_for_ever(self) -> None:
        while True:
            try:
                async with self.store.transaction() as tx:
                    count = await tx.operations.forget(Instant.of(self.clock.now() - self._retention))
                log.info("operations.forgotten", count=count)
            except Exception:
                log.exception("operations.forget_failed")  # tried again in an hour
            await self.clock.sleep(FORGET_EVERY_SECONDS)


def _canonical(body: Any) -> bytes:
    """Write a body so that equal bodies give equal bytes, whatever the order of their fields."""
    return msgspec.json.encode(msgspec.json.decode(encode(body)), order="sorted")


def _other_body() -> MtfleetError:
    return invalid(
        "transaction-id",
        "It was used with another request body before; send a new one with a changed request.",
    )
