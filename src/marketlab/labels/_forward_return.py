"""Forward return: whether the close some bars ahead is higher or lower."""

import numpy as np

from marketlab.core import FloatArray, check_at_least
from marketlab.labels._base import (
    BUY,
    CLASS_NAMES,
    HOLD,
    LABELS,
    SELL,
    LabelSet,
    LabelSource,
    make_label_set,
)
from marketlab.labels._checks import check_close


def forward_return(close: FloatArray, *, horizon: int, dead_zone: float = 0.0) -> LabelSet:
    """Label each bar by the sign of the return from its close to the close `horizon` bars later.

    The return is ``(close[t + horizon] - close[t]) / close[t]``: BUY above `dead_zone`, SELL
    below ``-dead_zone``, HOLD from the one to the other, both included.

    Parameters
    ----------
    close : (n_bars,), greater than zero.
    horizon : bars ahead, at least 1.
    dead_zone : a return, as a fraction, at least 0.

    Returns
    -------
    LabelSet without the last `horizon` bars. `start` is the bar, `end` is ``bar + horizon``;
    `event` is ``bar // horizon``: labels of one block overlap, those two blocks apart do not.

    Raises
    ------
    DataError for closes that are NaN, infinite or not positive; ConfigError for the options.
    """
    check_at_least("horizon", horizon, 1)
    check_at_least("dead_zone", dead_zone, 0.0)
    prices = check_close(close)
    n_labels = max(0, len(prices) - horizon)
    bar = np.arange(n_labels)
    change = (prices[horizon:] - prices[:n_labels]) / prices[:n_labels]
    value = np.where(change > dead_zone, BUY, np.where(change < -dead_zone, SELL, HOLD))
    return make_label_set(
        name="forward_return",
        bar=bar,
        value=value,
        end=bar + horizon,
        event=bar // horizon,
        facts={
            "horizon": int(horizon),
            "dead_zone": float(dead_zone),
            "n_bars": len(prices),
            "n_dropped_tail": len(prices) - n_labels,
        },
    )


LABELS.add(
    "forward_return",
    LabelSource(
        method=forward_return,
        inputs=("close",),
        class_names=CLASS_NAMES,
        summary="Whether the return over the next bars lies above, inside or below a dead zone",
        reference="ours; the sign of neuro_fuzzy_campaign.md 7.3 (forward return)",
    ),
)
