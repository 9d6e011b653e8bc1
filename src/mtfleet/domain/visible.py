"""Texts of strangers, made safe to show on a terminal."""

from typing import Final

_UNSEEN_RANGES: Final = (
    range(0x20),
    range(0x7F, 0xA0),
    range(0x200B, 0x2010),
    range(0x2028, 0x202F),
    range(0x2066, 0x206A),
)
_UNSEEN: Final = {
    code: f"\\u{code:04x}" for codes in _UNSEEN_RANGES for code in codes if chr(code) not in "\n\t"
}


def visible(text: str) -> str:
    """Write characters that move the cursor, colour, reorder or hide what a terminal shows as JSON would.

    Line ends and tabs stay. JSON stays JSON with the same meaning.
    """
    return text.translate(_UNSEEN)
