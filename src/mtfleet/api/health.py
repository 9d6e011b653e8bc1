"""Whether the program lives, whether it is ready, and what it measures."""

import asyncio

import structlog
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec

from mtfleet.api import metrics
from mtfleet.api.access import Administrator
from mtfleet.api.parameters import TheServices
from mtfleet.api.responses import JsonResponse, errors
from mtfleet.domain.values import Value

log = structlog.get_logger(__name__)

STORE_TIMEOUT_SECONDS = 5.0


class Health(Value, frozen=True, kw_only=True):
    status: str
    reasons: list[str] | None = None


@get("/healthz", tags=["Health"])
async def healthz() -> Health:
    """Tell that the program lives. No token is needed."""
    return Health(status="ok")


@get(
    "/readyz",
    tags=["Health"],
    responses={
        503: ResponseSpec(data_container=Health, generate_examples=False, description="Not ready, and why")
    },
)
async def readyz(services: TheServices) -> Response[Health]:
    """Tell whether requests can be served; 503 with the reasons when not. No token is needed."""
    reasons = list(services.unready_reasons())
    try:
        async with asyncio.timeout(STORE_TIMEOUT_SECONDS), services.store.reader() as tx:
            await tx.users.named("admin")
    except Exception as error:  # whatever keeps the store from answering is the answer here
        log.warning("store.unreachable", exc_info=error)
        reasons.append("The database does not answer; the server's log has the reason.")
    if reasons:
        return JsonResponse(Health(status="unavailable", reasons=reasons), status_code=503)
    return JsonResponse(Health(status="ok"))


@get(
    "/metrics", tags=["Health"], guards=[Administrator()], responses=errors(), media_type=metrics.CONTENT_TYPE
)
async def read_metrics() -> str:
    """Return what the program measures, in Prometheus' text format. Administrators only."""
    return metrics.exposition().decode()


HANDLERS = [healthz, readyz, read_metrics]
