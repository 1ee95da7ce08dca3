"""Counts and values tied to a condition: how long it has held, how long ago, what was then.

A condition holds where it is not zero. Where it is missing, the output is, and nothing is
remembered: the bar counts for nothing.
"""

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup


@jit
def streak(condition: FloatArray, state: FloatArray, out: FloatArray) -> None:
    """Write for how many bars in a row the condition has held, this one included; 0 if it does not.

    State (1): the last count.
    """
    count = state[0]
    for i in range(out.shape[0]):
        value = condition[i]
        if value != value:
            out[i] = np.nan
            continue
        count = count + 1.0 if value != 0.0 else 0.0
        out[i] = count
    state[0] = count


@jit
def bars_since(condition: FloatArray, state: FloatArray, out: FloatArray) -> None:
    """Write how many bars ago the condition last held (0 = this bar); NaN before it ever did.

    State (1): 1 + bars since then, 0 before it ever held.
    """
    since = state[0]
    for i in range(out.shape[0]):
        value = condition[i]
        if value != value:
            out[i] = np.nan
            continue
        if value != 0.0:
            since = 1.0
        elif since > 0.0:
            since += 1.0
        out[i] = since - 1.0 if since > 0.0 else np.nan
    state[0] = since


@jit
def hold(value: FloatArray, condition: FloatArray, state: FloatArray, out: FloatArray) -> None:
    """Write the value of the last bar at which the condition held; NaN before it ever did.

    Where the condition does not hold, the bar's own value is not looked at, so it may be missing.
    Where it holds and the value is missing, the output is missing and the value of before is kept.
    State (2): 1 once there is a value, the value.
    """
    known = state[0]
    held = state[1]
    for i in range(out.shape[0]):
        flag = condition[i]
        now = value[i]
        if flag != flag or (flag != 0.0 and now != now):
            out[i] = np.nan
            continue
        if flag != 0.0:
            known = 1.0
            held = now
        out[i] = held if known == 1.0 else np.nan
    state[0] = known
    state[1] = held


@register_warmup("events")
def _warm() -> None:
    x, out = np.ones(2), np.empty(2)
    streak(x, np.zeros(1), out)
    bars_since(x, np.zeros(1), out)
    hold(x, x, np.zeros(2), out)
