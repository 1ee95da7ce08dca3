"""Small price paths and signals for the tests of this room."""

import numpy as np
from hypothesis import strategies as st

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
START_NS = 1_700_006_400_000_000_000  # 2023-11-15T00:00Z


def path(seed: int, n: int, *, step: float = 0.004, gap_every: int = 0):
    """Return open, high, low, close, time_ns of a random walk with overnight gaps in price."""
    rng = np.random.default_rng(seed)
    log_close = np.cumsum(rng.normal(0.0, step, n))
    close = 1.1 * np.exp(log_close)
    open_ = np.concatenate([[1.1], close[:-1]]) * np.exp(rng.normal(0.0, step / 4, n))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0.0, step / 2, n)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0.0, step / 2, n)))
    hours = np.arange(n) * (gap_every or 1)
    return open_, high, low, close, START_NS + hours * HOUR_NS


def signals(seed: int, n: int, *, activity: float = 0.3):
    rng = np.random.default_rng(seed + 1)
    share = activity / 2
    return rng.choice(3, size=n, p=[share, 1.0 - 2.0 * share, share]).astype(np.int64)


seeds = st.integers(0, 2**31)
lengths = st.integers(1, 260)
