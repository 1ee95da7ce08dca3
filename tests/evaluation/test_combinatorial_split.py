"""CombinatorialPurgedCV against skfolio's numbers, purgedcv and brute force."""

import json
import warnings
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from purgedcv import CombinatorialPurgedCV as Oracle
from purgedcv import reconstruct_paths

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import CombinatorialPurgedCV


def table(n, horizon=0):
    bar = np.arange(n, dtype=np.int64)
    return bar, bar + horizon, bar.copy()


shapes = st.integers(2, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1)))


@pytest.mark.parametrize(
    ("horizon", "embargo", "trains"),
    [
        (1, 0, [[9, 10, 11], [5, 6], [0, 1, 2]]),
        (0, 1, [[9, 10, 11], [5, 6, 7], [0, 1, 2, 3]]),
    ],
)
def test_the_numbers_of_skfolio(horizon, embargo, trains):
    # skfolio 0.20.1 (BSD-3), 12 rows, 3 folds, 2 test folds, purge 1 and embargo 1; peers.md, 6.9
    split = CombinatorialPurgedCV(n_groups=3, n_test_groups=2, embargo_bars=embargo)
    folds = split.folds(*table(12, horizon))
    assert [fold.train.tolist() for fold in folds] == trains
    assert [fold.details["test_groups"] for fold in folds] == [[0, 1], [0, 2], [1, 2]]


GOLDEN = json.loads((Path(__file__).parent / "golden" / "skfolio_cpcv.json").read_text())


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda c: f"{c['n']} rows")
def test_indices_and_paths_of_skfolio(case):
    """Written by skfolio in an environment of its own: groups, purging or embargo, and paths.

    Rows divide by the groups in every case: those that do not it gives to the last group, and we
    one each to the first ones.
    """
    n, n_groups = case["n"], case["n_folds"]
    split = CombinatorialPurgedCV(
        n_groups=n_groups,
        n_test_groups=case["n_test_folds"],
        embargo_bars=case["embargo_size"],
    )
    folds = split.folds(*table(n, case["purged_size"]))
    assert len(folds) == len(case["folds"])
    # Theirs: the path of each test block of each fold, folds in the same order.
    assert np.max(case["paths"]) + 1 == split.n_paths
    for k, (fold, (trains, tests)) in enumerate(zip(folds, case["folds"], strict=True)):
        np.testing.assert_array_equal(fold.train, spread(trains))
        np.testing.assert_array_equal(fold.test, spread(run for block in tests for run in block))
        for group, path in zip(fold.details["test_groups"], case["paths"][k], strict=True):
            assert split.paths()[path, group] == k


def spread(runs):
    """Return the positions of runs [first, last]."""
    parts = [np.arange(first, last + 1) for first, last in runs]
    return np.concatenate([np.empty(0, dtype=np.int64), *parts])


@given(
    shape=shapes,
    n=st.integers(8, 90),
    longest=st.integers(0, 5),
    equal=st.booleans(),
    embargo=st.integers(0, 4),
    seed=st.integers(0, 999),
)
@settings(deadline=None, max_examples=40)
def test_agrees_with_purgedcv(shape, n, longest, equal, embargo, seed):
    bar, end, _ = table(n, longest)
    if not equal:
        end = bar + np.random.default_rng(seed).integers(0, longest + 1, size=n)
    split = CombinatorialPurgedCV(n_groups=shape[0], n_test_groups=shape[1], embargo_bars=embargo)
    first = pd.Timestamp("2020-01-01")
    oracle = Oracle(
        *shape,
        prediction_times=pd.Series(first + pd.to_timedelta(bar, unit="D")),
        # half-open there, closed here
        evaluation_times=pd.Series(first + pd.to_timedelta(end + 1, unit="D")),
        # closed there and counted from half-open ends, so one day less; zero would be none at all
        embargo=pd.Timedelta(hours=24 * embargo - 12) if embargo else None,
    )
    folds = split.folds(bar, end, bar)
    for fold, test in zip(folds, oracle._iter_test_indices(n), strict=True):
        np.testing.assert_array_equal(fold.test, test)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # purgedcv warns of folds without training
        trains = [train for train, _ in oracle.split(np.zeros((n, 1)))]
    for fold, train in zip(folds, trains, strict=True):
        np.testing.assert_array_equal(fold.train, train)


@st.composite
def irregular(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bar = np.sort(rng.integers(0, 90, size=draw(st.integers(20, 100)))).astype(np.int64)
    longest = draw(st.sampled_from([1, 4, 30]))
    return bar - rng.integers(0, longest, len(bar)), bar + rng.integers(0, longest, len(bar)), bar


@given(columns=irregular(), shape=shapes, embargo=st.sampled_from([0, 3, None]))
@settings(deadline=None, max_examples=40)
def test_training_is_what_meets_no_test_label_by_brute_force(columns, shape, embargo):
    start, end, bar = columns
    split = CombinatorialPurgedCV(n_groups=shape[0], n_test_groups=shape[1], embargo_bars=embargo)
    gap = int((end - bar).max()) if embargo is None else embargo
    low = np.minimum(start, bar)
    group = split.group_of(bar)
    for fold in split.folds(start, end, bar):
        if fold.degenerate_reasons:
            continue
        expected = []
        for i in sorted(set(range(len(bar))) - set(fold.test.tolist())):
            meets = any(low[i] <= end[j] and low[j] <= end[i] for j in fold.test)
            # the last bar that each run of test groups before this sample reads
            reach = [end[group == g].max() for g in fold.details["test_groups"] if group[i] > g]
            if not meets and all(low[i] > last + gap for last in reach):
                expected.append(i)
        assert fold.train.tolist() == expected
        assert fold.purged_train == len(bar) - len(fold.test) - len(expected)


@given(shape=shapes, n=st.integers(8, 60))
@settings(deadline=None, max_examples=25)
def test_every_sample_is_tested_as_often_as_there_are_paths(shape, n):
    n_groups, k = shape
    split = CombinatorialPurgedCV(n_groups=n_groups, n_test_groups=k)
    folds = split.folds(*table(n))
    assert len(folds) == split.n_splits == comb(n_groups, k)
    assert split.n_paths == k * comb(n_groups, k) // n_groups
    tested = np.bincount(np.concatenate([fold.test for fold in folds]), minlength=n)
    assert set(tested.tolist()) == {split.n_paths}
    paths = split.paths()
    assert paths.shape == (split.n_paths, n_groups)
    for g in range(n_groups):  # each fold that tests a group serves exactly one path with it
        assert sorted(paths[:, g].tolist()) == [
            f for f, groups in enumerate(combinations(range(n_groups), k)) if g in groups
        ]


@given(shape=shapes, n=st.integers(8, 60), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=25)
def test_paths_agree_with_purgedcv(shape, n, seed):
    split = CombinatorialPurgedCV(n_groups=shape[0], n_test_groups=shape[1])
    folds = split.folds(*table(n))
    rng = np.random.default_rng(seed)
    forecasts = [rng.normal(size=len(fold.test)) for fold in folds]
    ours = split.recombine(forecasts, np.arange(n))
    oracle = reconstruct_paths(forecasts, [f.test for f in folds], *shape, n)
    np.testing.assert_array_equal(ours, oracle)


def test_the_example_of_the_book():
    split = CombinatorialPurgedCV(n_groups=6, n_test_groups=2)
    assert (split.n_splits, split.n_paths) == (15, 5)  # López de Prado (2018), figure 12.1
    assert split.paths()[0].tolist() == [0, 0, 1, 2, 3, 4]
    forecasts = [np.full((len(f.test), 3), float(k)) for k, f in enumerate(split.folds(*table(12)))]
    whole = split.recombine(forecasts, np.arange(12))
    assert whole.shape == (5, 12, 3)
    assert whole[0, :, 1].tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_the_embargo_is_the_longest_horizon_unless_stated():
    columns = table(60, 4)
    default = CombinatorialPurgedCV(n_groups=3, n_test_groups=1).folds(*columns)
    stated = CombinatorialPurgedCV(n_groups=3, n_test_groups=1, embargo_bars=4).folds(*columns)
    none = CombinatorialPurgedCV(n_groups=3, n_test_groups=1, embargo_bars=0).folds(*columns)
    assert [f.train.tolist() for f in default] == [f.train.tolist() for f in stated]
    assert default[0].details["embargo_bars"] == 4
    assert default[0].train[0] == 28  # group 0 reads to bar 23; four more bars are embargoed
    assert none[0].train[0] == 24
    assert default[1].train.tolist() == [*range(16), *range(48, 60)]


def test_a_label_that_fills_the_history_leaves_no_training():
    bar = np.arange(30, dtype=np.int64)
    end = np.where(bar == 0, 29, bar)
    fold = CombinatorialPurgedCV(n_groups=3, n_test_groups=1).folds(bar, end, bar)[0]
    assert fold.degenerate_reasons == (
        "the training part is empty: of 30 samples it got 20, and 20 of these were purged.",
    )


def test_fewer_bars_than_groups_are_reported():
    (fold,) = CombinatorialPurgedCV(n_groups=6, n_test_groups=2).folds(*table(5))
    assert "5 bars with samples cannot fill 6 groups" in fold.degenerate_reasons[0]


def test_missing_forecasts_are_refused():
    split = CombinatorialPurgedCV(n_groups=3, n_test_groups=2)
    bar = np.arange(12)
    with pytest.raises(DataError, match="of 3 folds; fold 1 has 7 for 8 samples"):
        split.recombine([np.zeros(8), np.zeros(7), np.zeros(8)], bar)
    with pytest.raises(DataError, match="of 3 folds; fold 2 has none for 8 samples"):
        split.recombine([np.zeros(8), np.zeros(8)], bar)
    with pytest.raises(DataError, match="of 3 folds; fold 3 has 8 for 0 samples"):
        split.recombine([np.zeros(8)] * 4, bar)


@pytest.mark.parametrize(
    ("mapping", "text"),
    [
        ({"n_groups": 3, "n_test_groups": 3}, "must be below n_groups; received 3 of 3"),
        ({"n_groups": 1, "n_test_groups": 1}, "greater than or equal to 2"),
        ({"n_groups": 20, "n_test_groups": 10}, "give 184,756 folds; at most 1,000"),
        ({"n_groups": 6, "n_test_groups": 2, "purge": 1}, "unknown key 'purge'"),
    ],
)
def test_refuses_settings_that_cannot_be_split(mapping, text):
    with pytest.raises(ConfigError, match=text):
        CombinatorialPurgedCV.from_mapping(mapping)
