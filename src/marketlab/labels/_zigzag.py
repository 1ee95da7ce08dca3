"""Zigzag segments: which leg a bar lies in, which is not the same as what comes next."""

from typing import Any

import numpy as np

from marketlab.core import ConfigError, FloatArray, IntArray
from marketlab.kernels import zigzag_extremes
from marketlab.labels._base import (
    BUY,
    CLASS_NAMES,
    HOLD,
    LABELS,
    SELL,
    LabelSet,
    LabelSource,
    make_label_set,
)
from marketlab.labels._checks import check_close


def zigzag_segment(close: FloatArray, *, threshold: float) -> LabelSet:
    """Label each bar by the zigzag leg that it lies in: BUY rising, SELL falling, HOLD a turn.

    Bar 0 is the first extreme. The first close that differs from it by `threshold` or more sets
    the direction and becomes an extreme. A close beyond an extreme moves it; a relative change of
    `threshold` or more against the leg ends the leg and becomes the next extreme. Bars strictly
    between two extremes get the direction of their leg; the extremes are HOLD.

    The last extreme and all bars after it have no label: the next bar could still move it.

    When a label is known. Each time an extreme is set or moved, at bar k, that bar is the current
    extreme. A bar t before k then either is an earlier extreme, which nothing moves any more
    since the series has left it, or lies between an earlier extreme and k, in a leg whose
    direction is decided and which k or a later bar of the same leg will end. So `end` of bar t is
    the first bar k > t at which an extreme is set or moved; before k the leg could still turn out
    either way.

    Parameters
    ----------
    close : (n_bars,), greater than zero.
    threshold : relative change, as a fraction, between 0 and 1 (both excluded).

    Returns
    -------
    LabelSet. `start` is the left extreme of the leg (for an extreme: of the leg that it ends),
    `event` the number of the leg from 0 (an extreme belongs to the leg that it begins).

    Raises
    ------
    DataError for closes that are NaN, infinite or not positive; ConfigError for the threshold.

    References
    ----------
    Ours, after the label of the campaign that this replaces (ktrdr v1.5), whose values
    `zigzag_segment_legacy` gives; that one keeps the tail as HOLD.
    """
    prices = check_close(close)
    check_threshold(threshold)
    extremes, known_at = _extremes(prices, threshold)
    n_legs = max(0, len(extremes) - 1)
    n_labels = int(extremes[-1]) if n_legs else 0
    bar = np.arange(n_labels)
    lengths = np.diff(extremes) if n_legs else np.zeros(0, np.int64)
    start = np.repeat(extremes[:n_legs], lengths)
    start[extremes[1:n_legs]] = extremes[: max(0, n_legs - 1)]
    end = known_at[:n_labels]
    return make_label_set(
        name="zigzag",
        bar=bar,
        value=_leg_values(prices, extremes),
        start=start,
        end=end,
        event=np.repeat(np.arange(n_legs), lengths),
        facts=_facts(prices, extremes, end, threshold),
    )


def zigzag_segment_legacy(close: FloatArray, *, threshold: float) -> IntArray:
    """Return the classes of all bars as the original gave them: the open tail is HOLD.

    Shape (n_bars,). Meant for comparison with the original; errors as in `zigzag_segment`.
    """
    prices = check_close(close)
    check_threshold(threshold)
    extremes, _ = _extremes(prices, threshold)
    out: IntArray = np.full(len(prices), HOLD, dtype=np.int64)
    values = _leg_values(prices, extremes)
    out[: len(values)] = values
    return out


def check_threshold(threshold: float) -> None:
    """Raise `ConfigError` unless a zigzag can have this threshold."""
    if not 0.0 < threshold < 1.0:
        raise ConfigError(
            f"must lie between 0 and 1, both excluded; received {threshold!r}.",
            field="zigzag_threshold",
            value=threshold,
            suggestion="A threshold of 2.5 % is written 0.025.",
        )


def _extremes(prices: FloatArray, threshold: float) -> tuple[IntArray, IntArray]:
    """Return the bars of the extremes, and `known_at` of every bar (-1 in the open tail)."""
    extreme = np.empty(len(prices), dtype=np.int64)
    known_at = np.empty(len(prices), dtype=np.int64)
    count = zigzag_extremes(prices, float(threshold), extreme, known_at)
    return extreme[:count].copy(), known_at


def _leg_values(prices: FloatArray, extremes: IntArray) -> IntArray:
    """Return the classes of the bars before the last extreme."""
    if len(extremes) < 2:
        return np.zeros(0, dtype=np.int64)
    rises = prices[extremes[1:]] > prices[extremes[:-1]]
    values: IntArray = np.repeat(np.where(rises, BUY, SELL), np.diff(extremes))
    values[extremes[:-1]] = HOLD
    return values


def _facts(
    prices: FloatArray, extremes: IntArray, end: IntArray, threshold: float
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "threshold": float(threshold),
        "n_bars": len(prices),
        "n_extremes": len(extremes),
        "n_legs": max(0, len(extremes) - 1),
        "n_dropped_tail": len(prices) - len(end),
        "known_after_bars": None,
    }
    if len(end):
        delay = end - np.arange(len(end))
        known = np.cumsum(np.bincount(delay))  # labels known after at most so many bars
        facts["known_after_bars"] = {
            "mean": float(delay.mean()),
            "median": int(np.searchsorted(known, 0.5 * len(end))),
            "95_percent": int(np.searchsorted(known, 0.95 * len(end))),
            "max": len(known) - 1,
        }
    return facts


LABELS.add(
    "zigzag",
    LabelSource(
        method=zigzag_segment,
        inputs=("close",),
        class_names=CLASS_NAMES,
        summary="Which zigzag leg the bar lies in, which is not what comes next",
        reference="neuro_fuzzy_campaign.md 7.3 (zigzag segments)",
    ),
)
