"""Run indicators against the numbers of the reference, section 9."""

import numpy as np
import pytest

from marketlab.training import (
    class_balance_score,
    convergence,
    overfitting_score,
    signal_strength,
)
from marketlab.training._metrics import validation_metrics


@pytest.mark.parametrize(
    ("supports", "score"),
    [((50, 1, 49), 0.3140), ((50, 0, 50), 0.2929), ((60, 20, 40), 0.5918), ((7, 7, 7), 1.0)],
)
def test_class_balance_oracle(supports, score):
    assert class_balance_score(np.array(supports)) == pytest.approx(score, abs=5e-5)


def test_class_balance_is_never_negative():
    assert class_balance_score(np.array([100, 0, 0])) == 0.0


def test_overfitting_oracle():
    assert overfitting_score(0.50, 0.75, 0.80, 0.65) == pytest.approx(0.5)
    assert overfitting_score(0.75, 0.50, 0.65, 0.80) == 0.0
    assert overfitting_score(0.0, 9.0, 1.0, 0.0) == 1.0


@pytest.mark.parametrize(
    ("previous", "loss", "norm", "change", "expected"),
    [
        (1.00, 0.94, 0.2, 0.02, "strong"),
        (1.00, 0.98, 0.05, 0.001, "medium"),
        (1.00, 0.995, 0.005, 0.02, "weak"),
        (None, 0.5, 9.0, 9.0, "unknown"),
        (1.0, 0.95, 0.1, 0.01, "medium"),  # each bound is strict: 1 + 1 + 0 points
        (1.0, 1.2, 0.2, 0.02, "medium"),
    ],
)
def test_signal_strength_oracle(previous, loss, norm, change, expected):
    assert signal_strength(previous, loss, norm, change) == expected


@pytest.mark.parametrize(
    ("train", "validation", "expected"),
    [
        (0.98, 1.005, "improving"),
        (0.98, 1.02, "stable"),
        (1.0005, 0.9995, "plateauing"),
        (1.02, 1.0, "diverging"),
        (1.0, 1.06, "diverging"),
        (0.98, 1.06, "diverging"),
        (0.995, 0.95, "stable"),
    ],
)
def test_convergence(train, validation, expected):
    assert convergence((1.0, 1.0), train, validation) == expected
    assert convergence(None, train, validation) == "unknown"


def test_validation_metrics_by_hand():
    p = np.array([[0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.34, 0.33, 0.33]])
    y = np.array([0, 2, 2, 1])
    got = validation_metrics(y, p, np.log(p), ("BUY", "HOLD", "SELL"))
    assert got.loss == pytest.approx(-np.log([0.8, 0.2, 0.6, 0.33]).mean())
    assert got.accuracy == 0.5
    buy, hold, sell = (got.classes[name] for name in ("BUY", "HOLD", "SELL"))
    assert (buy.precision, buy.recall, buy.support) == (1 / 3, 1.0, 1)
    assert buy.f1 == pytest.approx(0.5)
    assert (hold.precision, hold.recall, hold.f1, hold.support) == (0.0, 0.0, 0.0, 1)
    assert (sell.precision, sell.recall, sell.support) == (1.0, 0.5, 2)
    assert got.predicted_shares == {"BUY": 0.75, "HOLD": 0.0, "SELL": 0.25}
    assert got.mean_confidence == pytest.approx((0.8 + 0.5 + 0.6 + 0.34) / 4)
    assert got.confidence_distribution == (1, 1, 1, 1)  # 0.6 lies in [.6, .8), 0.8 in [.8, 1]
    assert got.high_confidence == 1
    assert got.entropy == pytest.approx(-(p * np.log(p)).sum(axis=1).mean())
