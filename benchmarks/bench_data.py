"""Speed of the data floor: made-up markets into the catalog, and back; all in one run.

Run: ``python benchmarks/bench_data.py [bars]``. One JSON line per measure. Machines are shared, so
what is compared is timed in turns and the median of each counts; the ratios are what to trust.
The first load is that of a new process which has imported its modules, beside a bare read in
another such process; the file was stamped when it was stored. Without the stamp (a file that was
copied, say) it is hashed beside the reading. The file lies in the page cache. Synthetic inputs.
"""

import hashlib
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from marketlab.core import code_version
from marketlab.data import Catalog, iter_synthetic_market, market_recipe
from marketlab.data import _catalog_file as catalog_file

TURNS = 9
TARGET_SECONDS, TARGET_GB, TARGET_RATIO = 60.0, 2.0, 1.5
SETUP = "import pathlib, sys, time\nimport polars\nfrom marketlab.data import Catalog"
BARE = "polars.read_parquet(sys.argv[1])"
LOAD = (
    "bars = Catalog(pathlib.Path(sys.argv[2])).load(sys.argv[3])\n"
    "arrays = bars.arrays(), bars.time_ns, bars.close_time_ns"
)


def show(measure: str, **facts: Any) -> None:
    """Print one measure."""
    print(json.dumps({"measure": measure, **facts}), flush=True)


def in_turns(*calls: Callable[[], Any]) -> list[float]:
    """Return the median seconds of each call, timed in turns after one turn to warm up."""
    seconds: list[list[float]] = [[] for _ in calls]
    for turn in range(TURNS + 1):
        for kept, call in zip(seconds, calls, strict=True):
            start = time.perf_counter()
            result = call()
            if turn:
                kept.append(time.perf_counter() - start)
            del result
    return [statistics.median(kept) for kept in seconds]


def bench_write(catalog: Catalog, n_bars: int) -> str:
    """Generate, validate and store the three symbols of the recipe; return one id."""
    start = time.perf_counter()
    config = market_recipe("planted").model_copy(update={"n_bars": n_bars})
    ids = [catalog.add(bars) for bars in iter_synthetic_market(config)]
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    show(
        "generate_validate_write",
        symbols=len(ids),
        bars=n_bars,
        seconds=round(seconds, 2),
        target_seconds=TARGET_SECONDS,
        peak_gb=round(peak, 2),
        target_gb=TARGET_GB,
        ok=seconds < TARGET_SECONDS and peak < TARGET_GB,
    )
    return ids[0]


def in_new_process(body: str, *arguments: str) -> float:
    """Return the seconds that `body` takes in a process that has imported all it needs."""
    code = f"{SETUP}\nstart = time.perf_counter()\n{body}\nprint(time.perf_counter() - start)"
    command = [sys.executable, "-c", code, *arguments]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def show_ratio(measure: str, seconds: float, bare: float) -> None:
    """Print how a load compares with a bare read."""
    ratio = seconds / bare
    facts = {"seconds": round(seconds, 3), "bare_read_parquet_seconds": round(bare, 3)}
    show(measure, **facts, ratio=round(ratio, 2), target=TARGET_RATIO, ok=ratio < TARGET_RATIO)


def bench_read(catalog: Catalog, dataset_id: str) -> None:
    """Read one dataset into arrays, against a bare read of the same file."""
    (path,) = catalog.root.glob(f"*_{dataset_id[:12]}/bars.parquet")

    def load() -> Any:
        bars = catalog.load(dataset_id)
        return bars.arrays(), bars.time_ns, bars.close_time_ns

    def unstamped_load() -> Any:
        catalog_file.forget(path)
        return load()

    place = (str(path), str(catalog.root), dataset_id)
    turns = [(in_new_process(BARE, *place), in_new_process(LOAD, *place)) for _ in range(TURNS)]
    show_ratio("read_first_load", *(statistics.median(t[k] for t in turns) for k in (1, 0)))
    bare, unstamped, later = in_turns(lambda: pl.read_parquet(path), unstamped_load, load)
    show_ratio("read_later_load", later, bare)
    show_ratio("read_and_hash_without_stamp", unstamped, bare)


def bench_verify(catalog: Catalog) -> None:
    """Verify the catalog, against hashing the same files."""
    paths = sorted(catalog.root.glob("*/bars.parquet"))

    def hash_all() -> list[str]:
        out = []
        for path in paths:
            with path.open("rb") as handle:
                out.append(hashlib.file_digest(handle, "sha256").hexdigest())
        return out

    alone, verify = in_turns(hash_all, catalog.verify)
    ratio = verify / alone
    facts = {"seconds": round(verify, 3), "hashing_alone_seconds": round(alone, 3)}
    show("verify", **facts, ratio=round(ratio, 2), target=TARGET_RATIO, ok=ratio < TARGET_RATIO)


def main() -> None:
    """Run all."""
    n_bars = int(sys.argv[1]) if len(sys.argv) > 1 else market_recipe("planted").n_bars
    show(
        "environment", code=code_version(), python=platform.python_version(), polars=pl.__version__
    )
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(Path(folder))
        dataset_id = bench_write(catalog, n_bars)
        bench_read(catalog, dataset_id)
        bench_verify(catalog)


if __name__ == "__main__":
    main()
