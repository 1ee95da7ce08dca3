"""Mean absolute deviation of the last `window` values from their mean."""

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup


@jit
def rolling_mean_deviation(x: FloatArray, window: int, state: FloatArray, out: FloatArray) -> None:
    """Write the mean of ``|x - mean|`` over the last `window` values; NaN before there are as many.

    Both means are taken anew at each bar, so nothing drifts; the cost is `window` per bar.
    State (1 + window): bars seen, the last values as a ring.
    """
    seen = int(state[0])
    ring = state[1:]
    position = seen % window
    for i in range(out.shape[0]):
        ring[position] = x[i]
        position += 1
        if position == window:
            position = 0
        seen += 1
        if seen < window:
            out[i] = np.nan
            continue
        mean = 0.0
        for k in range(window):
            mean += ring[k]
        mean /= window
        total = 0.0
        for k in range(window):
            total += abs(ring[k] - mean)
        out[i] = total / window
    state[0] = seen


@register_warmup("mean deviation")
def _warm() -> None:
    rolling_mean_deviation(np.ones(3), 2, np.zeros(3), np.empty(3))
