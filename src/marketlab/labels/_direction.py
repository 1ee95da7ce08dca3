"""Direction: whether the close some bars ahead is higher, with ties stated."""

from typing import Literal

import numpy as np

from marketlab.core import FloatArray, check_at_least
from marketlab.labels._base import (
    BUY,
    CLASS_NAMES,
    LABELS,
    SELL,
    LabelSet,
    LabelSource,
    make_label_set,
)
from marketlab.labels._checks import check_close


def direction(
    close: FloatArray, *, horizon: int, ties: Literal["drop", "down"] = "drop"
) -> LabelSet:
    """Label each bar BUY iff ``close[t + horizon] > close[t]``, SELL iff it is below.

    Bars where both closes are equal have no direction. They are dropped and counted
    (``n_dropped_ties``), or with ``ties="down"`` counted as SELL, as the original's 0 did.

    Parameters
    ----------
    close : (n_bars,), greater than zero. horizon : bars ahead, at least 1.

    Returns
    -------
    LabelSet without the last `horizon` bars. `start` is the bar, `end` is ``bar + horizon``;
    ``is_class("BUY")`` is the 0/1 target of the formula. HOLD does not occur.

    Raises
    ------
    DataError for closes that are NaN, infinite or not positive; ConfigError for the options.

    References
    ----------
    reference/scaling_lab.md section 5 and promotion_and_runtime.md section 4.3 (horizon 15).
    """
    check_at_least("horizon", horizon, 1)
    prices = check_close(close)
    n_whole = max(0, len(prices) - horizon)
    later, now = prices[horizon:], prices[:n_whole]
    is_tie = later == now
    n_ties = int(is_tie.sum())
    dropped = ties == "drop" and n_ties > 0
    bar = np.flatnonzero(~is_tie) if dropped else np.arange(n_whole)
    value = np.where(later > now, BUY, SELL)
    return make_label_set(
        name="direction",
        bar=bar,
        value=value[bar] if dropped else value,
        end=bar + horizon,
        facts={
            "horizon": int(horizon),
            "ties": ties,
            "n_ties": n_ties,
            "n_bars": len(prices),
            "n_dropped_tail": len(prices) - n_whole,
            "n_dropped_ties": n_whole - len(bar),
        },
    )


LABELS.add(
    "direction",
    LabelSource(
        method=direction,
        inputs=("close",),
        class_names=CLASS_NAMES,
        summary="Whether the close some bars ahead is above or below the close; ties stated",
        reference="scaling_lab.md 5 (direction); promotion_and_runtime.md 4.3 (15 bars)",
    ),
)
