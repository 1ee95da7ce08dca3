"""Arithmetic on whole blocks, compiled, so that a block of one bar gives the same bits as a batch.

NaN is missing and stays missing: every operation gives NaN where an operand it uses is NaN.
"""

import math

import numpy as np

from marketlab.core import FloatArray
from marketlab.kernels._jit import jit, register_warmup

ADD, SUB, MUL, MAXIMUM, MINIMUM, GREATER, COALESCE = range(7)
GREATER_EQUAL, EQUAL, AND, OR, ONLY_WHERE = range(7, 12)
ABSOLUTE, NEGATIVE, LOG, SIGN, SQUARE_ROOT, EXPONENTIAL, FLOOR, NOT, IS_PRESENT = range(9)


@jit
def _truth(operation: int, x: float, y: float) -> bool:
    if operation == GREATER:
        return x > y
    if operation == GREATER_EQUAL:
        return x >= y
    if operation == EQUAL:
        return x == y
    if operation == AND:
        return x != 0.0 and y != 0.0
    return x != 0.0 or y != 0.0


@jit
def binary(operation: int, a: FloatArray, b: FloatArray, out: FloatArray) -> None:
    """Write ``a (operation) b`` bar by bar into `out`; all of shape (n,).

    Comparisons, AND and OR (of numbers that are not zero) give 1.0 or 0.0. COALESCE takes `a`
    where it is there, else `b`. ONLY_WHERE takes `a` where `b` is not zero, else it is missing.
    """
    n = out.shape[0]
    if operation == ADD:
        for i in range(n):
            out[i] = a[i] + b[i]
    elif operation == SUB:
        for i in range(n):
            out[i] = a[i] - b[i]
    elif operation == MUL:
        for i in range(n):
            out[i] = a[i] * b[i]
    elif operation == MAXIMUM:
        for i in range(n):
            x, y = a[i], b[i]
            out[i] = x if x >= y or x != x else y
    elif operation == MINIMUM:
        for i in range(n):
            x, y = a[i], b[i]
            out[i] = x if x <= y or x != x else y
    elif operation == COALESCE:
        for i in range(n):
            x = a[i]
            out[i] = x if x == x else b[i]
    elif operation == ONLY_WHERE:
        for i in range(n):
            y = b[i]
            out[i] = a[i] if y == y and y != 0.0 else np.nan
    else:
        for i in range(n):
            x, y = a[i], b[i]
            if x != x or y != y:
                out[i] = np.nan
            else:
                out[i] = 1.0 if _truth(operation, x, y) else 0.0


@jit
def unary(operation: int, x: FloatArray, out: FloatArray) -> None:
    """Write one function of x into `out`; missing outside its domain (x <= 0, x < 0).

    NOT gives 1.0 where x is zero, else 0.0. IS_PRESENT gives 1.0 where x is finite, else 0.0.
    """
    n = out.shape[0]
    if operation == ABSOLUTE:
        for i in range(n):
            out[i] = abs(x[i])
    elif operation == NEGATIVE:
        for i in range(n):
            out[i] = -x[i]
    elif operation == LOG:
        for i in range(n):
            value = x[i]
            out[i] = math.log(value) if value > 0.0 else np.nan
    elif operation == SQUARE_ROOT:
        for i in range(n):
            out[i] = math.sqrt(x[i])
    elif operation == EXPONENTIAL:
        for i in range(n):
            out[i] = math.exp(x[i])
    elif operation == FLOOR:
        for i in range(n):
            out[i] = np.floor(x[i])
    elif operation == NOT:
        for i in range(n):
            value = x[i]
            out[i] = np.nan if value != value else 1.0 if value == 0.0 else 0.0
    elif operation == IS_PRESENT:
        for i in range(n):
            value = x[i]
            out[i] = 1.0 if value - value == 0.0 else 0.0
    else:
        for i in range(n):
            value = x[i]
            if value > 0.0:
                out[i] = 1.0
            elif value < 0.0:
                out[i] = -1.0
            else:
                out[i] = value  # zero and missing stay what they are


@jit
def ratio(a: FloatArray, b: FloatArray, fill: float, out: FloatArray) -> None:
    """Write ``a / b``, and `fill` where b is exactly zero (missing a or b: missing)."""
    for i in range(out.shape[0]):
        x, y = a[i], b[i]
        if y != 0.0:
            out[i] = x / y
        else:
            out[i] = fill if x == x else np.nan


@jit
def where(condition: FloatArray, a: FloatArray, b: FloatArray, out: FloatArray) -> None:
    """Write `a` where `condition` is not zero, else `b`; missing where `condition` is missing."""
    for i in range(out.shape[0]):
        flag = condition[i]
        if flag != flag:
            out[i] = np.nan
        elif flag != 0.0:
            out[i] = a[i]
        else:
            out[i] = b[i]


@jit
def clip(x: FloatArray, low: float, high: float, out: FloatArray) -> None:
    """Write x limited to [low, high]."""
    for i in range(out.shape[0]):
        value = x[i]
        if value < low:
            value = low
        elif value > high:
            value = high
        out[i] = value


@register_warmup("elementwise operations")
def _warm() -> None:
    x, out = np.ones(2), np.empty(2)
    binary(ADD, x, x, out)
    unary(LOG, x, out)
    ratio(x, x, 0.5, out)
    where(x, x, x, out)
    clip(x, 0.0, 1.0, out)
