"""Do events forecast with 70 % happen in 70 % of cases? Bins, their error, and its uncertainty.

The expected calibration error is the mean of abs(mean forecast - observed share) over bins,
weighted by samples (Naeini, Cooper and Hauskrecht 2015, "Obtaining well calibrated probabilities
using Bayesian binning", AAAI). It is biased upwards: a perfectly calibrated forecast shows about
0.05 in a bin of 50 samples. So every row carries the interval of its observed share.
"""

import math
from statistics import NormalDist
from typing import Literal

import numpy as np

from marketlab.core import (
    FloatArray,
    FrozenConfig,
    IntArray,
    check_at_least,
    check_between,
    check_same_length,
)
from marketlab.evaluation._bootstrap import MIN_EVENTS_FOR_INTERVAL, event_sums
from marketlab.evaluation._distributions import student_quantile
from marketlab.evaluation._undefined import Metric, Undefined, check_binary, check_shares

Binning = Literal["width", "count"]


class ShareInterval(FrozenConfig):
    """A confidence interval of a share, from 0 to 1.

    Attributes
    ----------
    estimate, low, high : the share and the ends.
    level : nominal coverage.
    n_events : independent events behind it.
    effective_samples : independent samples that would be as uncertain; the interval is theirs.
    """

    estimate: float
    low: float
    high: float
    level: float
    n_events: int
    effective_samples: float


class ReliabilityRow(FrozenConfig):
    """One bin that holds samples; ``low < p <= high`` (the first one holds p = low too)."""

    low: float
    high: float
    n_samples: int
    mean_probability: float
    observed: float
    interval: ShareInterval | Undefined


class ReliabilityTable(FrozenConfig):
    """Forecast against observed shares.

    Attributes
    ----------
    binning : ``width`` (bins of equal width) or ``count`` (of about equal numbers of samples;
        equal forecasts are never torn apart).
    n_bins, empty_bins : bins asked for, and those without a sample, which have no row.
    ece, largest_error : weighted mean and largest of abs(mean forecast - observed).
    """

    binning: Binning
    n_bins: int
    empty_bins: int
    n_samples: int
    ece: Metric
    largest_error: Metric
    rows: tuple[ReliabilityRow, ...]


def share_interval(
    hit: IntArray, event: IntArray, *, level: float = 0.95
) -> ShareInterval | Undefined:
    """Return Wilson's interval of a share at the sample size that the events are worth.

    Parameters
    ----------
    hit : ndarray of int64 of shape (n,), 0 or 1.
    event : ndarray of int64 of shape (n,); id of the independent event of each sample. For
        samples that are independent themselves pass ``np.arange(n)``.
    level : nominal coverage, 0.5 to 0.999.

    Returns
    -------
    The interval, or `Undefined` below 20 events.

    Notes
    -----
    Effective samples are p (1 - p) / v, with v the linearised variance of the ratio of event sums,
    at most n, times (z / t)^2 for the E - 1 degrees of freedom of v (Korn and Graubard 1998,
    "Confidence intervals for proportions with small expected number of positive counts estimated
    from survey data", Survey Methodology 24, 193-201), put into the interval of Wilson (1927,
    JASA 22, 209-212). Where all samples agree, v says nothing and the number of events counts.
    """
    check_between("level", level, 0.5, 0.999)
    check_binary("hit", hit)
    check_same_length(hit=hit, event=event)
    sums = event_sums(hit.astype(np.float64), event)
    n_events, n = len(sums.total), float(len(hit))
    if n_events < MIN_EVENTS_FOR_INTERVAL:
        return Undefined(
            metric="interval",
            reason=f"an interval needs {MIN_EVENTS_FOR_INTERVAL} events; there are {n_events}.",
            counts={"events": n_events, "required": MIN_EVENTS_FOR_INTERVAL},
        )
    share = float(hit.mean())
    tail = (1.0 + level) / 2.0
    z = NormalDist().inv_cdf(tail)
    residual = sums.total - share * sums.size
    variance = float(residual @ residual) * n_events / (n_events - 1) / n**2
    if share in (0.0, 1.0):
        effective = float(n_events)
    else:
        least = share * (1.0 - share) / n
        effective = n * least / max(variance, least)
    effective *= (z / student_quantile(tail, n_events - 1)) ** 2
    low, high = _wilson(share, effective, z)
    return ShareInterval(
        estimate=share,
        low=low,
        high=high,
        level=level,
        n_events=n_events,
        effective_samples=effective,
    )


def _wilson(share: float, n: float, z: float) -> tuple[float, float]:
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return min(share, max(0.0, (middle - half) / scale)), max(
        share, min(1.0, (middle + half) / scale)
    )


def calibration_error(hit: IntArray, probability: FloatArray, *, binning: Binning) -> Metric:
    """Return the expected calibration error over 10 bins, or `Undefined` without samples."""
    check_binary("hit", hit)
    check_same_length(hit=hit, probability=probability)
    check_shares("probability", probability)
    if len(hit) == 0:
        return Undefined(metric="ece", reason="there is no sample.", counts={"samples": 0})
    group, edges = _bins(probability, 10, binning)
    return float(np.abs(_gaps(hit, probability, group, len(edges) - 1)).sum() / len(hit))


def reliability_table(
    hit: IntArray,
    probability: FloatArray,
    event: IntArray,
    *,
    n_bins: int = 10,
    binning: Binning = "width",
    level: float = 0.95,
) -> ReliabilityTable:
    """Return forecast and observed shares per bin, each with its interval from events.

    Parameters
    ----------
    hit : ndarray of int64 of shape (n,); 1 where the forecast event happened. For the chosen
        class of several: 1 where the choice was right.
    probability : ndarray of shape (n,), in [0, 1]; what was forecast for it.
    event : ndarray of int64 of shape (n,); id of the independent event of each sample.
    n_bins : 2 or more. level : of the intervals.

    Raises
    ------
    DataError for arrays that do not fit or are out of range; ConfigError for `n_bins`.
    """
    check_at_least("n_bins", n_bins, 2)
    check_binary("hit", hit)
    check_same_length(hit=hit, probability=probability, event=event)
    check_shares("probability", probability)
    if len(hit) == 0:
        none = Undefined(metric="ece", reason="there is no sample.", counts={"samples": 0})
        return ReliabilityTable(
            binning=binning,
            n_bins=n_bins,
            empty_bins=n_bins,
            n_samples=0,
            ece=none,
            largest_error=none,
            rows=(),
        )
    group, edges = _bins(probability, n_bins, binning)
    rows = []
    for k in np.unique(group):
        inside = group == k
        rows.append(
            ReliabilityRow(
                low=float(edges[k]),
                high=float(edges[k + 1]),
                n_samples=int(inside.sum()),
                mean_probability=float(probability[inside].mean()),
                observed=float(hit[inside].mean()),
                interval=share_interval(hit[inside], event[inside], level=level),
            )
        )
    return ReliabilityTable(
        binning=binning,
        n_bins=n_bins,
        empty_bins=n_bins - len(rows),
        n_samples=len(hit),
        ece=float(np.abs(_gaps(hit, probability, group, n_bins)).sum() / len(hit)),
        largest_error=max(abs(row.mean_probability - row.observed) for row in rows),
        rows=tuple(rows),
    )


def _bins(probability: FloatArray, n_bins: int, binning: Binning) -> tuple[IntArray, FloatArray]:
    """Return the bin of each sample and the edges; an edge belongs to the bin below it."""
    shares = np.linspace(0.0, 1.0, n_bins + 1)
    edges = shares if binning == "width" else np.percentile(probability, 100.0 * shares)
    group = np.searchsorted(edges[1:-1], probability, side="left").astype(np.int64)
    return group, np.asarray(edges, dtype=np.float64)


def _gaps(hit: IntArray, probability: FloatArray, group: IntArray, n_bins: int) -> FloatArray:
    return np.bincount(group, weights=hit - probability, minlength=n_bins).astype(np.float64)
