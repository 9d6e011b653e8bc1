"""Changes of the tables, oldest first.

A database with a revision that is not listed was made by a newer version.

The list is here beside the files, so that a start with nothing to migrate need not load Alembic.
"""

REVISIONS: tuple[str, ...] = ("0001",)
