"""Kaufman's adaptive moving average."""

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup


@jit
def kama(x: FloatArray, n: int, fast: int, slow: int, state: FloatArray, out: FloatArray) -> None:
    """Write the adaptive average of Kaufman (1995), "Smarter Trading", as TA-Lib starts it.

    ``y += c^2 (x - y)`` with ``c = e (2/(fast+1) - 2/(slow+1)) + 2/(slow+1)``, where e is the
    change over n bars by the sum of the n absolute changes (1 where that sum is 0). y starts as
    the value before the first one written, that of bar n. A missing x gives NaN and holds all.
    State (4 + 3 * n): values seen, the average, the last value, the sum of the changes since the
    block began; the last n values; the changes of this block and the sums of the suffixes of the
    block before (blocks of n changes, as in ``_rolling.py``).
    """
    seen = int(state[0])
    average, last, prefix = state[1], state[2], state[3]
    ring = state[4 : 4 + n]
    changes = state[4 + n : 4 + 2 * n]
    suffix = state[4 + 2 * n :]
    slowest = 2.0 / (slow + 1.0)
    width = 2.0 / (fast + 1.0) - slowest
    for i in range(out.shape[0]):
        value = x[i]
        if value != value:
            out[i] = np.nan
            continue
        place = seen % n
        oldest = ring[place]
        ring[place] = value
        out[i] = np.nan
        if seen > 0:
            block = (seen - 1) % n
            change = abs(value - last)
            prefix = change if block == 0 else prefix + change
            changes[block] = change
            if seen >= n:
                path = prefix if block == n - 1 else suffix[block + 1] + prefix
                if seen == n:
                    average = last
                travelled = abs(value - oldest)
                efficiency = 1.0 if path <= travelled else travelled / path
                c = efficiency * width + slowest
                average += c * c * (value - average)
                out[i] = average
            if block == n - 1:
                fold = 0.0
                for j in range(n - 1, -1, -1):
                    fold += changes[j]
                    suffix[j] = fold
        last = value
        seen += 1
    state[0], state[1], state[2], state[3] = seen, average, last, prefix


@register_warmup("adaptive average")
def _warm() -> None:
    kama(np.ones(3), 2, 2, 30, np.zeros(10), np.empty(3))
