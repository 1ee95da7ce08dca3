"""Baselines of a run: what they see, how the best is chosen, and what is said of those missing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_world import LABELS, N_BARS, bars_of, one_fold, run_of, touch_run

from marketlab.campaigns import _run_baselines
from marketlab.campaigns._causal_state import causal_state
from marketlab.campaigns._run_baselines import (
    NO_BOOSTING,
    baseline_data,
    baseline_task,
    fit_run_baselines,
)
from marketlab.core import canonical_json
from marketlab.evaluation import classification_scores, sample_log_loss
from marketlab.features import FeatureMatrix
from marketlab.models import BASELINES, BaselineTask


@pytest.fixture(autouse=True)
def _nothing_kept():
    _run_baselines._KEPT.clear()


def fitted(run, folds=None, **more):
    strategy, prepared = run
    return fit_run_baselines(strategy, prepared, folds or one_fold(prepared), seed=1, **more)


def rows_of(found):
    return {row["name"]: row for row in found.table}


def with_values(features, values):
    return FeatureMatrix(values=values, names=features.names, warm_up_bars=features.warm_up_bars)


def walk(n_folds=3, first=800, block=300, gap=5):
    """Expanding folds: training up to each block, less a purged gap."""
    return [
        (np.arange(0, start - gap), np.arange(start, start + block))
        for start in range(first, first + n_folds * block, block)
    ]


@pytest.mark.parametrize("name", LABELS)
def test_every_registered_baseline_has_a_row_and_its_scores(name):
    strategy, prepared = run_of(name)
    found = fitted((strategy, prepared))
    judged = prepared.fold.validation
    assert [row["name"] for row in found.table] == BASELINES.names()
    y = prepared.labels.value[judged]
    data = baseline_data(strategy.training.labels, prepared)
    for row in found.table:
        p = found.probabilities.get(row["name"])
        assert (p is None) == (row["skipped"] is not None)
        assert row["decides"] == BASELINES.get(row["name"]).decides(data)
        if p is None:
            assert row["log_loss"] is row["accuracy"] is row["selection_log_loss"] is None
            continue
        assert p.shape == (len(judged), 3)
        assert row["log_loss"] == pytest.approx(sample_log_loss(y, p).mean())
        assert row["accuracy"] == pytest.approx((p.argmax(axis=1) == y).mean())
        assert (row["selection_log_loss"] is None) == (not row["decides"])
    canonical_json(found.table)
    rows = rows_of(found)
    assert {name for name, row in rows.items() if row["skipped"]} == {"boosting", "vix_touch"}
    assert rows["boosting"]["skipped"] == NO_BOOSTING


@pytest.mark.parametrize("name", LABELS)
def test_the_best_has_the_least_loss_inside_training_whatever_the_judged_rows_say(name):
    found = fitted(run_of(name))
    losses = {
        row["name"]: row["selection_log_loss"]
        for row in found.table
        if row["selection_log_loss"] is not None
    }
    assert found.best == min(losses, key=losses.get)
    assert rows_of(found)[found.best]["decides"]
    assert "the judged part was not looked at" in found.selection


def test_the_logistic_baseline_is_that_of_scikit_learn_on_the_same_fold():
    linear = pytest.importorskip("sklearn.linear_model")
    strategy, prepared = run_of("next_bar")
    train, judged = prepared.fold.train, prepared.fold.validation
    x = prepared.features.rows(prepared.labels.bar).astype(np.float64)
    x = (x - x[train].mean(axis=0)) / x[train].std(axis=0)
    y = prepared.labels.value
    assert set(np.unique(y[train])) == {0, 2}
    # Two opposite vectors of the multinomial form share one of the binary: half the penalty.
    reference = linear.LogisticRegression(C=2.0, tol=1e-10, max_iter=1_000).fit(x[train], y[train])
    ours = fitted((strategy, prepared)).probabilities["logistic"]
    share = ours[:, 2] / (ours[:, 0] + ours[:, 2])
    np.testing.assert_allclose(share, reference.predict_proba(x[judged])[:, 1], atol=2e-4)


def test_counts_and_states_are_smoothed_frequencies_of_training():
    strategy, prepared = run_of("zigzag")
    train, judged = prepared.fold.train, prepared.fold.validation
    found = fitted((strategy, prepared)).probabilities
    y = prepared.labels.value
    state = causal_state(strategy.training.labels, prepared.bars.close)[prepared.labels.bar]
    counts = np.array([(y[train] == k).sum() for k in range(3)])
    np.testing.assert_allclose(
        found["majority"], np.tile((counts + 1) / (len(train) + 3), (len(judged), 1))
    )
    for i in (0, len(judged) // 2, -1):
        alike = y[train][state[train] == state[judged[i]]]
        wanted = [((alike == k).sum() + 1) / (len(alike) + 3) for k in range(3)]
        np.testing.assert_allclose(found["causal_state"][i], wanted)


@given(seed=st.integers(0, 1_000), name=st.sampled_from(sorted(LABELS)))
@settings(deadline=None, max_examples=10)
def test_judged_labels_do_not_reach_the_forecasts(seed, name):
    strategy, prepared = run_of(name)
    judged = prepared.fold.validation
    before = fitted((strategy, prepared))
    value = prepared.labels.value.copy()
    value[judged] = np.random.default_rng(seed).integers(0, 3, len(judged))
    noisy = replace(prepared, labels=replace(prepared.labels, value=value))
    after = fitted((strategy, noisy))
    assert after.best == before.best
    assert after.probabilities.keys() == before.probabilities.keys()
    for each, p in before.probabilities.items():
        if each != "label_persistence":
            np.testing.assert_array_equal(after.probabilities[each], p, err_msg=each)
    # Persistence reads judged labels, but only those that ended by the bar it forecasts at.
    known = prepared.labels.end[judged].min()
    early = prepared.labels.bar[judged] < known
    assert early.any()
    both = [each.probabilities["label_persistence"][early] for each in (before, after)]
    np.testing.assert_array_equal(*both)
    assert (
        rows_of(before)["label_persistence"]["facts"]
        == rows_of(after)["label_persistence"]["facts"]
    )


@pytest.mark.parametrize("name", LABELS)
def test_bars_after_the_judged_part_do_not_reach_the_forecasts(name):
    strategy, prepared = run_of(name)
    last = int(prepared.labels.bar[prepared.fold.validation][-1])
    order = np.arange(N_BARS)
    order[last + 1 :] = np.random.default_rng(2).permutation(order[last + 1 :])
    bars = prepared.bars
    shuffled = bars.replace_prices(
        bars.open[order], bars.high[order], bars.low[order], bars.close[order]
    )
    later = prepared.labels.bar > last
    value = np.where(later, 1, prepared.labels.value)
    values = prepared.features.values[:, order]
    changed = replace(
        prepared,
        bars=shuffled,
        labels=replace(prepared.labels, value=value),
        features=with_values(prepared.features, values),
    )
    before, after = fitted((strategy, prepared)), fitted((strategy, changed))
    for each, p in before.probabilities.items():
        np.testing.assert_array_equal(after.probabilities[each], p, err_msg=each)
    assert (after.best, after.selection) == (before.best, before.selection)


def test_each_fold_of_a_walk_is_fitted_by_itself():
    strategy, prepared = run_of("three_bars")
    folds = walk()
    found = fitted((strategy, prepared), folds)
    alone = [fitted((strategy, prepared), [fold]) for fold in folds]
    for name, p in found.probabilities.items():
        np.testing.assert_array_equal(p, np.concatenate([a.probabilities[name] for a in alone]))
    for name, row in rows_of(found).items():
        if row["selection_log_loss"] is not None:
            each = [rows_of(a)[name]["selection_log_loss"] for a in alone]
            assert row["selection_log_loss"] == pytest.approx(np.mean(each))
        if row["skipped"] is None:
            assert row["facts"] == rows_of(alone[-1])[name]["facts"]
    assert "of each of 3 folds, weighted by their judged rows" in found.selection
    y = prepared.labels.value[np.concatenate([judged for _, judged in folds])]
    scores = classification_scores(y, found.probabilities["logistic"])
    assert rows_of(found)["logistic"]["log_loss"] == scores.log_loss


def test_selection_losses_are_weighted_by_judged_rows():
    strategy, prepared = run_of("three_bars")
    (train, judged), (train_2, judged_2) = walk(n_folds=2)
    found = fitted((strategy, prepared), [(train, judged[:50]), (train_2, judged_2[:200])])
    alone = [
        rows_of(fitted((strategy, prepared), [fold]))["majority"]["selection_log_loss"]
        for fold in ((train, judged), (train_2, judged_2))
    ]
    wanted = (50 * alone[0] + 200 * alone[1]) / 250
    assert rows_of(found)["majority"]["selection_log_loss"] == pytest.approx(wanted)


def test_a_baseline_that_fails_on_one_fold_is_left_out_with_the_fold_named():
    strategy, prepared = run_of("three_bars")
    whole = walk(n_folds=1)[0]
    short = (np.arange(0, 60), np.arange(70, 200))
    found = fitted((strategy, prepared), [whole, short])
    rows = rows_of(found)
    assert rows["volatility_garch"]["skipped"].startswith(
        "fold 2 of 2: a GARCH fit needs at least 100 training bars; there are 6"
    )
    assert "volatility_garch" not in found.probabilities
    assert rows["majority"]["skipped"] is None
    assert len(found.probabilities["majority"]) == len(whole[1]) + 130
    assert found.best is None
    assert found.selection.startswith("fold 2 of 2: no best baseline is named: training leaves")
    assert all(row["selection_log_loss"] is None for row in found.table)


@pytest.mark.parametrize(
    ("folds", "sentence"),
    [
        ([], "no judged sample is left."),
        ([("all", "none")], "no judged sample is left."),
        ([("none", "all")], "no training sample is left."),
        ([("all", "all"), ("none", "all")], "fold 2 of 2: no training sample is left."),
    ],
)
def test_empty_parts_are_said_and_never_raised(folds, sentence):
    strategy, prepared = run_of("next_bar")
    parts = {"none": np.empty(0, dtype=np.int64)}
    pairs = [
        (parts.get(train, prepared.fold.train), parts.get(judged, prepared.fold.validation))
        for train, judged in folds
    ]
    found = fit_run_baselines(strategy, prepared, pairs, seed=1)
    assert found.probabilities == {}
    assert found.best is None
    assert found.selection == f"no best baseline is named: {sentence}"
    assert {row["skipped"] for row in found.table} == {sentence}
    canonical_json(found.table)


def test_a_fold_without_judged_rows_is_passed_over():
    strategy, prepared = run_of("next_bar")
    fold = one_fold(prepared)[0]
    nothing = (fold[0], np.empty(0, dtype=np.int64))
    found = fitted((strategy, prepared), [nothing, fold])
    alone = fitted((strategy, prepared), [fold])
    assert found.best == alone.best
    for name, p in alone.probabilities.items():
        np.testing.assert_array_equal(found.probabilities[name], p)


def test_one_class_in_training_is_no_error():
    strategy, prepared = run_of("next_bar")
    up = np.flatnonzero(prepared.labels.value == 0)
    found = fitted((strategy, prepared), [(up[:500], prepared.fold.validation)])
    assert (found.probabilities["majority"].argmax(axis=1) == 0).all()


@pytest.mark.parametrize("side", ["up", "down"])
def test_touch_labels_ask_the_touch_and_answer_in_the_classes_of_the_task(side):
    strategy, prepared = touch_run(side)
    assert baseline_task(strategy.training.labels) == BaselineTask(
        kind=f"touch_{side}", horizon=4, threshold=0.001
    )
    found = fitted((strategy, prepared))
    touched = {"up": 0, "down": 2}[side]
    train, judged = one_fold(prepared)[0]
    rate = prepared.labels.value[train].mean()
    assert found.probabilities["majority"][0, touched] == pytest.approx(rate, abs=0.01)
    assert found.probabilities["majority"][0, 1] == pytest.approx(1 - rate, abs=0.01)
    hit = prepared.labels.value[judged]
    y = np.where(hit == 1, touched, 1)
    rows = rows_of(found)
    assert rows["logistic"]["log_loss"] == pytest.approx(
        sample_log_loss(y, found.probabilities["logistic"]).mean()
    )
    assert rows["even_odds"]["skipped"] == "a touch label has no two sides to be even."
    assert rows["vix_touch"]["skipped"] == "no volatility index was given."
    # The session profile of the bars makes volatility known in part, and touches with it.
    assert rows["volatility_har"]["log_loss"] < rows["majority"]["log_loss"]


def test_inputs_are_scaled_by_the_training_rows_of_the_fold():
    strategy, prepared = run_of("next_bar")
    scaled = replace(prepared, normalization=("zscore",) * len(prepared.features.names))
    rows = scaled.features.rows(scaled.labels.bar)
    inputs = _run_baselines._inputs(scaled, rows, scaled.fold.train)
    np.testing.assert_array_equal(
        inputs[scaled.fold.validation], scaled.x("validation", scaled.fit_standardizer())
    )
    constant = scaled.features.values.copy()
    constant[0] = 0.5
    sick = replace(scaled, features=with_values(scaled.features, constant))
    found = rows_of(fitted((strategy, sick)))
    assert "is 0.5 in all 1429 training rows, so zscore cannot" in found["logistic"]["skipped"]
    assert found["majority"]["skipped"] is None


def test_boosting_is_fitted_where_it_is_asked_for():
    pytest.importorskip("sklearn")
    found = fitted(run_of("next_bar"), with_boosting=True)
    row = rows_of(found)["boosting"]
    assert row["skipped"] is None
    assert not row["decides"]
    assert row["facts"]["n_rounds"] >= 0
    assert found.probabilities["boosting"].shape == found.probabilities["majority"].shape


def test_what_is_kept_is_what_would_be_fitted_and_only_for_equal_tables():
    run = run_of("zigzag")
    first = fitted(run)
    for p in first.probabilities.values():
        p[:] = -1.0
    again = fitted(run)
    assert len(_run_baselines._KEPT) == 1
    _run_baselines._KEPT.clear()
    fresh = fitted(run)
    for name, p in fresh.probabilities.items():
        np.testing.assert_array_equal(again.probabilities[name], p)
    assert again.table == fresh.table
    other = bars_of(seed=8)
    moved = fitted((run[0], replace(run[1], bars=other)))
    assert len(_run_baselines._KEPT) == 2
    assert not np.array_equal(
        moved.probabilities["volatility_har"], fresh.probabilities["volatility_har"]
    )
    for k in range(12):
        fitted(run, [(run[1].fold.train[k + 1 :], run[1].fold.validation)])
    assert len(_run_baselines._KEPT) == _run_baselines._MOST_KEPT
