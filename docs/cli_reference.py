"""Write the commands' part of docs/reference/cli.md from the commands themselves.

    python docs/cli_reference.py           print the page as it should be
    python docs/cli_reference.py --write   bring the page up to date

What stands above the marker in the page is written by hand and kept. A test compares the rest.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from mtfleet.cli.main import app

PAGE = Path(__file__).resolve().parent / "reference" / "cli.md"
MARKER = "<!-- What follows is written by docs/cli_reference.py; change the commands instead. -->"


def plain(text: str | None) -> str:
    """Return help text without markup, in one paragraph."""
    return " ".join(re.sub(r"\[/?(bold|cyan)\]", "", text or "").split())


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every command with its full name, depth first, in the order of the help."""
    if hasattr(command, "commands"):
        for child_name, child in command.commands.items():
            yield from commands(child, f"{name} {child_name}")
    else:
        yield name, command


def _is_common(option: Any) -> bool:
    """Tell whether an option is explained once, above the marker."""
    return getattr(option, "rich_help_panel", None) == "Server" or "--help" in option.opts


def options(command: Any) -> list[Any]:
    """Return a command's own options."""
    return [p for p in command.params if p.param_type_name == "option" and not _is_common(p)]


def _usage(name: str, command: Any) -> str:
    parts = [name]
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            shown = parameter.metavar or parameter.name.upper()
            parts.append(shown if parameter.required else f"[{shown}]")
        elif parameter.required:
            parts.append(f"{parameter.opts[0]} …")
    if options(command):
        parts.append("[options]")
    return " ".join(parts)


def _section(name: str, command: Any) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    yield plain(command.help)
    yield ""
    yield "```text"
    yield _usage(name, command)
    yield "```"
    yield ""
    arguments = [p for p in command.params if p.param_type_name == "argument" and p.help]
    if arguments or options(command):
        yield "| argument or option | meaning |"
        yield "| --- | --- |"
        for argument in arguments:
            yield f"| `{argument.metavar or argument.name.upper()}` | {plain(argument.help)} |"
        for option in options(command):
            yield f"| `{'`, `'.join([*option.opts, *option.secondary_opts])}` | {_meaning(option)} |"
        yield ""
    examples = plain_lines(command.epilog)
    if examples:
        yield "```text"
        yield from examples
        yield "```"
        yield ""


def _meaning(option: Any) -> str:
    text = plain(option.help)
    if option.required:
        return f"{text} Required."
    default = option.default
    if isinstance(option.show_default, str):
        return f"{text} Default: {option.show_default}."
    if default is None or default is False or default == () or callable(default):
        return text
    return f"{text} Default: `{getattr(default, 'value', default)}`."


def plain_lines(epilog: str | None) -> list[str]:
    """Return the examples of a command."""
    lines = re.sub(r"\[/?(bold|cyan)\]", "", epilog or "").splitlines()
    return [line.strip() for line in lines if line.strip() and line.strip() != "Examples"]


def generated() -> str:
    """Return the part below the marker."""
    lines: list[str] = [MARKER, ""]
    present = None
    root = typer.main.get_command(app)
    for name, command in commands(root, "mtfleet"):
        group = " ".join(name.split()[:2])
        if group != present:
            present = group
            lines += [f"## {group}", ""]
            above = root.commands[name.split()[1]]  # type: ignore[attr-defined]  # the root is a group
            if above is not command:
                lines += [plain(above.help), ""]
        lines += _section(name, command) if group != name else list(_section(name, command))[2:]
    return "\n".join(lines).rstrip() + "\n"


def page() -> str:
    """Return the whole page as it should be."""
    by_hand = PAGE.read_text(encoding="utf-8").partition(MARKER)[0]
    return by_hand + generated()


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())
