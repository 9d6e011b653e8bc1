"""Durable commands: journal first, state second, answer last. Many commands share one sync of the disk."""

import asyncio
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from mtfleet.simulator.server import Command, CommandRefused, Event, TradeServer
from mtfleet.terminals.base import BrokerUnreachable
from mtfleet.terminals.simulated.journal import Journal, JournalCorrupt

log = structlog.get_logger(__name__)

_MAX_BATCH: Final = 1000
_MAX_WAITING: Final = 50_000


class JournalWriteFailed(BrokerUnreachable):
    """The simulated server could not write its journal; nothing was done."""


class JournalMismatch(BrokerUnreachable):
    """A journal belongs to another server or to another key."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first record of a journal."""

    format: int
    server: str
    first_login: int
    key: bytes
    """Fingerprint of the key that the digests were made with."""


class CommandLog:
    """A trade server and its journal. Commands are carried out in the order in which they are durable."""

    def __init__(self, path: Path, header: Header) -> None:
        self._path, self._header = path, header
        self._journal: Journal | None = None
        self._waiting: deque[tuple[Command, asyncio.Future[tuple[Event, ...]]]] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._is_closed = False
        self.server = TradeServer(header.first_login)

    def recover(self) -> None:
        """Replay the journal, if there is one. Blocking; called once before anything else."""
        if not self._path.exists():
            return
        self._journal, (first, *batches) = Journal.recover(self._path)
        try:
            header = msgspec.msgpack.decode(first, type=Header)
            batched = [msgspec.msgpack.decode(batch, type=list[Command]) for batch in batches]
        except msgspec.DecodeError as error:
            raise JournalCorrupt(self._path, 0) from error
        if (header.format, header.server, header.key) != (1, self._header.server, self._header.key):
            raise JournalMismatch(
                f"The journal {self._path} was written for the server {header.server!r}, or with another key "
                "or format. Restore the journal and password.key from the same backup."
            )
        commands = (command for batch in batched for command in batch)
        self.server = TradeServer.replay(header.first_login, commands)

    async def submit(self, command: Command) -> Sequence[Event]:
        """Carry a command out; it is durable on return. Raises `CommandRefused` or `JournalWriteFailed`.

        Cancelling the caller leaves open whether the command is carried out.
        """
        if self._is_closed or len(self._waiting) >= _MAX_WAITING:
            raise JournalWriteFailed(
                f"The simulated server {self._header.server} takes no more commands now; try again later."
            )
        future: asyncio.Future[tuple[Event, ...]] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name=f"journal {self._header.server}")
        return await future

    async def close(self) -> None:
        """Finish what was submitted, then close the journal."""
        self._is_closed = True
        if self._writer is not None:
            await self._writer
        self.release()

    def release(self) -> None:
        """Close the journal; nothing may be under way."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    async def _write(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MAX_BATCH))]
            payload = msgspec.msgpack.encode([command for command, _ in batch])
            try:
                # No time limit: an abandoned write would leave open what is durable.
                await asyncio.to_thread(self._append, payload)
            except asyncio.CancelledError:
                for _, future in (*batch, *self._waiting):
                    future.cancel()
                raise
            except Exception as error:
                self._fail(batch, error)
                continue
            for command, future in batch:
                self._apply(command, future)

    def _append(self, payload: bytes) -> None:
        if self._journal is None:
            self._journal = Journal.create(self._path, msgspec.msgpack.encode(self._header))
        self._journal.append(payload)

    def _apply(self, command: Command, future: asyncio.Future[tuple[Event, ...]]) -> None:
        try:
            events = self.server.apply(command)
        except CommandRefused as error:
            if not future.done():
                future.set_exception(error)
            return
        except Exception as error:
            # A defect: the caller hears of it, and the commands behind this one still get their answers.
            log.exception("command.failed", server=self._header.server)
            if not future.done():
                future.set_exception(error)
            return
        if not future.done():
            future.set_result(events)

    def _fail(
        self, batch: Sequence[tuple[Command, asyncio.Future[tuple[Event, ...]]]], cause: Exception
    ) -> None:
        reason = getattr(cause, "strerror", None) or cause
        for _, future in batch:
            if not future.done():
                error = JournalWriteFailed(
                    f"The simulated server {self._header.server} could not write {self._path}: {reason}. "
                    "Nothing was done. Free space or mend the disk, then repeat."
                )
                error.__cause__ = cause
                future.set_exception(error)
