"""The simulated trade server's core: a pure, synchronous state machine. Clock and randomness are passed
in."""
