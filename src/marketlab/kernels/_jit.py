"""The one way a function is compiled, where its machine code is kept, and how all are warmed.

Numba's cache does not notice that a function called from another file was edited. So the cache
folder's name carries a hash over every source file that compiles anything: an edit of a step
changes the folder, and the next call compiles anew.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

import numba

import marketlab

F = TypeVar("F", bound=Callable[..., object])


@cache
def kernel_sources_hash() -> str:
    """Return 16 hex digits over all package files that hold compiled functions."""
    root = Path(marketlab.__file__).parent
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(root.rglob("*.py")):
        source = path.read_bytes()
        if b"@jit" in source:
            digest.update(str(path.relative_to(root)).encode())
            digest.update(source)
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Return where machine code is kept: ``$MARKETLAB_CACHE`` or the user's cache folder."""
    base = os.environ.get("MARKETLAB_CACHE")
    root = Path(base) if base else Path.home() / ".cache" / "marketlab"
    return root / f"kernels-{kernel_sources_hash()}"


numba.config.CACHE_DIR = str(cache_folder())
# Vector and scalar exponentials of that library differ in the last bit; batch must equal stream.
numba.config.DISABLE_INTEL_SVML = True


def jit(function: F) -> F:
    """Compile on first call: GIL released, IEEE arithmetic (no fast-math), cached on disk."""
    compiled = numba.njit(nogil=True, cache=True, fastmath=False, error_model="numpy")(function)
    return cast("F", compiled)


_WARMUPS: dict[str, Callable[[], object]] = {}


def register_warmup(name: str) -> Callable[[F], F]:
    """Return a decorator that registers a small call which compiles everything in one file."""

    def add(function: F) -> F:
        if name in _WARMUPS:
            raise AssertionError(f"warm-up {name!r} is registered twice")
        _WARMUPS[name] = function
        return function

    return add


def warmup() -> Iterator[tuple[str, int, int]]:
    """Compile every registered kernel; yield (name, position, total) before each one starts."""
    total = len(_WARMUPS)
    for position, (name, call) in enumerate(sorted(_WARMUPS.items())):
        yield name, position, total
        call()
