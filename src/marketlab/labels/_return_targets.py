"""Forward returns as numbers: simple, logarithmic, and scaled to [0, 1] by training rows."""

import numpy as np

from marketlab.core import ConfigError, DataError, FloatArray, check_at_least
from marketlab.labels._base import LABELS, LabelSet, LabelSource
from marketlab.labels._checks import check_close
from marketlab.labels._horizon import horizon_target

SCALE_QUANTILE = 0.99


def forward_return_value(close: FloatArray, *, horizon: int = 20) -> LabelSet:
    """Return ``(close[t+h] - close[t]) / close[t]`` of each bar, a fraction; a regression target.

    Parameters
    ----------
    close : (n_bars,), greater than zero. horizon : bars ahead, at least 1.

    Returns
    -------
    LabelSet with float values, without the last `horizon` bars; `end` is ``bar + horizon``.

    Raises
    ------
    DataError for closes that are NaN, infinite or not positive; ConfigError for the horizon.

    References
    ----------
    reference/neuro_fuzzy_campaign.md section 7.3 (h = 20).
    """
    prices, n_labels = _prices(close, horizon)
    value = (prices[horizon:] - prices[:n_labels]) / prices[:n_labels]
    return horizon_target("forward_return_value", value, horizon, len(prices))


def forward_log_return(close: FloatArray, *, horizon: int = 1) -> LabelSet:
    """Return ``ln(close[t+h] / close[t])`` of each bar; a regression target.

    Parameters, result and errors as in `forward_return_value`. Formula: the regression target of
    reference/scaling_lab.md section 5.
    """
    prices, n_labels = _prices(close, horizon)
    value = np.log(prices[horizon:] / prices[:n_labels])
    return horizon_target("forward_log_return", value, horizon, len(prices))


def scaled_return(
    close: FloatArray,
    *,
    horizon: int = 15,
    p99: float | None = None,
    train_bars: int | None = None,
) -> LabelSet:
    """Return ``clip(r / (2 * p99) + 0.5, 0, 1)`` with r the simple return over `horizon` bars.

    0.5 is no change; 0 and 1 are a fall or a rise of `p99` or more. `p99` is the 99th percentile
    of ``|r|`` **of training rows only**. Give exactly one of:

    p99 : the scale itself, as a training run stored it (``facts["p99"]``).
    train_bars : fit it on the rows whose return ends before bar `train_bars`; bars from there on
        never enter it. The fitted number is in ``facts["p99"]``.

    Returns
    -------
    LabelSet with float values in [0, 1], without the last `horizon` bars; `end` is
    ``bar + horizon``. With a fitted scale every value also depends on the training rows, whose
    last bar is ``train_bars - 1``; with a given one on its own two closes only.

    Raises
    ------
    ConfigError unless exactly one of the two is given, and for the options; DataError for bad
    closes, and if the training rows are fewer than 100 or do not move.

    References
    ----------
    reference/promotion_and_runtime.md section 4.3 (the Transformer's target).
    """
    prices, n_labels = _prices(close, horizon)
    change = (prices[horizon:] - prices[:n_labels]) / prices[:n_labels]
    if (p99 is None) == (train_bars is None):
        raise ConfigError(
            "needs either p99 or train_bars, not both and not neither.",
            code="LABELS-NoScale",
            field="p99",
            value=p99,
            suggestion="Give train_bars to fit the scale on training rows, or the p99 it stored.",
        )
    n_train = None if train_bars is None else max(0, min(train_bars, len(prices)) - horizon)
    scale = p99 if n_train is None else fit_return_scale(change[:n_train])
    if scale is None or not 0.0 < scale < np.inf:
        raise ConfigError(f"must be a return greater than 0; received {scale!r}.", field="p99")
    value = np.clip(change / (2.0 * scale) + 0.5, 0.0, 1.0)
    facts = {"p99": float(scale), "n_train_rows": n_train, "train_bars": train_bars}
    return horizon_target("scaled_return", value, horizon, len(prices), facts)


def fit_return_scale(change: FloatArray) -> float:
    """Return the 99th percentile of ``|change|``, with `change` the returns of training rows.

    Raises
    ------
    DataError for fewer than 100 rows, of which no 99th percentile is known, or a scale of zero.
    """
    if len(change) < 100:
        raise DataError(
            f"the 99th percentile needs at least 100 training rows; there are {len(change)}.",
            code="LABELS-TooFewRows",
            field="train_bars",
            suggestion="Give a longer training part.",
        )
    scale = float(np.quantile(np.abs(change), SCALE_QUANTILE))
    if not scale > 0.0:
        raise DataError(
            f"the 99th percentile of |return| over {len(change)} training rows is {scale!r}.",
            code="LABELS-NoReturn",
            field="train_bars",
            suggestion="The training closes do not move; look at the data.",
        )
    return scale


def _prices(close: FloatArray, horizon: int) -> tuple[FloatArray, int]:
    check_at_least("horizon", horizon, 1)
    prices = check_close(close)
    return prices, max(0, len(prices) - horizon)


for _name, _method, _summary, _reference in (
    (
        "forward_return_value",
        forward_return_value,
        "Simple return over the next bars, as a number",
        "neuro_fuzzy_campaign.md 7.3 (forward return)",
    ),
    (
        "forward_log_return",
        forward_log_return,
        "Log return over the next bars, as a number",
        "scaling_lab.md 5 (regression)",
    ),
    (
        "scaled_return",
        scaled_return,
        "Return over the next 15 bars, scaled to [0, 1] by the 99th percentile of training rows",
        "promotion_and_runtime.md 4.3 (Transformer)",
    ),
):
    LABELS.add(
        _name,
        LabelSource(
            method=_method,
            inputs=("close",),
            class_names=(),
            summary=_summary,
            reference=_reference,
        ),
    )
