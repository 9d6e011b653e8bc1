"""Asking before something is deleted."""

import sys

from mtfleet.cli.exits import CommandError, ExitCode
from mtfleet.cli.output import Output


def confirm(out: Output, question: str, *, is_sure: bool) -> None:
    """Go on when `--yes` was given or a person says so. Raises `CommandError` otherwise."""
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise CommandError("There is no terminal to ask on; add --yes to go ahead.", ExitCode.USAGE)
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise CommandError("Nothing was changed.", ExitCode.FAILED)
