"""Realised range and realised volatility of the next bars: how far and how restlessly they move."""

import numpy as np

from marketlab.core import FloatArray, check_at_least
from marketlab.kernels import rolling_sum
from marketlab.labels._base import LABELS, LabelSet, LabelSource
from marketlab.labels._checks import check_bars, check_close
from marketlab.labels._horizon import extreme_ahead, horizon_target


def realised_range(
    high: FloatArray, low: FloatArray, close: FloatArray, *, horizon: int
) -> LabelSet:
    """Return ``(max(High[t+1..t+H]) - min(Low[t+1..t+H])) / close[t]``; a regression target.

    Parameters
    ----------
    high, low, close : (n_bars,), greater than zero. horizon : bars ahead, at least 1.

    Returns
    -------
    LabelSet with float values (fractions, at least 0), without the last `horizon` bars; `end` is
    ``bar + horizon``.

    Raises
    ------
    DataError for prices that are NaN, infinite, not positive or out of their order;
    ConfigError for the horizon.

    References
    ----------
    Ours; the numerator is the high-low range of Parkinson (1980) over the horizon.
    """
    check_at_least("horizon", horizon, 1)
    highs, lows, closes = check_bars(high, low, close)
    top = extreme_ahead(highs, horizon, largest=True)
    value = (top - extreme_ahead(lows, horizon, largest=False)) / closes[: len(top)]
    return horizon_target("realised_range", value, horizon, len(closes))


def realised_volatility(close: FloatArray, *, horizon: int) -> LabelSet:
    """Return the root of the sum of squared one-bar log returns over the next bars.

    ``sqrt(sum(ln(close[k] / close[k-1])**2 for k in t+1..t+H))``: per horizon, not annualised, no
    mean taken off; a regression target.

    Parameters
    ----------
    close : (n_bars,), greater than zero. horizon : bars ahead, at least 1.

    Returns
    -------
    LabelSet with float values (at least 0), without the last `horizon` bars; `end` is
    ``bar + horizon``.

    Raises
    ------
    DataError for closes that are NaN, infinite or not positive; ConfigError for the horizon.

    References
    ----------
    Andersen, Bollerslev, Diebold and Labys, Econometrica 71, 2003.
    """
    check_at_least("horizon", horizon, 1)
    prices = check_close(close)
    if len(prices) <= horizon:
        return horizon_target("realised_volatility", np.zeros(0), horizon, len(prices))
    squares = np.log(prices[1:] / prices[:-1]) ** 2
    total = np.empty(len(squares))
    rolling_sum(squares, horizon, 1.0, np.zeros(3 + 2 * horizon), total)
    return horizon_target(
        "realised_volatility", np.sqrt(total[horizon - 1 :]), horizon, len(prices)
    )


LABELS.add(
    "realised_range",
    LabelSource(
        method=realised_range,
        inputs=("high", "low", "close"),
        class_names=(),
        summary="Highest high less lowest low of the next bars, as a fraction of the close",
        reference="ours; Parkinson 1980",
    ),
)
LABELS.add(
    "realised_volatility",
    LabelSource(
        method=realised_volatility,
        inputs=("close",),
        class_names=(),
        summary="Root of the sum of squared log returns of the next bars",
        reference="Andersen, Bollerslev, Diebold, Labys 2003",
    ),
)
