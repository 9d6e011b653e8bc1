"""How the program logs: events with fields, as JSON or for a console, and never a secret.

Values under names such as `password`, `token` or `authorization` are masked at any depth, and so are texts
that look like a token, wherever they stand. Tracebacks show code and messages, never local variables. The
standard library's loggers (the web server's, for one) go the same way.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from mtfleet.domain.secret import Secret
from mtfleet.domain.visible import visible

MASK: Final = "***"
_MAX_DEPTH: Final = 12

_SECRET_NAME = re.compile(
    r"passw|passphrase|secret|token(?!_id|id)|authorization|cookie|credential(?!s_id|sid)|preset|master_?key|"
    r"private_?key|api_?key",
    re.IGNORECASE,
)
# A repetition that may begin at many places of a text is bounded or ends for good: texts are strangers'.
_SECRET_TEXTS: Final = (
    # a signed token
    (re.compile(r"\beyJ[\w-]{8,200}+\.[\w-]{8,}\.[\w-]*"), MASK),
    # the token of a configuration link
    (re.compile(r"(/configure-trading-account-credentials/[^/\s]+/)[^/\s?\"']+"), r"\1" + MASK),
    # user and password in an address
    (re.compile(r"(\b[a-z][\w+.-]{0,30}+://[^/\s:@]*:)[^/\s@]+@", re.IGNORECASE), r"\1" + MASK + "@"),
    # name and value in one text
    (
        re.compile(
            r"([\"']?\b(?:investor_?password|manager_?password|password|passwd|auth-token|authorization)\b[\"']?"
            r"\s*[:=]\s*)(?:Bearer\s+)?(\"[^\"]*\"|'[^']*'|[^\s,;&)}\]]+)",
            re.IGNORECASE,
        ),
        r"\1" + MASK,
    ),
)


def is_secret_name(name: str) -> bool:
    """Tell whether a value under that name is to be masked."""
    return _SECRET_NAME.search(name) is not None


def redact_text(text: str) -> str:
    """Mask what looks like a token or a password within a text."""
    for pattern, replacement in _SECRET_TEXTS:
        text = pattern.sub(replacement, text)
    return text


def redact(value: Any, depth: int = 0) -> Any:
    """Return `value` with secrets masked at any depth; what is nested too deep is masked whole."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Secret) or depth > _MAX_DEPTH:
        return MASK
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        return {
            k: MASK
            if isinstance(k, str) and is_secret_name(k) and v is not None and not isinstance(v, bool)
            else redact(v, depth + 1)
            for k, v in value.items()
        }
    if isinstance(value, Sequence | set | frozenset) and not isinstance(
        value, bytes | bytearray | memoryview
    ):
        return [redact(v, depth + 1) for v in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return f"({len(value)} bytes)"
    return value


def redact_event(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Mask secrets in a log event: the processor that every line passes."""
    kept = {name: event[name] for name in ("exc_info", "_record", "_from_structlog") if name in event}
    rest = {name: value for name, value in event.items() if name not in kept}
    masked: MutableMapping[str, Any] = redact(rest)
    masked.update(kept)
    return masked


def _redact_line(logger: WrappedLogger, method: str, line: Any) -> Any:
    """Mask what a traceback or an object's own text brought into the finished line; show what is unseen."""
    return visible(redact_text(line)) if isinstance(line, str) else line


def _on_one_line(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Keep a stranger's line breaks within an event's text from looking like lines of the log."""
    event["event"] = str(event.get("event", "")).replace("\r", "\\r").replace("\n", "\\n")
    return event


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, str) else redact_text(repr(value))


def configure(*, as_json: bool, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Set up logging for the process; call once at start. `level` is a name such as `INFO`."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_ending(as_json=as_json),
                _redact_line,
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        of_server = logging.getLogger(name)
        of_server.handlers.clear()
        of_server.propagate = True
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)  # it would write down all that is stored


def _ending(*, as_json: bool) -> list[Processor]:
    """Return the processors that mask an event and write it as a line."""
    if as_json:
        return [
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            redact_event,
            structlog.processors.JSONRenderer(default=_plain, ensure_ascii=False),
        ]
    return [
        redact_event,
        _on_one_line,
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback, sort_keys=False
        ),
    ]
