"""An interval beside each classification score, from blocks of events.

Means (accuracy, log-loss, Brier) and scores of the confusion table are resampled as sums of
events; AUC and average precision as weighted samples in their order. What one event adds to a
score, which chooses the block length and the least width, is: for means the centred sum; for
scores of the confusion table the score less the one without the event (jackknife: Efron and
Tibshirani 1993, ch. 11); for the AUC DeLong's components; for average precision its derivative by
the weight of each sample.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from marketlab.core import FloatArray, IntArray, check_same_length
from marketlab.evaluation._binary_scores import (
    binary_scores,
    multiclass_scores,
    sample_binary_log_loss,
)
from marketlab.evaluation._block_bootstrap import (
    BlockInterval,
    Draw,
    block_bootstrap_interval,
    interval_of,
    too_few_events,
)
from marketlab.evaluation._blocks import (
    BlockMethod,
    resampled_sums,
)
from marketlab.evaluation._bootstrap import MIN_EVENTS_FOR_INTERVAL
from marketlab.evaluation._confusion import confusion_statistics
from marketlab.evaluation._ranking_draws import (
    order_of,
    ranking_influence,
    ranking_shift,
)
from marketlab.evaluation._scores import LOG_LOSS_CLIP
from marketlab.evaluation._undefined import Metric, Undefined, in_order
from marketlab.kernels import register_warmup

ScoreIntervals: TypeAlias = dict[str, BlockInterval | Undefined]


_ROUNDING = 1e-12  # no event of a million samples changes a score of order 1 by so little


def binary_score_intervals(
    y: IntArray,
    probability: FloatArray,
    event: IntArray,
    *,
    threshold: float = 0.5,
    method: BlockMethod = "stationary",
    n_resamples: int = 1000,
    seed: int,
    level: float = 0.95,
) -> ScoreIntervals:
    """Return the interval of each score of `binary_scores` that has one, by its name there.

    Parameters
    ----------
    y, probability, threshold : as in `binary_scores`, in time order.
    event : ndarray of int64 of shape (n,), ascending; id of the independent event of each sample.
    method, n_resamples, seed, level : as in `block_bootstrap_interval`; the block length is
        automatic and each score's own.

    Returns
    -------
    accuracy, balanced_accuracy, mcc, precision, recall, log_loss, brier, auc, pr_auc; each
    `Undefined` below 20 events, where the score itself is, where a resample leaves it without
    a class, or where no event changes it (precision 1 from six answers: see `share_interval`).
    Calibration errors have none: they are biased; see `reliability_table`.

    Raises
    ------
    As `binary_scores` and `block_bootstrap_interval` do.
    """
    draw = Draw(method, None, n_resamples, seed, level)
    scores = binary_scores(y, probability, threshold=threshold)
    group, n_events = _groups(y, event)
    names = ("accuracy", "balanced_accuracy", "mcc", "precision", "recall", "auc", "pr_auc")
    values: dict[str, Metric] = {name: getattr(scores, name) for name in names}
    answer = (probability >= threshold).astype(np.int64)
    table = _event_tables(group, 2 * y + answer, n_events, 4)
    out = _of_confusion(table, 2, {n: values[n] for n in names[:5]}, draw)
    losses = {"log_loss": sample_binary_log_loss(y, probability), "brier": (probability - y) ** 2}
    for name, loss in losses.items():
        out[name] = _of_mean(loss, event, draw)
    for name in ("auc", "pr_auc"):
        value = values[name]
        if isinstance(value, Undefined):
            out[name] = value
        elif n_events < MIN_EVENTS_FOR_INTERVAL:
            out[name] = too_few_events(n_events)
        else:
            influence = ranking_influence(name, y, probability)
            each = np.bincount(group, weights=influence, minlength=n_events).astype(np.float64)
            resample = ranking_shift(name, order_of(y, probability, group), value, draw)
            out[name] = _clip(name, interval_of(value, each, resample, draw))
    return out


def multiclass_score_intervals(
    y: IntArray,
    probabilities: FloatArray,
    event: IntArray,
    class_names: tuple[str, ...],
    *,
    method: BlockMethod = "stationary",
    n_resamples: int = 1000,
    seed: int,
    level: float = 0.95,
) -> ScoreIntervals:
    """Return intervals of accuracy, balanced_accuracy, mcc, log_loss and brier.

    Parameters
    ----------
    y, probabilities, class_names : as in `multiclass_scores`, in time order.
    event, method, n_resamples, seed, level : as in `binary_score_intervals`. The area of a class
        against the rest has its interval there.
    """
    draw = Draw(method, None, n_resamples, seed, level)
    scores = multiclass_scores(y, probabilities, class_names)
    group, n_events = _groups(y, event)
    k = len(class_names)
    answer = probabilities.argmax(axis=1) if len(y) else np.empty(0, dtype=np.int64)
    values: dict[str, Metric] = {
        "accuracy": scores.accuracy,
        "balanced_accuracy": scores.balanced_accuracy,
        "mcc": scores.mcc,
    }
    out = _of_confusion(_event_tables(group, k * y + answer, n_events, k * k), k, values, draw)
    chosen = np.clip(probabilities[np.arange(len(y)), y], LOG_LOSS_CLIP, 1.0)
    losses = {
        "log_loss": np.asarray(-np.log(chosen)),
        "brier": np.asarray(((probabilities - np.eye(k)[y]) ** 2).sum(axis=1)),
    }
    for name, loss in losses.items():
        out[name] = _of_mean(loss, event, draw)
    return out


def _of_mean(loss: FloatArray, event: IntArray, draw: Draw) -> BlockInterval | Undefined:
    return block_bootstrap_interval(
        loss,
        event,
        method=draw.method,
        n_resamples=draw.n_resamples,
        seed=draw.seed,
        level=draw.level,
    )


def _groups(y: IntArray, event: IntArray) -> tuple[IntArray, int]:
    check_same_length(y=y, event=event)
    in_order("event", event)
    group = np.unique(event, return_inverse=True)[1].astype(np.int64)
    return group, int(group.max()) + 1 if len(group) else 0


def _event_tables(group: IntArray, cell: IntArray, n_events: int, n_cells: int) -> FloatArray:
    """Return the confusion table of each event, shape (E, K * K)."""
    counts = np.bincount(group * n_cells + cell, minlength=n_events * n_cells)
    return counts.reshape(n_events, n_cells).astype(np.float64)


def _of_confusion(
    table: FloatArray, k: int, values: dict[str, Metric], draw: Draw
) -> ScoreIntervals:
    n_events = len(table)
    out: ScoreIntervals = {}
    if n_events < MIN_EVENTS_FOR_INTERVAL:
        short = too_few_events(n_events)
        return {n: v if isinstance(v, Undefined) else short for n, v in values.items()}
    without = confusion_statistics(table.sum(axis=0) - table, k)
    for name, value in values.items():
        if isinstance(value, Undefined):
            out[name] = value
            continue
        influence = value - without[name]
        influence[np.abs(influence) < _ROUNDING] = 0.0
        if not np.isfinite(influence).all():
            out[name] = Undefined(
                metric="interval",
                reason="a single event holds all of a class or of an answer.",
                counts={"events": n_events},
            )
            continue
        out[name] = _clip(
            name, interval_of(value, influence, _confusion_shift(table, k, name, value, draw), draw)
        )
    return out


def _confusion_shift(
    table: FloatArray, k: int, name: str, value: float, draw: Draw
) -> Callable[[float], FloatArray]:
    def resample(length: float) -> FloatArray:
        sums = resampled_sums(table, length, draw.method, draw.n_resamples, draw.seed)
        return np.asarray(confusion_statistics(sums, k)[name] - value)

    return resample


def _clip(name: str, interval: BlockInterval | Undefined) -> BlockInterval | Undefined:
    """Keep stretched ends inside the range of the score."""
    if isinstance(interval, Undefined):
        return interval
    least = -1.0 if name == "mcc" else 0.0
    ends = {"low": max(least, interval.low), "high": min(1.0, interval.high)}
    return interval.model_copy(update=ends)


@register_warmup("score intervals")
def _warm() -> None:
    y = np.arange(40, dtype=np.int64) % 2
    binary_score_intervals(y, np.linspace(0.0, 1.0, 40), np.arange(40), n_resamples=100, seed=0)
