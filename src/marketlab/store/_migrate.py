"""Brings a database to the tables that this version of marketlab expects."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from marketlab.core import IntegrityError
from marketlab.store._store import Store

if TYPE_CHECKING:
    from alembic.config import Config

_FOLDER = Path(__file__).parent / "migrations"
# Any fixed number: it names our lock among the advisory locks of a PostgreSQL database.
_ADVISORY_LOCK = 4_713_021_977
# Alembic keeps its running context in a global, so one thread at a time.
_ONE_THREAD = threading.Lock()


def migrate(store: Store) -> str:
    """Apply the migrations that the database lacks, all or none, and return its revision.

    Safe to call always, from several processes at once: one works, the others wait and find
    nothing left to do. A database that is up to date is only read.

    Raises
    ------
    IntegrityError (``STORE-NewerDatabase``) if the database has a revision that this version of
    marketlab does not know; other errors as in `Store.begin`.
    """
    from alembic import command
    from alembic.script import ScriptDirectory

    config = _config()
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head() or ""
    known = {script.revision for script in scripts.walk_revisions()}
    with store.connect() as connection:
        if _revision(connection, known, store.address) == head:
            return head
    with _ONE_THREAD, store.begin() as connection:
        if not store.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        _revision(connection, known, store.address)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return head


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config


def _revision(connection: Connection, known: set[str], address: str) -> str | None:
    """Return the database's revision, None for an empty one; refuse one that we do not know."""
    from alembic.migration import MigrationContext

    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is not None and revision not in known:
        raise IntegrityError(
            f"the database {address} has revision {revision!r}, which this version of marketlab "
            f"does not know; it knows {', '.join(sorted(known))}.",
            code="STORE-NewerDatabase",
            suggestion="Update marketlab, or use another workspace.",
        )
    return revision
