"""Scores of a probability forecast of one event (touch, up move), and of any number of classes.

Symbols: n samples; y class indices; p probabilities. A score that the class mix does not define
is `Undefined` with its reason.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketlab.core import (
    ConfigError,
    DataError,
    FloatArray,
    FrozenConfig,
    IntArray,
    check_between,
    check_same_length,
)
from marketlab.evaluation._confusion import (
    balanced_accuracy,
    matthews_correlation,
    ratio_or_undefined,
)
from marketlab.evaluation._ranking_scores import average_precision, roc_auc
from marketlab.evaluation._reliability import calibration_error
from marketlab.evaluation._scores import LOG_LOSS_CLIP, check_distributions
from marketlab.evaluation._undefined import (
    Metric,
    Undefined,
    check_binary,
    check_shares,
    ranking_refusal,
)


class BinaryScores(FrozenConfig):
    """What a forecast of one event scored.

    Attributes
    ----------
    n_samples, n_positives : of the judged samples.
    threshold : p at or above it answers *yes*.
    accuracy, precision, recall : of the answers at the threshold.
    balanced_accuracy : mean recall of both classes; 0.5 for any constant answer.
    mcc : Matthews correlation (Matthews 1975, Biochim. Biophys. Acta 405, 442-451).
    auc, pr_auc : see `roc_auc` and `average_precision`.
    log_loss : mean of -ln p[y], nats, p clipped to `LOG_LOSS_CLIP` from either end.
    brier : mean of (p - y)^2, from 0 to 1 (half of the two-class Brier score of 1950).
    ece_width, ece_count : expected calibration error of p over 10 bins of equal width, and of
        equal counts. ece_confidence : the same of max(p, 1 - p) being right, bins of equal width.
    lowest, highest : range of p; a forecast that never leaves a narrow range orders, if anything.
    ranking_refusal : why models may not be ranked on these samples (fewer than 50 positives or
        negatives); None if they may.
    """

    n_samples: int
    n_positives: int
    threshold: float
    accuracy: Metric
    balanced_accuracy: Metric
    mcc: Metric
    precision: Metric
    recall: Metric
    auc: Metric
    pr_auc: Metric
    log_loss: Metric
    brier: Metric
    ece_width: Metric
    ece_count: Metric
    ece_confidence: Metric
    lowest: Metric
    highest: Metric
    ranking_refusal: Undefined | None


class MulticlassScores(FrozenConfig):
    """What a forecast over K classes scored.

    Attributes
    ----------
    supports : samples labelled with each class.
    accuracy : share of samples whose most probable class (of equals, the first) is right.
    balanced_accuracy : mean of the recalls of all classes; `Undefined` if one never occurs.
    mcc : correlation of Gorodkin (2004); `Undefined` where labels or answers are of one class.
    auc, pr_auc : unweighted mean over classes, each against the rest; `Undefined` if one is.
    class_auc, class_pr_auc : those of each class.
    log_loss : mean of -ln p[y], nats. brier : mean squared distance to the one-hot label, 0 to 2.
    ece_width, ece_count : of the probability of the chosen class, over 10 bins.
    """

    n_samples: int
    class_names: tuple[str, ...]
    supports: dict[str, int]
    accuracy: Metric
    balanced_accuracy: Metric
    mcc: Metric
    auc: Metric
    pr_auc: Metric
    class_auc: dict[str, Metric]
    class_pr_auc: dict[str, Metric]
    log_loss: Metric
    brier: Metric
    ece_width: Metric
    ece_count: Metric


def binary_scores(y: IntArray, probability: FloatArray, *, threshold: float = 0.5) -> BinaryScores:
    """Score a forecast of one event. No sample at all is allowed and gives `Undefined` scores.

    Parameters
    ----------
    y : ndarray of int64 of shape (n,), 0 or 1.
    probability : ndarray of shape (n,), in [0, 1], of the event.
    threshold : 0 to 1; chosen before, on other samples.

    Raises
    ------
    DataError for arrays that do not fit or are out of range; ConfigError for `threshold`.
    """
    check_between("threshold", threshold, 0.0, 1.0)
    check_binary("y", y)
    check_same_length(y=y, probability=probability)
    check_shares("probability", probability)
    n, positives = len(y), int(y.sum())
    answer = (probability >= threshold).astype(np.int64)
    confusion = np.bincount(2 * y + answer, minlength=4).reshape(2, 2)
    return BinaryScores(
        n_samples=n,
        n_positives=positives,
        threshold=threshold,
        accuracy=mean_or_undefined("accuracy", answer == y),
        balanced_accuracy=balanced_accuracy(confusion, ("negative", "positive")),
        mcc=matthews_correlation(confusion),
        precision=ratio_or_undefined(
            "precision", confusion[1, 1], confusion[:, 1].sum(), "positive answer"
        ),
        recall=ratio_or_undefined("recall", confusion[1, 1], positives, "positive sample"),
        auc=roc_auc(y, probability),
        pr_auc=average_precision(y, probability),
        log_loss=mean_or_undefined("log_loss", sample_binary_log_loss(y, probability)),
        brier=mean_or_undefined("brier", (probability - y) ** 2),
        ece_width=calibration_error(y, probability, binning="width"),
        ece_count=calibration_error(y, probability, binning="count"),
        ece_confidence=calibration_error(
            ((probability >= 0.5) == (y == 1)).astype(np.int64),
            np.maximum(probability, 1.0 - probability),
            binning="width",
        ),
        lowest=float(probability.min()) if n else _no_sample("lowest"),
        highest=float(probability.max()) if n else _no_sample("highest"),
        ranking_refusal=ranking_refusal(positives, n - positives),
    )


def sample_binary_log_loss(y: IntArray, probability: FloatArray) -> FloatArray:
    """Return -ln p[y] per sample in nats, shape (n,), p clipped to `LOG_LOSS_CLIP` at both ends."""
    clipped = np.clip(probability, LOG_LOSS_CLIP, 1.0 - LOG_LOSS_CLIP)
    return np.asarray(-np.log(np.where(y == 1, clipped, 1.0 - clipped)))


def multiclass_scores(
    y: IntArray, probabilities: FloatArray, class_names: tuple[str, ...]
) -> MulticlassScores:
    """Score a forecast over K classes. No sample at all is allowed and gives `Undefined` scores.

    For the three trading classes with their rules about HOLD see `classification_scores`.

    Parameters
    ----------
    y : ndarray of int64 of shape (n,), 0 to K - 1.
    probabilities : ndarray of shape (n, K); rows finite, >= 0 and summing to 1 within 1e-5.
    class_names : K different names, in the order of the columns; K at least 2.

    Raises
    ------
    DataError for arrays that do not fit or are out of range; ConfigError for the names.
    """
    _check_classes(y, probabilities, class_names)
    n, k = len(y), len(class_names)
    answer = probabilities.argmax(axis=1) if n else np.empty(0, dtype=np.int64)
    confusion = np.bincount(y * k + answer, minlength=k * k).reshape(k, k)
    chosen = probabilities[np.arange(n), y]
    right = (answer == y).astype(np.int64)
    confidence = np.minimum(probabilities[np.arange(n), answer], 1.0)
    one_hot = np.eye(k)[y]
    areas = {
        c: roc_auc((y == i).astype(np.int64), probabilities[:, i]) for i, c in _each(class_names)
    }
    precisions = {
        c: average_precision((y == i).astype(np.int64), probabilities[:, i])
        for i, c in _each(class_names)
    }
    return MulticlassScores(
        n_samples=n,
        class_names=class_names,
        supports={c: int(confusion[i].sum()) for i, c in _each(class_names)},
        accuracy=mean_or_undefined("accuracy", right),
        balanced_accuracy=balanced_accuracy(confusion, class_names),
        mcc=matthews_correlation(confusion),
        auc=_mean_of_classes("auc", areas),
        pr_auc=_mean_of_classes("pr_auc", precisions),
        class_auc=areas,
        class_pr_auc=precisions,
        log_loss=mean_or_undefined("log_loss", -np.log(np.clip(chosen, LOG_LOSS_CLIP, 1.0))),
        brier=mean_or_undefined("brier", ((probabilities - one_hot) ** 2).sum(axis=1)),
        ece_width=calibration_error(right, confidence, binning="width"),
        ece_count=calibration_error(right, confidence, binning="count"),
    )


def mean_or_undefined(metric: str, values: NDArray[Any]) -> Metric:
    """Return the mean of `values`, or `Undefined` without any."""
    return float(values.mean()) if len(values) else _no_sample(metric)


def _no_sample(metric: str) -> Undefined:
    return Undefined(metric=metric, reason="there is no sample.", counts={"samples": 0})


def _each(class_names: tuple[str, ...]) -> list[tuple[int, str]]:
    return list(enumerate(class_names))


def _check_classes(y: IntArray, probabilities: FloatArray, class_names: tuple[str, ...]) -> None:
    k = len(class_names)
    if k < 2 or len(set(class_names)) != k:
        raise ConfigError(
            f"class_names must hold two or more different names; received {class_names!r}.",
            field="class_names",
            value=class_names,
        )
    if y.ndim != 1 or y.dtype.kind not in "iu" or probabilities.shape != (len(y), k):
        raise DataError(
            f"y must be 1-D class indices and probabilities of shape ({len(y)}, {k}); received "
            f"{y.shape} of {y.dtype} and {probabilities.shape}.",
            code="DATA-ShapeMismatch",
        )
    if y.size and (y.min() < 0 or y.max() >= k):
        raise DataError(
            f"y must hold class indices 0 to {k - 1}; it ranges from {int(y.min())} to "
            f"{int(y.max())}.",
            code="DATA-LabelRange",
            field="y",
            value=int(y.max()),
        )
    check_distributions("probabilities", probabilities)


def _mean_of_classes(metric: str, values: dict[str, Metric]) -> Metric:
    numbers = [value for value in values.values() if not isinstance(value, Undefined)]
    if len(numbers) < len(values):
        absent = ", ".join(c for c, value in values.items() if isinstance(value, Undefined))
        return Undefined(
            metric=metric,
            reason=f"{absent} against the rest has one class only.",
            counts={"classes": len(values), "defined": len(numbers)},
        )
    return float(np.mean(numbers))
