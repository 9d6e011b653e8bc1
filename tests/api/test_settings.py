"""Flags over environment over defaults; what is wrong is named."""

from pathlib import Path
from typing import Any

import pytest

from mtfleet.settings import Settings, SettingsError


def test_a_flag_wins_over_the_environment() -> None:
    environment = {"MTFLEET_PORT": "9000", "MTFLEET_REGIONS": "a, b,", "MTFLEET_HOST": "", "OTHER": "x"}
    settings = Settings.read(environment, {"port": 0, "data_dir": Path("/x"), "rate_limit": None})
    assert settings.port == 0
    assert settings.data_dir == Path("/x")
    assert settings.regions == ("a", "b")
    assert settings.host == "127.0.0.1"
    assert Settings.read(environment).port == 9000
    assert Settings.read({}) == Settings()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"port": "70000"}, "--port must be a number from 0 to 65535"),
        ({"port": "x"}, "--port must be a number"),
        ({"public_url": "accounts.example.com"}, "--public-url must be an address"),
        ({"regions": ","}, "--regions must be one or more"),
        ({"regions": "a,a"}, "--regions must be one or more"),
        ({"rate_limit": "0"}, "--rate-limit must be a whole number"),
        ({"request_timeout": "nan"}, "--request-timeout must be"),
        ({"key_source": "env:"}, "--key-source must be"),
        ({"log_format": "xml"}, "--log-format must be one of console, json"),
    ],
)
def test_a_wrong_setting_is_named(flags: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Settings.read({}, flags)


def test_the_variable_is_named_when_it_is_wrong() -> None:
    with pytest.raises(SettingsError, match="MTFLEET_PORT must be"):
        Settings.read({"MTFLEET_PORT": "x"})


def test_a_wrong_key_source_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.read({"MTFLEET_KEY_SOURCE": "c2VjcmV0LWtleQ=="})
    assert "c2VjcmV0" not in str(refused.value)
