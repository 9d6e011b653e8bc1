"""One trading account."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from mtfleet.domain.errors import InternalError, NotFoundError, invalid
from mtfleet.sdk._deployable import Deployable
from mtfleet.sdk._experts import ExpertAdvisor
from mtfleet.sdk._facts import AccountFacts, ExpertFacts, NewId
from mtfleet.sdk._http import Call, HttpClient, Repeat, body, segment, transaction_headers
from mtfleet.sdk._market_data import historical_candles, historical_ticks
from mtfleet.sdk._replica import MetatraderAccountReplica


class ConfigurationLink(dict[str, str]):
    """A link under which an end user enters credentials: `link["configurationLink"]` is its address."""

    @property
    def configuration_link(self) -> str:
        """The address."""
        return self["configurationLink"]


class MetatraderAccount(Deployable[AccountFacts]):
    """A trading account. It shows what the server said last; `reload` asks again."""

    def __init__(self, http: HttpClient, facts: AccountFacts) -> None:
        super().__init__(http, facts)
        self._replicas: list[MetatraderAccountReplica] = []
        self._take(facts)

    @property
    def name(self) -> str:
        """The name that people see."""
        return self._facts.name

    @property
    def login(self) -> str | None:
        """The account's number at its broker; `None` for a draft."""
        return self._facts.login

    @property
    def server(self) -> str:
        """The name of the broker's trade server."""
        return self._facts.server

    @property
    def type(self) -> str:
        """`cloud-g1` or `cloud-g2`."""
        return self._facts.type

    @property
    def version(self) -> int:
        """4 or 5."""
        return self._facts.version

    @property
    def provisioning_profile_id(self) -> str | None:
        """The profile that it was created with, if any."""
        return self._facts.provisioning_profile_id

    @property
    def manual_trades(self) -> bool:
        """Whether trades are marked as made by hand."""
        return self._facts.manual_trades

    @property
    def slippage(self) -> float | None:
        """The default slippage in points."""
        return self._facts.slippage

    @property
    def base_currency(self) -> str:
        """The currency of the account, e.g. `USD`."""
        return self._facts.base_currency

    @property
    def copy_factory_roles(self) -> list[str]:
        """`PROVIDER`, `SUBSCRIBER`, both or none."""
        return list(self._facts.copy_factory_roles)

    @property
    def hash(self) -> float | str | None:
        """An opaque value that changes with the configuration."""
        return self._facts.hash

    @property
    def primary_replica(self) -> bool:
        """Whether this is a primary account, not a replica of one."""
        return self._facts.primary_replica

    @property
    def user_id(self) -> str | None:
        """The owner's id."""
        return self._facts.user_id

    @property
    def replicas(self) -> list[MetatraderAccountReplica]:
        """Its copies in other regions. The same replica is the same object after a `reload`."""
        return list(self._replicas)

    @property
    def metastats_api_enabled(self) -> bool:
        """Whether statistics are switched on."""
        return self._facts.metastats_api_enabled

    @property
    def risk_management_api_enabled(self) -> bool:
        """Whether risk management is switched on."""
        return self._facts.risk_management_api_enabled

    @property
    def allocate_dedicated_ip(self) -> str | None:
        """`ipv4` if a dedicated address was asked for."""
        return self._facts.allocate_dedicated_ip

    @property
    def connections(self) -> list[dict[str, Any]]:
        """Which programs are connected, if the server tells."""
        return list(self._facts.connections)

    @property
    def _path(self) -> str:
        return account_path(self.id)

    def _take(self, facts: AccountFacts) -> None:
        known = {replica.id: replica for replica in self._replicas}
        self._facts = facts
        self._replicas = []
        for replica_facts in facts.account_replicas:
            replica = known.get(replica_facts.id)
            if replica is None:
                replica = MetatraderAccountReplica(self._http, self, replica_facts)
            replica._facts = replica_facts
            self._replicas.append(replica)

    def _is_connected(self) -> bool:
        return super()._is_connected() or any(replica._is_connected() for replica in self._replicas)

    async def reload(self) -> None:
        """Ask the server how things stand, replicas included. Raises `NotFoundException` once it is
        removed."""
        self._take(await self._http.fetch(Call(method="GET", path=self._path), AccountFacts))

    async def update(self, account: Mapping[str, Any]) -> None:
        """Change the given fields, then reload. Credentials and terminal settings need a `redeploy` to take
        effect."""
        await self._http.send(Call(method="PUT", path=self._path, content=body("account", account)))
        await self.reload()

    async def remove(self) -> None:
        """Stop it and remove it with its replicas. It is gone once `wait_removed` returns."""
        params: dict[str, str | list[str]] | None = (
            {"executeForAllReplicas": "true"} if self._replicas else None
        )
        await self._http.send(Call(method="DELETE", path=self._path, params=params))
        try:
            await self.reload()
        except NotFoundError:
            self._facts = replace(self._facts, state="DELETING", connection_status="DISCONNECTED", hops=[])

    async def deploy(self, execute_for_all_replicas: bool = True) -> None:
        """Start it and, unless told otherwise, its replicas. The server answers once this is decided; see
        `wait_connected`."""
        await self._act("deploy", params=_replica_flag(execute_for_all_replicas))

    async def undeploy(self, execute_for_all_replicas: bool = True) -> None:
        """Stop it and, unless told otherwise, its replicas. The server answers once this is decided; see
        `wait_undeployed`."""
        await self._act("undeploy", params=_replica_flag(execute_for_all_replicas))

    async def redeploy(self, execute_for_all_replicas: bool = True) -> None:
        """Stop it and start it again, so that changed settings take effect."""
        await self._act("redeploy", params=_replica_flag(execute_for_all_replicas), repeat=Repeat.IF_NOT_DONE)

    async def get_historical_candles(
        self,
        symbol: str,
        timeframe: str,
        start_time: datetime | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """Return candles of a deployed account's symbol, ascending: up to `limit` (1000) that had opened by
        `start_time`, or the newest.

        For the page before, ask again with a time before that of the first candle; an empty list is the
        beginning. `timeframe` is for example `1m`, `4h`, `1d`, `1w` or `1mn`. Each candle is a dictionary
        with the API's own names; `time` is a `datetime` in UTC. A `start_time` without a zone is local time.
        """
        return await historical_candles(self._http, self._path, symbol, timeframe, start_time, limit)

    async def get_historical_ticks(
        self,
        symbol: str,
        start_time: datetime | None = None,
        offset: int | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """Return ticks of a deployed MT5 account's symbol, ascending: up to `limit` (1000) from `start_time`
        on, leaving out the first `offset`; without `start_time` the newest, leaving out the `offset` newest.

        For the next page, go on from the time of the last tick, with as many as share that time for `offset`;
        an empty list is the end. Each tick is a dictionary as of `get_historical_candles`.
        """
        return await historical_ticks(self._http, self._path, symbol, start_time, offset, limit)

    async def create_configuration_link(self, ttl_in_days: float | None = None) -> ConfigurationLink:
        """Make a link under which an end user enters login and password. It is valid for 7 days unless told
        otherwise."""
        params: dict[str, str | list[str]] = {} if ttl_in_days is None else {"ttlInDays": f"{ttl_in_days:g}"}
        call = Call(method="PUT", path=f"{self._path}/configuration-link", params=params, content=b"{}")
        return ConfigurationLink(await self._http.fetch(call, dict[str, str]))

    async def create_expert_advisor(self, expert_id: str, expert: Mapping[str, Any]) -> ExpertAdvisor:
        """Add an expert advisor, or replace the one of that id. Its program is uploaded afterwards."""
        path = f"{self._path}/expert-advisors/{segment('expert_id', expert_id)}"
        await self._http.send(Call(method="PUT", path=path, content=body("expert", expert)))
        return await self.get_expert_advisor(expert_id)

    async def get_expert_advisors(self) -> list[ExpertAdvisor]:
        """Return all expert advisors of this account."""
        path = f"{self._path}/expert-advisors"
        found = await self._http.fetch(Call(method="GET", path=path), list[ExpertFacts])
        return [ExpertAdvisor(self._http, path, facts) for facts in found]

    async def get_expert_advisor(self, expert_id: str) -> ExpertAdvisor:
        """Return one expert advisor. Raises `NotFoundException`."""
        path = f"{self._path}/expert-advisors"
        call = Call(method="GET", path=f"{path}/{segment('expert_id', expert_id)}")
        return ExpertAdvisor(self._http, path, await self._http.fetch(call, ExpertFacts))

    async def create_replica(
        self, replica: Mapping[str, Any], *, transaction_id: str | None = None
    ) -> MetatraderAccountReplica:
        """Make a copy in another region (`region` and `magic` are required), then reload.

        `transaction_id` names the operation: a call with the same one and the same `replica` makes nothing
        twice.
        """
        call = Call(
            method="POST",
            path=f"{self._path}/replicas",
            content=body("replica", replica),
            headers=transaction_headers(transaction_id),
        )
        created = await self._http.fetch(call, NewId)
        await self.reload()
        for made in self._replicas:
            if made.id == created.id:
                return made
        raise InternalError(
            f"The server made the replica {created.id} but does not list it with its account."
        )

    async def increase_reliability(self) -> None:
        """Set `reliability` to `high`, then reload. A deployed account is restarted for it."""
        await self._enable("reliabilityIncreased")

    async def enable_risk_management_api(self) -> None:
        """Switch risk management on, then reload. A deployed account is restarted for it."""
        await self._enable("riskManagementApiEnabled")

    async def enable_metastats_api(self) -> None:
        """Switch statistics on, then reload. A deployed account is restarted for it."""
        await self._enable("metastatsApiEnabled")

    async def _enable(self, feature: str) -> None:
        path = f"{self._path}/enable-account-features"
        await self._http.send(Call(method="POST", path=path, content=body("features", {feature: True})))
        await self.reload()


def account_path(account_id: str) -> str:
    """Return the path of an account. Raises `ValidationException` for an id that no path can hold."""
    return f"/users/current/accounts/{segment('account_id', account_id)}"


def _replica_flag(execute_for_all_replicas: bool) -> dict[str, str | list[str]] | None:
    if not isinstance(execute_for_all_replicas, bool):
        raise invalid("execute_for_all_replicas", "give True or False", execute_for_all_replicas)
    return None if execute_for_all_replicas else {"executeForAllReplicas": "false"}
