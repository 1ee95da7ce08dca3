"""Scores against scikit-learn and SciPy, to 1e-12 where both are sums of the same terms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import calibration, metrics

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import (
    BinaryScores,
    MulticlassScores,
    QuantileScores,
    RegressionScores,
    Undefined,
    average_precision,
    binary_scores,
    calibration_error,
    multiclass_scores,
    quantile_scores,
    rank_information_coefficient,
    ranking_refusal,
    regression_scores,
    reliability_table,
    roc_auc,
    share_interval,
    tier_calibration,
)
from marketlab.evaluation._distributions import (
    normal_two_sided,
    student_quantile,
    student_two_sided,
)

CLOSE = {"rel": 1e-12, "abs": 1e-12}
seeds = st.integers(0, 2**32 - 1)


@st.composite
def binary(draw):
    rng = np.random.default_rng(draw(seeds))
    n = draw(st.integers(4, 300))
    y = rng.integers(0, 2, size=n)
    y[:2] = (0, 1)
    p = np.clip(rng.beta(2, 2, size=n) + 0.2 * (y - 0.5), 1e-5, 1 - 1e-5)
    return y, np.round(p, draw(st.sampled_from([1, 2, 9]))).clip(1e-5, 1 - 1e-5)


@given(data=binary())
@settings(deadline=None, max_examples=25)
def test_binary_scores_equal_scikit_learn(data):
    y, p = data
    ours = binary_scores(y, p)
    answer = (p >= 0.5).astype(int)
    assert ours.auc == pytest.approx(metrics.roc_auc_score(y, p), **CLOSE)
    assert ours.pr_auc == pytest.approx(metrics.average_precision_score(y, p), **CLOSE)
    assert ours.log_loss == pytest.approx(metrics.log_loss(y, p), **CLOSE)
    assert ours.brier == pytest.approx(metrics.brier_score_loss(y, p), **CLOSE)
    assert ours.accuracy == pytest.approx(metrics.accuracy_score(y, answer), **CLOSE)
    assert ours.balanced_accuracy == pytest.approx(
        metrics.balanced_accuracy_score(y, answer), **CLOSE
    )
    assert ours.recall == pytest.approx(metrics.recall_score(y, answer), **CLOSE)
    if answer.any():
        assert ours.precision == pytest.approx(metrics.precision_score(y, answer), **CLOSE)
    else:
        assert "no positive answer" in ours.precision.reason
    if 0 < answer.sum() < len(answer):
        assert ours.mcc == pytest.approx(metrics.matthews_corrcoef(y, answer), abs=1e-12)
    else:
        assert ours.mcc.reason == "all answers are of one class."
    confidence, right = np.maximum(p, 1 - p), (p >= 0.5) == (y == 1)
    bins = np.ceil(np.round(confidence * 10, 9))
    gaps = [abs((right - confidence)[bins == b].sum()) for b in np.unique(bins)]
    assert ours.ece_confidence == pytest.approx(sum(gaps) / len(y), abs=1e-9)
    assert (ours.lowest, ours.highest) == (p.min(), p.max())
    assert BinaryScores.from_mapping(ours.to_mapping()) == ours


@given(seed=seeds, k=st.integers(2, 5), n=st.integers(30, 200))
@settings(deadline=None, max_examples=25)
def test_multiclass_scores_equal_scikit_learn(seed, k, n):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(k), rng.integers(0, k, size=n)])
    p = rng.dirichlet(np.ones(k), size=len(y))
    names = tuple(f"c{i}" for i in range(k))
    ours = multiclass_scores(y, p, names)
    answer = p.argmax(axis=1)
    labels = list(range(k))
    one_hot = np.eye(k)[y]
    assert ours.accuracy == pytest.approx(metrics.accuracy_score(y, answer), **CLOSE)
    assert ours.balanced_accuracy == pytest.approx(
        metrics.balanced_accuracy_score(y, answer), **CLOSE
    )
    assert ours.mcc == pytest.approx(metrics.matthews_corrcoef(y, answer), abs=1e-12)
    assert ours.log_loss == pytest.approx(
        metrics.log_loss(y, np.clip(p, 1e-7, 1), labels=labels), rel=1e-5
    )
    assert ours.auc == pytest.approx(
        np.mean([metrics.roc_auc_score(one_hot[:, i], p[:, i]) for i in labels]), **CLOSE
    )
    assert ours.pr_auc == pytest.approx(
        metrics.average_precision_score(one_hot, p, average="macro"), **CLOSE
    )
    assert ours.brier == pytest.approx(((p - one_hot) ** 2).sum(axis=1).mean(), **CLOSE)
    assert sum(ours.supports.values()) == len(y)
    assert MulticlassScores.from_mapping(ours.to_mapping()) == ours


@given(data=binary(), binning=st.sampled_from(["width", "count"]), n_bins=st.integers(2, 15))
@settings(deadline=None, max_examples=25)
def test_reliability_equals_calibration_curve(data, binning, n_bins):
    y, p = data
    table = reliability_table(y, p, np.arange(len(y)), n_bins=n_bins, binning=binning)
    strategy = {"width": "uniform", "count": "quantile"}[binning]
    observed, forecast = calibration.calibration_curve(y, p, n_bins=n_bins, strategy=strategy)
    assert [row.observed for row in table.rows] == pytest.approx(observed.tolist(), **CLOSE)
    assert [row.mean_probability for row in table.rows] == pytest.approx(forecast.tolist(), **CLOSE)
    sizes = np.array([row.n_samples for row in table.rows])
    assert sizes.sum() == len(y)
    assert table.empty_bins + len(table.rows) == n_bins
    assert table.ece == pytest.approx(sizes @ np.abs(observed - forecast) / len(y), abs=1e-12)
    assert table.largest_error == pytest.approx(np.abs(observed - forecast).max(), abs=1e-12)
    for row in table.rows:
        assert row.low <= row.mean_probability <= row.high + 1e-12
        assert isinstance(row.interval, Undefined) == (row.n_samples < 20)
    if n_bins == 10:
        assert calibration_error(y, p, binning=binning) == table.ece


@given(data=binary(), shift=st.floats(-3, 3), scale=st.floats(0.1, 10))
@settings(deadline=None, max_examples=25)
def test_an_area_depends_on_the_order_alone(data, shift, scale):
    y, p = data
    moved = np.round(shift + scale * p, 12)
    assert roc_auc(y, moved) == pytest.approx(metrics.roc_auc_score(y, moved), **CLOSE)
    assert roc_auc(1 - y, -p) == pytest.approx(roc_auc(y, p), **CLOSE)
    assert roc_auc(y, -p) == pytest.approx(1 - roc_auc(y, p), **CLOSE)
    assert average_precision(y, np.zeros(len(y))) == pytest.approx(y.mean())


def test_what_the_class_mix_does_not_define_is_said():
    ones = binary_scores(np.ones(30, dtype=np.int64), np.full(30, 0.7))
    assert ones.auc.text == ("undefined: auc needs both classes; of 30 samples 30 are positive.")
    assert isinstance(ones.pr_auc, Undefined)
    assert ones.balanced_accuracy.reason == "no sample is labelled negative."
    assert ones.mcc.reason == "all labels are of one class."
    assert ones.accuracy == 1.0
    nothing = binary_scores(np.empty(0, dtype=np.int64), np.empty(0))
    shown = nothing.to_mapping()
    scores = set(shown) - {"n_samples", "n_positives", "threshold", "ranking_refusal"}
    assert all(isinstance(shown[name], dict) for name in scores)
    two = multiclass_scores(np.array([0, 1, 0]), np.full((3, 3), 1 / 3), ("a", "b", "c"))
    assert two.balanced_accuracy.reason == "no sample is labelled c."
    assert two.auc.reason == "c against the rest has one class only."
    assert two.class_auc["a"] == 0.5
    with pytest.raises(TypeError):
        _ = ones.auc + 1.0


def test_ranking_asks_for_fifty_of_each():
    assert ranking_refusal(50, 50) is None
    few = ranking_refusal(2, 17)
    assert "there are 2 and 17" in few.reason
    y = np.repeat([0, 1], [200, 49])
    assert binary_scores(y, np.full(249, 0.2)).ranking_refusal.counts["positives"] == 49
    assert binary_scores(np.repeat([0, 1], 50), np.full(100, 0.2)).ranking_refusal is None


@given(seed=seeds, n=st.integers(5, 200))
@settings(deadline=None, max_examples=25)
def test_regression_scores(seed, n):
    rng = np.random.default_rng(seed)
    y = np.round(rng.normal(size=n), 1)
    y[0] = 10.0
    forecast = np.round(y + rng.normal(size=n), 1)
    forecast[0] = 10.0
    training_mean = np.full(n, 0.3)
    ours = regression_scores(y, forecast, training_mean, reference_name="training mean")
    assert ours.mae == pytest.approx(metrics.mean_absolute_error(y, forecast), **CLOSE)
    assert ours.rmse == pytest.approx(metrics.root_mean_squared_error(y, forecast), **CLOSE)
    assert ours.rank_ic == pytest.approx(stats.spearmanr(y, forecast).statistic, abs=1e-12)
    own_mean = regression_scores(y, forecast, np.full(n, y.mean()), reference_name="own mean")
    assert own_mean.r2_out_of_sample == pytest.approx(metrics.r2_score(y, forecast), abs=1e-12)
    same = regression_scores(y, training_mean, training_mean, reference_name="itself")
    assert same.r2_out_of_sample == 0.0
    assert isinstance(same.rank_ic, Undefined)
    assert RegressionScores.from_mapping(ours.to_mapping()) == ours


def test_a_reference_without_error_gives_no_r2():
    y = np.arange(5.0)
    scores = regression_scores(y, y + 1, y, reference_name="oracle")
    assert scores.r2_out_of_sample.reason == "the reference has no error."
    assert scores.bias == 1.0
    assert isinstance(rank_information_coefficient(np.empty(0), np.empty(0)), Undefined)


@given(seed=seeds, n=st.integers(1, 200))
@settings(deadline=None, max_examples=25)
def test_quantile_scores(seed, n):
    rng = np.random.default_rng(seed)
    levels = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    y = rng.normal(size=n)
    q = rng.normal(size=(n, 5))
    ours = quantile_scores(y, q, levels)
    each = [metrics.mean_pinball_loss(y, q[:, k], alpha=a) for k, a in enumerate(levels)]
    assert [row.pinball for row in ours.levels] == pytest.approx(each, **CLOSE)
    assert ours.pinball == pytest.approx(np.mean(each), **CLOSE)
    assert [row.coverage for row in ours.levels] == pytest.approx(
        (y[:, None] <= q).mean(axis=0).tolist()
    )
    assert ours.crossing_share == pytest.approx((np.sort(q, axis=1) != q).any(axis=1).mean())
    assert [i.nominal for i in ours.intervals] == pytest.approx([0.9, 0.5])
    assert ours.intervals[0].observed == pytest.approx(((q[:, 0] <= y) & (y <= q[:, 4])).mean())
    assert QuantileScores.from_mapping(ours.to_mapping()) == ours


def test_true_quantiles_are_calibrated_and_do_not_cross():
    rng = np.random.default_rng(1)
    levels = np.array([0.1, 0.5, 0.9])
    q = np.tile(stats.norm.ppf(levels), (20_000, 1))
    scores = quantile_scores(rng.normal(size=20_000), q, levels)
    assert scores.crossing_share == 0.0
    assert [row.coverage for row in scores.levels] == pytest.approx(levels.tolist(), abs=0.01)


@given(t=st.floats(0, 50), freedom=st.floats(0.6, 1e5))
@settings(deadline=None, max_examples=100)
def test_student_equals_scipy(t, freedom):
    expected = 2 * stats.t.sf(t, freedom)
    assert student_two_sided(t, freedom) == pytest.approx(expected, rel=1e-9, abs=1e-300)
    assert normal_two_sided(t) == pytest.approx(2 * stats.norm.sf(t), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("freedom", [1, 2, 5.5, 19, 400, 1e8])
@pytest.mark.parametrize("probability", [0.5, 0.9, 0.975, 0.999])
def test_student_quantiles_equal_scipy(freedom, probability):
    expected = stats.t.ppf(probability, freedom)
    assert student_quantile(probability, freedom) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("n_events", [20, 60])
def test_share_intervals_hold_the_truth(n_events):
    rng = np.random.default_rng(n_events)
    hits = []
    for _ in range(300):
        common = np.repeat(rng.random(n_events) < 0.75, 5)
        own = rng.random(5 * n_events) < 0.75
        hit = np.where(rng.random(5 * n_events) < 0.6, common, own).astype(np.int64)
        interval = share_interval(hit, np.repeat(np.arange(n_events), 5))
        hits.append(interval.low <= 0.75 <= interval.high)
    assert 0.92 <= np.mean(hits) <= 0.99


@given(seed=seeds, share=st.floats(0, 1), n=st.integers(20, 300))
@settings(deadline=None, max_examples=25)
def test_share_intervals_stay_in_range_and_equal_wilson_for_many_single_events(seed, share, n):
    hit = (np.random.default_rng(seed).random(n) < share).astype(np.int64)
    interval = share_interval(hit, np.arange(n))
    assert 0.0 <= interval.low <= interval.estimate <= interval.high <= 1.0
    assert interval.high - interval.low > 0.0
    assert interval.effective_samples <= n
    many = np.tile(hit, 50)
    wide = stats.binomtest(int(many.sum()), len(many)).proportion_ci(method="wilson")
    ours = share_interval(many, np.arange(len(many)))
    assert ours.low == pytest.approx(wide.low, abs=2e-3)
    assert ours.high == pytest.approx(wide.high, abs=2e-3)
    repeated = share_interval(np.repeat(hit, 10), np.repeat(np.arange(n), 10))
    assert repeated.low == pytest.approx(interval.low, abs=1e-9)


def tiers_of(n_high, n_medium, n_low, right):
    confidence = np.repeat([0.8, 0.7, 0.55], [n_high, n_medium, n_low])
    hit = np.concatenate([np.arange(n) < round(n * r) for n, r in right]).astype(np.int64)
    return tier_calibration(hit, confidence, np.arange(len(hit)))


def test_tier_error_is_weighted_and_leaves_small_tiers_out():
    found = tiers_of(200, 600, 100, [(200, 0.7), (600, 0.71), (100, 0.5)])
    assert found.tier_mae == pytest.approx((200 * 0.10 + 600 * 0.01) / 800)
    assert found.tier_mae_legacy == pytest.approx((0.05 + 0.06) / 2)
    assert found.high_beats_medium is False
    assert [tier.counted for tier in found.tiers] == [True, True, False]
    assert found.tiers[0].interval.low < 0.7 < found.tiers[0].interval.high


def test_a_model_that_is_never_confident_has_no_tier_error():
    found = tiers_of(0, 199, 5_000, [(0, 0), (199, 0.7), (5_000, 0.55)])
    assert found.tier_mae.reason == (
        "a tradable tier needs 200 samples; high holds 0 and medium 199."
    )
    assert found.tiers[0].observed.text == "undefined: tier high holds no sample."
    assert isinstance(found.high_beats_medium, Undefined)
    none = tiers_of(0, 0, 30, [(0, 0), (0, 0), (30, 0.5)])
    assert isinstance(none.tier_mae_legacy, Undefined)
    equal = tiers_of(300, 300, 0, [(300, 0.8), (300, 0.7), (0, 0)])
    assert equal.high_beats_medium is True
    assert equal.tier_mae == pytest.approx(0.0, abs=1e-12)


Y, P = np.array([0, 1]), np.array([0.2, 0.8])


@pytest.mark.parametrize(
    ("kind", "text", "call"),
    [
        (DataError, "y must hold 0 and 1 only", lambda: binary_scores(np.array([0, 2]), P)),
        (DataError, "astype", lambda: binary_scores(np.array([True, False]), P)),
        (DataError, r"must lie in \[0, 1\].*1.5", lambda: binary_scores(Y, np.array([0.2, 1.5]))),
        (DataError, "entry 1 is nan", lambda: binary_scores(Y, np.array([0.2, np.nan]))),
        (DataError, "of one length", lambda: binary_scores(Y, np.array([0.2]))),
        (ConfigError, "threshold", lambda: binary_scores(Y, P, threshold=50)),
        (DataError, "entry 0 is inf", lambda: roc_auc(Y, np.array([np.inf, 0]))),
        (ConfigError, "two or more different", lambda: multiclass_scores(Y, P[:, None], ("a",))),
        (DataError, "row 0 is", lambda: multiclass_scores(Y, np.ones((2, 2)), ("a", "b"))),
        (DataError, "of shape", lambda: multiclass_scores(Y, np.ones((2, 3)), ("a", "b"))),
        (
            DataError,
            "class indices 0 to 1",
            lambda: multiclass_scores(Y + 1, np.full((2, 2), 0.5), ("a", "b")),
        ),
        (ConfigError, "name the reference", lambda: regression_scores(P, P, P, reference_name=" ")),
        (
            ConfigError,
            "ascend strictly",
            lambda: quantile_scores(P, np.zeros((2, 2)), np.array([0.9, 0.1])),
        ),
        (
            DataError,
            r"of shape \(2, 1\)",
            lambda: quantile_scores(P, np.zeros((2, 2)), np.array([0.5])),
        ),
        (ConfigError, "n_bins", lambda: reliability_table(Y, P, Y, n_bins=1)),
        (DataError, "right must hold 0 and 1", lambda: tier_calibration(Y + 1, P, Y)),
    ],
)
def test_refusals(kind, text, call):
    with pytest.raises(kind, match=text):
        call()


def test_no_score_is_ever_nan():
    y = np.repeat([0, 1], [30, 1])
    for p in (np.zeros(31), np.ones(31), np.linspace(0, 1, 31)):
        for value in binary_scores(y, p).to_mapping().values():
            assert not (isinstance(value, float) and not math.isfinite(value))
