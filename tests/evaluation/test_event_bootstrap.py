"""Intervals from events: none below 20, honest coverage above, dependence widens."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import (
    Interval,
    count_events,
    effective_events,
    event_bootstrap_interval,
)
from marketlab.evaluation._bootstrap import _student_quantile, dependence_factor


def legs(rng, n_events, mean_length=30):
    """Ids of events with exponential lengths, one id per sample, in order."""
    lengths = 1 + rng.exponential(mean_length, size=n_events).astype(np.int64)
    return np.repeat(np.arange(n_events), lengths)


def skill_sample(rng, n_events):
    """Log-loss skill: early samples of a leg cost, late ones gain, each leg its own luck."""
    event = legs(rng, n_events)
    age = np.arange(len(event)) - np.searchsorted(event, event)
    luck = rng.exponential(1.0, size=n_events)[event]
    return np.where(age < 12, -0.08 * luck, 0.10), event


def accuracy_sample(rng, n_events):
    """Accuracy: the start of each leg is missed for a while."""
    event = legs(rng, n_events)
    age = np.arange(len(event)) - np.searchsorted(event, event)
    missed = rng.exponential(10.0, size=n_events)[event]
    return (age >= missed).astype(float), event


def overlapping_sample(rng, n_events, horizon=20):
    """Returns over the next 20 bars in blocks of 20: each block shares bars with the next."""
    path = np.cumsum(rng.normal(size=(n_events + 1) * horizon))
    n = n_events * horizon
    return (path[horizon : horizon + n] - path[:n]) / horizon, np.arange(n) // horizon


def coverage(sample, n_events, repeats, truth):
    rng = np.random.default_rng(20261101)
    hits = 0
    for k in range(repeats):
        values, event = sample(rng, n_events)
        interval = event_bootstrap_interval(values, event, n_resamples=999, seed=k)
        hits += interval.low <= truth <= interval.high
    return hits / repeats


@pytest.mark.parametrize("sample", [skill_sample, accuracy_sample])
@pytest.mark.parametrize("n_events", [20, 50, 100])
@pytest.mark.slow
def test_coverage_is_nominal(sample, n_events):
    truth = sample(np.random.default_rng(1), 400_000)[0].mean()
    repeats = 2_000
    # Two standard errors of the measurement are 0.01. A percentile interval has 0.91 at 20.
    assert 0.935 <= coverage(sample, n_events, repeats, truth) <= 0.985


@pytest.mark.parametrize("n_events", [50, 100])
@pytest.mark.slow
def test_coverage_holds_where_labels_overlap(n_events):
    # Without the widening for dependence it is about 0.90.
    assert 0.93 <= coverage(overlapping_sample, n_events, 2_000, 0.0) <= 0.98


def test_coverage_is_roughly_nominal_at_fifty_events():
    truth = skill_sample(np.random.default_rng(1), 200_000)[0].mean()
    assert 0.91 <= coverage(skill_sample, 50, 300, truth) <= 0.995


def test_none_below_twenty_events():
    rng = np.random.default_rng(0)
    values, event = skill_sample(rng, 19)
    assert event_bootstrap_interval(values, event, seed=1) is None
    values, event = skill_sample(rng, 20)
    assert event_bootstrap_interval(values, event, seed=1).n_events == 20
    assert event_bootstrap_interval(np.empty(0), np.empty(0, dtype=np.int64), seed=1) is None


def test_many_bars_of_few_events_are_few():
    assert event_bootstrap_interval(np.ones(9_102), np.arange(9_102) // 600, seed=1) is None


@given(seed=st.integers(0, 2**32 - 1), n_events=st.integers(20, 200))
@settings(deadline=None, max_examples=25)
def test_estimate_lies_inside_and_seed_decides(seed, n_events):
    values, event = skill_sample(np.random.default_rng(seed), n_events)
    one = event_bootstrap_interval(values, event, n_resamples=200, seed=seed)
    assert one.estimate == pytest.approx(values.mean())
    assert one.low < one.estimate < one.high
    assert one == event_bootstrap_interval(values, event, n_resamples=200, seed=seed)
    assert one != event_bootstrap_interval(values, event, n_resamples=200, seed=seed + 1)
    assert Interval.from_mapping(one.to_mapping()) == one


@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-5, 5), scale=st.floats(0.01, 100))
@settings(deadline=None, max_examples=25)
def test_shift_and_scale_carry_over(seed, shift, scale):
    values, event = skill_sample(np.random.default_rng(seed), 40)
    one = event_bootstrap_interval(values, event, n_resamples=200, seed=3)
    other = event_bootstrap_interval(shift + scale * values, event, n_resamples=200, seed=3)
    assert other.low == pytest.approx(shift + scale * one.low, abs=1e-6 * (1 + scale))
    assert other.high == pytest.approx(shift + scale * one.high, abs=1e-6 * (1 + scale))


def test_repeating_every_sample_changes_nothing():
    # The naive bar-wise interval would shrink by sqrt(10).
    values, event = skill_sample(np.random.default_rng(5), 60)
    one = event_bootstrap_interval(values, event, seed=3)
    ten = event_bootstrap_interval(np.repeat(values, 10), np.repeat(event, 10), seed=3)
    assert ten.low == pytest.approx(one.low)
    assert ten.high == pytest.approx(one.high)


def test_agrees_with_the_normal_interval_for_many_equal_events():
    values = np.random.default_rng(2).normal(0.1, 1.0, size=4_000)
    interval = event_bootstrap_interval(values, np.arange(4_000), seed=1, n_resamples=4_000)
    half = 1.96 * values.std(ddof=1) / np.sqrt(4_000) * interval.dependence_factor
    assert interval.low == pytest.approx(values.mean() - half, abs=0.12 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.12 * half)


def test_equal_events_give_a_point():
    interval = event_bootstrap_interval(np.full(40, 0.25), np.arange(40), seed=1)
    assert (interval.low, interval.high, interval.standard_error) == (0.25, 0.25, 0.0)
    zero = event_bootstrap_interval(np.zeros(40), np.arange(40), seed=1)
    assert (zero.low, zero.high) == (0.0, 0.0)


def test_one_dissenting_event_gives_a_finite_interval():
    values = np.ones(30)
    values[7] = 0.0
    interval = event_bootstrap_interval(values, np.arange(30), seed=1)
    assert 0.5 < interval.low < 29 / 30 < interval.high < 1.5


def test_dependent_neighbours_widen_and_alternating_ones_do_not():
    rng = np.random.default_rng(8)
    noise = rng.normal(size=401)
    linked = noise[1:] + noise[:-1]  # lag-1 correlation 0.5: the variance of the mean doubles
    assert dependence_factor(linked - linked.mean()) == pytest.approx(np.sqrt(2), abs=0.2)
    assert dependence_factor(np.tile([1.0, -1.0], 100)) == 1.0
    assert dependence_factor(np.zeros(30)) == 1.0
    independent = [dependence_factor(rng.normal(size=100)) for _ in range(300)]
    assert np.mean(independent) < 1.08


def test_expansion_of_student_quantiles():
    # Tables: t(0.975) with 19, 49 and 99 degrees of freedom.
    for freedom, table in ((19, 2.09302), (49, 2.00958), (99, 1.98422)):
        assert _student_quantile(0.975, freedom) == pytest.approx(table, abs=2e-5)


def test_events_counted_and_their_effective_number():
    assert count_events(np.array([3, 3, 5])) == 2
    assert effective_events(np.array([1, 1, 2, 2])) == pytest.approx(2)
    assert effective_events(np.array([1, 1, 1, 2])) == pytest.approx(16 / 10)
    assert effective_events(np.empty(0, dtype=np.int64)) == 0.0


@pytest.mark.parametrize(
    ("kind", "text", "values", "options"),
    [
        (DataError, "differences must be finite; entry 1 is nan", [0.0, np.nan], {}),
        (
            ConfigError,
            "n_resamples: must be at least 100; received 10",
            [0.0] * 2,
            {"n_resamples": 10},
        ),
        (ConfigError, r"level: must lie in \[0.5, 0.999\]; received 95", [0.0] * 2, {"level": 95}),
        (DataError, "values and event must be one-dimensional and of one length", [0.0], {}),
    ],
)
def test_refusals(kind, text, values, options):
    with pytest.raises(kind, match=text):
        event_bootstrap_interval(np.array(values), np.arange(2), seed=1, **options)


@pytest.mark.slow
def test_two_thousand_resamples_of_five_thousand_events_are_fast():
    rng = np.random.default_rng(0)
    values, event = skill_sample(rng, 5_000)
    event_bootstrap_interval(values, event, seed=1)
    best = 1.0
    for _ in range(5):
        began = time.perf_counter()
        event_bootstrap_interval(values, event, seed=1)
        best = min(best, time.perf_counter() - began)
    assert best < 0.1
