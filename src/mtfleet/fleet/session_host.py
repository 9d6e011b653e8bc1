"""What a session needs of the host that owns it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from mtfleet.domain.values import Clock
from mtfleet.engines.base import Placement
from mtfleet.fleet.settings import FleetSettings
from mtfleet.fleet.timers import Timers
from mtfleet.terminals.base import Report, TerminalDriver

if TYPE_CHECKING:
    from mtfleet.fleet.session import Session


class SessionHost(Protocol):
    """The host, as its sessions see it."""

    clock: Clock
    timers: Timers
    random: Callable[[], float]
    settings: FleetSettings

    async def open_driver(self, placement: Placement, report: Report) -> TerminalDriver:
        """Unseal the password and make a driver."""
        ...

    def need_step(self, session: "Session") -> None:
        """Call `session.step()` soon, if it is not running now; it is asked for again after it has run."""
        ...

    def need_lease(self, session: "Session") -> None:
        """Call `session.lease_granted` or `session.lease_refused` soon."""
        ...

    def changed(self, session: "Session") -> None:
        """Tell that `session.observed()` is another now."""
        ...
