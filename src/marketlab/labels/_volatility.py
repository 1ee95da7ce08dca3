"""The volatility that barriers are scaled by, and the filter that picks bars where much happened.

Both are causal: what they say of bar t is known at its close.
"""

import math
from typing import Literal, TypeAlias

import numpy as np

from marketlab.core import ConfigError, FloatArray, IntArray, check_at_least
from marketlab.kernels import jit, register_warmup
from marketlab.labels._checks import check_bars, check_close

VolatilityMeasure: TypeAlias = Literal["atr", "true_range", "close"]
"""Range over close (the original's `atr`), true range over close, or deviation of log returns."""


def barrier_volatility(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    measure: VolatilityMeasure = "atr",
    span: int = 50,
) -> FloatArray:
    """Return the volatility of one bar as a fraction, exponentially weighted, shape (n_bars,).

    ``atr``: mean of ``(high - low) / close``. ``true_range``: mean of the true range over close,
    which counts gaps (that of the first bar is its range). ``close``: standard deviation of the
    log returns of closes. Weights fall by ``1 - 2 / (span + 1)`` a bar and are normalised over the
    bars there are (pandas ``ewm(span=span)``: ``adjust=True``, ``bias=False``), so the means begin
    at bar 0 and the deviation at bar 2; NaN before.

    Raises
    ------
    DataError for bad prices; ConfigError for the options.
    """
    check_at_least("span", span, 1)
    highs, lows, closes = check_bars(high, low, close)
    if measure == "close":
        x = np.diff(np.log(closes), prepend=np.log(closes[:1]))
        if len(x):
            x[0] = np.nan
    elif measure in {"atr", "true_range"}:
        top, bottom = highs, lows
        if measure == "true_range":
            before = np.concatenate([closes[:1], closes[:-1]])
            before[:1] = np.clip(before[:1], lows[:1], highs[:1])
            top, bottom = np.maximum(highs, before), np.minimum(lows, before)
        x = (top - bottom) / closes
    else:
        raise ConfigError(
            f"there is no volatility {measure!r}.",
            code="CONFIG-UnknownVolatility",
            field="volatility",
            value=measure,
            suggestion="Known: atr, true_range, close.",
        )
    out = np.empty(len(x))
    weighted_moments(x, 2.0 / (span + 1.0), 1 if measure == "close" else 0, out)
    return out


def cusum_events(close: FloatArray, *, threshold: float) -> IntArray:
    """Return the bars at which a cumulative sum of log returns leaves ``±threshold``.

    ``up = max(0, up + r)``, ``down = min(0, down + r)``; when ``up > threshold`` or
    ``down < -threshold`` the bar is an event and that sum begins again at 0. A bar is an event by
    what happened up to its close.

    Parameters
    ----------
    close : (n_bars,), greater than zero. threshold : a log return, greater than 0.

    Raises
    ------
    DataError for bad closes; ConfigError for the threshold.

    References
    ----------
    López de Prado, Advances in Financial Machine Learning, 2018, section 2.5.2.1.
    """
    if not 0.0 < threshold < math.inf:
        raise ConfigError(
            f"must be greater than 0; received {threshold!r}.",
            field="cusum_threshold",
            value=threshold,
        )
    prices = check_close(close)
    bars = np.empty(len(prices), dtype=np.int64)
    count = filter_moves(np.log(prices), float(threshold), bars)
    return bars[:count].copy()


@jit
def weighted_moments(x: FloatArray, alpha: float, deviation: int, out: FloatArray) -> None:
    """Write the weighted mean (deviation 0) or standard deviation (1) of the values so far.

    NaN values are passed over: the weights fall by one step and the result stays. Recursion of the
    weighted mean and sum of squares with its correction for bias (West 1979, as pandas has it).
    """
    decay = 1.0 - alpha
    mean = 0.0
    squares = 0.0
    total = 0.0  # of the weights
    total_squares = 0.0
    for i in range(x.shape[0]):
        total *= decay
        squares *= decay
        total_squares *= decay * decay
        value = x[i]
        if value == value:
            delta = value - mean
            total += 1.0
            total_squares += 1.0
            mean += delta / total
            squares += delta * (value - mean)
        if total == 0.0:
            out[i] = np.nan
        elif deviation == 0:
            out[i] = mean
        else:
            # squares / total is the biased variance; the factor makes it unbiased.
            room = total * total - total_squares
            out[i] = math.sqrt(squares * total / room) if room > 0.0 else np.nan
    return


@jit
def filter_moves(log_close: FloatArray, threshold: float, bars: IntArray) -> int:
    """Write the bars of the events and return how many there are."""
    count = 0
    up = 0.0
    down = 0.0
    for i in range(1, log_close.shape[0]):
        change = log_close[i] - log_close[i - 1]
        up = max(0.0, up + change)
        down = min(0.0, down + change)
        if up > threshold:
            up = 0.0
            bars[count] = i
            count += 1
        elif down < -threshold:
            down = 0.0
            bars[count] = i
            count += 1
    return count


@register_warmup("barrier volatility")
def _warm() -> None:
    x = np.ones(3)
    weighted_moments(x, 0.5, 0, np.empty(3))
    filter_moves(x, 0.1, np.empty(3, np.int64))
