"""Baselines: training frequencies only, Laplace-smoothed, the best one chosen against the model."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import (
    best_causal_baseline,
    causal_baselines,
    class_counts,
    direction_class,
    even_odds_baseline,
    log_loss_skill,
    majority_baseline,
    own_majority,
    persistence_accuracy,
    sample_log_loss,
    state_baseline,
)

seeds = st.integers(0, 2**32 - 1)


def test_majority_is_laplace_smoothed_training_frequency():
    rows = majority_baseline(np.array([6, 0, 3]), 2)
    np.testing.assert_allclose(rows, [[7 / 12, 1 / 12, 4 / 12]] * 2)


def test_even_odds_shares_the_two_directions_alike():
    rows = even_odds_baseline(np.array([6, 0, 3]), 1)
    np.testing.assert_allclose(rows, [[5.5 / 12, 1 / 12, 5.5 / 12]])


def test_state_baseline_written_out():
    state = np.array([1, 1, 1, -1])
    y = np.array([0, 0, 2, 2])
    rows = state_baseline(state, y, np.array([1, -1, 0]))
    np.testing.assert_allclose(rows[0], [3 / 6, 1 / 6, 2 / 6])
    np.testing.assert_allclose(rows[1], [1 / 4, 1 / 4, 2 / 4])
    np.testing.assert_allclose(rows[2], [3 / 7, 1 / 7, 3 / 7])  # unseen state: all of training


@given(seed=seeds, n_train=st.integers(0, 50), n=st.integers(0, 50))
@settings(deadline=None, max_examples=25)
def test_every_baseline_is_a_forecast_that_never_says_impossible(seed, n_train, n):
    rng = np.random.default_rng(seed)
    made = causal_baselines(
        rng.integers(0, 3, n_train),
        n,
        state_train=rng.integers(-1, 2, n_train),
        state_eval=rng.integers(-1, 2, n),
    )
    assert list(made) == ["majority", "even_odds", "state"]
    for rows in made.values():
        assert rows.shape == (n, 3)
        np.testing.assert_allclose(rows.sum(axis=1), 1.0)
        assert (rows > 0).all()


@given(seed=seeds)
@settings(deadline=None, max_examples=25)
def test_best_baseline_is_the_least_loss_so_the_skill_is_the_smallest(seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, 40)
    named = {name: rng.dirichlet([1, 1, 1], size=40) for name in "abc"}
    model = rng.dirichlet([1, 1, 1], size=40)
    best = best_causal_baseline(y, named)
    means = {name: sample_log_loss(y, p).mean() for name, p in named.items()}
    assert best.name == min(means, key=means.get)
    assert best.log_loss == pytest.approx(min(means.values()))
    single = [log_loss_skill(y, model, {name: p}) for name, p in named.items()]
    assert log_loss_skill(y, model, named) == pytest.approx(min(single))


def test_a_forecast_equal_to_the_baseline_has_no_skill():
    y = np.array([0, 2, 2, 1])
    made = causal_baselines(y, 4)
    assert log_loss_skill(y, made["majority"], {"majority": made["majority"]}) == 0.0


def test_skill_without_samples_is_missing():
    none = np.empty((0, 3))
    assert math.isnan(log_loss_skill(np.empty(0, dtype=np.int64), none, {"majority": none}))


def test_persistence_and_direction():
    predicted = direction_class(np.array([3, 0, -1, -1]))
    assert predicted.tolist() == [0, 1, 2, 2]
    assert persistence_accuracy(predicted, np.array([0, 0, 2, 0])) == 0.5
    assert persistence_accuracy(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)) is None


def test_own_majority_is_information_on_the_judged_part():
    assert own_majority(np.array([2, 2, 0])).class_name == "SELL"
    assert own_majority(np.array([2, 2, 0])).share == pytest.approx(2 / 3)
    assert own_majority(np.empty(0, dtype=np.int64)).class_name is None


def test_counts():
    assert class_counts(np.array([2, 2, 0])).tolist() == [1, 0, 2]


def test_refusals():
    y = np.array([0, 2])
    with pytest.raises(ConfigError, match="at least one causal baseline; received none"):
        best_causal_baseline(y, {})
    with pytest.raises(ConfigError, match="state_train and state_eval must be given together"):
        causal_baselines(y, 2, state_train=y)
    with pytest.raises(DataError, match="state_train and y_train must be one-dimensional"):
        state_baseline(np.array([1]), y, y)
