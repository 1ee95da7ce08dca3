"""DeLong, paired tests and detectable effects against definitions, statsmodels and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import (
    AucDifference,
    AucInterval,
    PairedTest,
    Undefined,
    auc_interval,
    auc_standard_error,
    detectable_accuracy_difference,
    detectable_auc_difference,
    detectable_mean_difference,
    diebold_mariano_test,
    event_bootstrap_interval,
    mcnemar_test,
    paired_auc_test,
    paired_bootstrap_test,
    roc_auc,
)

seeds = st.integers(0, 2**32 - 1)


def delong_by_definition(y, *scores):
    """DeLong et al. (1988), eq. 4-5, in O(m n)."""
    tens, ones = [], []
    for score in scores:
        above, below = score[y == 1][:, None], score[y == 0][None, :]
        kernel = (above > below) + 0.5 * (above == below)
        tens.append(kernel.mean(axis=1))
        ones.append(kernel.mean(axis=0))
    m, n = (y == 1).sum(), (y == 0).sum()
    return np.array([v.mean() for v in tens]), np.atleast_2d(np.cov(tens) / m + np.cov(ones) / n)


def forecasts(rng, n, shift=1.0, digits=9):
    y = rng.integers(0, 2, size=n)
    shared = rng.normal(size=n)
    first = np.round(shift * y + shared + 0.7 * rng.normal(size=n), digits)
    second = np.round(shift * y + shared + 0.7 * rng.normal(size=n), digits)
    return y, first, second


@given(seed=seeds, n=st.integers(90, 250), digits=st.sampled_from([0, 1, 9]))
@settings(deadline=None, max_examples=25)
def test_delong_equals_its_definition(seed, n, digits):
    y, first, second = forecasts(np.random.default_rng(seed), n, digits=digits)
    areas, cov = delong_by_definition(y, first, second)
    one = auc_interval(y, first)
    assert one.auc == pytest.approx(areas[0], abs=1e-12)
    assert one.auc == pytest.approx(roc_auc(y, first), abs=1e-12)
    assert one.standard_error == pytest.approx(math.sqrt(cov[0, 0]), rel=1e-9)
    assert 0 < one.low < one.auc < one.high < 1
    both = paired_auc_test(y, first, second)
    error = math.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    assert both.difference == pytest.approx(areas[0] - areas[1], abs=1e-12)
    assert both.standard_error == pytest.approx(error, rel=1e-9)
    assert both.p_value == pytest.approx(2 * stats.norm.sf(abs(areas[0] - areas[1]) / error))
    assert both.correlation == pytest.approx(cov[0, 1] / math.sqrt(cov[0, 0] * cov[1, 1]))
    assert both.high - both.low == pytest.approx(2 * 1.959964 * error, rel=1e-6)
    assert AucInterval.from_mapping(one.to_mapping()) == one
    assert AucDifference.from_mapping(both.to_mapping()) == both
    other = paired_auc_test(y, second, first)
    assert other.difference == pytest.approx(-both.difference)


def test_auc_interval_holds_the_truth_and_the_test_its_level():
    rng = np.random.default_rng(7)
    truth = stats.norm.cdf(1 / math.sqrt(2 * 1.49))
    held, rejected = [], []
    for _ in range(500):
        y, first, second = forecasts(rng, 160)
        interval = auc_interval(y, first)
        held.append(interval.low <= truth <= interval.high)
        rejected.append(paired_auc_test(y, first, second).p_value <= 0.05)
    assert 0.92 <= np.mean(held) <= 0.98
    assert 0.025 <= np.mean(rejected) <= 0.085


def test_clustered_delong_sees_that_days_are_one_observation():
    rng = np.random.default_rng(9)
    rejected, naive = [], []
    for _ in range(300):
        y, first, second = forecasts(rng, 100)
        args = [np.repeat(x, 4) for x in (y, first, second)]
        rejected.append(paired_auc_test(*args, event=np.repeat(np.arange(100), 4)).p_value <= 0.05)
        naive.append(paired_auc_test(*args).p_value <= 0.05)
    assert 0.02 <= np.mean(rejected) <= 0.09
    assert np.mean(naive) > 0.2
    single = auc_interval(y, first, event=np.arange(100))
    assert single.standard_error == pytest.approx(auc_interval(y, first).standard_error, rel=0.03)
    repeated = auc_interval(args[0], args[1], event=np.repeat(np.arange(100), 4))
    assert repeated.standard_error == pytest.approx(single.standard_error, rel=1e-9)
    assert repeated.n_positive_units == single.n_positives


def test_delong_says_what_it_cannot():
    y = np.repeat([0, 1], [100, 19])
    score = np.random.default_rng(0).normal(size=119)
    assert "there are 19 and 100" in auc_interval(y, score).reason
    y = np.repeat([0, 1], 50)
    assert "no error to measure" in auc_interval(y, y.astype(float)).reason
    same = paired_auc_test(y, score[:100], 3 * score[:100])
    assert same.reason.startswith("both forecasts put the samples into the same order")
    oracle = paired_auc_test(y, y.astype(float), score[:100])
    assert oracle.correlation.reason == "the AUC of the first forecast has no variance."
    assert oracle.p_value < 1e-6
    days = auc_interval(y, score[:100], event=np.arange(100) // 10)
    assert "20 events with a positive" in days.reason
    assert isinstance(auc_interval(np.ones(50, dtype=np.int64), score[:50]), Undefined)


def test_delong_is_fast():
    rng = np.random.default_rng(0)
    y, first, _ = forecasts(rng, 40_000)
    interval = auc_interval(y, first)  # 40,000 samples would be 400 million pairs
    assert interval.standard_error == pytest.approx(
        auc_standard_error(interval.auc, y.sum(), (1 - y).sum()), rel=0.1
    )


@given(b=st.integers(0, 60), c=st.integers(0, 60), both=st.integers(0, 30))
@settings(deadline=None, max_examples=40)
def test_mcnemar_equals_statsmodels(b, c, both):
    first = np.repeat([1, 0, 1], [b, c, both])
    second = np.repeat([0, 1, 1], [b, c, both])
    ours = mcnemar_test(first, second)
    if b + c == 0:
        assert isinstance(ours, Undefined)
        return
    theirs = statsmodels_mcnemar([[both, b], [c, 0]], exact=True)
    assert ours.p_value == pytest.approx(min(1.0, theirs.pvalue), rel=1e-9)
    assert ours.statistic == theirs.statistic
    assert ours.difference == pytest.approx((b - c) / len(first))
    assert PairedTest.from_mapping(ours.to_mapping()) == ours
    days = np.repeat(np.arange(len(first)), 3)
    clustered = mcnemar_test(np.repeat(first, 3), np.repeat(second, 3), event=days)
    assert clustered.p_value == ours.p_value
    assert clustered.n_units == ours.n_units


def test_mcnemar_of_very_many_is_finite():
    first = np.repeat([1, 0], [100_500, 100_000])
    p = mcnemar_test(first, 1 - first).p_value
    assert p == pytest.approx(stats.binomtest(100_000, 200_500).pvalue, rel=1e-6)


@given(seed=seeds, n=st.integers(40, 300), h=st.integers(1, 6))
@settings(deadline=None, max_examples=25)
def test_diebold_mariano_equals_its_definition(seed, n, h):
    rng = np.random.default_rng(seed)
    first, second = rng.exponential(size=n), rng.exponential(size=n)
    d = first - second
    gamma = [np.sum((d[k:] - d.mean()) * (d[: n - k] - d.mean())) / n for k in range(h)]
    for kernel in ("rectangular", "bartlett"):
        weight = [1 - k / h if kernel == "bartlett" else 1 for k in range(h)]
        variance = (
            gamma[0] + 2 * sum(w * g for w, g in zip(weight[1:], gamma[1:], strict=True))
        ) / n
        ours = diebold_mariano_test(first, second, horizon=h, kernel=kernel)
        if variance <= 0:
            assert "Bartlett kernel's always is" in ours.reason
            continue
        factor = math.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
        statistic = factor * d.mean() / math.sqrt(variance)
        assert ours.statistic == pytest.approx(statistic, rel=1e-9, abs=1e-12)
        assert ours.p_value == pytest.approx(2 * stats.t.sf(abs(statistic), n - 1), rel=1e-7)
        assert (ours.low <= 0 <= ours.high) == (ours.p_value >= 0.05)
    if h == 1:
        plain = stats.ttest_1samp(d, 0)
        assert ours.p_value == pytest.approx(plain.pvalue, rel=1e-7)


def test_diebold_mariano_keeps_its_level_by_day():
    rng = np.random.default_rng(3)
    by_day, naive = [], []
    for _ in range(250):
        day = np.repeat(np.arange(60), 5)
        shared = rng.normal(size=60)[day]
        first, second = shared + rng.normal(size=300), np.zeros(300)
        by_day.append(diebold_mariano_test(first, second, cluster=day).p_value <= 0.05)
        naive.append(diebold_mariano_test(first, second).p_value <= 0.05)
    assert 0.02 <= np.mean(by_day) <= 0.09
    assert np.mean(naive) > 0.18  # 0.26 in theory


@given(seed=seeds, shift=st.floats(-0.6, 0.6))
@settings(deadline=None, max_examples=25)
def test_paired_bootstrap_agrees_with_its_interval(seed, shift):
    rng = np.random.default_rng(seed)
    event = np.repeat(np.arange(60), 4)
    first = rng.normal(size=240) + rng.normal(size=60)[event] + shift
    second = rng.normal(size=240)
    test = paired_bootstrap_test(first, second, event, seed=seed)
    interval = event_bootstrap_interval(first - second, event, seed=seed)
    assert (test.low, test.high) == (interval.low, interval.high)
    assert 1 / 2001 <= test.p_value <= 1
    if test.p_value < 0.02:
        assert not interval.low <= 0 <= interval.high
    if test.p_value > 0.12:
        assert interval.low <= 0 <= interval.high
    swapped = paired_bootstrap_test(second, first, event, seed=seed)
    assert swapped.p_value == test.p_value
    assert swapped.difference == pytest.approx(-test.difference)


def test_paired_bootstrap_keeps_its_level():
    rng = np.random.default_rng(5)
    event = np.repeat(np.arange(40), 3)
    rejected = []
    for k in range(400):
        loss = rng.exponential(size=40)[event] * rng.normal(size=40)[event]
        test = paired_bootstrap_test(loss, np.zeros(120), event, n_resamples=499, seed=k)
        rejected.append(test.p_value <= 0.05)
    assert 0.01 <= np.mean(rejected) <= 0.08


def test_paired_tests_say_what_they_cannot():
    few = paired_bootstrap_test(np.arange(30.0), np.zeros(30), np.arange(30) // 2, seed=0)
    assert few.reason == "the test needs 20 events; there are 15."
    flat = paired_bootstrap_test(np.ones(30), np.zeros(30), np.arange(30), seed=0)
    assert "differ by 1 per sample in every unit" in flat.reason
    assert isinstance(diebold_mariano_test(np.ones(30), np.zeros(30)), Undefined)
    short = diebold_mariano_test(np.arange(40.0), np.zeros(40), horizon=14)
    assert short.reason == "the test needs 42 units; there are 40."


@pytest.mark.parametrize(
    ("kind", "text", "call"),
    [
        (ConfigError, "kernel", lambda: diebold_mariano_test(np.ones(9), np.ones(9), kernel="x")),
        (ConfigError, "horizon", lambda: diebold_mariano_test(np.ones(9), np.ones(9), horizon=0)),
        (
            DataError,
            "cluster must ascend",
            lambda: diebold_mariano_test(np.ones(3), np.ones(3), cluster=np.array([1, 0, 2])),
        ),
        (DataError, "must hold 0 and 1", lambda: mcnemar_test(np.array([2]), np.array([1]))),
        (ConfigError, "auc: must lie in", lambda: detectable_auc_difference(0.4, 10, 10)),
        (ConfigError, "n_samples", lambda: detectable_mean_difference(1.0, 0)),
        (ConfigError, "power", lambda: detectable_mean_difference(1.0, 9, power=80)),
        (DataError, "of one length", lambda: paired_bootstrap_test(P3, P3[:2], E3, seed=0)),
    ],
)
def test_refusals(kind, text, call):
    with pytest.raises(kind, match=text):
        call()


P3, E3 = np.ones(3), np.arange(3)


@pytest.mark.parametrize(
    ("positives", "samples", "printed"), [(76, 422, 0.139), (101, 502, 0.122), (47, 260, 0.178)]
)
def test_the_references_detectable_effects(positives, samples, printed):
    # The reference multiplies by 2.8 (Bloom's rule); the exact sum of quantiles is 2.8016.
    exact = detectable_auc_difference(0.72, positives, samples - positives)
    assert exact == pytest.approx(printed, abs=6e-4)
    error = auc_standard_error(0.72, positives, samples - positives)
    assert round(2.8 * math.sqrt(2) * error, 3) == printed
    paired = detectable_auc_difference(0.72, positives, samples - positives, correlation=0.75)
    assert paired == pytest.approx(exact / 2)


def power(differences, errors):
    return np.mean(np.abs(differences) > 1.96 * errors)


def test_detectable_effects_are_found_with_the_stated_power():
    rng = np.random.default_rng(1)
    n = 500
    effect = detectable_accuracy_difference(0.6, n)
    a, b = rng.binomial(n, 0.6, 4_000) / n, rng.binomial(n, 0.6 + effect, 4_000) / n
    assert power(b - a, np.sqrt((a * (1 - a) + b * (1 - b)) / n)) == pytest.approx(0.8, abs=0.03)
    paired = detectable_accuracy_difference(0.6, n, discordant_share=0.2)
    counts = rng.multinomial(n, [0.1 + paired / 2, 0.1 - paired / 2, 0.8], size=4_000)
    gap, discordant = counts[:, 0] - counts[:, 1], counts[:, 0] + counts[:, 1]
    assert np.mean(np.abs(gap) > 1.96 * np.sqrt(discordant)) == pytest.approx(0.8, abs=0.03)
    mean = detectable_mean_difference(2.0, 200, correlation=0.5)
    x = rng.multivariate_normal([0, mean], [[4, 2], [2, 4]], size=(3_000, 200))
    gaps = x[..., 1] - x[..., 0]
    assert power(gaps.mean(axis=1), gaps.std(axis=1) / math.sqrt(200)) == pytest.approx(
        0.8, abs=0.03
    )


def test_effects_beyond_the_possible_are_undefined():
    beyond = detectable_auc_difference(0.95, 5, 20)
    assert "no improvement can be found with so few samples" in beyond.reason
    few = detectable_accuracy_difference(0.5, 20, discordant_share=0.05)
    assert "differ on a share of 0.050 only" in few.reason
    assert isinstance(detectable_accuracy_difference(0.5, 20, discordant_share=0.0), Undefined)
    assert isinstance(detectable_accuracy_difference(0.9, 20), Undefined)
