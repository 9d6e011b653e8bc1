"""The trade server: what commands do, and that their replay makes the same server."""

from contextlib import suppress
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtfleet.domain.market import TradeAccountType
from mtfleet.simulator.server import (
    Access,
    AccountOpened,
    ChangePassword,
    Command,
    CommandRefused,
    EnableAccount,
    OpenAccount,
    PasswordChanged,
    TradeServer,
)

FIRST = 5_000_001


def open_account(request_id: str = "r1", login: int | None = None, at_ms: int = 1) -> OpenAccount:
    return OpenAccount(
        at_ms=at_ms,
        request_id=request_id,
        login=login,
        type=TradeAccountType.DEMO,
        group=None,
        name="Ada",
        email="ada@example.com",
        phone=None,
        currency="USD",
        currency_digits=2,
        balance=Decimal("1000.50"),
        leverage=100,
        salt=b"salt",
        master_digest=b"salt/master",
        investor_digest=b"salt/investor",
    )


def access(server: TradeServer, login: int, password: str) -> Access:
    return server.access(login, lambda salt: salt + b"/" + password.encode())


commands = st.one_of(
    st.builds(
        open_account,
        request_id=st.sampled_from(["a", "b", "c", "d"]),
        login=st.none() | st.integers(FIRST, FIRST + 3),
        at_ms=st.integers(0, 2**41),
    ),
    st.builds(
        ChangePassword,
        at_ms=st.just(2),
        login=st.integers(FIRST, FIRST + 4),
        is_investor=st.booleans(),
        digest=st.binary(min_size=1, max_size=32),
    ),
    st.builds(EnableAccount, at_ms=st.just(3), login=st.integers(FIRST, FIRST + 4), is_enabled=st.booleans()),
)


def test_accounts_get_ascending_numbers_that_are_free() -> None:
    server = TradeServer(FIRST)
    server.apply(open_account("listed", login=FIRST + 1))
    logins = []
    for name in ("a", "b"):
        (event,) = server.apply(open_account(name))
        assert isinstance(event, AccountOpened)
        logins.append(event.account.login)
    assert logins == [FIRST, FIRST + 2]
    assert len(server) == 3


def test_one_request_opens_one_account() -> None:
    server = TradeServer(FIRST)
    (first,) = server.apply(open_account("r"))
    (again,) = server.apply(open_account("r", at_ms=99))
    assert isinstance(first, AccountOpened)
    assert isinstance(again, AccountOpened)
    assert (first.is_new, again.is_new) == (True, False)
    assert again.account == first.account
    assert len(server) == 1


def test_passwords_open_what_they_should() -> None:
    server = TradeServer(FIRST)
    server.apply(open_account())
    assert access(server, FIRST, "master") is Access.MASTER
    assert access(server, FIRST, "investor") is Access.INVESTOR
    assert access(server, FIRST, "Master") is Access.REFUSED
    assert access(server, FIRST + 1, "master") is Access.REFUSED
    assert server.apply(
        ChangePassword(at_ms=2, login=FIRST, is_investor=False, digest=b"salt/new")
    ) == (PasswordChanged(login=FIRST, is_investor=False),)  # fmt: skip
    assert access(server, FIRST, "master") is Access.REFUSED
    assert access(server, FIRST, "new") is Access.MASTER
    assert access(server, FIRST, "investor") is Access.INVESTOR


def test_a_disabled_account_opens_to_nobody_and_tells_only_who_knows_the_password() -> None:
    server = TradeServer(FIRST)
    server.apply(open_account())
    server.apply(EnableAccount(at_ms=2, login=FIRST, is_enabled=False))
    assert access(server, FIRST, "master") is Access.DISABLED
    assert access(server, FIRST, "investor") is Access.DISABLED
    assert access(server, FIRST, "wrong") is Access.REFUSED
    server.apply(EnableAccount(at_ms=3, login=FIRST, is_enabled=True))
    assert access(server, FIRST, "master") is Access.MASTER


@pytest.mark.parametrize(
    "command",
    [
        open_account("other", login=FIRST),
        ChangePassword(at_ms=2, login=1, is_investor=False, digest=b"x"),
        EnableAccount(at_ms=2, login=1, is_enabled=False),
    ],
)
def test_a_refused_command_changes_nothing(command: Command) -> None:
    server = TradeServer(FIRST)
    server.apply(open_account())
    before = server.dump()
    with pytest.raises(CommandRefused):
        server.apply(command)
    assert server.dump() == before


@given(history=st.lists(commands, max_size=20))
def test_replay_and_dump_make_the_same_server_bit_for_bit(history: list[Command]) -> None:
    live = TradeServer(FIRST)
    for command in history:
        with suppress(CommandRefused):
            live.apply(command)
    written = msgspec.msgpack.encode(history)
    replayed = TradeServer.replay(FIRST, msgspec.msgpack.decode(written, type=list[Command]))
    assert replayed.dump() == live.dump()
    assert TradeServer.load(live.dump()).dump() == live.dump()
    again = open_account("new one")
    assert TradeServer.load(live.dump()).apply(again) == live.apply(again)
