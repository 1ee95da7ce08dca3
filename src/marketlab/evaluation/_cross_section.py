"""Does a forecast put symbols in the right order, time after time?

At each time the symbols are ranked by forecast and by outcome; the rank information coefficient is
the Spearman correlation of the two (Grinold and Kahn 2000, "Active portfolio management", ch. 6:
the information coefficient; ranks keep one wild return from deciding). Its mean over the times is
the figure, and the times are the observations: the symbols of one time share that day's market.

The t statistic is mean over standard error, with the long-run variance of Newey and West (1987), "A
simple, positive semi-definite, heteroskedasticity and autocorrelation consistent covariance
matrix", Econometrica 55, 703-708, because outcomes of several bars overlap; its p is of Student's
t with times - 1 degrees of freedom. Lags: those given, else floor(4 (T / 100)^(2/9)), the usual
choice after Newey and West (1994), "Automatic lag selection in covariance matrix estimation",
Review of Economic Studies 61, 631-653.
"""

import math

import numpy as np

from marketlab.core import FloatArray, FrozenConfig, IntArray, check_between, check_same_length
from marketlab.evaluation._bootstrap import MIN_EVENTS_FOR_INTERVAL
from marketlab.evaluation._distributions import student_two_sided
from marketlab.evaluation._paired_tests import long_run_variance
from marketlab.evaluation._regression_scores import rank_information_coefficient
from marketlab.evaluation._undefined import Undefined, check_finite, in_order

MIN_SYMBOLS = 5
"""Fewer symbols at a time have no order worth speaking of."""


class CrossSectionalRankIC(FrozenConfig):
    """How well a forecast orders symbols.

    Attributes
    ----------
    mean : rank information coefficient, mean over times. deviation : over times (n - 1).
    information_ratio : mean over deviation, per time, not annualised.
    t_statistic, p_value : of mean 0, two-sided, Newey-West with `lags` autocovariances.
    positive_share : share of times with a coefficient above 0.
    n_times, n_samples : that were scored. symbols_per_time : mean.
    skipped_few, skipped_flat : times left out for fewer than 5 symbols, or because forecasts or
        outcomes are all equal. lags : as used. sentence : the finding.
    """

    mean: float
    deviation: float
    information_ratio: float
    t_statistic: float
    p_value: float
    positive_share: float
    n_times: int
    n_samples: int
    symbols_per_time: float
    skipped_few: int
    skipped_flat: int
    lags: int
    sentence: str


def cross_sectional_rank_ic(
    y: FloatArray, forecast: FloatArray, time: IntArray, *, lags: int | None = None
) -> CrossSectionalRankIC | Undefined:
    """Return the rank information coefficient across symbols, mean over times.

    Parameters
    ----------
    y, forecast : ndarrays of shape (n,), finite; one row per time and symbol.
    time : ndarray of int64 of shape (n,), ascending; rows of one value are one cross-section.
    lags : autocovariances in the variance; bars that an outcome reads less 1, or more. None: the
        rule of the module. 0 to a third of the times.

    Returns
    -------
    The coefficient, or `Undefined` with fewer than 20 times of 5 symbols or more, or where it is
    the same at all times.

    Raises
    ------
    DataError for arrays that do not fit, are not finite or not in order; ConfigError for lags out
    of range.
    """
    check_finite(y=y, forecast=forecast)
    check_same_length(y=y, time=time)
    in_order("time", time)
    values, sizes, few, flat = [], [], 0, 0
    starts = np.unique(time, return_index=True)[1]
    for start, stop in zip(starts, [*starts[1:], len(time)], strict=False):
        if stop - start < MIN_SYMBOLS:
            few += 1
            continue
        value = rank_information_coefficient(y[start:stop], forecast[start:stop])
        if isinstance(value, Undefined):
            flat += 1
        else:
            values.append(value)
            sizes.append(int(stop - start))
    return _summary(np.array(values), sizes, (few, flat), lags)


def _summary(
    values: FloatArray, sizes: list[int], skipped: tuple[int, int], lags: int | None
) -> CrossSectionalRankIC | Undefined:
    n = len(values)
    few, flat = skipped
    counts: dict[str, float] = {"times": n, "too_few_symbols": few, "flat": flat}
    if n < MIN_EVENTS_FOR_INTERVAL:
        return Undefined(
            metric="cross_sectional_rank_ic",
            reason=(
                f"the order of symbols is judged over {MIN_EVENTS_FOR_INTERVAL} times of "
                f"{MIN_SYMBOLS} symbols or more; there are {n}, and {few} have fewer symbols, "
                f"{flat} equal forecasts or outcomes."
            ),
            counts=counts,
        )
    used = math.floor(4.0 * (n / 100.0) ** (2.0 / 9.0)) if lags is None else lags
    check_between("lags", used, 0, n // 3)
    mean = float(values.mean())
    residual = values - mean
    if float(np.abs(residual).max()) <= 1e-12:
        return Undefined(
            metric="cross_sectional_rank_ic",
            reason=f"the coefficient is {mean:.4f} at each of {n} times, without any spread.",
            counts=counts,
        )
    deviation = float(values.std(ddof=1))
    # The sum of squares over n is scaled to n - 1, so that 0 lags give the ordinary t statistic.
    error = math.sqrt(long_run_variance(residual, used + 1, "bartlett") / n / (n - 1))
    t = mean / error
    p = student_two_sided(t, n - 1)
    return CrossSectionalRankIC(
        mean=mean,
        deviation=deviation,
        information_ratio=mean / deviation,
        t_statistic=t,
        p_value=p,
        positive_share=float((values > 0.0).mean()),
        n_times=n,
        n_samples=sum(sizes),
        symbols_per_time=sum(sizes) / n,
        skipped_few=few,
        skipped_flat=flat,
        lags=used,
        sentence=(
            f"Over {n:,} times of {sum(sizes) / n:.1f} symbols on average the forecast's order "
            f"correlates with the outcome's by {mean:+.4f} (t = {t:.2f}, p = {p:.3g} with {used} "
            f"lags); {few + flat:,} times were left out."
        ),
    )
