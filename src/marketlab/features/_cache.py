"""Computed features kept by content: written once, read by every process as mapped memory.

An entry is a folder named by its key with ``values.npy`` (n_columns, n_bars) and ``entry.json``.
It is published whole by a rename. On opening, the size of the values is checked, and their SHA-256
unless this process has checked that very file before; an entry that fails is made again.
"""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from marketlab.core import (
    ConfigError,
    FileLock,
    FloatArray,
    MarketLabError,
    atomic_folder,
    file_sha256,
    read_json,
    storage_error,
    write_json,
)

LIMIT_VARIABLE = "MARKETLAB_FEATURE_CACHE_GB"
_DEFAULT_GB = 4.0
_VALUES = "values.npy"
_ENTRY = "entry.json"
_ABANDONED_SECONDS = 3600.0
_State = tuple[int, int, int, int]
_checked: dict[str, _State] = {}


@dataclass(frozen=True, eq=False)
class Cached:
    """Values from a cache.

    Attributes
    ----------
    values : (n_columns, n_bars) float64, read-only, mapped from the file.
    was_there : whether nothing had to be computed.
    notes : what happened besides, in sentences: entries made again, pushed out, not kept.
    """

    values: FloatArray
    was_there: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CacheEntry:
    """One entry: what it holds, its size, when it was used last (seconds since 1970)."""

    key: str
    about: str
    shape: tuple[int, int]
    size_bytes: int
    used_at: float


def cache_limit_bytes() -> int:
    """Return the size to which a cache may grow: ``MARKETLAB_FEATURE_CACHE_GB``, else 4 GB.

    Raises
    ------
    ConfigError if that is no number of at least 0.
    """
    text = os.environ.get(LIMIT_VARIABLE, "")
    try:
        limit = float(text) if text else _DEFAULT_GB
    except ValueError:
        limit = -1.0
    if not 0.0 <= limit < 1e6:
        raise ConfigError(
            f"{LIMIT_VARIABLE} must be a number of gigabytes of at least 0; received {text!r}.",
            code="CONFIG-OutOfRange",
            field=LIMIT_VARIABLE,
            value=text,
            suggestion="For example 4; 0 keeps nothing.",
        )
    return int(limit * 1e9)


class FeatureCache:
    """The cache in one folder. Safe for several processes.

    Parameters
    ----------
    root : its folder; made when something is stored.
    limit_bytes : size above which the entries used longest ago go (None: `cache_limit_bytes`).
    """

    def __init__(self, root: Path, *, limit_bytes: int | None = None) -> None:
        self.root = root
        self.limit_bytes = cache_limit_bytes() if limit_bytes is None else limit_bytes

    def get(self, key: str, make: Callable[[], FloatArray], *, about: str) -> Cached:
        """Return the values of `key`; `make` computes them if they are not there or not whole.

        Parameters
        ----------
        key : identity of content and computation, hexadecimal (see `table_key`).
        about : what it is, in words, for `entries`.

        Raises
        ------
        What `make` raises. A disk that is full costs the entry only, and is noted.
        """
        found = self._open(key)
        if isinstance(found, np.ndarray):
            return Cached(found, was_there=True)
        with FileLock(self.root / f".{key[:2]}.lock", timeout_seconds=3600.0):
            again = self._open(key)  # another process may have made it meanwhile
            if isinstance(again, np.ndarray):
                return Cached(again, was_there=True)
            notes = []
            if again is not None:
                notes.append(f"{again} It is computed again.")
                shutil.rmtree(self.root / key, ignore_errors=True)
            values = np.ascontiguousarray(make(), dtype=np.float64)
            notes += self._store(key, values, about)
        mapped = self._open(key)
        kept = mapped if isinstance(mapped, np.ndarray) else values
        return Cached(kept, was_there=False, notes=tuple(notes))

    def entries(self) -> list[CacheEntry]:
        """Return all entries, the one used last first."""
        found = []
        for path in self.root.glob(f"*/{_ENTRY}") if self.root.is_dir() else []:
            if path.parent.name.startswith("."):
                continue
            try:
                facts, used = read_json(path), path.stat().st_mtime
                size = (path.parent / _VALUES).stat().st_size
                shape = (int(facts["shape"][0]), int(facts["shape"][1]))
                entry = CacheEntry(path.parent.name, str(facts["about"]), shape, size, used)
            except (MarketLabError, OSError, KeyError, TypeError, ValueError):
                size = sum(file.stat().st_size for file in path.parent.iterdir())
                entry = CacheEntry(path.parent.name, "not readable", (0, 0), size, 0.0)
            found.append(entry)
        return sorted(found, key=lambda entry: -entry.used_at)

    def clear(self) -> int:
        """Delete every entry and return how many there were. Who has one open keeps it."""
        self._sweep()
        entries = self.entries()
        for entry in entries:
            shutil.rmtree(self.root / entry.key, ignore_errors=True)
        return len(entries)

    def _sweep(self) -> None:
        """Delete what writers left who were killed more than an hour ago."""
        for path in self.root.glob(".*.tmp") if self.root.is_dir() else []:
            if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(path, ignore_errors=True)

    def _open(self, key: str) -> FloatArray | str | None:
        """Return the mapped values, None if there are none, or what is wrong with them."""
        folder = self.root / key
        if not (folder / _ENTRY).is_file():
            return None
        try:
            facts = read_json(folder / _ENTRY)
            path = folder / _VALUES
            problem = _problem(path, facts)
            if problem is not None:
                return f"The cached features {path} {problem}."
            values: FloatArray = np.load(path, mmap_mode="r", allow_pickle=False)
            if list(values.shape) != facts["shape"] or values.dtype != np.float64:
                return f"The cached features {path} have another shape than stored."
            os.utime(folder / _ENTRY)
        except (MarketLabError, OSError, KeyError, TypeError, ValueError) as error:
            return f"The cached features in {folder} cannot be read ({type(error).__name__})."
        return values

    def _store(self, key: str, values: FloatArray, about: str) -> list[str]:
        size = values.nbytes
        if size > self.limit_bytes:
            return [
                (
                    f"The features ({size / 1e6:.0f} MB) are not kept: the cache may hold "
                    f"{self.limit_bytes / 1e6:.0f} MB ({LIMIT_VARIABLE})."
                )
            ]
        with FileLock(self.root / ".evict.lock", timeout_seconds=600.0):
            notes = self._evict(size)
        try:
            with atomic_folder(self.root / key) as scratch:
                np.save(scratch / _VALUES, values, allow_pickle=False)
                digest = file_sha256(scratch / _VALUES)
                facts = {
                    "about": about,
                    "shape": list(values.shape),
                    "size": (scratch / _VALUES).stat().st_size,
                    "sha256": digest,
                }
                write_json(scratch / _ENTRY, facts, durable=False)
        except (OSError, MarketLabError) as error:
            said = storage_error(error, self.root) if isinstance(error, OSError) else error
            return [*notes, f"The features are not kept: {said.message}"]
        return notes

    def _evict(self, needed: int) -> list[str]:
        """Delete the entries used longest ago until `needed` bytes fit; return what went."""
        self._sweep()
        entries = self.entries()
        total = sum(entry.size_bytes for entry in entries)
        notes = []
        for entry in reversed(entries):
            if total + needed <= self.limit_bytes:
                break
            shutil.rmtree(self.root / entry.key, ignore_errors=True)
            total -= entry.size_bytes
            notes.append(
                f"The cache is full ({self.limit_bytes / 1e6:.0f} MB): {entry.about} "
                f"({entry.size_bytes / 1e6:.0f} MB, used longest ago) was deleted."
            )
        return notes


def _problem(path: Path, facts: dict[str, Any]) -> str | None:
    status = path.stat()
    if status.st_size != facts["size"]:
        return f"hold {status.st_size} bytes, not {facts['size']}"
    state = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if _checked.get(str(path)) == state:
        return None
    if file_sha256(path) != facts["sha256"]:
        return "are not those that were stored (another SHA-256)"
    _checked[str(path)] = state
    return None
