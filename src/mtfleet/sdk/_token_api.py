"""Making narrower tokens."""

from collections.abc import Mapping, Sequence
from typing import Any

from mtfleet.domain.errors import invalid
from mtfleet.sdk._facts import NewToken
from mtfleet.sdk._http import Call, HttpClient, Repeat, body
from mtfleet.sdk._token import is_narrowed_to_resources, require_signed


class TokenManagementApi:
    """Tokens that can do less than the one in use: `api.token_management_api`."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def get_access_rules(self) -> list[dict[str, Any]]:
        """Return the applications, roles and methods that a token can be narrowed to."""
        require_signed(self._http.token, "get_access_rules")
        call = Call(method="GET", path="/users/current/access-rules-manifest", service="profile")
        return await self._http.fetch(call, list[dict[str, Any]])

    async def narrow_down_token(self, payload: Mapping[str, Any], validity_in_hours: float = 24) -> str:
        """Return a new token limited by `applications`, `roles` and `resources`, or by `accessRules`.

        It never can do more than the token in use, and dies with it.
        """
        if (
            not isinstance(validity_in_hours, int | float)
            or isinstance(validity_in_hours, bool)
            or not validity_in_hours > 0
        ):
            raise invalid("validity_in_hours", "give a number above 0", validity_in_hours)
        require_signed(self._http.token, "narrow_down_token")
        call = Call(
            method="POST",
            path="/users/current/narrow-down-auth-token",
            params={"validity-in-hours": f"{validity_in_hours:g}"},
            content=body("payload", payload),
            repeat=Repeat.IF_NOT_DONE,
            service="profile",
        )
        return (await self._http.fetch(call, NewToken)).token

    async def narrow_down_token_applications(
        self, applications: Sequence[str], validity_in_hours: float = 24
    ) -> str:
        """Return a new token limited to some applications."""
        return await self.narrow_down_token({"applications": list(applications)}, validity_in_hours)

    async def narrow_down_token_roles(self, roles: Sequence[str], validity_in_hours: float = 24) -> str:
        """Return a new token limited to some roles, e.g. `reader`."""
        return await self.narrow_down_token({"roles": list(roles)}, validity_in_hours)

    async def narrow_down_token_resources(
        self, resources: Sequence[Mapping[str, Any]], validity_in_hours: float = 24
    ) -> str:
        """Return a new token limited to some resources, e.g. `{"entity": "account", "id": account.id}`."""
        return await self.narrow_down_token(
            {"resources": [dict(resource) for resource in resources]}, validity_in_hours
        )

    def are_token_resources_narrowed_down(self, token: str) -> bool:
        """Whether a token opens only some resources. Reads the token itself: no network, no coroutine."""
        return is_narrowed_to_resources(token)
