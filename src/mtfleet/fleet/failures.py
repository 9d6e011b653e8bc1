"""What failed, in words for people, and when it is tried again."""

from mtfleet.domain.deployment import HopName
from mtfleet.domain.errors import MtfleetError, NotSynchronizedError
from mtfleet.fleet.settings import FleetSettings
from mtfleet.terminals.base import BrokerUnreachable, LoginRejected, TerminalStartFailed


def delay_seconds(failures: int, settings: FleetSettings, chance: float) -> float:
    """Return how long to wait after so many failures in a row; `chance` is in `[0, 1)`.

    It grows twofold up to the longest, and chance takes off up to half, so that accounts that lost the same
    broker together do not come back together.
    """
    doubled = settings.first_delay_seconds * 2.0 ** min(max(failures - 1, 0), 30)
    return min(settings.longest_delay_seconds, doubled) * (0.5 + chance / 2)


def hop_of(error: MtfleetError) -> HopName | None:
    """Return the hop that an error speaks of; `None` when only the time it came tells."""
    if isinstance(error, TerminalStartFailed):
        return HopName.TERMINAL
    if isinstance(error, BrokerUnreachable):
        return HopName.BROKER
    if isinstance(error, NotSynchronizedError):
        return HopName.SYNCHRONIZATION
    return None


def code_of(error: MtfleetError) -> str | None:
    """Return the error's detail code, if it is one."""
    return error.details if isinstance(error.details, str) else None


def refused(error: LoginRejected) -> str:
    """Tell of a definite no."""
    return (
        f"{error.message} Nothing more is tried with these credentials: correct login, password or server, "
        "then deploy again."
    )


def not_stopped(error: str, tries: int) -> str:
    """Tell of a terminal that could not be stopped."""
    return (
        f"The terminal could not be stopped, tried {tries} times: {error}. No other is started for this "
        "account until it has ended; if this lasts, end its process on the host."
    )
