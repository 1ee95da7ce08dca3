"""AUC and average precision of resampled events, in one pass over the samples in their order."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from marketlab.core import BoolArray, FloatArray, IntArray
from marketlab.evaluation._auc_tests import auc_influence
from marketlab.evaluation._block_bootstrap import Draw
from marketlab.evaluation._blocks import block_key, block_span, fixed_block_length
from marketlab.kernels import counter_bits, jit


class Order(NamedTuple):
    """Samples by falling score, for the kernel."""

    event: IntArray  # (n,)
    y: IntArray  # (n,)
    ends: BoolArray  # (n,); True where the next score is lower
    n_events: int


def order_of(y: IntArray, score: FloatArray, group: IntArray) -> Order:
    """Return the samples by falling score; `group` numbers their events from 0."""
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    ends = np.append(falling[1:] != falling[:-1], True)
    n_events = int(group.max()) + 1
    return Order(group[order], y[order].astype(np.int64), ends, n_events)


def ranking_influence(name: str, y: IntArray, score: FloatArray) -> FloatArray:
    """Return what each sample adds to ``auc`` or ``pr_auc``, linearised, shape (n,)."""
    return auc_influence(y == 1, score)[1] if name == "auc" else _precision_influence(y, score)


def _precision_influence(y: IntArray, score: FloatArray) -> FloatArray:
    """Return the derivative of average precision by the weight of each sample, shape (n,).

    AP = sum over positives i of A_i / B_i, over m, with A_i positives and B_i samples at or above
    i. Sample j adds y_j (A_j / B_j - AP) itself, and y_j / B_i - A_i / B_i^2 to each i below it.
    """
    _, group = np.unique(-score, return_inverse=True)
    hits = np.bincount(group, weights=y)
    taken = np.cumsum(np.bincount(group)).astype(np.float64)
    found = np.cumsum(hits)
    m = found[-1]
    precision = found / taken
    below_hits = np.cumsum((hits / taken)[::-1])[::-1]
    below_all = np.cumsum((hits * found / taken**2)[::-1])[::-1]
    area = float(hits @ precision / m)
    own = y * (precision[group] - area)
    return np.asarray((own + y * below_hits[group] - below_all[group]) / m)


def ranking_shift(
    name: str, order: Order, value: float, draw: Draw
) -> Callable[[float], FloatArray]:
    """Return the function that gives, for a block length, resampled scores less `value`."""
    column = ("auc", "pr_auc").index(name)

    def resample(length: float) -> FloatArray:
        out = np.empty((draw.n_resamples, 2))
        fixed = fixed_block_length(draw.method, length)
        key = block_key(draw.seed, draw.method)
        _draw_rankings(order.event, order.y, order.ends, order.n_events, length, fixed, key, out)
        return np.asarray(out[:, column] - value)

    return resample


@jit
def _draw_rankings(  # one pass over the samples in order for both areas
    event: IntArray,
    y: IntArray,
    ends: BoolArray,
    n_events: int,
    mean_length: float,
    fixed_length: int,
    key: np.uint64,
    out: FloatArray,
) -> None:
    """Fill `out` (B, 2) with the AUC and the average precision of resampled events."""
    weight = np.empty(n_events)
    counter = np.uint64(0)
    for b in range(out.shape[0]):
        weight[:] = 0.0
        left = n_events
        while left > 0:
            span = block_span(counter_bits(key, counter), n_events, mean_length, fixed_length)
            counter += np.uint64(1)
            for k in range(min(span & 0xFFFFFFFF, left)):
                weight[((span >> 32) + k) % n_events] += 1.0
            left -= span & 0xFFFFFFFF
        positives = 0.0
        negatives = 0.0
        new_positives = 0.0
        new_negatives = 0.0
        pairs = 0.0
        area = 0.0
        for i in range(event.shape[0]):
            w = weight[event[i]]
            if y[i] == 1:
                new_positives += w
            else:
                new_negatives += w
            if ends[i]:
                pairs += new_negatives * (positives + 0.5 * new_positives)
                positives += new_positives
                negatives += new_negatives
                if new_positives > 0.0:
                    area += new_positives * positives / (positives + negatives)
                new_positives = 0.0
                new_negatives = 0.0
        out[b, 0] = pairs / (positives * negatives)
        out[b, 1] = area / positives if negatives > 0.0 else np.nan
