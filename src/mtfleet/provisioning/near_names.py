"""What someone may have meant who named a server that nobody knows. Pure."""

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from mtfleet.domain.accounts import Platform
from mtfleet.domain.errors import DetailCode, ValidationError

MIN_LIKENESS = 0.6
MAX_NAMES = 10
MAX_NAMES_IN_MESSAGE = 3


def near_servers(
    name: str, keywords: Sequence[str], known: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """Return known servers by broker that are spelled alike or belong to a broker that a keyword names.

    Case does not matter. The likest come first, at most `MAX_NAMES` in all.
    """
    wanted = name.casefold()
    words = [word.casefold() for word in keywords if word.strip()]
    rated: list[tuple[float, str, str]] = []
    for broker, servers in known.items():
        is_named = any(word in broker.casefold() or broker.casefold() in word for word in words)
        for server in servers:
            likeness = _likeness(wanted, server.casefold())
            if is_named or likeness >= MIN_LIKENESS:
                rated.append((-likeness, broker, server))
    found: dict[str, list[str]] = {}
    for _, broker, server in sorted(rated)[:MAX_NAMES]:
        found.setdefault(broker, []).append(server)
    return found


def _likeness(wanted: str, known: str) -> float:
    if min(len(wanted), len(known)) >= 3 and (wanted in known or known in wanted):
        return 0.95
    return SequenceMatcher(None, wanted, known).ratio()


def server_not_found(
    name: str, platform: Platform, near: Mapping[str, Sequence[str]], *, as_object: bool, hint: str = ""
) -> ValidationError:
    """Return the error, with what was meant in its text, and for programs if `as_object`."""
    names = [server for servers in near.values() for server in servers]
    meant = f" Did you mean {_listed(names[:MAX_NAMES_IN_MESSAGE])}?" if names else ""
    message = (
        f"No {platform.name} server named {name!r} is known.{meant}{hint} Check the name, or create a "
        "provisioning profile with the server file of your terminal."
    )
    if not as_object:
        return ValidationError(message, details=DetailCode.SERVER_NOT_FOUND)
    by_broker = {broker: list(servers) for broker, servers in near.items()}
    return ValidationError(
        message, details={"code": DetailCode.SERVER_NOT_FOUND, "serversByBrokers": by_broker}
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
