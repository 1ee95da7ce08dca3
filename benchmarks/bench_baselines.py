"""All baselines under one fold: seconds at 35,000 samples, and what they find where truth is known.

Run: ``python benchmarks/bench_baselines.py``. One JSON line per measure. The volatility oracle is
that of section 11 of the scaling-laboratory reference (true sigma AUC 0.69 to 0.73, trailing 20-day
deviation 0.67 to 0.71); the real bars are the bundled S&P 500 and VIX, if they were fetched.
"""

import json
import time

import numpy as np

from marketlab.core import MarketLabError
from marketlab.data import load_bundled
from marketlab.evaluation import RatioSplit, roc_auc
from marketlab.models import (
    BASELINES,
    VOLATILITY,
    BaselineData,
    BaselineTable,
    BaselineTask,
    PriceBars,
    fit_baselines,
)

SPLIT = RatioSplit(train=0.7, validation=0.15, test=0.15)


def oracle(seed: int, n: int, skip: int = 300) -> tuple[PriceBars, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = rng.standard_t(6, n) / np.sqrt(1.5)
    v, r, variance = 8.8e-5, np.empty(n), np.empty(n)
    for t in range(n):
        variance[t] = v
        r[t] = np.sqrt(v) * z[t] + 2e-4
        v = 2.2e-6 + (0.03 + 0.12 * (r[t] < 0)) * r[t] ** 2 + 0.885 * v
    up = (r + np.sqrt(r**2 - 2 * variance * np.log(rng.random(n)))) / 2
    down = (r - np.sqrt(r**2 - 2 * variance * np.log(rng.random(n)))) / 2
    before = np.cumsum(r) - r
    o, h, low, c = (
        np.exp(each)[skip:] for each in (before, before + up, before + down, before + r)
    )
    return PriceBars(open=o, high=h, low=low, close=c), variance[skip:]


def touch(bars: PriceBars, q: float, vix: np.ndarray | None = None) -> BaselineData:
    bar = np.arange(bars.n_bars - 1)
    hit = bars.high[1:] >= bars.close[:-1] * (1.0 + q)
    noise = np.random.default_rng(0).normal(size=(len(bar), 7))
    known = np.column_stack([bars.returns()[:-1], np.sqrt(bars.range_variance()[:-1])])
    return BaselineData(
        prices=bars,
        bar=bar,
        start=bar + 1,
        end=bar + 1,
        value=np.where(hit, 0, 1),
        task=BaselineTask(kind="touch_up", horizon=1, threshold=q),
        features=np.hstack([100.0 * known, noise]).astype(np.float32),
        state=(bars.returns()[:-1] > 0).astype(np.int64),
        vix=vix,
    )


def table_of(data: BaselineData) -> BaselineTable:
    fold = SPLIT.split(start=data.start, end=data.end, bar=data.bar)
    return fit_baselines(data, fold, seed=1)


def figures(table: BaselineTable) -> dict[str, dict[str, float]]:
    return {
        row.name: {"auc": row.auc, "log_loss": round(row.scores.log_loss, 4)} for row in table.rows
    }


def speed() -> None:
    bars, variance = oracle(0, 35_301)
    index = np.append(np.sqrt(variance[1:]), np.nan) * 100 * np.sqrt(252)
    data = touch(bars, 0.01, index)
    table_of(data)  # compiles, imports
    started, cpu = time.perf_counter(), time.process_time()
    table = table_of(data)
    seconds = {"wall": time.perf_counter() - started, "cpu": time.process_time() - cpu}
    fold = SPLIT.split(start=data.start, end=data.end, bar=data.bar)
    each = {}
    for name in table.probabilities:
        cpu = time.process_time()
        BASELINES.get(name).fit(data, fold.train, 1).forecast(fold.validation)
        each[name] = round(time.process_time() - cpu, 3)
    line = {"measure": "all baselines", "samples": len(data.bar), **seconds, "cpu_each_fit": each}
    print(json.dumps(line))


def known_truth() -> None:
    for seed in range(5):
        bars, variance = oracle(seed, 9_000)
        hit = (bars.high[1:] >= bars.close[:-1] * 1.01).astype(np.int64)
        everything = np.ones(bars.n_bars, dtype=np.bool_)
        areas = {"true sigma": roc_auc(hit, np.sqrt(variance[1:]))}
        for name, method in VOLATILITY.items():
            sigma = method.fit(bars, everything, 1).sigma[:-1]
            warm = np.isfinite(sigma)
            areas[name] = roc_auc(hit[warm], sigma[warm])
        print(json.dumps({"measure": "oracle T7", "seed": seed, "positive": hit.mean(), **areas}))


def real_bars() -> None:
    try:
        index, vix = load_bundled("sp500_1d"), load_bundled("vix_1d")
    except MarketLabError as error:
        print(json.dumps({"measure": "S&P 500, 1 % up", "skipped": error.message}))
        return
    level = dict(zip(vix.time_ns.tolist(), vix.close, strict=True))
    known = np.array([level.get(t, np.nan) for t in index.time_ns.tolist()])
    seen = np.flatnonzero(np.isfinite(known))
    for name, part in (("all days", slice(None)), ("days with VIX", slice(seen[0], seen[-1] + 1))):
        prices = (each[part].copy() for each in (index.open, index.high, index.low, index.close))
        bars = PriceBars(**dict(zip(("open", "high", "low", "close"), prices, strict=True)))
        table = table_of(touch(bars, 0.01, known[part]))
        line = {"measure": f"S&P 500, 1 % up, {name}", "bars": bars.n_bars, "best": table.best}
        print(json.dumps({**line, **figures(table), "skipped": table.skipped}))


if __name__ == "__main__":
    speed()
    known_truth()
    real_bars()
