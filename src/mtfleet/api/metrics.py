"""What the HTTP side measures. Names are `mtfleet_<noun>_<verb>_<unit>`; labels come from closed sets."""

from prometheus_client import REGISTRY, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "none"

_requests = Histogram(
    "mtfleet_requests_handled_seconds",
    "Time from a request's arrival to the end of its answer",
    ["method", "route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)


def request_handled(method: str, route: str | None, status: int, seconds: float) -> None:
    """Count one request. `route` is the template, never an address with ids in it."""
    _requests.labels(
        method if method in METHODS else "other", route or NO_ROUTE, f"{status // 100}xx"
    ).observe(seconds)


def exposition() -> bytes:
    """Return all metrics of this process in Prometheus' text format."""
    return generate_latest(REGISTRY)
