"""What an operator can set: flags of `mtfleet serve` and `MTFLEET_*` variables of the environment.

A flag wins over the environment, the environment over the default. docs/reference/settings.md lists them all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints
from urllib.parse import urlsplit

from mtfleet.domain.errors import PolicyError
from mtfleet.domain.ids import Region
from mtfleet.provisioning.options import DEFAULT_REGIONS

PREFIX = "MTFLEET_"


class SettingsError(PolicyError):
    """A setting is not valid."""

    name = "ValidationError"


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text.strip()


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError("must be a number from 0 to 65535; 0 takes any free port")
    return port


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("must be a whole number above 0")
    return number


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 3600:
        raise ValueError("must be more than 0 and at most 3600 seconds")
    return seconds


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in (part.strip() for part in text.split(",")) if word)


def _regions(text: str) -> tuple[Region, ...]:
    regions = tuple(Region(word) for word in _words(text))
    if not regions or len(set(regions)) != len(regions):
        raise ValueError("must be one or more different names, separated by commas")
    return regions


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an address such as https://accounts.example.com")
    return text.rstrip("/")


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text.lower()

    return read


def _key_source(text: str) -> str:
    kind, _, rest = text.partition(":")
    if text != "file" and (kind not in {"file", "env", "command"} or not rest):
        raise ValueError("must be file, file:PATH, env:VARIABLE or command:COMMAND")
    return text


@dataclass(frozen=True)
class Meaning:
    """What a setting is for, and how its text is read."""

    read: Callable[[str], Any]
    text: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a server."""

    data_dir: Annotated[
        Path, Meaning(Path, "Directory of the database, the master key and the administrator's token")
    ] = Path(".mtfleet")
    host: Annotated[str, Meaning(_text, "Address to listen on; beyond this machine only when told to")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meaning(_port, "Port to listen on; 0 takes any free one")] = 8080
    public_url: Annotated[
        str | None,
        Meaning(_url, "Address under which end users reach this server; configuration links begin with it"),
    ] = None
    database: Annotated[
        str | None,
        Meaning(_text, "Database URL: sqlite:///PATH or postgresql://user:password@host/name"),
    ] = None
    brokers: Annotated[Path | None, Meaning(Path, "TOML file with more simulated brokers")] = None
    regions: Annotated[
        tuple[Region, ...],
        Meaning(_regions, "Names of the regions, separated by commas; the first is the default"),
    ] = DEFAULT_REGIONS
    key_source: Annotated[
        str,
        Meaning(
            _key_source,
            "Where the master key is: file (master.key in the data directory), file:PATH, env:VARIABLE "
            "or command:COMMAND",
        ),
    ] = "file"
    rate_limit: Annotated[
        int | None, Meaning(_positive, "Most requests a minute of one user; no limit unless set")
    ] = None
    request_timeout: Annotated[float, Meaning(_seconds, "Seconds that a request may take in all")] = 180.0
    max_upload_mib: Annotated[int, Meaning(_positive, "Largest uploaded file in MiB")] = 100
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meaning(
            _words,
            "Addresses or networks of reverse proxies whose X-Forwarded-* headers are believed, "
            "separated by commas",
        ),
    ] = ()
    server_not_found_details: Annotated[
        str,
        Meaning(
            _one_of("string", "object"),
            "How E_SRV_NOT_FOUND is told: string, or object to add near server names",
        ),
    ] = "string"
    log_format: Annotated[str, Meaning(_one_of("console", "json"), "console or json")] = "console"
    log_level: Annotated[
        str, Meaning(_one_of("debug", "info", "warning", "error"), "debug, info, warning or error")
    ] = "info"

    @classmethod
    def read(cls, environment: Mapping[str, str], flags: Mapping[str, Any] | None = None) -> "Settings":
        """Read flags (by field name; `None` means not given) and environment.

        A flag is text, or already a value. Raises `SettingsError` that names the flag or variable.
        """
        values: dict[str, Any] = {}
        for name, meaning in meanings().items():
            flag = (flags or {}).get(name)
            if flag is not None:
                values[name] = _read(name, meaning, str(flag), flag_of(name))
            elif text := environment.get(variable_of(name), "").strip():
                values[name] = _read(name, meaning, text, variable_of(name))
        return cls(**values)


def meanings() -> dict[str, Meaning]:
    """Return all settings by field name, in order."""
    hints = get_type_hints(Settings, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


def flag_of(name: str) -> str:
    """Return the command line's flag for a setting."""
    return "--" + name.replace("_", "-")


def variable_of(name: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + name.upper()


def _read(name: str, meaning: Meaning, text: str, origin: str) -> Any:
    try:
        return meaning.read(text)
    except ValueError as problem:
        shown = "" if name in {"database", "key_source"} else f", not {text!r}"
        words = str(problem) if str(problem).startswith("must") else "must be a number"
        raise SettingsError(f"{origin} {words}{shown}.") from problem
