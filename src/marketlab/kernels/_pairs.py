"""Covariance and correlation of two columns over the last `window` bars.

Folded over blocks as in ``_rolling.py``: every part is kept as means and sums of squared and
crossed deviations (Chan, Golub and LeVeque 1983) of differences to the first value of a prefix or
the last one of a suffix: nothing drifts, and high levels cost no digits.
"""

import math

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup


@jit
def rolling_pair(
    x: FloatArray, y: FloatArray, window: int, ddof: int, state: FloatArray, out: FloatArray
) -> None:
    """Write the covariance with divisor ``window - ddof``; for ddof = -1 the correlation.

    NaN before there are `window` bars and while x or y is missing in one of them. The correlation
    lies in [-1, 1] and is missing where x or y is flat. State (7 + 7 * window): position, 1 once a
    block is full, the prefix (mean x, mean y, squares x, squares y, products), the values, and the
    same five of every suffix of the block before.
    """
    position = int(state[0])
    full = state[1]
    mean_x, mean_y, xx, yy, xy = state[2], state[3], state[4], state[5], state[6]
    values = state[7 : 7 + 2 * window].reshape(window, 2)
    suffix = state[7 + 2 * window :].reshape(window, 5)
    for i in range(out.shape[0]):
        a, b = x[i], y[i]
        if position == 0:
            mean_x, mean_y, xx, yy, xy = 0.0, 0.0, 0.0, 0.0, 0.0
        values[position, 0] = a
        values[position, 1] = b
        position += 1
        a -= values[0, 0]
        b -= values[0, 1]
        dx, dy = a - mean_x, b - mean_y
        mean_x += dx / position
        mean_y += dy / position
        xx += dx * (a - mean_x)
        yy += dy * (b - mean_y)
        xy += dx * (b - mean_y)
        total_xx, total_yy, total_xy = xx, yy, xy
        if position == window:
            mx, my, sxx, syy, sxy = 0.0, 0.0, 0.0, 0.0, 0.0
            for j in range(window - 1, -1, -1):
                a = values[j, 0] - values[window - 1, 0]
                b = values[j, 1] - values[window - 1, 1]
                dx, dy = a - mx, b - my
                mx += dx / (window - j)
                my += dy / (window - j)
                sxx += dx * (a - mx)
                syy += dy * (b - my)
                sxy += dx * (b - my)
                suffix[j, 0], suffix[j, 1] = mx, my
                suffix[j, 2], suffix[j, 3], suffix[j, 4] = sxx, syy, sxy
            position = 0
            full = 1.0
        elif full == 1.0:
            dx = (suffix[position, 0] - mean_x) + (values[window - 1, 0] - values[0, 0])
            dy = (suffix[position, 1] - mean_y) + (values[window - 1, 1] - values[0, 1])
            weight = position * (window - position) / window
            total_xx += suffix[position, 2] + dx * dx * weight
            total_yy += suffix[position, 3] + dy * dy * weight
            total_xy += suffix[position, 4] + dx * dy * weight
        else:
            out[i] = np.nan
            continue
        if ddof >= 0:
            out[i] = total_xy / (window - ddof)
        elif total_xx > 0.0 and total_yy > 0.0:
            value = total_xy / (math.sqrt(total_xx) * math.sqrt(total_yy))
            out[i] = min(1.0, max(-1.0, value)) if value == value else np.nan
        else:
            out[i] = np.nan
    state[0], state[1] = position, full
    state[2], state[3], state[4], state[5], state[6] = mean_x, mean_y, xx, yy, xy


@register_warmup("rolling pairs")
def _warm() -> None:
    x, out = np.ones(3), np.empty(3)
    rolling_pair(x, x, 2, 0, np.zeros(21), out)
