"""Contract section 4: 202, `Retry-After` and what a repeat under the same transaction id gets."""

import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mtfleet.testing.contract import ACCOUNTS, PROFILES, ContractClient, draft_body, parameters
from mtfleet.testing.server import running_server

pytestmark = pytest.mark.e2e

DEMOS = f"{PROFILES}/default/mt5-demo-accounts"
WISH = {"balance": 1000, "email": "a@example.com", "leverage": 100, "serverName": "Sandbox-MT5"}


SLUGGISH = """
[[brokers]]
company = "Sluggish Ltd"
[[brokers.servers]]
name = "Sluggish-MT5"
platform = "mt5"
timezone = "EET"
[brokers.servers.latency]
login_seconds = 0.5
"""


def under(transaction: str) -> dict[str, str]:
    return {"transaction-id": transaction}


def full_body(user: ContractClient, server: str = "Sandbox-MT5", **more: Any) -> dict[str, Any]:
    demo = user.demo(server)
    return draft_body(server=server, login=demo["login"], password=demo["password"], **more)


def hang_up(user: ContractClient, body: dict[str, Any], headers: dict[str, str]) -> None:
    """Ask, and go away before there is an answer."""
    with pytest.raises(httpx2.TimeoutException):
        user.http.post(ACCOUNTS, json=body, headers=headers, timeout=0.3)


def test_slow_work_is_told_by_202_until_it_is_done(new_user: Callable[[], ContractClient]) -> None:
    user, impatient = new_user(), new_user()
    left, left_headers = full_body(impatient, "Sandbox-Slow"), under(secrets.token_hex(16))
    hang_up(impatient, left, left_headers)
    body, headers = full_body(user, "Sandbox-Slow"), under(secrets.token_hex(16))
    first = user.send("POST", ACCOUNTS, 202, json=body, headers=headers)
    now = datetime.now(UTC)  # noqa: TID251 - the wall clock of a stranger
    assert first.headers["retry-after"].endswith(" GMT"), "an HTTP-date"
    wait = parsedate_to_datetime(first.headers["retry-after"]) - now
    assert timedelta(0) < wait <= timedelta(seconds=60)
    message = first.json()["message"]
    assert isinstance(message, str)
    assert any(word.isdigit() for word in message.split()), "it states the seconds to wait"
    assert body["password"] not in first.text
    assert user.get(ACCOUNTS) == [], "nothing is shown before it is sure"
    started = time.monotonic()
    while (answer := user.send("POST", ACCOUNTS, json=body, headers=headers)).status_code == 202:
        assert time.monotonic() - started < 20
        other = user.send("POST", ACCOUNTS, 400, json=body | {"name": "Other"}, headers=headers)
        assert parameters(other.json()) == {"transaction-id"}
    assert answer.status_code == 201
    again = user.send("POST", ACCOUNTS, 201, json=body, headers=headers)
    assert again.json() == answer.json()
    assert [one["_id"] for one in user.get(ACCOUNTS)] == [answer.json()["id"]]
    finished = [one["_id"] for one in impatient.get(ACCOUNTS)]
    assert finished, "a client that hangs up does not stop the work"
    assert impatient.send("POST", ACCOUNTS, 201, json=left, headers=left_headers).json()["id"] == finished[0]


def test_a_repeat_after_success_gets_the_same_account(user: ContractClient) -> None:
    for body in (draft_body(), full_body(user)):
        headers = under(secrets.token_hex(16))
        first = user.send("POST", ACCOUNTS, 201, json=body, headers=headers).json()
        for _ in range(3):
            assert user.send("POST", ACCOUNTS, 201, json=body, headers=headers).json() == first
        reordered = dict(reversed(body.items()))
        assert user.send("POST", ACCOUNTS, 201, json=reordered, headers=headers).json() == first
    assert len(user.get(ACCOUNTS)) == 2


def test_a_repeat_after_the_account_is_gone_still_gets_its_id(user: ContractClient) -> None:
    headers, body = under(secrets.token_hex(16)), draft_body()
    first = user.send("POST", ACCOUNTS, 201, json=body, headers=headers).json()
    user.delete(f"{ACCOUNTS}/{first['id']}")
    user.wait_gone(f"{ACCOUNTS}/{first['id']}")
    assert user.send("POST", ACCOUNTS, 201, json=body, headers=headers).json() == first
    assert user.get(ACCOUNTS) == []


def test_a_repeat_after_a_failure_gets_the_same_failure(user: ContractClient) -> None:
    good = full_body(user)
    for change, details in (
        ({"password": "wrong"}, "E_AUTH"),
        ({"server": "Nowhere-Demo"}, "E_SRV_NOT_FOUND"),
    ):
        headers, wrong = under(secrets.token_hex(16)), good | change
        first = user.send("POST", ACCOUNTS, 400, json=wrong, headers=headers).json()
        assert first["details"] == details
        assert user.send("POST", ACCOUNTS, 400, json=wrong, headers=headers).json() == first
        corrected = user.send("POST", ACCOUNTS, 400, json=good, headers=headers).json()
        assert parameters(corrected) == {"transaction-id"}
    assert user.get(ACCOUNTS) == []
    user.send("POST", ACCOUNTS, 201, json=good, headers=under(secrets.token_hex(16)))


def test_a_body_that_was_refused_as_such_does_not_take_the_id(user: ContractClient) -> None:
    headers = under(secrets.token_hex(16))
    user.send("POST", ACCOUNTS, 400, json=draft_body(magic=-1), headers=headers)
    user.send("POST", ACCOUNTS, 201, json=draft_body(magic=1), headers=headers)


def test_another_body_under_the_same_id_is_refused(user: ContractClient) -> None:
    headers = under(secrets.token_hex(16))
    user.send("POST", ACCOUNTS, 201, json=draft_body(), headers=headers)
    other = user.send("POST", ACCOUNTS, 400, json=draft_body(name="Other"), headers=headers).json()
    assert parameters(other) == {"transaction-id"}
    assert len(user.get(ACCOUNTS)) == 1


def test_the_id_counts_per_user_and_address(new_user: Callable[[], ContractClient]) -> None:
    one, two = new_user(), new_user()
    headers = under(secrets.token_hex(16))
    body = draft_body()
    first = one.send("POST", ACCOUNTS, 201, json=body, headers=headers).json()["id"]
    assert two.send("POST", ACCOUNTS, 201, json=body, headers=headers).json()["id"] != first
    mt5 = one.send("POST", DEMOS, 201, json=WISH, headers=headers).json()
    mt4 = f"{PROFILES}/default/mt4-demo-accounts"
    assert (
        one.send("POST", mt4, 201, json=WISH | {"serverName": "Sandbox-MT4"}, headers=headers).json() != mt5
    )


def test_without_an_id_each_request_is_its_own(user: ContractClient) -> None:
    ids = {user.send("POST", ACCOUNTS, 201, json=draft_body()).json()["id"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize("text", ["x", "x" * 64, "a b", "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~"])
def test_odd_ids_work(user: ContractClient, text: str) -> None:
    first = user.send("POST", ACCOUNTS, 201, json=draft_body(), headers=under(text)).json()
    assert user.send("POST", ACCOUNTS, 201, json=draft_body(), headers=under(text)).json() == first


def test_of_twenty_at_once_one_wins(user: ContractClient) -> None:
    body = full_body(user)
    for path, wish in ((ACCOUNTS, body), (ACCOUNTS, draft_body()), (DEMOS, WISH)):
        headers = under(secrets.token_hex(16))

        def ask(
            _: int, path: str = path, wish: Any = wish, headers: dict[str, str] = headers
        ) -> dict[str, Any]:
            while True:
                answer = user.send("POST", path, json=wish, headers=headers)
                if answer.status_code != 202:
                    assert answer.status_code == 201, answer.text
                    found: dict[str, Any] = answer.json()
                    return found

        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(ask, range(20)))
        assert all(one == answers[0] for one in answers)
    assert len(user.get(ACCOUNTS)) == 2


def test_of_twenty_with_two_bodies_one_body_wins(user: ContractClient) -> None:
    headers = under(secrets.token_hex(16))

    def ask(number: int) -> tuple[int, str]:
        answer = user.send("POST", ACCOUNTS, json=draft_body(name=f"Name {number % 2}"), headers=headers)
        return answer.status_code, answer.json().get("id")

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, range(20)))
    assert sorted(status for status, _ in answers) == [201] * 10 + [400] * 10
    assert len({made for status, made in answers if status == 201}) == 1
    assert len(user.get(ACCOUNTS)) == 1


def test_demo_accounts_repeat_with_the_same_passwords(user: ContractClient) -> None:
    headers = under(secrets.token_hex(16))
    first = user.send("POST", DEMOS, 201, json=WISH, headers=headers).json()
    assert user.send("POST", DEMOS, 201, json=WISH, headers=headers).json() == first
    other = user.send("POST", DEMOS, 400, json=WISH | {"balance": 2}, headers=headers).json()
    assert parameters(other) == {"transaction-id"}


def test_replicas_repeat_too(user: ContractClient) -> None:
    account, headers = user.account(), under(secrets.token_hex(16))
    path, body = f"{ACCOUNTS}/{account}/replicas", {"magic": 0, "region": "new-york"}
    first = user.send("POST", path, 201, json=body, headers=headers).json()
    assert user.send("POST", path, 201, json=body, headers=headers).json() == first
    again = user.send("POST", path, 400, json=body, headers=under(secrets.token_hex(16))).json()
    assert parameters(again) == {"region"}


def test_answers_survive_a_kill(tmp_path: Path) -> None:
    brokers = tmp_path / "brokers.toml"
    brokers.write_text(SLUGGISH, encoding="utf-8")
    with running_server(flags=["--brokers", str(brokers)]) as server:
        with ContractClient(server.url, server.token) as client:
            body = full_body(client)
            good, bad, half = (under(secrets.token_hex(16)) for _ in range(3))
            made = client.send("POST", ACCOUNTS, 201, json=body, headers=good).json()
            wrong = body | {"password": "wrong"}
            failed = client.send("POST", ACCOUNTS, 400, json=wrong, headers=bad).json()
            slow = full_body(client, "Sluggish-MT5")
            hang_up(client, slow, half)
        server.kill()
        server.restart()
        with ContractClient(server.url, server.token) as client:
            assert client.send("POST", ACCOUNTS, 201, json=body, headers=good).json() == made
            assert client.send("POST", ACCOUNTS, 400, json=wrong, headers=bad).json() == failed
            other = client.send("POST", ACCOUNTS, 400, json=slow | {"name": "Other"}, headers=half).json()
            assert parameters(other) == {"transaction-id"}
            done = wait_for(client, slow, half)
            assert {one["_id"] for one in client.get(ACCOUNTS)} == {made["id"], done["id"]}


def wait_for(client: ContractClient, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    """Repeat until it is done."""
    while (answer := client.send("POST", ACCOUNTS, json=body, headers=headers)).status_code == 202:
        pass
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found
