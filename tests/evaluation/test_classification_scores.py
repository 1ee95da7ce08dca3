"""Scores against values worked out by hand and against slow second formulas."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import DataError
from marketlab.evaluation import (
    Scores,
    classification_scores,
    detect_collapse,
    sample_log_loss,
)

ROWS = {0: [0.8, 0.1, 0.1], 1: [0.1, 0.8, 0.1], 2: [0.1, 0.1, 0.8]}


def forecasts(*classes):
    return np.array([ROWS[c] for c in classes])


@st.composite
def scored(draw, smallest=1):
    n = draw(st.integers(smallest, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.integers(0, 3, size=n), rng.dirichlet([0.5, 0.5, 0.5], size=n)


def test_worked_example():
    y = np.array([0, 0, 0, 1, 2, 2])
    scores = classification_scores(y, forecasts(0, 0, 2, 1, 2, 1))
    assert scores.confusion == ((2, 0, 1), (0, 1, 0), (0, 1, 1))
    assert scores.accuracy == pytest.approx(4 / 6)
    assert scores.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores.log_loss == pytest.approx((4 * -math.log(0.8) + 2 * -math.log(0.1)) / 6)
    hit, miss = 0.04 + 0.01 + 0.01, 0.81 + 0.64 + 0.01
    assert scores.brier == pytest.approx((4 * hit + 2 * miss) / 6)
    assert scores.supports == {"BUY": 3, "HOLD": 1, "SELL": 2}
    assert scores.predicted_shares == pytest.approx({"BUY": 1 / 3, "HOLD": 1 / 3, "SELL": 1 / 3})
    assert scores.hold_share == pytest.approx(1 / 6)
    assert scores.classes["HOLD"].precision == pytest.approx(0.5)
    assert scores.classes["HOLD"].recall == 1.0
    assert scores.classes["HOLD"].f1 == pytest.approx(2 / 3)
    assert scores.classes["BUY"].support == 3
    assert not scores.collapsed


@given(data=scored())
@settings(deadline=None, max_examples=25)
def test_mcc_is_the_correlation_of_indicator_columns(data):
    # Gorodkin's definition: covariance of one-hot matrices, summed over classes.
    y, p = data
    x, t = np.eye(3)[p.argmax(axis=1)], np.eye(3)[y]

    def cov(a, b):
        return ((a - a.mean(axis=0)) * (b - b.mean(axis=0))).sum()

    bottom = cov(x, x) * cov(t, t)
    expected = cov(x, t) / math.sqrt(bottom) if bottom > 1e-12 else 0.0
    assert classification_scores(y, p).mcc == pytest.approx(expected, abs=1e-9)


@given(data=scored())
@settings(deadline=None, max_examples=25)
def test_ranges_and_sums(data):
    y, p = data
    scores = classification_scores(y, p)
    assert np.sum(scores.confusion) == len(y) == sum(scores.supports.values())
    assert sum(scores.predicted_shares.values()) == pytest.approx(1)
    assert 0 <= scores.accuracy <= 1
    assert 0 <= scores.brier <= 2
    assert -1 - 1e-12 <= scores.mcc <= 1 + 1e-12
    assert 0 <= scores.log_loss <= -math.log(1e-7)
    assert Scores.from_mapping(scores.to_mapping()) == scores


@given(data=scored(), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=25)
def test_order_of_samples_does_not_matter(data, seed):
    y, p = data
    order = np.random.default_rng(seed).permutation(len(y))
    one, other = classification_scores(y, p), classification_scores(y[order], p[order])
    assert one.confusion == other.confusion
    assert one.log_loss == pytest.approx(other.log_loss)


def test_perfect_inverted_and_constant_forecasts():
    y = np.array([0, 2] * 10)
    perfect = classification_scores(y, np.eye(3)[y])
    assert (perfect.accuracy, perfect.mcc, perfect.log_loss, perfect.brier) == (1, 1, 0, 0)
    inverted = classification_scores(y, np.eye(3)[2 - y])
    assert (inverted.accuracy, inverted.mcc, inverted.brier) == (0, -1, 2)
    assert inverted.log_loss == pytest.approx(-math.log(1e-7))
    constant = classification_scores(y, forecasts(*[0] * 20))
    assert (constant.balanced_accuracy, constant.mcc, constant.collapsed) == (0.5, 0.0, True)


def test_a_hold_answer_misses_a_direction_and_hold_labels_stay_out():
    y = np.array([0, 2, 1, 1, 1])
    scores = classification_scores(y, forecasts(0, 1, 0, 0, 1))
    assert scores.balanced_accuracy == 0.5  # BUY 1, SELL 0; the three HOLD labels do not enter
    assert scores.hold_share == 0.6


def test_missing_class_leaves_balanced_accuracy_undefined():
    assert classification_scores(np.array([0, 1]), forecasts(0, 1)).balanced_accuracy is None


def test_no_samples_gives_none_and_no_crash():
    scores = classification_scores(np.empty(0, dtype=np.int64), np.empty((0, 3)))
    assert scores.n_samples == 0
    assert (scores.accuracy, scores.log_loss, scores.mcc, scores.brier) == (None,) * 4
    assert not scores.collapsed


@pytest.mark.parametrize(
    ("y", "p", "text"),
    [
        ([0, 3], [ROWS[0], ROWS[0]], r"class indices 0 \(BUY\).*ranges from 0 to 3"),
        ([0], [[0.5, 0.5]], r"must have shape \(1, 3\).*received \(1, 2\)"),
        ([0, 1], [ROWS[0], [0.5, 0.5, 0.5]], r"sum to 1; row 1 is .* \(1 such rows\)"),
        ([0], [[float("nan"), 0.5, 0.5]], "must be finite"),
        ([0], [[-0.5, 1.0, 0.5]], "not negative"),
    ],
)
def test_refuses_bad_input(y, p, text):
    with pytest.raises(DataError, match=text):
        classification_scores(np.array(y), np.array(p))


def test_refuses_labels_that_are_no_integers():
    with pytest.raises(DataError, match="1-D array of class indices; received shape"):
        sample_log_loss(np.array([0.0]), forecasts(0))


@pytest.mark.parametrize(("share", "collapsed"), [(0.90, False), (0.901, True), (1.0, True)])
def test_collapse_is_above_ninety_percent(share, collapsed):
    assert detect_collapse({"BUY": share, "HOLD": 1 - share, "SELL": 0.0}) is collapsed
