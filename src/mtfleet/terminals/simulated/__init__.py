"""The simulated broker as a terminal driver: durable, with latency and faults."""

from mtfleet.terminals.simulated.terminals import SimulatedTerminals

__all__ = ["SimulatedTerminals"]
