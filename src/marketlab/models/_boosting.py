"""Gradient boosting: trees one after another, each on what the ones before left over.

Friedman 2001, "Greedy function approximation: a gradient boosting machine", Annals of Statistics
29, 1189-1232, in the histogram form of LightGBM (Ke et al. 2017), fitted by scikit-learn's
`HistGradientBoostingClassifier` (the extra ``boosting``). The trees are taken out into plain
arrays and read by our own kernel, so that a fitted model is stored as safetensors, needs no
scikit-learn to forecast, and one row and a batch agree bit for bit. Each fit checks that the arrays
say what scikit-learn says.

C = classes that occur in training, N = rows, F = features.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from marketlab.core import ConfigError, DataError, FloatArray, FrozenConfig, IntArray
from marketlab.models._base import MODELS, Arrays, ModelDefinition, checked_rows, checked_targets
from marketlab.models._mlp import N_CLASSES
from marketlab.models._tree_kernel import ensemble_scores, softmax_rows


class BoostingConfig(FrozenConfig):
    """Small trees, many of them, slowly.

    Attributes
    ----------
    max_rounds : rounds at most; exactly so many where no rows are held out for stopping.
    patience : rounds without a better log-loss on the held-out rows before stopping.
    """

    max_rounds: int = Field(default=100, ge=1, le=10_000)
    learning_rate: float = Field(default=0.05, gt=0.0, le=1.0)
    max_leaves: int = Field(default=8, ge=2, le=1_000)
    min_leaf_rows: int = Field(default=50, ge=1)
    l2: float = Field(default=1.0, ge=0.0)
    patience: int = Field(default=10, ge=1)


class BoostingForecaster:
    """Class probabilities from an ensemble of trees.

    A class that never occurred in training keeps Laplace's 1 / (n + 3); the others share the rest.
    """

    def __init__(self, arrays: Arrays) -> None:
        self._arrays: Arrays = {
            name: np.array(
                each, dtype=np.float64 if each.dtype.kind == "f" else np.int64, order="C"
            )
            for name, each in arrays.items()
        }

    @property
    def n_inputs(self) -> int:
        """Columns that `predict` expects."""
        return int(self._arrays["n_inputs"][0])

    @property
    def n_rounds(self) -> int:
        """Rounds of boosting that the forecast adds up; 0 is the class frequencies."""
        return int(self._arrays["n_rounds"][0])

    def predict(self, x: NDArray[Any]) -> FloatArray:
        """Return class probabilities; see `Forecaster.predict`."""
        rows = checked_rows(x, self.n_inputs, np.float64)
        it = self._arrays
        present = it["classes"]
        scores: FloatArray = np.tile(it["baseline"], (len(rows), 1))
        ensemble_scores(
            rows,
            it["roots"],
            it["column"],
            it["feature"],
            it["threshold"],
            it["children"],
            it["value"],
            scores,
        )
        softmax_rows(scores)
        absent = float(it["absent_share"][0])
        out: FloatArray = np.full((len(rows), N_CLASSES), absent)
        out[:, present] = scores * (1.0 - absent * (N_CLASSES - len(present)))
        return out

    def to_arrays(self) -> Arrays:
        """Return the trees, the classes they speak of and the baseline scores."""
        return {name: each.copy() for name, each in self._arrays.items()}


def fit_boosting(
    x: NDArray[Any],
    y: IntArray,
    config: BoostingConfig | None = None,
    *,
    seed: int,
    stopping: tuple[IntArray, IntArray] | None = None,
) -> BoostingForecaster:
    """Fit an ensemble; the same rows, settings and seed give the same trees.

    Parameters
    ----------
    x : ndarray of shape (N, F), finite. y : class indices 0, 1, 2, at least two that occur.
    stopping : positions into `x` of the rows to fit on and of later, purged ones to stop on (see
        `marketlab.evaluation.inner_holdout`); both of the training part. The number of rounds with
        the lowest log-loss on the latter is then fitted anew on all of `x`. Without them,
        `max_rounds` are fitted.

    Raises
    ------
    ConfigError (``CONFIG-MissingExtra``) without scikit-learn; DataError (``MODEL-OneClass``) if
    only one class occurs, or if shapes, values or labels are wrong.
    """
    settings = config or BoostingConfig()
    rows = checked_rows(x, x.shape[1] if x.ndim == 2 else 0, np.float64)
    target = checked_targets(rows, y, N_CLASSES)
    _check_classes(target)
    n_rounds = settings.max_rounds
    if stopping is not None:
        n_rounds = _best_round(rows, target, settings, seed, stopping)
    if n_rounds == 0:
        return BoostingForecaster(_no_trees(target, rows.shape[1]))
    fitted = _library_fit(rows, target, settings.model_copy(update={"max_rounds": n_rounds}), seed)
    model = BoostingForecaster(_arrays_of(fitted, target, rows.shape[1]))
    _check_agreement(model, fitted, rows[:1_000])
    return model


def _check_classes(y: IntArray) -> None:
    if y.min() == y.max():
        raise DataError(
            f"all {len(y)} training labels are of class {y[0]}; boosting needs two classes.",
            code="MODEL-OneClass",
            suggestion="Use the training frequencies (`majority`), or a longer training part.",
        )


def _library_fit(
    x: FloatArray,
    y: IntArray,
    settings: BoostingConfig,
    seed: int,
    held_out: tuple[FloatArray, IntArray] | None = None,
) -> Any:
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"sklearn", "threadpoolctl"}:
            raise
        raise ConfigError(
            "gradient boosting needs scikit-learn, which is not installed.",
            code="CONFIG-MissingExtra",
            field="model.type",
            value="boosting",
            suggestion="Install it: pip install 'marketlab[boosting]' -c constraints.txt.",
        ) from None
    learner = HistGradientBoostingClassifier(
        learning_rate=settings.learning_rate,
        max_iter=settings.max_rounds,
        max_leaf_nodes=settings.max_leaves,
        min_samples_leaf=settings.min_leaf_rows,
        l2_regularization=settings.l2,
        categorical_features=None,
        early_stopping=held_out is not None,
        n_iter_no_change=settings.patience,
        scoring="loss",
        tol=0.0,
        random_state=seed % 2**32,
    )
    # Processes give the parallelism here; on a busy machine two spinning threads took 16 times
    # as long as one (7.1 s against 0.4 s for 25,000 rows).
    with threadpool_limits(1):
        if held_out is None:
            return learner.fit(x, y)
        return learner.fit(x, y, X_val=held_out[0], y_val=held_out[1])


def _best_round(
    x: FloatArray,
    y: IntArray,
    settings: BoostingConfig,
    seed: int,
    stopping: tuple[IntArray, IntArray],
) -> int:
    fit, held_out = stopping
    _check_classes(y[fit])
    # Scores of a class that the fit rows lack are not defined; such rows cannot vote on stopping.
    known = held_out[np.isin(y[held_out], y[fit])]
    if len(known) == 0:
        raise DataError(
            "no held-out row is of a class that occurs in the rows before it.",
            code="MODEL-OneClass",
        )
    learner = _library_fit(x[fit], y[fit], settings, seed, (x[known], y[known]))
    return int(np.argmax(learner.validation_score_))  # entry 0 is the state before any tree


def _no_trees(y: IntArray, n_inputs: int) -> Arrays:
    counts = np.bincount(y, minlength=N_CLASSES)
    present = np.flatnonzero(counts)
    whole, real = np.empty(0, dtype=np.int64), np.empty(0)
    return {
        "classes": present,
        "baseline": np.log(counts[present] / len(y)),
        "absent_share": np.array([1.0 / (len(y) + N_CLASSES)]),
        "n_inputs": np.array([n_inputs]),
        "n_rounds": np.array([0]),
        **{"roots": whole, "column": whole, "feature": whole, "threshold": real, "value": real},
        "children": np.empty((0, 2), dtype=np.int64),
    }


def _arrays_of(learner: Any, y: IntArray, n_inputs: int) -> Arrays:
    """Return the trees of a fitted learner as one node table."""
    present = np.asarray(learner.classes_, dtype=np.int64)
    # Two classes have one tree a round, the log odds of the second: scores (0, that).
    shift = 1 if len(present) == 2 else 0
    rounds = learner._predictors
    trees = [(k + shift, tree.nodes) for each in rounds for k, tree in enumerate(each)]
    sizes = np.array([len(nodes) for _, nodes in trees])
    roots = np.cumsum(sizes) - sizes
    nodes = np.concatenate([nodes for _, nodes in trees])
    offset = np.repeat(roots, sizes)[:, None]
    children = np.column_stack([nodes["left"], nodes["right"]]).astype(np.int64) + offset
    children[nodes["is_leaf"].astype(np.bool_)] = -1
    baseline = np.zeros(len(present))
    baseline[shift:] = np.asarray(learner._baseline_prediction).ravel()
    return _no_trees(y, n_inputs) | {
        "classes": present,
        "baseline": baseline,
        "n_rounds": np.array([len(rounds)]),
        "roots": roots.astype(np.int64),
        "column": np.array([k for k, _ in trees], dtype=np.int64),
        "feature": nodes["feature_idx"].astype(np.int64),
        "threshold": nodes["num_threshold"].astype(np.float64),
        "children": children,
        "value": nodes["value"].astype(np.float64),
    }


def _check_agreement(model: BoostingForecaster, learner: Any, x: FloatArray) -> None:
    """Refuse arrays that do not say what the library says: it may store its trees anew one day."""
    ours = model.predict(x)[:, model.to_arrays()["classes"]]
    ours /= ours.sum(axis=1, keepdims=True)
    gap = float(np.abs(ours - learner.predict_proba(x)).max())
    if not gap < 1e-9:
        raise ConfigError(
            f"the trees read from scikit-learn differ from its own forecast by {gap:.2g}; this "
            "version stores them in another way.",
            code="CONFIG-UnsupportedVersion",
            suggestion="Install the tested version: pip install 'marketlab[boosting]' "
            "-c constraints.txt.",
        )


def _build(config: BoostingConfig, x: NDArray[Any], y: IntArray, seed: int) -> BoostingForecaster:
    return fit_boosting(x, y, config, seed=seed)


MODELS.add(
    "boosting",
    ModelDefinition(
        BoostingConfig,
        "features",
        "closed_form",
        _build,
        lambda _config, arrays: BoostingForecaster(arrays),
    ),
)
