"""Intervals from independent events: bars of one event are one observation, not many.

Symbols: E events; d_e sum of the differences in event e; n_e its samples; r = sum d / sum n.

Resampling draws E events with all their samples, so that the sum-to-sum ratio r* varies as it
would with other events. Two intervals come out of one pass, and the wider end of each is used:

- expanded percentile (Hesterberg 2015, "What teachers should know about the bootstrap", The
  American Statistician 69(4), 371-386): quantiles of r* at a level that repays the t quantile
  and the factor sqrt(E / (E - 1));
- bootstrap-t (Efron 1981; Efron and Tibshirani 1993, "An Introduction to the Bootstrap", ch. 12)
  with the linearised standard error of a ratio (Cochran 1977, "Sampling Techniques", 6.4):
  se^2 = E / (E - 1) * sum (d_e - r n_e)^2 / (sum n_e)^2.

For exponential lengths of legs and three kinds of effects the plain percentile interval covers
90 to 95 % at 20 to 100 events, either of the two above 93 to 96 %, their union 95 to 96 %; with the
widening below, the implementation covers 96 to 97 % at 20 to 100 events and 95 to 96 % at 300
(November 2026, 1,500 simulated series each; measured again by the slow tests). It is too short
where the sample cannot show what matters: rare large losses in 15 % of events, 20 events, 88 %.
Below 20 events no interval is honest, and none is given.

Neighbouring events can depend on each other: labels of overlapping horizons, or a model that is
right for months and then wrong. The interval is widened by the square root of
1 + 2 (rho_1 + ... + rho_k), where rho are the autocorrelations of d_e - r n_e in the order of
events, summed until the first that is not positive (the idea of Geyer 1992, "Practical Markov
chain Monte Carlo", Statistical Science 7(4), 473-483) and to lag E^(1/3) at most. Negative
dependence never narrows it.
"""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from marketlab.core import (
    DataError,
    FloatArray,
    FrozenConfig,
    IntArray,
    check_at_least,
    check_between,
    check_same_length,
    stream_key,
)
from marketlab.kernels import counter_bits, jit, register_warmup

MIN_EVENTS_FOR_INTERVAL = 20
_SE_FLOOR = 0.2  # a resample's standard error, at least this share of the sample's own
_LOW_HALF = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


class Interval(FrozenConfig):
    """A confidence interval from events.

    Attributes
    ----------
    estimate : the ratio itself, per sample.
    low, high : ends of the interval, unit of the estimate.
    level : nominal coverage.
    n_events : events that were resampled.
    standard_error : linearised, widened for dependence like the interval.
    dependence_factor : by how much both were widened, 1 or more.
    n_resamples : bootstrap resamples.
    """

    estimate: float
    low: float
    high: float
    level: float
    n_events: int
    standard_error: float
    dependence_factor: float
    n_resamples: int


class EventSums(NamedTuple):
    """Sums per event, in the order of event ids."""

    total: FloatArray  # (E,)
    size: FloatArray  # (E,)


def event_sums(values: FloatArray, event: IntArray) -> EventSums:
    """Return the sum of `values` and the number of samples of each event, by ascending id."""
    check_same_length(values=values, event=event)
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values))[0])
        raise DataError(
            f"differences must be finite; entry {bad} is {values[bad]}.", code="DATA-NotFinite"
        )
    _, group = np.unique(event, return_inverse=True)
    return EventSums(
        np.bincount(group, weights=values).astype(np.float64),
        np.bincount(group).astype(np.float64),
    )


def count_events(event: IntArray) -> int:
    """Return how many distinct events the samples belong to."""
    return len(np.unique(event))


def effective_events(event: IntArray) -> float:
    """Return Kish's effective number, (sum n)^2 / sum n^2: what unequal lengths leave of them.

    Source: Kish (1965), "Survey Sampling". Exponential lengths leave about half.
    """
    if len(event) == 0:
        return 0.0
    sizes = np.unique(event, return_counts=True)[1].astype(np.float64)
    return float(sizes.sum() ** 2 / (sizes @ sizes))


@jit
def _resample(  # one pass gives r* - r and its studentised form
    residual: FloatArray,
    size: FloatArray,
    key: np.uint64,
    se_floor: float,
    shift: FloatArray,
    student: FloatArray,
) -> None:
    """Fill `shift` with r* - r and `student` with (r* - r) / se*, each of shape (B,)."""
    n_events = residual.shape[0]
    spread = np.uint64(n_events)
    correction = n_events / (n_events - 1.0)
    half = (n_events + 1) // 2
    for b in range(shift.shape[0]):
        s_e = 0.0
        s_n = 0.0
        s_ee = 0.0
        s_en = 0.0
        s_nn = 0.0
        for pair in range(half):
            bits = counter_bits(key, np.uint64(b) * np.uint64(half) + np.uint64(pair))
            # Lemire (2019): the high half of a 32-bit draw times E is uniform below E.
            i = np.int64(((bits >> _HALF) * spread) >> _HALF)
            e = residual[i]
            n = size[i]
            s_e += e
            s_n += n
            s_ee += e * e
            s_en += e * n
            s_nn += n * n
            if 2 * pair + 1 < n_events:
                i = np.int64(((bits & _LOW_HALF) * spread) >> _HALF)
                e = residual[i]
                n = size[i]
                s_e += e
                s_n += n
                s_ee += e * e
                s_en += e * n
                s_nn += n * n
        delta = s_e / s_n
        squares = max(0.0, s_ee - 2.0 * delta * s_en + delta * delta * s_nn)
        shift[b] = delta
        student[b] = delta / max(se_floor, math.sqrt(squares * correction) / s_n)


def event_bootstrap_interval(
    loss_difference: FloatArray,
    event: IntArray,
    *,
    n_resamples: int = 2000,
    seed: int,
    level: float = 0.95,
) -> Interval | None:
    """Return a confidence interval of the mean difference per sample, by resampling events.

    Parameters
    ----------
    loss_difference : ndarray of shape (n,); for log-loss skill the baseline's loss less the
        model's (positive is better); for accuracy 1 where right and 0 where wrong.
    event : ndarray of int64 of shape (n,); id of the independent event of each sample, ascending
        in time (dependence is measured between neighbouring ids).
    n_resamples : bootstrap resamples, 100 or more.
    seed : names the random stream; the same seed gives the same interval.
    level : nominal coverage, 0.5 to 0.999.

    Returns
    -------
    The interval, or None below 20 events. If all events agree exactly, both ends are the estimate.

    Raises
    ------
    DataError for a difference that is not finite or arrays of unequal length; ConfigError for
    `n_resamples` or `level` out of range.
    """
    check_at_least("n_resamples", n_resamples, 100)
    check_between("level", level, 0.5, 0.999)
    sums = event_sums(loss_difference, event)
    n_events = len(sums.total)
    if n_events < MIN_EVENTS_FOR_INTERVAL:
        return None
    n_samples = float(sums.size.sum())
    estimate = float(sums.total.sum() / n_samples)
    residual = sums.total - estimate * sums.size
    scale = float(np.abs(sums.total).max())
    squares = float(residual @ residual)
    if squares <= (1e-12 * scale) ** 2:
        low = high = estimate
        standard_error = 0.0
        widening = 1.0
    else:
        standard_error = math.sqrt(squares * n_events / (n_events - 1)) / n_samples
        shift, student = np.empty(n_resamples), np.empty(n_resamples)
        key = np.uint64(stream_key(seed, "event_bootstrap"))
        _resample(residual, sums.size, key, _SE_FLOOR * standard_error, shift, student)
        below, above = _wider_ends(shift, student * standard_error, n_events, level)
        widening = dependence_factor(residual)
        low, high = estimate + widening * below, estimate + widening * above
    return Interval(
        estimate=estimate,
        low=low,
        high=high,
        level=level,
        n_events=n_events,
        standard_error=widening * standard_error,
        dependence_factor=widening,
        n_resamples=n_resamples,
    )


def _wider_ends(
    shift: FloatArray, scaled_student: FloatArray, n_events: int, level: float
) -> tuple[float, float]:
    """Return the ends, as distances from the estimate, of the union of both intervals."""
    normal = NormalDist()
    tail = (1.0 - level) / 2.0
    spread = math.sqrt(n_events / (n_events - 1.0)) * _student_quantile(1.0 - tail, n_events - 1)
    percentile_low, percentile_high = _outer_quantiles(shift, normal.cdf(-spread))
    pivot_low, pivot_high = _outer_quantiles(scaled_student, tail)
    return min(percentile_low, -pivot_high), max(percentile_high, -pivot_low)


def _outer_quantiles(values: FloatArray, tail: float) -> tuple[float, float]:
    """Return the order statistics at ranks tail * (B + 1) from either end, rounded outwards."""
    rank = max(1, math.floor(tail * (len(values) + 1)))
    parted = np.partition(values, (rank - 1, len(values) - rank))
    return float(parted[rank - 1]), float(parted[len(values) - rank])


def _student_quantile(probability: float, freedom: int) -> float:
    """Return Student's t quantile by its expansion in 1/freedom (Abramowitz-Stegun 26.7.5)."""
    z = NormalDist().inv_cdf(probability)
    v = float(freedom)
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    )


def dependence_factor(residual: FloatArray) -> float:
    """Return sqrt(1 + 2 * sum of the leading positive autocorrelations) of events in order."""
    n_events = len(residual)
    variance = float(residual @ residual)
    if variance <= 0.0:
        return 1.0
    total = 0.0
    for lag in range(1, math.floor(n_events ** (1 / 3) + 1e-9) + 1):
        rho = float(residual[:-lag] @ residual[lag:]) / variance
        if rho <= 0.0:
            break
        total += rho
    return math.sqrt(1.0 + 2.0 * total)


@register_warmup("event bootstrap")
def _warm() -> None:
    values = np.linspace(0.0, 1.0, 40)
    event_bootstrap_interval(values, np.arange(40), n_resamples=100, seed=0)
