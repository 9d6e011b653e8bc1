"""How a command is declared: common options, examples, and how every ending becomes an exit code."""

import inspect
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from mtfleet.cli.exits import CommandError, ExitCode
from mtfleet.cli.output import Output
from mtfleet.cli.remote import Remote, find_server

Handler = Callable[..., None]

UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url", help="Address of the server.", show_default="MTFLEET_URL", rich_help_panel="Server"
    ),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(help="File that holds the token.", show_default="MTFLEET_TOKEN", rich_help_panel="Server"),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        help="Use the server that runs on this data directory.",
        show_default=".mtfleet",
        rich_help_panel="Server",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print data as JSON, for programs.", rich_help_panel="Server")
]

_JSON = inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=JsonOption)
_SERVER = [
    inspect.Parameter("url", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=UrlOption),
    inspect.Parameter("token_file", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=TokenFileOption),
    inspect.Parameter("data_dir", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=DataDirOption),
    _JSON,
]


def group(name: str, text: str) -> typer.Typer:
    """Return an empty group of commands that shows its help when called without one."""
    return typer.Typer(name=name, help=text, no_args_is_help=True, rich_markup_mode="rich")


def epilog(examples: tuple[str, ...]) -> str | None:
    """Write examples as the last part of a command's help, one line each."""
    if not examples:
        return None
    shown = (f"  [cyan]{example}[/cyan]" for example in examples)
    return "\n".join(["[bold]Examples[/bold]", *shown])


def remote_command(
    app: typer.Typer, name: str, *examples: str, panel: str | None = None
) -> Callable[[Handler], Handler]:
    """Declare a command that talks to a server: `handler(remote, out, …its own parameters)`.

    `panel` is where the help of all commands shows one that is in no group.
    Adds `--url`, `--token-file`, `--data-dir` and `--json`.
    """

    def declare(handler: Handler) -> Handler:
        own = list(inspect.signature(handler).parameters.values())[2:]

        @wraps(handler)
        def run(
            *, url: str | None, token_file: Path | None, data_dir: Path | None, as_json: bool, **given: Any
        ) -> None:
            out = Output(as_json=as_json)
            with ending(out):
                remote = Remote(find_server(url, token_file, data_dir), out)
                try:
                    handler(remote, out, **given)
                finally:
                    remote.close()

        _declare(app, name, run, [*own, *_SERVER], examples, panel)
        return handler

    return declare


def plain_command(app: typer.Typer, name: str, *examples: str) -> Callable[[Handler], Handler]:
    """Declare a command that finds what it needs by itself: `handler(out, …its own parameters)`; adds
    `--json`."""

    def declare(handler: Handler) -> Handler:
        own = list(inspect.signature(handler).parameters.values())[1:]

        @wraps(handler)
        def run(*, as_json: bool, **given: Any) -> None:
            out = Output(as_json=as_json)
            with ending(out):
                handler(out, **given)

        _declare(app, name, run, [*own, _JSON], examples)
        return handler

    return declare


def _declare(
    app: typer.Typer,
    name: str,
    run: Callable[..., None],
    parameters: list[inspect.Parameter],
    examples: tuple[str, ...],
    panel: str | None = None,
) -> None:
    keyword_only = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    run.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined]  # typer reads it
    run.__annotations__ = {p.name: p.annotation for p in keyword_only}
    app.command(name, epilog=epilog(examples), rich_help_panel=panel)(run)


class ending:
    """Turn whatever ends a command into what is told and an exit code."""

    def __init__(self, out: Output) -> None:
        self._out = out

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, _trace: object
    ) -> None:
        if isinstance(problem, CommandError):
            self._out.failure(problem)
            raise typer.Exit(problem.code) from problem
        if isinstance(problem, KeyboardInterrupt):
            told = self._out.on_interrupt or "Interrupted; nothing was left undone by this command."
            sys.stderr.write(f"\n{told}\n")
            raise typer.Exit(ExitCode.INTERRUPTED) from problem
