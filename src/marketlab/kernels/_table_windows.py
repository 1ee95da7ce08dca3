"""Primitives over the last `window` bars (the mark @jit: see ``_primitives.py``)."""

from marketlab.kernels import _line as line
from marketlab.kernels._deviation import rolling_mean_deviation
from marketlab.kernels._moments import rolling_moment
from marketlab.kernels._order import RANK_KINDS, rolling_quantile, rolling_rank
from marketlab.kernels._pairs import rolling_pair
from marketlab.kernels._primitives import MAX_WINDOW, Parameter, calls, register_window
from marketlab.kernels._rolling import (
    bars_since_extreme,
    rolling_extreme,
    rolling_std,
    rolling_sum,
)
from marketlab.kernels._weighted import rolling_wma

_DDOF = Parameter("ddof", 0, 1)
_NEWEST = Parameter("newest", 0, 1)


def _folds(window: int) -> int:
    return 3 + 2 * window


register_window(
    "rolling_sum",
    calls(rolling_sum, "window", 1.0),
    "sum of the last `window` values",
    state=_folds,
)
register_window(
    "rolling_mean",
    lambda x, p, state, out: (
        rolling_sum,
        (*x, int(p["window"]), float(p["window"]), state, out),
    ),
    "mean of the last `window` values",
    state=_folds,
)
register_window(
    "rolling_max",
    calls(rolling_extreme, "window", 1.0),
    "largest of the last `window` values",
    state=_folds,
)
register_window(
    "rolling_min",
    calls(rolling_extreme, "window", -1.0),
    "smallest of the last `window` values",
    state=_folds,
)
register_window(
    "rolling_std",
    calls(rolling_std, "window", "ddof"),
    "standard deviation of the last `window` values, divisor window - ddof",
    extra=(_DDOF,),
    state=lambda window: 4 + 4 * window,
)
for _name, _sign in (("bars_since_max", 1.0), ("bars_since_min", -1.0)):
    register_window(
        _name,
        calls(bars_since_extreme, "window", _sign, "newest"),
        "bars since the extreme of the last `window` values; of equals the oldest, or newest (1)",
        extra=(_NEWEST,),
        state=lambda window: 4 + window,
    )
register_window(
    "rolling_mean_deviation",
    calls(rolling_mean_deviation, "window"),
    "mean of the absolute deviations of the last `window` values from their mean",
    state=lambda window: 1 + window,
)
register_window(
    "rolling_wma",
    calls(rolling_wma, "window"),
    "mean of the last `window` values with weights 1 (oldest) to window (this bar)",
    state=lambda window: 4 + 3 * window,
)
register_window(
    "rolling_rank",
    calls(rolling_rank, "window", "kind"),
    "rank of x in the last `window` values, 0-1: kind 0 share of the earlier ones strictly below, "
    "1 mean rank of equals over window, 2 share not above",
    extra=(Parameter("kind", 0, len(RANK_KINDS) - 1),),
    state=lambda window: 2 + 2 * window,
)
register_window(
    "rolling_quantile",
    calls(rolling_quantile, "window", "q"),
    "quantile q of the last `window` values, interpolated linearly",
    extra=(Parameter("q", 0.0, 1.0, integer=False),),
    state=lambda window: 2 + 2 * window,
)
register_window(
    "rolling_cov",
    calls(rolling_pair, "window", "ddof"),
    "covariance of a and b over the last `window` bars, divisor window - ddof",
    n_inputs=2,
    extra=(_DDOF,),
    state=lambda window: 7 + 7 * window,
)
register_window(
    "rolling_corr",
    calls(rolling_pair, "window", -1),
    "correlation of a and b over the last `window` bars; missing where one is flat",
    n_inputs=2,
    state=lambda window: 7 + 7 * window,
)
for _name, _what, _summary in (
    ("rolling_slope", line.SLOPE, "slope per bar of the least squares line over `window` values"),
    ("rolling_intercept", line.INTERCEPT, "that line at the oldest of the `window` bars"),
    ("rolling_fit", line.FIT, "that line at this bar"),
    ("rolling_rsquare", line.R_SQUARE, "squared correlation with time; missing where x is flat"),
    ("rolling_residual", line.RESIDUAL, "x minus the least squares line at this bar"),
):
    register_window(
        _name,
        calls(line.rolling_line, "window", _what),
        _summary,
        state=lambda window: 5 + 4 * window,
    )
for _name, _order in (("rolling_skew", 3), ("rolling_kurtosis", 4)):
    register_window(
        _name,
        calls(rolling_moment, "window", _order),
        "unbiased skewness" if _order == 3 else "unbiased excess kurtosis",
        window=Parameter("window", _order, MAX_WINDOW),
        state=lambda window: 7 + 6 * window,
    )
