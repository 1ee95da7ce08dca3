"""What anyone could have forecast without the model: the figures a score must be read against.

All of these are known before the judged part begins (or, for the state, at each bar's close).
Each is a set of class frequencies counted on the *training* rows, smoothed by Laplace's rule of
succession, (count + 1) / (total + 3), so that no class is ever held impossible.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from marketlab.core import ConfigError, FloatArray, FrozenConfig, IntArray, check_same_length
from marketlab.evaluation._scores import (
    BUY,
    CLASS_NAMES,
    HOLD,
    N_CLASSES,
    SELL,
    check_classes,
    sample_log_loss,
)

SMOOTHING = 1.0
"""Laplace's pseudo-count per class."""


class OwnMajority(FrozenConfig):
    """The judged part's own most frequent class: information only, nobody knew it in advance."""

    class_name: str | None
    share: float | None


class BestBaseline(NamedTuple):
    """The baseline that the model must beat."""

    name: str
    log_loss: float  # nats per sample
    losses: FloatArray  # (n,)


def class_frequencies(counts: IntArray) -> FloatArray:
    """Return Laplace-smoothed frequencies, shape (3,), of training class `counts` (3,)."""
    smoothed = counts.astype(np.float64) + SMOOTHING
    return np.asarray(smoothed / smoothed.sum())


def class_counts(y: IntArray) -> IntArray:
    """Return how many samples each class has, shape (3,)."""
    check_classes("y", y)
    return np.bincount(y, minlength=N_CLASSES).astype(np.int64)


def majority_baseline(train_counts: IntArray, n_samples: int) -> FloatArray:
    """Forecast the training frequencies everywhere; its answer is the majority of *training*.

    Parameters
    ----------
    train_counts : ndarray of int64 of shape (3,); training samples of each class.
    n_samples : number of rows to return.

    Returns
    -------
    ndarray of shape (n_samples, 3); equal rows.
    """
    return np.tile(class_frequencies(train_counts), (n_samples, 1))


def even_odds_baseline(train_counts: IntArray, n_samples: int) -> FloatArray:
    """Forecast BUY and SELL alike, HOLD at its training frequency.

    Training may have been a rising market and the judged part not. A net that merely forgot the
    trend then beats the training frequencies by luck; it does not beat even odds.
    """
    row = class_frequencies(train_counts)
    row[BUY] = row[SELL] = (row[BUY] + row[SELL]) / 2
    return np.tile(row, (n_samples, 1))


def _distinct(codes: IntArray) -> list[int]:
    """Return the distinct codes, ascending; np.unique hashes each of them, one minimum does not."""
    out: list[int] = []
    rest = codes
    while len(rest):
        out.append(int(rest.min()))
        rest = rest[rest != out[-1]]
    return out


def state_baseline(state_train: IntArray, y_train: IntArray, state_eval: IntArray) -> FloatArray:
    """Forecast, for each causal state, the class frequencies that training saw in that state.

    For zigzag labels the state is the direction of the leg that is known at the bar (-1, 0 or
    +1); it alone scores about 65 % on pure noise, because a leg lasts.

    Parameters
    ----------
    state_train, state_eval : ndarray of int64 of shape (n_train,), (n,); any integer codes.
    y_train : ndarray of int64 of shape (n_train,).

    Returns
    -------
    ndarray of shape (n, 3). A state that training never saw gets the training frequencies.
    """
    check_same_length(state_train=state_train, y_train=y_train)
    counts = class_counts(y_train)
    out = majority_baseline(counts, len(state_eval))
    for state in _distinct(state_train):
        rows = state_eval == state
        if rows.any():
            out[rows] = class_frequencies(class_counts(y_train[state_train == state]))
    return out


def causal_baselines(
    y_train: IntArray,
    n_samples: int,
    *,
    state_train: IntArray | None = None,
    state_eval: IntArray | None = None,
) -> dict[str, FloatArray]:
    """Return the baselines every verdict is read against: majority, even_odds and (if given) state.

    Use the very same set for the observed run and for each surrogate of the null.
    """
    counts = class_counts(y_train)
    out = {
        "majority": majority_baseline(counts, n_samples),
        "even_odds": even_odds_baseline(counts, n_samples),
    }
    if (state_train is None) != (state_eval is None):
        raise ConfigError("state_train and state_eval must be given together.")
    if state_train is not None and state_eval is not None:
        out["state"] = state_baseline(state_train, y_train, state_eval)
    return out


def best_causal_baseline(y: IntArray, baselines: Mapping[str, FloatArray]) -> BestBaseline:
    """Return the baseline with the lowest log-loss *on the judged part*; of equals, the first.

    Choosing with the judged part in hand favours the baseline, never the model: the skill
    measured against the best of several is at most the skill against any one named before.
    """
    if not baselines:
        raise ConfigError("a score needs at least one causal baseline; received none.")
    best: BestBaseline | None = None
    for name, probabilities in baselines.items():
        losses = sample_log_loss(y, probabilities)
        mean = float(losses.mean()) if len(losses) else 0.0
        if best is None or mean < best.log_loss:
            best = BestBaseline(name, mean, losses)
    assert best is not None
    return best


def log_loss_skill(
    y: IntArray, probabilities: FloatArray, baselines: Mapping[str, FloatArray]
) -> float:
    """Return the mean log-loss of the best causal baseline less the forecast's, nats per sample.

    Positive is better than the baseline. This is the statistic of the null: compute it by this
    function for the observed run and for each surrogate. NaN without samples.
    """
    if len(y) == 0:
        return float("nan")
    best = best_causal_baseline(y, baselines)
    return best.log_loss - float(sample_log_loss(y, probabilities).mean())


def persistence_accuracy(predicted: IntArray, y: IntArray) -> float | None:
    """Return the share of samples where a causal rule's class equals the label; None if empty.

    For zigzag, `predicted` is BUY where the leg known at the bar rises, SELL where it falls, and
    HOLD before the first leg is known.
    """
    check_same_length(predicted=predicted, y=y)
    check_classes("predicted", predicted)
    check_classes("y", y)
    return float(np.mean(predicted == y)) if len(y) else None


def direction_class(state: IntArray) -> IntArray:
    """Return BUY for a state above 0, SELL below 0, HOLD at 0."""
    return np.where(state > 0, BUY, np.where(state < 0, SELL, HOLD)).astype(np.int64)


def own_majority(y: IntArray) -> OwnMajority:
    """Return the part's own most frequent class and its share (of equals, the first)."""
    if len(y) == 0:
        return OwnMajority(class_name=None, share=None)
    counts = class_counts(y)
    top = int(counts.argmax())
    return OwnMajority(class_name=CLASS_NAMES[top], share=float(counts[top] / len(y)))
