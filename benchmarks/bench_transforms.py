"""Resampling and quality of 3.08 million one-minute bars, each beside polars alone.

The comparators do less: polars truncates to the hour, without sessions, partial bars or close
times, and its quality pass counts bad prices, repeats and rows out of order only. Medians of
``--rounds``; one JSON line each.

    python benchmarks/bench_transforms.py [--rounds 3] [--bars 3081668]
"""

import argparse
import json
import statistics
import time

import numpy as np
import polars as pl

from marketlab.data import BarFrame, assess_quality, resample_bars


def make_bars(n):
    rng = np.random.default_rng(0)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, 2e-4, n)))
    open_ = np.concatenate([[100.0], close[:-1]])
    columns = {
        "time": 1_577_836_800_000_000_000 + 60_000_000_000 * np.arange(n, dtype=np.int64),
        "open": open_,
        "high": np.maximum(open_, close) * 1.0001,
        "low": np.minimum(open_, close) * 0.9999,
        "close": close,
        "volume": np.floor(rng.uniform(1, 100, n)),
    }
    return BarFrame.build(columns, symbol="BTC-USD", timeframe="1m", source="bench")


def polars_hours(bars):
    return bars.frame.group_by_dynamic("time", every="1h").agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
    )


def polars_quality(bars):
    return bars.frame.select(
        (pl.col("high") < pl.max_horizontal("open", "close")).sum().alias("high"),
        (pl.col("low") > pl.min_horizontal("open", "close")).sum().alias("low"),
        (pl.col("time").diff().dt.total_nanoseconds() <= 0).sum().alias("order"),
        pl.col("time").is_duplicated().sum().alias("repeats"),
    )


def seconds(work, rounds):
    taken = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bars", type=int, default=3_081_668)
    given = parser.parse_args()
    bars = make_bars(given.bars)
    tasks = {
        "resample_1m_to_1h": (lambda: resample_bars(bars, "1h"), polars_hours, 2.0),
        "quality_1m": (lambda: assess_quality(bars, "1m"), polars_quality, 5.0),
    }
    for name, (ours, theirs, limit) in tasks.items():
        mine = seconds(ours, given.rounds)
        bare = seconds(lambda theirs=theirs: theirs(bars), given.rounds)
        line = {
            "benchmark": name,
            "bars": given.bars,
            "seconds": round(mine, 3),
            "limit_seconds": limit,
            "polars_seconds": round(bare, 3),
            "ratio": round(mine / bare, 2),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
