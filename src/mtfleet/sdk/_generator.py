"""Making demo accounts at brokers."""

from collections.abc import Mapping
from typing import Any

import msgspec

from mtfleet.sdk._http import Call, HttpClient, body, segment, transaction_headers
from mtfleet.sdk._profiles import PATH


class MetatraderDemoAccount(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The credentials of a new demo account. Also subscriptable by the API's own names."""

    login: str
    password: str
    server_name: str
    investor_password: str | None = None

    def __repr__(self) -> str:
        return (
            f"MetatraderDemoAccount(login={self.login!r}, server_name={self.server_name!r}, password=***, "
            "investor_password=***)"
        )

    def __getitem__(self, name: str) -> str | None:
        """Return a field by its name on the wire, e.g. `account["serverName"]`."""
        names = {field.encode_name: field.name for field in msgspec.structs.fields(self)}
        value: str | None = getattr(self, names[name])
        return value


class MetatraderAccountGeneratorApi:
    """Demo accounts: `api.metatrader_account_generator_api`. Not every broker gives them this way."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def create_mt4_demo_account(
        self, account: Mapping[str, Any], profile_id: str | None = None, *, transaction_id: str | None = None
    ) -> MetatraderDemoAccount:
        """Make an MT4 demo account. `profile_id` names a profile when the server can't be found by its name.

        Waits while the server works on it, as `create_account` does.
        """
        return await self._create("mt4", account, profile_id, transaction_id)

    async def create_mt5_demo_account(
        self, account: Mapping[str, Any], profile_id: str | None = None, *, transaction_id: str | None = None
    ) -> MetatraderDemoAccount:
        """Make an MT5 demo account. `profile_id` names a profile when the server can't be found by its name.

        Waits while the server works on it, as `create_account` does.
        """
        return await self._create("mt5", account, profile_id, transaction_id)

    async def _create(
        self, platform: str, account: Mapping[str, Any], profile_id: str | None, transaction_id: str | None
    ) -> MetatraderDemoAccount:
        profile = "default" if profile_id is None else segment("profile_id", profile_id)
        call = Call(
            method="POST",
            path=f"{PATH}/{profile}/{platform}-demo-accounts",
            content=body("account", account),
            headers=transaction_headers(transaction_id),
        )
        return await self._http.fetch(call, MetatraderDemoAccount)
