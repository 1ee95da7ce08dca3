"""What a multi-layer perceptron is: its configuration, its size, its first weights."""

import math
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from marketlab.core import DataError, FloatArray, FrozenConfig, check_at_least
from marketlab.kernels import fill_uniform
from marketlab.models._dense import LANES

Activation = Literal["relu", "leaky_relu", "tanh", "sigmoid"]
ACTIVATIONS: tuple[Activation, ...] = ("relu", "leaky_relu", "tanh", "sigmoid")
"""Hidden activations in the order of their codes in kernels; the slope of leaky_relu is 0.01."""

Weights: TypeAlias = dict[str, NDArray[Any]]
"""``layers.<i>.weight`` of shape (out, in) and ``layers.<i>.bias`` of shape (out,), as in torch."""


class MLPConfig(FrozenConfig):
    """Hidden layers, their activation, and dropout after each activation.

    ``dropout`` is the probability in [0, 1) that a hidden unit is set to zero in training; the
    others are scaled by 1 / (1 - dropout), so a forecast needs no correction. The outputs are
    logits of the classes; there is no activation on them.
    """

    hidden_layers: tuple[int, ...] = Field(min_length=1, max_length=8)
    activation: Activation = "relu"
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)

    def model_post_init(self, _context: Any, /) -> None:
        """Check each layer's size."""
        for position, units in enumerate(self.hidden_layers):
            check_at_least(f"hidden_layers.{position}", units, 1)


def layer_sizes(config: MLPConfig, n_inputs: int, n_classes: int) -> tuple[int, ...]:
    """Return the units of every layer, inputs first, classes last."""
    check_at_least("n_inputs", n_inputs, 1)
    check_at_least("n_classes", n_classes, 2)
    return (n_inputs, *config.hidden_layers, n_classes)


def count_parameters(config: MLPConfig, n_inputs: int, n_classes: int = 3) -> int:
    """Return the number of weights and biases (64 F + 2,243 for F inputs, [64, 32], 3 classes)."""
    sizes = layer_sizes(config, n_inputs, n_classes)
    return sum((a + 1) * b for a, b in pairwise(sizes))


def initial_weights(
    config: MLPConfig, n_inputs: int, n_classes: int, key: int, dtype: str = "float32"
) -> Weights:
    """Draw the first weights: uniform in ±1/sqrt(fan_in) for weights and biases alike.

    These are the default bounds of ``torch.nn.Linear``. Draw k of stream `key` fills entry k,
    counted over the tensors in order, each row by row; so both trainers, and both precisions up
    to rounding, start from the same numbers.
    """
    sizes = layer_sizes(config, n_inputs, n_classes)
    draws: FloatArray = np.empty(count_parameters(config, n_inputs, n_classes))
    fill_uniform(np.uint64(key), np.uint64(0), draws)
    weights: Weights = {}
    position = 0
    for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        bound = 1.0 / math.sqrt(fan_in)
        for name, shape in (("weight", (fan_out, fan_in)), ("bias", (fan_out,))):
            size = math.prod(shape)
            drawn = draws[position : position + size].reshape(shape)
            weights[f"layers.{layer}.{name}"] = ((2.0 * drawn - 1.0) * bound).astype(dtype)
            position += size
    return weights


def sizes_of(weights: Weights) -> tuple[int, ...]:
    """Return the layer sizes that `weights` have.

    Raises
    ------
    DataError if a tensor is missing or does not fit its neighbours.
    """
    sizes: list[int] = []
    for layer in range(len(weights) // 2):
        weight = weights.get(f"layers.{layer}.weight")
        bias = weights.get(f"layers.{layer}.bias")
        fits = (
            weight is not None
            and bias is not None
            and weight.ndim == 2
            and bias.shape == weight.shape[:1]
            and (not sizes or weight.shape[1] == sizes[-1])
        )
        if weight is None or not fits:
            raise DataError(
                f"Shape mismatch: the weights of layer {layer} are missing or do not fit.",
                code="MODEL-ShapeMismatch",
                suggestion="Load the weights together with the configuration they belong to.",
            )
        sizes += [weight.shape[1], weight.shape[0]] if not sizes else [weight.shape[0]]
    return tuple(sizes)


def padded(units: int) -> int:
    """Return `units` rounded up to a whole number of vector lanes."""
    return (units + LANES - 1) // LANES * LANES


def flat_size(sizes: tuple[int, ...]) -> int:
    """Return the length of the flat parameter vector of `pack`."""
    return sum((a + 1) * padded(b) for a, b in pairwise(sizes))


def pack(weights: Weights, dtype: str) -> NDArray[Any]:
    """Return all parameters as one vector for kernels.

    Per layer: the weight as (in, padded out), row by row, then the padded bias. Padding is zero
    and stays zero under training, because no gradient reaches it.
    """
    sizes = sizes_of(weights)
    flat = np.zeros(flat_size(sizes), dtype=dtype)
    for tensor, view in _views(flat, sizes):
        view[...] = weights[tensor].T
    return flat


def unpack(flat: NDArray[Any], sizes: tuple[int, ...]) -> Weights:
    """Return the parameters of a flat vector as a dict of own copies; the inverse of `pack`."""
    return {name: np.array(view.T, order="C") for name, view in _views(flat, sizes)}


def _views(flat: NDArray[Any], sizes: tuple[int, ...]) -> list[tuple[str, NDArray[Any]]]:
    views: list[tuple[str, NDArray[Any]]] = []
    position = 0
    for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        width = padded(fan_out)
        weight = flat[position : position + fan_in * width].reshape(fan_in, width)
        position += fan_in * width
        views.append((f"layers.{layer}.weight", weight[:, :fan_out]))
        views.append((f"layers.{layer}.bias", flat[position : position + fan_out]))
        position += width
    return views
