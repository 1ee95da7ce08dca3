"""Clusters of correlated trials: planted groups, scikit-learn and scipy, noise, copies."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import silhouette_score

from marketlab.core import DataError
from marketlab.evaluation import clustered_trials, effective_number_of_trials
from marketlab.evaluation._trial_clusters import _linkage, _silhouette


def planted(seed, sizes, rho, n_periods=500):
    """Groups of trials that correlate by rho inside and not at all outside, in random order."""
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    ideas = rng.standard_normal((n_periods, len(sizes)))
    own = rng.standard_normal((n_periods, len(label)))
    return math.sqrt(rho) * ideas[:, label] + math.sqrt(1 - rho) * own, label


def groups_of(label):
    return {frozenset(np.flatnonzero(label == k).tolist()) for k in np.unique(label)}


@pytest.mark.parametrize("sizes", [(9, 9, 9), (2, 3, 4, 8, 10), (5,) * 8, (13, 14)])
@pytest.mark.parametrize("rho", [0.6, 0.9])
def test_planted_groups_are_found(sizes, rho):
    for seed in range(5):
        table, label = planted(seed, sizes, rho)
        found = clustered_trials(table)
        assert {frozenset(c) for c in found.clusters} == groups_of(label)
        assert [len(c) for c in found.clusters] == sorted(sizes, reverse=True)
        by_hand = sum(rho + (1 - rho) * c for c in sizes)
        assert found.n_effective == pytest.approx(by_hand, rel=0.15)
        assert f"fall into {len(sizes)} groups" in found.sentence


@pytest.mark.parametrize("sizes", [(6, 6, 1, 1, 1), (4, 4, 4) + 6 * (1,), (2, 2) + 8 * (1,)])
def test_trials_that_stand_alone_count_in_full(sizes):
    table, label = planted(3, sizes, 0.9)
    found = clustered_trials(table)
    planted_groups = {group for group in groups_of(label) if len(group) > 1}
    assert planted_groups < {frozenset(c) for c in found.clusters}
    assert found.n_effective == pytest.approx(sum(0.9 + 0.1 * c for c in sizes), abs=0.3)


def test_noise_has_no_groups_and_is_not_taken_for_few_trials():
    """The number of clusters alone would flatter: it calls unrelated trials a handful."""
    for seed in range(20):
        found = clustered_trials(np.random.default_rng(seed).standard_normal((250, 27)))
        assert found.n_clusters == 1
        assert found.n_effective > 25.0
        assert found.silhouette == 0.0
    assert "no separate groups" in found.sentence


@pytest.mark.parametrize("rho", [0.3, 0.8])
def test_equal_correlation_is_the_formula_without_groups(rho):
    table, _ = planted(1, (27,), rho, n_periods=2000)
    found = clustered_trials(table)
    assert found.n_clusters == 1
    theirs = effective_number_of_trials(table, n_trials=27).by_average_correlation
    assert found.n_effective == pytest.approx(theirs, rel=1e-9)


def test_copies_are_one_trial():
    rng = np.random.default_rng(4)
    one, two = rng.standard_normal((2, 60, 1))
    for n in (1, 2, 9):
        assert clustered_trials(np.repeat(one, n, axis=1)).n_effective == pytest.approx(1.0)
    found = clustered_trials(np.hstack([np.repeat(one, 4, axis=1), np.repeat(two, 3, axis=1)]))
    assert found.clusters == ((0, 1, 2, 3), (4, 5, 6))
    assert found.n_effective == pytest.approx(2.0)
    assert found.silhouette == pytest.approx(1.0)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 12))
@settings(deadline=None, max_examples=25)
def test_linkage_and_silhouette_are_those_of_scipy_and_scikit_learn(seed, n):
    points = np.random.default_rng(seed).standard_normal((n, 4))
    apart = np.sqrt(((points[:, None] - points) ** 2).sum(axis=2))
    tree = linkage(squareform(apart, checks=False), method="average")
    for k, label in enumerate(_linkage(apart), start=2):
        theirs = fcluster(tree, k, criterion="maxclust")
        assert groups_of(label) == groups_of(theirs)
        expected = silhouette_score(apart, theirs, metric="precomputed")
        assert _silhouette(apart, label) == pytest.approx(expected, abs=1e-12)


@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25)
def test_order_and_scale_change_nothing(seed):
    rng = np.random.default_rng(seed)
    table, _ = planted(seed, (4, 3, 2), 0.7, n_periods=120)
    order = rng.permutation(9)
    first, second = clustered_trials(table), clustered_trials(table[:, order] * 7.0 + 3.0)
    assert {frozenset(c) for c in first.clusters} == {
        frozenset(order[list(c)].tolist()) for c in second.clusters
    }
    assert first.n_effective == pytest.approx(second.n_effective)
    assert 1.0 <= first.n_effective <= 9.0


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (np.ones((20, 2)), "30 periods or more; the table has 20"),
        (np.c_[np.arange(40.0), np.ones(40)], "trial 1 do not vary"),
        (np.arange(40.0), r"shape \(T, M\)"),
        (np.full((40, 2), np.inf), "is inf"),
    ],
)
def test_refusals(table, text):
    with pytest.raises(DataError, match=text):
        clustered_trials(table)
