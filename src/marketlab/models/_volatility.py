"""Volatility over the next bars, from past returns and ranges: what a touch label mostly asks.

Each method reads bars up to t for entry t. Its few parameters are fitted on the *training* bars
alone (those that some training sample reads); the filter then runs forward over all bars.

Symbols: r[t] = ln(close[t] / close[t-1]); H horizon in bars; v variance per bar.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from marketlab.core import BoolArray, DataError, FloatArray, IntArray, PluginRegistry
from marketlab.models._garch import fit_garch, garch_volatility, gaussian_loss, variance_filter

TRAILING_BARS = 20
HAR_BARS = (1, 5, 22)
_DECAYS = (0.80, 0.85, 0.90, 0.92, 0.94, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995)
_MIN_FIT_BARS = 100


@dataclass(frozen=True, kw_only=True)
class PriceBars:
    """Prices of one series, each of shape (n_bars,), finite and positive, low <= high."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray

    def __post_init__(self) -> None:
        for name in ("open", "high", "low", "close"):
            price = getattr(self, name)
            if price.shape != (len(self.close),) or not len(price):
                raise DataError(
                    f"{name} has shape {price.shape}; all prices hold one value per bar, "
                    f"{self.close.shape}, and at least one.",
                    code="DATA-ShapeMismatch",
                    field=name,
                )
            bad = ~((price > 0.0) & (price < np.inf))
            if bad.any():
                first = int(np.argmax(bad))
                raise DataError(
                    f"{name} must be finite and positive; bar {first} has {price[first]!r}.",
                    code="DATA-NotFinite",
                    field=name,
                )

        crossed = np.flatnonzero(self.high < self.low)
        if len(crossed):
            raise DataError(
                f"a high lies below no low; bar {crossed[0]} has {self.high[crossed[0]]!r} and "
                f"{self.low[crossed[0]]!r}.",
                code="DATA-HighBelowLow",
                field="high",
            )

    @property
    def n_bars(self) -> int:
        """Number of bars."""
        return len(self.close)

    def returns(self) -> FloatArray:
        """Return log returns from close to close, shape (n_bars,); 0 for the first bar."""
        logs = np.log(self.close)
        return np.asarray(np.diff(logs, prepend=logs[0]))

    def range_variance(self) -> FloatArray:
        """Return ln(open/previous close)² + ln(high/low)² / (4 ln 2) of each bar.

        The jump between bars plus the variance within, from the range (Parkinson 1980, "The
        extreme value method for estimating the variance of the rate of return", J. Business 53,
        61-65): about five times less noisy than r².
        """
        before = np.concatenate([self.open[:1], self.close[:-1]])
        inside = np.log(self.high / self.low) ** 2 / (4.0 * math.log(2.0))
        return np.asarray(np.log(self.open / before) ** 2 + inside)


class VolatilityForecast(NamedTuple):
    """``sigma`` (n_bars,) per bar over the horizon, NaN while warming up; JSON-ready facts."""

    sigma: FloatArray
    facts: dict[str, Any]


@dataclass(frozen=True)
class VolatilityMethod:
    """One way to forecast volatility.

    Attributes
    ----------
    knows : what its entry t reads, one line for the report.
    fit : (bars, fit_bars (n_bars,) bool, horizon) to a forecast. Raises `DataError` (MODEL-…)
        where the training bars cannot carry the fit.
    """

    knows: str
    fit: Callable[[PriceBars, BoolArray, int], VolatilityForecast]


VOLATILITY: PluginRegistry[VolatilityMethod] = PluginRegistry(
    "volatility method", code="CONFIG-UnknownVolatility"
)


def training_bars(train: IntArray, bar: IntArray, end: IntArray, n_bars: int) -> BoolArray:
    """Return which bars a training sample reads, from its own to the last of its label."""
    steps = np.zeros(n_bars + 1, dtype=np.int64)
    np.add.at(steps, bar[train], 1)
    np.add.at(steps, end[train] + 1, -1)
    return np.asarray(np.cumsum(steps[:-1]) > 0)


def _check_enough(name: str, n_bars: int) -> None:
    if n_bars < _MIN_FIT_BARS:
        raise DataError(
            f"{name} needs at least {_MIN_FIT_BARS} training bars; there are {n_bars}.",
            code="MODEL-TooFewRows",
        )


def _trailing_mean(values: FloatArray, window: int) -> FloatArray:
    out: FloatArray = np.full(len(values), np.nan)
    if len(values) >= window:
        views = np.lib.stride_tricks.sliding_window_view(values, window)
        out[window - 1 :] = views.mean(axis=1)
    return out


def _trailing(bars: PriceBars, _fit_bars: BoolArray, _horizon: int) -> VolatilityForecast:
    out: FloatArray = np.full(bars.n_bars, np.nan)
    if bars.n_bars > TRAILING_BARS:
        views = np.lib.stride_tricks.sliding_window_view(bars.returns()[1:], TRAILING_BARS)
        out[TRAILING_BARS:] = views.std(axis=1, ddof=1)
    return VolatilityForecast(out, {"window_bars": TRAILING_BARS})


def _ewma(bars: PriceBars, fit_bars: BoolArray, _horizon: int) -> VolatilityForecast:
    _check_enough("EWMA volatility", int(np.count_nonzero(fit_bars)))
    r = bars.returns()
    start = float(np.mean(r[fit_bars] ** 2))
    if not start > 0.0:
        raise DataError("all training returns are 0.", code="MODEL-NoVariation")
    losses = [gaussian_loss(r, fit_bars, 0.0, 1.0 - d, d, start) for d in _DECAYS]
    decay = _DECAYS[int(np.argmin(losses))]
    out: FloatArray = np.empty(bars.n_bars)
    variance_filter(r, 0.0, 1.0 - decay, decay, start, out)
    return VolatilityForecast(np.sqrt(out), {"decay": decay, "mean_loss": float(min(losses))})


def _garch(bars: PriceBars, fit_bars: BoolArray, horizon: int) -> VolatilityForecast:
    r = bars.returns()
    fit = fit_garch(r, fit_bars)
    return VolatilityForecast(garch_volatility(fit, r, horizon), dict(fit.to_mapping()))


def _har(bars: PriceBars, fit_bars: BoolArray, horizon: int) -> VolatilityForecast:
    variance = bars.range_variance()
    _check_enough("HAR volatility", int(np.count_nonzero(fit_bars)))
    typical = float(variance[fit_bars].mean())
    if not typical > 0.0:
        raise DataError("no training bar has a range.", code="MODEL-NoVariation")
    floor = 1e-3 * typical  # a bar without a range has no logarithm
    raised = np.maximum(variance, floor)
    columns = [np.log(_trailing_mean(raised, window)) for window in HAR_BARS]
    x = np.column_stack([np.ones(bars.n_bars), *columns])
    ahead = np.full(bars.n_bars, np.nan)
    ahead[:-horizon] = _trailing_mean(raised, horizon)[horizon:]
    covered = np.zeros(bars.n_bars, dtype=np.bool_)  # bar t and all bars of its target are training
    covered[:-horizon] = (_trailing_mean(fit_bars.astype(np.float64), horizon) == 1.0)[horizon:]
    rows = covered & fit_bars & np.isfinite(x).all(axis=1)
    _check_enough("HAR volatility", int(np.count_nonzero(rows)))
    target = np.log(ahead[rows])
    coefficients, *_ = np.linalg.lstsq(x[rows], target, rcond=None)
    spread = float(np.var(target - x[rows] @ coefficients))
    facts = {
        "coefficients": [float(c) for c in coefficients],
        "residual_variance": spread,
        "windows_bars": list(HAR_BARS),
        "n_rows": int(np.count_nonzero(rows)),
        "n_floored_bars": int(np.count_nonzero(variance < floor)),
    }
    fitted = np.full(bars.n_bars, float(coefficients[0]))
    for c, column in zip(coefficients[1:], columns, strict=True):  # no BLAS: each bar by itself
        fitted += c * column
    return VolatilityForecast(np.exp(0.5 * (fitted + 0.5 * spread)), facts)


VOLATILITY.add(
    "trailing_std",
    VolatilityMethod(f"the last {TRAILING_BARS} returns up to the bar's close", _trailing),
)
VOLATILITY.add(
    # RiskMetrics Technical Document (J.P. Morgan 1996), section 5.2; the decay by likelihood.
    "ewma",
    VolatilityMethod("squared returns up to the bar's close, decaying; decay from training", _ewma),
)
VOLATILITY.add(
    # Corsi 2009, "A simple approximate long-memory model of realized volatility", J. Financial
    # Econometrics 7, 174-196, in logarithms; the lognormal mean adds half the residual variance.
    "har",
    VolatilityMethod(
        "ranges of the last 1, 5 and 22 bars up to the bar's close; weights from training", _har
    ),
)
VOLATILITY.add(
    "garch",
    VolatilityMethod("returns up to the bar's close; GARCH(1,1) parameters from training", _garch),
)
