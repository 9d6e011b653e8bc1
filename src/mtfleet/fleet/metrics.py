"""Metrics of the fleet.

Names are `mtfleet_<noun>_<verb>_<unit>`: what it is about, what happened or is so, what is counted or
measured. Label sets are closed and every label value exists from the start, so that a rate is zero and not
missing. No account id is ever a label.
"""

from prometheus_client import Counter, Gauge, Histogram

from mtfleet.domain.deployment import HopName, Phase

SESSIONS_HELD = Gauge(
    "mtfleet_sessions_held_accounts", "Accounts that this host holds, by phase", labelnames=["phase"]
)
SESSIONS_CONNECTED = Gauge("mtfleet_sessions_connected_accounts", "Accounts connected to their broker now")
HOPS_FAILED = Counter("mtfleet_hops_failed_total", "Failed tries of a hop, by hop", labelnames=["hop"])
STEPS_WAITING = Gauge("mtfleet_steps_waiting_accounts", "Accounts that wait for a free slot of the host")
STEPS_RUNNING = Gauge("mtfleet_steps_running_accounts", "Accounts being started, connected or stopped now")
STEPS_FAILED = Counter("mtfleet_steps_failed_total", "Steps that ended in an error nobody expected")
LEASES_REFUSED = Counter("mtfleet_leases_refused_total", "Leases that another holder has")
LEASES_LOST = Counter("mtfleet_leases_lost_total", "Leases that could not be renewed in time")
PLANS_ACTED = Counter("mtfleet_plans_acted_total", "Steps planned, by action", labelnames=["action"])
BATCH_SECONDS = Histogram("mtfleet_batch_reconciled_seconds", "Time to reconcile one batch of accounts")
BATCHES_FAILED = Counter("mtfleet_batches_failed_total", "Batches that the store did not take")
ACCOUNTS_WAITING = Gauge("mtfleet_reconciles_waiting_accounts", "Accounts waiting to be reconciled")
CREDENTIALS_USED = Counter("mtfleet_credentials_used_total", "Passwords handed to a host to start a terminal")

for _phase in Phase:
    SESSIONS_HELD.labels(phase=_phase.value)
for _hop in HopName:
    HOPS_FAILED.labels(hop=_hop.value)
for _action in ("start", "stop", "forget", "remove"):
    PLANS_ACTED.labels(action=_action)
