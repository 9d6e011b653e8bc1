"""Proof that a form was sent from a page that this server gave to the same browser."""

import hmac
import re
import secrets
from typing import Any, Protocol
from urllib.parse import urlsplit

from litestar import Request
from litestar.datastructures import Cookie

COOKIE = "mtfleet_form"
PATH = "/configure-trading-account-credentials"
_NONCE = re.compile(r"[A-Za-z0-9_-]{32}")


class Hasher(Protocol):
    """`keyed_hash` of the vault, so that a page survives a restart of the server."""

    def keyed_hash(self, data: bytes, purpose: str) -> str: ...


class FormGuard:
    """A random value in a `SameSite=Strict` cookie, and in the form a keyed hash of it bound to the link."""

    def __init__(self, hasher: Hasher, *, is_https: bool) -> None:
        self._hasher = hasher
        self._is_https = is_https

    def issue(self, request: Request[Any, Any, Any], link: str) -> tuple[str, Cookie]:
        """Return the form's token and the cookie that goes with it; other pages of the browser stay valid."""
        known = request.cookies.get(COOKIE, "")
        nonce = known if _NONCE.fullmatch(known) else secrets.token_urlsafe(24)
        cookie = Cookie(
            key=COOKIE, value=nonce, path=PATH, httponly=True, secure=self._is_https, samesite="strict"
        )
        return self._token(nonce, link), cookie

    def is_genuine(self, request: Request[Any, Any, Any], link: str, sent: str) -> bool:
        """Tell whether the form came from our page in this browser.

        `Origin: null` is what browsers send from a page without a referrer, so it proves nothing; another
        origin, or a browser that says the request is cross-site, is refused.
        """
        origin = request.headers.get("origin")
        if origin not in {None, "null"} and urlsplit(str(origin)).netloc != request.headers.get("host"):
            return False
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return False
        nonce = request.cookies.get(COOKIE, "")
        return bool(_NONCE.fullmatch(nonce)) and hmac.compare_digest(
            self._token(nonce, link).encode(), sent.encode("utf-8", "replace")
        )

    def _token(self, nonce: str, link: str) -> str:
        return self._hasher.keyed_hash(f"{nonce}\n{link}".encode(), "configuration-form")
