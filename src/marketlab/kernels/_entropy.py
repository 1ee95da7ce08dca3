"""Entropies of the last `window` values: how far they are from repeating themselves.

Cost per bar: permutation ``order!`` additions; approximate and sample entropy ``window^2 / 2``
comparisons of templates; spectral entropy ``window^2`` multiplications. They are for windows of
tens to a few hundred values; the registry limits them to 1,000.
"""

import math

import numpy as np

from marketlab.core import FloatArray, IntArray
from marketlab.kernels._jit import jit, register_warmup

APPROXIMATE, SAMPLE, SPECTRAL = range(3)


@jit
def permutation_entropy(
    x: FloatArray, window: int, order: int, state: FloatArray, out: FloatArray
) -> None:
    """Write the entropy of ordinal patterns of `order` successive values over ln(order!), 0 to 1.

    Bandt and Pompe (2002), Phys. Rev. Lett. 88, 174102; delay 1, of equal values the earlier
    counts as the smaller. NaN before there are `window` values and while one of them is missing.
    State (2 + window + 2 * (window - order + 1) + order!): bars seen, 1 + bar of the last missing
    value, the values as a ring, the patterns as a ring, k ln k for each count k, the counts.
    """
    seen = int(state[0])
    missing = int(state[1]) - 1
    n_patterns = window - order + 1
    ring = state[2 : 2 + window]
    codes = state[2 + window : 2 + window + n_patterns]
    table = state[2 + window + n_patterns : 2 + window + 2 * n_patterns]
    counts = state[2 + window + 2 * n_patterns :]
    if seen == 0:
        for k in range(n_patterns):
            table[k] = (k + 1) * math.log(k + 1.0)
            codes[k] = -1.0
    scale = 1.0 / math.log(float(counts.shape[0]))
    for i in range(out.shape[0]):
        value = x[i]
        ring[seen % window] = value
        if value != value:
            missing = seen
        slot = seen % n_patterns
        if codes[slot] >= 0.0:
            counts[int(codes[slot])] -= 1.0
        codes[slot] = -1.0
        if seen >= order - 1 and missing <= seen - order:
            code = 0
            for a in range(order - 1):
                earlier = ring[(seen - order + 1 + a) % window]
                smaller = 0
                for b in range(a + 1, order):
                    if ring[(seen - order + 1 + b) % window] < earlier:
                        smaller += 1
                code = code * (order - a) + smaller
            codes[slot] = code
            counts[code] += 1.0
        if seen < window - 1 or missing > seen - window:
            out[i] = np.nan
        else:
            total = 0.0
            for k in range(counts.shape[0]):
                if counts[k] > 0.0:
                    total += table[int(counts[k]) - 1]
            entropy = (math.log(float(n_patterns)) - total / n_patterns) * scale
            out[i] = min(1.0, max(0.0, entropy))
        seen += 1
    state[0], state[1] = seen, missing + 1


@jit
def _deviation(part: FloatArray) -> float:
    mean = 0.0
    for k in range(part.shape[0]):
        mean += part[k] - part[0]
    mean = part[0] + mean / part.shape[0]
    total = 0.0
    for k in range(part.shape[0]):
        total += (part[k] - mean) * (part[k] - mean)
    return math.sqrt(total / part.shape[0])


@jit
def _count_matches(
    part: FloatArray, length: int, radius: float, n_short: int, short: IntArray, long: IntArray
) -> None:
    """Count for each template of `length` (and length + 1) the other ones within `radius`."""
    n_long = part.shape[0] - length
    for i in range(part.shape[0]):
        short[i] = 0
        long[i] = 0
    for i in range(n_short):
        for j in range(i + 1, n_short):
            k = 0
            while k < length and abs(part[i + k] - part[j + k]) <= radius:
                k += 1
            if k == length:
                short[i] += 1
                short[j] += 1
                if j < n_long and abs(part[i + k] - part[j + k]) <= radius:
                    long[i] += 1
                    long[j] += 1


@jit
def _approximate(part: FloatArray, length: int, short: IntArray, long: IntArray) -> float:
    n_short = part.shape[0] - length + 1
    phi_short, phi_long = 0.0, 0.0
    for i in range(n_short):
        phi_short += math.log((short[i] + 1.0) / n_short)
    for i in range(n_short - 1):
        phi_long += math.log((long[i] + 1.0) / (n_short - 1))
    difference: float = phi_short / n_short - phi_long / (n_short - 1)
    return difference


@jit
def _sample(part: FloatArray, length: int, short: IntArray, long: IntArray) -> float:
    n = part.shape[0] - length
    pairs_short, pairs_long = 0.0, 0.0  # each pair twice
    for i in range(n):
        pairs_short += short[i]
        pairs_long += long[i]
    if pairs_long == 0.0:
        return math.log(n * (n - 1) / 2.0)
    return math.log(pairs_short / pairs_long)


@jit
def _spectral(part: FloatArray, cosine: FloatArray, sine: FloatArray) -> float:
    n = part.shape[0]
    n_frequencies = n // 2
    total, weighted = 0.0, 0.0
    for frequency in range(1, n_frequencies + 1):
        real, imaginary = 0.0, 0.0
        angle = 0
        for k in range(n):
            value = part[k] - part[0]
            real += value * cosine[angle]
            imaginary += value * sine[angle]
            angle += frequency
            if angle >= n:
                angle -= n
        power = real * real + imaginary * imaginary
        if power > 0.0:
            total += power
            weighted += power * math.log(power)
    if total == 0.0:
        return np.nan
    entropy = (math.log(total) - weighted / total) / math.log(float(n_frequencies))
    # A flat spectrum has 1, which rounding would exceed.
    return min(1.0, max(0.0, entropy))


@jit
def rolling_entropy(
    x: FloatArray,
    window: int,
    measure: int,
    length: int,
    tolerance: float,
    state: FloatArray,
    out: FloatArray,
) -> None:
    """Write an entropy of the last `window` values, in nats (SPECTRAL: over its maximum, 0 to 1).

    APPROXIMATE, Pincus (1991), PNAS 88, 2297: templates of `length` within `tolerance` standard
    deviations (of the window, ddof 0; a template matches itself). SAMPLE, Richman and Moorman
    (2000), Am. J. Physiol. 278, H2039: -ln of the share of pairs that still match when one value
    longer; no such pair gives its upper bound ln(n (n - 1) / 2), n = window - length. SPECTRAL:
    Shannon entropy of the periodogram at frequencies 1 … window // 2 without taper or trend, NaN
    for a flat window. NaN before there are `window` values and while one of them is missing.
    State (2 + 2 * window): bars seen, 1 + bar of the last missing value, the values as a ring,
    written twice, so that a window is always one piece.
    """
    seen = int(state[0])
    missing = int(state[1]) - 1
    ring = state[2:]
    short = np.zeros(window, np.int64)
    long = np.zeros(window, np.int64)
    cosine = np.empty(window)
    sine = np.empty(window)
    if measure == SPECTRAL:
        for k in range(window):
            cosine[k] = math.cos(2.0 * math.pi * k / window)
            sine[k] = math.sin(2.0 * math.pi * k / window)
    for i in range(out.shape[0]):
        value = x[i]
        slot = seen % window
        ring[slot] = value
        ring[slot + window] = value
        if value != value:
            missing = seen
        if seen < window - 1 or missing > seen - window:
            out[i] = np.nan
        else:
            part = ring[slot + 1 : slot + 1 + window]
            if measure == SPECTRAL:
                out[i] = _spectral(part, cosine, sine)
            else:
                n_short = window - length + (1 if measure == APPROXIMATE else 0)
                radius = tolerance * _deviation(part)
                _count_matches(part, length, radius, n_short, short, long)
                if measure == APPROXIMATE:
                    out[i] = _approximate(part, length, short, long)
                else:
                    out[i] = _sample(part, length, short, long)
        seen += 1
    state[0], state[1] = seen, missing + 1


@register_warmup("entropies")
def _warm() -> None:
    x = np.arange(6.0)
    permutation_entropy(x, 5, 3, np.zeros(19), np.empty(6))
    rolling_entropy(x, 4, SAMPLE, 1, 0.2, np.zeros(10), np.empty(6))
