"""What a bench module measured, and how it is printed."""

from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One measured value beside its aim.

    A bench module exposes `rows() -> list[Row]`. Values carry their unit in `unit` (`x` for a ratio), so that
    `value` can be compared by a program.
    """

    what: str
    """What was measured, e.g. `account list, 1,000 of 100,000, state and text`."""
    value: float
    unit: str
    """`x` (a ratio in the same run), `s`, `ms`, `KiB`, `MiB`, `1/s`, `accounts`, …"""
    aim: str
    """The aim in words, e.g. `>= 0.6`; empty when it is only told."""
    note: str
    """Where the time goes, or what it was compared with; empty when there is nothing to say."""


def format_value(value: float) -> str:
    """Write a value with three significant digits, and large ones in full with thousands separated."""
    if (value == int(value) and abs(value) < 1e15) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def print_table(title: str, rows: Sequence[Row], console: Console) -> None:
    """Print one module's rows."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("what", overflow="fold")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("aim", no_wrap=True)
    table.add_column("note", overflow="fold")
    for row in rows:
        table.add_row(row.what, f"{format_value(row.value)} {row.unit}", row.aim, row.note)
    console.print(table)
