"""What callers hear of a failure of the server itself: a number; the log has the rest under it."""

import structlog

from mtfleet.domain.errors import MtfleetError
from mtfleet.wire.errors import incident_of, public_error

log = structlog.get_logger(__name__)


def for_callers(event: str, error: MtfleetError, **fields: str) -> MtfleetError:
    """Return `error` if its message is meant for callers; otherwise log it as `event` and return another that
    only names the incident."""
    told = public_error(error)
    if told is not error:
        log.error(
            event,
            incident=incident_of(error),
            error=type(error).__name__,
            reason=error.message,
            exc_info=error,
            **fields,
        )
    return told
