"""Bars for feature tests: ordinary ones and those that break naive formulas."""

import numpy as np

KINDS = ("walk", "flat", "gaps", "no_volume", "jumps", "steps", "falling")


def bars(kind="walk", n=260, seed=0):
    """Return consistent open, high, low, close, volume columns of `n` bars."""
    random = np.random.default_rng([seed, n, KINDS.index(kind)])
    returns = random.normal(0, 0.002, n)
    if kind == "gaps":
        returns[::24] *= 20
    if kind == "jumps":
        returns[random.integers(1, n, 5)] += random.choice([-3.0, 3.0], 5)
    if kind == "falling":
        returns = -np.abs(returns) - 1e-4
    close = 100.0 * np.exp(np.cumsum(returns))
    open_ = np.concatenate([[100.0], close[:-1]])
    if kind == "gaps":
        open_[::24] = close[::24] * 0.999
    if kind == "steps":
        open_, close = np.round(open_), np.round(close)
    reach = np.abs(random.normal(0, 0.001, (2, n)))
    high = np.maximum(open_, close) * (1 + reach[0])
    low = np.minimum(open_, close) * (1 - reach[1])
    if kind == "steps":
        high, low = np.maximum(open_, close), np.minimum(open_, close)
    volume = random.integers(1, 500, n).astype(np.float64)
    if kind == "no_volume":
        volume[n // 3 : 2 * n // 3] = 0.0
    if kind == "flat":
        middle = slice(n // 3, 2 * n // 3)
        for column in (open_, high, low, close):
            column[middle] = close[n // 3]
    return {"open": open_, "high": high, "low": low, "close": close, "volume": volume}


def same(a, b):
    return np.array_equal(a, b, equal_nan=True)
