"""The compiled epoch: a run of batches in one call, and the statistics that it leaves."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketlab.core import FloatArray, IntArray
from marketlab.kernels import jit, register_warmup
from marketlab.models import LANES, activate, affine
from marketlab.training._step_kernel import (
    ACTIVATION,
    CLIP,
    DROPOUT,
    GRADIENT,
    THETA,
    backward,
    cross_entropy,
    drop_out,
    gradient_norms,
    update,
)

# Positions in `sums`, a float64 vector; from NORMS on, one sum of norms per tensor.
LOSS, HITS, NORM_AVERAGE, NORM_LARGEST, NORMS = range(5)
CANCEL_SLOT, BATCH_SLOT = 0, 4
RUNNING, CANCELLED, DIVERGED = range(3)


@jit
def run_batches(
    x_NF: NDArray[Any],
    y: IntArray,
    order: IntArray,
    sizes: IntArray,
    state: NDArray[Any],
    hyper: FloatArray,
    counters: IntArray,
    control: IntArray,
    sums: FloatArray,
    key: np.uint64,
) -> int:
    """Train on batches ``counters[0] … counters[1] - 1`` of one epoch; return how it ended.

    `counters` is (next batch, end batch, batch size, epoch, optimiser steps so far); the first
    and the last are moved on after each whole step. `control` is the array of `Progress`: it is
    read before each batch and shows the batch number to others. A loss that is not finite ends
    the run before the update, with ``counters[0]`` at the offending batch. Norms are summed where
    `sums` has room for them; with `NORMS` elements it holds loss and hits, and zeros.
    """
    n_layers = sizes.shape[0] - 1
    batch_size, n_inputs = counters[2], sizes[0]
    widest, hidden = (n_inputs + LANES - 1) // LANES * LANES, 0
    for layer in range(1, n_layers + 1):
        widest = max(widest, (sizes[layer] + LANES - 1) // LANES * LANES)
        hidden += sizes[layer] if layer < n_layers else 0
    space = np.zeros((2 * n_layers + 2, batch_size, widest), dtype=state.dtype)
    x_BF = np.empty((batch_size, n_inputs), dtype=state.dtype)
    norms = np.empty(2 * n_layers)
    code, probability = int(hyper[ACTIVATION]), hyper[DROPOUT]
    total, measured = 0.0, sums.shape[0] > NORMS or hyper[CLIP] > 0.0
    n_batches = (order.shape[0] + batch_size - 1) // batch_size
    while counters[0] < counters[1]:
        if control[CANCEL_SLOT] != 0:
            return CANCELLED
        batch = counters[0]
        rows = order[batch * batch_size : min((batch + 1) * batch_size, order.shape[0])]
        n_rows = rows.shape[0]
        for b in range(n_rows):
            for f in range(n_inputs):
                x_BF[b, f] = x_NF[rows[b], f]
        below, offset = x_BF, np.int64(0)
        draw = np.uint64((counters[3] * n_batches + batch) * batch_size * hidden)
        for layer in range(1, n_layers + 1):
            width = (sizes[layer] + LANES - 1) // LANES * LANES
            out = space[layer - 1]
            affine(below, state[THETA], offset, sizes[layer - 1], out, width, n_rows)
            if layer < n_layers:
                gate = space[n_layers + layer - 1]
                activate(out, gate, width, n_rows, code)
                if probability > 0.0:
                    drop_out(
                        out, gate, sizes[layer], n_rows, probability, key, draw, np.uint64(hidden)
                    )
                    draw += np.uint64(sizes[layer])
            offset += (sizes[layer - 1] + 1) * width
            below = out
        before = sums[LOSS]
        cross_entropy(below, y, rows, sizes[n_layers], space[2 * n_layers], sums)
        if not math.isfinite(sums[LOSS]):
            sums[LOSS] = before
            return DIVERGED
        backward(x_BF, state, sizes, space, n_rows)
        if measured:
            total = gradient_norms(state[GRADIENT], sizes, norms)
        if hyper[CLIP] > 0.0:
            ratio = hyper[CLIP] / (total + 1e-6)
            if ratio < 1.0:
                gradient = state[GRADIENT]
                factor = state.dtype.type(ratio)
                for i in range(gradient.shape[0]):
                    gradient[i] = gradient[i] * factor
        largest = 0.0
        for t in range(sums.shape[0] - NORMS):
            largest = max(largest, norms[t])
            sums[NORMS + t] += norms[t]
        if sums.shape[0] > NORMS:
            sums[NORM_AVERAGE] += total / (2 * n_layers)
            sums[NORM_LARGEST] += largest
        counters[4] += 1
        update(state, hyper, counters[4])
        counters[0] += 1
        control[BATCH_SLOT] = counters[0]
    return RUNNING


@register_warmup("training step")
def _warm() -> None:
    sizes = np.array([2, 8, 3], dtype=np.int64)
    state = np.zeros((4, 3 * 8 + 9 * 8), dtype=np.float32)
    hyper = np.array([1e-3, 0.0, 0.5, 0.0, 0.0, 0.0])
    counters = np.array([0, 1, 2, 0, 0], dtype=np.int64)
    run_batches(
        np.zeros((2, 2), dtype=np.float32),
        np.zeros(2, dtype=np.int64),
        np.arange(2),
        sizes,
        state,
        hyper,
        counters,
        np.zeros(16, dtype=np.int64),
        np.zeros(NORMS + 4),
        np.uint64(1),
    )
