"""Exponential smoothing in its uses: Wilder's, the EMA, the unseeded one, and two EMAs apart."""

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup


@jit
def smooth(x: FloatArray, alpha: float, seed_bars: int, state: FloatArray, out: FloatArray) -> None:
    """Write ``y += alpha * (x - y)``, started from the mean of the first `seed_bars` values.

    Entries before the seed is complete are NaN. A missing x gives NaN and leaves the state as it
    is. ``alpha = 1/n, seed_bars = n`` is Wilder's smoothing (1978), ``alpha = 2/(n+1),
    seed_bars = n`` the EMA as TA-Lib starts it, ``alpha = 1/n, seed_bars = 1`` the recursion from
    the first bar (pandas ``ewm(adjust=False)``).

    State (2): values used so far, up to `seed_bars`; their sum until then, the average after.
    """
    count = int(state[0])
    average = state[1]
    for i in range(out.shape[0]):
        value = x[i]
        if value != value:
            out[i] = np.nan
            continue
        if count < seed_bars:
            average += value
            count += 1
            if count == seed_bars:
                average /= seed_bars
                out[i] = average
            else:
                out[i] = np.nan
        else:
            # This form keeps a constant input exactly constant; (1-a)*y + a*x drifts off it.
            average += alpha * (value - average)
            out[i] = average
    state[0] = count
    state[1] = average


@jit
def smooth_apart(x: FloatArray, fast: int, slow: int, state: FloatArray, out: FloatArray) -> None:
    """Write the EMA of `fast` bars less that of `slow` bars, in one pass; `fast` < `slow`.

    Both start at value `slow`, from the means of the last `fast` and `slow` values (as TA-Lib's
    MACD does), with alpha 2/(fast+1) and 2/(slow+1). A missing x gives NaN and holds all. State
    (3): values used so far, up to `slow`; the two sums until then, the averages after.
    """
    count = int(state[0])
    quick, steady = state[1], state[2]
    alpha_quick, alpha_steady = 2.0 / (fast + 1), 2.0 / (slow + 1)
    for i in range(out.shape[0]):
        value = x[i]
        if value != value:
            out[i] = np.nan
            continue
        if count < slow:
            steady += value
            if count >= slow - fast:
                quick += value
            count += 1
            if count < slow:
                out[i] = np.nan
                continue
            quick /= fast
            steady /= slow
        else:
            quick += alpha_quick * (value - quick)
            steady += alpha_steady * (value - steady)
        out[i] = quick - steady
    state[0], state[1], state[2] = count, quick, steady


@register_warmup("smoothing")
def _warm() -> None:
    smooth(np.ones(2), 0.5, 1, np.zeros(2), np.empty(2))
    smooth_apart(np.ones(3), 1, 2, np.zeros(3), np.empty(3))
