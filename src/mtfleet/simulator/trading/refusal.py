"""Why a desk refuses, in MetaTrader 5's numbers; the answer has the platform's own."""

from typing import Final

INVESTOR: Final = -8
NO_PIP_SIZE: Final = -9
NOT_SUPPORTED: Final = -4
POSITION_NOT_FOUND: Final = 4753
ORDER_NOT_FOUND: Final = 4754
REQUOTE: Final = 10004
REJECT: Final = 10006
DONE: Final = 10009
DONE_PARTIAL: Final = 10010
INVALID: Final = 10013
INVALID_VOLUME: Final = 10014
INVALID_PRICE: Final = 10015
INVALID_STOPS: Final = 10016
TRADE_DISABLED: Final = 10017
MARKET_CLOSED: Final = 10018
NO_MONEY: Final = 10019
PRICE_CHANGED: Final = 10020
PRICE_OFF: Final = 10021
INVALID_EXPIRATION: Final = 10022
ORDER_CHANGED: Final = 10023
TOO_MANY_REQUESTS: Final = 10024
NO_CHANGES: Final = 10025
SERVER_DISABLES_AT: Final = 10026
FROZEN: Final = 10029
INVALID_FILL: Final = 10030
ONLY_REAL: Final = 10032
LIMIT_ORDERS: Final = 10033
LIMIT_VOLUME: Final = 10034
INVALID_ORDER: Final = 10035
POSITION_CLOSED: Final = 10036
INVALID_CLOSE_VOLUME: Final = 10038
LIMIT_POSITIONS: Final = 10040
LONG_ONLY: Final = 10042
SHORT_ONLY: Final = 10043
CLOSE_ONLY: Final = 10044
FIFO_CLOSE: Final = 10045
HEDGE_PROHIBITED: Final = 10046


class Refused(Exception):
    """The request can't be carried out; nothing has changed."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code
