"""What all labels over a fixed number of bars ahead share."""

from typing import Any

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels import rolling_extreme
from marketlab.labels._base import LabelSet, make_label_set


def extreme_ahead(x: FloatArray, horizon: int, *, largest: bool) -> FloatArray:
    """Return the largest or smallest of ``x[t+1..t+horizon]``, shape (max(0, n - horizon),)."""
    if len(x) <= horizon:
        return np.zeros(0)
    out: FloatArray = np.empty(len(x))
    rolling_extreme(x, horizon, 1.0 if largest else -1.0, np.zeros(3 + 2 * horizon), out)
    return out[horizon:]


def horizon_target(
    name: str,
    value: FloatArray,
    horizon: int,
    n_bars: int,
    facts: dict[str, Any] | None = None,
) -> LabelSet:
    """Return the regression labels `value` of the bars 0, 1, … of a series of `n_bars` bars."""
    bar = np.arange(len(value))
    return make_label_set(
        name=name,
        bar=bar,
        value=value,
        end=bar + horizon,
        event=bar // horizon,
        class_names=(),
        facts={
            "horizon": int(horizon),
            **(facts or {}),
            "n_bars": n_bars,
            "n_dropped_tail": n_bars - len(bar),
        },
    )
