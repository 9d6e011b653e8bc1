"""The times and bounds of the fleet, all in one place; seconds unless said otherwise."""

import msgspec


class FleetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How patient the fleet is. The defaults are meant for real brokers; tests and the sandbox live with
    them."""

    holder: str = "local"
    """Name under which this program holds leases. It must differ from that of every other program on the same
    database, also from the one that ran before."""
    concurrent_steps: int = 256
    """How many terminals are started, connected or stopped at the same time."""
    concurrent_reconnects: int = 128
    """How many of these may be reconnections, so that a dead broker does not hold up new accounts."""
    start_seconds: float = 60.0
    connect_seconds: float = 60.0
    stop_grace_seconds: float = 10.0
    stop_margin_seconds: float = 5.0
    """How much longer than its grace a stop may take before it counts as failed."""
    start_attempts: int = 3
    """Failed starts in a row until an account is shown as failed; it is tried on, ever more seldom."""
    stop_attempts: int = 3
    """Failed stops in a row until an account is shown as failed; it is tried on, ever more seldom."""
    first_delay_seconds: float = 1.0
    longest_delay_seconds: float = 60.0
    stable_seconds: float = 60.0
    """A connection that held this long begins anew with the first delay when it breaks."""
    observe_seconds: float = 5.0
    """How often drivers are asked what they see, for terminals that die without a word."""
    lease_seconds: float = 5.0
    """How long a lease outlives its holder: so long nobody else may run its accounts after a crash."""
    renew_seconds: float = 1.25
    lease_margin_seconds: float = 1.5
    """Terminals are stopped this long before a lease that could not be renewed passes on."""
    watch_seconds: float = 0.5
    """How often the watchdog looks; much less than the margin."""
    lease_retry_seconds: float = 1.0
    store_seconds: float = 30.0
    """Bound of one transaction."""
    batch_size: int = 500
    """Accounts of one transaction."""
    reconcile_seconds: float = 30.0
    """How often everything stored is compared with everything seen."""
    defect_seconds: float = 60.0
    """How long an account rests whose handling raised an error that nobody expected."""
    read_seconds: float = 60.0
    """How long a read waits for an account to be connected."""
    history_seconds: float = 240.0
    """The same for candles and ticks of the past, which a terminal may have to download."""
    shutdown_seconds: float = 20.0
