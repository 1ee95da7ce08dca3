"""Bars for the tests of this room."""

import numpy as np
from hypothesis import strategies as st

from marketlab.data import BarFrame

HOUR_NS = 3_600_000_000_000
START_NS = 1_577_836_800_000_000_000  # 2020-01-01 00:00 UTC, a Wednesday


def good_columns(n=6, *, seed=0, volume=True):
    """Columns of n valid hourly bars."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    open_ = np.concatenate([[100.0], close[:-1]])
    columns = {
        "time": START_NS + HOUR_NS * np.arange(n, dtype=np.int64),
        "open": open_,
        "high": np.maximum(open_, close) * (1 + np.abs(rng.normal(0, 0.002, n))),
        "low": np.minimum(open_, close) * (1 - np.abs(rng.normal(0, 0.002, n))),
        "close": close,
    }
    if volume:
        columns["volume"] = np.floor(rng.uniform(1, 100, n))
    return columns


def build(columns=None, **changes):
    """Build bars from columns, with EURUSD 1h unless told otherwise."""
    options = {"symbol": "EURUSD", "timeframe": "1h", "source": "test", **changes}
    return BarFrame.build(good_columns() if columns is None else columns, **options)


bar_frames = st.builds(
    lambda n, seed, volume: build(good_columns(n, seed=seed, volume=volume)),
    n=st.integers(1, 60),
    seed=st.integers(0, 2**32 - 1),
    volume=st.booleans(),
)
