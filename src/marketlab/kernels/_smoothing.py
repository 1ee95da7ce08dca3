"""Exponential smoothing in its three uses: Wilder's, the EMA, and the unseeded one."""

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


@register_warmup("smoothing")
def _warm() -> None:
    smooth(np.ones(2), 0.5, 1, np.zeros(2), np.empty(2))
