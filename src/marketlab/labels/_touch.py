"""Threshold touch: whether the price reaches a level within the next bars."""

from typing import Literal

import numpy as np

from marketlab.core import ConfigError, FloatArray, check_at_least
from marketlab.labels._base import LABELS, LabelSet, LabelSource, make_label_set
from marketlab.labels._checks import check_bars
from marketlab.labels._horizon import extreme_ahead

TOUCH_NAMES = ("NO_TOUCH", "TOUCH")
"""Names of the classes 0 and 1 of a threshold touch; the value is the y of the formula."""


def threshold_touch(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    *,
    horizon: int,
    threshold: float,
    side: Literal["up", "down"] = "up",
    price: Literal["high_low", "close"] = "high_low",
) -> LabelSet:
    """Label each bar by whether the next `horizon` bars reach a level `threshold` away.

    With q the threshold, all comparisons inclusive:

    - up: 1 iff ``max(High[t+1..t+H]) >= Close[t] * (1 + q)``, the canonical rule;
    - down: 1 iff ``min(Low[t+1..t+H]) <= Close[t] * (1 - q)``;
    - with ``price="close"`` the closes take the place of High or Low: the legacy rule, another
      label with far fewer touches, never used unless asked for.

    Parameters
    ----------
    high, low, close : (n_bars,), greater than zero, raw prices (never scaled ones).
    horizon : bars ahead, at least 1. threshold : a fraction, between 0 and 1 (both excluded).

    Returns
    -------
    LabelSet with classes NO_TOUCH 0 and TOUCH 1, without the last `horizon` bars. `start` is the
    bar. `end` is ``bar + horizon`` for every sample, touched early or not: were it the touching
    bar, purging would keep the touched samples before a border and drop the others.

    Raises
    ------
    DataError for prices that are NaN, infinite, not positive or out of their order, and for
    unequal lengths; ConfigError for the options.

    References
    ----------
    The targets of the scaling lab (reference/scaling_lab.md, section 5).
    """
    check_at_least("horizon", horizon, 1)
    if not 0.0 < threshold < 1.0:
        raise ConfigError(
            f"must lie between 0 and 1, both excluded; received {threshold!r}.",
            field="threshold",
            value=threshold,
            suggestion="A threshold of 1 % is written 0.01.",
        )
    highs, lows, closes = check_bars(high, low, close)
    n_labels = max(0, len(closes) - horizon)
    up = side == "up"
    read = closes if price == "close" else highs if up else lows
    reached = extreme_ahead(read, horizon, largest=up)
    level = closes[:n_labels] * (1.0 + threshold if up else 1.0 - threshold)
    value = (reached >= level) if up else (reached <= level)
    bar = np.arange(n_labels)
    return make_label_set(
        name="threshold_touch",
        bar=bar,
        value=value.astype(np.int64),
        end=bar + horizon,
        event=bar // horizon,
        class_names=TOUCH_NAMES,
        facts={
            "horizon": int(horizon),
            "threshold": float(threshold),
            "side": side,
            "price": price,
            "n_bars": len(closes),
            "n_dropped_tail": len(closes) - n_labels,
        },
    )


LABELS.add(
    "threshold_touch",
    LabelSource(
        method=threshold_touch,
        inputs=("high", "low", "close"),
        class_names=TOUCH_NAMES,
        summary="Whether High (or Low) of the next bars reaches a level above (or below) the close",
        reference="scaling_lab.md 5: upside and downside rules, High-based canonical",
    ),
)
