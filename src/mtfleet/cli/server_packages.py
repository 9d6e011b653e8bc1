"""Whether the server's packages are here, and what to do when not."""

from mtfleet.cli.exits import CommandError, ExitCode

MODULES = (
    "aiosqlite",
    "alembic",
    "cryptography",
    "jinja2",
    "jwt",
    "litestar",
    "prometheus_client",
    "sqlalchemy",
    "structlog",
    "uvicorn",
)
INSTALL = "pip install 'mtfleet[server]'"


def missing() -> list[str]:
    """Return the modules that a server needs and that are not installed."""
    from importlib.util import find_spec

    return [name for name in MODULES if find_spec(name) is None]


def require_server_packages() -> None:
    """Raise `CommandError` unless a server can run here."""
    if missing():
        raise CommandError(
            f"This needs the server's packages, which are not installed here ({', '.join(missing())}).",
            ExitCode.FAILED,
            hint=f"Install them: {INSTALL}",
        )
