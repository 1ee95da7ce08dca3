"""Labels dealt anew: only where they lie in the future, and in blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import label_overlap, permuted_labels


def forward(n, horizon, step=1):
    bar = np.arange(0, n * step, step)
    return bar + 1, bar + horizon, bar


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(100, 300),
    horizon=st.integers(1, 4),
    extra=st.integers(0, 1),
)
@settings(deadline=None, max_examples=25)
def test_blocks_are_dealt_whole(seed, n, horizon, extra):
    start, end, bar = forward(n, horizon)
    block = label_overlap(start, end) + 1 + extra
    assert block == horizon + extra
    value = np.arange(n)  # every label names its sample
    if -(-n // block) < 20:
        return
    dealt = permuted_labels(value, start, end, bar, seed=seed, block_samples=block)
    assert sorted(dealt.tolist()) == value.tolist()
    np.testing.assert_array_equal(
        dealt, permuted_labels(value, start, end, bar, seed=seed, block_samples=block)
    )
    seams = np.flatnonzero(np.diff(dealt) != 1)
    begins = np.r_[0, seams + 1]
    assert np.all(dealt[begins] % block == 0)


def test_every_label_may_come_anywhere():
    start, end, bar = forward(30, 1)
    first = {
        int(permuted_labels(np.arange(30), start, end, bar, seed=1, path=(b,))[0])
        for b in range(400)
    }
    assert first == set(range(30))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ([1, 2, 3], [1, 2, 3], 0),
        ([1, 2, 3], [3, 4, 5], 2),
        ([1, 9, 2], [2, 9, 3], 2),  # starts need not ascend
        ([], [], 0),
        ([1], [50], 0),
    ],
)
def test_overlap(start, end, expected):
    found = label_overlap(np.array(start, dtype=np.int64), np.array(end, dtype=np.int64))
    assert found == expected


def test_zigzag_and_labels_of_their_own_bar_are_refused():
    start, end, bar = forward(200, 3)
    zigzag_start = bar - bar % 10  # the leg's left extreme
    with pytest.raises(DataError, match=r"200 of 200 do not .sample 0 lies at bar 0 .* at bar 0"):
        permuted_labels(bar, zigzag_start, end, bar, seed=1, block_samples=20)
    one = start.copy()
    one[7] = bar[7]
    with pytest.raises(DataError, match=r"1 of 200 do not .sample 7 lies at bar 7") as caught:
        permuted_labels(bar, one, end, bar, seed=1, block_samples=20)
    assert caught.value.code == "DATA-LabelPermutation"
    assert "sign_flip" in str(caught.value)


def test_other_refusals():
    start, end, bar = forward(100, 5)
    with pytest.raises(ConfigError, match=r"up to 4 samples after it, .* 5 samples or more; .* 4"):
        permuted_labels(bar, start, end, bar, seed=1, block_samples=4)
    with pytest.raises(DataError, match="20 blocks or more; 100 samples in blocks of 6 give 17"):
        permuted_labels(bar, start, end, bar, seed=1, block_samples=6)
    with pytest.raises(DataError, match="one-dimensional and of one length"):
        permuted_labels(bar[1:], start, end, bar, seed=1, block_samples=5)
