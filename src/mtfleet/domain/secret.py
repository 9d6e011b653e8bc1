"""A password or key that can't be printed by accident."""

from typing import Final, NoReturn


class Secret:
    """Hold a text that must reach no log, response, traceback or pickle.

    `repr`, `str`, formatting and JSON encoding never show it; only `reveal` does, so that each use can be
    found
    by searching for that word.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text: Final = text

    def reveal(self) -> str:
        """Return the text itself. Call it where it is used, and keep the result nowhere."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret can't be pickled.")
