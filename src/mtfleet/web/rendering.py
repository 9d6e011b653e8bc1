"""Templates, and the headers of every page: nothing foreign, no script, no frame, no referrer, no cache."""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response, get

DIRECTORY = Path(__file__).parent
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
HTML = "text/html"


@cache
def stylesheet() -> bytes:
    """Return the one style sheet."""
    return (DIRECTORY / "assets" / "mtfleet.css").read_bytes()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(DIRECTORY / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["style_version"] = sha256(stylesheet()).hexdigest()[:12]
    return environment


def render(template: str, **values: Any) -> str:
    """Write a page. A value that the template names and that is missing raises `jinja2.UndefinedError`."""
    return _environment().get_template(template).render(**values)


def page(
    template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any
) -> Response[str]:
    """Answer with a page."""
    return Response(
        render(template, **values),
        status_code=status,
        media_type=HTML,
        headers={**HEADERS, **(headers or {})},
    )


@get("/assets/mtfleet.css", include_in_schema=False)
async def read_stylesheet() -> Response[bytes]:
    """Return the style sheet; its address changes with its content."""
    return Response(
        stylesheet(),
        media_type="text/css",
        headers={"Cache-Control": "public, max-age=86400", "X-Content-Type-Options": "nosniff"},
    )


@get("/", include_in_schema=False)
async def home() -> Response[str]:
    """Tell what this is and where the documentation of the API is."""
    return page("home.html")
