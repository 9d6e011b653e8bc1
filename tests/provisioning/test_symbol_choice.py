"""Which symbols detection reads bars of."""

from mtfleet.domain.ids import Symbol
from mtfleet.domain.symbols import Session, Sessions
from mtfleet.provisioning.detection import MAX_SYMBOLS_CONSIDERED, is_always_open, likely_symbols

DAYS = ["SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"]
ALL_DAY = [Session(opens="00:00:00.000", closes="24:00:00.000")]


def test_few_symbols_are_all_considered_and_known_ones_come_first() -> None:
    names = [Symbol(name) for name in ("BTCUSD", "#AAPL", "EURUSD.x", "US500")]
    assert likely_symbols(names) == ["EURUSD.x", "US500", "BTCUSD", "#AAPL"]


def test_of_many_symbols_some_from_all_over_the_list_are_considered() -> None:
    names = [Symbol(f"SYM{number}") for number in range(5000)]
    chosen = likely_symbols(names)
    assert 40 <= len(chosen) <= MAX_SYMBOLS_CONSIDERED
    assert len(set(chosen)) == len(chosen)
    assert names.index(chosen[-1]) > 4000


def test_sessions_that_leave_nothing_out_are_always_open() -> None:
    always: Sessions = dict.fromkeys(DAYS, ALL_DAY)
    assert is_always_open(always)
    assert not is_always_open({**always, "SATURDAY": []})
    assert not is_always_open(dict.fromkeys(DAYS[1:6], ALL_DAY))
    assert not is_always_open({**always, "FRIDAY": [Session(opens="00:00:00.000", closes="23:00:00.000")]})
