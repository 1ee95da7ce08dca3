"""Touch probability, decayed known labels, and the stretch held out inside training."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import (
    implied_daily_volatility,
    inner_holdout,
    label_persistence,
    touch_probability,
)


def normal_tail(a: float) -> float:
    grid = np.linspace(a, a + 12.0, 200_001)
    return float(np.trapezoid(np.exp(-(grid**2) / 2.0), grid) / math.sqrt(2.0 * math.pi))


@pytest.mark.parametrize(
    ("side", "sigma", "q", "horizon"),
    [("up", 0.01, 0.01, 1), ("up", 0.012, 0.02, 5), ("down", 0.01, 0.03, 3)],
)
def test_touch_probability_is_twice_the_tail_of_the_normal(side, sigma, q, horizon):
    distance = math.log(1 + q) if side == "up" else -math.log(1 - q)
    wanted = 2.0 * normal_tail(distance / (sigma * math.sqrt(horizon)))
    got = touch_probability(np.array([sigma]), threshold=q, horizon=horizon, side=side)
    assert got[0] == pytest.approx(wanted, rel=1e-7)


def test_touch_probability_agrees_with_simulated_paths():
    rng = np.random.default_rng(1)
    steps = rng.normal(0.0, 0.01 / math.sqrt(400), size=(4_000, 400)).cumsum(axis=1)
    # Broadie, Glasserman and Kou (1997): a path seen at steps touches as a whole one touches a
    # level that lies 0.5826 step deviations further.
    level = math.log(1.008) - 0.5826 * 0.01 / math.sqrt(400)
    hit = float((steps.max(axis=1) >= level).mean())
    p = touch_probability(np.array([0.01]), threshold=0.008, horizon=1)[0]
    assert abs(hit - p) < 4 * math.sqrt(p * (1 - p) / 4_000)


def test_touch_probability_at_the_ends():
    got = touch_probability(np.array([0.0, np.nan, 10.0]), threshold=0.01, horizon=1)
    assert got[0] == 0.0
    assert math.isnan(got[1])
    assert 0.999 < got[2] <= 1.0


def test_what_cannot_be_a_level_or_a_volatility_is_refused():
    with pytest.raises(ConfigError, match="a touch level is a fraction above 0"):
        touch_probability(np.array([0.01]), threshold=0.0, horizon=1)
    with pytest.raises(ConfigError, match="below 1 for a fall"):
        touch_probability(np.array([0.01]), threshold=1.0, horizon=1, side="down")
    with pytest.raises(ConfigError, match="horizon"):
        touch_probability(np.array([0.01]), threshold=0.01, horizon=0)
    with pytest.raises(DataError, match=r"not negative; entry 1 is .*-0\.1"):
        touch_probability(np.array([0.1, -0.1]), threshold=0.01, horizon=1)


def test_vix_of_20_is_126_basis_points_a_day():
    got = implied_daily_volatility(np.array([20.0, np.nan]))
    assert got[0] == pytest.approx(0.0125988, abs=1e-7)
    assert math.isnan(got[1])


@st.composite
def sample_tables(draw):
    n = draw(st.integers(1, 40))
    gaps = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    bar = np.cumsum(gaps)
    end = bar + draw(st.lists(st.integers(0, 9), min_size=n, max_size=n))
    value = np.array(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    return value, bar, np.asarray(end), draw(st.sampled_from([0.5, 3.0, 20.0]))


@given(sample_tables())
def test_persistence_equals_the_sum_over_ended_labels(case):
    value, bar, end, half_life = case
    got = label_persistence(value, bar, end, bar, half_life=half_life)
    for i in range(len(bar)):
        wanted = np.zeros(3)
        for j in range(len(bar)):
            if end[j] <= bar[i]:
                wanted[value[j]] += 0.5 ** ((bar[i] - end[j]) / half_life)
        np.testing.assert_allclose(got[i], wanted, rtol=1e-9, atol=1e-12)


@given(sample_tables(), st.integers(0, 100))
def test_persistence_never_reads_a_label_before_its_end(case, salt):
    value, bar, end, half_life = case
    border = int(bar[len(bar) // 2])
    changed = np.where(end > border, (value + 1 + salt) % 3, value)
    before = label_persistence(value, bar, end, bar, half_life=half_life)
    after = label_persistence(changed, bar, end, bar, half_life=half_life)
    upto = bar <= border
    np.testing.assert_array_equal(before[upto], after[upto])


def test_persistence_refuses_a_half_life_of_nothing_and_labels_out_of_order():
    bar = np.array([0, 1])
    with pytest.raises(ConfigError, match="positive number of bars; received 0"):
        label_persistence(bar, bar, bar, bar, half_life=0)
    with pytest.raises(DataError, match="time order"):
        label_persistence(bar, bar, np.array([5, 5]), bar[::-1], half_life=1.0)


@given(sample_tables(), st.floats(0.05, 0.9))
def test_the_held_out_stretch_is_later_and_purged(case, share):
    _, bar, end, _ = case
    train = np.arange(0, len(bar), 2)
    inner = inner_holdout(train, end, bar, share=share)
    assert set(inner.fit) | set(inner.held_out) <= set(train)
    assert len(inner.fit) + len(inner.held_out) + inner.purged == len(train)
    assert len(inner.held_out) >= 1
    if len(inner.fit):
        assert end[inner.fit].max() < bar[inner.held_out].min()


def test_an_empty_training_part_holds_nothing_out_and_a_share_of_one_is_refused():
    nothing = np.empty(0, dtype=np.int64)
    assert inner_holdout(nothing, nothing, nothing).purged == 0
    with pytest.raises(ConfigError, match="between 0 and 1; received 1"):
        inner_holdout(nothing, nothing, nothing, share=1.0)
