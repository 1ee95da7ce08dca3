"""Earlier values and the suppression of the first bars."""

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup


@jit
def lag(x: FloatArray, bars: int, state: FloatArray, out: FloatArray) -> None:
    """Write the value of `bars` bars ago; the first `bars` entries are NaN.

    State (1 + bars): bars seen so far; the last `bars` values as a ring.
    """
    seen = int(state[0])
    position = seen % bars
    for i in range(out.shape[0]):
        value = x[i]
        out[i] = state[1 + position] if seen >= bars else np.nan
        state[1 + position] = value
        seen += 1
        position += 1
        if position == bars:
            position = 0
    state[0] = seen


@jit
def after(x: FloatArray, bars: int, state: FloatArray, out: FloatArray) -> None:
    """Write x, but NaN for the first `bars` bars of the series.

    For recursions that give numbers from the first bar on which mean nothing yet.
    State (1): bars seen so far.
    """
    seen = int(state[0])
    for i in range(out.shape[0]):
        out[i] = x[i] if seen >= bars else np.nan
        seen += 1
    state[0] = seen


@register_warmup("lag")
def _warm() -> None:
    x, out = np.ones(2), np.empty(2)
    lag(x, 1, np.zeros(2), out)
    after(x, 1, np.zeros(1), out)
