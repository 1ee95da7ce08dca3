"""The running total of a whole series."""

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup


@jit
def cumulative_sum(x: FloatArray, state: FloatArray, out: FloatArray) -> None:
    """Write the sum of all values so far, compensated (Neumaier 1974): exact to the last digits.

    A missing x gives NaN and adds nothing. The total depends on where the series starts.
    State (2): total, lost low digits.
    """
    total = state[0]
    lost = state[1]
    for i in range(out.shape[0]):
        value = x[i]
        if value != value:
            out[i] = np.nan
            continue
        after = total + value
        if abs(total) >= abs(value):
            lost += (total - after) + value
        else:
            lost += (value - after) + total
        total = after
        out[i] = total + lost
    state[0] = total
    state[1] = lost


@register_warmup("running total")
def _warm() -> None:
    cumulative_sum(np.ones(2), np.zeros(2), np.empty(2))
