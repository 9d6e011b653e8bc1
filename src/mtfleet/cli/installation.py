"""Where an installation keeps its things, as its settings say. Needs the server's packages."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mtfleet.settings import Settings

if TYPE_CHECKING:
    from mtfleet.security.keys import KeySource


def database_url(settings: Settings) -> str:
    """Return the URL of the database: the one that was set, else of the file in the data directory."""
    return settings.database or f"sqlite:///{settings.data_dir.expanduser().absolute() / 'mtfleet.db'}"


def key_source(settings: Settings) -> "KeySource":
    """Return where the master key comes from."""
    from mtfleet.security.keys import CommandKeySource, EnvironmentKeySource, FileKeySource

    kind, _, rest = settings.key_source.partition(":")
    if kind == "env":
        return EnvironmentKeySource(rest, os.environ)
    if kind == "command":
        return CommandKeySource(rest)
    return FileKeySource(Path(rest) if rest else settings.data_dir / "master.key")
