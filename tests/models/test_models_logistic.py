"""Logistic regression: optimality checked by an independent gradient, closed forms, families."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import DataError
from marketlab.models import (
    LinearDesign,
    LogisticConfig,
    LogisticForecaster,
    fit_logistic,
    fit_logistic_binary,
    fit_logistic_family,
)


def draw(n, n_features, seed, n_classes=3):
    rng = np.random.default_rng(seed)
    x = rng.random((n, n_features))
    logits = x @ rng.normal(size=(n_features, n_classes)) * 2
    y = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    return x, y


def objective_slopes(x, y, coefficients, l2):
    """The gradient by rows, written independently of the solver."""
    n_classes = coefficients.shape[1]
    gradient = np.zeros_like(coefficients)
    for row, target in zip(x, y, strict=True):
        design = np.concatenate([[1.0], row])
        eta = design @ coefficients
        p = np.exp(eta - eta.max())
        p /= p.sum()
        gradient += np.outer(design, p - np.eye(n_classes)[target])
    counts = np.bincount(y, minlength=n_classes) + 1.0
    anchor = np.zeros_like(coefficients)
    anchor[0] = np.log(counts / counts.sum())
    return gradient + l2 * (coefficients - anchor)


@given(seed=st.integers(0, 10**6), l2=st.floats(0.01, 50.0))
@settings(deadline=None, max_examples=15)
def test_the_gradient_is_zero_at_the_solution(seed, l2):
    x, y = draw(150, 4, seed)
    coefficients = fit_logistic(x, y, LogisticConfig(l2=l2))
    assert np.abs(objective_slopes(x, y, coefficients, l2)).max() < 1e-5


def test_a_class_that_never_occurs_keeps_a_small_probability():
    x, y = draw(200, 3, 1)
    y = np.where(y == 1, 0, y)
    p = LogisticForecaster(fit_logistic(x, y)).predict(x)
    assert (p[:, 1] > 1e-5).all()
    assert (p[:, 1] < 0.05).all()


def test_separable_classes_stay_finite():
    x = np.linspace(-1, 1, 80)[:, None]
    y = np.where(x[:, 0] > 0, 2, 0)
    p = LogisticForecaster(fit_logistic(x, y, LogisticConfig(l2=1e-3))).predict(x)
    assert (p.argmax(axis=1) == y).all()


def test_too_few_iterations_are_an_error():
    x, y = draw(100, 3, 0)
    with pytest.raises(DataError, match="did not converge in 1 iterations"):
        fit_logistic(x, y, LogisticConfig(max_iterations=1))


@given(seed=st.integers(0, 10**6), dtype=st.sampled_from(["float32", "float64"]))
@settings(deadline=None, max_examples=25)
def test_two_class_fit_is_optimal(seed, dtype):
    x, y = draw(300, 5, seed, n_classes=2)
    fitted = fit_logistic_binary(x.astype(dtype), y, l2=0.7)
    assert fitted.converged
    b = fitted.coefficients
    rest = 1 / (1 + np.exp(-(x @ b[1:] + b[0]))) - y
    slopes = np.concatenate([[rest.sum()], x.T @ rest]) + 0.7 * b
    share = (y.sum() + 1) / (len(y) + 2)
    slopes[0] -= 0.7 * np.log(share / (1 - share))
    assert np.abs(slopes).max() / len(y) < (2e-6 if dtype == "float32" else 2e-7)


def test_two_class_fit_of_one_binary_feature_has_a_closed_form():
    x = np.repeat([0.0, 1.0], 500)[:, None]
    y = np.concatenate([np.arange(500) < 100, np.arange(500) < 350]).astype(np.int64)
    b = fit_logistic_binary(x, y, l2=1e-6).coefficients
    np.testing.assert_allclose(b[0], np.log(0.2 / 0.8), atol=1e-3)
    np.testing.assert_allclose(b[1], np.log(0.7 / 0.3) - np.log(0.2 / 0.8), atol=1e-3)


def test_rows_labelled_minus_one_are_left_out():
    x, y = draw(400, 4, 3, n_classes=2)
    keep = np.arange(400) % 3 != 0
    marked = np.where(keep, y, -1)
    whole = fit_logistic_binary(x, marked).coefficients
    np.testing.assert_allclose(whole, fit_logistic_binary(x[keep], y[keep]).coefficients, atol=1e-6)


def test_a_family_equals_its_members():
    rng = np.random.default_rng(0)
    matrix = rng.random((6, 5000)).astype(np.float32)
    labels = (rng.random((2, 5000)) < matrix[:2]).astype(np.int8)
    labels[1, ::7] = -1
    designs = [
        LinearDesign(np.array([0, 1]), 0),
        LinearDesign(np.array([5, 2, 0]), 1),
        LinearDesign(np.array([3]), 0),
    ]
    fitted = fit_logistic_family(matrix, labels, designs)
    for design, one in zip(designs, fitted, strict=True):
        alone = fit_logistic_binary(matrix[design.columns].T, labels[design.label_set])
        np.testing.assert_allclose(one.coefficients, alone.coefficients, atol=1e-6)
        assert one.converged
    odds = fitted[0].log_odds(matrix[:2].T)
    assert odds.dtype == np.float32
    assert ((odds > 0) == (labels[0] == 1)).mean() > 0.6


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_one_class_only_gives_finite_odds(share):
    y = np.full(50, int(share))
    fitted = fit_logistic_binary(np.random.default_rng(0).random((50, 2)), y)
    assert fitted.converged
    assert np.abs(fitted.coefficients).max() < 10


def test_bad_input_is_refused():
    x = np.zeros((4, 2))
    with pytest.raises(DataError, match="labels of a two-class fit are integers: 1, 0 or -1"):
        fit_logistic_binary(x, np.array([0, 1, 2, 0]))
    with pytest.raises(DataError, match="no labelled row is left"):
        fit_logistic_binary(x, np.full(4, -1))
    with pytest.raises(DataError, match=r"x has shape \(4, 2\), y has shape \(3,\)"):
        fit_logistic_binary(x, np.zeros(3, dtype=np.int64))
    with pytest.raises(
        DataError, match=r"a design reads columns 0 … 9; the matrix has columns 0 … 1"
    ):
        fit_logistic_family(
            np.zeros((2, 4)), np.zeros((1, 4), np.int8), [LinearDesign(np.array([0, 9]), 0)]
        )
