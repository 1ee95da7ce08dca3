"""The database: one engine, one description of tables, one chain of migrations."""

from marketlab.store._metadata import metadata
from marketlab.store._migrate import migrate
from marketlab.store._store import Store

__all__ = ["Store", "metadata", "migrate"]
