"""The reference names every key and every built-in thing, and its example is a right file."""

import re
from pathlib import Path

import msgspec
import pytest

from mtfleet.simulator import brokers_text
from mtfleet.simulator.brokers_file import read_brokers
from mtfleet.simulator.standard_symbols import STANDARD_SYMBOLS
from mtfleet.terminals.simulated.terminals import builtin_catalogue

TEXT = (Path(__file__).parents[2] / "docs/reference/brokers.md").read_text("utf-8")
KEYS = sorted(
    {
        key
        for kind in vars(brokers_text).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind is not msgspec.Struct
        for key in kind.__struct_fields__
    }
)


@pytest.mark.parametrize("key", KEYS)
def test_each_key_is_documented(key: str) -> None:
    assert f"`{key}`" in TEXT


def test_each_builtin_server_and_symbol_is_documented() -> None:
    for server in builtin_catalogue().servers.values():
        assert f"| `{server.name}` | {server.platform} |" in TEXT
    for symbol in STANDARD_SYMBOLS:
        assert f"`{symbol}`" in TEXT


def test_the_example_is_right() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert set(read_brokers(example, "example").servers) == {"acme-live", "acme-demo4"}
