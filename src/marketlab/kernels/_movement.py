"""Parts of classic indicators whose composition from single steps costs several times as much.

Each is equal, to the last bit, to its composition from `lag`, `sub`, `maximum`, `greater` and
`wilder` on complete data.
"""

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup


@jit
def _range(high: float, low: float, before: float) -> float:
    above, below = abs(high - before), abs(low - before)
    outside = above if above >= below or above != above else below
    inside = high - low
    return inside if inside >= outside or inside != inside else outside


@jit
def true_range(
    high: FloatArray, low: FloatArray, close: FloatArray, state: FloatArray, out: FloatArray
) -> None:
    """Write the largest of high - low and the distances of both to the close before (Wilder 1978).

    The first bar has none; a bar is missing where its high or low or the close before is.
    State (2): 1 after the first bar, the last close.
    """
    n = out.shape[0]
    if n == 0:
        return
    out[0] = _range(high[0], low[0], state[1] if state[0] == 1.0 else np.nan)
    for i in range(1, n):
        out[i] = _range(high[i], low[i], close[i - 1])
    state[0], state[1] = 1.0, close[n - 1]


@jit
def average_true_range(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    n: int,
    state: FloatArray,
    out: FloatArray,
) -> None:
    """Write Wilder's average of the true range, started from the mean of the first n of them.

    First value at bar n. A missing input gives NaN and holds all. State (3): bars seen up to
    n + 1, the last close, the average (until then the sum).
    """
    seen = int(state[0])
    before, average = state[1], state[2]
    alpha = 1.0 / n
    for i in range(out.shape[0]):
        price = close[i]
        width = _range(high[i], low[i], before)
        if width != width or price != price:
            out[i] = np.nan
            continue
        before = price
        if seen > n:
            average += alpha * (width - average)
            out[i] = average
            continue
        out[i] = np.nan
        if seen > 0:
            average += width
        seen += 1
        if seen > n:
            average /= n
            out[i] = average
    state[0], state[1], state[2] = seen, before, average


@jit
def _moved(rise: float, fall: float, side: float) -> float:
    mine, other = (rise, fall) if side > 0.0 else (fall, rise)
    if mine != mine or other != other:
        return np.nan
    return mine if mine > other and mine > 0.0 else 0.0


@jit
def directional_movement(
    high: FloatArray, low: FloatArray, side: float, state: FloatArray, out: FloatArray
) -> None:
    """Write Wilder's +DM (side 1.0) or -DM (side -1.0): the larger of both moves if it is above 0.

    The first bar has none; a bar is missing where it or the bar before is. State (3): 1 after the
    first bar, the last high and low.
    """
    n = out.shape[0]
    if n == 0:
        return
    known = state[0] == 1.0
    out[0] = _moved(high[0] - state[1], state[2] - low[0], side) if known else np.nan
    for i in range(1, n):
        out[i] = _moved(high[i] - high[i - 1], low[i - 1] - low[i], side)
    state[0], state[1], state[2] = 1.0, high[n - 1], low[n - 1]


@jit
def _if_moved(value: float, change: float, side: float) -> float:
    if change != change or value != value:
        return np.nan
    return value if change * side > 0.0 else 0.0


@jit
def where_moved(
    value: FloatArray, x: FloatArray, side: float, state: FloatArray, out: FloatArray
) -> None:
    """Write `value` at bars at which x rose (side 1.0) or fell (side -1.0), else 0.

    The first bar is missing; so is a bar where the value, x or the x before is. State (2): 1 after
    the first bar, the last x.
    """
    n = out.shape[0]
    if n == 0:
        return
    out[0] = _if_moved(value[0], x[0] - state[1], side) if state[0] == 1.0 else np.nan
    for i in range(1, n):
        out[i] = _if_moved(value[i], x[i] - x[i - 1], side)
    state[0], state[1] = 1.0, x[n - 1]


@jit
def relative_strength(x: FloatArray, n: int, state: FloatArray, out: FloatArray) -> None:
    """Write ``100 U / (U + D)`` with Wilder averages of rises and falls, 50 where both are 0.

    Both start from the mean of the first n changes. A missing x gives NaN and holds all. State
    (4): values seen up to n + 1, the last x, U and D (their sums until n changes were seen).
    """
    seen = int(state[0])
    before, up, down = state[1], state[2], state[3]
    alpha = 1.0 / n
    for i in range(out.shape[0]):
        value = x[i]
        if value != value:
            out[i] = np.nan
            continue
        change = value - before
        before = value
        rise = change if change >= 0.0 else 0.0
        fall = -change if change <= 0.0 else 0.0
        if seen > n:
            up += alpha * (rise - up)
            down += alpha * (fall - down)
        else:
            out[i] = np.nan
            seen += 1
            if seen == 1:
                continue
            up += rise
            down += fall
            if seen <= n:
                continue
            up /= n
            down /= n
        total = up + down
        out[i] = 100.0 * (up / total if total != 0.0 else 0.5)
    state[0], state[1], state[2], state[3] = seen, before, up, down


@register_warmup("movement")
def _warm() -> None:
    x, out = np.ones(3), np.empty(3)
    true_range(x, x, x, np.zeros(2), out)
    average_true_range(x, x, x, 2, np.zeros(3), out)
    directional_movement(x, x, 1.0, np.zeros(3), out)
    where_moved(x, x, 1.0, np.zeros(2), out)
    relative_strength(x, 2, np.zeros(4), out)
