"""Compiled matrix products for small nets: no BLAS, so one row and a batch agree bit for bit.

Each output element is one left-to-right sum over the inner index, whatever the number of rows;
the loop over output units is the innermost one, so it vectorises without reordering any sum.
Two rows and four inner steps are taken at a time only to reuse loads.

B = rows, K = inner units, W = output units padded to `LANES`. Buffers of activations may be wider
and taller than needed; a weight matrix has exactly the shape (inner, width).
"""

from typing import Any

from numpy.typing import NDArray

from marketlab.kernels import jit

LANES = 8
"""Rows of weights and activations are padded with zeros to a multiple of this."""


@jit
def add_product(a_BK: NDArray[Any], w_KW: NDArray[Any], out_BW: NDArray[Any], n_rows: int) -> None:
    """Add ``a @ w`` to the first `n_rows` rows of `out`."""
    inner, width = w_KW.shape
    quads = inner - inner % 4
    pairs = n_rows - n_rows % 2
    for b in range(0, pairs, 2):
        for k in range(0, quads, 4):
            a0, a1, a2, a3 = a_BK[b, k], a_BK[b, k + 1], a_BK[b, k + 2], a_BK[b, k + 3]
            c0, c1 = a_BK[b + 1, k], a_BK[b + 1, k + 1]
            c2, c3 = a_BK[b + 1, k + 2], a_BK[b + 1, k + 3]
            for j in range(width):
                w0, w1, w2, w3 = w_KW[k, j], w_KW[k + 1, j], w_KW[k + 2, j], w_KW[k + 3, j]
                out_BW[b, j] = out_BW[b, j] + a0 * w0 + a1 * w1 + a2 * w2 + a3 * w3
                out_BW[b + 1, j] = out_BW[b + 1, j] + c0 * w0 + c1 * w1 + c2 * w2 + c3 * w3
        for k in range(quads, inner):
            a0, c0 = a_BK[b, k], a_BK[b + 1, k]
            for j in range(width):
                out_BW[b, j] = out_BW[b, j] + a0 * w_KW[k, j]
                out_BW[b + 1, j] = out_BW[b + 1, j] + c0 * w_KW[k, j]
    for b in range(pairs, n_rows):
        for k in range(inner):
            a0 = a_BK[b, k]
            for j in range(width):
                out_BW[b, j] = out_BW[b, j] + a0 * w_KW[k, j]


@jit
def add_transposed_product(
    a_BK: NDArray[Any], d_BW: NDArray[Any], out_KW: NDArray[Any], n_rows: int
) -> None:
    """Add ``a.T @ d`` over the first `n_rows` rows to `out`: the gradient of a weight matrix."""
    inner, width = out_KW.shape
    quads = n_rows - n_rows % 4
    pairs = inner - inner % 2
    for k in range(0, pairs, 2):
        for b in range(0, quads, 4):
            a0, a1, a2, a3 = a_BK[b, k], a_BK[b + 1, k], a_BK[b + 2, k], a_BK[b + 3, k]
            c0, c1 = a_BK[b, k + 1], a_BK[b + 1, k + 1]
            c2, c3 = a_BK[b + 2, k + 1], a_BK[b + 3, k + 1]
            for j in range(width):
                d0, d1, d2, d3 = d_BW[b, j], d_BW[b + 1, j], d_BW[b + 2, j], d_BW[b + 3, j]
                out_KW[k, j] = out_KW[k, j] + a0 * d0 + a1 * d1 + a2 * d2 + a3 * d3
                out_KW[k + 1, j] = out_KW[k + 1, j] + c0 * d0 + c1 * d1 + c2 * d2 + c3 * d3
        for b in range(quads, n_rows):
            a0, c0 = a_BK[b, k], a_BK[b, k + 1]
            for j in range(width):
                out_KW[k, j] = out_KW[k, j] + a0 * d_BW[b, j]
                out_KW[k + 1, j] = out_KW[k + 1, j] + c0 * d_BW[b, j]
    for k in range(pairs, inner):
        for b in range(n_rows):
            a0 = a_BK[b, k]
            for j in range(width):
                out_KW[k, j] = out_KW[k, j] + a0 * d_BW[b, j]
