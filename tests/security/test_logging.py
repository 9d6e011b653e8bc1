import io
import json
import logging
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from mtfleet.domain.secret import Secret
from mtfleet.security.audit import record
from mtfleet.security.logging import configure, redact, redact_text
from mtfleet.store.base import Store
from mtfleet.testing.clock import FakeClock
from mtfleet.wire.requests import AccountUpdate, Credentials, NewAccount, NewProfile

PASSWORD = "qw3rty-Unmistakable"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJlLW9mLWl0"


@pytest.fixture(params=[True, False], ids=["json", "console"])
def lines(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    configure(as_json=request.param, level="DEBUG", stream=stream)
    yield stream
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def test_an_event_keeps_its_fields(lines: io.StringIO) -> None:
    structlog.get_logger("mtfleet.test").info("terminal.started", account_id="a-1", seconds=0.25)
    told = lines.getvalue()
    assert "terminal.started" in told
    assert "a-1" in told
    assert "0.25" in told
    assert "info" in told


@pytest.mark.parametrize(
    "fields",
    [
        {"password": PASSWORD},
        {"investor_password": PASSWORD, "managerPassword": PASSWORD},
        {"body": {"login": "1", "Password": PASSWORD}},
        {"bodies": [{"deep": ({"auth-token": PASSWORD},)}]},
        {"headers": {"Authorization": f"Bearer {PASSWORD}", "cookie": PASSWORD}},
        {"secret": Secret(PASSWORD)},
        {"thing": Secret(PASSWORD)},
        {"thing": {"x": [Secret(PASSWORD)]}},
        {"raw": PASSWORD.encode()},
        {"body": NewAccount(name="n", password=PASSWORD)},
        {"body": Credentials(login="1", password=PASSWORD)},
        {"body": [AccountUpdate(password=PASSWORD), NewProfile(manager_password=PASSWORD)]},
        {"text": f"login=1&password={PASSWORD}&x=1"},
        {"text": f'{{"login": "1", "password": "{PASSWORD}"}}'},
        {"text": f"GET /configure-trading-account-credentials/a-1/{PASSWORD} 200"},
        {"database": f"postgresql+asyncpg://mtfleet:{PASSWORD}@db:5432/mtfleet"},
        {"text": f"token was {TOKEN}"},
        {"preset": PASSWORD},
    ],
)
def test_no_secret_reaches_a_line(lines: io.StringIO, fields: dict[str, Any]) -> None:
    structlog.get_logger("mtfleet.test").warning("thing.happened", **fields)
    logging.getLogger("uvicorn.access").info("%s", fields.get("text", "nothing"))
    told = lines.getvalue()
    assert "thing.happened" in told
    assert PASSWORD not in told
    assert TOKEN not in told
    assert "***" in told or "bytes" in told


def log_in(password: str) -> None:
    secret = Secret(password)
    body = NewAccount(name="n", password=password)
    held = [password, {"plain": password}, body]
    raise ConnectionError(f"{secret} {body} has no way to {len(held)} brokers")


def test_a_traceback_shows_no_locals(lines: io.StringIO) -> None:
    log = structlog.get_logger("mtfleet.test")
    try:
        log_in(PASSWORD)
    except ConnectionError as error:
        log.exception("login.failed", account_id="a-1")
        logging.getLogger("asyncio").exception("Task exception was never retrieved")
        plain = "".join(traceback.format_exception(error))
    told = lines.getvalue()
    assert told.count("brokers") >= 2
    assert "log_in" in told
    assert PASSWORD not in told
    assert PASSWORD not in plain


def test_a_token_within_an_exceptions_text_is_masked(lines: io.StringIO) -> None:
    try:
        raise RuntimeError(f"could not send {TOKEN} to postgres://u:{PASSWORD}@db/x")
    except RuntimeError:
        structlog.get_logger("mtfleet.test").exception("request.failed")
        logging.getLogger("other").exception("it failed")
    told = lines.getvalue()
    assert told.count("could not send ***") >= 2
    assert PASSWORD not in told


def test_strangers_texts_forge_no_lines_and_steer_no_terminal(lines: io.StringIO) -> None:
    evil = "x\x1b[2J\x9b31m\u202e\u2028\r\n2026-01-01 [info] forged"
    structlog.get_logger("mtfleet.test").info("account.named", name=evil, stage=[evil])
    logging.getLogger("plain").warning("it said %s", evil)
    told = lines.getvalue()
    assert not {"\x1b", "\x9b", "\u202e", "\u2028", "\r"} & set(told)
    assert len(told.splitlines()) == 2
    assert told.count("forged") == 3


def test_a_traceback_steers_no_terminal(lines: io.StringIO) -> None:
    try:
        raise ValueError("\x1b[2Jforged")
    except ValueError:
        structlog.get_logger("mtfleet.test").exception("request.failed")
    assert "forged" in lines.getvalue()
    assert "\x1b" not in lines.getvalue()


@pytest.mark.parametrize("part", ["eyJ-", "eyJaaaaaaaa.", "a.", "x://a:", "password", "auth-token "])
def test_masking_takes_time_in_proportion_to_the_text(part: str) -> None:
    def seconds(length: int) -> float:
        text = part * (length // len(part))
        began = time.process_time()
        redact_text(text)
        return time.process_time() - began

    # Ten times the text is ten times the work, and would be a hundred times with one repetition unbounded.
    assert seconds(300_000) < 50 * max(min(seconds(30_000) for _ in range(3)), 1e-3)


def test_the_database_driver_does_not_write_down_what_is_stored(lines: io.StringIO) -> None:
    logging.getLogger("aiosqlite").debug("executing %s", PASSWORD)
    assert lines.getvalue() == ""


def test_json_lines_are_json(lines: io.StringIO, request: pytest.FixtureRequest) -> None:
    structlog.get_logger("mtfleet.test").info("a.happened", n=1, odd=object(), text="ü\n")
    logging.getLogger("plain").warning("two %d", 2)
    if "[json]" in request.node.name:
        first, second = (json.loads(line) for line in lines.getvalue().splitlines())
        assert first["event"] == "a.happened"
        assert first["n"] == 1
        assert first["text"] == "ü\n"
        assert first["timestamp"].endswith("Z")
        assert second["event"] == "two 2"
        assert second["logger"] == "plain"
    else:
        assert len(lines.getvalue().splitlines()) >= 2


def test_what_is_no_secret_stays() -> None:
    kept = {
        "token_id": "t-1",
        "tokenId": "t-1",
        "credentials_id": "a-1",
        "password": None,
        "has_password": True,
        "n": 3,
        "list": [1, None, "x"],
    }
    assert redact(kept) == kept
    assert redact_text("https://example.com/users/current/accounts?limit=3") == (
        "https://example.com/users/current/accounts?limit=3"
    )


def test_what_is_nested_endlessly_ends() -> None:
    loop: dict[str, Any] = {}
    loop["again"] = loop
    assert "***" in repr(redact(loop))


async def test_the_audit_log_takes_no_secret(store: Store, clock: FakeClock) -> None:
    async with store.transaction() as tx:
        await record(
            tx,
            clock,
            None,
            "account.updated",
            entity="account",
            entity_id="a-1",
            details={
                "fields": ["name", "password"],
                "password": PASSWORD,
                "body": NewAccount(name="n", password=PASSWORD),
                "secret": Secret(PASSWORD),
                "held": [Secret(PASSWORD)],
            },
        )
    async with store.reader() as tx:
        [line] = await tx.audit.page()
    assert PASSWORD not in repr(line)
    assert line.details is not None
    assert line.details["fields"] == ["name", "password"]
    assert line.details["body"]["name"] == "n"
    assert line.recorded_at == clock.now()
    assert line.outcome == "done"
    assert line.user_id is None
