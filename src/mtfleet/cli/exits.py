"""How a command ends: exit codes, and the one exception that carries one."""

from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """What programs branch on; documented in docs/reference/cli.md."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_ALLOWED = 4
    NOT_FOUND = 5
    TIMED_OUT = 6
    INTERRUPTED = 130


class CommandError(Exception):
    """A command can't do what was asked; carries what is told and how the program ends."""

    def __init__(
        self,
        message: str,
        code: ExitCode = ExitCode.FAILED,
        *,
        error: str | None = None,
        details: Any = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.error = error
        """Class name as the API writes it, when the server refused."""
        self.details = details
        self.hint = hint
        """What to do, as a sentence."""

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` writes to the error stream."""
        body = {"error": self.error or self.code.name, "message": self.message, "exitCode": int(self.code)}
        if self.details is not None:
            body["details"] = self.details
        if self.hint:
            body["hint"] = self.hint
        return body
