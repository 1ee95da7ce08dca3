"""Scores of a probability forecast over BUY, HOLD and SELL.

Symbols: n samples; y (n,) class indices; p (n, 3) probabilities in the order of `CLASS_NAMES`.
The predicted class is the most probable one; of equal ones, the first in that order.
"""

from collections.abc import Mapping

import numpy as np

from marketlab.core import DataError, FloatArray, FrozenConfig, IntArray

CLASS_NAMES = ("BUY", "HOLD", "SELL")
BUY, HOLD, SELL = 0, 1, 2
N_CLASSES = 3

LOG_LOSS_CLIP = 1e-7
"""Smallest probability that the log-loss knows: one sample costs at most 16.1 nats."""

COLLAPSE_SHARE = 0.90
"""A forecast that gives one class to more than this share of samples has collapsed."""


class ClassScores(FrozenConfig):
    """Scores of one class against the rest; a ratio with nothing below the line is 0."""

    precision: float
    recall: float
    f1: float
    support: int


class Scores(FrozenConfig):
    """What a forecast scored on one part. None means: not defined for these samples.

    Attributes
    ----------
    n_samples : number of samples; with 0 every score is None.
    accuracy : share of samples whose most probable class is right (all three classes).
    balanced_accuracy : mean of the recalls of BUY and SELL. A HOLD answer to either is a miss;
        samples labelled HOLD do not enter, they are counted in ``hold_share``. None unless both
        classes occur. 0.5 is what any constant directional answer gets.
    mcc : multiclass Matthews correlation (Gorodkin 2004, "Comparing two K-category assignments by
        a K-category correlation coefficient", Comput. Biol. Chem. 28, 367-374); 0 where either
        side holds one class only.
    log_loss : mean of -ln p[y], nats per sample, p clipped below at `LOG_LOSS_CLIP`.
    brier : mean of the squared distance to the one-hot label, from 0 to 2 (Brier 1950).
    hold_share : share of samples labelled HOLD.
    supports, predicted_shares : samples labelled, and share of samples predicted, per class.
    confusion : counts, rows true and columns predicted, in the order BUY, HOLD, SELL.
    collapsed : one class takes more than 90 % of the predictions (see `detect_collapse`).
    """

    n_samples: int
    accuracy: float | None
    balanced_accuracy: float | None
    mcc: float | None
    log_loss: float | None
    brier: float | None
    hold_share: float | None
    supports: dict[str, int]
    predicted_shares: dict[str, float]
    confusion: tuple[tuple[int, ...], ...]
    classes: dict[str, ClassScores]
    collapsed: bool


def check_classes(name: str, y: IntArray) -> None:
    """Refuse anything but a 1-D array of class indices 0, 1, 2."""
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise DataError(
            f"{name} must be a 1-D array of class indices; received shape {y.shape}, {y.dtype}.",
            code="DATA-ShapeMismatch",
        )
    if y.size and (y.min() < 0 or y.max() >= N_CLASSES):
        raise DataError(
            f"{name} must hold class indices 0 (BUY), 1 (HOLD), 2 (SELL); it ranges from "
            f"{int(y.min())} to {int(y.max())}.",
            code="DATA-LabelRange",
        )


def check_probabilities(name: str, probabilities: FloatArray, n_samples: int) -> None:
    """Refuse anything but an (n_samples, 3) array of rows that are probabilities.

    Raises
    ------
    DataError (DATA-ShapeMismatch, DATA-Probabilities) naming the first bad row.
    """
    if probabilities.shape != (n_samples, N_CLASSES):
        raise DataError(
            f"{name} must have shape ({n_samples}, {N_CLASSES}), one row per sample and one "
            f"column per class; received {probabilities.shape}.",
            code="DATA-ShapeMismatch",
        )
    check_distributions(name, probabilities)


def check_distributions(name: str, probabilities: FloatArray) -> None:
    """Refuse a row of an (n, k) array that is no probability distribution over its classes.

    Raises
    ------
    DataError (DATA-Probabilities) naming the first bad row.
    """
    # By columns: NumPy reduces an axis of length 3 some ten times slower. NaN fails all of these.
    with np.errstate(invalid="ignore"):
        columns = probabilities.T
        good = np.abs(sum(columns) - 1.0) <= 1e-5  # an infinite entry fails here too
        for column in columns:
            good &= column >= 0.0
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise DataError(
            f"each row of {name} must be finite, not negative, and sum to 1; row {row} is "
            f"{probabilities[row].tolist()} ({int((~good).sum())} such rows).",
            code="DATA-Probabilities",
            field=name,
            suggestion="Look at the model's output layer, or at its inputs for missing values.",
        )


def sample_log_loss(y: IntArray, probabilities: FloatArray) -> FloatArray:
    """Return -ln p[y] per sample in nats, shape (n,), with p clipped below at `LOG_LOSS_CLIP`."""
    check_classes("y", y)
    check_probabilities("probabilities", probabilities, len(y))
    chosen = probabilities[np.arange(len(y)), y].astype(np.float64)
    return np.asarray(-np.log(np.clip(chosen, LOG_LOSS_CLIP, 1.0)))


def detect_collapse(predicted_shares: Mapping[str, float]) -> bool:
    """Return whether one class takes more than 90 % of the predictions (trap T6)."""
    return any(share > COLLAPSE_SHARE for share in predicted_shares.values())


def classification_scores(y: IntArray, probabilities: FloatArray) -> Scores:
    """Score a forecast. No sample at all is allowed and gives None everywhere.

    Parameters
    ----------
    y : ndarray of int64 of shape (n,); BUY 0, HOLD 1, SELL 2.
    probabilities : ndarray of shape (n, 3); each row finite, >= 0 and summing to 1 within 1e-5.

    Raises
    ------
    DataError if shapes, class indices or probabilities are not as stated.
    """
    losses = sample_log_loss(y, probabilities)
    n = len(y)
    predicted = probabilities.argmax(axis=1) if n else np.empty(0, dtype=np.int64)
    confusion = np.bincount(y * N_CLASSES + predicted, minlength=N_CLASSES**2)
    confusion = confusion.reshape(N_CLASSES, N_CLASSES)
    supports = confusion.sum(axis=1)
    answers = confusion.sum(axis=0)
    recalls = _ratios(np.diag(confusion), supports)
    shares = {name: float(answers[k] / n) if n else 0.0 for k, name in enumerate(CLASS_NAMES)}
    both = bool(supports[BUY] and supports[SELL])
    one_hot = np.eye(N_CLASSES)[y]
    return Scores(
        n_samples=n,
        accuracy=float(np.trace(confusion) / n) if n else None,
        balanced_accuracy=float((recalls[BUY] + recalls[SELL]) / 2) if both else None,
        mcc=_matthews(confusion) if n else None,
        log_loss=float(losses.mean()) if n else None,
        brier=float(((probabilities - one_hot) ** 2).sum(axis=1).mean()) if n else None,
        hold_share=float(supports[HOLD] / n) if n else None,
        supports={name: int(supports[k]) for k, name in enumerate(CLASS_NAMES)},
        predicted_shares=shares,
        confusion=tuple(tuple(int(c) for c in row) for row in confusion),
        classes=_per_class(confusion),
        collapsed=detect_collapse(shares),
    )


def _ratios(top: IntArray, bottom: IntArray) -> FloatArray:
    return np.divide(top, bottom, out=np.zeros(len(top)), where=bottom > 0)


def _per_class(confusion: IntArray) -> dict[str, ClassScores]:
    right = np.diag(confusion)
    supports, answers = confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall = _ratios(right, answers), _ratios(right, supports)
    f1 = _ratios(2 * right, supports + answers)
    return {
        name: ClassScores(
            precision=float(precision[k]),
            recall=float(recall[k]),
            f1=float(f1[k]),
            support=int(supports[k]),
        )
        for k, name in enumerate(CLASS_NAMES)
    }


def _matthews(confusion: IntArray) -> float:
    counts = confusion.astype(np.float64)  # products of counts overflow no float
    n = counts.sum()
    true, answered = counts.sum(axis=1), counts.sum(axis=0)
    top = np.trace(counts) * n - true @ answered
    bottom = (n * n - true @ true) * (n * n - answered @ answered)
    return float(top / np.sqrt(bottom)) if bottom > 0 else 0.0
