"""`mtfleet serve`: run a server."""

import os
from pathlib import Path
from typing import Annotated

import typer

from mtfleet.cli.command import ending, epilog
from mtfleet.cli.exits import CommandError, ExitCode
from mtfleet.cli.output import Output
from mtfleet.cli.server_packages import require_server_packages

EXAMPLES = (
    "mtfleet serve",
    "mtfleet serve --data-dir /var/lib/mtfleet --port 8080 --public-url https://accounts.example.com",
    "mtfleet serve --database postgresql://mtfleet@localhost/mtfleet",
)


def _option(meaning: str, default: str | None = None, name: str | None = None) -> typer.models.OptionInfo:
    names = (name,) if name else ()
    option: typer.models.OptionInfo = typer.Option(*names, help=meaning, show_default=default or False)
    return option


def serve(
    data_dir: Annotated[
        Path | None, _option("Where everything is kept; made at the first start.", ".mtfleet")
    ] = None,
    host: Annotated[str | None, _option("Address to listen on.", "127.0.0.1")] = None,
    port: Annotated[int | None, _option("Port; 0 takes a free one.", "8080")] = None,
    public_url: Annotated[str | None, _option("Address under which end users reach this server.")] = None,
    database: Annotated[str | None, _option("Database URL.", "SQLite in the data directory")] = None,
    brokers: Annotated[Path | None, _option("TOML file with more simulated brokers.")] = None,
    regions: Annotated[str | None, _option("Names of regions, by comma; the first is the default.")] = None,
    key_source: Annotated[
        str | None, _option("file, file:PATH, env:VARIABLE or command:COMMAND.", "file")
    ] = None,
    rate_limit: Annotated[int | None, _option("Most requests a minute of one user.")] = None,
    request_timeout: Annotated[
        float | None, _option("Seconds that a request may take in all.", "180")
    ] = None,
    max_upload_mib: Annotated[int | None, _option("Largest uploaded file in MiB.", "100")] = None,
    trusted_proxies: Annotated[
        str | None, _option("Reverse proxies whose forwarded addresses count.")
    ] = None,
    server_not_found_details: Annotated[
        str | None, _option("string, or object with near names.", "string")
    ] = None,
    log_format: Annotated[str | None, _option("console or json.", "console")] = None,
    log_level: Annotated[str | None, _option("debug, info, warning or error.", "info")] = None,
) -> None:
    """Run a server until Ctrl-C.

    The first start makes the master key and the administrator's token in the data directory, for their owner
    only. Every option can be given as a variable too, e.g. MTFLEET_PORT; an option wins.
    """
    flags = dict(locals())
    with ending(Output(as_json=False)):
        require_server_packages()
        from mtfleet.server import run
        from mtfleet.settings import Settings, SettingsError

        try:
            settings = Settings.read(os.environ, flags)
        except SettingsError as problem:
            raise CommandError(problem.message, ExitCode.USAGE) from problem
        raise typer.Exit(run(settings))


def add_to(app: typer.Typer, panel: str) -> None:
    """Declare the command."""
    app.command("serve", epilog=epilog(EXAMPLES), rich_help_panel=panel)(serve)
