"""The brokers file: what it makes, and that each mistake is refused with its line."""

from datetime import date
from decimal import Decimal

import pytest

from mtfleet.domain.accounts import Platform
from mtfleet.domain.ids import Symbol
from mtfleet.domain.market import MarginMode
from mtfleet.simulator.brokers_file import BrokersFileError, read_brokers
from mtfleet.simulator.catalogue import ServerDefinition
from mtfleet.simulator.standard_symbols import STANDARD_SYMBOLS

FULL = """
regions = ["london", "new-york"]

[[brokers]]
company = "Acme Markets"

[[brokers.servers]]
name = "Acme-Live"
platform = "mt5"
margin_mode = "netting"
timezone = "EET"
dst_switch_timezone = "America/New_York"
symbols = ["EURUSD", "XAUUSD"]
fresh_ticks = false
history_from = 2020-02-29

[brokers.servers.latency]
connect_seconds = 0.25
timeout_seconds = 2

[brokers.servers.faults]
drop_every_seconds = 30

[[brokers.servers.accounts]]
login = 1234567
password = "master-secret"
investor_password = "investor-secret"
balance = 500.25

[[brokers.servers]]
name = "Acme-Demo4"
platform = "mt4"
timezone = "Etc/GMT-3"

[brokers.servers.demo_accounts]
offered = false
first_login = 77

[[brokers.servers.symbols]]
name = "EURUSD.m"
like = "EURUSD"
spread = 25
contract_size = 1000

[[brokers.servers.symbols]]
name = "#DAX"
like = "US30.cash"
price = 18500.5
[brokers.servers.symbols.sessions]
timezone = "Europe/Berlin"
monday = ["09:00-12:00", "13:00-24:00"]

[[brokers.servers.symbols]]
name = "OIL/USD"
like = "XAUUSD"
base_currency = "OIL"
sessions = { monday = ["01:00-23:00"] }
"""


def servers(text: str) -> dict[str, ServerDefinition]:
    return {server.name: server for server in read_brokers(text, "brokers.toml").servers.values()}


def test_a_full_file_says_everything() -> None:
    assert read_brokers(FULL, "f").regions == ("london", "new-york")
    live, demo = servers(FULL).values()
    assert (live.company, live.platform, live.margin_mode) == (
        "Acme Markets", Platform.MT5, MarginMode.RETAIL_NETTING,
    )  # fmt: skip
    assert (live.clock.timezone, live.clock.dst_switch_timezone) == ("EET", "America/New_York")
    assert list(live.symbols) == ["EURUSD", "XAUUSD"]
    assert (live.has_fresh_ticks, live.has_history) == (False, True)
    assert (live.history_from, demo.history_from) == (date(2020, 2, 29), date(2010, 1, 1))
    assert (live.latency.connect_seconds, live.latency.timeout_seconds) == (0.25, 2.0)
    assert live.faults.drop_every_seconds == 30
    (account,) = live.accounts
    assert (account.login, account.balance, account.leverage) == ("1234567", Decimal("500.25"), 100)
    assert account.password.reveal() == "master-secret"
    assert "master-secret" not in repr(live)
    assert (demo.demo.are_offered, demo.demo.first_login) == (False, 77)
    mini, dax, oil = demo.symbols.values()
    assert (mini.name, mini.spread, mini.contract_size, mini.digits) == (
        Symbol("EURUSD.m"),
        25,
        Decimal(1000),
        5,
    )
    assert mini.path == "Forex\\Majors\\EURUSD.m"
    assert dax.schedule is not None
    assert [(s.day, s.opens, s.closes) for s in dax.schedule.sessions] == [(1, 540, 720), (1, 780, 1440)]
    assert oil.schedule is not None
    assert oil.schedule.clock == demo.clock


def test_without_symbols_all_standard_ones_are_offered() -> None:
    (server,) = servers(SMALL).values()
    assert server.symbols == STANDARD_SYMBOLS
    assert server.demo.are_offered


SMALL = """[[brokers]]
company = "A"
[[brokers.servers]]
name = "A-1"
platform = "mt5"
timezone = "EET"
"""


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("[[brokers]\n", 1, "no TOML"),
        ("a = 1\nb = \n", 2, "no TOML"),
        ("", 1, "'brokers' is missing"),
        (SMALL + "colour = 1\n", 7, "'colour' is not known"),
        (SMALL + "[brokers.servers.faults]\nrequote = true\n", 8, "'requote' is not known"),
        (SMALL.replace('platform = "mt5"\n', ""), 3, "'platform' is missing"),
        (SMALL.replace('"mt5"', '"mt6"'), 5, "platform: invalid enum value 'mt6'"),
        (SMALL.replace('"EET"', '"EETT"'), 6, "timezone: 'EETT' is no time zone"),
        (SMALL + 'dst_switch_timezone = "x"\n', 7, "dst_switch_timezone: 'x'"),
        (SMALL + 'margin_mode = "both"\n', 7, "margin_mode: invalid enum"),
        (SMALL.replace('"mt5"', '"mt4"') + 'margin_mode = "netting"\n', 7, "MetaTrader 4 knows hedging only"),
        (SMALL.replace('"A-1"', '""'), 4, "name: 1 to 64"),
        (SMALL.replace('"A-1"', '"A\\n1"'), 4, "name: 1 to 64"),
        (SMALL.replace('"A"', "5"), 2, "company: expected `str`, got `int`"),
        (SMALL + 'symbols = ["EURUSD", "WHEAT"]\n', 7, "'WHEAT' is no standard symbol"),
        (SMALL + "symbols = []\n", 7, "name at least one"),
        (SMALL + 'symbols = ["EURUSD", "EURUSD"]\n', 7, "two symbols named 'EURUSD'"),
        (SMALL + '[[brokers.servers.symbols]]\nname = "X"\n', 8, "say with `like`"),
        (
            SMALL + '[[brokers.servers.symbols]]\nname = "X"\nlike = "EURUSD"\ndigits = 9\n',
            10,
            "digits: 0 to 8",
        ),
        (SMALL + '[[brokers.servers.symbols]]\nname = "A B"\nlike = "EURUSD"\n', 8, "without blanks"),
        (
            SMALL + '[[brokers.servers.symbols]]\nname = "X"\nlike = "EURUSD"\nvolume_step = 0\n',
            10,
            "volume_step: more than 0",
        ),
        (
            SMALL + '[[brokers.servers.symbols]]\nname = "X"\nlike = "EURUSD"\ntick_interval_ms = 700\n',
            10,
            "tick_interval_ms: 100 to 15000",
        ),
        (
            SMALL + '[[brokers.servers.symbols]]\nname = "X"\nlike = "EURUSD"\ntrade_mode = "ALL"\n',
            10,
            "trade_mode: 'ALL' is not one of SYMBOL_TRADE_MODE_DISABLED",
        ),
        (
            SMALL
            + '[[brokers.servers.symbols]]\nname = "X"\nlike = "EURUSD"\nsessions = {monday = ["9-17"]}\n',
            10,
            "'9-17' is no session",
        ),
        (
            SMALL
            + '[[brokers.servers.symbols]]\nname = "X"\nlike = "EURUSD"\n[brokers.servers.symbols.sessions]\n'
            + 'timezone = "Mars"\nmonday = ["09:00-17:00"]\n',
            10,
            "'Mars' is no time zone",
        ),
        (
            SMALL + '[[brokers.servers.symbols]]\nname = "X"\nlike = "EURUSD"\nprice = inf\n',
            10,
            "price: a finite number",
        ),
        (SMALL + 'symbols = ["EURJPY"]\n', 7, "turns JPY, the profit currency of EURJPY"),
        (SMALL + "[brokers.servers.latency]\nconnect_seconds = -1\n", 8, "connect_seconds: 0 to 3600"),
        (SMALL + "[brokers.servers.latency]\nconnect_seconds = nan\n", 8, "connect_seconds: a finite number"),
        (SMALL + "[brokers.servers.faults]\ndrop_every_seconds = 0\n", 8, "drop_every_seconds: 0.1"),
        (SMALL + "[brokers.servers.demo_accounts]\nmax_leverage = 0\n", 8, "max_leverage: at least 1"),
        (
            SMALL + '[[brokers.servers.accounts]]\nlogin = 1\npassword = "p"\ninvestor_password = "p"\n',
            10,
            "must differ",
        ),
        (
            SMALL + '[[brokers.servers.accounts]]\nlogin = 1\npassword = "p"\n',
            7,
            "'investor_password' is missing",
        ),
        (SMALL + SMALL.partition("\n")[2].partition("\n")[2], 8, "two servers named 'A-1'"),
        ("regions = []\n" + SMALL, 1, "regions: name at least one"),
    ],
)
def test_a_mistake_is_refused_with_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(BrokersFileError) as caught:
        read_brokers(text, "my.toml")
    assert reason in caught.value.reason
    assert caught.value.line == line
    assert str(caught.value).startswith(f"my.toml, line {line}: ")
