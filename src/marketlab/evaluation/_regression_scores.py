"""Scores of a forecast number and of forecast quantiles."""

import numpy as np

from marketlab.core import ConfigError, DataError, FloatArray, FrozenConfig
from marketlab.evaluation._binary_scores import mean_or_undefined
from marketlab.evaluation._ranking_scores import midranks
from marketlab.evaluation._undefined import Metric, Undefined, check_finite


class RegressionScores(FrozenConfig):
    """What a forecast number scored.

    Attributes
    ----------
    mae, rmse, bias : mean absolute error, root of the mean squared error and mean of forecast
        less outcome, in the unit of the outcome.
    r2_out_of_sample : 1 - sum (y - forecast)^2 / sum (y - reference)^2 (Campbell and Thompson
        2008, "Predicting excess stock returns out of sample", Rev. Financial Studies 21, eq. 13).
        Negative: worse than the reference. Not the in-sample R2, whose reference is the mean of
        the judged samples themselves, which nobody knew.
    reference : what that reference is, in words.
    rank_ic : Spearman correlation of forecast and outcome, ties at their mean rank.
    """

    n_samples: int
    mae: Metric
    rmse: Metric
    bias: Metric
    r2_out_of_sample: Metric
    reference: str
    rank_ic: Metric


class QuantileRow(FrozenConfig):
    """One level. coverage : share of outcomes at or below the forecast; `level` if calibrated."""

    level: float
    pinball: Metric
    coverage: Metric


class CentralInterval(FrozenConfig):
    """The interval between levels a and 1 - a: nominal and observed coverage, and mean width."""

    nominal: float
    observed: Metric
    mean_width: Metric


class QuantileScores(FrozenConfig):
    """What forecast quantiles scored.

    Attributes
    ----------
    pinball : mean pinball loss over samples and levels, in the unit of the outcome.
    levels : per level. intervals : of each symmetric pair of levels, widest first.
    crossing_share : share of samples where a higher level has a lower quantile.
    """

    n_samples: int
    pinball: Metric
    levels: tuple[QuantileRow, ...]
    intervals: tuple[CentralInterval, ...]
    crossing_share: Metric


def rank_information_coefficient(y: FloatArray, forecast: FloatArray) -> Metric:
    """Return Spearman's rank correlation (Spearman 1904); `Undefined` if either side is constant.

    Parameters
    ----------
    y, forecast : ndarrays of shape (n,), finite.
    """
    n = check_finite(y=y, forecast=forecast)
    if n < 2 or np.ptp(y) == 0 or np.ptp(forecast) == 0:
        return Undefined(
            metric="rank_ic",
            reason=(
                f"a rank correlation needs two different outcomes and two different forecasts; "
                f"{n:,} samples have {len(np.unique(y)):,} and {len(np.unique(forecast)):,}."
            ),
            counts={"samples": n},
        )
    a, b = midranks(y), midranks(forecast)
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def regression_scores(
    y: FloatArray, forecast: FloatArray, reference: FloatArray, *, reference_name: str
) -> RegressionScores:
    """Score a forecast number against a stated reference.

    Parameters
    ----------
    y, forecast : ndarrays of shape (n,), finite, of one unit.
    reference : ndarray of shape (n,); a forecast known at the same time (zero, the training mean,
        an EWMA). The judged samples' own mean was known to nobody and is no reference.
    reference_name : the reference in words, for the report.

    Raises
    ------
    DataError for arrays that do not fit or are not finite; ConfigError without a name.
    """
    n = check_finite(y=y, forecast=forecast, reference=reference)
    if not reference_name.strip():
        raise ConfigError("must name the reference of R2.", field="reference_name", value="")
    error, base = forecast - y, reference - y
    below = float(base @ base)
    r2: Metric
    if below == 0.0:
        reason = "the reference has no error." if n else "there is no sample."
        r2 = Undefined(metric="r2_out_of_sample", reason=reason, counts={"samples": n})
    else:
        r2 = 1.0 - float(error @ error) / below
    squares = mean_or_undefined("rmse", error**2)
    return RegressionScores(
        n_samples=n,
        mae=mean_or_undefined("mae", np.abs(error)),
        rmse=squares if isinstance(squares, Undefined) else float(np.sqrt(squares)),
        bias=mean_or_undefined("bias", error),
        r2_out_of_sample=r2,
        reference=reference_name,
        rank_ic=rank_information_coefficient(y, forecast),
    )


def quantile_scores(y: FloatArray, quantiles: FloatArray, levels: FloatArray) -> QuantileScores:
    """Score forecast quantiles by the pinball loss, coverage and crossing.

    Source: loss max(a (y - q), (a - 1)(y - q)) (Koenker and Bassett 1978, "Regression quantiles",
    Econometrica 46, 33-50).

    Parameters
    ----------
    y : ndarray of shape (n,), finite.
    quantiles : ndarray of shape (n, Q), finite; column k forecasts level k. Crossing columns are
        scored as they are and counted, not sorted.
    levels : ndarray of shape (Q,), strictly ascending, inside (0, 1).

    Raises
    ------
    DataError for arrays that do not fit or are not finite; ConfigError for the levels.
    """
    n = check_finite(y=y)
    if (
        levels.ndim != 1
        or len(levels) == 0
        or levels[0] <= 0
        or levels[-1] >= 1
        or (np.diff(levels) <= 0).any()
    ):
        raise ConfigError(
            f"levels must ascend strictly inside (0, 1); received {levels.tolist()}.",
            field="levels",
            value=levels.tolist(),
        )
    if quantiles.shape != (n, len(levels)) or not np.isfinite(quantiles).all():
        raise DataError(
            f"quantiles must be finite, of shape ({n}, {len(levels)}); received "
            f"{quantiles.shape} with {int((~np.isfinite(quantiles)).sum())} values not finite.",
            code="DATA-ShapeMismatch" if quantiles.shape != (n, len(levels)) else "DATA-NotFinite",
            field="quantiles",
        )
    gap = y[:, None] - quantiles
    loss = np.maximum(levels * gap, (levels - 1.0) * gap)
    rows = tuple(
        QuantileRow(
            level=float(level),
            pinball=mean_or_undefined("pinball", loss[:, k]),
            coverage=mean_or_undefined("coverage", gap[:, k] <= 0.0),
        )
        for k, level in enumerate(levels)
    )
    crossed = np.asarray((np.diff(quantiles, axis=1) < 0.0).any(axis=1))
    return QuantileScores(
        n_samples=n,
        pinball=mean_or_undefined("pinball", loss.mean(axis=1)),
        levels=rows,
        intervals=_central(y, quantiles, levels),
        crossing_share=mean_or_undefined("crossing_share", crossed),
    )


def _central(
    y: FloatArray, quantiles: FloatArray, levels: FloatArray
) -> tuple[CentralInterval, ...]:
    out = []
    for k in range(len(levels) // 2):
        for j in range(len(levels) - 1, k, -1):
            if abs(levels[k] + levels[j] - 1.0) < 1e-9:
                inside = np.asarray((y >= quantiles[:, k]) & (y <= quantiles[:, j]))
                width = quantiles[:, j] - quantiles[:, k]
                out.append(
                    CentralInterval(
                        nominal=float(levels[j] - levels[k]),
                        observed=mean_or_undefined("coverage", inside),
                        mean_width=mean_or_undefined("width", width),
                    )
                )
    return tuple(out)
