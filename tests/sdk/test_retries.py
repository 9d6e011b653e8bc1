"""What is sent again, when, and what is not."""

import asyncio
import logging
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import httpx2
import pytest

from mtfleet import (
    ConflictException,
    InternalException,
    MetaApi,
    NetworkException,
    NotFoundException,
    TimeoutException,
    TooManyRequestsException,
    ValidationException,
)
from mtfleet.testing.http import TOKEN, HastyClock, ScriptedServer, account_body, error, ok

NEW = {"name": "one", "server": "Sandbox-MT4", "platform": "mt4", "magic": 1}


def working(message: str = "settings are being detected", **headers: str) -> httpx2.Response:
    return ok({"message": message}, 202, **headers)


async def test_a_202_is_polled_with_the_same_transaction_id(
    api: MetaApi, server: ScriptedServer, clock: HastyClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mtfleet")
    server.will(working(Retry_After="60"), working("almost", Retry_After="5"))
    server.will(ok({"id": "new", "state": "DEPLOYED"}, 201), ok(account_body(_id="new")))
    account = await api.metatrader_account_api.create_account(account=NEW)
    assert account.id == "new"
    assert clock.slept == [60, 5]
    ids = {request.headers.get("transaction-id") for request in server.requests[:3]}
    assert len(ids) == 1
    assert len(ids.pop() or "") == 32
    assert server.bodies[0] == server.bodies[1] == server.bodies[2]
    texts = [record.getMessage() for record in caplog.records if record.name == "mtfleet"]
    assert "60 seconds" in texts[0]
    assert "settings are being detected" in texts[0]


async def test_two_operations_have_two_transaction_ids(api: MetaApi, server: ScriptedServer) -> None:
    for _ in range(2):
        server.will(ok({"id": "new", "state": "DEPLOYED"}, 201), ok(account_body()))
        await api.metatrader_account_api.create_account(NEW)
    assert server.requests[0].headers["transaction-id"] != server.requests[2].headers["transaction-id"]


async def test_a_given_transaction_id_is_used(api: MetaApi, server: ScriptedServer) -> None:
    server.will(ok({"id": "new", "state": "DEPLOYED"}, 201), ok(account_body()))
    await api.metatrader_account_api.create_account(NEW, transaction_id="mine")
    assert server.requests[0].headers["transaction-id"] == "mine"


@pytest.mark.parametrize("transaction_id", ["", " x", "a\nb", "é", "x" * 65, 5])
async def test_a_transaction_id_that_no_header_can_hold_is_refused(
    api: MetaApi, server: ScriptedServer, transaction_id: Any
) -> None:
    with pytest.raises(ValidationException, match="transaction_id"):
        await api.metatrader_account_api.create_account(NEW, transaction_id=transaction_id)
    assert server.requests == []


async def test_nothing_is_printed_unless_asked_for(
    api: MetaApi, server: ScriptedServer, capfd: pytest.CaptureFixture[str]
) -> None:
    server.will(working(), ok({"id": "new", "state": "DEPLOYED"}, 201), ok(account_body()))
    await api.metatrader_account_api.create_account(NEW)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("skew_hours", [-30, 0, 30])
async def test_a_date_to_wait_for_is_read_by_the_servers_own_clock(
    api: MetaApi, server: ScriptedServer, clock: HastyClock, skew_hours: float
) -> None:
    there = clock.now() + timedelta(hours=skew_hours)
    until = format_datetime(there + timedelta(seconds=45), usegmt=True)
    server.will(working(Retry_After=until, Date=format_datetime(there, usegmt=True)))
    server.will(ok({"id": "new", "state": "DEPLOYED"}, 201), ok(account_body()))
    await api.metatrader_account_api.create_account(NEW)
    assert clock.slept == [45]


async def test_a_date_without_the_servers_clock_is_read_by_our_own(
    api: MetaApi, server: ScriptedServer, clock: HastyClock
) -> None:
    server.will(working(Retry_After=format_datetime(clock.now() + timedelta(seconds=30), usegmt=True)))
    server.will(ok({"id": "new", "state": "DEPLOYED"}, 201), ok(account_body()))
    await api.metatrader_account_api.create_account(NEW)
    assert clock.slept == [30]


@pytest.mark.parametrize("text", ["", "soon", "-5", "nan", "1e400", "Wed, 99 Foo 2026", "0"])
async def test_a_wait_that_makes_no_sense_becomes_the_smallest_delay(
    api: MetaApi, server: ScriptedServer, clock: HastyClock, text: str
) -> None:
    server.will(working(Retry_After=text))
    server.will(ok({"id": "new", "state": "DEPLOYED"}, 201), ok(account_body()))
    await api.metatrader_account_api.create_account(NEW)
    assert clock.slept == [1]


async def test_seconds_in_the_body_are_taken_first(
    api: MetaApi, server: ScriptedServer, clock: HastyClock
) -> None:
    server.will(ok({"message": "m", "retryAfterSeconds": 3}, 202, Retry_After="60"))
    server.will(ok({"id": "new", "state": "DEPLOYED"}, 201), ok(account_body()))
    await api.metatrader_account_api.create_account(NEW)
    assert clock.slept == [3]


async def test_long_work_is_bounded_and_can_be_taken_up_again(
    options: dict[str, Any], server: ScriptedServer, clock: HastyClock
) -> None:
    options["retryOpts"] = {"longRunningRequestTimeoutInMinutes": 1.5}
    server.will(
        working(Retry_After="60"), working(Retry_After="60"), working("still at it", Retry_After="60")
    )
    async with MetaApi(TOKEN, options) as api:
        with pytest.raises(TimeoutException, match=r"still at it") as caught:
            await api.metatrader_account_api.create_account(NEW)
        transaction = server.requests[0].headers["transaction-id"]
        assert clock.slept == [60, 30]
        assert transaction in str(caught.value)
        server.will(ok({"id": "new", "state": "DEPLOYED"}, 201), ok(account_body()))
        await api.metatrader_account_api.create_account(
            NEW, transaction_id=caught.value.metadata["transactionId"]
        )
    assert server.requests[3].headers["transaction-id"] == transaction


async def test_a_failure_after_progress_is_raised_as_it_came(api: MetaApi, server: ScriptedServer) -> None:
    server.will(working(), error(400, "ValidationError", "wrong password", details="E_AUTH"))
    with pytest.raises(ValidationException) as caught:
        await api.metatrader_account_api.create_account(NEW)
    assert caught.value.details == "E_AUTH"
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_server_failures_are_retried_with_growing_delays(
    api: MetaApi, server: ScriptedServer, clock: HastyClock, status: int
) -> None:
    server.will(*[httpx2.Response(status, text="<html>bad gateway</html>") for _ in range(5)])
    server.will(ok(account_body()))
    await api.metatrader_account_api.get_account("a")
    for wait, doubled in zip(clock.slept, (1, 2, 4, 8, 16), strict=True):
        assert doubled <= wait <= doubled * 1.25


async def test_retries_end(api: MetaApi, server: ScriptedServer) -> None:
    server.will(*[httpx2.Response(502, text="<html><h1>Bad gateway</h1></html>") for _ in range(6)])
    with pytest.raises(InternalException, match="Bad gateway") as caught:
        await api.metatrader_account_api.get_account("a")
    assert caught.value.status_code == 502
    assert len(server.requests) == 6


async def test_no_retries_if_not_wanted(options: dict[str, Any], server: ScriptedServer) -> None:
    options["retryOpts"] = {"retries": 0}
    server.will(httpx2.ConnectError("refused"))
    async with MetaApi(TOKEN, options) as api:
        with pytest.raises(NetworkException, match=r"mtfleet\.test"):
            await api.metatrader_account_api.get_account("a")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 501])
async def test_refusals_are_not_retried(
    api: MetaApi, server: ScriptedServer, clock: HastyClock, status: int
) -> None:
    server.will(httpx2.Response(status))
    with pytest.raises(Exception, match=str(status)):
        await api.metatrader_account_api.get_account("a")
    assert clock.slept == []


async def test_429_waits_as_long_as_the_server_says(
    api: MetaApi, server: ScriptedServer, clock: HastyClock
) -> None:
    later = (clock.now() + timedelta(seconds=90)).isoformat().replace("+00:00", "Z")
    limited = {"recommendedRetryTime": later, "type": "requests"}
    server.will(error(429, "TooManyRequestsError", metadata=limited), ok(account_body()))
    await api.metatrader_account_api.get_account("a")
    assert clock.slept == [90]


async def test_429_past_the_bound_is_raised_at_once(
    api: MetaApi, server: ScriptedServer, clock: HastyClock
) -> None:
    later = (clock.now() + timedelta(hours=2)).isoformat().replace("+00:00", "Z")
    server.will(error(429, "TooManyRequestsError", metadata={"recommendedRetryTime": later}))
    with pytest.raises(TooManyRequestsException) as caught:
        await api.metatrader_account_api.get_account("a")
    assert caught.value.metadata["recommendedRetryTime"] == later
    assert clock.slept == []


async def test_creating_goes_on_after_a_lost_answer_with_the_same_transaction_id(
    api: MetaApi, server: ScriptedServer
) -> None:
    server.will(httpx2.ReadError("reset"), httpx2.ReadTimeout("late"), error(500, "InternalError"))
    server.will(ok({"id": "new", "state": "DEPLOYED"}, 201), ok(account_body()))
    await api.metatrader_account_api.create_account(NEW)
    assert len({request.headers["transaction-id"] for request in server.requests[:4]}) == 1


@pytest.mark.parametrize("lost", [httpx2.ReadError("reset"), error(500, "InternalError"), error(503, "x")])
async def test_what_would_be_made_twice_is_not_sent_twice(
    api: MetaApi, server: ScriptedServer, lost: httpx2.Response | Exception
) -> None:
    server.will(lost)
    with pytest.raises((NetworkException, InternalException)):
        await api.provisioning_profile_api.create_provisioning_profile({"name": "p"})
    assert len(server.requests) == 1


async def test_what_was_surely_not_done_is_sent_again(api: MetaApi, server: ScriptedServer) -> None:
    server.will(httpx2.ConnectError("refused"), error(429, "TooManyRequestsError"), ok({"id": "p"}, 201))
    server.will(ok({"_id": "p", "name": "p", "version": 5}))
    assert (await api.provisioning_profile_api.create_provisioning_profile({"name": "p"})).id == "p"


@pytest.mark.parametrize(
    ("action", "is_repeated"), [("deploy", True), ("undeploy", True), ("redeploy", False)]
)
async def test_only_actions_that_may_happen_twice_are_repeated(
    api: MetaApi, server: ScriptedServer, action: str, is_repeated: bool
) -> None:
    server.will(ok(account_body()))
    account = await api.metatrader_account_api.get_account("a")
    server.will(httpx2.ReadError("reset"))
    if is_repeated:
        server.will(ok(), ok(account_body()))
        await getattr(account, action)()
    else:
        with pytest.raises(NetworkException):
            await getattr(account, action)()
    assert not server.answers


async def test_404_after_a_removal_whose_answer_was_lost_is_success(
    api: MetaApi, server: ScriptedServer
) -> None:
    server.will(ok(account_body()))
    account = await api.metatrader_account_api.get_account("a")
    server.will(httpx2.ReadError("reset"), error(404, "NotFoundError"), error(404, "NotFoundError"))
    await account.remove()
    assert account.state == "DELETING"


@pytest.mark.parametrize("before", [[], [httpx2.ConnectError("refused")]])
async def test_404_of_a_removal_that_was_never_sent_is_raised(
    api: MetaApi, server: ScriptedServer, before: list[Exception]
) -> None:
    server.will(ok(account_body()))
    account = await api.metatrader_account_api.get_account("a")
    server.will(*before, error(404, "NotFoundError"))
    with pytest.raises(NotFoundException):
        await account.remove()


async def test_a_conflict_keeps_what_the_server_said(api: MetaApi, server: ScriptedServer) -> None:
    server.will(ok(account_body()), error(409, "ConflictError", "it is being deleted"))
    account = await api.metatrader_account_api.get_account("a")
    with pytest.raises(ConflictException, match="it is being deleted"):
        await account.deploy()


async def test_cancelling_ends_a_wait_at_once(options: dict[str, Any], server: ScriptedServer) -> None:
    is_waiting = asyncio.Event()

    class StuckClock(HastyClock):
        async def sleep(self, seconds: float, /) -> None:
            is_waiting.set()
            await asyncio.Event().wait()

    options["clock"] = StuckClock()
    server.will(working())
    async with MetaApi(TOKEN, options) as api:
        task = asyncio.create_task(api.metatrader_account_api.create_account(NEW))
        await is_waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(server.requests) == 1


async def test_a_server_that_never_answers_is_given_up(options: dict[str, Any], clock: HastyClock) -> None:
    class Silent(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            await asyncio.Event().wait()
            raise AssertionError("not reached")

    options |= {"transport": Silent(), "requestTimeout": 0.01, "retryOpts": {"retries": 1}}
    async with MetaApi(TOKEN, options) as api:
        with pytest.raises(TimeoutException, match="requestTimeout"):
            await api.metatrader_account_api.get_account("a")
    assert len(clock.slept) == 1


async def test_many_calls_at_once_do_not_disturb_each_other(options: dict[str, Any]) -> None:
    async def answer(request: httpx2.Request) -> httpx2.Response:
        account_id = request.url.path.rsplit("/", 1)[-1]
        await asyncio.sleep(0)
        if int(account_id) % 3 == 0 and seen.setdefault(account_id, 0) == 0:
            seen[account_id] += 1
            return error(503, "NotSynchronizedError")
        return ok(account_body(_id=account_id))

    seen: dict[str, int] = {}
    options["transport"] = httpx2.MockTransport(answer)
    async with MetaApi(TOKEN, options) as api, asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(api.metatrader_account_api.get_account(str(number))) for number in range(200)
        ]
    assert [task.result().id for task in tasks] == [str(number) for number in range(200)]
