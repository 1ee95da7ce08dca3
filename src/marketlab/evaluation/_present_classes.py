"""Forecasts read over the classes that occur at all.

A class that neither training nor the judged part holds (HOLD of a direction without a dead zone)
cannot be forecast well or badly. The baselines leave it Laplace's 1/(n + 3), so a forecast that
leaves it nothing would seem to have that much skill, and with certainty; a net that was stopped
early leaves it some per cent, and would seem that much worse.
"""

import numpy as np

from marketlab.core import BoolArray, FloatArray, IntArray


def absent_classes(train_counts: IntArray, y: IntArray) -> BoolArray:
    """Return which of the classes occur neither in training nor among `y`, shape (n_classes,).

    Parameters
    ----------
    train_counts : (n_classes,) or (n_folds, n_classes) training samples of each class.
    y : (n,) class indices of the judged samples. Without any sample at all nothing is absent.
    """
    n_classes = train_counts.shape[-1]
    counts = train_counts.reshape(-1, n_classes).sum(axis=0) + np.bincount(y, minlength=n_classes)
    return np.asarray((counts == 0) & bool(counts.sum()))


def without_classes(rows: FloatArray, absent: BoolArray) -> FloatArray:
    """Return (n, n_classes) distributions given that no class of `absent` occurs.

    A row that gives everything to absent classes says nothing of the others: they share it evenly.
    """
    if not absent.any():
        return rows
    out = np.where(absent, 0.0, rows)
    total = out.sum(axis=1, keepdims=True)
    even = np.where(absent, 0.0, 1.0 / (~absent).sum())
    return np.where(total > 0.0, out / np.where(total > 0.0, total, 1.0), even)
