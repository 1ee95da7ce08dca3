"""The Parquet file of a stored dataset: written with a seal, read while it is being hashed.

A file's hash is remembered for this process by path, inode, size and times of change, so that
loading again costs no second look at the bytes. The time of change (ctime) cannot be set by a
program, but it has a grain: a file changed less than a second ago is therefore not remembered.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl

from marketlab.core import canonical_json, file_sha256
from marketlab.data._bars import BarFrame

_SEAL = "marketlab"
_GRAIN_NS = 1_000_000_000

_State: TypeAlias = tuple[int, int, int, int, int]
_hashes: dict[str, tuple[_State, str]] = {}


def write_sealed(bars: BarFrame, path: Path, facts: dict[str, Any]) -> None:
    """Write the bars with `facts` in the footer; one row group, so that columns come back whole."""
    bars.frame.write_parquet(
        path,
        compression="zstd",
        row_group_size=max(1, bars.n_bars),
        metadata={_SEAL: canonical_json(facts)},
    )


def read_stored(path: Path) -> tuple[Any, str]:
    """Return the frame in a file and the file's SHA-256; the frame is None if it is unreadable.

    The hash is taken at the same time as the bars are read, in a second thread.
    """
    state = _state(path)
    known = _hashes.get(str(path))
    if known is not None and known[0] == state:
        return _read(path), known[1]
    with ThreadPoolExecutor(1) as pool:
        hashing = pool.submit(file_sha256, path)
        frame = _read(path)
        found = hashing.result()
    # Remembered only if the file stood still meanwhile, and for longer than the clock's grain.
    still = _state(path) == state
    if still and time.time_ns() - max(state[3], state[4]) > _GRAIN_NS:
        _hashes[str(path)] = (state, found)
    return frame, found


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


def _state(path: Path) -> _State:
    status = path.stat()
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
