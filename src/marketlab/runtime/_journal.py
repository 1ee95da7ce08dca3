"""What a session did, one JSON line after another, kept even if the process dies."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from marketlab.core import FileLock, IntegrityError, canonical_json, storage_error

Record = dict[str, Any]


class JournalWriter(Protocol):
    """Takes records in order."""

    def append(self, record: Mapping[str, Any]) -> None:
        """Keep one JSON-ready record."""
        ...


class MemoryJournal:
    """Records in a list, for proofs and tests; refuses what a file would refuse."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def append(self, record: Mapping[str, Any]) -> None:
        """Keep one record."""
        numbered = {"line": len(self.records) + 1, **record}
        self.records.append(json.loads(canonical_json(numbered)))


class Journal:
    """An append-only file of JSON lines, numbered from 1, flushed after each.

    A process that died while writing leaves at most one torn last line. Opening cuts it off and
    writes a line ``{"kind": "recovered", "dropped_bytes": …}``, so that the loss is on record.
    Only one process holds a journal at a time.

    Raises
    ------
    IntegrityError (``JOURNAL-Corrupt``) naming the first line that is no record or out of order;
    (``STORAGE-Full``) when the disk is full. TransientError if another process holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path.with_name(f"{path.name}.lock"), timeout_seconds=1.0)
        self._lock.__enter__()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._n_lines, dropped = _recover(path)
            self._handle = path.open("ab")
        except BaseException:
            self._lock.__exit__()
            raise
        if dropped:
            self.append({"kind": "recovered", "dropped_bytes": dropped})

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record and flush it; NaN and infinity are refused."""
        line = canonical_json({"line": self._n_lines + 1, **record}) + "\n"
        try:
            self._handle.write(line.encode())
            self._handle.flush()
        except OSError as error:
            raise storage_error(error, self.path) from error
        self._n_lines += 1

    def close(self) -> None:
        """Close the file and let others hold it."""
        self._handle.close()
        self._lock.__exit__()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()


def read_journal(path: Path) -> list[Record]:
    """Return the whole records of a journal, also while a session writes it.

    A torn last line is not a record yet and is left out.

    Raises
    ------
    IntegrityError (``JOURNAL-Corrupt``) naming the first line that is no record or out of order.
    """
    return _records(path, _whole(path.read_bytes())[0]) if path.exists() else []


def _whole(data: bytes) -> tuple[bytes, int]:
    """Return the part that ends with a newline, and how many bytes follow it."""
    end = data.rfind(b"\n") + 1
    return data[:end], len(data) - end


def _recover(path: Path) -> tuple[int, int]:
    """Cut a torn last line; return the number of whole lines and of bytes dropped."""
    if not path.exists():
        return 0, 0
    whole, torn = _whole(path.read_bytes())
    count = len(_records(path, whole))
    if torn:
        with path.open("rb+") as handle:
            handle.truncate(len(whole))
    return count, torn


def _records(path: Path, whole: bytes) -> list[Record]:
    records: list[Record] = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict) or record.get("line") != number:
            raise IntegrityError(
                f"{path}: line {number} is not record number {number} of a journal.",
                code="JOURNAL-Corrupt",
                suggestion="Keep the file as evidence and start a session with a new journal.",
            )
        records.append(record)
    return records
