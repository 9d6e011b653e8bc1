"""Where in a TOML text a key stands, so that an error can name the line."""

import re

Place = tuple[str | int, ...]

_TABLE = re.compile(r"^\s*\[(\[)?\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


def lines_of(text: str) -> dict[Place, int]:
    """Return the line, counted from 1, of each table and of each key that begins a line."""
    lines: dict[Place, int] = {(): 1}
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = _TABLE.match(line)
        if header:
            table = _resolved(_parts(header[2]), counts, is_array=bool(header[1]))
            lines.setdefault(table, number)
            lines.setdefault(table[:-1] if isinstance(table[-1], int) else table, number)
            continue
        key = _KEY.match(line)
        if key:
            lines.setdefault((*table, *_parts(key[1])), number)
    return lines


def line_at(lines: dict[Place, int], place: Place) -> int:
    """Return the line of the place, or of the nearest thing around it."""
    while place not in lines:
        place = place[:-1]
    return lines[place]


def place_of(path: str) -> Place:
    """Read a path such as `$.brokers[0].name`."""
    steps = (match.groups() for match in _STEP.finditer(path))
    return tuple(
        name if name is not None else int(index)
        for name, index in steps
        if name is not None or index.isdigit()
    )


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(dotted)]


def _resolved(parts: list[str], counts: dict[Place, int], *, is_array: bool) -> Place:
    place: Place = ()
    for depth, part in enumerate(parts):
        place = (*place, part)
        if is_array and depth == len(parts) - 1:
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place = (*place, counts[place])
    return place
