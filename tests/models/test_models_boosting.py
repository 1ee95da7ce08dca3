"""Gradient boosting: the trees taken out of scikit-learn, stopping, and what it refuses."""

import sys

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from marketlab.core import ConfigError, DataError
from marketlab.models import BoostingConfig, BoostingForecaster, fit_boosting

CONFIG = BoostingConfig(max_rounds=25, min_leaf_rows=20)


def rows(n: int = 900, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    ring = (np.abs(x[:, 0]) > 0.7).astype(float) * 2 - 1  # nothing that a line could find
    y = np.where(rng.random(n) < 0.15, 1, np.where(ring + rng.normal(size=n) > 0, 0, 2))
    return x, y


def library(x, y, **more):
    return HistGradientBoostingClassifier(
        max_iter=25,
        learning_rate=0.05,
        max_leaf_nodes=8,
        min_samples_leaf=20,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=3,
        **more,
    ).fit(x, y)


def test_three_classes_equal_scikit_learn():
    x, y = rows()
    p = fit_boosting(x, y, CONFIG, seed=3).predict(x)
    np.testing.assert_allclose(p, library(x, y).predict_proba(x), atol=1e-12)


@pytest.mark.parametrize("classes", [(0, 1), (0, 2), (1, 2)])
def test_two_classes_equal_scikit_learn_but_for_the_share_of_the_absent_one(classes):
    x, y = rows()
    y = np.where(y == 0, classes[0], classes[1])
    p = fit_boosting(x, y, CONFIG, seed=3).predict(x)
    absent = 3 - sum(classes)
    np.testing.assert_allclose(p[:, absent], 1.0 / (len(y) + 3))
    wanted = library(x, y).predict_proba(x) * (1.0 - 1.0 / (len(y) + 3))
    np.testing.assert_allclose(p[:, list(classes)], wanted, atol=1e-12)


def test_threads_do_not_change_the_trees():
    x, y = rows(4_000)
    whole = library(x, y).predict_proba(x)
    with threadpool_limits(1):
        np.testing.assert_array_equal(library(x, y).predict_proba(x), whole)


def test_stopping_keeps_few_rounds_on_noise_and_many_on_a_ring():
    x, y = rows(3_000)
    held = np.arange(2_400), np.arange(2_400, 3_000)
    found = fit_boosting(x, y, BoostingConfig(max_rounds=200), seed=1, stopping=held)
    noise = np.random.default_rng(2).permutation(y)
    nothing = fit_boosting(x, noise, BoostingConfig(max_rounds=200), seed=1, stopping=held)
    assert nothing.n_rounds < 20 < found.n_rounds <= 200
    loss = -np.log(found.predict(x[2_400:])[np.arange(600), y[2_400:]]).mean()
    flat = np.bincount(y[:2_400]) / 2_400
    assert loss < -np.log(flat[y[2_400:]]).mean() - 0.05


def test_stopping_reads_only_the_rows_it_is_given():
    """The rounds come from those rows: other labels elsewhere change trees, never the number."""
    x, y = rows(1_500)
    held = np.arange(800), np.arange(900, 1_200)
    settings = BoostingConfig(max_rounds=120)
    one = fit_boosting(x, y, settings, seed=1, stopping=held)
    other = y.copy()
    other[1_200:] = 2 - other[1_200:]
    assert fit_boosting(x, other, settings, seed=1, stopping=held).n_rounds == one.n_rounds


def test_no_round_at_all_gives_the_training_frequencies():
    x, y = rows(600)
    y[:300], y[300:] = np.tile([0, 2, 2], 100), np.tile([0, 0, 2], 100)
    x[:, :] = 0.0
    model = fit_boosting(x, y, seed=0, stopping=(np.arange(300), np.arange(300, 600)))
    assert model.n_rounds == 0
    np.testing.assert_allclose(model.predict(x[:1])[0, [0, 2]], 0.5, atol=1e-3)
    again = BoostingForecaster(model.to_arrays())
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_one_class_is_refused():
    x, y = rows(100)
    with pytest.raises(DataError, match="all 100 training labels are of class 1"):
        fit_boosting(x, np.ones(100, dtype=np.int64), CONFIG, seed=0)
    y[:50] = 0
    with pytest.raises(DataError, match="all 50 training labels are of class 0"):
        fit_boosting(x, y, CONFIG, seed=0, stopping=(np.arange(50), np.arange(50, 100)))


def test_held_out_rows_of_unknown_classes_alone_cannot_stop_it():
    x, y = rows(100)
    y[:60], y[60:] = np.tile([0, 1], 30), 2
    with pytest.raises(DataError, match="no held-out row is of a class that occurs"):
        fit_boosting(x, y, CONFIG, seed=0, stopping=(np.arange(60), np.arange(60, 100)))


def test_without_scikit_learn_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    x, y = rows(100)
    with pytest.raises(ConfigError, match="needs scikit-learn") as caught:
        fit_boosting(x, y, CONFIG, seed=0)
    assert caught.value.code == "CONFIG-MissingExtra"
    assert "pip install 'marketlab[boosting]'" in str(caught.value.suggestion)


def test_trees_stored_in_another_way_are_noticed(monkeypatch):
    monkeypatch.setattr(
        HistGradientBoostingClassifier, "predict_proba", lambda self, x: np.full((len(x), 3), 1 / 3)
    )
    x, y = rows(200)
    with pytest.raises(ConfigError, match="differ from its own forecast"):
        fit_boosting(x, y, CONFIG, seed=0)
