"""The only place that calls what differs between operating systems."""

import contextlib
import os
import sys
from pathlib import Path


def lock_exclusive(descriptor: int, *, wait: bool) -> bool:
    """Take an exclusive lock on an open file; return False if it is held and `wait` is False."""
    if sys.platform == "win32":
        import msvcrt

        mode = msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK
        try:
            msvcrt.locking(descriptor, mode, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def unlock(descriptor: int) -> None:
    """Release a lock taken by `lock_exclusive`."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        return
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_UN)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable where the system can (a no-op on Windows)."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def point_link(link: Path, target: Path) -> None:
    """Make `link` point at `target` atomically; a text file stands in where links are refused."""
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    try:
        temporary.symlink_to(os.path.relpath(target, link.parent), target_is_directory=True)
    except OSError:
        temporary.write_text(str(target), encoding="utf-8")
    temporary.replace(link)


def usable_cores() -> int:
    """Return how many cores this process may use (affinity counted where the system tells)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
