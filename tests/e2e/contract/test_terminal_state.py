"""Trading contract sections 1.1, 1.3, 3.1, 3.5, 3.6: what a deployed account's terminal knows."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from mtfleet.testing.contract import ACCOUNTS, ContractClient

pytestmark = pytest.mark.e2e

NUMBER = (int, float)
INFORMATION = {
    "platform": str,
    "broker": str,
    "currency": str,
    "server": str,
    "balance": NUMBER,
    "equity": NUMBER,
    "margin": NUMBER,
    "freeMargin": NUMBER,
    "leverage": NUMBER,
    "tradeAllowed": bool,
    "marginMode": str,
    "name": str,
    "login": int,
    "credit": NUMBER,
    "type": str,
    "currencyDigits": int,
}
SPECIFICATION = {
    "symbol": str,
    "tickSize": NUMBER,
    "minVolume": NUMBER,
    "maxVolume": NUMBER,
    "volumeStep": NUMBER,
    "contractSize": NUMBER,
    "fillingModes": list,
    "executionMode": str,
    "quoteSessions": dict,
    "tradeSessions": dict,
    "tradeMode": str,
    "point": NUMBER,
    "digits": int,
    "pipSize": NUMBER,
    "stopsLevel": NUMBER,
    "freezeLevel": NUMBER,
    "description": str,
    "path": str,
    "baseCurrency": str,
    "marginCurrency": str,
    "profitCurrency": str,
    "priceCalculationMode": str,
    "swapMode": str,
    "swapLong": NUMBER,
    "swapShort": NUMBER,
    "swapRollover3Days": str,
    "allowedExpirationModes": list,
    "allowedOrderTypes": list,
}
PRICE = {
    "symbol": str,
    "bid": NUMBER,
    "ask": NUMBER,
    "profitTickValue": NUMBER,
    "lossTickValue": NUMBER,
    "time": str,
    "brokerTime": str,
}
DAYS = {"SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"}
SERVERS = {
    "Sandbox-MT5": ("mt5", "ACCOUNT_MARGIN_MODE_RETAIL_HEDGING"),
    "Sandbox-MT5-Netting": ("mt5", "ACCOUNT_MARGIN_MODE_RETAIL_NETTING"),
    "Sandbox-MT4": ("mt4", "ACCOUNT_MARGIN_MODE_RETAIL_HEDGING"),
}


@pytest.fixture(scope="module", params=SERVERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def account(trader: ContractClient, name: str) -> str:
    return f"{ACCOUNTS}/{trader.account(name)}"


def check_fields(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Check that required fields are there with their types, and that numbers are finite."""
    for name, kind in expected.items():
        assert isinstance(found[name], kind), f"{name} of {found}"
        assert kind is bool or not isinstance(found[name], bool), name
        if isinstance(found[name], float):
            assert math.isfinite(found[name]), name


def test_account_information(trader: ContractClient, account: str, name: str) -> None:
    found = trader.get(f"{account}/account-information")
    check_fields(found, INFORMATION)
    platform, margin_mode = SERVERS[name]
    assert (found["platform"], found["server"], found["marginMode"]) == (platform, name, margin_mode)
    assert found["broker"] == "Sandbox Markets Ltd"
    assert (found["balance"], found["equity"], found["freeMargin"]) == (10_000, 10_000, 10_000)
    assert (found["margin"], found["credit"], found["leverage"]) == (0, 0, 100)
    assert "marginLevel" not in found, "absent with no margin"
    assert found["tradeAllowed"] is True
    assert (found["type"], found["currency"], found["currencyDigits"]) == (
        "ACCOUNT_TRADE_MODE_DEMO",
        "USD",
        2,
    )
    assert found["login"] == int(trader.get(account)["login"])
    assert trader.get(f"{account}/accountInformation") == found
    for refresh in ("true", "false"):
        assert trader.get(f"{account}/account-information?refreshTerminalState={refresh}") == found
    trader.get(f"{account}/account-information?refreshTerminalState=perhaps", 400)


def test_server_time(trader: ContractClient, account: str) -> None:
    found = trader.get(f"{account}/server-time")
    now = datetime.now(UTC)  # noqa: TID251 - the wall clock of a stranger
    moment = datetime.fromisoformat(found["time"])
    assert abs(now - moment) < timedelta(seconds=30)
    offset = datetime.fromisoformat(found["brokerTime"]).replace(tzinfo=UTC) - moment
    assert offset in {timedelta(hours=2), timedelta(hours=3)}, "EET"
    if "lastQuoteTime" in found:
        last = datetime.fromisoformat(found["lastQuoteTime"])
        assert last <= moment
        assert datetime.fromisoformat(found["lastQuoteBrokerTime"]).replace(tzinfo=UTC) - last == offset


def test_symbols(trader: ContractClient, account: str) -> None:
    symbols = trader.get(f"{account}/symbols")
    assert len(set(symbols)) == len(symbols) > 10
    assert all(isinstance(symbol, str) for symbol in symbols)
    assert {"EURUSD", "XAUUSD"} <= set(symbols)
    for character in "/#.":
        assert any(character in symbol for symbol in symbols)


def test_every_symbol_has_its_specification(trader: ContractClient, account: str) -> None:
    for symbol in trader.get(f"{account}/symbols"):
        found = trader.get(f"{account}/symbols/{quote(symbol, safe='')}/specification")
        check_fields(found, SPECIFICATION)
        assert found["symbol"] == symbol
        assert set(found["fillingModes"]) <= {"ORDER_FILLING_FOK", "ORDER_FILLING_IOC"}
        assert found["executionMode"].startswith("SYMBOL_TRADE_EXECUTION_")
        assert found["tradeMode"].startswith("SYMBOL_TRADE_MODE_")
        assert found["priceCalculationMode"].startswith("SYMBOL_CALC_MODE_")
        assert found["swapMode"].startswith("SYMBOL_SWAP_MODE_")
        assert found["swapRollover3Days"] in DAYS | {"NONE"}
        assert all(one.startswith("SYMBOL_EXPIRATION_") for one in found["allowedExpirationModes"])
        assert all(one.startswith("SYMBOL_ORDER_") for one in found["allowedOrderTypes"])
        for sessions in (found["quoteSessions"], found["tradeSessions"]):
            assert set(sessions) == DAYS
            for one in (session for day in sessions.values() for session in day):
                assert set(one) == {"from", "to"}
                assert all(len(text) == len("00:00:00.000") for text in one.values())
        assert 0 < found["minVolume"] <= found["maxVolume"]
        assert found["point"] == pytest.approx(10 ** -found["digits"])


def test_every_symbol_has_its_price(trader: ContractClient, account: str) -> None:
    for symbol in trader.get(f"{account}/symbols"):
        path = f"{account}/symbols/{quote(symbol, safe='')}/current-price"
        found = trader.get(path)
        check_fields(found, PRICE)
        assert found["symbol"] == symbol
        assert 0 < found["bid"] <= found["ask"]
        assert found["profitTickValue"] > 0
        assert found["lossTickValue"] > 0
        assert set(found) <= set(PRICE) | {"accountCurrencyExchangeRate"}
    for keep in ("true", "false"):
        trader.get(f"{path}?keepSubscription={keep}")
    trader.get(f"{path}?keepSubscription=1x", 400)


@pytest.mark.parametrize(
    "symbol",
    ["NOSUCH", "eurusd", "EUR%2FUSD", "%23", "%20", "%F0%9F%90%8D", "..%2F..", "a" * 500, "%25", "EURUSD%00"],
)
def test_unknown_symbols_are_404(trader: ContractClient, account: str, symbol: str) -> None:
    for what in ("specification", "current-price"):
        trader.get(f"{account}/symbols/{symbol}/{what}", 404)


def test_prices_move_on(trader: ContractClient, account: str) -> None:
    path = f"{account}/symbols/EURUSD/current-price?keepSubscription=true"
    first = trader.get(path)
    moved = trader.wait_at(path, lambda price: price["time"] != first["time"])
    assert moved["time"] > first["time"]
