"""Degrees of membership in fuzzy sets: 0 (not at all) to 1 (fully), bar by bar."""

import math

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup

TRIANGULAR, TRAPEZOIDAL, GAUSSIAN, SIGMOID, SHOULDER_LEFT, SHOULDER_RIGHT = range(6)


@jit
def _trapezoid(x: float, a: float, b: float, c: float, d: float) -> float:
    if b <= x <= c:
        return 1.0
    if x <= a or x >= d:
        return 0.0
    return (x - a) / (b - a) if x < b else (d - x) / (d - c)


@jit
def membership(
    kind: int, x: FloatArray, a: float, b: float, c: float, d: float, out: FloatArray
) -> None:
    """Write the degree to which each x belongs to one set; a missing x gives NaN.

    TRIANGULAR a, b, c: 0 for x <= a or x >= c, 1 at b, also where a = b or b = c.
    TRAPEZOIDAL a, b, c, d: 1 between b and c. GAUSSIAN mean a, sigma b.
    SIGMOID centre a, width b: ``1 / (1 + exp(-(x - a) / b))``; a negative width falls.
    SHOULDER_LEFT peak a, foot b: 1 for x <= a, 0 for x >= b. SHOULDER_RIGHT foot a, peak b.
    """
    n = out.shape[0]
    if kind == GAUSSIAN:
        for i in range(n):
            z = (x[i] - a) / b
            out[i] = math.exp(-0.5 * z * z)
        return
    if kind == SIGMOID:
        for i in range(n):
            out[i] = 1.0 / (1.0 + math.exp(-(x[i] - a) / b))
        return
    if kind == TRIANGULAR:
        p, q, r, s = a, b, b, c
    elif kind == SHOULDER_LEFT:
        p, q, r, s = -np.inf, -np.inf, a, b
    elif kind == SHOULDER_RIGHT:
        p, q, r, s = a, b, np.inf, np.inf
    else:
        p, q, r, s = a, b, c, d
    for i in range(n):
        value = x[i]
        out[i] = _trapezoid(value, p, q, r, s) if value == value else np.nan


@register_warmup("memberships")
def _warm() -> None:
    membership(TRIANGULAR, np.ones(2), 0.0, 1.0, 2.0, 0.0, np.empty(2))
