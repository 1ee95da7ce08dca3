"""Labels of 3.08 million one-minute bars, each beside NumPy or pandas, all in one run.

The comparators compute the values only: no checks of the prices, no start and end, no events.
Triple barriers have no vectorised form over bars; theirs walks the horizon instead, one pass of
NumPy over all entries per bar ahead, and stops when every entry has touched. Medians of
``--rounds``, in turns, of processor seconds (one thread; machines are shared); one JSON line each.
Synthetic bars.

    python benchmarks/bench_labels.py [--rounds 3] [--bars 3081668]
"""

import argparse
import json
import statistics
import time

import numpy as np

from marketlab.labels import (
    compute_labels,
    disjoint_events,
    label_by_name,
    overlap_of,
    triple_barrier,
    zigzag_next_leg,
)

LIMIT_SECONDS = 1.0


def make_bars(n):
    rng = np.random.default_rng(0)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, 3e-4, n)))
    open_ = np.concatenate([[100.0], close[:-1]])
    return {
        "open": open_,
        "high": np.maximum(open_, close) * (1.0 + np.abs(rng.normal(0, 1e-4, n))),
        "low": np.minimum(open_, close) * (1.0 - np.abs(rng.normal(0, 1e-4, n))),
        "close": close,
    }


def pandas_touch(bars, horizon, threshold):
    import pandas as pd

    ahead = pd.Series(bars["high"]).rolling(horizon).max().shift(-horizon)
    return (ahead.to_numpy() >= bars["close"] * (1.0 + threshold))[:-horizon].astype(np.int64)


def numpy_direction(bars, horizon):
    close = bars["close"]
    return np.where(close[horizon:] > close[:-horizon], 0, 2)


def pandas_volatility(bars, horizon):
    import pandas as pd

    squares = pd.Series(np.log(bars["close"])).diff() ** 2
    return np.sqrt(squares.rolling(horizon).sum().shift(-horizon).to_numpy()[:-horizon])


def numpy_triple_barrier(bars, horizon=50, up=2.0, down=1.5, span=50):
    import pandas as pd

    high, low, close = bars["high"], bars["low"], bars["close"]
    v = pd.Series((high - low) / close).ewm(span=span).mean().to_numpy()
    n = len(close) - horizon
    open_ = np.arange(n)
    upper, lower = close[:n] * (1.0 + up * v[:n]), close[:n] * (1.0 - down * v[:n])
    change = close[horizon:] / close[:n] - 1.0
    quiet = v[:n] * np.sqrt(horizon) * 0.5
    value = np.where(np.abs(change) < quiet, 1, np.where(change > 0, 0, 2))
    for step in range(1, horizon + 1):
        bar = open_ + step
        hit_up, hit_down = high[bar] >= upper[open_], low[bar] <= lower[open_]
        hit = hit_up | hit_down
        done = open_[hit]
        is_up = np.where(hit_up & hit_down, close[bar] >= close[open_], hit_up)[hit]
        value[done] = np.where(is_up, 0, 2)
        open_ = open_[~hit]
        if not len(open_):
            break
    return value


def numpy_next_leg(bars, threshold):
    """Walk ahead from each bar: what there is to do without a tree."""
    close = bars["close"]
    value = np.full(len(close), -1)
    for t in range(len(close)):
        change = close[t + 1 : t + 40_000] / close[t] - 1.0
        far = np.flatnonzero(np.abs(change) >= threshold)
        if len(far):
            value[t] = 0 if change[far[0]] > 0 else 2
    return value


def numpy_overlap(start, end):
    concurrency = np.zeros(end.max() + 2, dtype=np.int64)
    np.add.at(concurrency, start + 1, 1)
    np.add.at(concurrency, end + 1, -1)
    share = np.cumsum(1.0 / np.maximum(1, np.cumsum(concurrency)))
    return (share[end] - share[start]) / (end - start)


def loop_events(start, end):
    event, boundary, current = np.empty(len(start), np.int64), -1, -1
    earliest = np.minimum.accumulate(end[::-1])[::-1].tolist()
    for i, first in enumerate(start.tolist()):
        if first >= boundary:
            current, boundary = current + 1, earliest[i]
        event[i] = current
    return event


def in_turns(ours, theirs, rounds):
    """Return the median seconds of both and whether their results agree."""
    found = [], []
    agree = True
    for turn in range(rounds + 1):
        results = []
        for seconds, work in zip(found, (ours, theirs), strict=True):
            begin = time.process_time()
            results.append(work())
            if turn:  # the first turn compiles and warms up
                seconds.append(time.process_time() - begin)
        agree &= bool(np.allclose(*results, rtol=1e-7))
    return (*(statistics.median(seconds) for seconds in found), agree)


def measures(bars, few):
    """Return (name, bars, ours, theirs) of each measure."""

    def made(name, options=None, of=bars):
        config = label_by_name(name, options)
        return lambda: compute_labels(config, of).value

    hlc = tuple(bars[name] for name in ("high", "low", "close"))
    barrier = triple_barrier(*hlc)
    start, end = barrier.start, barrier.end
    n, n_few = len(bars["close"]), len(few["close"])
    touch = made("touch_up_high_h15_t20bps")
    volatility = made("realised_volatility", {"horizon": 15})
    return (
        ("threshold_touch_h15", n, touch, lambda: pandas_touch(bars, 15, 0.002)),
        (
            "direction_h15",
            n,
            made("direction", {"horizon": 15, "ties": "down"}),
            lambda: numpy_direction(bars, 15),
        ),
        ("realised_volatility_h15", n, volatility, lambda: pandas_volatility(bars, 15)),
        ("triple_barrier_h50", n, made("triple_barrier"), lambda: numpy_triple_barrier(bars)),
        (
            "uniqueness",
            n,
            lambda: overlap_of(start, end).uniqueness,
            lambda: numpy_overlap(start, end),
        ),
        ("events", n, lambda: disjoint_events(start, end), lambda: loop_events(start, end)),
        (
            "zigzag_next_leg_2.5pct",
            n_few,
            lambda: zigzag_next_leg(few["close"], threshold=0.025).value,
            lambda: [v for v in numpy_next_leg(few, 0.025) if v >= 0],
        ),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bars", type=int, default=3_081_668)
    given = parser.parse_args()
    bars = make_bars(given.bars)
    few = {name: values[:20_000].copy() for name, values in bars.items()}
    for name, n_bars, ours, theirs in measures(bars, few):
        mine, bare, agree = in_turns(ours, theirs, given.rounds)
        line = {
            "benchmark": name,
            "bars": n_bars,
            "seconds": round(mine, 4),
            "limit_seconds": LIMIT_SECONDS,
            "other_seconds": round(bare, 4),
            "ratio": round(mine / bare, 3),
            "agree": agree,
        }
        print(json.dumps(line), flush=True)
    taken = []
    for _ in range(given.rounds):
        begin = time.process_time()
        zigzag_next_leg(bars["close"], threshold=0.025)
        taken.append(time.process_time() - begin)
    line = {
        "benchmark": "zigzag_next_leg_whole",
        "bars": given.bars,
        "seconds": round(statistics.median(taken), 4),
        "limit_seconds": LIMIT_SECONDS,
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
