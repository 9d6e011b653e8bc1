"""What a command tells: data on standard output, everything else on the error stream."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mtfleet.cli.exits import CommandError
from mtfleet.domain.visible import visible

if TYPE_CHECKING:
    from rich.console import Console

Column = tuple[str, str]
"""Heading and dotted path of a field."""

_PIPED_WIDTH = 2000
"""Columns at most of a table that goes into a pipe or file: nothing is cut or folded there."""

_GOOD = {"CONNECTED", "DEPLOYED", "active", "passed"}
_BAD = {"DEPLOY_FAILED", "REDEPLOY_FAILED", "UNDEPLOY_FAILED", "DELETE_FAILED", "failed"}
_CHANGING = {"DEPLOYING", "UNDEPLOYING", "DELETING", "DISCONNECTED_FROM_BROKER", "trying", "new", "DRAFT"}


def field(item: Mapping[str, Any], path: str) -> Any:
    """Return a nested value by its dotted path, or `None`."""
    value: Any = item
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def text_of(value: Any) -> str:
    """Write a JSON value for people."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(text_of(v) for v in value) or "-"
    if isinstance(value, Mapping):
        return visible(json.dumps(value, ensure_ascii=False))
    return visible(str(value)).replace("\n", "\\n")


def _styled(value: Any) -> str:
    from rich.markup import escape

    text = escape(text_of(value))
    for style, words in (("green", _GOOD), ("red", _BAD), ("yellow", _CHANGING)):
        if value in words if isinstance(value, str) else False:
            return f"[{style}]{text}[/{style}]"
    return text


class Output:
    """Where a command writes to. With `as_json` standard output holds exactly one JSON document."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._out: Console | None = None
        self._err: Console | None = None
        self._status: Any = None
        self.on_interrupt: str | None = None
        """What goes on in the server if the command is interrupted now."""

    @property
    def out(self) -> "Console":
        if self._out is None:
            from rich.console import Console

            self._out = Console() if sys.stdout.isatty() else Console(width=_PIPED_WIDTH)
        return self._out

    @property
    def err(self) -> "Console":
        if self._err is None:
            from rich.console import Console

            self._err = Console(stderr=True)
        return self._err

    def json(self, value: Any) -> None:
        """Write the answer of a `--json` command."""
        sys.stdout.write(visible(json.dumps(value, indent=2, ensure_ascii=False)) + "\n")
        sys.stdout.flush()

    def json_line(self, value: Any) -> None:
        """Write one of a stream of answers, a line each."""
        self.line(json.dumps(value, ensure_ascii=False))

    def table(self, items: Sequence[Mapping[str, Any]], columns: Sequence[Column], *, empty: str) -> None:
        """Write a list as a table, or the sentence `empty` when there is nothing."""
        if not items:
            self.note(empty)
            return
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for heading, _ in columns:
            table.add_column(heading, no_wrap=heading == "ID", overflow="fold")
        for item in items:
            table.add_row(*(_styled(field(item, path)) for _, path in columns))
        self.out.print(table)

    def record(self, item: Mapping[str, Any], fields: Sequence[Column]) -> None:
        """Write one thing, a line for each field that it has."""
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for heading, path in fields:
            value = field(item, path)
            if value is not None:
                table.add_row(heading, _styled(value))
        self.out.print(table)

    def line(self, text: str) -> None:
        """Write one line of data, not styled and never wrapped."""
        sys.stdout.write(visible(text) + "\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Tell people something that is no data."""
        if not self.as_json:
            self.err.print(visible(text), markup=False, highlight=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Tell of a danger, also to programs' logs."""
        self.err.print(
            f"warning: {visible(text)}", style="yellow", markup=False, highlight=False, soft_wrap=True
        )

    @contextmanager
    def progress(self, text: str) -> Iterator[None]:
        """Show that something goes on: a spinner with the time on a terminal, plain lines elsewhere.

        Inside another one it only changes what that one says.
        """
        if self._status is not None:
            self.step(text)
            yield
            return
        if not sys.stderr.isatty():
            self.note(text)
            yield
            return
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*columns, console=self.err, transient=True) as shown:
            task = shown.add_task(visible(text), total=None)
            self._status = (shown, task)
            try:
                yield
            finally:
                self._status = None

    def step(self, text: str) -> None:
        """Change what the running progress says."""
        if self._status is not None:
            shown, task = self._status
            shown.update(task, description=visible(text))
        elif not sys.stderr.isatty():
            self.note(text)

    def failure(self, problem: CommandError) -> None:
        """Tell what went wrong and what to do."""
        if self.as_json:
            sys.stderr.write(visible(json.dumps(problem.as_json(), ensure_ascii=False)) + "\n")
            return
        code = (
            problem.details if isinstance(problem.details, str) else field(_mapping(problem.details), "code")
        )
        suffix = f" ({code})" if code else ""
        self.err.print(
            visible(f"error: {problem.message}{suffix}"),
            style="red",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        for line in _explained(problem.details):
            self.err.print(visible(f"  {line}"), markup=False, highlight=False, soft_wrap=True)
        if problem.hint:
            self.err.print(problem.hint, markup=False, highlight=False, soft_wrap=True)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _explained(details: Any) -> Iterator[str]:
    """Yield the lines that say more than the message: wrong fields, near server names, needed slots."""
    if isinstance(details, list):
        for problem in details:
            if isinstance(problem, Mapping):
                yield f"{problem.get('parameter')}: {problem.get('message')}"
    for broker, servers in _mapping(field(_mapping(details), "serversByBrokers")).items():
        yield f"{broker}: {', '.join(servers)}"
    slots = field(_mapping(details), "recommendedResourceSlots")
    if slots is not None:
        yield f"--resource-slots {slots} would be enough"


def elapsed(since: float) -> str:
    """Write how long it is since `time.monotonic()` was `since`."""
    return f"{time.monotonic() - since:.1f} s"
