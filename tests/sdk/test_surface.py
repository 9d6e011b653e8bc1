"""What is public, how it is imported, and that the reference names all of it."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import mtfleet
from mtfleet import sdk
from mtfleet.domain.errors import MtfleetError

ROOT = Path(__file__).resolve().parents[2]
SERVER_PACKAGES = (
    "aiosqlite",
    "alembic",
    "cryptography",
    "jinja2",
    "jwt",
    "litestar",
    "prometheus_client",
    "sqlalchemy",
    "structlog",
    "tzdata",
    "uvicorn",
    "uvloop",
)


def run_python(code: str) -> str:
    paths = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_is_exactly_what_is_public() -> None:
    public = {
        name
        for name, value in vars(sdk).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(sdk.__all__)
    assert list(sdk.__all__) == sorted(sdk.__all__)
    assert all(name in dir(mtfleet) for name in mtfleet.__all__)


def test_the_package_offers_the_sdk() -> None:
    for name in mtfleet.__all__:
        assert getattr(mtfleet, name) is getattr(sdk, name)
    with pytest.raises(AttributeError, match="no attribute 'MetaApy'"):
        mtfleet.MetaApy  # noqa: B018 - that is what is tested
    exceptions = {name for name in sdk.__all__ if name.endswith("Exception") or name == "UploadNotFound"}
    assert exceptions <= set(mtfleet.__all__)


def test_all_exceptions_have_one_root() -> None:
    for name in sdk.__all__:
        value = getattr(sdk, name)
        if inspect.isclass(value) and issubclass(value, BaseException):
            assert issubclass(value, MtfleetError), name
            made = value("text")
            assert made.details is None
            assert (made.status_code, made.id, made.metadata, made.message) == (None, None, None, "text")


def test_importing_the_package_loads_no_http_client() -> None:
    loaded = run_python("import mtfleet, sys; print('httpx2' in sys.modules, 'msgspec' in sys.modules)")
    assert loaded.split() == ["False", "False"]


def test_the_sdk_needs_no_server_package() -> None:
    run_python(
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {SERVER_PACKAGES!r}:\n"
        "            raise ImportError(name + ' is blocked')\n"
        "sys.meta_path.insert(0, Blocker())\n"
        "from mtfleet import MetaApi\n"
        "import asyncio\n"
        "async def main():\n"
        "    async with MetaApi('a.b.c') as api:\n"
        "        assert api.metatrader_account_api and api.token_management_api\n"
        "asyncio.run(main())\n"
    )


def test_the_types_of_all_that_is_public_are_complete() -> None:
    checker = Path(sys.executable).with_name("basedpyright")
    assert checker.exists(), "basedpyright is missing: install requirements/dev.txt, as `make test` does"
    done = subprocess.run(
        [checker, "--ignoreexternal", "--verifytypes", "mtfleet.sdk"],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        cwd=ROOT,
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT / "src"),
            "PATH": os.pathsep.join([str(checker.parent), os.environ["PATH"]]),
        },
    )
    assert done.returncode == 0, done.stdout
    assert "Type completeness score: 100%" in done.stdout


def members_of(kind: type) -> list[str]:
    return [name for name in dir(kind) if not name.startswith("_") and name not in dir(FileNotFoundError)]


def test_the_reference_names_everything_public() -> None:
    text = (ROOT / "docs/reference/sdk.md").read_text()
    words = set(re.findall(r"[A-Za-z0-9_]+", text))
    missing = [name for name in sdk.__all__ if name not in words]
    for name in sdk.__all__:
        kind = getattr(sdk, name)
        if not inspect.isclass(kind):
            continue
        inherited = set(dir(dict)) | set(dir(list))
        missing += [f"{name}.{member}" for member in members_of(kind) if member not in words | inherited]
        for member in members_of(kind):
            function = getattr(kind, member)
            if inspect.isfunction(function) and member not in inherited:
                missing += [
                    f"{name}.{member}({argument})"
                    for argument in inspect.signature(function).parameters
                    if argument != "self" and argument not in words
                ]
    assert missing == []
