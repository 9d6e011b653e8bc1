"""What a trade server can't do."""

from mtfleet.domain.errors import PolicyError


class CommandRefused(PolicyError):
    """The trade server refused the command; its state did not change."""
