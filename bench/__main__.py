"""Run every bench module in a process of its own and print what each measured.

    python -m bench                 all of them
    python -m bench startup fleet   only these
    python -m bench --json          rows as JSON, one object by module name

A module is a file in this directory that exposes `rows() -> list[Row]`. A process of its own keeps its
memory, event loop and caches out of the others' numbers.
"""

import argparse
import importlib
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from rich.console import Console

from bench.table import Row, print_table

_LIMIT_SECONDS = 900.0
_NOT_MEASURING = {"__main__", "accounts_list_orm", "table"}


def module_names() -> list[str]:
    """Return the names of the modules that measure something, in alphabetical order."""
    here = Path(__file__).parent
    return sorted(p.stem for p in here.glob("*.py") if "\ndef rows(" in p.read_text(encoding="utf-8"))


def measure(name: str) -> list[Row]:
    """Run one module here."""
    rows: list[Row] = importlib.import_module(f"bench.{name}").rows()
    return rows


def measure_apart(name: str) -> list[Row]:
    """Run one module in a child process. Raises `RuntimeError` when it fails, with what it wrote."""
    with tempfile.TemporaryDirectory() as directory:
        answer = Path(directory) / "rows.json"
        command = [sys.executable, "-m", "bench", "--child", str(answer), name]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_LIMIT_SECONDS
        )
        if done.returncode or not answer.exists():
            raise RuntimeError(done.stdout.strip() or f"ended with exit code {done.returncode}")
        return msgspec.json.decode(answer.read_bytes(), type=list[Row])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench", description="Measure and print ratios.")
    parser.add_argument("modules", nargs="*", help=f"default: all of {', '.join(module_names())}")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    names = options.modules or module_names()
    unknown = sorted(set(names) - set(module_names()))
    if unknown:
        parser.error(f"no such module: {', '.join(unknown)}")
    if options.child:
        options.child.write_bytes(msgspec.json.encode(measure(names[0])))
        return 0
    return _run(names, as_json=options.json)


def _run(names: list[str], *, as_json: bool) -> int:
    err = Console(stderr=True)
    # Piped output has no width of its own; 80 columns would fold every row.
    out = Console() if sys.stdout.isatty() else Console(width=150)
    measured: dict[str, list[Row]] = {}
    failed: list[str] = []
    if not as_json:
        out.print(f"Python {platform.python_version()}, {platform.machine()}, {platform.system()}")
    for name in names:
        err.print(f"measuring {name} …", style="dim")
        started = time.monotonic()
        try:
            measured[name] = measure_apart(name)
        except (RuntimeError, subprocess.TimeoutExpired) as problem:
            failed.append(name)
            err.print(f"{name} failed:\n{problem}", style="red", markup=False)
            continue
        if not as_json:
            print_table(f"{name} ({time.monotonic() - started:.0f} s)", measured[name], out)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(measured)).decode() + "\n")
    if failed:
        err.print(f"failed: {', '.join(failed)}", style="bold red")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
