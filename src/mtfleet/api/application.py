"""The outermost layer of HTTP: canonical addresses, request ids, HEAD, measures. The rest is Litestar's."""

import re
import uuid
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from litestar import Litestar
from litestar.routes import HTTPRoute
from structlog.contextvars import bound_contextvars

from mtfleet.api import metrics
from mtfleet.domain.errors import ValidationError
from mtfleet.wire.errors import encode_error, status_of

Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

NOWHERE = "/\x00"
"""No route has this path, so that Litestar answers with its 404."""
_INDEXED = re.compile(r"^(.+?)\[\d*\]$")
_WITH_SLASH = frozenset({"/", "/swagger/"})
JSON = b"application/json"
JSON_IN_UTF8 = JSON + b"; charset=utf-8"
"""As the contract writes it; parsers that look at the charset need it."""
_DEFAULT_HEADERS = (
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
"""Of every answer that says nothing else: none is to be kept, framed, or taken for another type."""
_REQUEST_ID = re.compile(rb"^[\x21-\x7e]{1,64}$")


def routing_path(raw_path: bytes) -> str:
    """Return the path that routes are matched against: decoded, but `/` and `%` in a segment stay encoded.

    So `/symbols/EUR%2FUSD/current-price` keeps its three segments; `segment` gives the symbol back. A path
    with empty segments or a slash at its end is no route.
    """
    path = raw_path.partition(b"?")[0].decode("latin-1")
    if path in _WITH_SLASH:
        return path
    segments = path.split("/")
    if segments[0] or not all(segments[1:]) or len(segments) == 1:
        return NOWHERE
    decoded = [unquote(part) if "%" in part or not part.isascii() else part for part in segments[1:]]
    if any(part in {".", ".."} or "\x00" in part for part in decoded):
        return NOWHERE
    return "/" + "/".join(
        part if "%" not in text else part.replace("%", "%25").replace("/", "%2F")
        for part, text in zip(decoded, segments[1:], strict=True)
    )


def segment(text: str) -> str:
    """Return a path parameter as the caller meant it, undoing what `routing_path` kept encoded."""
    return text.replace("%2F", "/").replace("%25", "%") if "%" in text else text


def plain_query(query: bytes) -> bytes:
    """Write `a[]=x` and `a[0]=x` as `a=x`: clients differ in how they send arrays."""
    if b"[" not in query and b"%5B" not in query and b"%5b" not in query:
        return query
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return urlencode([(_INDEXED.sub(r"\1", name), value) for name, value in pairs]).encode("ascii")


class Application(Litestar):
    """A Litestar application behind the edge that every request passes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"
        path = routing_path(scope.get("raw_path") or scope["path"].encode())
        has_two_lengths = {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}
        inner = {
            **scope,
            "path": path,
            "query_string": plain_query(scope["query_string"]),
            "method": "GET" if is_head else scope["method"],
        }
        request_id = _request_id(scope["headers"])
        began = perf_counter()
        status = 500

        async def send_with_id(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [
                    (name, JSON_IN_UTF8 if name == b"content-type" and value == JSON else value)
                    for name, value in message.get("headers", ())
                ]
                if inner["method"] == "OPTIONS" and (template := inner.get("path_template")):
                    headers = [(name, value) for name, value in headers if name != b"allow"]
                    headers.append((b"allow", self._methods(template)))
                present = {name.lower() for name, _ in headers}
                headers += [header for header in _DEFAULT_HEADERS if header[0] not in present]
                if has_two_lengths:
                    headers.append((b"connection", b"close"))
                message["headers"] = [*headers, (b"request-id", request_id)]
            elif is_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            with bound_contextvars(request_id=request_id.decode()):
                if has_two_lengths:
                    await _refuse_two_lengths(send_with_id)
                else:
                    await super().__call__(inner, receive, send_with_id)  # type: ignore[arg-type]  # a copied scope is a plain dict
        finally:
            metrics.request_handled(
                inner["method"], inner.get("path_template"), status, perf_counter() - began
            )

    def _methods(self, template: str) -> bytes:
        """Name what an address takes: Litestar keeps one route per handler and each knows only its own."""
        known = {
            method
            for route in self.routes
            if isinstance(route, HTTPRoute) and route.path_format == template
            for method in route.methods
        }
        return ", ".join(sorted(known | ({"HEAD"} if "GET" in known else set()))).encode()


async def _refuse_two_lengths(send: Send) -> None:
    """Answer a request whose end two parties may see at different places (RFC 9112, 6.1)."""
    error = ValidationError("A request has Content-Length or Transfer-Encoding, not both.")
    body = encode_error(error)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status_of(error), "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _request_id(headers: list[tuple[bytes, bytes]]) -> bytes:
    """Take the caller's `request-id` if it sent a sensible one, so that both sides' logs can be joined."""
    given = next((value for name, value in headers if name == b"request-id"), b"")
    return given if _REQUEST_ID.match(given) else uuid.uuid4().hex.encode()
