"""Identifiers, each a type of its own so that one can't be passed for another."""

from typing import NewType

UserId = NewType("UserId", str)
"""32 hexadecimal digits."""
AccountId = NewType("AccountId", str)
"""Lower-case UUID of an account or of a replica: whatever can be deployed."""
ProfileId = NewType("ProfileId", str)
"""Lower-case UUID of a provisioning profile."""
ExpertId = NewType("ExpertId", str)
"""Chosen by the caller, unique within its account."""
TokenId = NewType("TokenId", str)
TransactionId = NewType("TransactionId", str)
"""Chosen by the caller, 1 to 64 printable ASCII characters; names one logical operation."""
Symbol = NewType("Symbol", str)
Region = NewType("Region", str)
ServerName = NewType("ServerName", str)
"""Name of a broker's trade server, e.g. `Sandbox-MT5`."""
Login = NewType("Login", str)
"""Number of a trading account at its broker, as decimal digits."""
