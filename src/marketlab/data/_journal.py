"""The record of a fetch: one small SQLite file beside the chunks it tells of.

A chunk's file is written before its row, so that a row always has its file; the hash in the row
says whether the file is still the one that was written. Readers need no lock.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from marketlab.core import IntegrityError, storage_error

JOURNAL = "journal.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS chunks (
    name TEXT PRIMARY KEY, state TEXT NOT NULL, attempts INTEGER NOT NULL,
    n_rows INTEGER NOT NULL, first_time TEXT, last_time TEXT, duplicates INTEGER NOT NULL,
    outside INTEGER NOT NULL, sha256 TEXT, seconds REAL NOT NULL, skew_seconds REAL NOT NULL,
    target TEXT NOT NULL, finished_at TEXT NOT NULL, error TEXT);
CREATE TABLE IF NOT EXISTS fetches (plan_id TEXT PRIMARY KEY, updated_at REAL, facts TEXT);
"""


@dataclass(frozen=True, kw_only=True)
class ChunkRecord:
    """One finished chunk: state `done`, `empty` (confirmed) or `failed`; times ISO 8601, UTC."""

    name: str
    state: str
    attempts: int
    n_rows: int = 0
    first_time: str | None = None
    last_time: str | None = None
    duplicates: int = 0
    outside: int = 0
    sha256: str | None = None
    seconds: float = 0.0
    skew_seconds: float = 0.0
    target: str
    finished_at: str
    error: str | None = None


_NAMES = [each.name for each in fields(ChunkRecord)]
_INSERT = (
    f"INSERT OR REPLACE INTO chunks ({', '.join(_NAMES)}) "
    f"VALUES ({', '.join(':' + name for name in _NAMES)})"
)


class ChunkJournal:
    """The journal in `folder`; made if absent. Used by one thread."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL
        with self._guarded():
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self.path, timeout=10.0, isolation_level=None)
            # The file's hash, not the disk's order of writes, says what is there after a crash.
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.executescript(_SCHEMA)

    def record(self, chunk: ChunkRecord) -> None:
        """Write one chunk, replacing what was known of it.

        Raises
        ------
        IntegrityError if the disk is full.
        """
        with self._guarded():
            self._database.execute(_INSERT, vars(chunk))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write what the block records in one transaction, whole or, if it is killed, not at all.

        What was recorded stays if the block raises.
        """
        with self._guarded():
            self._database.execute("BEGIN")
        try:
            yield
        finally:
            if self._database.in_transaction:  # a full disk ends it
                with self._guarded():
                    self._database.execute("COMMIT")

    def records(self) -> dict[str, ChunkRecord]:
        """Return all chunks by name."""
        with self._guarded():
            return _records(self._database)

    def tell(self, plan_id: str, facts: dict[str, Any], *, now: float) -> None:
        """Write how a fetch stands, for those who look from outside (`now` in epoch seconds)."""
        with self._guarded():
            self._database.execute(
                "INSERT OR REPLACE INTO fetches VALUES (?, ?, ?)", (plan_id, now, json.dumps(facts))
            )

    def export_lines(self) -> str:
        """Return the chunks as JSON lines, by name."""
        return "".join(
            json.dumps(vars(chunk), sort_keys=True) + "\n"
            for _, chunk in sorted(self.records().items())
        )

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise storage_error(error, self.path) from error
        except sqlite3.Error as error:
            if "full" in str(error):
                raise IntegrityError(
                    f"the disk is full: {self.path} was not written.",
                    code="STORAGE-Full",
                    suggestion="Free some space, then resume: finished chunks are kept.",
                ) from error
            raise IntegrityError(
                f"{self.path} cannot be used: {error}.",
                code="STORAGE-Corrupt",
                suggestion="Move it away and fetch again; it is made anew.",
            ) from error


def read_journals(raw: Path) -> list[dict[str, Any]]:
    """Return how every fetch under the folder `raw` stands, the one written last coming last.

    Nothing is written and no lock is taken, so a running fetch is not disturbed.
    """
    found: list[dict[str, Any]] = []
    for path in sorted(raw.glob(f"*/*/{JOURNAL}")):
        try:
            database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)
            try:
                made = "SELECT 1 FROM sqlite_master WHERE name = 'fetches'"
                if database.execute(made).fetchone() is None:
                    continue  # its fetch is making it at this moment
                rows = database.execute("SELECT plan_id, updated_at, facts FROM fetches").fetchall()
            finally:
                database.close()
        except sqlite3.Error as error:
            raise IntegrityError(f"{path} cannot be read: {error}.", code="STORAGE-Corrupt") from (
                error
            )
        found += [
            {"plan_id": plan, "updated_at": at, "folder": str(path.parent), **json.loads(facts)}
            for plan, at, facts in rows
        ]
    return sorted(found, key=lambda facts: float(facts["updated_at"]))


def _records(database: sqlite3.Connection) -> dict[str, ChunkRecord]:
    cursor = database.execute("SELECT * FROM chunks")
    names = [item[0] for item in cursor.description]
    found = [ChunkRecord(**dict(zip(names, row, strict=True))) for row in cursor]
    return {chunk.name: chunk for chunk in found}
