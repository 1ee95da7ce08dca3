"""The daily tiers on 8,300 bars: one graph, beside the same columns one by one.

"Column by column" has each column as a graph of its own, built beforehand, on one thread as well:
what is saved is work shared by columns and nothing else. Medians of ``--rounds`` after one warm
run; one JSON line each.

    python benchmarks/bench_tiers.py [--rounds 7] [--bars 8300]
"""

import argparse
import json
import statistics
import time
from dataclasses import replace

import numpy as np

from marketlab.features import FeatureTier, load_feature_file

DAY_S = 86_400.0
TIERS = ("a20", "a50", "a100", "a200")
TARGET_S, TARGET_RATIO = 0.5, 2.0


def make_arrays(n):
    rng = np.random.default_rng(0)
    close = 1000.0 * np.exp(np.cumsum(rng.normal(2e-4, 0.011, n)))
    open_ = np.concatenate([[1000.0], close[:-1]]) * np.exp(rng.normal(0, 0.002, n))
    weekday = np.arange(n)
    time_s = DAY_S * (4 + weekday + 2 * (weekday // 5))  # from Monday, 5 January 1970
    return {
        "open": open_,
        "high": np.maximum(open_, close) * (1 + np.abs(rng.normal(0, 0.004, n))),
        "low": np.minimum(open_, close) * (1 - np.abs(rng.normal(0, 0.004, n))),
        "close": close,
        "volume": np.round(1e9 * np.exp(rng.normal(0, 0.3, n))),
        "time": time_s,
        "close_time": time_s + DAY_S,
        "context.vix": 18.0 + rng.normal(0, 2, n),
    }


def timed(call, rounds):
    call()
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - started)
        del result
    return statistics.median(seconds)


def say(measure, **facts):
    print(json.dumps({"measure": measure, **facts}), flush=True)


def single_columns(name):
    """Return each column of a tier as a tier of its own."""
    file = load_feature_file(name)
    return [FeatureTier(replace(file, features=(item,))) for item in file]


def stream_us(tier, arrays, bars=1000):
    stream = tier.stream()
    columns = {k: v.tolist() for k, v in arrays.items() if not k.startswith("context.")}
    rows = [
        ({k: v[i] for k, v in columns.items()}, {"vix": float(arrays["context.vix"][i])})
        for i in range(bars)
    ]
    for row, vix in rows[: bars // 2]:
        stream.push(**row, context=vix)
    started = time.perf_counter()
    for row, vix in rows[bars // 2 :]:
        stream.push(**row, context=vix)
    return (time.perf_counter() - started) / (bars // 2) * 1e6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--bars", type=int, default=8300)
    given = parser.parse_args()
    arrays = make_arrays(given.bars)
    for name in TIERS:
        started = time.perf_counter()
        tier = FeatureTier.load(name)
        load_s = time.perf_counter() - started
        singles = single_columns(name)
        whole = tier.compute(arrays, threads=1).values
        for k, single in enumerate(singles):
            if not np.array_equal(single.compute(arrays, threads=1).values[0], whole[k], True):
                raise SystemExit(f"{tier.names[k]} differs when computed by itself")
        two = timed(lambda tier=tier: tier.compute(arrays), given.rounds)
        one = timed(lambda tier=tier: tier.compute(arrays, threads=1), given.rounds)
        apart = timed(
            lambda singles=singles: [s.compute(arrays, threads=1) for s in singles], given.rounds
        )
        facts = {"tier": name, "columns": len(tier.names), "bars": given.bars}
        limit = {"target": TARGET_S} if name == "a200" else {}
        say("all cores", **facts, seconds=round(two, 4), load_seconds=round(load_s, 3), **limit)
        limit = {"target": TARGET_RATIO} if name == "a200" else {}
        say(
            "one graph over column by column, one thread each",
            **facts,
            seconds=round(one, 4),
            column_by_column=round(apart, 4),
            ratio=round(apart / one, 2),
            **limit,
        )
    say("stream, one bar", tier="a200", microseconds=round(stream_us(tier, arrays), 1))


if __name__ == "__main__":
    main()
