"""Is one forecast better than another on the same samples, or is it luck?

Differences are of losses, first less second: negative means that the first is better. Every test
is two-sided. Losses of overlapping labels, or of many samples of one day, depend on each other:
give `event` or `cluster`, and the units that are tested are those.
"""

import math
from statistics import NormalDist
from typing import Literal

import numpy as np

from marketlab.core import (
    ConfigError,
    FloatArray,
    FrozenConfig,
    IntArray,
    check_at_least,
    check_same_length,
    stream_key,
)
from marketlab.evaluation._bootstrap import (
    _SE_FLOOR,
    MIN_EVENTS_FOR_INTERVAL,
    _resample,
    dependence_factor,
    event_bootstrap_interval,
    event_sums,
)
from marketlab.evaluation._distributions import student_quantile, student_two_sided
from marketlab.evaluation._undefined import Undefined, check_binary, check_finite, in_order

_LEVEL = 0.95
Kernel = Literal["rectangular", "bartlett"]


class PairedTest(FrozenConfig):
    """What a paired test found.

    Attributes
    ----------
    test : its name. difference : first less second, per sample.
    statistic : the t statistic, or for McNemar the smaller number of one-sided units.
    p_value : two-sided. low, high : 95 % interval of the difference; None where the test has none.
    n_samples, n_units : samples, and independent units (events, days) that were tested.
    """

    test: str
    difference: float
    statistic: float
    p_value: float
    low: float | None
    high: float | None
    n_samples: int
    n_units: int


def paired_bootstrap_test(
    loss_first: FloatArray,
    loss_second: FloatArray,
    event: IntArray,
    *,
    n_resamples: int = 2000,
    seed: int,
) -> PairedTest | Undefined:
    """Test the mean loss difference by resampling events, both forecasts together.

    p is the larger one of the percentile and of the bootstrap-t test, each by the share of
    resamples, centred on no difference, that are as far out (Efron and Tibshirani 1993, ch. 16),
    widened for neighbouring events that depend; so it agrees with the interval of
    `event_bootstrap_interval`, which is given beside it.

    Parameters
    ----------
    loss_first, loss_second : ndarrays of shape (n,), finite; of the same samples.
    event : ndarray of int64 of shape (n,), ascending; id of the independent event of each sample.
    n_resamples : 100 or more; p is never below 1 / (n_resamples + 1).

    Returns
    -------
    The test, or `Undefined` below 20 events or if the losses of every event differ by the same.
    """
    check_at_least("n_resamples", n_resamples, 100)
    check_finite(loss_first=loss_first, loss_second=loss_second)
    check_same_length(loss_first=loss_first, event=event)
    in_order("event", event)
    difference = loss_first - loss_second
    interval = event_bootstrap_interval(difference, event, n_resamples=n_resamples, seed=seed)
    if interval is None:
        return _too_few("paired bootstrap", len(np.unique(event)), "events")
    if interval.standard_error == 0.0:
        return _no_spread("paired bootstrap", interval.estimate)
    sums = event_sums(difference, event)
    residual = sums.total - interval.estimate * sums.size
    plain = interval.standard_error / interval.dependence_factor
    shift, student = np.empty(n_resamples), np.empty(n_resamples)
    key = np.uint64(stream_key(seed, "paired_bootstrap"))
    _resample(residual, sums.size, key, _SE_FLOOR * plain, shift, student)
    n_events = interval.n_events
    stretch = math.sqrt(n_events / (n_events - 1)) * student_quantile(0.975, n_events - 1)
    widening = dependence_factor(residual)
    size = abs(interval.estimate)
    far_percentile = int(
        (np.abs(shift) * widening * stretch / NormalDist().inv_cdf(0.975) >= size).sum()
    )
    far_student = int((np.abs(student) * widening * plain >= size).sum())
    return PairedTest(
        test="paired bootstrap over events",
        difference=interval.estimate,
        statistic=interval.estimate / interval.standard_error,
        p_value=(1 + max(far_percentile, far_student)) / (n_resamples + 1),
        low=interval.low,
        high=interval.high,
        n_samples=len(difference),
        n_units=n_events,
    )


def mcnemar_test(
    right_first: IntArray, right_second: IntArray, *, event: IntArray | None = None
) -> PairedTest | Undefined:
    """Test whether two forecasts are right equally often, exactly.

    Source: McNemar (1947), Psychometrika 12, 153-157, with the binomial tail of the discordant
    samples in place of chi-squared: p = min(1, 2 P(X <= min(b, c))), X binomial(b + c, 1/2).
    With events the units are events: b counts those in which the first is right more often, c
    the second (sign test over clusters), which is exact whatever the samples of one event do.

    Parameters
    ----------
    right_first, right_second : ndarrays of int64 of shape (n,), 1 where right.
    event : ndarray of int64 of shape (n,), or None for samples that are independent.

    Returns
    -------
    The test (its difference is of accuracies, per sample), or `Undefined` without any discordant
    unit.
    """
    check_binary("right_first", right_first)
    check_binary("right_second", right_second)
    n = check_same_length(right_first=right_first, right_second=right_second)
    difference = (right_first - right_second).astype(np.float64)
    units = difference
    if event is not None:
        check_same_length(right_first=right_first, event=event)
        units = event_sums(difference, event).total
    first, second = int((units > 0).sum()), int((units < 0).sum())
    if first + second == 0:
        return Undefined(
            metric="mcnemar",
            reason=f"the forecasts are right equally often in each of {len(units):,} units.",
            counts={"units": len(units)},
        )
    return PairedTest(
        test="McNemar, exact" if event is None else "sign test over events, exact",
        difference=float(difference.mean()),
        statistic=float(min(first, second)),
        p_value=_binomial_two_sided(min(first, second), first + second),
        low=None,
        high=None,
        n_samples=n,
        n_units=len(units),
    )


def diebold_mariano_test(
    loss_first: FloatArray,
    loss_second: FloatArray,
    *,
    horizon: int = 1,
    cluster: IntArray | None = None,
    kernel: Kernel = "rectangular",
) -> PairedTest | Undefined:
    """Test equal accuracy of two forecasts whose losses are serially correlated.

    Source: Diebold and Mariano (1995), "Comparing predictive accuracy", J. Bus. Econ. Stat. 13,
    253-263: the mean over the root of its long-run variance, `horizon` - 1 autocovariances;
    times sqrt((T + 1 - 2 h + h (h - 1) / T) / T) and against Student's t with T - 1 degrees
    (Harvey, Leybourne and Newbold 1997, Int. J. Forecasting 13, 281-291, eq. 9).

    Parameters
    ----------
    loss_first, loss_second : ndarrays of shape (n,), finite, in time order.
    horizon : h, units (samples, or clusters) that one label reads; 1 to T / 3.
    cluster : ndarray of int64 of shape (n,), ascending; for example the prediction day, when one
        day holds several symbols or seeds. The variance is then of sums over clusters.
    kernel : weights of the autocovariances: ``rectangular`` (all 1; exact for h-step forecasts
        that are optimal, but the variance may come out negative) or ``bartlett`` (1 - k / h,
        Newey and West 1987; never negative).

    Returns
    -------
    The test, or `Undefined` below 20 units, without spread, or where the variance comes out not
    positive.
    """
    if kernel not in ("rectangular", "bartlett"):
        raise ConfigError(
            f"must be 'rectangular' or 'bartlett'; received {kernel!r}.",
            field="kernel",
            value=kernel,
        )
    check_at_least("horizon", horizon, 1)
    n = check_finite(loss_first=loss_first, loss_second=loss_second)
    difference = loss_first - loss_second
    if cluster is None:
        cluster = np.arange(n, dtype=np.int64)
    check_same_length(loss_first=loss_first, cluster=cluster)
    in_order("cluster", cluster)
    sums = event_sums(difference, cluster)
    units = len(sums.total)
    if units < max(MIN_EVENTS_FOR_INTERVAL, 3 * horizon):
        return _too_few("Diebold-Mariano", units, "units", max(20, 3 * horizon))
    mean = float(difference.mean())
    residual = sums.total - mean * sums.size
    if float(residual @ residual) <= (1e-12 * float(np.abs(sums.total).max())) ** 2:
        return _no_spread("Diebold-Mariano", mean)
    variance = long_run_variance(residual, horizon, kernel) / n**2
    if variance <= 0.0:
        return Undefined(
            metric="Diebold-Mariano",
            reason=(
                f"the long-run variance with {horizon - 1} autocovariances is not positive; the "
                "Bartlett kernel's always is."
            ),
            counts={"units": units, "horizon": horizon},
        )
    h, t = horizon, units
    correction = math.sqrt((t + 1 - 2 * h + h * (h - 1) / t) / t)
    error = math.sqrt(variance) / correction
    half = student_quantile(0.5 + _LEVEL / 2, t - 1) * error
    return PairedTest(
        test="Diebold-Mariano, small-sample corrected",
        difference=mean,
        statistic=mean / error,
        p_value=student_two_sided(mean / error, t - 1),
        low=mean - half,
        high=mean + half,
        n_samples=n,
        n_units=units,
    )


def long_run_variance(residual: FloatArray, horizon: int, kernel: Kernel) -> float:
    """Return the variance of the sum of residuals from `horizon` - 1 autocovariances."""
    out = float(residual @ residual)
    for k in range(1, horizon):
        weight = 1.0 if kernel == "rectangular" else 1.0 - k / horizon
        out += 2.0 * weight * float(residual[k:] @ residual[:-k])
    return out


def _binomial_two_sided(k: int, n: int) -> float:
    """Return min(1, 2 P(X <= k)), X binomial(n, 1/2), summed in logarithms."""
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    i = np.arange(k + 1)
    logs = log_factorial[n] - log_factorial[i] - log_factorial[n - i] - n * math.log(2.0)
    return min(1.0, 2.0 * float(np.exp(logs).sum()))


def _too_few(
    test: str, units: int, what: str, required: int = MIN_EVENTS_FOR_INTERVAL
) -> Undefined:
    return Undefined(
        metric=test,
        reason=f"the test needs {required} {what}; there are {units}.",
        counts={"units": units, "required": required},
    )


def _no_spread(test: str, difference: float) -> Undefined:
    return Undefined(
        metric=test,
        reason=f"the losses differ by {difference:g} per sample in every unit, without any spread.",
        counts={"difference": difference},
    )
