"""Zigzag next leg: which way a zigzag that begins at this bar goes first."""

import numpy as np

from marketlab.core import FloatArray, IntArray
from marketlab.kernels import jit, register_warmup
from marketlab.labels._base import (
    BUY,
    CLASS_NAMES,
    LABELS,
    SELL,
    LabelSet,
    LabelSource,
    make_label_set,
)
from marketlab.labels._checks import check_close
from marketlab.labels._zigzag import check_threshold

_BLOCK = 16
_ROOM = 1e-12


def zigzag_next_leg(close: FloatArray, *, threshold: float) -> LabelSet:
    """Label each bar by the direction of the leg that a zigzag begun at this bar has.

    BUY if the first later close whose relative change from this one is `threshold` or more in size
    lies above it, SELL if below: the rule by which a zigzag finds its first leg, with this bar in
    the place of bar 0. It says what comes next and nothing of the leg that the bar lies in, so
    on a driftless walk no past tells it (`zigzag_segment` does not have that property).

    Parameters
    ----------
    close : (n_bars,), greater than zero. threshold : relative change, between 0 and 1 (excluded).

    Returns
    -------
    LabelSet of BUY and SELL. `start` is the bar, `end` the first later close that far away; bars
    that the series leaves undecided have no label (``n_dropped_tail``; they need not be the last
    ones only). The mean, median and longest wait are in ``facts["known_after_bars"]``.

    Raises
    ------
    DataError for closes that are NaN, infinite or not positive; ConfigError for the threshold.

    References
    ----------
    The mode `zigzag_next_leg` of reference/neuro_fuzzy_campaign.md section 7.3, which gives its
    purpose and no formula; the formula is ours.
    """
    prices = check_close(close)
    check_threshold(threshold)
    decided = np.empty(len(prices), dtype=np.int64)
    n_blocks = -(-len(prices) // _BLOCK)
    size = 1 << max(0, n_blocks - 1).bit_length()
    highest, lowest = np.full(2 * size, -np.inf), np.full(2 * size, np.inf)
    first_change(prices, float(threshold), highest, lowest, decided)
    bar = np.flatnonzero(decided >= 0)
    end = decided[bar]
    return make_label_set(
        name="zigzag_next_leg",
        bar=bar,
        value=np.where(prices[end] > prices[bar], BUY, SELL),
        end=end,
        facts={
            "threshold": float(threshold),
            "n_bars": len(prices),
            "n_dropped_tail": len(prices) - len(bar),
            "known_after_bars": waits(end - bar),
        },
    )


def waits(delay: IntArray) -> dict[str, float] | None:
    """Return mean, median and largest number of bars until a label is known."""
    if not len(delay):
        return None
    return {
        "mean": float(delay.mean()),
        "median": float(np.median(delay)),
        "max": int(delay.max()),
    }


@jit
def first_change(
    close: FloatArray, threshold: float, highest: FloatArray, lowest: FloatArray, decided: IntArray
) -> None:
    """Write the first later bar whose close differs by `threshold` or more; -1 if none does.

    `highest` and `lowest` are binary trees, shape (2 * size,), of minus and plus infinity; their
    leaves, from `size` on (a power of two), are the blocks of 16 closes, at least as many as there
    are. They are filled here. A search climbs over subtrees in which nothing is far enough away, so
    it takes the logarithm of the wait. Bounds with room for rounding choose the blocks; within a
    block the division of the formula decides.
    """
    n = close.shape[0]
    size = highest.shape[0] // 2
    for t in range(n):
        p = size + t // _BLOCK
        highest[p] = max(highest[p], close[t])
        lowest[p] = min(lowest[p], close[t])
    for p in range(size - 1, 0, -1):
        highest[p] = max(highest[2 * p], highest[2 * p + 1])
        lowest[p] = min(lowest[2 * p], lowest[2 * p + 1])
    for t in range(n):
        upper = close[t] * (1.0 + threshold) * (1.0 - _ROOM)
        lower = close[t] * (1.0 - threshold) * (1.0 + _ROOM)
        p = size + t // _BLOCK
        found = -1
        if (t + 1) % _BLOCK > 0:  # else nothing is left of the block of t itself
            found = _scan(close, t, t + 1, threshold, upper, lower)
        while found < 0:
            is_near = highest[p] < upper and lowest[p] > lower
            if p < size and not is_near:
                p *= 2
            else:
                # On to the next node to the right: up while this is a right child.
                while p & 1 == 1:
                    p >>= 1
                if p == 0:
                    break
                p += 1
            if p >= size and (highest[p] >= upper or lowest[p] <= lower):
                found = _scan(close, t, (p - size) * _BLOCK, threshold, upper, lower)
        decided[t] = found


@jit
def _scan(
    close: FloatArray, t: int, first: int, threshold: float, upper: float, lower: float
) -> int:
    """Return the bar from `first` to the end of its block that decides bar t, else -1."""
    stop = min(close.shape[0], (first // _BLOCK + 1) * _BLOCK)
    for k in range(first, stop):
        is_near = close[k] >= upper or close[k] <= lower
        if is_near and abs((close[k] - close[t]) / close[t]) >= threshold:
            return k
    return -1


@register_warmup("zigzag next leg")
def _warm() -> None:
    close = np.array([1.0, 1.1])
    first_change(close, 0.05, np.zeros(4), np.zeros(4), np.empty(2, np.int64))


LABELS.add(
    "zigzag_next_leg",
    LabelSource(
        method=zigzag_next_leg,
        inputs=("close",),
        class_names=CLASS_NAMES,
        summary="Which way a zigzag that begins at this bar goes first",
        reference="ours, for the mode named in neuro_fuzzy_campaign.md 7.3",
    ),
)
