"""Regions, known trade servers, and how many accounts a user may have and has."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from mtfleet.domain.access import Caller
from mtfleet.domain.accounts import AccountType, Platform
from mtfleet.domain.deployment import AccountState
from mtfleet.domain.errors import FieldProblem, NotFoundError, TimedOutError, invalid, wrong_fields
from mtfleet.domain.ids import Region
from mtfleet.domain.values import Clock, Value
from mtfleet.provisioning.options import Options
from mtfleet.security.audit import record
from mtfleet.store.base import QuotaRequest, Store
from mtfleet.terminals.base import Terminals

QUOTAS: Final = (
    "maxAccounts",
    "maxDeployedG1Accounts",
    "maxDeployedG2Accounts",
    "maxDeployedCopyFactoryAccounts",
    "maxDedicatedIpv4",
    "maxDedicatedIpv6",
)
MAX_QUERY_CHARACTERS: Final = 200
MAX_MESSAGE_CHARACTERS: Final = 2000
_MAX_QUOTA: Final = 1_000_000_000
_RUNNING: Final = frozenset({AccountState.DEPLOYED, AccountState.DEPLOYING})


class Quota(Value, frozen=True, kw_only=True):
    """How many there may be, and how many there are, in percent of that; 0 where none are allowed."""

    quota: int
    usage_in_percents: float


class RegionQuotas(Value, frozen=True, kw_only=True):
    """A user's quotas in one region."""

    region: Region
    max_accounts: Quota
    max_deployed_g1_accounts: Quota = msgspec.field(name="maxDeployedG1Accounts")
    max_deployed_g2_accounts: Quota = msgspec.field(name="maxDeployedG2Accounts")
    max_deployed_copy_factory_accounts: Quota
    max_dedicated_ipv4: Quota = msgspec.field(name="maxDedicatedIpv4")
    max_dedicated_ipv6: Quota = msgspec.field(name="maxDedicatedIpv6")


class RegionService:
    """Answers where accounts can run, which servers are known, and what is left of the quotas."""

    def __init__(
        self, store: Store, terminals: Mapping[str, Terminals], clock: Clock, options: Options
    ) -> None:
        self._store = store
        self._terminals = terminals
        self._clock = clock
        self._options = options

    def regions(self) -> list[Region]:
        """List the regions; the first is the default."""
        return list(self._options.regions)

    async def known_servers(self, caller: Caller, version: int, query: str) -> dict[str, list[str]]:
        """Return known servers by broker company, where the query is a part of either name in any case.

        Raises `ValidationError`, and `TimedOutError` when a terminal kind does not answer.
        """
        if version not in (4, 5):
            raise invalid("version", "must be 4 or 5", version)
        wanted = query.strip().casefold()
        if not 1 <= len(wanted) <= MAX_QUERY_CHARACTERS:
            raise invalid("query", f"must have 1 to {MAX_QUERY_CHARACTERS} characters")
        found: dict[str, list[str]] = {}
        for kind, terminals in self._terminals.items():
            try:
                async with asyncio.timeout(self._options.stage_timeout_seconds):
                    known = await terminals.servers(Platform.of_version(version))
            except TimeoutError as error:
                raise TimedOutError(
                    f"The terminals of kind {kind} did not tell their servers within "
                    f"{self._options.stage_timeout_seconds:g} seconds. Try again."
                ) from error
            for broker, servers in known.items():
                is_broker = wanted in broker.casefold()
                fitting = [str(s) for s in servers if is_broker or wanted in s.casefold()]
                if fitting:
                    names = found.setdefault(broker, [])
                    names.extend(name for name in fitting if name not in names)
        return found

    async def quotas(self, caller: Caller) -> list[RegionQuotas]:
        """Return the quotas of each region and how much of them is used."""
        present: Counter[Region] = Counter()
        running: Counter[tuple[Region, str]] = Counter()
        async with self._store.reader() as tx:
            usage = await tx.accounts.usage(caller.user_id)
        for alike in usage:
            region = alike.region
            present[region] += alike.count
            if alike.state in _RUNNING:
                running[region, alike.type.value] += alike.count
                running[region, "copyFactory"] += alike.count * alike.has_copy_factory_roles
                running[region, "ipv4"] += alike.count * alike.has_dedicated_ip
        return [self._region_quotas(region, present[region], running) for region in self._options.regions]

    def _region_quotas(
        self, region: Region, present: int, running: Mapping[tuple[Region, str], int]
    ) -> RegionQuotas:
        most = self._options.max_accounts_per_region

        def used(count: int) -> Quota:
            return Quota(quota=most, usage_in_percents=round(100 * count / most, 2) if most else 0.0)

        return RegionQuotas(
            region=region,
            max_accounts=used(present),
            max_deployed_g1_accounts=used(running.get((region, AccountType.CLOUD_G1.value), 0)),
            max_deployed_g2_accounts=used(running.get((region, AccountType.CLOUD_G2.value), 0)),
            max_deployed_copy_factory_accounts=used(running.get((region, "copyFactory"), 0)),
            max_dedicated_ipv4=used(running.get((region, "ipv4"), 0)),
            max_dedicated_ipv6=Quota(quota=0, usage_in_percents=0.0),
        )

    async def region_quotas(self, caller: Caller, region: str) -> dict[str, int]:
        """Return a region's quotas as plain numbers. Raises `NotFoundError` for an unknown region."""
        self._known(region)
        most = self._options.max_accounts_per_region
        return {name: 0 if name == "maxDedicatedIpv6" else most for name in QUOTAS}

    async def request_quotas(self, caller: Caller, region: str, body: Mapping[str, Any]) -> bool:
        """Keep a wish for other quotas for the administrator; a later wish for that region replaces it.

        Returns whether there was none before. Raises `NotFoundError` for an unknown region and
        `ValidationError`.
        """
        known = self._known(region)
        quotas, message = _wished_quotas(body)
        request = QuotaRequest(
            user_id=caller.user_id,
            region=known,
            quotas=quotas,
            message=message,
            created_at=self._clock.now(),
        )
        async with self._store.transaction() as tx:
            is_new = await tx.quotas.put_request(request)
            await record(
                tx,
                self._clock,
                caller,
                "quotas.requested",
                entity="region",
                entity_id=known,
                details={"quotas": quotas},
            )
        return is_new

    async def quota_requests(self, caller: Caller) -> list[QuotaRequest]:
        """List the user's pending wishes."""
        async with self._store.reader() as tx:
            return await tx.quotas.requests(caller.user_id)

    def _known(self, region: str) -> Region:
        for known in self._options.regions:
            if known == region:
                return known
        raise NotFoundError(f"There is no such region. There are {', '.join(self._options.regions)}.")


def _wished_quotas(body: Mapping[str, Any]) -> tuple[dict[str, int], str | None]:
    problems: list[FieldProblem] = []
    quotas: dict[str, int] = {}
    for name in QUOTAS:
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_QUOTA:
            problems.append(
                FieldProblem(parameter=name, message=f"must be a whole number from 0 to {_MAX_QUOTA}")
            )
        else:
            quotas[name] = value
    message = body.get("message") or body.get("justification")
    if message is not None and not (isinstance(message, str) and len(message) <= MAX_MESSAGE_CHARACTERS):
        problems.append(
            FieldProblem(
                parameter="message",
                message=f"must be a text of at most {MAX_MESSAGE_CHARACTERS} characters",
            )
        )
        message = None
    if not quotas and not problems:
        problems.append(FieldProblem(parameter="maxAccounts", message=f"give one of {', '.join(QUOTAS)}"))
    if problems:
        raise wrong_fields(problems, "The request for quotas is not valid.")
    return quotas, message
