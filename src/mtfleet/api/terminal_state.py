"""What a deployed account's terminal knows (trading contract 1.1 and 1.3)."""

from typing import Annotated

from litestar import Router, get
from litestar.params import FromPath, QueryParameter

from mtfleet.api.access import Allows
from mtfleet.api.application import segment
from mtfleet.api.parameters import TheCaller, TheServices
from mtfleet.api.ports import Services
from mtfleet.api.responses import errors
from mtfleet.domain.access import REST, Caller
from mtfleet.domain.ids import AccountId, Symbol
from mtfleet.domain.market import AccountInformation, Price, ServerTime
from mtfleet.domain.symbols import SymbolSpecification

KeepSubscription = Annotated[
    bool,
    QueryParameter(
        name="keepSubscription", description="Keep the subscription, so that later reads are fast"
    ),
]


def reads(group: str, method: str) -> Allows:
    return Allows(group, method, application=REST)


async def _own(services: Services, caller: Caller, account_id: AccountId) -> AccountId:
    """Raises `NotFoundError` for another user's account: the fleet itself knows no users."""
    return (await services.accounts.get(caller, account_id)).id


@get(
    ["/account-information", "/accountInformation"],
    guards=[reads("account-information", "getAccountInformation")],
    responses=errors(404, 503),
)
async def account_information(
    services: TheServices,
    caller: TheCaller,
    account_id: FromPath[AccountId],
    refresh: Annotated[
        bool, QueryParameter(name="refreshTerminalState", description="Read the terminal anew")
    ] = False,
) -> AccountInformation:
    """Return balance, equity, margin and the like."""
    return await services.fleet.account_information(await _own(services, caller, account_id), refresh=refresh)


@get("/server-time", guards=[reads("server", "getServerTime")], responses=errors(404, 503))
async def server_time(
    services: TheServices, caller: TheCaller, account_id: FromPath[AccountId]
) -> ServerTime:
    """Return the broker's clock."""
    return await services.fleet.server_time(await _own(services, caller, account_id))


@get("/symbols", guards=[reads("market-data", "getSymbols")], responses=errors(404, 503))
async def symbols(services: TheServices, caller: TheCaller, account_id: FromPath[AccountId]) -> list[str]:
    """Return the names of all symbols that the broker offers this account."""
    return list(await services.fleet.symbols(await _own(services, caller, account_id)))


@get(
    "/symbols/{symbol:str}/specification",
    guards=[reads("market-data", "getSymbolSpecification")],
    responses=errors(404, 503),
)
async def specification(
    services: TheServices, caller: TheCaller, account_id: FromPath[AccountId], symbol: FromPath[str]
) -> SymbolSpecification:
    """Return how a symbol is traded. Percent-encode `/` and `#` in its name."""
    return await services.fleet.specification(
        await _own(services, caller, account_id), Symbol(segment(symbol))
    )


@get(
    "/symbols/{symbol:str}/current-price",
    guards=[reads("market-data", "getSymbolPrice")],
    responses=errors(404, 503),
)
async def current_price(
    services: TheServices,
    caller: TheCaller,
    account_id: FromPath[AccountId],
    symbol: FromPath[str],
    keep_subscription: KeepSubscription = False,
) -> Price:
    """Return the newest quote of a symbol."""
    return await services.fleet.price(
        await _own(services, caller, account_id), Symbol(segment(symbol)), keep_subscription=keep_subscription
    )


ROUTER = Router(
    "/users/current/accounts/{account_id:str}",
    tags=["Terminal state"],
    route_handlers=[account_information, server_time, symbols, specification, current_price],
)
