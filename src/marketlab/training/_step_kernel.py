"""The compiled training step: forward with dropout, backward, gradient norms, update.

Shape letters: B = batch rows, K = units below, W = units padded to `LANES`, P = all parameters
in the flat layout of `marketlab.models.pack`. Padding is zero and receives no gradient.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketlab.core import FloatArray, IntArray
from marketlab.kernels import accumulate, counter_bits, jit
from marketlab.models import LANES, add_product, add_transposed_product

# Positions in `hyper`, a float64 vector.
RATE, DECAY, DROPOUT, CLIP, OPTIMIZER, ACTIVATION = range(6)
# Rows of `state`, shape (4, P).
THETA, MOMENT_1, MOMENT_2, GRADIENT = range(4)
ADAM, ADAMW, SGD = range(3)
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


@jit
def drop_out(
    out_BW: NDArray[Any],
    gate_BW: NDArray[Any],
    n_units: int,
    n_rows: int,
    probability: float,
    key: np.uint64,
    first: np.uint64,
    stride: np.uint64,
) -> None:
    """Zero each unit with `probability` and scale the others, in `out` and in `gate` alike.

    Unit u of row b is kept where draw ``first + b * stride + u`` of stream `key`, as a number in
    [0, 1), is at least `probability`; the comparison is made on the 53 bits themselves.
    """
    threshold = np.uint64(math.ceil(probability * 9007199254740992.0)) << np.uint64(11)
    zero = out_BW.dtype.type(0.0)
    scale = out_BW.dtype.type(1.0 / (1.0 - probability))
    for b in range(n_rows):
        base = first + np.uint64(b) * stride
        for u in range(n_units):
            keep = counter_bits(key, base + np.uint64(u)) >= threshold
            factor = scale if keep else zero
            out_BW[b, u] = out_BW[b, u] * factor
            gate_BW[b, u] = gate_BW[b, u] * factor


@jit
def cross_entropy(
    logits_BW: NDArray[Any],
    y: IntArray,
    rows: IntArray,
    n_classes: int,
    delta_BW: NDArray[Any],
    sums: FloatArray,
) -> None:
    """Write the gradient of the batch's mean cross entropy; add loss and hits to `sums`."""
    n_rows = rows.shape[0]
    inverse = 1.0 / n_rows
    exponentials = np.empty(n_classes)
    for b in range(n_rows):
        target = y[rows[b]]
        best = 0
        for c in range(1, n_classes):
            if logits_BW[b, c] > logits_BW[b, best]:
                best = c
        top = float(logits_BW[b, best])
        total = 0.0
        for c in range(n_classes):
            exponentials[c] = math.exp(float(logits_BW[b, c]) - top)
            total += exponentials[c]
        for c in range(n_classes):
            share = exponentials[c] / total - (1.0 if c == target else 0.0)
            delta_BW[b, c] = share * inverse
        for c in range(n_classes, delta_BW.shape[1]):
            delta_BW[b, c] = 0.0
        sums[0] += math.log(total) + top - float(logits_BW[b, target])
        sums[1] += 1.0 if best == target else 0.0


@jit
def gradient_norms(gradient: NDArray[Any], sizes: IntArray, norms: FloatArray) -> float:
    """Write the L2 norm of each tensor's gradient (weight, bias per layer); return that of all."""
    squares = np.empty(LANES, dtype=gradient.dtype)
    offset, total = 0, 0.0
    for layer in range(sizes.shape[0] - 1):
        width = (sizes[layer + 1] + LANES - 1) // LANES * LANES
        for part in range(2):
            size = width if part else sizes[layer] * width
            squares[:] = 0.0
            for i in range(offset, offset + size, LANES):
                lane = gradient[i : i + LANES]
                for j in range(LANES):
                    squares[j] = squares[j] + lane[j] * lane[j]
            square = 0.0
            for j in range(LANES):
                square += float(squares[j])
            norms[2 * layer + part] = math.sqrt(square)
            total += square
            offset += size
    return math.sqrt(total)


@jit
def update(state: NDArray[Any], hyper: FloatArray, step: int) -> None:
    """Take one optimiser step: `torch.optim.Adam`, `AdamW` or `SGD` with weight decay."""
    theta, gradient = state[THETA], state[GRADIENT]
    first, second = state[MOMENT_1], state[MOMENT_2]
    kind = state.dtype.type
    rate, decay = kind(hyper[RATE]), kind(hyper[DECAY])
    if hyper[OPTIMIZER] == SGD:
        for i in range(theta.shape[0]):
            theta[i] = theta[i] - rate * (gradient[i] + decay * theta[i])
        return
    coupled, shrink = decay, kind(1.0)
    if hyper[OPTIMIZER] == ADAMW:
        coupled, shrink = kind(0.0), kind(1.0 - hyper[RATE] * hyper[DECAY])
    size = kind(hyper[RATE] / (1.0 - BETA_1**step))
    root = kind(math.sqrt(1.0 - BETA_2**step))
    keep_2, new_1, new_2 = kind(BETA_2), kind(1.0 - BETA_1), kind(1.0 - BETA_2)
    epsilon = kind(EPSILON)
    for i in range(theta.shape[0]):
        weight = theta[i] * shrink
        slope = gradient[i] + coupled * weight
        m = first[i] + (slope - first[i]) * new_1
        v = second[i] * keep_2 + slope * slope * new_2
        first[i] = m
        second[i] = v
        theta[i] = weight - size * (m / (np.sqrt(v) / root + epsilon))


@jit
def backward(
    x_BF: NDArray[Any], state: NDArray[Any], sizes: IntArray, space: NDArray[Any], n_rows: int
) -> None:
    """Fill the gradient from the output's delta, which stands in slot ``2 L`` of `space`.

    `space` has shape (2 L + 2, B, widest): L activations, L gates, the delta of this layer and
    that of the layer below.
    """
    n_layers = sizes.shape[0] - 1
    theta, gradient = state[THETA], state[GRADIENT]
    widest = space.shape[2]
    room = np.empty(widest * widest, dtype=state.dtype)
    ones = np.ones(n_rows, dtype=state.dtype)  # a bias is the weight of an input that is 1
    gradient[:] = 0.0
    offset = gradient.shape[0]
    slot = 2 * n_layers
    for layer in range(n_layers, 0, -1):
        fan_in, units = sizes[layer - 1], sizes[layer]
        width = (units + LANES - 1) // LANES * LANES
        offset -= (fan_in + 1) * width
        end = offset + fan_in * width
        grad_weight = gradient[offset:end].reshape(fan_in, width)
        grad_bias = gradient[end : end + width]
        delta = space[slot]
        accumulate(grad_bias.reshape(1, width), ones, 0, 1, delta, width, 1, n_rows)
        below = x_BF if layer == 1 else space[layer - 2]
        add_transposed_product(below, delta, grad_weight, n_rows)
        if layer == 1:
            return
        below_width = (fan_in + LANES - 1) // LANES * LANES
        turned = room[: units * below_width].reshape(units, below_width)
        weight = theta[offset:end].reshape(fan_in, width)
        for o in range(units):
            for k in range(fan_in):
                turned[o, k] = weight[k, o]
            for k in range(fan_in, below_width):
                turned[o, k] = 0.0
        slot = 4 * n_layers + 1 - slot
        passed, gate = space[slot], space[n_layers + layer - 2]
        for b in range(n_rows):
            for j in range(below_width):
                passed[b, j] = 0.0
        add_product(delta, turned, passed, n_rows)
        for b in range(n_rows):
            for j in range(below_width):
                passed[b, j] = passed[b, j] * gate[b, j]
