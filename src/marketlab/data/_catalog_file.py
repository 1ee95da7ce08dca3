"""The Parquet file of a stored dataset: written with a seal, read while it is being hashed.

A file's hash is remembered for this process, and in a stamp beside the file for later ones, by
device, inode, size and times of change; see `_stamp.py` for what that is worth.
"""

import errno
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl

from marketlab.core import canonical_json, file_sha256
from marketlab.data._bars import BarFrame
from marketlab.data._stamp import (
    FileState,
    clock_of,
    drop_stamp,
    file_state,
    is_settled,
    stamped_hash,
    write_stamp,
)

_SEAL = "marketlab"

_hashes: dict[str, tuple[FileState, str]] = {}


def write_sealed(bars: BarFrame, path: Path, facts: dict[str, Any]) -> None:
    """Write the bars with `facts` in the footer; one row group, so that columns come back whole.

    Raises
    ------
    OSError with the system's number, however the writing library dressed it up.
    """
    try:
        bars.frame.write_parquet(
            path,
            compression="zstd",
            row_group_size=max(1, bars.n_bars),
            metadata={_SEAL: canonical_json(facts)},
        )
    except pl.exceptions.PolarsError as error:
        # polars hides what the system said in its own error's text.
        number = errno.ENOSPC if f"os error {errno.ENOSPC}" in str(error) else errno.EIO
        raise OSError(number, str(error)) from error


def read_stored(path: Path) -> tuple[Any, str]:
    """Return the frame in a file and the file's SHA-256; the frame is None if it is unreadable.

    Where no hash is known, it is taken while the bars are read, in a second thread.
    """
    state = file_state(path)
    found = _known_hash(path, state)
    if found is not None:
        frame = _read(path)
        if file_state(path) == state:
            _hashes[str(path)] = (state, found)
            return frame, found
        state = file_state(path)
    begun, begun_here = clock_of(path.parent), time.time_ns()
    with ThreadPoolExecutor(1) as pool:
        hashing = pool.submit(file_sha256, path)
        frame = _read(path)
        found = hashing.result()
    # Remembered only if the file stood still meanwhile, and for longer than the clock's grain.
    if file_state(path) == state:
        write_stamp(path, state, found, begun)
        if is_settled(state, begun_here):
            _hashes[str(path)] = (state, found)
    return frame, found


def stamp_new(path: Path, sha256: str) -> None:
    """Stamp a file that this process has just written and hashed in a folder of its own.

    Nobody else knows the folder yet, so the time after the hash may stand for that before it.
    """
    write_stamp(path, file_state(path), sha256, clock_of(path.parent))


def forget(path: Path) -> None:
    """Drop what this process and the stamp know of a file, so that the next load hashes it."""
    _hashes.pop(str(path), None)
    drop_stamp(path)


def _known_hash(path: Path, state: FileState) -> str | None:
    known = _hashes.get(str(path))
    if known is not None and known[0] == state:
        return known[1]
    return stamped_hash(path, state)


def seal_problem(path: Path, facts: dict[str, Any]) -> str | None:
    """Return how the file's seal, or else its bars, differ from a manifest's `facts`."""
    try:
        seal = pl.read_parquet_metadata(path).get(_SEAL)
        if seal is None:
            return _content_problem(path, facts)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        return f"cannot be read: {str(error).splitlines()[0]}."
    said, stored = json.loads(canonical_json(facts)), json.loads(seal)
    if said == stored:
        return None
    differ = [name for name in stored if said.get(name) != stored[name]]
    if "dataset_id" in differ:
        return f"holds the bars {stored['dataset_id']}, not {said['dataset_id']}."
    name = differ[0] if differ else "a fact"
    return (
        f"was stored with {name} {stored.get(name)!r}, and the manifest, changed since, says "
        f"{said.get(name)!r}."
    )


def _content_problem(path: Path, facts: dict[str, Any]) -> str | None:
    names = ("symbol", "timeframe", "source", "has_volume")
    bars = BarFrame.build(pl.read_parquet(path), **{name: facts[name] for name in names})
    if bars.dataset_id != facts["dataset_id"]:
        return f"holds the bars {bars.dataset_id}, not {facts['dataset_id']}."
    return None


def _read(path: Path) -> Any:
    try:
        # Bytes that are no Parquet any more; their hash is what the reader will be told.
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, MemoryError):
        return None
