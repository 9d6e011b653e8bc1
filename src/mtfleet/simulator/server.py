"""A trade server as a pure state machine: frozen commands in, events out, no clock and no chance of its own.

The same commands in the same order make the same state, bit for bit: a journal of commands is a server. A
server that trades has a `DealingDesk`. Its commands bring prices with them, and many change nothing, so its
events are what belongs into the journal, in order with the commands about accounts.
"""

import hmac
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import overload

import msgspec
from msgspec.structs import replace

from mtfleet.domain.market import TradeAccountType
from mtfleet.simulator.refused import CommandRefused as CommandRefused
from mtfleet.simulator.trading import records
from mtfleet.simulator.trading.desk import DealingDesk
from mtfleet.simulator.trading.terms import ServerTerms, SymbolTerms


class TradingAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account as its broker keeps it. Passwords are known by keyed hashes only."""

    login: int
    request_id: str
    type: TradeAccountType
    group: str | None
    """What the owner chose from the broker's kinds of account."""
    name: str
    email: str
    phone: str | None
    currency: str
    currency_digits: int
    balance: Decimal
    """What it was opened with; what it is now is known to the desk."""
    credit: Decimal
    leverage: int
    opened_at_ms: int
    salt: bytes
    master_digest: bytes
    investor_digest: bytes
    is_enabled: bool


class OpenAccount(msgspec.Struct, frozen=True, kw_only=True, tag_field="is", tag="open"):
    """Open an account. The same `request_id` again opens no second one."""

    at_ms: int
    """Milliseconds since 1970 in UTC."""
    request_id: str
    login: int | None
    """`None`: the next free number."""
    type: TradeAccountType
    group: str | None
    name: str
    email: str
    phone: str | None
    currency: str
    currency_digits: int
    balance: Decimal
    leverage: int
    salt: bytes
    master_digest: bytes
    investor_digest: bytes


class ChangePassword(msgspec.Struct, frozen=True, kw_only=True, tag_field="is", tag="password"):
    """Replace the master or the investor password; `digest` is made with the account's salt."""

    at_ms: int
    login: int
    is_investor: bool
    digest: bytes


class EnableAccount(msgspec.Struct, frozen=True, kw_only=True, tag_field="is", tag="enable"):
    """Allow or forbid any log-in."""

    at_ms: int
    login: int
    is_enabled: bool


Command = OpenAccount | ChangePassword | EnableAccount


class AccountOpened(msgspec.Struct, frozen=True, kw_only=True, tag_field="is", tag="opened"):
    """An account exists for the request; `is_new` is false when it did before."""

    account: TradingAccount
    is_new: bool


class PasswordChanged(msgspec.Struct, frozen=True, kw_only=True, tag_field="is", tag="password"):
    login: int
    is_investor: bool


class AccountEnabled(msgspec.Struct, frozen=True, kw_only=True, tag_field="is", tag="enabled"):
    login: int
    is_enabled: bool


Event = AccountOpened | PasswordChanged | AccountEnabled
Trading = tuple[ServerTerms, Mapping[str, SymbolTerms]]
"""What makes a desk."""


class Access(Enum):
    """What a login and a password open."""

    MASTER = "master"
    INVESTOR = "investor"
    REFUSED = "refused"
    """Unknown login or wrong password: which of them is not told."""
    DISABLED = "disabled"


class _State(msgspec.Struct, frozen=True):
    next_login: int
    accounts: list[TradingAccount]
    trading: bytes | None = None


class TradeServer:
    """The accounts of one trade server, and their trading if it has any."""

    __slots__ = ("_accounts", "_next_login", "_requests", "desk")

    def __init__(self, first_login: int, trading: Trading | None = None) -> None:
        self.desk = None if trading is None else DealingDesk(*trading)
        self._next_login = first_login
        self._accounts: dict[int, TradingAccount] = {}
        self._requests: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._accounts)

    def account(self, login: int) -> TradingAccount | None:
        """Return the account of that number."""
        return self._accounts.get(login)

    def account_of_request(self, request_id: str) -> TradingAccount | None:
        """Return the account that was opened for a request."""
        login = self._requests.get(request_id)
        return None if login is None else self._accounts[login]

    def access(self, login: int, digest_with: Callable[[bytes], bytes]) -> Access:
        """Tell what a password opens; `digest_with` hashes it with the account's salt."""
        account = self._accounts.get(login)
        digest = digest_with(b"" if account is None else account.salt)
        if account is None:
            return Access.REFUSED
        is_master = hmac.compare_digest(digest, account.master_digest)
        if not is_master and not hmac.compare_digest(digest, account.investor_digest):
            return Access.REFUSED
        if not account.is_enabled:
            return Access.DISABLED
        return Access.MASTER if is_master else Access.INVESTOR

    @overload
    def apply(self, command: Command) -> tuple[Event, ...]: ...
    @overload
    def apply(self, command: records.Command) -> list[records.Event]: ...
    def apply(self, command: Command | records.Command) -> tuple[Event, ...] | list[records.Event]:
        """Carry a command out. Raises `CommandRefused` and changes nothing when it can't be done."""
        if not isinstance(command, OpenAccount | ChangePassword | EnableAccount):
            if self.desk is None:
                raise CommandRefused("The server does not trade.")
            return self.desk.apply(command)
        match command:
            case OpenAccount():
                return self._open(command)
            case ChangePassword():
                field = "investor_digest" if command.is_investor else "master_digest"
                self._accounts[command.login] = replace(
                    self._existing(command.login), **{field: command.digest}
                )
                return (PasswordChanged(login=command.login, is_investor=command.is_investor),)
            case EnableAccount():
                self._accounts[command.login] = replace(
                    self._existing(command.login), is_enabled=command.is_enabled
                )
                return (AccountEnabled(login=command.login, is_enabled=command.is_enabled),)

    def dump(self) -> bytes:
        """Return the whole state as bytes; equal states give equal bytes."""
        trading = None if self.desk is None else self.desk.dump()
        return msgspec.msgpack.encode(_State(self._next_login, list(self._accounts.values()), trading))

    @classmethod
    def load(cls, data: bytes, trading: Trading | None = None) -> "TradeServer":
        """Return the server that `dump` wrote. Raises `msgspec.DecodeError` for anything else."""
        state = msgspec.msgpack.decode(data, type=_State)
        server = cls(state.next_login, trading)
        if trading is not None and state.trading is not None:
            server.desk = DealingDesk.load(*trading, state.trading)
        server._accounts = {account.login: account for account in state.accounts}
        server._requests = {account.request_id: account.login for account in state.accounts}
        return server

    @classmethod
    def replay(
        cls,
        first_login: int,
        journal: Iterable[Command | records.Event],
        trading: Trading | None = None,
    ) -> "TradeServer":
        """Return the server that a journal tells of: commands about accounts, and events of trading.

        Refused commands change nothing, as before.
        """
        server = cls(first_login, trading)
        for entry in journal:
            if isinstance(entry, OpenAccount | ChangePassword | EnableAccount):
                try:
                    server.apply(entry)
                except CommandRefused:
                    continue
            elif server.desk is not None:
                server.desk.replay((entry,))
        return server

    def _existing(self, login: int) -> TradingAccount:
        account = self._accounts.get(login)
        if account is None:
            raise CommandRefused(f"The server has no account {login}.")
        return account

    def _open(self, command: OpenAccount) -> tuple[Event, ...]:
        known = self.account_of_request(command.request_id)
        if known is not None:
            return (AccountOpened(account=known, is_new=False),)
        login = command.login
        if login is None:
            login = self._next_login
            while login in self._accounts:
                login += 1
            self._next_login = login + 1
        elif login in self._accounts:
            raise CommandRefused(f"The server has an account {login} already.")
        account = TradingAccount(
            login=login,
            request_id=command.request_id,
            type=command.type,
            group=command.group,
            name=command.name,
            email=command.email,
            phone=command.phone,
            currency=command.currency,
            currency_digits=command.currency_digits,
            balance=command.balance,
            credit=Decimal(0),
            leverage=command.leverage,
            opened_at_ms=command.at_ms,
            salt=command.salt,
            master_digest=command.master_digest,
            investor_digest=command.investor_digest,
            is_enabled=True,
        )
        self._accounts[login] = account
        self._requests[command.request_id] = login
        if self.desk is not None:
            terms = records.Account(
                login=login,
                currency=account.currency,
                digits=account.currency_digits,
                leverage=max(1, account.leverage),
                is_real=account.type is TradeAccountType.REAL,
            )
            self.desk.take_up(terms, account.balance, account.opened_at_ms)
        return (AccountOpened(account=account, is_new=True),)
