"""From stored columns to training rows."""

import numpy as np

from marketlab.core import Float32Array, FloatArray, IntArray
from marketlab.kernels._jit import jit, register_warmup


@jit
def gather_rows(
    columns: FloatArray, row: IntArray, shift: IntArray, positions: IntArray, out: Float32Array
) -> int:
    """Write ``out[i, f] = columns[row[f], positions[i] + shift[f]]``; count the not finite ones.

    Parameters
    ----------
    columns : (n_columns, width) feature-major float64.
    row, shift : (n_features,); the column of each feature, and how far its bar 0 lies to the
        right in it (a lagged feature has a smaller shift).
    positions : (n,) bar positions.
    out : (n, n_features) float32, row-major.
    """
    bad = 0
    for i in range(positions.shape[0]):
        bar = positions[i]
        for f in range(row.shape[0]):
            value = columns[row[f], bar + shift[f]]
            if not np.isfinite(value):
                bad += 1
            out[i, f] = value
    return bad


@register_warmup("row gathering")
def _warm() -> None:
    zero = np.zeros(1, dtype=np.int64)
    columns = np.ones((1, 2))
    out = np.empty((1, 1), dtype=np.float32)
    gather_rows(columns, zero, zero, zero, out)
    columns.flags.writeable = False  # as memory-mapped and shared matrices are
    gather_rows(columns, zero, zero, zero, out)
