"""What can go wrong outside of the store."""

from mtfleet.domain.errors import SystemError_, UnavailableError


class StoreUnavailable(UnavailableError):
    """The database can't be used right now; the message says why and what to do. Nothing was changed."""

    is_for_callers = False


class StatementFailed(SystemError_):
    """The database refused a statement, which is a defect of this program. Nothing was changed."""


class SchemaTooNew(StoreUnavailable):
    """The database was made by a newer version of mtfleet; start that version, or restore a backup."""
