"""`mtfleet demo`: a server, a demo account, connected and quoting, told step by step."""

from pathlib import Path
from typing import Annotated

import typer

from mtfleet.cli.command import ending, epilog
from mtfleet.cli.output import Output
from mtfleet.cli.server_packages import require_server_packages

EXAMPLES = (
    "mtfleet demo                     stays up until Ctrl-C",
    "mtfleet demo --once              ends with code 0 after the last step",
    "mtfleet demo --data-dir trial    keep what was made; mtfleet serve --data-dir trial goes on with it",
)


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the last step.")] = False,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Keep everything there.", show_default="a directory that is removed at the end"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port.", show_default="8080, or a free one when it is taken"),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Longest wait for one step, in seconds.")] = 120,
) -> None:
    """Show it working, offline: a server on a simulated broker, a demo account added, connected, quoting."""
    out = Output(as_json=False)
    with ending(out):
        require_server_packages()
        from mtfleet.cli.demonstration import demonstrate

        demonstrate(out, once=once, data_dir=data_dir, port=port, timeout=timeout)


def add_to(app: typer.Typer, panel: str) -> None:
    """Declare the command."""
    app.command("demo", epilog=epilog(EXAMPLES), rich_help_panel=panel)(demo)
