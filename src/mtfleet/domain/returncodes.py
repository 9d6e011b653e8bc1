"""The numbers with which a trade is answered: MetaTrader 5's, MetaTrader 4's and our own below zero."""

from types import MappingProxyType
from typing import Final

from mtfleet.domain.accounts import Platform
from mtfleet.domain.trading import TradeResult

SHARED: Final = MappingProxyType(
    {
        -11: ("TRADE_RETCODE_DISCONNECTED_DURING_TRADE", "The link broke after sending: outcome unknown."),
        -10: ("TRADE_RETCODE_DISCONNECTED_BEFORE_TRADE", "The link was down; nothing was sent."),
        -9: ("ERR_PIP_SIZE_NOT_DEFINED", "The symbol has no pip size; give the distance in other units."),
        -8: ("ERR_INVESTOR", "The account is logged in with its investor password, which can't trade."),
        -7: ("ERR_TRADE_TIMED_OUT", "The broker gave no result in time; the outcome is unknown."),
        -6: ("ERR_NO_QUOTES", "There is no quote to price the trade with."),
        -5: ("ERR_NOT_SYNCHRONIZED", "The state of the terminal is not loaded yet."),
        -4: ("TRADE_RETCODE_ORDER_TYPE_NOT_SUPPORTED", "The platform has no such order."),
        -1: ("TRADE_RETCODE_UNKNOWN", "The broker answered with a code that is not known."),
        0: ("ERR_NO_ERROR", "Done."),
        4753: ("ERR_TRADE_POSITION_NOT_FOUND", "There is no such position."),
        4754: ("ERR_TRADE_ORDER_NOT_FOUND", "There is no such pending order."),
    }
)  # fmt: skip
MT5: Final = MappingProxyType(
    {
        10004: ("TRADE_RETCODE_REQUOTE", "The price moved beyond the allowed slippage."),
        10006: ("TRADE_RETCODE_REJECT", "The broker refused the request."),
        10007: ("TRADE_RETCODE_CANCEL", "The request was cancelled."),
        10008: ("TRADE_RETCODE_PLACED", "The order was placed."),
        10009: ("TRADE_RETCODE_DONE", "Done."),
        10010: ("TRADE_RETCODE_DONE_PARTIAL", "Only a part was filled."),
        10011: ("TRADE_RETCODE_ERROR", "The broker could not process the request."),
        10012: ("TRADE_RETCODE_TIMEOUT", "The broker did not process the request in time."),
        10013: ("TRADE_RETCODE_INVALID", "The request is not valid."),
        10014: ("TRADE_RETCODE_INVALID_VOLUME", "The volume is not allowed for this symbol."),
        10015: ("TRADE_RETCODE_INVALID_PRICE", "The price is not allowed for this order."),
        10016: ("TRADE_RETCODE_INVALID_STOPS", "Stop loss or take profit is too near or on the wrong side."),
        10017: ("TRADE_RETCODE_TRADE_DISABLED", "Trading is disabled."),
        10018: ("TRADE_RETCODE_MARKET_CLOSED", "The market is closed."),
        10019: ("TRADE_RETCODE_NO_MONEY", "The free margin is too small."),
        10020: ("TRADE_RETCODE_PRICE_CHANGED", "The price changed."),
        10021: ("TRADE_RETCODE_PRICE_OFF", "The broker quotes no price."),
        10022: ("TRADE_RETCODE_INVALID_EXPIRATION", "The expiration is not allowed."),
        10023: ("TRADE_RETCODE_ORDER_CHANGED", "The order is no longer in that state."),
        10024: ("TRADE_RETCODE_TOO_MANY_REQUESTS", "Too many requests; slow down."),
        10025: ("TRADE_RETCODE_NO_CHANGES", "The request changes nothing."),
        10026: ("TRADE_RETCODE_SERVER_DISABLES_AT", "The server allows no automated trading."),
        10027: ("TRADE_RETCODE_CLIENT_DISABLES_AT", "The terminal allows no automated trading."),
        10028: ("TRADE_RETCODE_LOCKED", "The request is being processed already."),
        10029: ("TRADE_RETCODE_FROZEN", "The price is too near for a change."),
        10030: ("TRADE_RETCODE_INVALID_FILL", "The filling mode is not allowed."),
        10031: ("TRADE_RETCODE_CONNECTION", "The terminal has no link to the broker."),
        10032: ("TRADE_RETCODE_ONLY_REAL", "Only real accounts may do this."),
        10033: ("TRADE_RETCODE_LIMIT_ORDERS", "The account has as many pending orders as it may."),
        10034: ("TRADE_RETCODE_LIMIT_VOLUME", "The volume of this symbol would be above its limit."),
        10035: ("TRADE_RETCODE_INVALID_ORDER", "The type of order is not allowed for this symbol."),
        10036: ("TRADE_RETCODE_POSITION_CLOSED", "The position is closed already."),
        10038: ("TRADE_RETCODE_INVALID_CLOSE_VOLUME", "The volume to close is not allowed."),
        10039: ("TRADE_RETCODE_CLOSE_ORDER_EXIST", "An order closes this position already."),
        10040: ("TRADE_RETCODE_LIMIT_POSITIONS", "The account has as many positions as it may."),
        10041: ("TRADE_RETCODE_REJECT_CANCEL", "The activation was refused and the order cancelled."),
        10042: ("TRADE_RETCODE_LONG_ONLY", "Only long positions are allowed."),
        10043: ("TRADE_RETCODE_SHORT_ONLY", "Only short positions are allowed."),
        10044: ("TRADE_RETCODE_CLOSE_ONLY", "Positions can only be closed."),
        10045: ("TRADE_RETCODE_FIFO_CLOSE", "The oldest position has to be closed first."),
        10046: ("TRADE_RETCODE_HEDGE_PROHIBITED", "Opposite positions are not allowed."),
    }
)  # fmt: skip
MT4: Final = MappingProxyType(
    {
        1: ("ERR_NO_RESULT", "The request changes nothing."),
        2: ("ERR_COMMON_ERROR", "The broker refused the request."),
        3: ("ERR_INVALID_TRADE_PARAMETERS", "The request is not valid."),
        4: ("ERR_SERVER_BUSY", "The server is busy."),
        5: ("ERR_OLD_VERSION", "The terminal is too old."),
        6: ("ERR_NO_CONNECTION", "The terminal has no link to the broker."),
        7: ("ERR_NOT_ENOUGH_RIGHTS", "The account may not do this."),
        8: ("ERR_TOO_FREQUENT_REQUESTS", "Requests come too often."),
        9: ("ERR_MALFUNCTIONAL_TRADE", "The trade failed within the broker."),
        64: ("ERR_ACCOUNT_DISABLED", "The account is disabled."),
        65: ("ERR_INVALID_ACCOUNT", "The account is not valid."),
        128: ("ERR_TRADE_TIMEOUT", "The broker gave no result in time; the outcome is unknown."),
        129: ("ERR_INVALID_PRICE", "The price is not allowed for this order."),
        130: ("ERR_INVALID_STOPS", "Stop loss or take profit is too near or on the wrong side."),
        131: ("ERR_INVALID_TRADE_VOLUME", "The volume is not allowed for this symbol."),
        132: ("ERR_MARKET_CLOSED", "The market is closed."),
        133: ("ERR_TRADE_DISABLED", "Trading is disabled."),
        134: ("ERR_NOT_ENOUGH_MONEY", "The free margin is too small."),
        135: ("ERR_PRICE_CHANGED", "The price changed."),
        136: ("ERR_OFF_QUOTES", "The broker quotes no price."),
        137: ("ERR_BROKER_BUSY", "The broker is busy."),
        138: ("ERR_REQUOTE", "The price moved beyond the allowed slippage."),
        139: ("ERR_ORDER_LOCKED", "The order is being processed already."),
        140: ("ERR_LONG_POSITIONS_ONLY_ALLOWED", "Only long positions are allowed."),
        141: ("ERR_TOO_MANY_REQUESTS", "Too many requests; slow down."),
        145: ("ERR_TRADE_MODIFY_DENIED", "The price is too near for a change."),
        146: ("ERR_TRADE_CONTEXT_BUSY", "The terminal is busy with another trade."),
        147: ("ERR_TRADE_EXPIRATION_DENIED", "The expiration is not allowed."),
        148: ("ERR_TRADE_TOO_MANY_ORDERS", "The account has as many orders as it may."),
        149: ("ERR_TRADE_HEDGE_PROHIBITED", "Opposite positions are not allowed."),
        150: ("ERR_TRADE_PROHIBITED_BY_FIFO", "The oldest position has to be closed first."),
    }
)  # fmt: skip

SUCCESS: Final = frozenset({0, 10008, 10009, 10010, 10025})
"""Everything else is an error. MetaTrader 4's 1 counts as success only for a modification."""

_TO_MT4: Final = MappingProxyType(
    {
        10004: 138, 10006: 2, 10007: 2, 10008: 0, 10009: 0, 10010: 0, 10011: 2, 10012: 128, 10013: 3,
        10014: 131, 10015: 129, 10016: 130, 10017: 133, 10018: 132, 10019: 134, 10020: 135, 10021: 136,
        10022: 147, 10023: 4754, 10024: 141, 10025: 1, 10026: 133, 10027: 133, 10028: 139, 10029: 145,
        10030: 3, 10031: 6, 10032: 7, 10033: 148, 10034: 148, 10035: 3, 10036: 4753, 10038: 131,
        10039: 139, 10040: 148, 10041: 2, 10042: 140, 10043: 133, 10044: 133, 10045: 150, 10046: 149,
    }
)  # fmt: skip


def as_mt4(code: int) -> int:
    """Return what MetaTrader 4 answers where MetaTrader 5 answers `code`; shared codes stay."""
    return _TO_MT4.get(code, code)


def trade_result(
    code: int, platform: Platform, *, order_id: str | None = None, position_id: str | None = None
) -> TradeResult:
    """Return the answer for a code as the platform numbers it; one that is not known becomes -1."""
    own = MT4 if platform is Platform.MT4 else MT5
    known = SHARED.get(code) or own.get(code)
    string, message = known or SHARED[-1]
    return TradeResult(
        numeric_code=code if known else -1,
        string_code=string,
        message=message,
        order_id=order_id,
        position_id=position_id,
    )
