"""Reads a boosted ensemble of trees, row by row, from plain arrays."""

import math

import numpy as np

from marketlab.core import FloatArray, IntArray
from marketlab.kernels import jit, register_warmup


@jit
def ensemble_scores(
    x_NF: FloatArray,
    roots: IntArray,
    column: IntArray,
    feature: IntArray,
    threshold: FloatArray,
    children: IntArray,
    value: FloatArray,
    out_NC: FloatArray,
) -> None:
    """Add to out_NC[i, column[t]] the leaf that row i reaches in each tree t, trees in order.

    Nodes of all trees lie in one table: `children` (n_nodes, 2) holds left and right, -1 in a
    leaf; a row goes left where x[feature] <= threshold.
    """
    for i in range(x_NF.shape[0]):
        for t in range(roots.shape[0]):
            node = roots[t]
            while children[node, 0] >= 0:
                if x_NF[i, feature[node]] <= threshold[node]:
                    node = children[node, 0]
                else:
                    node = children[node, 1]
            out_NC[i, column[t]] += value[node]


@jit
def softmax_rows(out_NC: FloatArray) -> None:
    """Turn each row of scores into probabilities, in place, each row by itself."""
    for i in range(out_NC.shape[0]):
        top = out_NC[i, 0]
        for c in range(1, out_NC.shape[1]):
            top = max(top, out_NC[i, c])
        total = 0.0
        for c in range(out_NC.shape[1]):
            out_NC[i, c] = math.exp(out_NC[i, c] - top)
            total += out_NC[i, c]
        for c in range(out_NC.shape[1]):
            out_NC[i, c] /= total


@register_warmup("tree ensemble")
def _warm() -> None:
    one = np.zeros(1, dtype=np.int64)
    leaf = np.full((1, 2), -1, dtype=np.int64)
    out = np.zeros((1, 2))
    ensemble_scores(np.zeros((1, 1)), one, one, one, np.zeros(1), leaf, np.zeros(1), out)
    softmax_rows(out)
