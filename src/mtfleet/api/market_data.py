"""Candles, ticks and books of a deployed account's symbols (trading contract 1.3 and 1.4)."""

from typing import Annotated

from litestar import Router, get
from litestar.params import FromPath, QueryParameter

from mtfleet.api.application import segment
from mtfleet.api.parameters import Limit, Offset, TheCaller, TheServices
from mtfleet.api.ports import Services
from mtfleet.api.responses import errors
from mtfleet.api.terminal_state import KeepSubscription, reads
from mtfleet.domain.access import Caller
from mtfleet.domain.accounts import Account, AccountType, Platform
from mtfleet.domain.errors import ValidationError, invalid
from mtfleet.domain.ids import AccountId, Symbol
from mtfleet.domain.market import Book, Candle, Tick
from mtfleet.domain.timeframes import require_mt5, timeframe_of
from mtfleet.domain.values import Instant

MAX_PAGE = 1000
_GROUP = "market-data"

LatestTime = Annotated[
    str | None,
    QueryParameter(
        name="startTime", description="Latest opening of a candle, ISO 8601; the newest candles by default"
    ),
]
EarliestTime = Annotated[
    str | None,
    QueryParameter(name="startTime", description="Earliest tick, ISO 8601; the newest ticks by default"),
]


async def _own(
    services: Services, caller: Caller, account_id: AccountId
) -> tuple[AccountId, Account, Platform]:
    """Raises `NotFoundError` for another user's account: the fleet itself knows no users."""
    account = await services.accounts.get(caller, account_id)
    return account.id, account, Platform.of_version(account.version)


def _moment(text: str | None) -> Instant | None:
    if not text:
        return None
    try:
        return Instant.parse(text)
    except (ValueError, OverflowError):
        raise invalid("startTime", "must be a time such as 2020-04-17T04:30:03.223Z") from None


@get(
    "/symbols/{symbol:str}/current-candles/{timeframe:str}",
    guards=[reads(_GROUP, "getSymbolCandle")],
    responses=errors(404, 503),
)
async def current_candle(
    services: TheServices,
    caller: TheCaller,
    account_id: FromPath[AccountId],
    symbol: FromPath[str],
    timeframe: FromPath[str],
    keep_subscription: KeepSubscription = False,
) -> Candle:
    """Return the candle that is being formed."""
    own_id, _, platform = await _own(services, caller, account_id)
    return await services.fleet.current_candle(
        own_id,
        Symbol(segment(symbol)),
        timeframe_of(timeframe, platform),
        keep_subscription=keep_subscription,
    )


@get(
    "/symbols/{symbol:str}/current-tick",
    guards=[reads(_GROUP, "getSymbolTick")],
    responses=errors(404, 503),
)
async def current_tick(
    services: TheServices,
    caller: TheCaller,
    account_id: FromPath[AccountId],
    symbol: FromPath[str],
    keep_subscription: KeepSubscription = False,
) -> Tick:
    """Return the newest tick. Not for MT4 accounts of type `cloud-g1`."""
    own_id, account, platform = await _own(services, caller, account_id)
    if platform is Platform.MT4 and account.type is AccountType.CLOUD_G1:
        raise ValidationError(
            "MetaTrader 4 accounts of type cloud-g1 have no current tick; read the current price, or use "
            "the type cloud-g2."
        )
    return await services.fleet.current_tick(
        own_id, Symbol(segment(symbol)), keep_subscription=keep_subscription
    )


@get(
    "/symbols/{symbol:str}/current-book",
    guards=[reads(_GROUP, "getSymbolBook")],
    responses=errors(404, 503),
)
async def current_book(
    services: TheServices,
    caller: TheCaller,
    account_id: FromPath[AccountId],
    symbol: FromPath[str],
    keep_subscription: KeepSubscription = False,
) -> Book:
    """Return the order book, the highest price first. MT5 only."""
    own_id, _, platform = await _own(services, caller, account_id)
    require_mt5(platform, "order books")
    return await services.fleet.book(own_id, Symbol(segment(symbol)), keep_subscription=keep_subscription)


@get(
    "/historical-market-data/symbols/{symbol:str}/timeframes/{timeframe:str}/candles",
    guards=[reads(_GROUP, "getHistoricalCandles")],
    responses=errors(404, 503),
)
async def historical_candles(
    services: TheServices,
    caller: TheCaller,
    account_id: FromPath[AccountId],
    symbol: FromPath[str],
    timeframe: FromPath[str],
    start_time: LatestTime = None,
    limit: Limit = MAX_PAGE,
) -> list[Candle]:
    """Return candles that opened up to a time, ascending. To go on, ask for those before the first."""
    own_id, _, platform = await _own(services, caller, account_id)
    found = await services.fleet.candles(
        own_id,
        Symbol(segment(symbol)),
        timeframe_of(timeframe, platform),
        before=_moment(start_time),
        limit=limit,
    )
    return list(found)


@get(
    "/historical-market-data/symbols/{symbol:str}/ticks",
    guards=[reads(_GROUP, "getHistoricalTicks")],
    responses=errors(404, 503),
)
async def historical_ticks(
    services: TheServices,
    caller: TheCaller,
    account_id: FromPath[AccountId],
    symbol: FromPath[str],
    start_time: EarliestTime = None,
    offset: Offset = 0,
    limit: Limit = MAX_PAGE,
) -> list[Tick]:
    """Return ticks from a time on, ascending. MT5 only."""
    own_id, _, platform = await _own(services, caller, account_id)
    require_mt5(platform, "historical ticks")
    found = await services.fleet.ticks(
        own_id, Symbol(segment(symbol)), start=_moment(start_time), offset=offset, limit=limit
    )
    return list(found)


ROUTER = Router(
    "/users/current/accounts/{account_id:str}",
    tags=["Market data"],
    route_handlers=[current_candle, current_tick, current_book, historical_candles, historical_ticks],
)
