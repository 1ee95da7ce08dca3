"""Bars for this folder's tests, one label block per variant, and rows that can be compared."""

import numpy as np
from hypothesis import strategies as st

from marketlab.labels import compute_labels, parse_label_config

BLOCKS = {
    "direction": {"source": "direction", "horizon": 2},
    "direction_ties_down": {"source": "direction", "horizon": 2, "ties": "down"},
    "forward_log_return": {"source": "forward_log_return", "horizon": 4},
    "forward_return": {"source": "forward_return", "horizon": 3, "dead_zone": 0.001},
    "forward_return_value": {"source": "forward_return_value", "horizon": 3},
    "meta_label": {"source": "meta_label", "horizon": 5, "lookback": 2, "span": 4, "cost": 0.001},
    "realised_range": {"source": "realised_range", "horizon": 3},
    "realised_volatility": {"source": "realised_volatility", "horizon": 3},
    "scaled_return": {"source": "scaled_return", "horizon": 3, "p99": 0.05},
    "touch_up": {"source": "threshold_touch", "horizon": 3, "threshold": 0.02},
    "touch_up_close": {
        "source": "threshold_touch",
        "horizon": 3,
        "threshold": 0.02,
        "price": "close",
    },
    "touch_down": {"source": "threshold_touch", "horizon": 2, "threshold": 0.03, "side": "down"},
    "trade_return": {"source": "trade_return", "horizon": 4, "primary": "reversal", "lookback": 1},
    "triple_barrier": {"source": "triple_barrier", "horizon": 6, "span": 5},
    "triple_barrier_close": {
        "source": "triple_barrier",
        "horizon": 6,
        "volatility": "close",
        "cusum_threshold": 0.02,
    },
    "triple_barrier_gaps": {"source": "triple_barrier", "horizon": 4, "volatility": "true_range"},
    "zigzag": {"source": "zigzag", "zigzag_threshold": 0.025},
    "zigzag_next_leg": {"source": "zigzag_next_leg", "zigzag_threshold": 0.025},
}
"""One block per source and per rule within a source."""

BARRIERS = {"triple_barrier", "meta_label", "trade_return"}
"""Sources whose labels end before their horizon when a barrier is reached."""

_bar = st.tuples(
    st.floats(90.0, 110.0), st.floats(90.0, 110.0), st.floats(0.0, 3.0), st.floats(0.0, 3.0)
)


def as_bars(rows):
    """Return open, high, low, close of rows (open, close, wick up, wick down)."""
    table = np.array(rows, dtype=float).reshape(-1, 4)
    first, last, above, below = (np.ascontiguousarray(column) for column in table.T)
    return {
        "open": first,
        "high": np.maximum(first, last) + above,
        "low": np.minimum(first, last) - below,
        "close": last,
    }


bar_arrays = st.lists(_bar, max_size=60).map(as_bars)
flat_or_not = st.one_of(
    bar_arrays, st.integers(0, 30).map(lambda n: as_bars([(100.0, 100.0, 0.0, 0.0)] * n))
)


def walk(n_bars, seed, step=0.01):
    """Return the bars of a random walk with gaps."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, step, n_bars)))
    first = np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0.0, step / 3, n_bars))
    wicks = np.abs(rng.normal(0.0, step / 2, (2, n_bars)))
    return {
        "open": first,
        "high": np.maximum(first, close) * (1.0 + wicks[0]),
        "low": np.minimum(first, close) * (1.0 - wicks[1]),
        "close": close,
    }


def joined(first, second):
    """Return the bars of `second` after those of `first`."""
    return {name: np.concatenate([first[name], second[name]]) for name in first}


def cut(bars, stop):
    """Return the first bars."""
    return {name: values[:stop].copy() for name, values in bars.items()}


def labels_of(variant, bars):
    """Return the labels of one variant; None where the series is shorter than its horizon."""
    config = parse_label_config(BLOCKS[variant])
    if config.reach is not None and len(bars["close"]) <= config.reach:
        return None
    return compute_labels(config, bars)


def rows_of(labels, *, events=True):
    """Return {bar: everything the label set says of it}."""
    columns = [labels.bar, labels.value, labels.start, labels.end]
    columns += [labels.event] if events else []
    return {row[0]: row for row in zip(*(c.tolist() for c in columns), strict=True)}
