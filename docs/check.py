"""Check the documentation: every link leads somewhere, every page can be reached from the index.

    python docs/check.py            list the pages, then what is wrong
    python docs/check.py --quiet    only what is wrong

The pages are plain Markdown that GitHub and every editor show; there is nothing to build. Links to other
sites are not followed: a check that needs the network fails for reasons that are not ours.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
INDEX = ROOT / "docs" / "index.md"
_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$")
_FENCE = re.compile(r"^\s*(```|~~~)")


def pages() -> list[Path]:
    """Return every Markdown page of the tree that people are meant to read."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a page that are outside fenced code."""
    inside = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if _FENCE.match(line):
            inside = not inside
        elif not inside:
            yield number, line


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, made the way GitHub makes them."""
    found: set[str] = set()
    for _, line in prose(page):
        if heading := _HEADING.match(line):
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
            anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
            repeated, count = anchor, 0
            while repeated in found:
                count += 1
                repeated = f"{anchor}-{count}"
            found.add(repeated)
    return found


def links(page: Path) -> Iterator[tuple[int, str]]:
    """Yield line number and target of every link of a page that stays within the tree."""
    for number, line in prose(page):
        for target in _LINK.findall(re.sub(r"`[^`]*`", "", line)):
            if not re.match(r"[a-z][a-z0-9+.-]*:", target):
                yield number, target


def problems() -> list[str]:
    """Return what is wrong, one line each."""
    found = []
    reached = {INDEX}
    todo = [INDEX]
    for page in pages():
        for number, target in links(page):
            path, _, anchor = target.partition("#")
            there = (page.parent / unquote(path)).resolve() if path else page
            where = f"{page.relative_to(ROOT)}:{number}"
            if not there.is_relative_to(ROOT):
                found.append(f"{where}: {target} leads out of the tree")
            elif not there.exists():
                found.append(f"{where}: {target} does not exist")
            elif anchor and there.suffix == ".md" and anchor not in anchors(there):
                found.append(f"{where}: {target} has no such heading")
    while todo:
        page = todo.pop()
        for _, target in links(page):
            there = (page.parent / unquote(target.partition("#")[0])).resolve()
            if there.suffix == ".md" and there.exists() and there not in reached:
                reached.add(there)
                todo.append(there)
    found.extend(
        f"{page.relative_to(ROOT)}: can't be reached from docs/index.md"
        for page in pages()
        if page not in reached
    )
    return found


def main(arguments: list[str]) -> int:
    wrong = problems()
    if "--quiet" not in arguments:
        for page in pages():
            first = next(
                (line for line in page.read_text(encoding="utf-8").splitlines() if line.strip()), "(empty)"
            )
            print(f"{page.relative_to(ROOT)!s:<44} {first.lstrip('# ')}")
        print(f"{len(pages())} pages, {len(wrong)} problems")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
