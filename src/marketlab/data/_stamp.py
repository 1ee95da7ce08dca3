"""Remembers from process to process that a file was found whole, as git's index does.

Beside a file lies a small stamp: the file's device, inode, size and times of change when it was
hashed, and the hash. While all of these are equal the file is not hashed again. An ordinary write
sets the time of change (ctime), which no program can set back. But that time has a grain: a file
written twice within it looks unchanged. So a stamp counts only if the hash was begun later than
the file's last change by more than the grain ("racily clean" otherwise), by the clock of the file
system that holds both.

What a stamp cannot see: a disk that loses bits, and a program that keeps the file mapped into its
memory and writes there. `Catalog.verify` hashes every file whatever its stamp says.

A stamp is a convenience. Where it cannot be written (a read-only catalog, a full disk) or read,
the file is hashed.
"""

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

STAMP = ".bars.stamp"
_VERSION = 1
_FINE_NS = 50_000_000  # system clocks tick every 1 to 16 ms
_COARSE_NS = 2_000_000_000  # some file systems keep whole seconds, FAT every second one

FileState: TypeAlias = tuple[int, int, int, int, int]
"""Device, inode, size, and the times of change of content and of anything, in nanoseconds."""


def file_state(path: Path) -> FileState:
    """Return what changes whenever an ordinary write changes the file; OSError if there is none."""
    status = path.stat()
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def is_settled(state: FileState, now_ns: int) -> bool:
    """Return whether at `now_ns` a further change of the file would show in its times."""
    last = max(state[3], state[4])
    # Whole microseconds are rare on a file system that keeps nanoseconds; all others count coarse.
    grain = _FINE_NS if state[4] % 1_000 else _COARSE_NS
    return now_ns - last > grain


def clock_of(folder: Path) -> int | None:
    """Return the time by the clock of the folder's file system; None if nothing can be written."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return None


def write_stamp(path: Path, state: FileState, sha256: str, begun_ns: int | None) -> None:
    """Keep the hash of a file that had `state` at `begun_ns` (`clock_of`), before it was hashed.

    Nothing is written if that was too soon after the file's last change, or the folder is closed
    to writing.
    """
    if begun_ns is None or not is_settled(state, begun_ns):
        return
    facts = {"version": _VERSION, "state": list(state), "sha256": sha256, "begun_ns": begun_ns}
    # One short write in place: whoever reads a half-written stamp hashes the file.
    with suppress(OSError):
        (path.parent / STAMP).write_bytes(json.dumps(facts).encode())


def stamped_hash(path: Path, state: FileState) -> str | None:
    """Return the hash that the stamp keeps for a file in this state; None if there is none."""
    try:
        facts: Any = json.loads((path.parent / STAMP).read_bytes())
        same = facts["version"] == _VERSION and tuple(facts["state"]) == state
        settled = is_settled(state, int(facts["begun_ns"]))
        found = str(facts["sha256"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found if same and settled else None


def drop_stamp(path: Path) -> None:
    """Forget what was known of a file, because it was found altered."""
    with suppress(OSError):
        (path.parent / STAMP).unlink(missing_ok=True)
