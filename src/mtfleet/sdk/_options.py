"""The options of a client: read from `opts` and the environment, checked once, then never changed."""

import logging
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import httpx2

from mtfleet.clock import SystemClock
from mtfleet.domain.errors import ValidationError, invalid
from mtfleet.domain.secret import Secret
from mtfleet.domain.values import Clock

log = logging.getLogger("mtfleet")

Service = Literal["provisioning", "client", "market-data", "profile"]
"""Which of the documented hosts a request is for; with `url` they are all one."""

TOKEN_VARIABLE: Final = "MTFLEET_TOKEN"  # noqa: S105 - the variable's name, no token
URL_VARIABLE: Final = "MTFLEET_URL"
DEFAULT_URL: Final = "http://127.0.0.1:8080"
DEFAULT_REGION: Final = "vint-hill"

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """How failures are retried. All times in seconds."""

    retries: int
    min_delay: float
    max_delay: float
    long_running_timeout: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Everything that `MetaApi` was told, checked. It holds no token."""

    addresses: Mapping[Service, str]
    """Without user name and password."""
    gate: tuple[str, Secret] | None
    """User name and password that the address held, for a proxy that asks for them."""
    region: str
    application: str
    request_timeout: float
    retry: Retry
    clock: Clock
    transport: httpx2.AsyncBaseTransport | None


_FLAGS: Final = ("enableLatencyMonitor", "enableSocketioDebugger")
_KNOWN: Final = frozenset(
    (
        "url",
        "domain",
        "region",
        "application",
        "requestTimeout",
        "retryOpts",
        "websocketLogPath",
        "transport",
        "clock",
    )
) | frozenset(_FLAGS)


def read_options(opts: Mapping[str, Any] | None) -> Options:
    """Check `opts` and fill in what is missing.

    Raises `ValidationError` that names the key and what would be right. `None` means "not set"; a key that
    nobody knows is ignored with a warning in the log.
    """
    given = _mapping("opts", opts)
    for key in given.keys() - _KNOWN:
        log.warning("MetaApi does not know the option %r; it is ignored.", key)
    for flag in _FLAGS:
        if given.get(flag) is not None and not isinstance(given[flag], bool):
            raise invalid(flag, "give True or False", given[flag])
    _text(given, "websocketLogPath", "")
    transport = given.get("transport")
    if transport is not None and not isinstance(transport, httpx2.AsyncBaseTransport):
        raise invalid(
            "transport", "give an httpx2.AsyncBaseTransport, for example httpx2.MockTransport(handler)"
        )
    region = _text(given, "region", DEFAULT_REGION)
    if not _LABEL.fullmatch(region):
        raise invalid("region", "give the id of a region, for example 'vint-hill'", region)
    addresses, gate = _addresses(given, region)
    return Options(
        addresses=addresses,
        gate=gate,
        region=region,
        application=_text(given, "application", "MetaApi"),
        request_timeout=_number(given, "requestTimeout", 60.0, above=0),
        retry=_retry(_mapping("retryOpts", given.get("retryOpts"))),
        clock=given.get("clock") or SystemClock(),
        transport=transport,
    )


def read_token(token: str | None) -> Secret:
    """Take the token from the argument or the environment, and refuse what can't be sent as a header."""
    if token is not None and not isinstance(token, str):
        raise invalid("token", f"give a text, not {type(token).__name__}")
    text = (token if token is not None else os.environ.get(TOKEN_VARIABLE, "")).strip()
    if not text:
        raise ValidationError(
            "There is no token. Pass it as MetaApi(token=…) or set the environment variable "
            f"{TOKEN_VARIABLE}. A server of your own writes the administrator's token to the file "
            "admin.token in its data directory when it starts for the first time."
        )
    if not text.isascii() or not text.isprintable() or " " in text:
        raise invalid(
            "token", "it holds a character that no token has; was it copied together with other text?"
        )
    return Secret(text)


def without_credentials(url: httpx2.URL) -> str:
    """Return an address as it may be shown: without user name and password."""
    return str(url.copy_with(userinfo=b"")) if url.userinfo else str(url)


def _addresses(
    given: Mapping[str, Any], region: str
) -> tuple[Mapping[Service, str], tuple[str, Secret] | None]:
    domain = _text(given, "domain", "")
    url = _text(given, "url", "") or (
        "" if domain else os.environ.get(URL_VARIABLE, "").strip() or DEFAULT_URL
    )
    if url:
        base, gate = _base_url(url)
        return {"provisioning": base, "client": base, "market-data": base, "profile": base}, gate
    if not _HOST.fullmatch(domain):
        raise invalid("domain", "give a host name such as 'example.com', without scheme and path", domain)
    return {
        "provisioning": f"https://mt-provisioning-api-v1.{domain}",
        "client": f"https://mt-client-api-v1.{region}.{domain}",
        "market-data": f"https://mt-market-data-client-api-v1.{region}.{domain}",
        "profile": f"https://profile-api-v1.{domain}",
    }, None


def _base_url(text: str) -> tuple[str, tuple[str, Secret] | None]:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL as error:
        raise invalid("url", f"this is no address ({error})") from None
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise invalid(
            "url", "give scheme, host and port, for example http://127.0.0.1:8080", without_credentials(url)
        )
    gate = (url.username, Secret(url.password)) if url.userinfo else None
    return without_credentials(url).rstrip("/"), gate


def _retry(given: Mapping[str, Any]) -> Retry:
    retries = given.get("retries")
    if retries is None:
        retries = 5
    if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
        raise invalid("retryOpts.retries", "give a whole number, 0 or more", retries)
    min_delay = _number(given, "minDelayInSeconds", 1.0, prefix="retryOpts.")
    max_delay = _number(given, "maxDelayInSeconds", max(30.0, min_delay), prefix="retryOpts.")
    if max_delay < min_delay:
        raise invalid(
            "retryOpts.maxDelayInSeconds", f"give at least minDelayInSeconds ({min_delay:g})", max_delay
        )
    minutes = _number(given, "longRunningRequestTimeoutInMinutes", 10.0, prefix="retryOpts.", above=0)
    return Retry(retries=retries, min_delay=min_delay, max_delay=max_delay, long_running_timeout=minutes * 60)


def _mapping(key: str, value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise invalid(key, f"give a dictionary, not {type(value).__name__}")
    return value


def _text(given: Mapping[str, Any], key: str, default: str) -> str:
    value = given.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise invalid(key, f"give a text, not {type(value).__name__}")
    return value.strip()


def _number(
    given: Mapping[str, Any], key: str, default: float, *, prefix: str = "", above: float | None = None
) -> float:
    value = given.get(key)
    if value is None:
        return default
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or value < 0 or (above is not None and value <= above):
        raise invalid(
            prefix + key, f"give a number {'above 0' if above is not None else 'of 0 or more'}", value
        )
    return float(value)
