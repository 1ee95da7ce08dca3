"""Tiled products: bit for bit the left-to-right sums of a plain loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba.core.errors import TypingError

from marketlab.kernels import accumulate


@given(
    dtype=st.sampled_from([np.float32, np.float64]),
    n_rows=st.integers(1, 9),
    n_steps=st.integers(0, 7),
    vectors=st.integers(1, 5),
    extra=st.integers(0, 2),
    transposed=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_each_element_is_one_left_to_right_sum(
    dtype, n_rows, n_steps, vectors, extra, transposed, seed
):
    rng = np.random.default_rng(seed)
    width = 8 * vectors
    out = rng.normal(size=(n_rows + 1, width + 8 * extra)).astype(dtype)
    a = rng.normal(size=(n_steps, n_rows) if transposed else (n_rows, n_steps)).astype(dtype)
    w = rng.normal(size=(n_steps, width + 8 * extra)).astype(dtype)
    expected = out.copy()
    for s in range(n_steps):
        column = a[s] if transposed else a[:, s]
        expected[:n_rows, :width] = expected[:n_rows, :width] + column[:, None] * w[s, :width]
    row, step = (1, n_rows) if transposed else (n_steps, 1)
    accumulate(out, a, row, step, w, width, n_rows, n_steps)
    np.testing.assert_array_equal(out, expected)


def test_mixed_types_are_refused():
    out, a = np.zeros((1, 8)), np.zeros((1, 1), np.float32)
    with pytest.raises(TypingError):
        accumulate(out, a, 1, 1, np.zeros((1, 8)), 8, 1, 1)
