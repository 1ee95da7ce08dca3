"""Sums of products of rows, in pieces too small for BLAS to start threads.

Threads that spin for each other make these products up to fifty times slower on a machine whose
cores are busy (a campaign's always are), and gain less than a factor of two on an idle one.
"""

from marketlab.core import FloatArray

_TILE = 48
_PIECE = 250_000  # OpenBLAS multiplies up to 4 * 65,536 products in the calling thread


def add_products(a: FloatArray, b: FloatArray, out: FloatArray) -> None:
    """Add ``a @ b.T`` to `out`, for `a` (m, n_bars) and `b` (n, n_bars)."""
    tile = min(_TILE, max(len(a), len(b)))
    bars = max(1, _PIECE // tile**2)
    for i in range(0, len(a), tile):
        for j in range(0, len(b), tile):
            corner = out[i : i + tile, j : j + tile]
            for start in range(0, a.shape[1], bars):
                stop = start + bars
                corner += a[i : i + tile, start:stop] @ b[j : j + tile, start:stop].T
