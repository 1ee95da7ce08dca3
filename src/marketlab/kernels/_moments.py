"""Skewness and excess kurtosis over the last `window` values, in constant time per bar.

Folded over blocks as in ``_rolling.py``, as differences to the first value of a prefix and the last
one of a suffix; parts are joined by the formulas of Pébay (2008), Sandia report SAND2008-6212.
"""

import math

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup

Moments = tuple[float, float, float, float, float]


@jit
def _joined(a: Moments, b: Moments) -> Moments:
    """Return count, mean and the sums of 2nd, 3rd, 4th powers of deviations of both parts."""
    na, ma, a2, a3, a4 = a
    nb, mb, b2, b3, b4 = b
    n = na + nb
    delta = mb - ma
    ratio = delta / n
    product = delta * ratio * na * nb
    third = a3 + b3 + product * ratio * (na - nb) + 3.0 * ratio * (na * b2 - nb * a2)
    fourth = (
        a4
        + b4
        + product * ratio * ratio * (na * na - na * nb + nb * nb)
        + 6.0 * ratio * ratio * (na * na * b2 + nb * nb * a2)
        + 4.0 * ratio * (na * b3 - nb * a3)
    )
    return n, ma + ratio * nb, a2 + b2 + product, third, fourth


@jit
def rolling_moment(
    x: FloatArray, window: int, order: int, state: FloatArray, out: FloatArray
) -> None:
    """Write skewness (order 3) or excess kurtosis (order 4) without bias, as pandas does.

    NaN before there are `window` values, while one of them is missing, and for a flat window.
    Skewness needs window >= 3, kurtosis >= 4. State (7 + 6 * window): position, 1 once a block is
    full, the prefix (five moments), the values, and five moments of every suffix before.
    """
    position = int(state[0])
    full = state[1]
    prefix = (state[2], state[3], state[4], state[5], state[6])
    values = state[7 : 7 + window]
    suffix = state[7 + window :].reshape(window, 5)
    n = float(window)
    for i in range(out.shape[0]):
        value = x[i]
        values[position] = value
        bar = (1.0, value - values[0], 0.0, 0.0, 0.0)
        prefix = bar if position == 0 else _joined(prefix, bar)
        position += 1
        whole = prefix
        if position == window:
            fold = (1.0, value - value, 0.0, 0.0, 0.0)
            for j in range(window - 1, -1, -1):
                if j < window - 1:
                    fold = _joined((1.0, values[j] - value, 0.0, 0.0, 0.0), fold)
                for k in range(5):
                    suffix[j, k] = fold[k]
            position = 0
            full = 1.0
        elif full == 1.0:
            s = suffix[position]
            shift = values[window - 1] - values[0]
            whole = _joined((s[0], s[1] + shift, s[2], s[3], s[4]), prefix)
        else:
            out[i] = np.nan
            continue
        variance = whole[2] / n
        if not variance > 0.0:
            out[i] = np.nan
        elif order == 3:
            skew = whole[3] / n / (variance * math.sqrt(variance))
            out[i] = skew * math.sqrt(n * (n - 1.0)) / (n - 2.0)
        else:
            excess = whole[4] / n / (variance * variance) - 3.0
            out[i] = (n - 1.0) / ((n - 2.0) * (n - 3.0)) * ((n + 1.0) * excess + 6.0)
    state[0], state[1] = position, full
    state[2], state[3], state[4], state[5], state[6] = prefix


@register_warmup("rolling moments")
def _warm() -> None:
    rolling_moment(np.arange(5.0), 4, 3, np.zeros(31), np.empty(5))
