"""Feature tables as files: ``data/processed/v<N>/NAME.parquet``, entered in the file manifest.

A table's footer says what it was made from (data set, tier, formulas, kernels), so that it can be
made again and compared. A version never changes: other content under a name gets the next number.
"""

import errno
import json
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marketlab.core import (
    Clock,
    DataNotAvailableError,
    FileLock,
    IntegrityError,
    canonical_json,
    check_name,
    content_id,
    did_you_mean,
    file_sha256,
    storage_error,
)
from marketlab.data import FileManifests

FOOTER = "marketlab"
_LOCK = ".tables.lock"


@dataclass(frozen=True)
class StoredTable:
    """One version of a table as a file.

    Attributes
    ----------
    path : the file.
    facts : what it was made from.
    is_new : False if the same content was stored before.
    """

    name: str
    version: int
    path: Path
    facts: dict[str, Any]
    is_new: bool = False
    seconds: float = 0.0

    @property
    def size_bytes(self) -> int:
        """Size of the file."""
        return self.path.stat().st_size


class TableStore:
    """The tables of one data folder (``data`` of a workspace). Safe for several processes."""

    def __init__(self, root: Path, *, clock: Clock | None = None) -> None:
        self.root = root
        self._manifests = FileManifests(root, clock=clock)

    def add(
        self,
        name: str,
        frame: Any,
        facts: dict[str, Any],
        *,
        tier: str,
        sources: tuple[str, ...] = (),
    ) -> StoredTable:
        """Store a table and return it; one that was stored before is left as it is.

        Parameters
        ----------
        facts : what it was made from; equal facts mean equal content.
        tier : as the manifest names it.
        sources : MD5s of registered raw files.

        Raises
        ------
        ConfigError for a name that is no plain name; IntegrityError if the disk is full.
        """
        check_name(name)
        started = time.monotonic()
        facts = {**facts, "table": name}
        identity = content_id(facts)
        with FileLock(self.root / _LOCK, timeout_seconds=600.0):
            versions = self.versions(name)
            for stored in versions:
                if content_id(stored.facts) == identity:
                    return stored
            version = versions[-1].version + 1 if versions else 1
            path = self.root / "processed" / f"v{version}" / f"{name}.parquet"
            if path.exists():
                raise IntegrityError(
                    f"{path} exists and is in no manifest; it is not overwritten.",
                    code="STORAGE-Exists",
                    suggestion="Move it away, then build again.",
                )
            _write(frame, path, facts)
            place = path.relative_to(self.root).as_posix()
            self._manifests.register_processed(
                name, place, version=version, tier=tier, sources=sources
            )
        seconds = time.monotonic() - started
        return StoredTable(name, version, path, facts, is_new=True, seconds=seconds)

    def versions(self, name: str) -> list[StoredTable]:
        """Return the stored versions of a table, oldest first; a file that is gone is left out."""
        return sorted((s for s in self.list() if s.name == name), key=lambda stored: stored.version)

    def list(self) -> list[StoredTable]:
        """Return every stored table, in the manifest's order.

        Raises
        ------
        IntegrityError for a manifest that is none.
        """
        with suppress(DataNotAvailableError):
            entries = self._manifests.processed().entries
            found = {e.path: e for e in entries if (self.root / e.path).is_file()}
            stored = []
            for entry in found.values():
                facts = read_facts(self.root / entry.path)
                if facts is not None:
                    stored.append(
                        StoredTable(entry.dataset, entry.version, self.root / entry.path, facts)
                    )
            return stored
        return []

    def load(self, reference: str) -> tuple[Any, StoredTable]:
        """Return frame and facts of a table by its name (newest version), NAME/vN, or its path.

        Raises
        ------
        DataNotAvailableError if there is none; IntegrityError (``INTEGRITY-DatasetAltered``) if
        the file is not the one that was stored.
        """
        import polars as pl

        stored = self._find(reference)
        entries = [
            e for e in self._manifests.processed().entries if self.root / e.path == stored.path
        ]
        found = file_sha256(stored.path)
        if found != entries[-1].sha256:
            raise IntegrityError(
                f"{stored.path} has SHA-256 {found}, not {entries[-1].sha256}.",
                code="INTEGRITY-DatasetAltered",
                suggestion="Restore the file from a copy, or delete it and build the table again.",
            )
        return pl.read_parquet(stored.path), stored

    def _find(self, reference: str) -> StoredTable:
        known = self.list()
        name, _, version = reference.partition("/v")
        found = [s for s in known if s.name == name and version in ("", str(s.version))]
        found += [s for s in known if Path(reference).resolve() == s.path.resolve()]
        if not found:
            raise DataNotAvailableError(
                f"there is no stored table {reference!r}.",
                code="DATA-UnknownTable",
                field="table",
                value=reference,
                suggestion=did_you_mean(reference, sorted({s.name for s in known}))
                if known
                else "Make one with `marketlab features build`.",
            )
        return max(found, key=lambda stored: stored.version)


def read_facts(path: Path) -> dict[str, Any] | None:
    """Return what a table's footer says it was made from, None for a file that is none of ours."""
    import polars as pl

    try:
        text = pl.read_parquet_metadata(path).get(FOOTER)
        facts = None if text is None else json.loads(text)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) and "table" in facts else None


def _write(frame: Any, path: Path, facts: dict[str, Any]) -> None:
    """Write beside and rename, so that a table is whole or absent."""
    import polars as pl

    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        # lz4 and no statistics: three times as fast as zstd, five hundredths larger on features.
        frame.write_parquet(
            scratch,
            compression="lz4",
            statistics=False,
            metadata={FOOTER: canonical_json(facts)},
        )
        scratch.replace(path)
    except OSError as error:
        raise storage_error(error, path) from error
    except pl.exceptions.PolarsError as error:
        # polars hides what the system said in its own error's text.
        number = errno.ENOSPC if f"os error {errno.ENOSPC}" in str(error) else errno.EIO
        raise storage_error(OSError(number, str(error)), path) from error
    finally:
        scratch.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()  # only if it is empty: nothing came of the first table in it
