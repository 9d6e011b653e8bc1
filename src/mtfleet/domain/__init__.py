"""What the business means: frozen values and pure functions. No input or output, no clock, no randomness."""
