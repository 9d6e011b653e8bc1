"""What the cases of the terminals' contract are made of; `mtfleet.testing.terminals` has the cases."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from mtfleet.domain.accounts import Platform
from mtfleet.domain.errors import MtfleetError
from mtfleet.domain.ids import AccountId, Login, ServerName, Symbol
from mtfleet.domain.secret import Secret
from mtfleet.domain.values import Clock
from mtfleet.terminals.base import (
    Capabilities,
    TerminalDriver,
    TerminalEvent,
    Terminals,
    TerminalSpec,
)

ABSENT_SYMBOL = Symbol("NO.SUCH#SYMBOL")


class ContractBroken(AssertionError):
    """A driver did something else than its contract says."""


@dataclass(frozen=True)
class Subject:
    """What is tested: opened terminals, and an account on a server that answers and quotes."""

    terminals: Terminals
    clock: Clock
    platform: Platform
    server: ServerName
    login: Login
    password: Secret
    investor_password: Secret | None
    broker_timezone: str
    broker_dst_switch_timezone: str
    quoted_symbol: Symbol


@dataclass
class Seat:
    """A driver and everything that it reported."""

    driver: TerminalDriver
    events: list[TerminalEvent] = field(default_factory=list)


@dataclass(frozen=True)
class Case:
    """One numbered case."""

    number: int
    title: str
    run: Callable[[Subject], Awaitable[None]]
    needs: Callable[[Capabilities], bool]

    def __str__(self) -> str:
        return f"T{self.number:02d}-{self.title}"


CASES: list[Case] = []


def case(
    number: int, needs: Callable[[Capabilities], bool] = lambda _: True
) -> Callable[[Callable[[Subject], Awaitable[None]]], Callable[[Subject], Awaitable[None]]]:
    def add(run: Callable[[Subject], Awaitable[None]]) -> Callable[[Subject], Awaitable[None]]:
        CASES.append(Case(number, getattr(run, "__name__", "case").strip("_"), run, needs))
        return run

    return add


def expect(condition: object, message: str) -> None:
    if not condition:
        raise ContractBroken(message)


async def expect_error(kind: type[MtfleetError], awaitable: Awaitable[Any], what: str) -> MtfleetError:
    try:
        await awaitable
    except kind as error:
        return error
    except MtfleetError as error:
        raise ContractBroken(f"{what} raised {type(error).__name__}, not {kind.__name__}") from error
    raise ContractBroken(f"{what} did not raise {kind.__name__}")


def seat_of(subject: Subject, *, login: Login | None = None, password: Secret | None = None) -> Seat:
    events: list[TerminalEvent] = []
    spec = TerminalSpec(
        account_id=AccountId("00000000-0000-4000-8000-000000000001"),
        platform=subject.platform,
        server=subject.server,
        login=login or subject.login,
        password=password or subject.password,
        magic=0,
        quote_streaming_interval_seconds=2.5,
        broker_timezone=subject.broker_timezone,
        broker_dst_switch_timezone=subject.broker_dst_switch_timezone,
    )
    return Seat(subject.terminals.driver(spec, events.append), events)


async def connected(subject: Subject, *, password: Secret | None = None) -> Seat:
    seat = seat_of(subject, password=password)
    await seat.driver.start()
    await seat.driver.connect()
    return seat
