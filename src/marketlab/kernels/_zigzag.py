"""Zigzag of closes at a relative threshold: the turning points, and the leg known at each bar.

One step serves both. It keeps the close of the current extreme and the direction of the leg that
led to it; a close beyond the extreme moves it, a relative change of the threshold against the leg
sets the next one. Bar 0 is the first extreme, whatever comes before the first move.

`zigzag_extremes` is for labels: it says where the extremes ended up, which needs later bars.
`zigzag_state` is causal: it says which way the leg goes as far as bar t tells.
"""

import numpy as np

from marketlab.core import FloatArray, IntArray
from marketlab.kernels._jit import jit, register_warmup

ZIGZAG_STATE_SIZE = 2
"""Floats of state of `zigzag_state`: close of the current extreme (0: none yet), direction."""


@jit
def _step(close: float, anchor: float, direction: float, threshold: float) -> tuple[float, int]:
    """Return the direction after this close and what it did: 0 nothing, 1 moved, 2 set."""
    change = (close - anchor) / anchor
    if direction == 0.0:
        if abs(change) >= threshold:
            return (1.0, 2) if change > 0.0 else (-1.0, 2)
    elif direction > 0.0:
        if close > anchor:
            return 1.0, 1
        if change <= -threshold:
            return -1.0, 2
    else:
        if close < anchor:
            return -1.0, 1
        if change >= threshold:
            return 1.0, 2
    return direction, 0


@jit
def zigzag_extremes(
    close: FloatArray, threshold: float, extreme: IntArray, known_at: IntArray
) -> int:
    """Find the extremes of a whole series in one pass.

    Parameters
    ----------
    close : (n_bars,), greater than zero, no NaN.
    threshold : relative change that ends a leg, greater than zero.
    extreme : (n_bars,), out: the bar of each extreme, in order.
    known_at : (n_bars,), out: the first later bar at which an extreme is set or moved; -1 from the
        last extreme on, where there is none.

    Returns
    -------
    The number of extremes: 0 for no bars, else at least 1.
    """
    n = close.shape[0]
    if n == 0:
        return 0
    count = 1
    extreme[0] = 0
    anchor = close[0]
    direction = 0.0
    settled = 0  # bars before this one have their known_at; it is also the last event's bar
    for t in range(1, n):
        direction, event = _step(close[t], anchor, direction, threshold)
        if event > 0:
            if event == 2:
                count += 1
            extreme[count - 1] = t
            anchor = close[t]
            for i in range(settled, t):
                known_at[i] = t
            settled = t
    for i in range(settled, n):
        known_at[i] = -1
    return count


@jit
def zigzag_state(close: FloatArray, threshold: float, state: FloatArray, out: FloatArray) -> None:
    """Write the direction of the zigzag leg as known at each bar's close.

    Parameters
    ----------
    close : (n_bars,), the next bars of the series; greater than zero.
    threshold : relative change that ends a leg, greater than zero.
    state : (ZIGZAG_STATE_SIZE,), zeros before the first bar; updated.
    out : (n_bars,), +1 rising, -1 falling, 0 before the first move; NaN where the close is NaN,
        which leaves the state as it was.
    """
    anchor = state[0]
    direction = state[1]
    for t in range(close.shape[0]):
        price = close[t]
        if np.isnan(price):
            out[t] = np.nan
            continue
        if anchor == 0.0:
            anchor = price
        else:
            direction, event = _step(price, anchor, direction, threshold)
            if event > 0:
                anchor = price
        out[t] = direction
    state[0] = anchor
    state[1] = direction


@register_warmup("zigzag")
def _warm() -> None:
    close = np.array([1.0, 1.1, 1.0])
    zigzag_extremes(close, 0.05, np.empty(3, np.int64), np.empty(3, np.int64))
    zigzag_state(close, 0.05, np.zeros(ZIGZAG_STATE_SIZE), np.empty(3))
