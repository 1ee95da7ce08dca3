"""Roughness and memory of the last `window` values: Hurst exponents and fractal dimensions.

Cost per bar: about ``window log2(window)`` operations (Hurst, DFA), ``window * kmax`` (Higuchi),
`window` (Petrosian). They are for windows of tens to some hundreds of values; the registry limits
them to 5,000.
"""

import math

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup

HURST, DFA, HIGUCHI, PETROSIAN = range(4)
_SMALLEST_RANGE = 8
_SMALLEST_BOX = 4


@jit
def _slope(horizontal: FloatArray, vertical: FloatArray, n: int) -> float:
    """Return the least squares slope through the first `n` points; missing for fewer than two."""
    if n < 2:
        return np.nan
    x, y = horizontal[:n], vertical[:n]
    mean_x, mean_y = 0.0, 0.0
    for i in range(n):
        mean_x += x[i] / n
        mean_y += y[i] / n
    squares, products = 0.0, 0.0
    for i in range(n):
        squares += (x[i] - mean_x) * (x[i] - mean_x)
        products += (x[i] - mean_x) * (y[i] - mean_y)
    return products / squares


@jit
def _rescaled_range(part: FloatArray) -> float:
    """Return the range of the summed deviations over the standard deviation; 0 if flat."""
    n = part.shape[0]
    mean = 0.0
    for k in range(n):
        mean += part[k] - part[0]
    mean = part[0] + mean / n
    squares, total, low, high = 0.0, 0.0, 0.0, 0.0
    for k in range(n):
        value = part[k]
        squares += (value - mean) * (value - mean)
        total += value - mean
        low, high = min(low, total), max(high, total)
    return (high - low) / math.sqrt(squares / n) if squares > 0.0 else 0.0


@jit
def _hurst(part: FloatArray, sizes: FloatArray, logs: FloatArray) -> float:
    n = part.shape[0]
    size, points = n, 0
    while size >= _SMALLEST_RANGE:
        total, used = 0.0, 0
        for end in range(n, size - 1, -size):
            ratio = _rescaled_range(part[end - size : end])
            if ratio > 0.0:
                total += ratio
                used += 1
        if used > 0:
            sizes[points] = math.log(float(size))
            logs[points] = math.log(total / used)
            points += 1
        size //= 2
    return _slope(sizes, logs, points)


@jit
def _detrended(profile: FloatArray) -> float:
    """Return the sum of squared residuals from the least squares line."""
    n = profile.shape[0]
    centre = (n - 1) / 2.0
    mean, products = 0.0, 0.0
    for k in range(n):
        mean += profile[k]
    mean /= n
    for k in range(n):
        products += (k - centre) * (profile[k] - mean)
    slope = products / (n * (n * n - 1.0) / 12.0)
    total = 0.0
    for k in range(n):
        residual = profile[k] - mean - slope * (k - centre)
        total += residual * residual
    return total


@jit
def _dfa(part: FloatArray, profile: FloatArray, sizes: FloatArray, logs: FloatArray) -> float:
    n = part.shape[0]
    mean = 0.0
    for k in range(n):
        mean += part[k] - part[0]
    mean = part[0] + mean / n
    total = 0.0
    flat = True
    for k in range(n):
        flat = flat and part[k] == part[0]
        total += part[k] - mean
        profile[k] = total
    if flat:
        return np.nan
    size, points = n // 4, 0
    while size >= _SMALLEST_BOX:
        squares, used = 0.0, 0
        for end in range(n, size - 1, -size):
            squares += _detrended(profile[end - size : end])
            used += size
        if squares > 0.0:
            sizes[points] = math.log(float(size))
            logs[points] = 0.5 * math.log(squares / used)
            points += 1
        size //= 2
    return _slope(sizes, logs, points)


@jit
def _higuchi(part: FloatArray, kmax: int, sizes: FloatArray, logs: FloatArray) -> float:
    n = part.shape[0]
    points = 0
    for k in range(1, kmax + 1):
        total = 0.0
        for m in range(k):
            steps = (n - 1 - m) // k
            length = 0.0
            for i in range(1, steps + 1):
                length += abs(part[m + i * k] - part[m + (i - 1) * k])
            total += length * (n - 1.0) / (steps * k) / k
        if total > 0.0:
            sizes[points] = -math.log(float(k))
            logs[points] = math.log(total / k)
            points += 1
    return _slope(sizes, logs, points)


@jit
def _petrosian(part: FloatArray) -> float:
    n = part.shape[0]
    turns = 0
    for k in range(2, n):
        if (part[k] - part[k - 1]) * (part[k - 1] - part[k - 2]) < 0.0:
            turns += 1
    length = math.log(float(n))
    return length / (length + math.log(n / (n + 0.4 * turns)))


@jit
def rolling_fractal(
    x: FloatArray, window: int, measure: int, kmax: int, state: FloatArray, out: FloatArray
) -> None:
    """Write a measure of the last `window` values.

    HURST: slope of ln(R/S) over ln(size), x taken as increments (returns); sizes window, window/2,
    … >= 8, pieces counted back from this bar, R/S averaged over the pieces that are not flat
    (Hurst 1951; Mandelbrot and Wallis 1969). DFA: detrended fluctuation analysis of order 1, x
    taken as increments; sizes window/4, window/8, … >= 4 (Peng et al. 1994, Phys. Rev. E 49,
    1685). Both are about 0.5 for independent increments (R/S of short windows: above).
    HIGUCHI: fractal dimension with steps 1 … kmax (Higuchi 1988, Physica D 31, 277). PETROSIAN:
    ln n / (ln n + ln(n / (n + 0.4 turns))) (Petrosian 1995). The first three are missing where
    fewer than two sizes have a length (a flat window). NaN before there are `window` values and
    while one of them is missing. State (2 + 2 * window), as of `rolling_entropy`.
    """
    seen = int(state[0])
    missing = int(state[1]) - 1
    ring = state[2:]
    profile = np.empty(window)
    sizes = np.empty(max(64, kmax))
    logs = np.empty(max(64, kmax))
    for i in range(out.shape[0]):
        value = x[i]
        slot = seen % window
        ring[slot] = value
        ring[slot + window] = value
        if value != value:
            missing = seen
        part = ring[slot + 1 : slot + 1 + window]
        if seen < window - 1 or missing > seen - window:
            out[i] = np.nan
        elif measure == HURST:
            out[i] = _hurst(part, sizes, logs)
        elif measure == DFA:
            out[i] = _dfa(part, profile, sizes, logs)
        elif measure == HIGUCHI:
            out[i] = _higuchi(part, kmax, sizes, logs)
        else:
            out[i] = _petrosian(part)
        seen += 1
    state[0], state[1] = seen, missing + 1


@register_warmup("fractal measures")
def _warm() -> None:
    rolling_fractal(np.arange(4.0), 3, PETROSIAN, 0, np.zeros(8), np.empty(4))
