"""What can go wrong outside of the store."""

from mtfleet.domain.errors import SystemError_


class StoreUnavailable(SystemError_):
    """The database can't be used right now; the message says why and what to do. Nothing was changed."""


class StatementFailed(SystemError_):
    """The database refused a statement, which is a defect of this program. Nothing was changed."""


class SchemaTooNew(StoreUnavailable):
    """The database was made by a newer version of mtfleet; start that version, or restore a backup."""
