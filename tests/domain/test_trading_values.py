"""Trading values on the wire: the contract's field names, and a text for each return code."""

import msgspec
import pytest

from mtfleet.domain.accounts import Platform
from mtfleet.domain.ids import Symbol
from mtfleet.domain.returncodes import MT4, MT5, SHARED, as_mt4, trade_result
from mtfleet.domain.trading import (
    Deal,
    DealType,
    Expiration,
    ExpirationType,
    Order,
    Position,
    TradeAction,
    TradeRequest,
)
from mtfleet.domain.values import Instant
from mtfleet.wire.json import decode, encode

NOON = Instant.parse("2024-05-06T12:00:00Z")


def names(kind: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(kind)}


def test_fields_have_the_names_of_the_contract() -> None:
    assert {"time", "brokerTime", "updateTime", "realizedSwap", "unrealizedCommission"} <= names(Position)
    assert {
        "time",
        "doneTime",
        "doneBrokerTime",
        "expirationTime",
        "closeByPositionId",
        "fillingMode",
    } <= names(Order)
    assert {"time", "entryType", "orderId", "brokerComment"} <= names(Deal)
    assert {"actionType", "stopLossUnits", "stopPriceBase", "closeByPositionId"} <= names(TradeRequest)


def test_a_request_is_read_from_the_wire() -> None:
    text = (
        b'{"actionType":"ORDER_TYPE_BUY_STOP_LIMIT","symbol":"EURUSD","volume":0.1,"openPrice":1.1,'
        b'"stopLimitPrice":1.09,"expiration":{"type":"ORDER_TIME_SPECIFIED","time":"2024-05-06T12:00:00.000Z"}}'
    )
    request = decode(text, TradeRequest)
    assert request == TradeRequest(
        action_type=TradeAction.BUY_STOP_LIMIT,
        symbol=Symbol("EURUSD"),
        volume=0.1,
        open_price=1.1,
        stop_limit_price=1.09,
        expiration=Expiration(type=ExpirationType.SPECIFIED, expires_at=NOON),
    )
    assert msgspec.json.decode(encode(request)) == msgspec.json.decode(text)


def test_a_balance_deal_shows_its_amount_only() -> None:
    deal = Deal(
        id="1",
        type=DealType.BALANCE,
        made_at=NOON,
        broker_time="2024-05-06 15:00:00.000",
        profit=0.0,
        platform=Platform.MT5,
    )
    assert msgspec.json.decode(encode(deal)) == {
        "id": "1",
        "type": "DEAL_TYPE_BALANCE",
        "time": "2024-05-06T12:00:00.000Z",
        "brokerTime": "2024-05-06 15:00:00.000",
        "profit": 0.0,
        "platform": "mt5",
    }


@pytest.mark.parametrize("code", [*SHARED, *MT5])
def test_each_code_has_an_answer_on_both_platforms(code: int) -> None:
    assert trade_result(code, Platform.MT5).numeric_code == code
    result = trade_result(as_mt4(code), Platform.MT4, order_id="7")
    assert result.numeric_code == as_mt4(code)
    assert result.string_code in {string for string, _ in (*SHARED.values(), *MT4.values())}
    assert result.order_id == "7"


def test_an_unknown_code_says_so() -> None:
    assert trade_result(12345, Platform.MT5).string_code == "TRADE_RETCODE_UNKNOWN"
    assert trade_result(10009, Platform.MT4).numeric_code == -1
