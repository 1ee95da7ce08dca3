"""Which code and which machine produced a result."""

import hashlib
import platform
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import marketlab


@cache
def code_version() -> str:
    """Return ``<version>+<hash>``: SHA-256 (12 digits) over the package's own sources."""
    root = Path(marketlab.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return f"{marketlab.__version__}+{digest.hexdigest()[:12]}"


@cache
def _version_of(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def environment() -> dict[str, str]:
    """Return interpreter, machine and the versions of the libraries that make numbers."""
    facts = {
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
        "marketlab": code_version(),
    }
    for name in ("numpy", "numba", "polars", "torch"):
        version = _version_of(name)
        if version is not None:
            facts[name] = version
    return facts
