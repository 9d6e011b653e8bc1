"""mtfleet: a MetaTrader account cloud that you run yourself."""
