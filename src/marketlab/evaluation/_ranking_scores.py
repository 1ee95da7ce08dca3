"""Scores of an order: how well positives stand above negatives. Any finite score will do.

Symbols: m positives, n negatives; R_i the midrank of sample i among all (ties share the mean).
"""

import numpy as np

from marketlab.core import FloatArray, IntArray, check_same_length
from marketlab.evaluation._undefined import Metric, Undefined, check_binary, check_finite


def midranks(values: FloatArray) -> FloatArray:
    """Return ranks from 1 to n in ascending order, shape (n,); equal values share their mean."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2.0)[group])


def roc_auc(y: IntArray, score: FloatArray) -> Metric:
    """Return the area under the ROC curve: P(positive above negative), ties counted as half.

    Source: AUC = (sum of R_i over positives - m (m + 1) / 2) / (m n) (Hanley and McNeil 1982,
    "The meaning and use of the area under a ROC curve", Radiology 143, 29-36). O(N log N).

    Parameters
    ----------
    y : ndarray of int64 of shape (N,), 0 or 1.
    score : ndarray of shape (N,), finite, large for positives; any scale.

    Returns
    -------
    The area, or `Undefined` unless both classes occur.
    """
    missing = needs_both_classes("auc", y, score)
    if missing is not None:
        return missing
    positive = y == 1
    m = int(positive.sum())
    n = len(y) - m
    return float((midranks(score)[positive].sum() - m * (m + 1) / 2.0) / (m * n))


def average_precision(y: IntArray, score: FloatArray) -> Metric:
    """Return the area under the precision-recall steps, sum over thresholds of (R_k - R_k-1) P_k.

    No interpolation, which would flatter (Davis and Goadrich 2006, "The relationship between
    Precision-Recall and ROC curves", ICML). A forecast without skill scores the prevalence.

    Returns
    -------
    The area, or `Undefined` without a positive or without a negative (then every order scores 1).
    """
    missing = needs_both_classes("pr_auc", y, score)
    if missing is not None:
        return missing
    _, group = np.unique(-score, return_inverse=True)  # group 0 holds the highest score
    n_groups = int(group.max()) + 1
    hits = np.bincount(group, weights=y, minlength=n_groups)
    taken = np.cumsum(np.bincount(group, minlength=n_groups))
    return float((np.cumsum(hits) / taken) @ hits / hits.sum())


def needs_both_classes(metric: str, y: IntArray, score: FloatArray) -> Undefined | None:
    """Return why `metric` is not defined for the class mix; refuse arrays that are no samples."""
    check_binary("y", y)
    check_same_length(y=y, score=score)
    check_finite(score=score)
    m = int(y.sum())
    if 0 < m < len(y):
        return None
    return Undefined(
        metric=metric,
        reason=f"{metric} needs both classes; of {len(y):,} samples {m:,} are positive.",
        counts={"samples": len(y), "positives": m},
    )
