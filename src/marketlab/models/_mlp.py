"""A multi-layer perceptron as a forecaster."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketlab.core import DataError, FloatArray, IntArray, stream_key
from marketlab.models._base import MODELS, Arrays, ModelDefinition, checked_rows
from marketlab.models._mlp_config import (
    ACTIVATIONS,
    MLPConfig,
    Weights,
    initial_weights,
    layer_sizes,
    pack,
    sizes_of,
    unpack,
)
from marketlab.models._mlp_forward import forecast

N_CLASSES = 3


class MLPForecaster:
    """A perceptron with given weights; the compiled forward pass, softmax in float64.

    Parameters
    ----------
    weights : ``layers.<i>.weight`` (out, in) and ``layers.<i>.bias`` (out,), float32 or float64.
        They are copied; the forward pass runs in their precision.
    config : hidden layers and activation; dropout has no part in a forecast.

    Raises
    ------
    DataError (``MODEL-ShapeMismatch``) if the weights do not have the layers of `config`.
    """

    def __init__(self, weights: Weights, config: MLPConfig) -> None:
        sizes = sizes_of(weights)
        if sizes[1:-1] != config.hidden_layers:
            raise DataError(
                f"Shape mismatch: the weights have hidden layers {list(sizes[1:-1])}, the "
                f"configuration has {list(config.hidden_layers)}.",
                code="MODEL-ShapeMismatch",
                suggestion="Load the weights together with the configuration they belong to.",
            )
        self.config = config
        self._sizes = sizes
        self._dtype = str(weights["layers.0.weight"].dtype)
        self._flat = pack(weights, self._dtype)
        self._size_array: IntArray = np.array(sizes, dtype=np.int64)

    @property
    def n_inputs(self) -> int:
        """Columns that `predict` expects."""
        return self._sizes[0]

    @property
    def n_classes(self) -> int:
        """Columns that `predict` returns."""
        return self._sizes[-1]

    def predict(self, x: NDArray[Any]) -> FloatArray:
        """Return class probabilities (n_rows, n_classes); see `Forecaster.predict`."""
        return self.predict_with_log(x)[0]

    def predict_with_log(self, x: NDArray[Any]) -> tuple[FloatArray, FloatArray]:
        """Return probabilities and their logarithms, which stay finite where the former are 0."""
        rows = checked_rows(x, self.n_inputs, self._dtype)
        out: FloatArray = np.empty((len(rows), self.n_classes))
        log_out: FloatArray = np.empty_like(out)
        code = ACTIVATIONS.index(self.config.activation)
        forecast(rows, self._flat, self._size_array, code, out, log_out)
        return out, log_out

    def to_arrays(self) -> Arrays:
        """Return own copies of the weights."""
        return unpack(self._flat, self._sizes)


def _build(config: MLPConfig, x: NDArray[Any], _y: IntArray, seed: int) -> MLPForecaster:
    sizes = layer_sizes(config, x.shape[1], N_CLASSES)
    key = stream_key(seed, "initial weights")
    return MLPForecaster(initial_weights(config, sizes[0], N_CLASSES, key), config)


def _restore(config: MLPConfig, arrays: Arrays) -> MLPForecaster:
    return MLPForecaster(arrays, config)


MODELS.add("mlp", ModelDefinition(MLPConfig, "features", "gradient", _build, _restore))
