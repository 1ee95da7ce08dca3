"""Forecasts from class frequencies of the training rows: the baselines beside every score.

N = rows, C = classes, S = causal states.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from marketlab.core import DataError, FloatArray, FrozenConfig, IntArray
from marketlab.models._base import MODELS, Arrays, ModelDefinition, checked_rows, checked_targets
from marketlab.models._mlp import N_CLASSES


class MajorityConfig(FrozenConfig):
    """``smoothing`` is added to each class count (Laplace's rule at 1)."""

    smoothing: float = Field(default=1.0, gt=0.0)


class MajorityForecaster:
    """Gives every row the smoothed class frequencies of the training rows.

    Its top class is the one most frequent in *training*, which need not be the most frequent in
    the rows it is judged on.
    """

    def __init__(self, frequencies: FloatArray, n_inputs: int) -> None:
        self._frequencies = np.array(frequencies, dtype=np.float64)
        self._n_inputs = n_inputs

    @property
    def n_inputs(self) -> int:
        """Columns that `predict` expects and does not read."""
        return self._n_inputs

    def predict(self, x: NDArray[Any]) -> FloatArray:
        """Return the same class frequencies for every row; see `Forecaster.predict`."""
        rows = checked_rows(x, self._n_inputs, x.dtype)
        return np.tile(self._frequencies, (len(rows), 1))

    def to_arrays(self) -> Arrays:
        """Return the frequencies and the number of columns."""
        return {"frequencies": self._frequencies.copy(), "n_inputs": np.array([self._n_inputs])}


class CausalStateConfig(FrozenConfig):
    """Class frequencies for each of ``n_states`` states known at the bar's close.

    ``smoothing`` is added to each class count of each state (Laplace's rule at 1), so a state
    that never occurred in training gives equal probabilities.
    """

    n_states: int = Field(default=2, ge=1, le=1_000_000)
    smoothing: float = Field(default=1.0, gt=0.0)


class CausalStateForecaster:
    """Gives each row the smoothed training class frequencies of its state.

    The rows have one column, the state's number 0 … n_states - 1. For zigzag labels the state is
    the direction of the leg known at the bar's close, which scores well on pure noise: a model
    must beat it before its score means anything.
    """

    def __init__(self, table_SC: FloatArray) -> None:
        self._table_SC = np.array(table_SC, dtype=np.float64)

    @property
    def n_inputs(self) -> int:
        """One column: the state."""
        return 1

    def predict(self, x: NDArray[Any]) -> FloatArray:
        """Return the frequencies of each row's state; see `Forecaster.predict`.

        Raises
        ------
        DataError (``MODEL-UnknownState``) if a state is no whole number in range.
        """
        return self._table_SC[_states(x, len(self._table_SC))]

    def to_arrays(self) -> Arrays:
        """Return the table of shape (n_states, n_classes)."""
        return {"table": self._table_SC.copy()}


def _states(x: NDArray[Any], n_states: int) -> IntArray:
    rows = checked_rows(x, 1, np.float64)[:, 0]
    states = rows.astype(np.int64)
    wrong = (states != rows) | (states < 0) | (states >= n_states)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"row {row} has state {rows[row]:g}; states are whole numbers 0 … {n_states - 1}.",
            code="MODEL-UnknownState",
            suggestion="Set `n_states` to the number of states that the state column can take.",
        )
    return states


def _build_majority(
    config: MajorityConfig, x: NDArray[Any], y: IntArray, _seed: int
) -> MajorityForecaster:
    counts = np.bincount(checked_targets(x, y, N_CLASSES), minlength=N_CLASSES) + config.smoothing
    return MajorityForecaster(counts / counts.sum(), x.shape[1])


def _build_states(
    config: CausalStateConfig, x: NDArray[Any], y: IntArray, _seed: int
) -> CausalStateForecaster:
    cell = _states(x, config.n_states) * N_CLASSES + checked_targets(x, y, N_CLASSES)
    counts = np.bincount(cell, minlength=config.n_states * N_CLASSES).astype(np.float64)
    table = counts.reshape(config.n_states, N_CLASSES) + config.smoothing
    return CausalStateForecaster(table / table.sum(axis=1, keepdims=True))


MODELS.add(
    "majority",
    ModelDefinition(
        MajorityConfig,
        "features",
        "closed_form",
        _build_majority,
        lambda _config, arrays: MajorityForecaster(
            arrays["frequencies"], int(arrays["n_inputs"][0])
        ),
    ),
)
MODELS.add(
    "causal_state",
    ModelDefinition(
        CausalStateConfig,
        "state",
        "closed_form",
        _build_states,
        lambda _config, arrays: CausalStateForecaster(arrays["table"]),
    ),
)
