"""Least squares line through the last `window` values at 0, 1 … window - 1, in constant time.

Folded over blocks as in ``_rolling.py``, as differences to the first value of a prefix and the last
one of a suffix: every part is kept as its mean, its sum of squared deviations and its sum of
deviations times time, joined as in Chan, Golub and LeVeque (1983).
"""

import math

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup

SLOPE, INTERCEPT, FIT, R_SQUARE, RESIDUAL = range(5)


@jit
def rolling_line(x: FloatArray, window: int, what: int, state: FloatArray, out: FloatArray) -> None:
    """Write one number of the line ``intercept + slope * k``, k = 0 (oldest) … window - 1 (now).

    SLOPE per bar; INTERCEPT: the line at the oldest bar; FIT: the line at this bar; R_SQUARE:
    squared correlation of x with time, missing where x is flat; RESIDUAL: x minus FIT.
    NaN before there are `window` values and while one of them is missing. State
    (5 + 4 * window): position, 1 once a block is full, the prefix (mean, squares, products), the
    values, and the same three of every suffix of the block before.
    """
    position = int(state[0])
    full = state[1]
    mean, squares, products = state[2], state[3], state[4]
    values = state[5 : 5 + window]
    suffix = state[5 + window :].reshape(window, 3)
    half = (window - 1) / 2.0
    time_squares = window * (window * window - 1.0) / 12.0
    for i in range(out.shape[0]):
        value = x[i]
        if position == 0:
            mean, squares, products = 0.0, 0.0, 0.0
        values[position] = value
        anchor = values[0]
        now = value - anchor
        delta = now - mean
        products += delta * (position / 2.0)
        position += 1
        mean += delta / position
        squares += delta * (now - mean)
        level, total, cross = mean, squares, products
        if position == window:
            m, s, p = 0.0, 0.0, 0.0
            for j in range(window - 1, -1, -1):
                count = window - 1 - j
                now = values[j] - value
                delta = now - m
                p -= delta * (count / 2.0)
                m += delta / (count + 1)
                s += delta * (now - m)
                suffix[j, 0], suffix[j, 1], suffix[j, 2] = m, s, p
            position = 0
            full = 1.0
        elif full == 1.0:
            # The prefix comes after the suffix.
            delta = (mean - suffix[position, 0]) + (anchor - values[window - 1])
            anchor = values[window - 1]
            weight = position * (window - position) / window
            level = suffix[position, 0] + delta * (position / window)
            total += suffix[position, 1] + delta * delta * weight
            cross += suffix[position, 2] + delta * (window / 2.0) * weight
        else:
            out[i] = np.nan
            continue
        slope = cross / time_squares
        if what == SLOPE:
            out[i] = slope
        elif what == INTERCEPT:
            out[i] = anchor + (level - slope * half)
        elif what == FIT:
            out[i] = anchor + (level + slope * half)
        elif what == RESIDUAL:
            out[i] = (value - anchor) - (level + slope * half)
        elif total > 0.0:
            correlation = cross / (math.sqrt(total) * math.sqrt(time_squares))
            out[i] = min(1.0, correlation * correlation)
        else:
            out[i] = np.nan
    state[0], state[1] = position, full
    state[2], state[3], state[4] = mean, squares, products


@register_warmup("rolling line")
def _warm() -> None:
    rolling_line(np.ones(3), 2, SLOPE, np.zeros(13), np.empty(3))
