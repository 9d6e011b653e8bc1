"""Errors that nobody expected: logged with their traceback, told without their text.

The text of a foreign exception may hold anything, a password too, so neither the log nor the account shows
it: the type and the lines of code that it went through do.
"""

import traceback

import structlog

log = structlog.get_logger(__name__)


def describe_defect(event: str, defect: BaseException, **fields: str | int) -> str:
    """Log `event` with the traceback, and return a sentence for people."""
    frames = traceback.format_tb(defect.__traceback__)
    log.error(event, error=type(defect).__name__, traceback="".join(frames), **fields)
    return (
        f"an unexpected {type(defect).__name__}, a defect of the driver or of this program; the log has more"
    )
