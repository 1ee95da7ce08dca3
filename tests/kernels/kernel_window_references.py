"""The window primitives a second time, from NumPy, pandas and scipy, one window at a time."""

import math
from itertools import permutations

import numpy as np
import pandas as pd
from scipy import stats

NAN = math.nan


def windowed(function):
    """Run `function` on every complete window of the columns; missing while a value is."""

    def run(*inputs, window, **params):
        columns = [np.asarray(x, dtype=float) for x in inputs]
        out = []
        for t in range(len(columns[0])):
            if t < window - 1:
                out.append(NAN)
                continue
            parts = [x[t - window + 1 : t + 1] for x in columns]
            missing = any(np.isnan(p).any() for p in parts)
            out.append(NAN if missing else float(function(*parts, **params)))
        return out

    return run


def is_flat(part):
    return bool((part == part[0]).all())


def rank(part, kind):
    now, others = part[-1], part[:-1]
    if kind == 0:
        return np.mean(others < now)
    if kind == 1:
        return pd.Series(part).rank(pct=True).iloc[-1]
    return np.mean(part <= now)


def centred(part):
    """Return deviations from the mean, exact enough for a window with one huge value."""
    mean = math.fsum(part) / len(part)
    return np.array([v - mean for v in part])


def covariance(a, b, ddof):
    return math.fsum(centred(a) * centred(b)) / (len(a) - ddof)


def correlation(a, b):
    if is_flat(a) or is_flat(b):
        return NAN
    return stats.pearsonr(centred(a), centred(b)).statistic


def line(part):
    time = np.arange(len(part)) - (len(part) - 1) / 2
    mean = math.fsum(part) / len(part)
    slope = math.fsum(time * centred(part)) / math.fsum(time * time)
    return slope, mean


def fit(part, at):
    slope, mean = line(part)
    return mean + slope * (at % len(part) - (len(part) - 1) / 2)


def rsquare(part):
    return NAN if is_flat(part) else stats.linregress(np.arange(len(part)), part).rvalue ** 2


def residual(part):
    slope, mean = line(part)
    return (part[-1] - mean) - slope * (len(part) - 1) / 2


def pattern_entropy(part, order):
    patterns = dict.fromkeys(permutations(range(order)), 0)
    for k in range(len(part) - order + 1):
        patterns[tuple(np.argsort(part[k : k + order], kind="stable").tolist())] += 1
    return stats.entropy(list(patterns.values())) / math.log(math.factorial(order))


def templates(part, length, count):
    return np.array([part[i : i + length] for i in range(count)])


def matches(rows, radius):
    return (np.abs(rows[:, None] - rows[None]).max(axis=2) <= radius).sum(axis=1)


def approximate_entropy(part, m, r):
    radius = r * np.std(part)
    phi = []
    for length in (m, m + 1):
        count = len(part) - length + 1
        phi.append(np.mean(np.log(matches(templates(part, length, count), radius) / count)))
    return phi[0] - phi[1]


def sample_entropy(part, m, r):
    radius, n = r * np.std(part), len(part) - m
    short, long = (int((matches(templates(part, k, n), radius) - 1).sum()) for k in (m, m + 1))
    return math.log(n * (n - 1) / 2) if long == 0 else -math.log(long / short)


def spectral_entropy(part):
    if is_flat(part):
        return NAN
    power = np.abs(np.fft.rfft(part - part.mean())[1 : len(part) // 2 + 1]) ** 2
    return stats.entropy(power) / math.log(len(power))


def halves(size, smallest):
    while size >= smallest:
        yield size
        size //= 2


def pieces(part, size):
    return [part[end - size : end] for end in range(len(part), size - 1, -size)]


def exponent(sizes, values):
    return stats.linregress(np.log(sizes), np.log(values)).slope if len(sizes) > 1 else NAN


def hurst(part):
    points = []
    for size in halves(len(part), 8):
        ratios = []
        for piece in pieces(part, size):
            if not is_flat(piece):
                walk = np.concatenate([[0.0], np.cumsum(piece - piece.mean())])
                ratios.append(np.ptp(walk) / piece.std())
        if ratios:
            points.append((size, np.mean(ratios)))
    return exponent(*zip(*points, strict=True)) if points else NAN


def dfa(part):
    if is_flat(part):
        return NAN
    profile, points = np.cumsum(part - part.mean()), []
    for size in halves(len(part) // 4, 4):
        squares = []
        for piece in pieces(profile, size):
            time = np.arange(size)
            squares.append((piece - np.polyval(np.polyfit(time, piece, 1), time)) ** 2)
        points.append((size, math.sqrt(np.mean(squares))))
    return exponent(*zip(*points, strict=True))


def higuchi(part, kmax):
    points, n = [], len(part)
    for k in range(1, kmax + 1):
        lengths = []
        for m in range(k):
            path = part[m::k]
            steps = len(path) - 1
            lengths.append(np.abs(np.diff(path)).sum() * (n - 1) / (steps * k) / k)
        if np.mean(lengths) > 0:
            points.append((1 / k, np.mean(lengths)))
    return exponent(*zip(*points, strict=True)) if points else NAN


def petrosian(part):
    change, n = np.diff(part), len(part)
    turns = int((change[1:] * change[:-1] < 0).sum())
    return math.log10(n) / (math.log10(n) + math.log10(n / (n + 0.4 * turns)))


def unbiased(function):
    return lambda part: NAN if is_flat(part) else function(centred(part), bias=False)


WINDOW_REFERENCES = {
    "rolling_wma": windowed(lambda part: np.average(part, weights=np.arange(1, len(part) + 1))),
    "rolling_rank": windowed(rank),
    "rolling_quantile": windowed(lambda part, q: np.quantile(part, q)),
    "rolling_cov": windowed(covariance),
    "rolling_corr": windowed(correlation),
    "rolling_slope": windowed(lambda part: line(part)[0]),
    "rolling_intercept": windowed(lambda part: fit(part, 0)),
    "rolling_fit": windowed(lambda part: fit(part, -1)),
    "rolling_rsquare": windowed(rsquare),
    "rolling_residual": windowed(residual),
    "rolling_mean_deviation": windowed(lambda part: np.abs(centred(part)).mean()),
    "rolling_skew": windowed(unbiased(stats.skew)),
    "rolling_kurtosis": windowed(unbiased(stats.kurtosis)),
    "permutation_entropy": windowed(pattern_entropy),
    "approximate_entropy": windowed(approximate_entropy),
    "sample_entropy": windowed(sample_entropy),
    "spectral_entropy": windowed(spectral_entropy),
    "hurst_rs": windowed(hurst),
    "dfa": windowed(dfa),
    "higuchi_fd": windowed(higuchi),
    "petrosian_fd": windowed(petrosian),
}
