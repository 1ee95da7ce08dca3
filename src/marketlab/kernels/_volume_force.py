"""Klinger's volume force."""

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup


@jit
def klinger_force(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    state: FloatArray,
    out: FloatArray,
) -> None:
    """Write the volume force of Klinger (1997), Stocks & Commodities 15(12).

    ``100 trend volume |2 (dm / cm - 1)|``: trend is 1 if high + low + close rose and -1 if not, dm
    is high - low, cm adds up dm while the trend lasts and restarts as dm before + dm when it turns.
    A cm of 0 gives 0. First value at the second bar. A missing input gives NaN and holds all.
    State (5): bars seen (up to 1), high + low + close, dm and trend of the bar before, cm.
    """
    seen, old_sum, old_range, old_trend, total = state[0], state[1], state[2], state[3], state[4]
    for i in range(out.shape[0]):
        price = high[i] + low[i] + close[i]
        width = high[i] - low[i]
        amount = volume[i]
        if price != price or amount != amount:
            out[i] = np.nan
            continue
        if seen == 0.0:
            out[i] = np.nan
            seen = 1.0
        else:
            trend = 1.0 if price > old_sum else -1.0
            total = (total if trend == old_trend else old_range) + width
            share = abs(2.0 * (width / total - 1.0)) if total != 0.0 else 0.0
            out[i] = 100.0 * trend * amount * share
            old_trend = trend
        old_sum = price
        old_range = width
    state[0], state[1], state[2], state[3], state[4] = seen, old_sum, old_range, old_trend, total


@register_warmup("volume force")
def _warm() -> None:
    x = np.ones(2)
    klinger_force(x, x, x, x, np.zeros(5), np.empty(2))
