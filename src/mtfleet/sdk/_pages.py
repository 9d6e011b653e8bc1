"""Lists as the API gives them."""

from collections.abc import Iterable
from typing import Literal, SupportsIndex, TypeVar, overload

T = TypeVar("T")


class Page(list[T]):
    """One page: a list of its items, which also answers `page["items"]` and, with classic pagination,
    `page["count"]`, the number of all matches."""

    def __init__(self, items: Iterable[T] = (), count: int | None = None) -> None:
        super().__init__(items)
        self._count = count

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> T: ...
    @overload
    def __getitem__(self, key: slice, /) -> list[T]: ...
    @overload
    def __getitem__(self, key: Literal["items"], /) -> list[T]: ...
    @overload
    def __getitem__(self, key: Literal["count"], /) -> int: ...
    def __getitem__(self, key: SupportsIndex | slice | str, /) -> "T | list[T] | int":
        """Return an item, a slice, or one of the two fields of a classic page."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        if key == "items":
            return self
        if key == "count" and self._count is not None:
            return self._count
        if key == "count":
            raise KeyError("count: only the methods with classic pagination count all matches")
        raise KeyError(key)
