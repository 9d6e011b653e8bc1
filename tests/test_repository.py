"""The tree itself: what must be in it, what must not, and that its documentation tells the truth."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("src", "tests", "bench", "docs", "requirements", ".ci")


def tree() -> list[Path]:
    """Return every text file of the tree, whether or not git is here to ask."""
    found = [p for p in ROOT.iterdir() if p.is_file() and p.name not in {"LICENSE", ".git"}]
    for name in SOURCES:
        found += [p for p in (ROOT / name).rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    return [p for p in found if b"\0" not in p.read_bytes()[:4096]]


def lines_with(pattern: str, paths: list[Path]) -> list[str]:
    """Return where a pattern occurs, as `file:line: text`."""
    wanted = re.compile(pattern)
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in paths
        if path != Path(__file__)
        for number, line in enumerate(
            path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1
        )
        if wanted.search(line)
    ]


def test_what_a_stranger_looks_for_is_there() -> None:
    for name in (
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        ".ci/run",
        "docs/index.md",
    ):
        assert (ROOT / name).is_file(), name
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## \[?Unreleased\]?", text, re.MULTILINE)
    assert re.search(r"^### (Added|Changed|Deprecated|Removed|Fixed|Security)$", text, re.MULTILINE)


def test_lock_files_pin_hashes_and_name_no_index() -> None:
    for name in ("server.txt", "dev.txt"):
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        assert not re.search(
            r"^\s*(-i|--index-url|--extra-index-url|--find-links|--trusted-host)", text, re.MULTILINE
        )
        assert "://" not in text
        entries = re.split(r"\n(?=\S)", text.strip())
        unpinned = [e.splitlines()[0] for e in entries if "==" not in e or "--hash=sha256:" not in e]
        assert unpinned == []


def test_both_lock_files_agree() -> None:
    def pins(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.MULTILINE))

    server, dev = pins("server.txt"), pins("dev.txt")
    assert {name: dev.get(name) for name in server} == server


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *(name for extra in extras.values() for name in extra)]
    names = {re.split(r"[\[<>=;! ]", requirement)[0] for requirement in wanted}
    text = (ROOT / "requirements" / "server.txt").read_text(encoding="utf-8")
    assert {name for name in names if not re.search(rf"^{re.escape(name)}==", text, re.MULTILINE)} == set()


def test_no_path_of_a_machine_is_written_down() -> None:
    found = lines_with(r"/(work|root|home/[a-z]+|Users/[a-z]+)/|/tmp/(wt|bash_jobs)", tree())
    assert found == []


def test_no_package_registry_is_named() -> None:
    found = lines_with(r"https?://[^\s/]*(pypi|npmjs|artifactory|nexus|devpi|goproxy)", tree())
    assert found == []


def test_imports_of_the_hosted_vendors_sdk_are_nowhere() -> None:
    code = [p for p in tree() if p.suffix in {".py", ".toml", ".txt"}]
    assert lines_with(r"metaapi[-_.]cloud[-_.]sdk|^\s*(from|import) metaapi", code) == []


def test_type_ignores_and_noqa_say_which_rule() -> None:
    code = [p for p in tree() if p.suffix == ".py"]
    assert lines_with(r"#\s*type:\s*ignore(?!\[)", code) == []
    assert lines_with(r"#\s*noqa(?!:)", code) == []


@pytest.mark.parametrize("word", ["utils", "helpers", "common", "manager"])
def test_modules_are_named_after_what_they_do(word: str) -> None:
    assert [str(p) for p in (ROOT / "src").rglob("*.py") if word in p.stem.split("_")] == []


def test_modules_stay_readable() -> None:
    """500 lines is the aim; whoever goes beyond has a reason, and nobody has one for 600."""
    long = {
        str(path.relative_to(ROOT)): count
        for path in (ROOT / "src").rglob("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 600
    }
    assert long == {}


def test_the_documentations_links_lead_somewhere() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "check.py"), "--quiet"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_documentation_check_finds_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "check.py").write_bytes((ROOT / "docs" / "check.py").read_bytes())
    (tmp_path / "docs" / "index.md").write_text(
        "# Index\n[gone](gone.md) [no heading](there.md#nowhere) [fine](there.md#a-heading)\n"
        "[out](../../x.md) [elsewhere](https://example.com/x)\n```\n[in code](gone.md)\n```\n"
    )
    (tmp_path / "docs" / "there.md").write_text("# A heading\n")
    (tmp_path / "docs" / "orphan.md").write_text("# Orphan\n")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "docs" / "check.py"), "--quiet"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "docs/index.md:2: gone.md does not exist",
        "docs/index.md:2: there.md#nowhere has no such heading",
        "docs/index.md:3: ../../x.md leads out of the tree",
        "docs/orphan.md: can't be reached from docs/index.md",
    ]


def test_the_picture_of_the_floors_is_the_contract() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    picture = page.split("```text\n")[1].split("```")[0]
    drawn = [re.split(r" {3,}", line)[0].split() for line in picture.strip().splitlines()]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [layers] = [c["layers"] for c in project["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    agreed = [layer.replace("mtfleet.", "").replace(" : ", " ").split() for layer in layers]
    assert drawn == agreed


def test_every_package_is_on_a_floor() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [layers] = [c["layers"] for c in project["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    on_a_floor = set(re.findall(r"mtfleet\.(\w+)", " ".join(layers)))
    here = {p.stem for p in (ROOT / "src" / "mtfleet").iterdir() if p.name not in {"__pycache__", "py.typed"}}
    assert here - on_a_floor == {"__init__", "__main__", "testing"}


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs" / "adr" / "index.md").read_text(encoding="utf-8")
    missing = [p.name for p in (ROOT / "docs" / "adr").glob("0*.md") if p.name not in index]
    assert missing == []
