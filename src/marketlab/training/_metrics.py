"""Everything one epoch leaves behind: the numbers of metrics.csv and detailed_metrics.json."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketlab.core import FloatArray, IntArray
from marketlab.training._indicators import Convergence, Signal

CONFIDENCE_EDGES = (0.4, 0.6, 0.8)
HIGH_CONFIDENCE = 0.7


@dataclass(frozen=True)
class ClassMetrics:
    """Scores of one class on the validation rows; a division by zero gives 0."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class ParameterStats:
    """One tensor at the end of an epoch, and its element-wise change over the epoch."""

    mean_change: float
    std_change: float
    max_change: float
    mean_value: float
    std_value: float


@dataclass(frozen=True)
class ValidationMetrics:
    """The net's answers on the validation rows, dropout off.

    Attributes
    ----------
    loss : mean cross entropy in nats. accuracy : share of rows whose top class is right.
    classes : class name to its scores. predicted_shares : share of rows that answer each class.
    mean_confidence : mean of the top probability.
    confidence_distribution : rows with top probability in [0,.4), [.4,.6), [.6,.8), [.8,1].
    high_confidence : rows with top probability > 0.7.
    entropy : mean entropy of the probabilities in nats.
    """

    loss: float
    accuracy: float
    classes: dict[str, ClassMetrics]
    predicted_shares: dict[str, float]
    mean_confidence: float
    confidence_distribution: tuple[int, int, int, int]
    high_confidence: int
    entropy: float


@dataclass(frozen=True)
class EpochMetrics:
    """One finished epoch. Gradient norms are means over its batches, before any clipping.

    Attributes
    ----------
    epoch : 0-based.
    train_loss, train_accuracy : over the rows of the epoch as they were trained on, dropout on.
    gradient_norm_avg : L2 norm over all tensors divided by the number of tensors.
    gradient_norm_max : the largest tensor norm. gradient_norms : the norm of each tensor.
    param_change : L2 distance to the weights one epoch before; 0 in the first epoch.
    parameters : per tensor; changes are 0 in the first epoch.
    constant_features : inputs that never change over the training rows.
    duration_seconds : wall time of training and validating this epoch.
    finished_at : ISO 8601, UTC.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation: ValidationMetrics
    learning_rate: float
    gradient_norm_avg: float
    gradient_norm_max: float
    gradient_norms: dict[str, float]
    param_change: float
    parameters: dict[str, ParameterStats]
    signal_strength: Signal
    overfitting_score: float
    class_balance_score: float
    convergence: Convergence
    early_stopping_triggered: bool
    batch_count: int
    samples_processed: int
    constant_features: tuple[str, ...]
    duration_seconds: float
    finished_at: str

    @property
    def val_loss(self) -> float:
        """Mean validation cross entropy in nats."""
        return self.validation.loss

    @property
    def val_accuracy(self) -> float:
        """Share of validation rows whose top class is right."""
        return self.validation.accuracy

    def to_mapping(self) -> dict[str, Any]:
        """Return plain JSON-ready values, own copies; the inverse of `from_mapping`."""
        # By hand: `dataclasses.asdict` copies every value deeply, which costs 0.6 ms an epoch.
        scores = dict(vars(self.validation))
        scores["classes"] = {n: dict(vars(c)) for n, c in self.validation.classes.items()}
        scores["predicted_shares"] = dict(self.validation.predicted_shares)
        return {
            **vars(self),
            "validation": scores,
            "gradient_norms": dict(self.gradient_norms),
            "parameters": {n: dict(vars(p)) for n, p in self.parameters.items()},
        }

    @classmethod
    def from_mapping(cls, mapping: dict[str, Any]) -> "EpochMetrics":
        """Build from `to_mapping` data, as a checkpoint holds it."""
        out = dict(mapping)
        inner = dict(out["validation"])
        inner["classes"] = {name: ClassMetrics(**c) for name, c in inner["classes"].items()}
        inner["confidence_distribution"] = tuple(inner["confidence_distribution"])
        out["validation"] = ValidationMetrics(**inner)
        out["parameters"] = {n: ParameterStats(**p) for n, p in out["parameters"].items()}
        out["constant_features"] = tuple(out["constant_features"])
        return cls(**out)


def validation_metrics(
    y: IntArray, probabilities: FloatArray, log_probabilities: FloatArray, names: tuple[str, ...]
) -> ValidationMetrics:
    """Score class probabilities of shape (n, n_classes) against class indices `y`."""
    n, n_classes = probabilities.shape
    rows = np.arange(n)
    answer = probabilities.argmax(axis=1)
    confidence = probabilities[rows, answer]
    table = np.bincount(y * n_classes + answer, minlength=n_classes**2)
    table = table.reshape(n_classes, n_classes)
    predicted, support = table.sum(axis=0), table.sum(axis=1)
    classes: dict[str, ClassMetrics] = {}
    for c, name in enumerate(names):
        hits, called, there = int(table[c, c]), int(predicted[c]), int(support[c])
        precision = hits / called if called else 0.0
        recall = hits / there if there else 0.0
        both = precision + recall
        classes[name] = ClassMetrics(
            precision, recall, 2.0 * precision * recall / both if both else 0.0, there
        )
    bins = np.bincount(np.searchsorted(CONFIDENCE_EDGES, confidence, side="right"), minlength=4)
    return ValidationMetrics(
        loss=-float(log_probabilities[rows, y].mean()),
        accuracy=int(np.trace(table)) / n,
        classes=classes,
        predicted_shares={name: int(predicted[c]) / n for c, name in enumerate(names)},
        mean_confidence=float(confidence.mean()),
        confidence_distribution=(int(bins[0]), int(bins[1]), int(bins[2]), int(bins[3])),
        high_confidence=int((confidence > HIGH_CONFIDENCE).sum()),
        entropy=-float((probabilities * log_probabilities).sum(axis=1).mean()),
    )


def parameter_stats(
    now: dict[str, NDArray[Any]], before: dict[str, NDArray[Any]]
) -> tuple[float, dict[str, ParameterStats]]:
    """Return the L2 distance between two sets of weights, and the statistics of each tensor."""
    square, stats = 0.0, {}
    for name, tensor in now.items():
        value = tensor.astype(np.float64).ravel()
        change = value - before[name].astype(np.float64).ravel()
        square += float(change @ change)
        stats[name] = ParameterStats(
            mean_change=float(change.mean()),
            std_change=float(change.std()),
            max_change=float(np.abs(change).max()),
            mean_value=float(value.mean()),
            std_value=float(value.std()),
        )
    return float(np.sqrt(square)), stats
