"""Folds without training or without enough positives are named with their numbers."""

import numpy as np
import pytest

from marketlab.core import DataError
from marketlab.evaluation import (
    ChunkSplit,
    CombinatorialPurgedCV,
    RatioSplit,
    fold_problems,
    require_usable_folds,
)


def test_one_sample_per_chunk_cannot_rank_trials():
    """Trap T3: 19 validation samples hold about 2 positives."""
    bar = np.arange(59, 8072, dtype=np.int64)
    fold = ChunkSplit(context_bars=60, horizon_bars=1).split(bar, bar + 1, bar)
    y = (np.arange(len(bar)) % 9 == 0).astype(np.int64)
    found = fold_problems([fold], y, positives=(1,), minimum=50)
    positives = int(y[fold.validation].sum())
    assert found[0] == (
        f"fold 0: the validation part holds {positives} samples of class 1 among 19; at least 50 "
        "are needed."
    )
    assert len(found) == 2  # validation and test; training has hundreds
    dense = ChunkSplit(context_bars=60, horizon_bars=1, samples_per_chunk="dense")
    folds = dense.folds(bar, bar + 1, bar)
    assert fold_problems(folds, y, positives=(1,), minimum=50) == ()


def test_parts_that_a_splitter_does_not_give_need_no_positives():
    bar = np.arange(40, dtype=np.int64)
    folds = CombinatorialPurgedCV(n_groups=4, n_test_groups=1).folds(bar, bar, bar)
    y = np.where(bar < 10, 2, bar % 3)
    found = fold_problems(folds, y, positives=(0, 2), minimum=1)
    assert found == (
        "fold 0: the test part holds 0 samples of class 0 among 10; at least 1 are needed.",
    )


def test_exactly_the_minimum_is_enough():
    bar = np.arange(20, dtype=np.int64)
    folds = RatioSplit(train=0.5, validation=0.25, test=0.25).folds(bar, bar, bar)
    y = np.ones(20, dtype=np.int64)
    assert fold_problems(folds, y, positives=(1,), minimum=5) == ()
    assert len(fold_problems(folds, y, positives=(1,), minimum=6)) == 2


def test_no_training_is_refused_with_every_problem():
    bar = np.arange(20, dtype=np.int64)
    folds = RatioSplit(train=0.7, validation=0.15, test=0.15).folds(bar, np.full(20, 19), bar)
    with pytest.raises(DataError, match="cannot be judged: fold 0: the training part") as caught:
        require_usable_folds(folds, np.zeros(20, np.int64), positives=(0,), minimum=1)
    assert caught.value.code == "DATA-UnusableFold"
    assert len(caught.value.details["problems"]) == 2
    good = RatioSplit(train=0.7, validation=0.15, test=0.15).folds(bar, bar, bar)
    require_usable_folds(good, np.zeros(20, np.int64), positives=(0,), minimum=1)


def test_refuses_other_classes_and_no_minimum():
    bar = np.arange(20, dtype=np.int64)
    folds = RatioSplit(train=0.7, validation=0.15, test=0.15).folds(bar, bar, bar)
    with pytest.raises(DataError, match="splits 20 samples, but there are 19 classes"):
        fold_problems(folds, np.zeros(19, np.int64), positives=(0,), minimum=1)
    with pytest.raises(DataError, match="minimum must be at least 1; received 0"):
        fold_problems(folds, np.zeros(20, np.int64), positives=(0,), minimum=0)
