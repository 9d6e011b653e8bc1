"""What can be told of a token without asking the server. Nothing is verified here: that is the server's
work."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from mtfleet.domain.errors import ValidationError, invalid
from mtfleet.domain.secret import Secret
from mtfleet.sdk._exceptions import MethodAccessException


def claims_of(token: str) -> Mapping[str, Any] | None:
    """Return what a signed token says, or `None` when it is of another kind."""
    parts = token.strip().split(".")
    if len(parts) != 3:
        return None
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):  # ValueError: also msgspec.DecodeError and Unicode
        return None
    return claims if isinstance(claims, dict) else None


def is_narrowed_to_resources(token: str) -> bool:
    """Whether the token opens only some resources, e.g. one account.

    Raises `ValidationException` for a token that can't be read, without showing it.
    """
    if not isinstance(token, str):
        raise invalid("token", f"give a text, not {type(token).__name__}")
    claims = claims_of(token)
    if claims is None:
        raise ValidationError("This is no token that can be read: three parts joined by dots are expected.")
    return any(_is_limited(rule) for rule in _rules(claims))


def require_signed(token: Secret, method: str) -> None:
    """Raise `MethodAccessException` for a token that can't be narrowed, because it is of another kind."""
    if claims_of(token.reveal()) is None:
        raise MethodAccessException(f"{method} needs an API access token; the one in use is of another kind.")


def require_whole_access(token: Secret, method: str) -> None:
    """Raise `MethodAccessException` when every rule of the token is limited to resources that exist
    already."""
    rules = _rules(claims_of(token.reveal()) or {})
    if rules and all(_is_limited(rule) for rule in rules):
        raise MethodAccessException(
            f"{method} makes something new, but the token in use only opens some existing resources. Use one "
            "that is not narrowed down to resources."
        )


def _rules(claims: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rules = claims.get("accessRules")
    return [rule for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []


def _is_limited(rule: Mapping[str, Any]) -> bool:
    resources = rule.get("resources")
    if not isinstance(resources, list) or not resources:
        return False  # no list of resources: all of the user's
    return not any(_is_everything(resource) for resource in resources)


def _is_everything(resource: Any) -> bool:
    if isinstance(resource, dict):
        return resource.get("id") == "*" and resource.get("entity", "*") == "*"
    return isinstance(resource, str) and resource.startswith("*:") and resource.endswith(":*")
