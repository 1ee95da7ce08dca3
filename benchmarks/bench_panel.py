"""Fourteen expressions over 800 instruments and 3,400 days, beside qlib in its own environment.

Ours: arrays in memory to 14 columns per instrument, on one thread, the graph built once, the
matrix used again. qlib loads from its own store (little-endian
float32 files that this script writes) and computes with one worker: without a cache, and with its
expression and dataset caches, which need a Redis server on 127.0.0.1:6379. The published numbers
of qlib are 147.0, 47.6 and 7.4 s (its own 14 expressions, another machine). Both sides' values are
compared. One JSON line each.

    python benchmarks/bench_panel.py [--instruments 800] [--days 3400] [--qlib-python PATH]
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from marketlab.features import FeatureFamily, FeatureTier, parse_feature_file

COLUMNS = {
    "ref5": ("lag(close, 5) / close", "Ref($close,5)/$close"),
    "mean5": ("rolling_mean(close, 5) / close", "Mean($close,5)/$close"),
    "mean20": ("rolling_mean(close, 20) / close", "Mean($close,20)/$close"),
    "std20": ("rolling_std(close, 20, 1) / close", "Std($close,20)/$close"),
    "max20": ("rolling_max(high, 20) / close", "Max($high,20)/$close"),
    "min20": ("rolling_min(low, 20) / close", "Min($low,20)/$close"),
    "rank20": ("rolling_rank(close, 20, 1)", "Rank($close,20)"),
    "quantile20": ("rolling_quantile(close, 20, 0.8) / close", "Quantile($close,20,0.8)/$close"),
    "corr20": ("rolling_corr(close, log(volume + 1), 20)", "Corr($close,Log($volume+1),20)"),
    "slope20": ("rolling_slope(close, 20) / close", "Slope($close,20)/$close"),
    "rsquare20": ("rolling_rsquare(close, 20)", "Rsquare($close,20)"),
    "resi20": ("rolling_residual(close, 20) / close", "Resi($close,20)/$close"),
    "ema": ("ewm_span(close, 12) / ewm_span(close, 26) - 1", "EMA($close,12)/EMA($close,26)-1"),
    "body": (
        "(close - open) / (high - low + 1e-12)",
        "($close-$open)/($high-$low+1e-12)",
    ),
}
FIELDS = ("open", "high", "low", "close", "volume")
_QLIB = """
import json, sys, time
import numpy as np
import qlib
from qlib.config import C
from qlib.data import D

store, out, mode, columns = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
options = {"expression_cache": None, "dataset_cache": None}
if mode != "plain":
    options = {"expression_cache": "DiskExpressionCache", "dataset_cache": "DiskDatasetCache"}
qlib.init(provider_uri=store, region="us", kernels=1, logging_level=40, redis_port=6379, **options)
names = D.list_instruments(D.instruments("all"), as_list=True)
seconds = []
for _ in range(1 if mode == "plain" else 3):
    started = time.perf_counter()
    frame = D.features(D.instruments("all"), columns, freq="day")
    seconds.append(time.perf_counter() - started)
first = frame.loc[names[0]].to_numpy()
np.save(out, first)
print(json.dumps({"seconds": seconds, "rows": len(frame)}))
"""


def make_panel(instruments, days):
    panel = []
    for k in range(instruments):
        rng = np.random.default_rng(k)
        close = 50.0 * np.exp(np.cumsum(rng.normal(0, 0.02, days)))
        open_ = close * np.exp(rng.normal(0, 0.005, days))
        columns = {
            "open": open_,
            "high": np.maximum(open_, close) * 1.004,
            "low": np.minimum(open_, close) * 0.996,
            "close": close,
            "volume": rng.integers(1_000, 1_000_000, days).astype(float),
        }
        # Both sides get what qlib's store can hold.
        panel.append({n: c.astype(np.float32).astype(float) for n, c in columns.items()})
    return panel


def write_store(panel, root):
    days = len(panel[0]["close"])
    calendar = np.datetime64("2007-01-01") + np.arange(days)
    (root / "calendars").mkdir(parents=True)
    (root / "calendars" / "day.txt").write_text("\n".join(map(str, calendar)))
    names = [f"S{k:04d}" for k in range(len(panel))]
    (root / "instruments").mkdir()
    lines = [f"{name}\t{calendar[0]}\t{calendar[-1]}" for name in names]
    (root / "instruments" / "all.txt").write_text("\n".join(lines))
    for name, columns in zip(names, panel, strict=True):
        folder = root / "features" / name.lower()
        folder.mkdir(parents=True)
        for field in FIELDS:
            values = np.concatenate([[0.0], columns[field]]).astype("<f4")
            values.tofile(folder / f"{field}.day.bin")


def say(measure, **facts):
    print(json.dumps({"measure": measure, **facts}), flush=True)


def by_qlib(python, root, mode):
    with tempfile.TemporaryDirectory() as scratch:
        script, out = Path(scratch) / "run.py", Path(scratch) / "first.npy"
        # qlib starts its worker by spawning, which runs the main file again.
        body = "".join(f"    {line}\n" for line in _QLIB.strip().splitlines())
        script.write_text(f"if __name__ == '__main__':\n{body}")
        texts = json.dumps([text for _, text in COLUMNS.values()])
        command = [python, str(script), str(root), str(out), mode, texts]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"qlib ({mode}) ended with {done.returncode}:\n{done.stderr[-3000:]}")
        return json.loads(done.stdout.strip().splitlines()[-1]), np.load(out)


def compare(ours, theirs):
    """Stop if a value differs; qlib computes in float32 and starts windows with one bar."""
    for k, name in enumerate(COLUMNS):
        a, b = ours[k][300:], theirs[300:, k]
        if not np.allclose(a, b, rtol=2e-3, atol=2e-3):
            worst = int(np.nanargmax(np.abs(a - b)))
            raise SystemExit(f"{name}: ours {a[worst]} and qlib's {b[worst]} at bar {worst + 300}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--instruments", type=int, default=800)
    parser.add_argument("--days", type=int, default=3400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--qlib-python", help="python of an environment with pyqlib 0.9.7")
    given = parser.parse_args()
    panel = make_panel(given.instruments, given.days)
    lines = [f"  {name}: {{ratio: '{text}'}}" for name, (text, _) in COLUMNS.items()]
    text = "name: peers\ncolumns:\n" + "\n".join(lines)
    tier = FeatureTier(parse_feature_file(text, origin="bench"))
    family = FeatureFamily([tier])
    first = family.compute(panel[0])[0].values
    seconds = []
    for _ in range(given.rounds):
        started = time.perf_counter()
        for arrays in panel:
            family.compute(arrays, recycle=True)
        seconds.append(time.perf_counter() - started)
    ours = statistics.median(seconds)
    size = {"instruments": given.instruments, "days": given.days, "expressions": len(COLUMNS)}
    say("14 expressions, one thread", seconds=round(ours, 3), target=1.0, **size)
    if given.qlib_python is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "store"
        write_store(panel, root)
        facts, theirs = by_qlib(given.qlib_python, root, "plain")
        compare(first, theirs)
        plain = facts["seconds"][0]
        say("qlib without cache", seconds=round(plain, 2), ratio=round(plain / ours, 1), **size)
        facts, theirs = by_qlib(given.qlib_python, root, "cached")
        compare(first, theirs)
        cold, *warm = facts["seconds"]
        best = statistics.median(warm)
        say("qlib, both caches, first call", seconds=round(cold, 2), ratio=round(cold / ours, 1))
        say("qlib, both caches, later calls", seconds=round(best, 2), ratio=round(best / ours, 1))


if __name__ == "__main__":
    main()
