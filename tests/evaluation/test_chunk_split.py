"""ChunkSplit: bit-exact counts of the scaling laboratory, and what it says about itself."""

import numpy as np
import pytest

from marketlab.core import ConfigError
from marketlab.evaluation import ChunkSplit


def table(n, context, horizon):
    bar = np.arange(context - 1, n - horizon, dtype=np.int64)
    return bar.copy(), bar + horizon, bar


def legacy(n, context, horizon, *, ratios=(0.15, 0.15), seed=42, mode="scattered"):
    """The original's rule written out once more, on sample starts, without our code."""
    chunk = context + horizon
    k = n // chunk
    n_val, n_test = max(1, int(k * ratios[0])), max(1, int(k * ratios[1]))
    order = np.arange(k)
    if mode == "scattered":
        np.random.default_rng(seed).shuffle(order)
        val, test = sorted(order[:n_val]), sorted(order[n_val : n_val + n_test])
    else:
        val, test = order[k - n_val - n_test : k - n_test], order[k - n_test :]
    held = set()
    for c in (*val, *test):
        held.update(range(c * chunk, (c + 1) * chunk))
    train = [t for t in range(n - chunk + 1) if not any(r in held for r in (t, t + chunk - 1))]
    train = [t for t in train if held.isdisjoint(range(t, t + chunk))]
    return train, [c * chunk for c in val], [c * chunk for c in test]


@pytest.mark.parametrize(
    ("n", "horizon", "mode", "ratios", "counts"),
    [
        (8073, 1, "scattered", (0.15, 0.15), (132, 19, 19, 4075, 1222)),
        (8073, 2, "scattered", (0.15, 0.15), (130, 19, 19, 4240, 1272)),
        (8073, 3, "scattered", (0.15, 0.15), (128, 19, 19, 4182, 1254)),
        (8073, 5, "scattered", (0.15, 0.15), (124, 18, 18, 4312, 1293)),
        (8100, 1, "contiguous", (0.15, 0.15), (132, 19, 19, 5674, 1702)),
        (8100, 1, "contiguous", (0.008, 0.031), (132, 1, 4, 7687, 2306)),
    ],
)
def test_the_table_of_the_reference(n, horizon, mode, ratios, counts):
    split = ChunkSplit(
        context_bars=60, horizon_bars=horizon, mode=mode, validation=ratios[0], test=ratios[1]
    )
    fold = split.split(*table(n, 60, horizon))
    found = (len(fold.validation), len(fold.test), len(fold.train), len(split.hpo_subset(fold)))
    assert (fold.details["chunks"], *found) == counts
    train, validation, test = legacy(n, 60, horizon, ratios=ratios, mode=mode)
    assert fold.train.tolist() == train  # of a full table, a sample's position is its start row
    assert fold.validation.tolist() == validation
    assert fold.test.tolist() == test


def test_the_positions_that_the_reference_prints():
    split = ChunkSplit(context_bars=60, horizon_bars=1)
    fold = split.split(*table(8073, 60, 1))
    assert fold.validation[:6].tolist() == [0, 122, 183, 244, 1220, 1708]
    assert fold.test[:6].tolist() == [732, 793, 1098, 1464, 1525, 2013]
    assert (fold.validation[-1], fold.test[-1]) == (7076, 7564)
    assert (fold.train[0], fold.train[-1]) == (61, 8012)
    subset = split.hpo_subset(fold)
    assert subset[:5].tolist() == [320, 321, 324, 325, 328]
    assert subset[-1] == 8012
    split = ChunkSplit(context_bars=60, horizon_bars=1, mode="contiguous")
    fold = split.split(*table(8100, 60, 1))
    assert (fold.validation[0], fold.validation[-1] + 60) == (5734, 6892)
    assert (fold.test[0], fold.test[-1] + 60) == (6893, 8051)


@pytest.mark.parametrize(
    ("horizon", "counts"), [(1, (1099, 1159)), (3, (1099, 1159)), (5, (1038, 1098))]
)
def test_dense_ranking_keeps_the_training_set(horizon, counts):
    columns = table(8073, 60, horizon)
    one = ChunkSplit(context_bars=60, horizon_bars=horizon)
    dense = one.model_copy(update={"samples_per_chunk": "dense"})
    fold = dense.split(*columns)
    assert (len(fold.validation), len(fold.test)) == counts
    np.testing.assert_array_equal(fold.train, one.split(*columns).train)
    _, end, bar = columns
    read = np.zeros(8073, dtype=bool)
    for t in fold.train:
        read[bar[t] - 59 : end[t] + 1] = True
    for t in (*fold.validation, *fold.test):
        assert not read[bar[t] + 1 : end[t] + 1].any()


def test_dense_takes_no_label_that_reads_nothing_of_its_chunk():
    bar = np.arange(2, 400, dtype=np.int64)
    split = ChunkSplit(context_bars=3, horizon_bars=1, samples_per_chunk="dense")
    fold = split.split(bar, bar, bar)  # labels of the bar itself: nothing after it is read
    assert (len(fold.validation), len(fold.test)) == (0, 0)
    assert len(fold.degenerate_reasons) == 2


def test_the_warning_states_how_few_samples_it_leaves():
    fold = ChunkSplit(context_bars=60, horizon_bars=1).split(*table(8073, 60, 1))
    (warning,) = fold.warnings
    assert warning == (
        "chunk split (one sample per held-out chunk): of 8,013 samples 4,075 train, only 19 "
        "validate and 19 test; 3,900 touch a held-out chunk and are not used. For hyper-parameter "
        "search only: it trains on what comes after validation."
    )
    assert fold.facts()["warnings"] == list(fold.warnings)
    assert not fold.causal


def test_labels_of_another_horizon_are_told():
    fold = ChunkSplit(context_bars=60, horizon_bars=5).split(*table(8073, 60, 1))
    assert "horizon_bars is 5, but labels read up to 1 bars ahead" in fold.warnings[1]


def test_a_label_that_reaches_back_into_a_held_out_chunk_does_not_train():
    split = ChunkSplit(context_bars=3, horizon_bars=1)
    bar = np.arange(2, 399, dtype=np.int64)
    forward = split.split(bar, bar + 1, bar)
    held_rows = {row for t in (*forward.validation, *forward.test) for row in range(t, t + 4)}
    reaching = [t for t in forward.train if not held_rows.isdisjoint(range(bar[t] - 20, bar[t]))]
    assert 0 < len(reaching) < len(forward.train)
    legs = split.split(np.maximum(bar - 20, 0), bar + 1, bar)  # zigzag: the leg began 20 bars ago
    assert legs.train.tolist() == [t for t in forward.train if t not in set(reaching)]


def test_too_few_chunks_are_reported_with_the_numbers():
    fold = ChunkSplit(context_bars=60, horizon_bars=1).split(*table(304, 60, 1))
    assert fold.degenerate_reasons[0] == (
        "the training part is empty: 304 rows hold 4 chunks of 61 rows; at least 5 are needed, one "
        "of them for training, and 1 + 1 are held out."
    )
    assert fold.outside == fold.n_samples == 244
    enough = ChunkSplit(context_bars=60, horizon_bars=1).split(*table(305, 60, 1))
    assert (len(enough.validation), len(enough.test)) == (1, 1)


def test_shares_must_leave_training():
    with pytest.raises(ConfigError, match=r"must sum to less than 1; received 0.5 \+ 0.5"):
        ChunkSplit.from_mapping(
            {"context_bars": 60, "horizon_bars": 1, "validation": 0.5, "test": 0.5}
        )
