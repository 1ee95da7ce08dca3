"""DeLong's interval of an AUC and the paired test of two, in O(N log N).

Symbols: m positives, n negatives; V10_i the share of negatives below positive i, V01_j the share
of positives above negative j (ties half); AUC = mean V10 = mean V01.

Source: DeLong, DeLong and Clarke-Pearson (1988), "Comparing the areas under two or more
correlated ROC curves: a nonparametric approach", Biometrics 44, 837-845, eq. 4-5, computed from
midranks (Sun and Xu 2014, "Fast implementation of DeLong's algorithm", IEEE Signal Processing
Letters 21, 1389-1393). Clustered samples: sums of the same components over events (Obuchowski
1997, "Nonparametric analysis of clustered ROC curve data", Biometrics 53, 567-578, linearised).
"""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from marketlab.core import (
    BoolArray,
    FloatArray,
    FrozenConfig,
    IntArray,
    check_between,
    check_same_length,
)
from marketlab.evaluation._bootstrap import MIN_EVENTS_FOR_INTERVAL
from marketlab.evaluation._distributions import (
    normal_two_sided,
    student_quantile,
    student_two_sided,
)
from marketlab.evaluation._ranking_scores import midranks, needs_both_classes
from marketlab.evaluation._undefined import Metric, Undefined


class AucInterval(FrozenConfig):
    """An AUC with its interval.

    Attributes
    ----------
    auc, standard_error : DeLong's.
    low, high : computed for ln(A / (1 - A)), so that they stay between 0 and 1 (Qin and
        Hotilovac 2008, "Comparison of non-parametric confidence intervals for the area under the
        ROC curve", Statistical Methods in Medical Research 17, 207-221).
    n_positive_units, n_negative_units : samples (or events, where given) with each class.
    """

    auc: float
    low: float
    high: float
    level: float
    standard_error: float
    n_positives: int
    n_negatives: int
    n_positive_units: int
    n_negative_units: int


class AucDifference(FrozenConfig):
    """AUC of the first forecast less that of the second, on the same samples.

    Attributes
    ----------
    p_value : two-sided, of no difference. low, high : interval of the difference.
    correlation : between the two AUCs; what `detectable_auc_difference` asks for. `Undefined`
        where one of them is perfect.
    """

    auc_first: float
    auc_second: float
    difference: float
    low: float
    high: float
    level: float
    standard_error: float
    statistic: float
    p_value: float
    correlation: Metric
    n_positives: int
    n_negatives: int
    n_positive_units: int
    n_negative_units: int


class _Units(NamedTuple):
    group: IntArray | None  # (N,) event of each sample, numbered from 0; None: independent
    positive: int
    negative: int

    @property
    def freedom(self) -> float | None:
        """Degrees of freedom of the clustered variance; None: normal, as DeLong has it."""
        return None if self.group is None else float(min(self.positive, self.negative) - 1)


def auc_interval(
    y: IntArray, score: FloatArray, *, event: IntArray | None = None, level: float = 0.95
) -> AucInterval | Undefined:
    """Return the AUC with DeLong's interval.

    Parameters
    ----------
    y : ndarray of int64 of shape (N,), 0 or 1. score : ndarray of shape (N,), finite.
    event : ndarray of int64 of shape (N,); id of the independent event (prediction day, leg) of
        each sample. None states that the samples are independent: labels that overlap are not.

    Returns
    -------
    The interval, or `Undefined` unless 20 units (samples, or events where given) hold a positive
    and 20 a negative, or where the order is perfect: no error has been seen to measure.
    """
    check_between("level", level, 0.5, 0.999)
    prepared = _units(y, score, event)
    if isinstance(prepared, Undefined):
        return prepared
    area, influence = auc_influence(y == 1, score)
    variance = _covariance(y == 1, influence, influence, prepared)
    if variance <= 0.0 or not 0.0 < area < 1.0:
        return Undefined(
            metric="auc interval",
            reason=f"the AUC is {area:g} and its variance {variance:g}: no error to measure.",
            counts={"auc": area},
        )
    error = math.sqrt(variance)
    half = _quantile(level, prepared.freedom) * error / (area * (1.0 - area))
    middle = math.log(area / (1.0 - area))
    positives = int(y.sum())
    return AucInterval(
        auc=area,
        low=1.0 / (1.0 + math.exp(half - middle)),
        high=1.0 / (1.0 + math.exp(-half - middle)),
        level=level,
        standard_error=error,
        n_positives=positives,
        n_negatives=len(y) - positives,
        n_positive_units=prepared.positive,
        n_negative_units=prepared.negative,
    )


def paired_auc_test(
    y: IntArray,
    first: FloatArray,
    second: FloatArray,
    *,
    event: IntArray | None = None,
    level: float = 0.95,
) -> AucDifference | Undefined:
    """Compare the AUCs of two forecasts of the same samples.

    Parameters
    ----------
    y, event, level : as in `auc_interval`; with events p comes from Student's t.
    first, second : ndarrays of shape (N,), finite.

    Returns
    -------
    The difference with p-value, or `Undefined` with too few units (see `auc_interval`) or where
    both forecasts order every pair alike.
    """
    check_between("level", level, 0.5, 0.999)
    prepared = _units(y, first, event)
    other = needs_both_classes("auc", y, second)
    if isinstance(prepared, Undefined):
        return prepared
    if other is not None:
        return other
    area_1, one = auc_influence(y == 1, first)
    area_2, two = auc_influence(y == 1, second)
    variance = _covariance(y == 1, one - two, one - two, prepared)
    if variance <= 1e-24:
        return Undefined(
            metric="auc difference",
            reason="both forecasts put the samples into the same order, or nearly so.",
            counts={"first": area_1, "second": area_2},
        )
    error, difference = math.sqrt(variance), area_1 - area_2
    half = _quantile(level, prepared.freedom) * error
    statistic = difference / error
    freedom = prepared.freedom
    positives = int(y.sum())
    return AucDifference(
        auc_first=area_1,
        auc_second=area_2,
        difference=difference,
        low=difference - half,
        high=difference + half,
        level=level,
        standard_error=error,
        statistic=statistic,
        p_value=(
            normal_two_sided(statistic)
            if freedom is None
            else student_two_sided(statistic, freedom)
        ),
        correlation=_correlation(one, two, y == 1, prepared),
        n_positives=positives,
        n_negatives=len(y) - positives,
        n_positive_units=prepared.positive,
        n_negative_units=prepared.negative,
    )


def _correlation(one: FloatArray, two: FloatArray, positive: BoolArray, units: _Units) -> Metric:
    own = [_covariance(positive, x, x, units) for x in (one, two)]
    if min(own) <= 0.0:
        which = "first" if own[0] <= 0.0 else "second"
        return Undefined(
            metric="correlation", reason=f"the AUC of the {which} forecast has no variance."
        )
    return _covariance(positive, one, two, units) / math.sqrt(own[0] * own[1])


def auc_influence(positive: BoolArray, score: FloatArray) -> tuple[float, FloatArray]:
    """Return the AUC and each sample's (V10 - AUC) / m or (V01 - AUC) / n, shape (N,)."""
    above, below = score[positive], score[~positive]
    m, n = len(above), len(below)
    ranks = midranks(score)
    wins = (ranks[positive] - midranks(above)) / n
    losses = 1.0 - (ranks[~positive] - midranks(below)) / m
    area = float(wins.mean())
    out = np.empty(len(score))
    out[positive] = (wins - area) / m
    out[~positive] = (losses - area) / n
    return area, out


def _covariance(positive: BoolArray, a: FloatArray, b: FloatArray, units: _Units) -> float:
    """Return the covariance of two AUCs (or differences) from their influences."""
    if units.group is None:
        m, n = units.positive, units.negative
        of_positives = float(a[positive] @ b[positive]) * m / (m - 1)
        return of_positives + float(a[~positive] @ b[~positive]) * n / (n - 1)
    sums = [np.bincount(units.group, weights=x) for x in (a, b)]
    count = len(sums[0])
    return float(sums[0] @ sums[1]) * count / (count - 1)


def _units(y: IntArray, score: FloatArray, event: IntArray | None) -> _Units | Undefined:
    missing = needs_both_classes("auc", y, score)
    if missing is not None:
        return missing
    group: IntArray | None = None
    if event is None:
        m = int(y.sum())
        n, what = len(y) - m, "samples"
    else:
        check_same_length(y=y, event=event)
        group = np.unique(event, return_inverse=True)[1].astype(np.int64)
        m, n = len(np.unique(group[y == 1])), len(np.unique(group[y == 0]))
        what = "events"
    if min(m, n) < MIN_EVENTS_FOR_INTERVAL:
        return Undefined(
            metric="auc interval",
            reason=(
                f"{MIN_EVENTS_FOR_INTERVAL} {what} with a positive and as many with a negative "
                f"are needed; there are {m} and {n}."
            ),
            counts={"with_positive": m, "with_negative": n, "required": MIN_EVENTS_FOR_INTERVAL},
        )
    return _Units(group, m, n)


def _quantile(level: float, freedom: float | None) -> float:
    tail = (1.0 + level) / 2.0
    return NormalDist().inv_cdf(tail) if freedom is None else student_quantile(tail, freedom)
