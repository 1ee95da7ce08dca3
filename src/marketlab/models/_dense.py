"""Compiled matrix products for small nets: no BLAS, so one row and a batch agree bit for bit.

Each output element is one left-to-right sum over the inner index, whatever the number of rows;
vectors run over the output units, so no sum is reordered (`marketlab.kernels.accumulate`).

B = rows, K = inner units, W = output units padded to `LANES`. Buffers of activations may be wider
and taller than needed; a weight matrix has exactly the shape (inner, width).
"""

from typing import Any

from numpy.typing import NDArray

from marketlab.kernels import accumulate, jit

LANES = 8
"""Rows of weights and activations are padded with zeros to a multiple of this."""


@jit
def add_product(a_BK: NDArray[Any], w_KW: NDArray[Any], out_BW: NDArray[Any], n_rows: int) -> None:
    """Add ``a @ w`` to the first `n_rows` rows of `out`."""
    inner, width = w_KW.shape
    accumulate(out_BW, a_BK, a_BK.shape[1], 1, w_KW, width, n_rows, inner)


@jit
def add_transposed_product(
    a_BK: NDArray[Any], d_BW: NDArray[Any], out_KW: NDArray[Any], n_rows: int
) -> None:
    """Add ``a.T @ d`` over the first `n_rows` rows to `out`: the gradient of a weight matrix."""
    inner, width = out_KW.shape
    accumulate(out_KW, a_BK, 1, a_BK.shape[1], d_BW, width, inner, n_rows)
