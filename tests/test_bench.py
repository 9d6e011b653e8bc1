"""The printing of measures; the measures themselves are run by `make bench` and no test asserts a time."""

import io
from pathlib import Path

import pytest
from bench.__main__ import module_names
from bench.table import Row, format_value, print_table
from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (3.0, "3"), (0.12345, "0.123"), (12345.6, "12,346"), (1e6, "1,000,000")]
)
def test_values_are_written_with_three_digits(value: float, text: str) -> None:
    assert format_value(value) == text


def test_a_table_has_value_aim_and_note() -> None:
    written = io.StringIO()
    row = Row(what="list", value=0.75, unit="x", aim=">= 0.6", note="the rest is encoding")
    print_table("accounts", [row], Console(file=written, width=100))
    for part in ("accounts", "list", "0.75 x", ">= 0.6", "the rest is encoding"):
        assert part in written.getvalue()


def test_only_modules_that_measure_are_run() -> None:
    names = module_names()
    assert "startup" in names
    assert not {"table", "__main__", "__init__"} & set(names)
    assert all((ROOT / "bench" / f"{name}.py").is_file() for name in names)
