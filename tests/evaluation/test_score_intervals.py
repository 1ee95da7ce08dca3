"""Intervals beside each score: resamples against scikit-learn on repeated rows, and coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import (
    Undefined,
    auc_interval,
    average_precision,
    binary_score_intervals,
    binary_scores,
    block_bootstrap_interval,
    multiclass_score_intervals,
    multiclass_scores,
)
from marketlab.evaluation._block_bootstrap import Draw
from marketlab.evaluation._blocks import resampled_sums
from marketlab.evaluation._confusion import confusion_statistics
from marketlab.evaluation._ranking_draws import (
    order_of,
    ranking_influence,
    ranking_shift,
)

METHODS = ("stationary", "circular")


def sample(rng, n_events, per_event=4):
    event = np.repeat(np.arange(n_events), per_event)
    y = np.where(rng.random(n_events) < 0.4, 1, 0)[event]
    score = y + np.sqrt(0.5) * (rng.normal(size=n_events)[event] + rng.normal(size=len(y)))
    return y, 1 / (1 + np.exp(-(score - 0.5))), event


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("length", [1.0, 3.0, 9.0])
def test_each_resample_scores_what_repeated_rows_score(method, length):
    rng = np.random.default_rng(3)
    y, p, event = sample(rng, 30)
    p = np.round(p, 1)
    draw = Draw(method, None, 100, 7, 0.95)
    # The draw itself: how often each event enters each resample.
    times = np.round(resampled_sums(np.eye(30), length, method, 100, 7)).astype(int)
    assert (times.sum(axis=1) == 30).all()
    areas = ranking_shift("auc", order_of(y, p, event), 0.0, draw)(length)
    precisions = ranking_shift("pr_auc", order_of(y, p, event), 0.0, draw)(length)
    for b in range(100):
        rows = np.repeat(np.arange(len(y)), times[b][event])
        assert areas[b] == pytest.approx(metrics.roc_auc_score(y[rows], p[rows]), abs=1e-12)
        expected = metrics.average_precision_score(y[rows], p[rows])
        assert precisions[b] == pytest.approx(expected, abs=1e-12)


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(2, 4))
@settings(deadline=None, max_examples=25)
def test_scores_of_many_tables_are_those_of_each(seed, k):
    rng = np.random.default_rng(seed)
    tables = rng.integers(0, 4, size=(6, k * k)).astype(float)
    tables[:, :: k + 1] += 1
    many = confusion_statistics(tables, k)
    for b, table in enumerate(tables.astype(int)):
        y, answer = (np.repeat(x.ravel(), table) for x in np.indices((k, k)))
        assert many["accuracy"][b] == pytest.approx(metrics.accuracy_score(y, answer))
        balanced = metrics.balanced_accuracy_score(y, answer)
        assert many["balanced_accuracy"][b] == pytest.approx(balanced)
        assert many["mcc"][b] == pytest.approx(metrics.matthews_corrcoef(y, answer), abs=1e-12)
        if k == 2:
            assert many["precision"][b] == pytest.approx(metrics.precision_score(y, answer))
            assert many["recall"][b] == pytest.approx(metrics.recall_score(y, answer))


def test_influence_is_the_derivative_by_weight():
    y, p, _ = sample(np.random.default_rng(1), 20)
    p = np.round(p, 1)
    base, step = average_precision(y, p), 1e-4
    influence = ranking_influence("pr_auc", y, p)
    assert influence.sum() == pytest.approx(0.0, abs=1e-12)
    for j in range(0, len(y), 7):
        weight = np.ones(len(y))
        weight[j] += step
        moved = metrics.average_precision_score(y, p, sample_weight=weight)
        assert influence[j] == pytest.approx((moved - base) / step, abs=1e-4)


@given(seed=st.integers(0, 2**32 - 1), method=st.sampled_from(METHODS))
@settings(deadline=None, max_examples=15)
def test_every_score_lies_in_its_interval(seed, method):
    y, p, event = sample(np.random.default_rng(seed), 60)
    scores = binary_scores(y, p)
    found = binary_score_intervals(y, p, event, method=method, n_resamples=200, seed=seed)
    assert set(found) < set(type(scores).model_fields)
    for name, interval in found.items():
        assert interval.estimate == pytest.approx(getattr(scores, name))
        assert interval.low <= interval.estimate <= interval.high
        assert interval.high <= 1.0 or name == "log_loss"
        assert interval.standard_error > 0.0
    again = binary_score_intervals(y, p, event, method=method, n_resamples=200, seed=seed)
    assert again == found
    options = {"method": method, "n_resamples": 200, "seed": seed}
    assert found["brier"] == block_bootstrap_interval((p - y) ** 2, event, **options)


def test_the_bootstrap_of_the_area_agrees_with_delong():
    y, p, event = sample(np.random.default_rng(6), 500)
    ours = binary_score_intervals(y, p, event, seed=1)["auc"]
    delong = auc_interval(y, p, event=event)
    assert ours.standard_error == pytest.approx(delong.standard_error, rel=0.1)
    assert ours.low == pytest.approx(delong.low, abs=0.2 * delong.standard_error)
    assert ours.high == pytest.approx(delong.high, abs=0.2 * delong.standard_error)


def test_two_classes_as_two_of_many_have_the_same_intervals():
    y, p, event = sample(np.random.default_rng(4), 80)
    one = binary_score_intervals(y, p, event, n_resamples=300, seed=1)
    both = np.column_stack([1 - p, p])
    many = multiclass_score_intervals(y, both, event, ("no", "yes"), n_resamples=300, seed=1)
    scores = multiclass_scores(y, both, ("no", "yes"))
    assert set(many) == {"accuracy", "balanced_accuracy", "mcc", "log_loss", "brier"}
    for name in ("accuracy", "balanced_accuracy", "mcc", "log_loss"):
        assert many[name].low == pytest.approx(one[name].low, abs=1e-9)
        assert many[name].high == pytest.approx(one[name].high, abs=1e-9)
    assert many["brier"].estimate == pytest.approx(scores.brier)


def test_coverage_of_scores_that_are_no_means():
    rng = np.random.default_rng(12)
    y, p, _ = sample(rng, 100_000)
    truth = binary_scores(y, p)
    held = dict.fromkeys(("balanced_accuracy", "mcc", "precision", "auc", "pr_auc"), 0)
    for k in range(120):
        found = binary_score_intervals(*sample(rng, 100), n_resamples=299, seed=k)
        for name in held:
            held[name] += found[name].low <= getattr(truth, name) <= found[name].high
    for count in held.values():
        assert 0.90 <= count / 120 <= 0.995


def test_what_has_no_interval_says_why():
    rng = np.random.default_rng(0)
    y, p, event = sample(rng, 19)
    few = binary_score_intervals(y, p, event, seed=0)
    assert all(v.reason == "an interval needs 20 events; there are 19." for v in few.values())
    y = np.zeros(120, dtype=np.int64)
    p = rng.random(120) * 0.9
    single = binary_score_intervals(y, p, np.arange(120), seed=0)
    assert "of 120 samples 0 are positive" in single["auc"].reason
    assert isinstance(single["balanced_accuracy"], Undefined)
    assert single["accuracy"].n_events == 120
    assert "agree exactly" in single["precision"].reason  # none of the answers was right
    alike = binary_score_intervals(
        np.tile([0, 1, 1], 40), np.tile([0.2, 0.3, 0.8], 40), np.repeat(np.arange(40), 3), seed=0
    )
    assert all("agree exactly" in alike[name].reason for name in ("accuracy", "mcc", "recall"))
    y[:3] = 1
    rare = binary_score_intervals(y, p, np.arange(120), seed=0)
    assert "resamples do not define the score" in rare["pr_auc"].reason
    assert "resamples do not define the score" in rare["recall"].reason
    y[1:3] = 0
    alone = binary_score_intervals(y, p, np.arange(120), seed=0)
    assert alone["recall"].reason == "a single event holds all of a class or of an answer."
    none = binary_score_intervals(np.empty(0, np.int64), np.empty(0), np.arange(0), seed=0)
    assert all(isinstance(value, Undefined) for value in none.values())


def test_refusals():
    y, p, event = sample(np.random.default_rng(0), 30)
    with pytest.raises(DataError, match="event must ascend"):
        binary_score_intervals(y, p, event[::-1].copy(), seed=0)
    with pytest.raises(ConfigError, match="method: must be 'stationary' or 'circular'"):
        binary_score_intervals(y, p, event, method="iid", seed=0)
    with pytest.raises(ConfigError, match="level"):
        multiclass_score_intervals(
            y, np.column_stack([1 - p, p]), event, ("a", "b"), seed=0, level=95
        )
