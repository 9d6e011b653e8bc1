"""What an operator may set about adding accounts."""

from mtfleet.domain.ids import Region
from mtfleet.domain.values import Value

DEFAULT_REGIONS = (Region("vint-hill"), Region("new-york"))


class SlotRule(Value, frozen=True, kw_only=True):
    """How many resource slots an account needs: one per started `symbols_per_slot` symbols of its broker."""

    symbols_per_slot: int


class Options(Value, frozen=True, kw_only=True):
    """Limits and addresses of one installation. Every field is set; `default_options` fills them in."""

    regions: tuple[Region, ...]
    """Where accounts can run; the first is the default."""
    public_url: str
    """Address that end users reach, without a slash at the end; configuration links begin with it."""
    synchronous_budget_seconds: float
    """How long a request waits for its result before it is answered with 202."""
    retry_after_seconds: int
    """How long a client is told to wait before it repeats a request that was answered with 202."""
    stage_timeout_seconds: float
    """How long one stage of a detection may take."""
    max_detections: int
    """How many detections run at once; more wait their turn."""
    operation_retention_days: int
    """How long the outcome of an operation is kept for repeats."""
    server_not_found_details: str
    """`string` for a plain `E_SRV_NOT_FOUND`, `object` to add near names for programs."""
    slot_rule: SlotRule
    max_resource_slots: int
    """Most resource slots of one account."""
    max_accounts_per_region: int
    """Most accounts and replicas of one user in one region."""
    max_profiles: int
    """Most provisioning profiles of one user."""
    max_upload_bytes: int
    """Largest file of a provisioning profile or expert advisor."""
    max_link_ttl_days: float


def default_options(public_url: str = "http://127.0.0.1:8080") -> Options:
    """Return the options of a new installation."""
    return Options(
        regions=DEFAULT_REGIONS,
        public_url=public_url,
        synchronous_budget_seconds=3.0,
        retry_after_seconds=3,
        stage_timeout_seconds=60.0,
        max_detections=32,
        operation_retention_days=7,
        server_not_found_details="string",
        slot_rule=SlotRule(symbols_per_slot=5000),
        max_resource_slots=100,
        max_accounts_per_region=100_000,
        max_profiles=1000,
        max_upload_bytes=100 * 1024 * 1024,
        max_link_ttl_days=365.0,
    )
