"""What accounts and replicas have in common: facts, actions, waits."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any, Generic, TypeVar

from mtfleet.sdk._facts import Hop, ReplicaFacts
from mtfleet.sdk._http import Call, HttpClient, Repeat
from mtfleet.sdk._waits import failing_hop, situation_of, wait_of, wait_until, wait_until_gone

F = TypeVar("F", bound=ReplicaFacts)


class Deployable(ABC, Generic[F]):
    """Something that can be deployed. It shows what the server said last; `reload` asks again."""

    _what = "The account"

    def __init__(self, http: HttpClient, facts: F) -> None:
        self._http = http
        self._facts: F = facts

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(id={self.id!r}, state={self.state!r}, "
            f"connection_status={self.connection_status!r})"
        )

    @property
    def id(self) -> str:
        """The id, a lower-case UUID."""
        return self._facts.id

    @property
    def state(self) -> str:
        """What was decided and done, e.g. `DEPLOYED`."""
        return self._facts.state

    @property
    def connection_status(self) -> str:
        """What was seen last: `CONNECTED`, `DISCONNECTED` or `DISCONNECTED_FROM_BROKER`."""
        return self._facts.connection_status

    @property
    def magic(self) -> int:
        """The magic number that trades get; 0 with manual trades."""
        return self._facts.magic

    @property
    def quote_streaming_interval_in_seconds(self) -> float:
        """How often quotes are sent; 0 for every tick."""
        return self._facts.quote_streaming_interval_in_seconds

    @property
    def symbol(self) -> str | None:
        """The symbol that a `cloud-g1` terminal opens first."""
        return self._facts.symbol

    @property
    def reliability(self) -> str:
        """`regular` or `high`."""
        return self._facts.reliability

    @property
    def tags(self) -> list[str]:
        """The caller's tags."""
        return list(self._facts.tags)

    @property
    def metadata(self) -> dict[str, Any] | None:
        """The caller's own data."""
        return self._facts.metadata

    @property
    def resource_slots(self) -> int:
        """How many resource slots it takes."""
        return self._facts.resource_slots

    @property
    def copy_factory_resource_slots(self) -> int:
        """How many resource slots copy trading takes."""
        return self._facts.copy_factory_resource_slots

    @property
    def region(self) -> str:
        """The region that it runs in."""
        return self._facts.region

    @property
    def created_at(self) -> datetime | None:
        """When it was created, in UTC."""
        return self._facts.created_at

    @property
    def hops(self) -> list[Hop]:
        """How each step on the way to the broker stands; empty unless deployed, or from another server."""
        return list(self._facts.hops)

    @property
    def failing_hop(self) -> Hop | None:
        """The first step that is not passed, or `None`."""
        return failing_hop(self._facts.hops)

    @property
    @abstractmethod
    def _path(self) -> str: ...

    @abstractmethod
    async def reload(self) -> None:
        """Ask the server how things stand. Raises `NotFoundException` once it is removed."""

    async def _act(
        self, action: str, *, params: dict[str, str | list[str]] | None = None, repeat: Repeat = Repeat.ALWAYS
    ) -> None:
        await self._http.send(
            Call(method="POST", path=f"{self._path}/{action}", params=params, content=b"{}", repeat=repeat)
        )
        await self.reload()

    def _situation(self) -> str:
        return situation_of(f"{self._what} {self.id}", self._facts)

    def _is_connected(self) -> bool:
        return self.connection_status == "CONNECTED"

    async def wait_deployed(
        self, timeout_in_seconds: float = 300, interval_in_milliseconds: float = 1000
    ) -> None:
        """Wait until the state is `DEPLOYED`. Raises `TimeoutException` naming the last state."""
        wait = wait_of(self._http.clock, timeout_in_seconds, interval_in_milliseconds)
        await wait_until(wait, self.reload, lambda: self.state == "DEPLOYED", self._situation)

    async def wait_undeployed(
        self, timeout_in_seconds: float = 300, interval_in_milliseconds: float = 1000
    ) -> None:
        """Wait until the state is `UNDEPLOYED`. Raises `TimeoutException` naming the last state."""
        wait = wait_of(self._http.clock, timeout_in_seconds, interval_in_milliseconds)
        await wait_until(wait, self.reload, lambda: self.state == "UNDEPLOYED", self._situation)

    async def wait_removed(
        self, timeout_in_seconds: float = 300, interval_in_milliseconds: float = 1000
    ) -> None:
        """Wait until the server no longer knows it. Raises `TimeoutException` naming the last state."""
        wait = wait_of(self._http.clock, timeout_in_seconds, interval_in_milliseconds)
        await wait_until_gone(wait, self.reload, self._situation)

    async def wait_connected(
        self, timeout_in_seconds: float = 300, interval_in_milliseconds: float = 1000
    ) -> None:
        """Wait until it is connected to its broker; an account counts as connected when a replica of it is.

        Raises `TimeoutException` naming the last state and the failing hop.
        """
        wait = wait_of(self._http.clock, timeout_in_seconds, interval_in_milliseconds)
        await wait_until(wait, self.reload, self._is_connected, self._situation)

    async def wait_disconnected(
        self, timeout_in_seconds: float = 300, interval_in_milliseconds: float = 1000
    ) -> None:
        """Wait until it is no longer connected to its broker. Raises `TimeoutException`."""
        wait = wait_of(self._http.clock, timeout_in_seconds, interval_in_milliseconds)
        await wait_until(wait, self.reload, lambda: not self._is_connected(), self._situation)
