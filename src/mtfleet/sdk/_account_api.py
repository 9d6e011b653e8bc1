"""Adding, finding and listing accounts."""

from collections.abc import Mapping
from typing import Any

from mtfleet.sdk._account import MetatraderAccount, account_path
from mtfleet.sdk._facts import AccountFacts, AccountsPage, NewId
from mtfleet.sdk._http import Call, HttpClient, body, query, transaction_headers
from mtfleet.sdk._pages import Page
from mtfleet.sdk._token import require_whole_access

PATH = "/users/current/accounts"


class MetatraderAccountApi:
    """All accounts of the token's user: `api.metatrader_account_api`."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def create_account(
        self, account: Mapping[str, Any], *, transaction_id: str | None = None
    ) -> MetatraderAccount:
        """Add an account; without login and password it becomes a draft.

        Waits while the server detects the broker's settings, and logs each wait. Raises
        `ValidationException` whose `details` is `E_SRV_NOT_FOUND`, `E_AUTH`, `E_SERVER_TIMEZONE` and the
        like, or `TimeoutException` after `longRunningRequestTimeoutInMinutes`. `transaction_id` names the
        operation: a call with the same one and the same `account` makes nothing twice, and gets the outcome
        of the first.
        """
        content = body("account", account)
        require_whole_access(self._http.token, "create_account")
        headers = transaction_headers(transaction_id)
        call = Call(method="POST", path=PATH, content=content, headers=headers)
        created = await self._http.fetch(call, NewId)
        return await self.get_account(created.id)

    async def get_account(self, account_id: str) -> MetatraderAccount:
        """Return one account. Raises `NotFoundException`."""
        facts = await self._http.fetch(Call(method="GET", path=account_path(account_id)), AccountFacts)
        return MetatraderAccount(self._http, facts)

    async def get_accounts_with_infinite_scroll_pagination(
        self, accounts_filter: Mapping[str, Any] | None = None
    ) -> Page[MetatraderAccount]:
        """Return one page of accounts, without counting all matches; at most 1000.

        Filter keys: `limit`, `offset`, `query`, `state`, `version`, `type`, `deploymentStatus`,
        `provisioningProfileId`, `connectionStatus`; one value or a list of them.
        """
        call = self._list_call(accounts_filter, "1")
        return Page(
            [MetatraderAccount(self._http, f) for f in await self._http.fetch(call, list[AccountFacts])]
        )

    async def get_accounts_with_classic_scroll_pagination(
        self, accounts_filter: Mapping[str, Any] | None = None
    ) -> Page[MetatraderAccount]:
        """Return one page of accounts with `page["count"]`, the number of all matches. Filters as above."""
        found = await self._http.fetch(self._list_call(accounts_filter, "2"), AccountsPage)
        return Page((MetatraderAccount(self._http, f) for f in found.items), found.count)

    async def get_accounts_with_classic_pagination(
        self, accounts_filter: Mapping[str, Any] | None = None
    ) -> Page[MetatraderAccount]:
        """Another name of `get_accounts_with_classic_scroll_pagination`."""
        return await self.get_accounts_with_classic_scroll_pagination(accounts_filter)

    def _list_call(self, accounts_filter: Mapping[str, Any] | None, version: str) -> Call:
        params = query("accounts_filter", accounts_filter)
        return Call(method="GET", path=PATH, params=params, headers={"api-version": version})
