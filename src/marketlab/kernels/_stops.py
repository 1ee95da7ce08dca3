"""Trailing stop lines that flip with the trend: Supertrend and the parabolic SAR."""

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup


@jit
def supertrend(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    atr: FloatArray,
    multiplier: float,
    direction: int,
    state: FloatArray,
    out: FloatArray,
) -> None:
    """Write the Supertrend line, or with `direction` 1 its direction: 1 rising, -1 falling.

    Bands ``(high + low)/2 ± multiplier * atr``; the upper one only falls and the lower one only
    rises until the close before crossed it. The trend turns when the close is beyond the band it
    follows; it starts as falling (the recurrence of TradingView's ``ta.supertrend``, whose sign is
    the opposite). A missing input gives NaN and holds all. State (4): direction (0 before the
    first bar), upper band, lower band, close of the bar before.
    """
    side, upper, lower, before = state[0], state[1], state[2], state[3]
    for i in range(out.shape[0]):
        middle = (high[i] + low[i]) / 2.0
        price = close[i]
        width = multiplier * atr[i]
        top, bottom = middle + width, middle - width
        if top != top or bottom != bottom or price != price:
            out[i] = np.nan
            continue
        if side == 0.0:
            side, upper, lower = -1.0, top, bottom
        else:
            if top < upper or before > upper:
                upper = top
            if bottom > lower or before < lower:
                lower = bottom
        if side < 0.0:
            if price > upper:
                side = 1.0
        elif price < lower:
            side = -1.0
        before = price
        if direction == 1:
            out[i] = side
        else:
            out[i] = lower if side > 0.0 else upper
    state[0], state[1], state[2], state[3] = side, upper, lower, before


@jit
def parabolic_sar(
    high: FloatArray,
    low: FloatArray,
    step: float,
    limit: float,
    state: FloatArray,
    out: FloatArray,
) -> None:
    """Write the parabolic stop and reverse of Wilder (1978), as TA-Lib starts it.

    The first direction is down if the second bar's low fell by more than its high rose. The
    acceleration begins at `step`, grows by it with each new extreme, up to `limit`. First value at
    the second bar. A missing input gives NaN and holds all. State (7): bars seen, direction,
    acceleration, extreme price, stop, high and low of the bar before.
    """
    seen, side, speed, extreme, stop = state[0], state[1], state[2], state[3], state[4]
    old_high, old_low = state[5], state[6]
    start = min(step, limit)
    for i in range(out.shape[0]):
        top, bottom = high[i], low[i]
        if top != top or bottom != bottom:
            out[i] = np.nan
            continue
        if seen == 0.0:
            out[i] = np.nan
        else:
            if seen == 1.0:
                fall, rise = old_low - bottom, top - old_high
                side = -1.0 if fall > 0.0 and rise < fall else 1.0
                stop = old_low if side > 0.0 else old_high
                extreme = top if side > 0.0 else bottom
                speed = start
                old_high, old_low = top, bottom  # as TA-Lib has it
            turned = bottom <= stop if side > 0.0 else top >= stop
            if turned:
                side = -side
                outer = max(old_high, top) if side < 0.0 else min(old_low, bottom)
                out[i] = max(extreme, outer) if side < 0.0 else min(extreme, outer)
                stop = out[i]
                speed = start
                extreme = bottom if side < 0.0 else top
                stop += speed * (extreme - stop)
                stop = max(stop, outer) if side < 0.0 else min(stop, outer)
            else:
                out[i] = stop
                if side > 0.0 and top > extreme:
                    extreme = top
                    speed = min(speed + start, limit)
                elif side < 0.0 and bottom < extreme:
                    extreme = bottom
                    speed = min(speed + start, limit)
                stop += speed * (extreme - stop)
                inner = min(old_low, bottom) if side > 0.0 else max(old_high, top)
                stop = min(stop, inner) if side > 0.0 else max(stop, inner)
        old_high, old_low = top, bottom
        seen = min(seen + 1.0, 2.0)
    state[0], state[1], state[2], state[3], state[4] = seen, side, speed, extreme, stop
    state[5], state[6] = old_high, old_low


@register_warmup("stop lines")
def _warm() -> None:
    x, out = np.ones(3), np.empty(3)
    supertrend(x, x, x, x, 3.0, 0, np.zeros(4), out)
    parabolic_sar(x, x, 0.02, 0.2, np.zeros(7), out)
