"""Sums, extremes and deviations over the last `window` bars, in constant time per bar.

The series is cut into blocks of `window` bars, counted from its first bar. A window is then a
suffix of the block before plus a prefix of the present one, and both are folded without ever
taking a value out again. So nothing drifts, a huge value leaves no trace once it has left the
window, and a missing value makes exactly those windows missing that hold it
(van Herk 1992, Gil and Werman 1993 for extremes; Chan, Golub and LeVeque 1983 for the deviation).
Deviations are folded as differences to a value that every fold of its kind holds, the first one of
a prefix or the last one of a suffix: so a high price level costs no digits of a small deviation.

State of all: position in the block, 1 once a whole block was seen, the fold of the prefix, then
the values of the block and the folds of the suffixes of the block before.
"""

import math

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup


@jit
def rolling_sum(
    x: FloatArray, window: int, divisor: float, state: FloatArray, out: FloatArray
) -> None:
    """Write the sum of the last `window` values over `divisor`; NaN before there are as many.

    State (3 + 2 * window).
    """
    position = int(state[0])
    full = state[1]
    prefix = state[2]
    values = state[3 : 3 + window]
    suffix = state[3 + window :]
    for i in range(out.shape[0]):
        value = x[i]
        prefix = value if position == 0 else prefix + value
        values[position] = value
        position += 1
        if position == window:
            out[i] = prefix
            fold = values[window - 1]
            suffix[window - 1] = fold
            for j in range(window - 2, -1, -1):
                fold += values[j]
                suffix[j] = fold
            position = 0
            full = 1.0
        elif full == 1.0:
            out[i] = suffix[position] + prefix
        else:
            out[i] = np.nan
    if divisor != 1.0:
        for i in range(out.shape[0]):
            out[i] /= divisor
    state[0] = position
    state[1] = full
    state[2] = prefix


@jit
def _larger(a: float, b: float) -> float:
    return a if a >= b or a != a else b


@jit
def rolling_extreme(
    x: FloatArray, window: int, sign: float, state: FloatArray, out: FloatArray
) -> None:
    """Write the largest (sign 1.0) or smallest (sign -1.0) of the last `window` values.

    NaN before there are as many. State (3 + 2 * window).
    """
    position = int(state[0])
    full = state[1]
    prefix = state[2]
    values = state[3 : 3 + window]
    suffix = state[3 + window :]
    for i in range(out.shape[0]):
        value = sign * x[i]
        prefix = value if position == 0 else _larger(prefix, value)
        values[position] = value
        position += 1
        if position == window:
            out[i] = sign * prefix
            fold = values[window - 1]
            suffix[window - 1] = fold
            for j in range(window - 2, -1, -1):
                fold = _larger(fold, values[j])
                suffix[j] = fold
            position = 0
            full = 1.0
        elif full == 1.0:
            out[i] = sign * _larger(suffix[position], prefix)
        else:
            out[i] = np.nan
    state[0] = position
    state[1] = full
    state[2] = prefix


@jit
def rolling_std(x: FloatArray, window: int, ddof: int, state: FloatArray, out: FloatArray) -> None:
    """Write the standard deviation of the last `window` values, divisor ``window - ddof``.

    NaN before there are as many. A flat window gives exactly 0. State (4 + 4 * window): the
    prefix as mean (less that value) and sum of squared deviations, the values, 1/k for each
    count k, and the same two of every suffix.
    """
    position = int(state[0])
    full = state[1]
    mean = state[2]
    squares = state[3]
    values = state[4 : 4 + window]
    inverse = state[4 + window : 4 + 2 * window]
    suffix_mean = state[4 + 2 * window : 4 + 3 * window]
    suffix_squares = state[4 + 3 * window :]
    if inverse[0] == 0.0:
        for k in range(window):
            inverse[k] = 1.0 / (k + 1)
    for i in range(out.shape[0]):
        value = x[i]
        values[position] = value
        if position == 0:
            mean = squares = value - value  # 0, or missing
        else:
            value -= values[0]
            delta = value - mean
            mean += delta * inverse[position]
            squares += delta * (value - mean)
        position += 1
        if position == window:
            out[i] = math.sqrt(squares / (window - ddof))
            fold_mean = 0.0
            fold_squares = 0.0
            last = values[window - 1]
            for k in range(window):
                j = window - 1 - k
                value = values[j] - last
                delta = value - fold_mean
                fold_mean += delta * inverse[k]
                fold_squares += delta * (value - fold_mean)
                suffix_mean[j] = fold_mean
                suffix_squares[j] = fold_squares
            position = 0
            full = 1.0
        elif full == 1.0:
            delta = (suffix_mean[position] - mean) + (values[window - 1] - values[0])
            weight = position * (window - position) * inverse[window - 1]
            total = suffix_squares[position] + squares + delta * delta * weight
            out[i] = math.sqrt(total / (window - ddof))
        else:
            out[i] = np.nan
    state[0] = position
    state[1] = full
    state[2] = mean
    state[3] = squares


@jit
def bars_since_extreme(
    x: FloatArray, window: int, sign: float, newest: int, state: FloatArray, out: FloatArray
) -> None:
    """Write how many bars ago the extreme of the last `window` values stood (0 = this bar).

    `sign` 1.0 looks for the largest, -1.0 for the smallest; of equal values the newest counts if
    `newest` is 1, else the oldest. NaN before there are `window` values and while one of them is
    missing. The window is searched only when its extreme leaves it. State (4 + window): position
    in the ring, bars since the extreme, 1 + bars to go until no missing (or absent) value is in
    the window, the extreme, the last values as a ring.
    """
    position = int(state[0])
    age = int(state[1])
    missing = int(state[2]) - 1
    best = state[3]
    ring = state[4:]
    if missing < 0:  # before the first bar
        missing, age, best = window - 1, window, -np.inf
    for i in range(out.shape[0]):
        value = sign * x[i]
        ring[position] = value
        age += 1
        if value > best or (newest == 1 and value == best):
            best = value
            age = 0
        elif age >= window:
            best, age = -np.inf, window
            # From the oldest to the newest: what lies after this place, then what comes before.
            for half in range(2):
                start = position + 1 if half == 0 else 0
                part = ring[start:window] if half == 0 else ring[: position + 1]
                for k in range(part.shape[0]):
                    candidate = part[k]
                    tie = candidate == best and (newest == 1 or age == window)
                    if candidate > best or tie:
                        best = candidate
                        age = position - start - k + (window if half == 0 else 0)
        if value != value:
            missing = window
        if missing > 0:
            out[i] = np.nan
            missing -= 1
        else:
            out[i] = age
        position += 1
        if position == window:
            position = 0
    state[0] = position
    state[1] = age
    state[2] = missing + 1
    state[3] = best


@register_warmup("rolling windows")
def _warm() -> None:
    x, out = np.ones(3), np.empty(3)
    rolling_sum(x, 2, 1.0, np.zeros(7), out)
    rolling_extreme(x, 2, 1.0, np.zeros(7), out)
    rolling_std(x, 2, 0, np.zeros(12), out)
    bars_since_extreme(x, 2, 1.0, 0, np.zeros(6), out)
