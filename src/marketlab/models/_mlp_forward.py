"""The compiled forward pass of a multi-layer perceptron and its forecast.

B = rows, W = units of a layer padded to `LANES`, C = classes. `sizes` holds the real units of
every layer, inputs first; `flat` is the parameter vector of `marketlab.models._mlp_config.pack`.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketlab.core import FloatArray, IntArray
from marketlab.kernels import jit, register_warmup
from marketlab.models._dense import LANES, add_product

RELU, LEAKY_RELU, TANH, SIGMOID = range(4)
_CHUNK = 64


@jit
def affine(
    a_BK: NDArray[Any],
    flat: NDArray[Any],
    offset: int | np.int64,
    fan_in: int,
    out_BW: NDArray[Any],
    width: int,
    n_rows: int,
) -> None:
    """Write ``bias + a @ weight`` of the layer that begins at `offset` of `flat`."""
    end = offset + fan_in * width
    weight = flat[offset:end].reshape(fan_in, width)
    bias = flat[end : end + width]
    for b in range(n_rows):
        for j in range(width):
            out_BW[b, j] = bias[j]
    add_product(a_BK, weight, out_BW, n_rows)


@jit
def activate(
    out_BW: NDArray[Any], gate_BW: NDArray[Any], width: int, n_rows: int, code: int
) -> None:
    """Apply the activation in place and write its derivative to `gate`."""
    zero, one = out_BW.dtype.type(0.0), out_BW.dtype.type(1.0)
    below = zero if code == RELU else out_BW.dtype.type(0.01)
    for b in range(n_rows):
        if code <= LEAKY_RELU:
            for j in range(width):
                factor = one if out_BW[b, j] > zero else below
                gate_BW[b, j] = factor
                out_BW[b, j] = out_BW[b, j] * factor
        elif code == TANH:
            for j in range(width):
                value = math.tanh(out_BW[b, j])
                out_BW[b, j] = value
                gate_BW[b, j] = one - value * value
        else:
            for j in range(width):
                value = one / (one + math.exp(-out_BW[b, j]))
                out_BW[b, j] = value
                gate_BW[b, j] = value * (one - value)


@jit
def softmax_rows(
    logits_BW: NDArray[Any], n_rows: int, start: int, out_NC: FloatArray, log_NC: FloatArray
) -> None:
    """Write probabilities and their logarithms, in float64, to rows ``start …`` of the outputs."""
    n_classes = out_NC.shape[1]
    for b in range(n_rows):
        top = float(logits_BW[b, 0])
        for c in range(1, n_classes):
            top = max(top, float(logits_BW[b, c]))
        total = 0.0
        for c in range(n_classes):
            log_NC[start + b, c] = float(logits_BW[b, c]) - top
            out_NC[start + b, c] = math.exp(log_NC[start + b, c])
            total += out_NC[start + b, c]
        log_total = math.log(total)
        for c in range(n_classes):
            out_NC[start + b, c] /= total
            log_NC[start + b, c] -= log_total


@jit
def forecast(
    x_NF: NDArray[Any],
    flat: NDArray[Any],
    sizes: IntArray,
    code: int,
    out_NC: FloatArray,
    log_NC: FloatArray,
) -> None:
    """Write class probabilities and their logarithms; each row is computed by itself."""
    n_layers = sizes.shape[0] - 1
    widest = 0
    for layer in range(1, n_layers + 1):
        widest = max(widest, (sizes[layer] + LANES - 1) // LANES * LANES)
    space = np.empty((3, _CHUNK, widest), dtype=flat.dtype)
    for start in range(0, x_NF.shape[0], _CHUNK):
        rows = min(_CHUNK, x_NF.shape[0] - start)
        below = x_NF[start : start + rows]
        offset = np.int64(0)
        for layer in range(1, n_layers + 1):
            width = (sizes[layer] + LANES - 1) // LANES * LANES
            out = space[layer % 2]
            affine(below, flat, offset, sizes[layer - 1], out, width, rows)
            if layer < n_layers:
                activate(out, space[2], width, rows, code)
            offset += (sizes[layer - 1] + 1) * width
            below = out
        softmax_rows(below, rows, start, out_NC, log_NC)


@register_warmup("perceptron forecast")
def _warm() -> None:
    sizes = np.array([2, 8, 3], dtype=np.int64)
    flat = np.zeros(3 * 8 + 9 * 8, dtype=np.float32)
    x, out = np.zeros((1, 2), dtype=np.float32), np.empty((1, 3))
    forecast(x, flat, sizes, RELU, out, out.copy())
