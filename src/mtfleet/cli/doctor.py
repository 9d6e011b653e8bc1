"""`mtfleet doctor`: what is wrong with an installation, and what to do."""

from typing import TYPE_CHECKING, Annotated

import typer

from mtfleet.cli.command import DataDirOption, JsonOption, ending, epilog
from mtfleet.cli.exits import ExitCode
from mtfleet.cli.output import Output

if TYPE_CHECKING:
    from mtfleet.cli.diagnosis import Finding

EXAMPLES = (
    "mtfleet doctor",
    "mtfleet doctor --data-dir /var/lib/mtfleet",
    "mtfleet doctor --json | jq '.[] | select(.verdict == \"problem\")'",
)


def doctor(
    data_dir: DataDirOption = None,
    port: Annotated[
        int | None, typer.Option(help="Port that a server is to use.", show_default="8080")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check this machine, the data directory and a running server; ends with code 1 when something is wrong.

    Nothing is changed. Settings come from the same MTFLEET_ variables as for mtfleet serve.
    """
    out = Output(as_json=as_json)
    with ending(out):
        from mtfleet.cli.diagnosis import examine

        findings = list(examine(data_dir, port, out))
        if as_json:
            out.json(
                [
                    {"check": f.check, "verdict": f.verdict.value, "said": f.said, "whatToDo": f.what_to_do}
                    for f in findings
                ]
            )
        else:
            _tell(findings, out)
        if any(f.verdict == "problem" for f in findings):
            raise typer.Exit(ExitCode.FAILED)


def add_to(app: typer.Typer, panel: str) -> None:
    """Declare the command."""
    app.command("doctor", epilog=epilog(EXAMPLES), rich_help_panel=panel)(doctor)


def _tell(findings: "list[Finding]", out: Output) -> None:
    marks = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}
    for finding in findings:
        out.line(f"{marks[finding.verdict]}  {finding.check}: {finding.said}")
        if finding.what_to_do:
            out.line(f"         {finding.what_to_do}")
    wrong = sum(f.verdict == "problem" for f in findings)
    out.line(f"\n{wrong} problem{'s' if wrong != 1 else ''}." if wrong else "\nAll well.")
