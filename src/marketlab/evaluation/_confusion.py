"""Scores of a confusion table (rows true, columns answered), one or very many at once."""

import numpy as np

from marketlab.core import FloatArray, IntArray
from marketlab.evaluation._undefined import Metric, Undefined


def ratio_or_undefined(metric: str, top: int, bottom: int, what: str) -> Metric:
    """Return a share of answers or samples, or `Undefined` where there is none."""
    if bottom == 0:
        return Undefined(metric=metric, reason=f"there is no {what}.", counts={what: 0})
    return float(top / bottom)


def balanced_accuracy(confusion: IntArray, names: tuple[str, ...]) -> Metric:
    """Return the mean recall of all classes, or `Undefined` where one never occurs."""
    supports = confusion.sum(axis=1)
    if (supports == 0).any():
        absent = ", ".join(name for name, count in zip(names, supports, strict=True) if not count)
        return Undefined(
            metric="balanced_accuracy",
            reason=f"no sample is labelled {absent}.",
            counts={name: int(count) for name, count in zip(names, supports, strict=True)},
        )
    return float((np.diag(confusion) / supports).mean())


def matthews_correlation(confusion: IntArray) -> Metric:
    """Return Gorodkin's correlation, or `Undefined` where labels or answers are of one class."""
    counts = confusion.astype(np.float64)  # products of counts overflow no float
    n = counts.sum()
    true, answered = counts.sum(axis=1), counts.sum(axis=0)
    bottom = (n * n - true @ true) * (n * n - answered @ answered)
    if bottom <= 0.0:
        side = "labels" if n * n - true @ true <= 0.0 else "answers"
        return Undefined(
            metric="mcc",
            reason=f"all {side} are of one class." if n else "there is no sample.",
            counts={"samples": float(n)},
        )
    return float((np.trace(counts) * n - true @ answered) / np.sqrt(bottom))


def confusion_statistics(tables: FloatArray, k: int) -> dict[str, FloatArray]:
    """Return the scores of many tables; inside the bootstrap NaN marks what a table lacks.

    Parameters
    ----------
    tables : ndarray of shape (B, K * K), counts.
    k : classes.

    Returns
    -------
    accuracy, balanced_accuracy, mcc and, for two classes, precision and recall of class 1, each
    of shape (B,).
    """
    table = tables.reshape(-1, k, k)
    true, answered = table.sum(axis=2), table.sum(axis=1)
    right = np.diagonal(table, axis1=1, axis2=2)
    n, hits = true.sum(axis=1), right.sum(axis=1)
    spread = (n * n - (true * true).sum(axis=1)) * (n * n - (answered * answered).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        out = {
            "accuracy": hits / n,
            "balanced_accuracy": (right / true).mean(axis=1),
            "mcc": np.where(
                spread > 0.0, (hits * n - (true * answered).sum(axis=1)) / np.sqrt(spread), np.nan
            ),
        }
        if k == 2:
            out["precision"] = right[:, 1] / answered[:, 1]
            out["recall"] = right[:, 1] / true[:, 1]
    return out
