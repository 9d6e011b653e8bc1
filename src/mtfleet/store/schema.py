"""Bring a database to the tables of this version."""

import logging
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from mtfleet.store.tables import metadata

MIGRATIONS = Path(__file__).with_name("migrations")
# Alembic tells at level INFO what a caller of ours can't act on.
logging.getLogger("alembic").setLevel(logging.WARNING)


def migrate(connection: Connection) -> None:
    """Run the migrations that are missing, inside the connection's transaction."""
    script = ScriptDirectory(str(MIGRATIONS))
    environment = EnvironmentContext(
        Config(),
        script,
        fn=lambda revision, _: script._upgrade_revs("head", revision),
        destination_rev="head",
    )
    with environment:
        environment.configure(connection=connection, target_metadata=metadata)
        environment.run_migrations()
