"""What `mtfleet demo` does: a server as a child process, an account on it, each step told."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from mtfleet.cli.exits import CommandError
from mtfleet.cli.output import Output, elapsed
from mtfleet.cli.remote import Address, Remote, path
from mtfleet.cli.waiting import Goal, wait_until

SERVER = "Sandbox-MT5"
SYMBOL = "EURUSD"
WATCHED = (SYMBOL, "XAUUSD", "GBPUSD", "BTCUSD")
_READY_LIMIT_SECONDS = 60.0
_STOP_LIMIT_SECONDS = 20.0
_PREFERRED_PORT = 8080


def demonstrate(out: Output, *, once: bool, data_dir: Path | None, port: int | None, timeout: float) -> None:
    """Run the whole demonstration. Raises `CommandError` that names the step that failed."""
    signal.signal(signal.SIGTERM, _interrupt)
    out.on_interrupt = "The demo was stopped; its server too."
    with _directory(data_dir) as directory, _running_server(directory, port, out) as remote:
        account = _play(remote, out, timeout)
        out.on_interrupt = "The demo's server was stopped."
        _tell_what_next(remote.address, directory, account, out, is_kept=data_dir is not None)
        if not once:
            _stay(directory, out)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def _directory(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="mtfleet-demo-") as made:
        yield Path(made)


@contextmanager
def _step(out: Output, name: str) -> Iterator[Callable[[str], None]]:
    """Show a step while it goes on, and what came of it with the time it took. Its failure names it."""
    told: list[str] = []
    started = time.monotonic()
    try:
        with out.progress(f"{name} …"):
            yield told.append
    except CommandError as problem:
        raise CommandError(
            f"{name} failed after {elapsed(started)}. {problem.message}",
            details=problem.details,
            hint=problem.hint,
        ) from problem
    out.note(f"✓ {name}: {told[0] if told else 'done'} ({elapsed(started)})")


@contextmanager
def _running_server(directory: Path, port: int | None, out: Output) -> Iterator[Remote]:
    """Run a server as a child, with its log beside its data."""
    log_file = directory / "server.log"
    arguments = [
        "serve",
        "--data-dir",
        str(directory),
        "--port",
        str(_free_port(port)),
        "--host",
        "127.0.0.1",
    ]
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with log_file.open("ab") as log:
            # A session of its own: Ctrl-C comes here only, and the server is then stopped in order.
            child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "mtfleet", *arguments], stdout=log, stderr=log, start_new_session=True
            )
    except OSError as problem:
        raise CommandError(
            f"Starting a server failed: {directory} can't be used: {problem.strerror}.",
            hint="Name another directory with --data-dir.",
        ) from problem
    remote: Remote | None = None
    try:
        with _step(out, "Starting a server") as tell:
            address = _wait_until_ready(child, directory, log_file, out)
            tell(address.url)
        remote = Remote(address, out)
        yield remote
    finally:
        if remote is not None:
            remote.close()
        _stop(child)


def _free_port(wanted: int | None) -> int:
    if wanted is not None:
        return wanted
    with socket.socket() as probe:
        if os.name != "nt":  # there it would let two programs share a port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", _PREFERRED_PORT))
        except OSError:
            return 0
    return _PREFERRED_PORT


def _wait_until_ready(
    child: "subprocess.Popen[bytes]", directory: Path, log_file: Path, out: Output
) -> Address:
    started = time.monotonic()
    while time.monotonic() - started < _READY_LIMIT_SECONDS:
        if child.poll() is not None:
            raise CommandError(
                f"The server ended with code {child.returncode}:\n{_tail(log_file)}",
                hint="Try: mtfleet doctor",
            )
        address = _announced(directory, child.pid)
        if address is not None and _is_ready(address, out):
            return address
        time.sleep(0.02)
    raise CommandError(f"It was not ready after {_READY_LIMIT_SECONDS:g} seconds:\n{_tail(log_file)}")


def _announced(directory: Path, pid: int) -> Address | None:
    try:
        known = json.loads((directory / "server.json").read_text(encoding="utf-8"))
        token = (directory / "admin.token").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    # A file that a killed server left behind names another process.
    return Address(str(known["url"]), token) if known.get("pid") == pid else None


def _is_ready(address: Address, out: Output) -> bool:
    remote = Remote(address, out)
    try:
        remote.get("/readyz")
    except CommandError:
        return False
    finally:
        remote.close()
    return True


def _tail(log_file: Path) -> str:
    return "\n".join(log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])


def _stop(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(timeout=_STOP_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _play(remote: Remote, out: Output, timeout: float) -> dict[str, Any]:
    """Go through the steps and return the account at the end."""
    with _step(out, f"Opening a demo account at {SERVER}") as tell:
        where = path("provisioning-profiles", "default", "mt5-demo-accounts")
        body = {"serverName": SERVER, "balance": 100_000, "leverage": 100, "email": "demo@example.com"}
        opened = remote.create(
            where, body | {"name": "Demo", "phone": "+10000000000"}, what=f"Asking {SERVER}"
        )
        tell(f"login {opened['login']}, 100000 to trade with")
    with _step(out, "Adding it; the broker's settings are detected") as tell:
        body = {
            "name": "Demo account",
            "login": opened["login"],
            "password": opened["password"],
            "server": SERVER,
            "platform": "mt5",
            "magic": 1000,
        }
        made = remote.create(path("accounts"), body, what="Detecting the broker's settings")
        tell(f"account {made['id']}")
    where = path("accounts", made["id"])
    with _step(out, "Deploying it") as tell:
        account: dict[str, Any] = wait_until(remote, out, where, Goal.CONNECTED, timeout)
        tell(f"{account['state']}, {account['connectionStatus']}")
    with _step(out, "Reading the account") as tell:
        information = remote.get(f"{where}/account-information")
        tell(
            f"balance {information['balance']:g} {information['currency']}, "
            f"leverage {information['leverage']}"
        )
    with _step(out, "Watching prices") as tell:
        tell(_watch(remote, where, timeout))
    return account


def _watch(remote: Remote, where: str, timeout: float) -> str:
    """Wait until the price of one symbol has moved, and tell from what to what."""
    offered = set(remote.get(f"{where}/symbols"))
    prices = {
        symbol: f"{where}/symbols/{quote(symbol, safe='')}/current-price"
        for symbol in WATCHED
        if symbol in offered
    }
    started = time.monotonic()
    first = {symbol: remote.get(url, {"keepSubscription": True}) for symbol, url in prices.items()}
    while time.monotonic() - started < timeout:
        for symbol, url in prices.items():
            now, then = remote.get(url), first[symbol]
            if (now["bid"], now["ask"]) != (then["bid"], then["ask"]):
                return f"{symbol} {then['bid']} / {then['ask']}, then {now['bid']} / {now['ask']}"
        time.sleep(0.1)
    raise CommandError(f"No price of {', '.join(prices)} moved in {timeout:g} seconds.")


def _tell_what_next(
    address: Address, directory: Path, account: dict[str, Any], out: Output, *, is_kept: bool
) -> None:
    programs = Path(sys.executable).parent
    is_on_path = shutil.which("mtfleet") == str(programs / "mtfleet")
    out.line(f"\n{address.url} is up; API documentation at {address.url}/swagger/")
    out.line("\nTry it from another terminal:")
    if not is_on_path:
        out.line(f'  export PATH="{programs}:$PATH"')
    out.line(
        f"  export MTFLEET_URL={address.url}\n"
        f'  export MTFLEET_TOKEN="$(cat {directory / "admin.token"})"\n'
        "  mtfleet accounts list\n"
        f"  mtfleet accounts price {account['_id']} {SYMBOL} --watch 1\n"
        '  curl -H "auth-token: $MTFLEET_TOKEN" "$MTFLEET_URL/users/current/accounts"\n'
        "\nThe README shows the same from Python."
    )
    if is_kept:
        out.line(f"\nEverything is kept in {directory}; go on with: mtfleet serve --data-dir {directory}")


def _stay(directory: Path, out: Output) -> None:
    """Wait for Ctrl-C, which is the wanted end. Raises `CommandError` when the server goes away by itself."""
    try:
        out.note("\nThe server stays up until Ctrl-C.")
        while (directory / "server.json").exists():
            time.sleep(0.5)
    except KeyboardInterrupt:
        out.note("Stopping the server.")
        return
    raise CommandError(f"The server has ended:\n{_tail(directory / 'server.log')}")
