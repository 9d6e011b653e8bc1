"""Put the endpoints together."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from litestar.config.cors import CORSConfig
from litestar.connection import Request
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ControllerRouterHandler

from mtfleet.api import (
    accounts,
    administration,
    experts,
    health,
    market_data,
    profiles,
    regions,
    replicas,
    terminal_state,
    users,
)
from mtfleet.api.access import current_caller
from mtfleet.api.application import Application
from mtfleet.api.bodies import JsonRequest
from mtfleet.api.deadline import Deadline
from mtfleet.api.errors import answer
from mtfleet.api.ports import Services
from mtfleet.api.responses import JsonResponse
from mtfleet.api.uploads import OVERHEAD_BYTES
from mtfleet.domain.access import Caller
from mtfleet.domain.values import Instant

MAX_BODY_BYTES = 1024 * 1024
"""Largest JSON body."""
ROUTES: tuple[ControllerRouterHandler, ...] = (
    *health.HANDLERS,
    accounts.ROUTER,
    replicas.ROUTER,
    terminal_state.ROUTER,
    market_data.ROUTER,
    *regions.HANDLERS,
    users.ROUTER,
    administration.ROUTER,
)


def create_app(
    services: Services,
    *,
    pages: Sequence[ControllerRouterHandler] = (),
    viewer: OpenAPIRenderPlugin | None = None,
) -> Application:
    """Return the application; `pages` are for people, `viewer` shows the OpenAPI document at `/swagger/`."""
    upload = services.max_upload_bytes
    return Application(
        route_handlers=[
            *ROUTES,
            profiles.router(upload, upload + OVERHEAD_BYTES),
            experts.router(upload, upload + OVERHEAD_BYTES),
            *pages,
        ],
        dependencies={
            "services": Provide(_services, sync_to_thread=False),
            "caller": Provide(_caller, sync_to_thread=False),
        },
        exception_handlers={Exception: answer},
        middleware=[Deadline(services.request_timeout_seconds)],
        request_class=JsonRequest,
        response_class=JsonResponse,
        request_max_body_size=MAX_BODY_BYTES,
        cors_config=CORSConfig(expose_headers=["Retry-After", "request-id"]),
        openapi_config=_openapi(viewer),
        type_encoders={Instant: Instant.to_wire},
        logging_config=None,
        state=State({"services": services}),
    )


def _services(state: State) -> Services:
    services: Services = state.services
    return services


def _caller(request: Request[Any, Any, Any]) -> Caller:
    return current_caller(request)


def _openapi(viewer: OpenAPIRenderPlugin | None) -> OpenAPIConfig:
    document = JsonRenderPlugin(path="/openapi.json")
    return OpenAPIConfig(
        title="mtfleet",
        version=version("mtfleet"),
        description="MetaTrader accounts: add them, keep them connected, read them.",
        path="/swagger",
        render_plugins=[viewer, document] if viewer else [document],
        components=Components(
            security_schemes={
                "token": SecurityScheme(type="apiKey", name="auth-token", security_scheme_in="header")
            }
        ),
        security=[{"token": []}],
        use_handler_docstrings=True,
    )
