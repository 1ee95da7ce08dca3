"""One strategy on one series, real or surrogate, and what a model refitted on it says there."""

from collections.abc import Mapping
from dataclasses import dataclass

from marketlab.campaigns._split_config import JudgedFold
from marketlab.campaigns._strategy import StrategyConfig
from marketlab.core import Float32Array, FloatArray, IntArray
from marketlab.evaluation import absent_classes, log_loss_skill, without_classes
from marketlab.features import FeatureMatrix, Standardizer
from marketlab.labels import LabelSet


@dataclass(frozen=True)
class SeriesTask:
    """Inputs, labels and folds of one strategy on one series, ready to be refitted.

    Attributes
    ----------
    matrix : its memory is used again for the next series.
    labels : of the n usable samples. state : (n,), the causal state at each sample.
    folds : one, or those of a walk, oldest first. is_walk : which of the two.
    """

    strategy: StrategyConfig
    matrix: FeatureMatrix
    normalization: tuple[str, ...]
    labels: LabelSet
    state: IntArray
    folds: tuple[JudgedFold, ...]
    is_walk: bool

    def x(self) -> Float32Array:
        """Return the unscaled inputs of all samples, shape (n, F)."""
        return self.matrix.rows(self.labels.bar)

    def scaled(self, x: Float32Array, train: IntArray) -> Float32Array:
        """Return `x` as the net reads it: scaled by what the training rows decide, or as it is."""
        if all(kind == "none" for kind in self.normalization):
            return x
        return Standardizer.fit(x[train], self.normalization).apply(x)


@dataclass(frozen=True)
class Refit:
    """Forecasts of a refitted model on the judged part of one series, n samples over all folds.

    Attributes
    ----------
    y : (n,) class indices. probabilities : (n, 3). event, bar : (n,), as in `LabelSet`.
    baselines : name to (n, 3): majority, even odds and causal state of the same training rows.
    train_counts : (3,), training samples of each class, over all folds.
    """

    y: IntArray
    probabilities: FloatArray
    baselines: Mapping[str, FloatArray]
    event: IntArray
    bar: IntArray
    train_counts: IntArray

    @property
    def skill(self) -> float:
        """Log-loss of the best baseline less that of the forecasts, nats per sample.

        Read as the judge reads it, over the classes that occur at all.
        """
        absent = absent_classes(self.train_counts, self.y)
        baselines = {name: without_classes(rows, absent) for name, rows in self.baselines.items()}
        return log_loss_skill(self.y, without_classes(self.probabilities, absent), baselines)
