"""The simulated broker as a terminal driver: durable, with latency and faults."""
