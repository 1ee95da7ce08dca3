"""Linearly weighted mean of the last `window` values, folded over blocks as in ``_rolling.py``."""

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup


@jit
def rolling_wma(x: FloatArray, window: int, state: FloatArray, out: FloatArray) -> None:
    """Write the mean with weights 1 (oldest) … window (this bar).

    NaN before there are `window` values and while one of them is missing. State
    (4 + 3 * window): position, 1 once a block is full, sum and weighted sum of the prefix, the
    values, sums and weighted sums of the suffixes of the block before.
    """
    position = int(state[0])
    full = state[1]
    total, weighted = state[2], state[3]
    values = state[4 : 4 + window]
    suffix_total = state[4 + window : 4 + 2 * window]
    suffix_weighted = state[4 + 2 * window :]
    divisor = window * (window + 1) / 2.0
    for i in range(out.shape[0]):
        value = x[i]
        if position == 0:
            total, weighted = 0.0, 0.0
        values[position] = value
        position += 1
        total += value
        weighted += position * value
        if position == window:
            out[i] = weighted / divisor
            fold, fold_weighted = 0.0, 0.0
            for j in range(window - 1, -1, -1):
                fold += values[j]
                fold_weighted += fold  # each value counts once more per bar in front of it
                suffix_total[j] = fold
                suffix_weighted[j] = fold_weighted
            position = 0
            full = 1.0
        elif full == 1.0:
            older = window - position
            out[i] = (suffix_weighted[position] + (weighted + older * total)) / divisor
        else:
            out[i] = np.nan
    state[0], state[1], state[2], state[3] = position, full, total, weighted


@register_warmup("weighted mean")
def _warm() -> None:
    rolling_wma(np.ones(3), 2, np.zeros(10), np.empty(3))
