"""Regions, known trade servers and quotas (contract section 12)."""

from typing import Annotated, Any

from litestar import Response, get, patch
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from mtfleet.api.access import Allows
from mtfleet.api.application import segment
from mtfleet.api.parameters import TheCaller, TheServices
from mtfleet.api.responses import JsonResponse, errors
from mtfleet.domain.errors import NotFoundError
from mtfleet.domain.ids import Region

GROUP = "region-management"


@get("/users/current/regions", guards=[Allows(GROUP, "getRegions")], responses=errors(), tags=["Regions"])
async def list_regions(services: TheServices) -> list[str]:
    """List where accounts can run; the first is the default."""
    return list(services.regions.regions())


@get(
    "/known-mt-servers/{version:str}/search",
    guards=[Allows(GROUP, "getKnownServers")],
    responses=errors(404),
    tags=["Regions"],
)
async def known_servers(
    services: TheServices,
    caller: TheCaller,
    version: FromPath[str],
    text: Annotated[
        str, QueryParameter(name="query", description="Part of a server's or company's name", min_length=1)
    ],
) -> dict[str, list[str]]:
    """Find trade servers by name: company to servers. The version is 4 or 5."""
    if version not in {"4", "5"}:
        raise NotFoundError("There are only the versions 4 and 5.")
    found = await services.regions.known_servers(caller, int(version), text)
    return {broker: list(servers) for broker, servers in found.items()}


@get("/users/current/quotas", guards=[Allows(GROUP, "getQuotas")], responses=errors(), tags=["Quotas"])
async def quotas(services: TheServices, caller: TheCaller) -> list[dict[str, Any]]:
    """Return quotas and their use for every region."""
    found: Any = await services.regions.quotas(caller)
    return list(found)


@get(
    "/users/current/regions/{region:str}/quotas",
    guards=[Allows(GROUP, "getRegionQuotas")],
    responses=errors(404),
    tags=["Quotas"],
)
async def region_quotas(services: TheServices, caller: TheCaller, region: FromPath[str]) -> dict[str, Any]:
    """Return the quotas of one region as plain numbers."""
    found: dict[str, Any] = await services.regions.region_quotas(caller, Region(segment(region)))
    return found


@patch(
    "/users/current/regions/{region:str}/quotas",
    status_code=204,
    guards=[Allows(GROUP, "requestQuotas", is_writing=True)],
    responses={
        **errors(404),
        201: ResponseSpec(data_container=None, description="A request was made for an administrator"),
    },
    tags=["Quotas"],
)
async def request_quotas(
    services: TheServices, caller: TheCaller, region: FromPath[str], data: JSONBody[dict[str, Any]]
) -> Response[None]:
    """Ask an administrator for other quotas: 201 for a new request, 204 when a pending one was changed."""
    is_new = await services.regions.request_quotas(caller, Region(segment(region)), data)
    return JsonResponse(None, status_code=201 if is_new else 204)


@get(
    "/users/current/quota-update-requests",
    guards=[Allows(GROUP, "getQuotaRequests")],
    responses=errors(),
    tags=["Quotas"],
)
async def quota_requests(services: TheServices, caller: TheCaller) -> list[dict[str, Any]]:
    """List the caller's pending requests for other quotas."""
    found: Any = await services.regions.quota_requests(caller)
    return list(found)


HANDLERS: list[HTTPRouteHandler] = [
    list_regions,
    known_servers,
    quotas,
    region_quotas,
    request_quotas,
    quota_requests,
]
