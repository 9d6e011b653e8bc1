"""Composition: read settings, build the objects, run. The only module that knows every class."""

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from types import FrameType
from typing import Any

import structlog
import uvicorn
from msgspec.structs import replace

from mtfleet.api.app import create_app
from mtfleet.api.application import Application
from mtfleet.api.connections import affordable_connections, limited
from mtfleet.api.ports import Services
from mtfleet.cli.installation import database_url, key_source
from mtfleet.clock import SystemClock
from mtfleet.data_directory import DataDirectory
from mtfleet.domain.errors import ConflictError, MtfleetError, SystemError_
from mtfleet.domain.values import Clock
from mtfleet.engines.local import LocalEngine
from mtfleet.fleet.fleet import Fleet
from mtfleet.fleet.settings import FleetSettings
from mtfleet.provisioning.accounts import AccountService
from mtfleet.provisioning.demo_accounts import DemoAccountService
from mtfleet.provisioning.experts import ExpertService
from mtfleet.provisioning.links import LinkService
from mtfleet.provisioning.operations import Operations
from mtfleet.provisioning.options import Options, default_options
from mtfleet.provisioning.profiles import ProfileService
from mtfleet.provisioning.regions import RegionService
from mtfleet.provisioning.replicas import ReplicaService
from mtfleet.security.logging import configure as configure_logging
from mtfleet.security.rates import Rates
from mtfleet.security.tokens import Tokens
from mtfleet.security.users import Users
from mtfleet.security.vault import Vault
from mtfleet.settings import Settings
from mtfleet.store.base import Store
from mtfleet.store.sql import open_store
from mtfleet.terminals.base import Terminals
from mtfleet.terminals.simulated import SimulatedTerminals
from mtfleet.web.configuration_page import PageServices
from mtfleet.web.configuration_page import router as configuration_page
from mtfleet.web.forgery import FormGuard
from mtfleet.web.reference import PlainReference
from mtfleet.web.rendering import home, read_stylesheet
from mtfleet.web.submissions import Submissions

log = structlog.get_logger(__name__)

ADMINISTRATOR = "admin"
"""Name of the user that the first start makes."""
GRACEFUL_SECONDS = 10
"""How long open requests may take to end when the server stops."""
KEEP_ALIVE_SECONDS = 75
SHARED_RECONCILE_SECONDS = 5.0
"""How often a server whose database others may use, too, looks for what they were asked of its accounts."""
MEBIBYTE = 1024 * 1024
PAGE_VIEWS_A_MINUTE = 120
"""Of configuration pages, per address and per link; a page that waits looks every two seconds."""
PAGE_ATTEMPTS_IN_TEN_MINUTES = 20
PAGE_ATTEMPTS_A_DAY = 60
"""Of one account, through all its links."""


class AddressNotAvailable(SystemError_):
    """The address to listen on can't be had."""


class _Http(uvicorn.Server):
    """uvicorn without its own signal handlers: the program has one place for those."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Server:
    """One installation at work. `start`, then `stop`; neither is called twice."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        self._directory = DataDirectory(settings.data_dir)
        self._closing = AsyncExitStack()
        self._unready = ["The server is starting."]
        self._http: _Http | None = None
        self._serving: asyncio.Task[None] | None = None
        self.url = ""
        """Where the server listens, from `start` on."""
        self.is_first_start = False

    @property
    def directory(self) -> DataDirectory:
        return self._directory

    async def start(self) -> None:
        """Build everything and serve; returns when ready. Raises `MtfleetError`; then nothing runs."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Finish open requests, stop what runs, keep what is wanted. Repeating it is harmless."""
        await self._closing.aclose()

    async def wait_closed(self) -> None:
        """Return when the HTTP side has ended, for whatever reason."""
        if self._serving is not None:
            await asyncio.wait([self._serving])

    async def _start(self) -> None:
        self._directory.acquire()
        self._closing.callback(self._directory.release)
        self._directory.withdraw()  # left by one that was killed
        listening = listen(self.settings.host, self.settings.port)
        self._closing.callback(listening.close)
        self.url = address_of(self.settings.host, listening.getsockname()[1])
        store = await open_store(database_url(self.settings), clock=self._clock)
        self._closing.push_async_callback(store.close)
        vault = await Vault.open(store, key_source(self.settings), clock=self._clock)
        tokens = Tokens(store, vault, self._clock)
        self._closing.push_async_callback(tokens.flush_usage)
        users = Users(store, tokens, self._clock)
        await self._provide_administrator(users, tokens)
        simulated = SimulatedTerminals(self._directory.path / "brokers", self._clock, self.settings.brokers)
        await simulated.open()
        self._closing.push_async_callback(simulated.close)
        terminals: dict[str, Terminals] = {simulated.name: simulated}
        fleet = self._fleet(store, vault, terminals)
        operations = Operations(store, vault, self._clock, self._options())
        app = self._application(store, vault, tokens, users, fleet, operations, terminals)
        self._serve(app, listening)
        self._closing.push_async_callback(fleet.stop)
        await fleet.start()
        self._closing.push_async_callback(operations.stop)
        await operations.start()
        self._closing.push_async_callback(self._stop_serving)
        self._closing.callback(self._directory.withdraw)
        self._directory.announce(self.url)
        self._unready.clear()
        log.info("server.started", url=self.url)

    async def _provide_administrator(self, users: Users, tokens: Tokens) -> None:
        """Make the user `admin` on the first start, and its token whenever the file with it is missing."""
        admin = await users.named(ADMINISTRATOR)
        if admin is None:
            try:
                _, token = await users.create(ADMINISTRATOR, is_administrator=True)
            except ConflictError:  # another server on this database was faster
                return await self._provide_administrator(users, tokens)
            self.is_first_start = True
        elif not self._directory.admin_token_file.exists():
            token = await tokens.issue(admin, name="admin.token")
        else:
            return
        await asyncio.to_thread(self._directory.write_admin_token, token)

    def _options(self) -> Options:
        return replace(
            default_options(self.settings.public_url or self.url),
            regions=self.settings.regions,
            server_not_found_details=self.settings.server_not_found_details,
            max_upload_bytes=self.settings.max_upload_mib * MEBIBYTE,
        )

    def _fleet(self, store: Store, vault: Vault, terminals: dict[str, Terminals]) -> Fleet:
        return Fleet(
            store,
            vault,
            LocalEngine(),
            terminals,
            self._clock,
            secrets.SystemRandom().random,
            self._fleet_settings(),
        )

    def _fleet_settings(self) -> FleetSettings:
        settings = FleetSettings(holder=self._holder())
        if not self.settings.database:
            return settings
        # Another server may take requests for accounts that are held here, and can't tell of them.
        return replace(settings, reconcile_seconds=SHARED_RECONCILE_SECONDS)

    def _holder(self) -> str:
        """Return the name under which accounts are held.

        A database inside the data directory has one program at a time, since the directory is locked: whoever
        has the lock may take over at once what the former run held. Others wait until its leases end.
        """
        if not self.settings.database:
            return "data-directory"
        return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"

    def _application(
        self,
        store: Store,
        vault: Vault,
        tokens: Tokens,
        users: Users,
        fleet: Fleet,
        operations: Operations,
        terminals: dict[str, Terminals],
    ) -> Application:
        clock, options = self._clock, self._options()
        links = LinkService(store, vault, fleet, terminals, operations, clock, options)
        services = Services(
            store=store,
            clock=clock,
            tokens=tokens,
            users=users,
            vault=vault,
            accounts=AccountService(store, vault, fleet, terminals, operations, clock, options),
            replicas=ReplicaService(store, vault, fleet, terminals, operations, clock, options),
            links=links,
            demo_accounts=DemoAccountService(store, vault, terminals, operations, clock, options),
            profiles=ProfileService(store, clock, options),
            experts=ExpertService(store, vault, clock, options),
            regions=RegionService(store, terminals, clock, options),
            fleet=fleet,
            simulated_servers=terminals[SimulatedTerminals.name],
            user_rate=Rates(
                clock, allowed=self.settings.rate_limit, period_minutes=1, kind="USER_REQUESTS_PER_MINUTE"
            ),
            unready_reasons=lambda: self._unready,
            request_timeout_seconds=self.settings.request_timeout,
            max_upload_bytes=options.max_upload_bytes,
        )
        submissions = Submissions(links, clock)
        self._closing.push_async_callback(submissions.stop)
        page = configuration_page(
            PageServices(
                links=links,
                submissions=submissions,
                forms=FormGuard(vault, is_https=options.public_url.startswith("https://")),
                clock=clock,
                views=Rates(clock, allowed=PAGE_VIEWS_A_MINUTE, period_minutes=1, kind="PAGE_VIEWS"),
                attempts=Rates(
                    clock, allowed=PAGE_ATTEMPTS_IN_TEN_MINUTES, period_minutes=10, kind="PAGE_ATTEMPTS"
                ),
                daily=Rates(
                    clock, allowed=PAGE_ATTEMPTS_A_DAY, period_minutes=1440, kind="PAGE_ATTEMPTS_A_DAY"
                ),
            )
        )
        return create_app(services, pages=[home, read_stylesheet, page], viewer=PlainReference())

    def _serve(self, app: Application, listening: socket.socket) -> None:
        proxies = list(self.settings.trusted_proxies)
        self._http = _Http(
            uvicorn.Config(
                app,
                http=limited(max_connections=affordable_connections()),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(proxies),
                forwarded_allow_ips=proxies,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACEFUL_SECONDS,
            )
        )
        self._serving = asyncio.create_task(self._http.serve(sockets=[listening]))
        self._closing.push_async_callback(self._stop_serving)

    async def _stop_serving(self) -> None:
        """End the HTTP side: the first to go, so that no request meets a stopped fleet."""
        self._unready[:] = ["The server is stopping."]
        if self._http is not None and self._serving is not None:
            self._http.should_exit = True
            await self._serving


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises `AddressNotAvailable` with what to do."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise AddressNotAvailable(
            f"The server can't listen on {host} port {port}: {error.strerror or error}. Choose another with "
            "--host and --port (0 takes any free port), or end what listens there."
        ) from error


def address_of(host: str, port: int) -> str:
    """Return the URL under which this machine reaches the server."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(settings: Settings) -> int:
    """Run a server until it is told to stop; return the exit code.

    The first SIGINT or SIGTERM finishes open requests, the second ends the program at once, which loses
    nothing that was acknowledged.
    """
    _keep_to_ourselves()
    configure_logging(as_json=settings.log_format == "json", level=settings.log_level)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # warnings are a line for each bad request
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            return runner.run(_run(settings))
    except MtfleetError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1


def _keep_to_ourselves() -> None:
    """Make all files of this process for its user only, and leave no memory behind when it crashes."""
    os.umask(0o077)
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


async def _run(settings: Settings) -> int:
    told_to_stop = asyncio.Event()
    with _signals(told_to_stop):
        server = Server(settings)
        stopping = asyncio.create_task(told_to_stop.wait())
        starting = asyncio.create_task(server.start())
        try:
            await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                return 0
            await starting
            _tell(server)
            closed = asyncio.create_task(server.wait_closed())
            await asyncio.wait([closed, stopping], return_when=asyncio.FIRST_COMPLETED)
            failed = closed.done() and not stopping.done()
            closed.cancel()
            return 1 if failed else 0
        finally:
            starting.cancel()
            stopping.cancel()
            await asyncio.gather(starting, stopping, return_exceptions=True)
            await server.stop()


@contextlib.contextmanager
def _signals(told_to_stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if told_to_stop.is_set():
            os._exit(128 + number)
        told_to_stop.set()
        loop.call_soon_threadsafe(lambda: None)  # wakes the loop, which sleeps through plain signal handlers

    former: dict[int, Any] = {
        number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _tell(server: Server) -> None:
    """Say where things are."""
    directory = server.directory
    lines = [
        f"mtfleet listens on {server.url}  (API reference: {server.url}/swagger/)",
        f"Data directory: {directory.path}",
        f"Administrator's token: {directory.admin_token_file}",
    ]
    if server.is_first_start and server.settings.key_source == "file":
        lines.append(
            f"Master key, new: {directory.master_key_file}  Keep a copy: without it no password opens."
        )
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
