"""All simulated brokers of one data directory."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import quote

import structlog

from mtfleet.domain.accounts import Platform
from mtfleet.domain.errors import NotFoundError
from mtfleet.domain.ids import Login, ServerName
from mtfleet.domain.market import TradeAccountType
from mtfleet.domain.secret import Secret
from mtfleet.domain.values import Clock
from mtfleet.simulator.brokers_file import BrokersFileError, read_brokers
from mtfleet.simulator.catalogue import Catalogue, Faults, ListedAccount, ServerDefinition
from mtfleet.simulator.server import (
    Access,
    AccountOpened,
    ChangePassword,
    EnableAccount,
    OpenAccount,
    TradingAccount,
)
from mtfleet.terminals.base import (
    BrokerUnreachable,
    Capabilities,
    DemoAccount,
    DemoAccountRefused,
    DemoAccountRequest,
    Report,
    ServerDescription,
    ServerFile,
    TerminalDriver,
    Terminals,
    TerminalSpec,
    TerminalStartFailed,
)
from mtfleet.terminals.simulated.broker import SimulatedServer
from mtfleet.terminals.simulated.commit import CommandLog, Header
from mtfleet.terminals.simulated.driver import SimulatedDriver
from mtfleet.terminals.simulated.keys import PasswordKey
from mtfleet.terminals.simulated.lock import DirectoryLock
from mtfleet.terminals.simulated.tick_files import recorded_feeds

log = structlog.get_logger(__name__)

DEFAULT_SEED: Final = 1
_JOURNAL_SUFFIX: Final = ".journal"
_MAX_FILE_BYTES: Final = 4 << 20


def builtin_catalogue() -> Catalogue:
    """Return the servers that every installation offers."""
    text = files("mtfleet.terminals.simulated").joinpath("sandbox.toml").read_text("utf-8")
    return read_brokers(text, "sandbox.toml")


def catalogue_of(path: Path) -> Catalogue:
    """Read a brokers file. Blocking. Raises `BrokersFileError`."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise BrokersFileError(str(path), None, f"the file is larger than {_MAX_FILE_BYTES} bytes")
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise BrokersFileError(str(path), None, "the file is not UTF-8 text") from error
    except OSError as error:
        raise BrokersFileError(str(path), None, f"can't be read: {error.strerror or error}") from error
    return read_brokers(text, str(path))


class SimulatedTerminals(Terminals):
    """Durable simulated brokers: what they acknowledged survives `kill -9`.

    Only one object, in one process, can hold a `data_dir`. `seed` decides all prices; `brokers_file` adds
    servers to the
    built-in ones, or replaces those that it names again.
    """

    name: ClassVar[str] = "simulated"
    capabilities: ClassVar[Capabilities] = Capabilities(
        platforms=frozenset(Platform),
        can_create_demo_accounts=True,
        can_run_experts=True,
        needs_server_files=False,
        can_read_candles=True,
        can_read_ticks=True,
        can_read_current_candles=True,
        can_read_current_ticks=True,
        can_read_books=True,
    )

    def __init__(
        self, data_dir: Path, clock: Clock, brokers_file: Path | None = None, seed: int = DEFAULT_SEED
    ) -> None:
        self._data_dir, self._clock, self._brokers_file, self._seed = data_dir, clock, brokers_file, seed
        self._lock: DirectoryLock | None = None
        self._key: PasswordKey | None = None
        self._catalogue: Catalogue | None = None
        self._servers: dict[str, SimulatedServer] = {}
        self._droppers: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def catalogue(self) -> Catalogue:
        """The definitions of all servers. Raises `TerminalStartFailed` before `open`."""
        if self._catalogue is None:
            raise TerminalStartFailed("The simulated brokers are not open.")
        return self._catalogue

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions where terminals can run, the default first."""
        return self.catalogue.regions or ()

    async def open(self) -> None:
        """Lock the directory and recover all servers.

        Raises `BrokersFileError`, `TerminalStartFailed`, `JournalCorrupt` or `JournalMismatch`.
        """
        await asyncio.to_thread(self._recover)
        for name, server in self._servers.items():
            await self._open_listed(server)
            self._watch_drops(name, server)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._droppers.clear()
        for server in self._servers.values():
            server.cut_connections("The simulated brokers were closed.")
            await server.commands.close()
        self._servers.clear()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    async def find_server(
        self, platform: Platform, name: str, files: Sequence[ServerFile] = ()
    ) -> ServerDescription | None:
        definition = self.catalogue.find(name)
        if definition is None or definition.platform is not platform:
            return None
        return ServerDescription(name=definition.name, broker=definition.company, platform=platform)

    async def servers(self, platform: Platform) -> Mapping[str, Sequence[ServerName]]:
        companies: dict[str, list[ServerName]] = {}
        for definition in self.catalogue.servers.values():
            if definition.platform is platform:
                companies.setdefault(definition.company, []).append(definition.name)
        return companies

    def driver(self, spec: TerminalSpec, report: Report) -> TerminalDriver:
        server = self._servers.get(spec.server.strip().casefold())
        if server is not None and server.definition.platform is not spec.platform:
            server = None
        return SimulatedDriver(spec, report, server)

    async def create_demo_account(self, request: DemoAccountRequest) -> DemoAccount:
        """Open a demo account; a repeat of the same `request_id` gets the same login and passwords."""
        server = self._servers.get(request.server.strip().casefold())
        if server is None or server.definition.platform is not request.platform:
            raise DemoAccountRefused(
                f"There is no simulated {request.platform} server {request.server!r}; check its name."
            )
        await server.reach()
        account = server.commands.server.account_of_request(request.request_id)
        if account is None:
            self._check(server.definition, request)
            account = await self._open_demo(server, request)
        master, investor = self._passwords(server.definition, request.request_id)
        return DemoAccount(
            login=Login(str(account.login)),
            password=master,
            investor_password=investor,
            server=server.definition.name,
        )

    def drop_connections(self, server: str, reason: str = "The broker closed the connection.") -> int:
        """Cut all connections of a server; the drivers report it. Returns how many there were."""
        return self._named(server).cut_connections(reason)

    def set_faults(self, server: str, faults: Faults) -> None:
        """Change what goes wrong at a server from now on. A server that goes offline cuts its connections."""
        named = self._named(server)
        named.faults = faults
        self._watch_drops(server.strip().casefold(), named)
        if faults.is_offline:
            named.cut_connections("The broker's server went offline.")

    def faults(self, server: str) -> Faults:
        """Return what goes wrong at a server now. Raises `NotFoundError`."""
        return self._named(server).faults

    def account_count(self, server: str) -> int:
        """Return how many accounts a server has. Raises `NotFoundError`."""
        return len(self._named(server).commands.server)

    async def change_password(
        self, server: str, login: Login, password: Secret, *, is_investor: bool = False
    ) -> None:
        """Replace a password, durably. Raises `CommandRefused` for an unknown login."""
        named = self._named(server)
        account = named.commands.server.account(int(login))
        digest = self._held_key().digest(password, b"" if account is None else account.salt)
        await named.commands.submit(
            ChangePassword(at_ms=named.now_ms(), login=int(login), is_investor=is_investor, digest=digest)
        )

    async def enable_account(self, server: str, login: Login, *, is_enabled: bool) -> None:
        """Allow or forbid an account to log in, durably; forbidding it also cuts its connections."""
        named = self._named(server)
        await named.commands.submit(
            EnableAccount(at_ms=named.now_ms(), login=int(login), is_enabled=is_enabled)
        )
        if not is_enabled:
            for connection in [c for c in named.connections if c.login == int(login)]:
                named.connections.discard(connection)
                connection.cut("The broker disabled the account.")

    def _named(self, server: str) -> SimulatedServer:
        found = self._servers.get(server.strip().casefold())
        if found is None:
            raise NotFoundError(f"There is no simulated server {server!r}.")
        return found

    def _held_key(self) -> PasswordKey:
        if self._key is None:
            raise TerminalStartFailed("The simulated brokers are not open.")
        return self._key

    def _recover(self) -> None:
        catalogue = builtin_catalogue()
        if self._brokers_file is not None:
            catalogue = catalogue.with_servers_of(catalogue_of(self._brokers_file))
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = DirectoryLock(self._data_dir)
        try:
            has_journals = any(self._data_dir.glob(f"*{_JOURNAL_SUFFIX}"))
            self._key = PasswordKey.load(self._data_dir / "password.key", may_create=not has_journals)
            for name, definition in catalogue.servers.items():
                self._servers[name] = self._server(definition, self._key)
        except BaseException:
            for server in self._servers.values():
                server.commands.release()
            self._servers.clear()
            self._lock.release()
            self._lock = None
            raise
        self._catalogue = catalogue

    def _server(self, definition: ServerDefinition, key: PasswordKey) -> SimulatedServer:
        # Read before the journal is opened, so that a wrong file leaves nothing open.
        directory = Path() if self._brokers_file is None else self._brokers_file.parent
        recorded = recorded_feeds(definition, directory)
        header = Header(
            format=1,
            server=definition.name.casefold(),
            first_login=definition.demo.first_login,
            key=key.fingerprint,
        )
        file_name = quote(definition.name.casefold(), safe=" ()") + _JOURNAL_SUFFIX
        commands = CommandLog(self._data_dir / file_name, header)
        commands.recover()
        return SimulatedServer(definition, commands, key.digest, self._clock, self._seed, recorded)

    async def _open_listed(self, server: SimulatedServer) -> None:
        """Make the accounts of the brokers file as the file says; what happened to them since then stays."""
        for listed in server.definition.accounts:
            if server.commands.server.account(int(listed.login)) is None:
                await self._open_as_listed(server, listed)
            for password, is_investor, wanted in (
                (listed.password, False, Access.MASTER),
                (listed.investor_password, True, Access.INVESTOR),
            ):
                if await self._opens(server, listed.login, password) is not wanted:
                    await self.change_password(
                        server.definition.name, listed.login, password, is_investor=is_investor
                    )

    async def _opens(self, server: SimulatedServer, login: Login, password: Secret) -> Access:
        key = self._held_key()
        return server.commands.server.access(int(login), lambda salt: key.digest(password, salt))

    async def _open_as_listed(self, server: SimulatedServer, listed: ListedAccount) -> None:
        key, definition = self._held_key(), server.definition
        request_id = f"listed:{listed.login}"
        salt = key.salt(definition.name.casefold(), request_id)
        await server.commands.submit(
            OpenAccount(
                at_ms=server.now_ms(),
                request_id=request_id,
                login=int(listed.login),
                type=listed.type,
                group=None,
                name=listed.name,
                email="",
                phone=None,
                currency=definition.demo.currency,
                currency_digits=definition.demo.currency_digits,
                balance=listed.balance,
                leverage=listed.leverage,
                salt=salt,
                master_digest=key.digest(listed.password, salt),
                investor_digest=key.digest(listed.investor_password, salt),
            )
        )

    def _check(self, definition: ServerDefinition, request: DemoAccountRequest) -> None:
        terms = definition.demo
        if not terms.are_offered:
            raise DemoAccountRefused(f"The server {definition.name} opens no demo accounts.")
        # Written so that a NaN, which compares as false with everything, is refused too.
        if not (1 <= request.leverage <= terms.max_leverage and request.leverage == int(request.leverage)):
            raise DemoAccountRefused(
                f"The server {definition.name} offers leverage from 1 to {terms.max_leverage}, whole numbers."
            )
        smallest = 10.0**-terms.currency_digits
        if not smallest <= request.balance <= float(terms.max_balance):
            raise DemoAccountRefused(
                f"The server {definition.name} opens demo accounts with a balance of "
                f"{smallest:g} to {terms.max_balance}."
            )

    async def _open_demo(self, server: SimulatedServer, request: DemoAccountRequest) -> TradingAccount:
        key, definition = self._held_key(), server.definition
        master, investor = self._passwords(definition, request.request_id)
        salt = key.salt(definition.name.casefold(), request.request_id)
        smallest = Decimal(1).scaleb(-definition.demo.currency_digits)
        command = OpenAccount(
            at_ms=server.now_ms(),
            request_id=request.request_id,
            login=None,
            type=TradeAccountType.DEMO,
            group=request.account_type,
            name=request.name or "",
            email=request.email,
            phone=request.phone,
            currency=definition.demo.currency,
            currency_digits=definition.demo.currency_digits,
            balance=Decimal(str(request.balance)).quantize(smallest),
            leverage=int(request.leverage),
            salt=salt,
            master_digest=key.digest(master, salt),
            investor_digest=key.digest(investor, salt),
        )
        events = await server.commands.submit(command)
        for event in events:
            if isinstance(event, AccountOpened):
                if event.is_new:
                    log.debug("demo_account.opened", server=definition.name, login=event.account.login)
                return event.account
        raise BrokerUnreachable(f"The server {definition.name} opened no account.")

    def _passwords(self, definition: ServerDefinition, request_id: str) -> tuple[Secret, Secret]:
        key, name = self._held_key(), definition.name.casefold()
        return key.password(name, request_id, "master"), key.password(name, request_id, "investor")

    def _watch_drops(self, name: str, server: SimulatedServer) -> None:
        old = self._droppers.pop(name, None)
        if old is not None:
            old.cancel()
        every = server.faults.drop_every_seconds
        if every is not None:
            task = asyncio.create_task(
                self._drop_regularly(server, every), name=f"drops of {server.definition.name}"
            )
            self._droppers[name] = task
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _drop_regularly(self, server: SimulatedServer, seconds: float) -> None:
        while True:
            await self._clock.sleep(seconds)
            server.cut_connections("The broker closed the connection, as its file tells it to.")
