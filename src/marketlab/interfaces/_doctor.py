"""What could stand in the way on this machine, each with its remedy; nothing is changed."""

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from marketlab.campaigns import Workspace

State = Literal["ok", "warn", "fail"]

_GIB = 1024**3
_LOW_MEMORY_BYTES = 2 * _GIB
_LOW_DISK_BYTES = 2 * _GIB
_NO_DISK_BYTES = _GIB // 4


@dataclass(frozen=True)
class Finding:
    """One line of the examination; ``remedy`` is None where all is well."""

    subject: str
    state: State
    message: str
    remedy: str | None = None


def diagnose(workspace: "Workspace", *, port: int = 8000) -> list[Finding]:
    """Look at interpreter, libraries, machine, caches, data, workspace and port."""
    return [
        _python(),
        *_libraries(),
        _cores(),
        _memory(),
        _disk(workspace.root),
        _kernels(),
        _torch(),
        _bundled(),
        _workspace(workspace),
        _ledger(workspace),
        _port(port),
    ]


def _python() -> Finding:
    version = sys.version.split()[0]
    return Finding("Python", "ok", version)


def _libraries() -> list[Finding]:
    from marketlab.core import environment

    facts = environment()
    names = [n for n in ("marketlab", "numpy", "numba", "polars") if n in facts]
    return [Finding("Versions", "ok", ", ".join(f"{n} {facts[n]}" for n in names))]


def _cores() -> Finding:
    from marketlab.core import usable_cores
    from marketlab.interfaces._session import default_workers

    return Finding(
        "Cores", "ok", f"{usable_cores()} usable; {default_workers()} workers by default"
    )


def _memory() -> Finding:
    import psutil

    free = int(psutil.virtual_memory().available)
    text = f"{free / _GIB:.1f} GiB available"
    if free < _LOW_MEMORY_BYTES:
        return Finding("Memory", "warn", text, "Use fewer --workers, each takes about 0.3 GiB.")
    return Finding("Memory", "ok", text)


def _disk(root: Path) -> Finding:
    import shutil

    place = next(path for path in (root, *root.parents) if path.exists())
    free = shutil.disk_usage(place).free
    text = f"{free / _GIB:.1f} GiB free at {place}"
    if free < _NO_DISK_BYTES:
        return Finding("Disk", "fail", text, "Free some space, or use another --workspace.")
    if free < _LOW_DISK_BYTES:
        return Finding("Disk", "warn", text, "Free some space before a large campaign.")
    return Finding("Disk", "ok", text)


def _kernels() -> Finding:
    from marketlab.kernels import cache_folder

    folder = cache_folder()
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(place, os.W_OK):
        return Finding(
            "Kernel cache",
            "fail",
            f"{folder} cannot be written",
            "Set MARKETLAB_CACHE to a folder that can.",
        )
    compiled = len(list(folder.rglob("*.nbc"))) if folder.is_dir() else 0
    if not compiled:
        return Finding(
            "Kernel cache",
            "warn",
            f"{folder} is empty; the first run compiles for half a minute",
            "Run `marketlab warmup` once.",
        )
    return Finding("Kernel cache", "ok", f"{compiled} compiled functions in {folder}")


def _torch() -> Finding:
    from importlib import metadata

    try:
        return Finding("PyTorch", "ok", f"{metadata.version('torch')} (only `backend: torch`)")
    except metadata.PackageNotFoundError:
        return Finding("PyTorch", "ok", "not installed; only `backend: torch` needs it")


def _bundled() -> Finding:
    from marketlab.core import MarketLabError
    from marketlab.data import BUNDLED, load_bundled

    missing = []
    for name in BUNDLED.names():
        try:
            load_bundled(name)
        except MarketLabError:
            missing.append(name)
    if missing:
        return Finding(
            "Bundled data",
            "warn",
            f"not fetched: {', '.join(missing)}",
            "Run `marketlab data fetch-bundled`.",
        )
    return Finding("Bundled data", "ok", ", ".join(BUNDLED.names()))


def _workspace(workspace: "Workspace") -> Finding:
    root = workspace.root
    if not root.exists():
        return Finding(
            "Workspace",
            "warn",
            f"there is none at {root}",
            "Run `marketlab init`, or give --workspace.",
        )
    if not (root / "strategies").is_dir():
        return Finding(
            "Workspace",
            "warn",
            f"{root} is no workspace yet",
            "Run `marketlab init`, or give --workspace.",
        )
    if not os.access(root, os.W_OK):
        return Finding("Workspace", "fail", f"{root} cannot be written", "Change its permissions.")
    return Finding("Workspace", "ok", str(root))


def _ledger(workspace: "Workspace") -> Finding:
    if not (workspace.root / "strategies").is_dir():
        return Finding("Ledger", "ok", "made together with the workspace")
    from marketlab.core import MarketLabError
    from marketlab.interfaces._session import ACTIVE, steering_session

    try:
        with steering_session(workspace) as session:
            _, total = session.ledger.list_operations(limit=1)
            _, active = session.ledger.list_operations(statuses=ACTIVE, limit=1)
    except MarketLabError as error:
        return Finding("Ledger", "fail", str(error), error.suggestion or "Restore a backup.")
    except Exception as error:  # whatever the database says is a finding here, not a crash
        return Finding(
            "Ledger",
            "fail",
            f"{type(error).__name__}: {error}",
            "Check DB_URL, or move marketlab.db away and restore a backup.",
        )
    return Finding("Ledger", "ok", f"{total} operations, {active} active")


def _port(port: int) -> Finding:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return Finding(
                "Port",
                "warn",
                f"{port} is not free: {error.strerror}",
                "Serve on another: `marketlab serve --port 8001`.",
            )
    return Finding("Port", "ok", f"{port} is free")


def findings_mapping(findings: list[Finding]) -> dict[str, Any]:
    """Return the examination JSON-ready; ``ok`` unless something fails."""
    return {
        "ok": all(f.state != "fail" for f in findings),
        "findings": [f.__dict__ for f in findings],
    }
