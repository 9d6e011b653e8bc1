"""How a password comes in: asked for without echo, from standard input, or from the environment.

There is no `--password VALUE` flag: on most systems every user sees the arguments of every process, and
shells keep them in their history.
"""

import getpass
import os
import sys

from mtfleet.cli.exits import CommandError, ExitCode
from mtfleet.domain.secret import Secret

VARIABLE = "MTFLEET_PASSWORD"


def read_password(*, from_stdin: bool, prompt: str) -> Secret:
    """Return the password: from standard input, else `MTFLEET_PASSWORD`, else asked for on a terminal.

    Raises `CommandError` when there is none and nobody to ask.
    """
    if from_stdin:
        text = sys.stdin.readline().rstrip("\r\n")
    elif VARIABLE in os.environ:
        text = os.environ[VARIABLE]
    elif sys.stdin.isatty():
        text = getpass.getpass(prompt)
    else:
        raise CommandError(
            "A password is needed and there is no terminal to ask on.",
            ExitCode.USAGE,
            hint=f"Pipe it in with --password-stdin, or set {VARIABLE}.",
        )
    if not text:
        raise CommandError("The password is empty.", ExitCode.USAGE)
    return Secret(text)
