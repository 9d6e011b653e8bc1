"""Deterministic noise: whole numbers in, whole numbers out, the same on every machine and every Python."""

from hashlib import blake2b

_MASK = 0xFFFFFFFFFFFFFFFF


def key_of(*parts: str | int) -> int:
    """Return the 64-bit key of a thing named by `parts`."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def mix(value: int) -> int:
    """Return 64 bits that look random and depend on `value` only (the finaliser of SplitMix64)."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def bell(bits: int) -> float:
    """Turn 64 random bits into a number with mean 0 and deviation 1, nearly normal, never beyond 3.47.

    A sum of four even numbers, because multiplications and additions give the same result everywhere, and
    `log` and
    `cos` of the C library do not.
    """
    total = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48)
    return (total - 131070) / 37837.0
