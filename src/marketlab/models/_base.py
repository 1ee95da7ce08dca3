"""What every model promises, and the table in which each registers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from marketlab.core import DataError, FloatArray, FrozenConfig, IntArray, PluginRegistry

Arrays: TypeAlias = dict[str, NDArray[Any]]


class Forecaster(Protocol):
    """Maps rows of features to class probabilities. Immutable once built, safe to share.

    A row's forecast depends on that row alone: one row and a batch agree bit for bit.
    """

    @property
    def n_inputs(self) -> int:
        """Columns that `predict` expects."""
        ...

    def predict(self, x: NDArray[Any]) -> FloatArray:
        """Return probabilities of shape (n_rows, n_classes), float64, each row summing to one.

        Parameters
        ----------
        x : ndarray of shape (n_rows, n_inputs); finite. Row t must hold only what is known at
            the close of bar t; the forecast is then known at that close.

        Raises
        ------
        DataError (``MODEL-ShapeMismatch``) if the columns differ from those of the fit, or
        (``MODEL-NotFinite``) if a value is missing.
        """
        ...

    def to_arrays(self) -> Arrays:
        """Return all that was learned as named arrays, fit for a safetensors file."""
        ...


@dataclass(frozen=True)
class ModelDefinition:
    """One kind of model.

    Attributes
    ----------
    config_type : its configuration.
    reads : ``features`` (a row of the feature matrix) or ``state`` (one column of causal states).
    fitted_by : ``closed_form`` (`build` returns the fitted model) or ``gradient`` (`build`
        returns the net with its first weights, which `marketlab.training` then fits).
    build : (config, x, y, seed) to a forecaster; x of shape (n, F), y of shape (n,) with class
        indices 0, 1, 2. A closed-form fit uses no chance and ignores the seed.
    restore : (config, arrays of `to_arrays`) to the same forecaster.
    """

    config_type: type[FrozenConfig]
    reads: Literal["features", "state"]
    fitted_by: Literal["closed_form", "gradient"]
    build: Callable[[Any, NDArray[Any], IntArray, int], Forecaster]
    restore: Callable[[Any, Arrays], Forecaster]


MODELS: PluginRegistry[ModelDefinition] = PluginRegistry("model", code="CONFIG-ModelTypeNotFound")


def checked_rows(x: NDArray[Any], n_inputs: int, dtype: Any) -> NDArray[Any]:
    """Return `x` as a writable C-contiguous matrix of `dtype`, refusing what no model can read."""
    if x.ndim != 2 or x.shape[1] != n_inputs:
        raise DataError(
            f"Shape mismatch: the model reads rows of {n_inputs} features; received an array of "
            f"shape {x.shape}.",
            code="MODEL-ShapeMismatch",
            suggestion="Compare the feature list of the model with that of the strategy.",
        )
    rows = np.ascontiguousarray(x, dtype=dtype)
    if not rows.flags.writeable:  # a read-only view is another type to the compiled kernels
        rows = rows.copy()
    if not np.isfinite(rows).all():
        bad = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
        raise DataError(
            f"row {bad} holds a value that is missing or infinite; a model reads finite numbers.",
            code="MODEL-NotFinite",
            suggestion="Leave out the warm-up bars, and look at the feature health report.",
        )
    return rows


def checked_targets(x: NDArray[Any], y: IntArray, n_classes: int) -> IntArray:
    """Return class indices of the rows of `x` as int64, refusing other values or lengths."""
    if y.ndim != 1 or len(y) != len(x) or len(y) == 0:
        raise DataError(
            f"Shape mismatch: {len(x)} rows and labels of shape {y.shape}; each row needs one "
            "label, and there must be at least one.",
            code="MODEL-ShapeMismatch",
        )
    if not np.issubdtype(y.dtype, np.integer) or y.min() < 0 or y.max() >= n_classes:
        raise DataError(
            f"labels are class indices 0 … {n_classes - 1}; received {y.dtype} from "
            f"{y.min()} to {y.max()}.",
            code="MODEL-BadLabel",
        )
    return np.ascontiguousarray(y, dtype=np.int64)
