"""Seconds of the luck statistics: ``python benchmarks/bench_luck.py``.

Surrogate markets of 50,000 bars (bound: 20 ms each), PBO with 16 blocks, SPA by its length. Best
and median of several runs, after one that is not counted.
"""

import statistics
import time

import numpy as np

from marketlab.evaluation import (
    BlockBootstrap,
    RandomWalk,
    SignFlip,
    effective_number_of_trials,
    probability_of_backtest_overfitting,
    superior_predictive_ability,
)


def bars_of(n_bars):
    rng = np.random.default_rng(0)
    close = 1.1 * np.exp(np.cumsum(0.001 * rng.standard_t(4, size=n_bars)))
    opened = np.r_[close[0], close[:-1]] * np.exp(0.0001 * rng.normal(size=n_bars))
    return {
        "open": opened,
        "high": np.maximum(opened, close) * np.exp(0.0005 * rng.exponential(size=n_bars)),
        "low": np.minimum(opened, close) * np.exp(-0.0005 * rng.exponential(size=n_bars)),
        "close": close,
        "volume": rng.random(n_bars),
    }


def measure(name, work, repeats):
    work(0)
    seconds = []
    for run in range(1, repeats + 1):
        begin = time.perf_counter()
        work(run)
        seconds.append(time.perf_counter() - begin)
    best, middle = 1e3 * min(seconds), 1e3 * statistics.median(seconds)
    print(f"{name:<58} best {best:9.2f} ms   median {middle:9.2f} ms")


def main():
    bars = bars_of(50_000)
    for market in (
        SignFlip(),
        BlockBootstrap(mean_block_bars=24),
        RandomWalk(returns="gaussian"),
        RandomWalk(returns="resampled"),
    ):
        name = f"{type(market).__name__}({market}) of 50,000 bars"
        measure(name, lambda run, m=market: m.draw(bars, seed=1, path=("null", run)), 21)
    rng = np.random.default_rng(1)
    table = rng.normal(size=(5_000, 27))
    measure(
        "PBO, 5,000 x 27, 16 blocks (12,870 halves)",
        lambda _: probability_of_backtest_overfitting(table),
        5,
    )
    measure(
        "effective trials, 5,000 x 27",
        lambda _: effective_number_of_trials(table, n_trials=27),
        5,
    )
    names = [f"model {i}" for i in range(27)]
    for n_periods in (1_000, 5_000):
        benchmark = rng.normal(size=n_periods)
        models = benchmark[:, None] + rng.normal(size=(n_periods, 27))
        measure(
            f"SPA, {n_periods:,} x 27, 999 resamples",
            lambda run, b=benchmark, m=models: superior_predictive_ability(
                b, m, names=names, block_length=20, seed=run
            ),
            3,
        )


if __name__ == "__main__":
    main()
