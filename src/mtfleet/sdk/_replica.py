"""Replicas: copies of an account in other regions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mtfleet.domain.errors import NotFoundError
from mtfleet.sdk._deployable import Deployable
from mtfleet.sdk._facts import ReplicaFacts
from mtfleet.sdk._http import Call, HttpClient, Repeat, body, segment

if TYPE_CHECKING:
    from mtfleet.sdk._account import MetatraderAccount


class MetatraderAccountReplica(Deployable[ReplicaFacts]):
    """A copy of an account in another region. It shows what the server said last; `reload` asks again."""

    _what = "The replica"

    def __init__(self, http: HttpClient, account: "MetatraderAccount", facts: ReplicaFacts) -> None:
        super().__init__(http, facts)
        self._account = account

    @property
    def primary_account(self) -> "MetatraderAccount":
        """The account that this is a replica of."""
        return self._account

    @property
    def _path(self) -> str:
        account_id = segment("account_id", self._account.id)
        return f"/users/current/accounts/{account_id}/replicas/{segment('replica_id', self.id)}"

    async def reload(self) -> None:
        """Ask the server how things stand. Raises `NotFoundException` once it is removed."""
        self._facts = await self._http.fetch(Call(method="GET", path=self._path), ReplicaFacts)

    async def update(self, metatrader_account: Mapping[str, Any]) -> None:
        """Change the given fields, then reload. What a terminal uses takes effect with the next redeploy."""
        content = body("metatrader_account", metatrader_account)
        await self._http.send(Call(method="PUT", path=self._path, content=content))
        await self.reload()

    async def remove(self) -> None:
        """Stop it and remove it. It is gone once `wait_removed` returns."""
        await self._http.send(Call(method="DELETE", path=self._path))
        try:
            await self._account.reload()
        except NotFoundError:
            return  # the whole account was removed meanwhile, and this with it

    async def deploy(self) -> None:
        """Start it. The server answers once this is decided; see `wait_connected`."""
        await self._act("deploy")

    async def undeploy(self) -> None:
        """Stop it. The server answers once this is decided; see `wait_undeployed`."""
        await self._act("undeploy")

    async def redeploy(self) -> None:
        """Stop it and start it again, so that changed settings take effect."""
        await self._act("redeploy", repeat=Repeat.IF_NOT_DONE)

    async def increase_reliability(self) -> None:
        """Set `reliability` to `high`."""
        await self._act("increase-reliability")
