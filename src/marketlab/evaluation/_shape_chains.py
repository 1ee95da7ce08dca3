"""Compiled loops of the surrogate markets: shapes of bars, chained without a table in between.

Prices are the four read-only arrays open, high, low, close of shape (n_bars,); `drawn` holds
n_bars - 1 positions from 1 on. Bar 0 is copied. Each loop is one pass, because the page faults of
a dozen temporary arrays would cost more than the arithmetic.
"""

import math

import numpy as np

from marketlab.core import BoolArray, FloatArray, IntArray
from marketlab.kernels import jit, register_warmup

Prices = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


@jit
def follow_blocks(fresh: BoolArray, begins: IntArray, drawn: IntArray) -> None:
    """Write 1 + position: the next of `begins` where fresh, else the one after, wrapped."""
    n_shapes = fresh.shape[0]
    block = 0
    at = 0
    for t in range(n_shapes):
        if fresh[t]:
            at = begins[block]
            block += 1
        else:
            at += 1
            if at == n_shapes:
                at = 0
        drawn[t] = at + 1


@jit
def chain_shapes(prices: Prices, drawn: IntArray, out: Prices) -> None:
    """Write the bars whose shapes (over the close before) are those of the bars `drawn`."""
    opened, high, low, close = prices
    new_open, new_high, new_low, new_close = out
    new_open[0] = opened[0]
    new_high[0] = high[0]
    new_low[0] = low[0]
    new_close[0] = close[0]
    level = close[0]
    for t in range(drawn.shape[0]):
        j = drawn[t]
        before = close[j - 1]
        new_open[t + 1] = level * (opened[j] / before)
        new_high[t + 1] = level * (high[j] / before)
        new_low[t + 1] = level * (low[j] / before)
        level = level * (close[j] / before)
        new_close[t + 1] = level


@jit
def gap_and_body(opened: FloatArray, close: FloatArray, moments: FloatArray) -> None:
    """Write mean and deviation of log gaps, mean of log bodies, and their regression on gaps.

    `moments`: mean gap, deviation of gaps, mean body, slope of body on gap times that deviation,
    deviation of the rest. Updated bar by bar without cancellation (Welford 1962, "Note on a method
    for calculating corrected sums of squares and products", Technometrics 4(3), 419-420).
    """
    mean_gap = 0.0
    mean_body = 0.0
    gap_gap = 0.0
    gap_body = 0.0
    body_body = 0.0
    for t in range(1, close.shape[0]):
        gap = math.log(opened[t] / close[t - 1])
        body = math.log(close[t] / opened[t])
        d_gap = gap - mean_gap
        d_body = body - mean_body
        mean_gap += d_gap / t
        mean_body += d_body / t
        gap_gap += d_gap * (gap - mean_gap)
        gap_body += d_gap * (body - mean_body)
        body_body += d_body * (body - mean_body)
    n = close.shape[0] - 1.0
    link = 0.0
    if gap_gap > 0.0:
        link = gap_body / math.sqrt(gap_gap * n)
    moments[0] = mean_gap
    moments[1] = math.sqrt(gap_gap / n)
    moments[2] = mean_body
    moments[3] = link
    moments[4] = math.sqrt(max(body_body / n - link * link, 0.0))


@jit
def chain_normals(
    prices: Prices, drawn: IntArray, moments: FloatArray, normal: FloatArray, out: Prices
) -> None:
    """Write bars of normal log gaps and bodies, with the shadows of the bars `drawn`.

    `normal` has shape (n_bars - 1, 2).
    """
    opened, high, low, close = prices
    new_open, new_high, new_low, new_close = out
    new_open[0] = opened[0]
    new_high[0] = high[0]
    new_low[0] = low[0]
    new_close[0] = close[0]
    level = close[0]
    for t in range(drawn.shape[0]):
        j = drawn[t]
        first = level * math.exp(moments[0] + moments[1] * normal[t, 0])
        body = moments[2] + moments[3] * normal[t, 0] + moments[4] * normal[t, 1]
        level = first * math.exp(body)
        new_open[t + 1] = first
        new_close[t + 1] = level
        new_high[t + 1] = max(first, level) * (high[j] / max(opened[j], close[j]))
        new_low[t + 1] = min(first, level) * (low[j] / min(opened[j], close[j]))


@register_warmup("surrogate markets")
def _warm() -> None:
    drawn = np.empty(3, dtype=np.int64)
    follow_blocks(np.array([True, False, True]), np.array([0, 1], dtype=np.int64), drawn)
    one = np.ones(4)
    one.flags.writeable = False
    prices = (one, one, one, one)
    out = (np.empty(4), np.empty(4), np.empty(4), np.empty(4))
    chain_shapes(prices, drawn, out)
    moments = np.empty(5)
    gap_and_body(one, one, moments)
    chain_normals(prices, drawn, moments, np.zeros((3, 2)), out)
