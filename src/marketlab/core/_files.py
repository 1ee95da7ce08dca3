"""Files that are whole or absent, names that stay inside the workspace, one lock helper."""

import contextlib
import errno
import hashlib
import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from marketlab.core import _platform
from marketlab.core._config import canonical_json
from marketlab.core._errors import ConfigError, IntegrityError, TransientError

NAME_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_name(name: str, *, field: str = "name") -> str:
    """Return `name` if it is safe as one path part.

    Raises
    ------
    ConfigError unless it is a letter or digit followed by letters, digits, ``.``, ``_``, ``-``,
    without ``..`` and at most 120 characters.
    """
    if not NAME_RULE.fullmatch(name) or ".." in name or len(name) > 120:
        raise ConfigError(
            f"a name is a letter or digit, then letters, digits, '.', '_' or '-', without '..', "
            f"at most 120 characters; received {name!r}.",
            code="CONFIG-InvalidName",
            field=field,
            value=name,
            suggestion="Rename it; folders are chosen by the workspace, not by the name.",
        )
    return name


def inside(root: Path, *parts: str | Path) -> Path:
    """Return the path `root`/`parts`, refusing one that leaves `root`.

    Raises
    ------
    ConfigError if the resolved path lies outside the resolved `root`.
    """
    base = root.resolve()
    path = base.joinpath(*parts).resolve()
    if path != base and base not in path.parents:
        raise ConfigError(
            f"the path {'/'.join(str(p) for p in parts)!r} leaves the workspace {str(base)!r}.",
            code="CONFIG-PathOutsideWorkspace",
            value=str(path),
            suggestion="Give a path inside the workspace.",
        )
    return path


def atomic_write(path: Path, data: bytes | str, *, durable: bool = True) -> None:
    """Write `data` so that a reader sees the old file or the whole new one, even after a crash.

    With ``durable=False`` the system may delay the bytes: still whole or absent after a killed
    process, but not after a power cut. Meant for files rewritten every epoch.

    Raises
    ------
    IntegrityError (``STORAGE-Full``) when the disk is full; the old file is left as it was.
    """
    payload = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as handle:
            handle.write(payload)
            if durable:
                handle.flush()
                os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise storage_error(error, path) from error
    if durable:
        _platform.sync_folder(path.parent)


def storage_error(error: OSError, path: Path) -> IntegrityError:
    """Return the one clear error for a file that could not be written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return IntegrityError(
            f"the disk is full: {path} was not written; what stood there before is unchanged.",
            code="STORAGE-Full",
            suggestion="Free some space, then resume: finished work is kept.",
        )
    return IntegrityError(
        f"{path} could not be written: {error.strerror or error}.",
        code="STORAGE-WriteFailed",
        suggestion="Check that the folder exists and may be written.",
    )


def write_json(path: Path, value: Any, *, indent: int | None = 2, durable: bool = True) -> None:
    """Write `value` as JSON atomically; NaN and infinity are refused, never written."""
    text = canonical_json(value)
    if indent is not None:
        text = json.dumps(json.loads(text), indent=indent, ensure_ascii=False)
    atomic_write(path, text + "\n", durable=durable)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    IntegrityError if the file is missing or not valid JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise IntegrityError(
            f"{path} cannot be read as JSON: {error}.",
            code="STORAGE-Corrupt",
            suggestion="Restore the file, or delete it and run its producer again.",
        ) from error


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


class FileLock:
    """An exclusive lock between processes, released by the system when its holder dies.

    Raises `TransientError` on entry if the lock is not had within `timeout_seconds`.
    """

    def __init__(self, path: Path, *, timeout_seconds: float = 30.0) -> None:
        self.path = path
        self.timeout_seconds = timeout_seconds
        self._descriptor: int | None = None

    @staticmethod
    def is_held(path: Path) -> bool:
        """Return whether a process holds the lock at `path`; nothing is created."""
        if not path.is_file():
            return False
        try:
            with FileLock(path, timeout_seconds=0.0):
                return False
        except TransientError:
            return True

    def __enter__(self) -> "FileLock":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        deadline = time.monotonic() + self.timeout_seconds
        while not _platform.lock_exclusive(descriptor, wait=False):
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise TransientError(
                    f"{self.path} is locked by another marketlab process.",
                    code="STORAGE-Locked",
                    suggestion="Wait for it to end, or stop it, then try again.",
                )
            time.sleep(0.02)
        self._descriptor = descriptor
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            _platform.unlock(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None


@contextlib.contextmanager
def atomic_folder(final: Path) -> Iterator[Path]:
    """Yield a scratch folder that becomes `final` when the block ends without an error.

    `final` must not exist: a stored thing is never overwritten.
    """
    if final.exists():
        raise IntegrityError(
            f"{final} exists already and is never overwritten.", code="STORAGE-Exists"
        )
    scratch = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.tmp")
    scratch.mkdir(parents=True)
    try:
        yield scratch
        scratch.replace(final)
    except OSError as error:
        raise storage_error(error, final) from error
    finally:
        if scratch.exists():
            import shutil

            shutil.rmtree(scratch, ignore_errors=True)
    _platform.sync_folder(final.parent)
