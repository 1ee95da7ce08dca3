"""The one way a function is compiled, where its machine code is kept, and how all are warmed.

Numba's cache does not notice that a function called from another file was edited. So the cache
folder's name carries a hash over every source file that compiles anything: an edit of a step
changes the folder, and the next call compiles anew.
"""

import hashlib
import importlib
import os
import subprocess
import sys
import tempfile
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
    """Compile every registered kernel; yield (name, position, total) before each one starts.

    Where nothing is compiled yet and there is a second core, a second process takes its share:
    each marks what it begins by a file, one from the front of the list and one from the back.
    """
    names = sorted(_WARMUPS)
    if any(cache_folder().rglob("*.nbi")) or (os.cpu_count() or 1) < 2:
        for position, name in enumerate(names):
            yield name, position, len(names)
            _WARMUPS[name]()
        return
    with tempfile.TemporaryDirectory() as folder:
        marks = Path(folder)
        modules = ",".join(sorted({call.__module__ for call in _WARMUPS.values()}))
        program = f"from {__name__} import take_share; take_share(*__import__('sys').argv[1:])"
        arguments = [sys.executable, "-c", program, folder, modules, ",".join(names)]
        with subprocess.Popen(arguments) as helper:
            left = []
            for name in names:
                if _begun_here(marks, name):
                    yield name, len(list(marks.iterdir())) - 1, len(names)
                    _WARMUPS[name]()
                else:
                    left.append(name)
            helper.wait()
        for name in left:  # loads what the helper compiled, or compiles what it could not
            _WARMUPS[name]()


def _begun_here(marks: Path, name: str) -> bool:
    try:
        (marks / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def take_share(folder: str, modules: str, names: str) -> None:
    """Compile the warm-ups that no other process has begun (the second process of `warmup`)."""
    for module in modules.split(","):
        importlib.import_module(module)
    for name in reversed(names.split(",")):
        if _begun_here(Path(folder), name):
            _WARMUPS[name]()
