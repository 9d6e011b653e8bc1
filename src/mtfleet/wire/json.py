"""The one JSON codec of server and SDK."""

from typing import Any, TypeVar

import msgspec

from mtfleet.domain.values import Instant

T = TypeVar("T")


def _to_plain(value: Any) -> Any:
    if isinstance(value, Instant):
        return value.to_wire()
    raise TypeError(f"A {type(value).__name__} does not go over the wire.")


def _from_plain(kind: type, value: Any) -> Any:
    if kind is Instant and isinstance(value, str):
        return Instant.parse(value)
    raise TypeError(f"A {kind.__name__} does not come over the wire.")


_encoder = msgspec.json.Encoder(enc_hook=_to_plain)


def encode(value: Any) -> bytes:
    """Write a value as JSON. A `Secret` or anything else that is no value raises `TypeError`."""
    return _encoder.encode(value)


def decode(data: bytes | str, kind: type[T]) -> T:
    """Read JSON as `kind`. Raises `msgspec.ValidationError` or `msgspec.DecodeError`."""
    return msgspec.json.decode(data, type=kind, dec_hook=_from_plain)


def convert(value: Any, kind: type[T]) -> T:
    """Read plain JSON data as `kind`. Raises `msgspec.ValidationError`."""
    return msgspec.convert(value, kind, dec_hook=_from_plain)


def to_builtins(value: Any) -> Any:
    """Turn a value into plain JSON data."""
    return msgspec.to_builtins(value, enc_hook=_to_plain)
