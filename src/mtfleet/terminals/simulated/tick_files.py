"""The tick files that a brokers file names."""

from pathlib import Path

from mtfleet.domain.ids import Symbol
from mtfleet.simulator.brokers_file import BrokersFileError
from mtfleet.simulator.catalogue import ServerDefinition
from mtfleet.simulator.feed import SymbolFeed
from mtfleet.simulator.recorded_ticks import read_ticks
from mtfleet.simulator.replay import ReplayFeed


def recorded_feeds(server: ServerDefinition, directory: Path) -> dict[Symbol, SymbolFeed]:
    """Read all tick files of a server; their names are relative to `directory`. Blocking.

    Raises `BrokersFileError` with file, line and reason.
    """
    feeds: dict[Symbol, SymbolFeed] = {}
    for symbol in server.symbols.values():
        replay = symbol.replay
        if replay is None:
            continue
        path = directory / replay.ticks_file
        try:
            with path.open(encoding="utf-8-sig", newline="") as lines:
                feeds[symbol.name] = ReplayFeed(symbol, replay, read_ticks(lines, str(path), symbol))
        except OSError as error:
            reason = f"the ticks of {symbol.name} can't be read: {error.strerror or error}"
            raise BrokersFileError(str(path), None, reason) from error
    return feeds
