"""Trading terminals: the contract of a driver, and the drivers."""
