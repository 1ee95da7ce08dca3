"""The judge calibrated: noise is not called learned, a planted edge is found.

Small counts of what `benchmarks/calibrate_judge.py` does in full; docs/LOG.md has its tables.
"""

import numpy as np
import pytest
from calibration_theory import at_least, at_most, binomial_cdf, exact_interval, power
from calibration_world import (
    NOISE_BARS,
    NOISE_KINDS,
    PLANTED_BARS,
    carried,
    family,
    noise_bars,
    planted_bars,
    planted_state,
    run_campaign,
)
from threadpoolctl import threadpool_limits

from marketlab.campaigns._plan import check_prepared
from marketlab.campaigns._prepare import prepare
from marketlab.campaigns._resolve import Experiment


@pytest.fixture(autouse=True)
def _one_thread():
    """Linear algebra on one thread, as in the workers of a campaign: others only wait and spin."""
    with threadpool_limits(1):
        yield


def returns(bars):
    return np.diff(np.log(bars.close))


def memory(values, lag):
    """Return the autocorrelation at one lag."""
    return float(np.corrcoef(values[lag:], values[:-lag])[0, 1])


# -- the worlds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "least"), [("autoregressive", 0.05), ("regimes", 0.15)])
def test_volatility_clusters_where_it_should(kind, least):
    assert memory(np.abs(returns(noise_bars(kind, 3, 40_000))), 20) > least
    assert abs(memory(np.abs(returns(noise_bars("constant", 3, 40_000))), 20)) < 0.02


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_direction_of_noise_is_a_toss_that_remembers_nothing(kind):
    signs = np.sign(returns(noise_bars(kind, 4, 40_000)))
    assert (signs != 0).all()
    error = 1 / np.sqrt(len(signs))
    assert abs(signs.mean()) < 4 * error
    assert all(abs(memory(signs, lag)) < 4 * error for lag in (1, 2, 14))


def test_an_edge_changes_directions_and_nothing_else():
    fair, edge = planted_bars(0.0, 5, 3_000), planted_bars(20.0, 5, 3_000)
    assert (np.sign(returns(fair)) != np.sign(returns(edge))).mean() > 0.1
    np.testing.assert_allclose(np.abs(returns(fair)), np.abs(returns(edge)), rtol=1e-4)
    np.testing.assert_array_equal(fair.volume, edge.volume)
    for bars in (fair, edge):
        above = np.log(bars.high / np.maximum(bars.open, bars.close))
        below = np.log(np.minimum(bars.open, bars.close) / bars.low)
        np.testing.assert_allclose(above, below, atol=1e-12)  # a flipped bar looks as likely


@pytest.mark.parametrize("points", [0.0, 2.0, 10.0])
def test_every_bar_has_the_edge_it_should(points):
    n_bars = 100_000
    state = planted_state(6, n_bars)[:-1]
    right = np.sign(returns(planted_bars(points, 6, n_bars))) * state
    for part in (right, right[state > 0], right[state < 0]):
        assert abs(part.mean() - points / 50) < 4 / np.sqrt(len(part))
    assert abs(state.mean()) < 0.05


def test_inputs_of_all_27_carry_the_edge():
    shares = carried(2.0, 0, 40_000)
    assert len(shares) == 27
    accuracy = np.array([share for share, _ in shares.values()])
    assert accuracy.min() > 0.25  # RVI alone; all others carry two thirds or more
    assert np.sort(accuracy)[1] > 0.65
    assert np.median(accuracy) > 0.8
    assert max(explained for _, explained in shares.values()) > 0.95


def test_no_run_is_refused_or_excluded_where_an_edge_is_planted():
    bars = planted_bars(2.0, 0, 8_000)
    for strategy in family("ratio"):
        experiment = Experiment(strategy, bars.dataset_id, 0, "compiled")
        assert check_prepared(experiment, prepare(strategy, bars), compatibility=None) == []


# -- the theory -----------------------------------------------------------------------------------


def test_theory_says_what_the_issue_says():
    assert power(2.0, "ratio", 50_000)["theory_accuracy"] == pytest.approx(0.71, abs=0.005)


def test_log_loss_finds_less_than_accuracy_and_more_bars_find_more():
    one, many = power(2.0, "ratio", 50_000), power(2.0, "walk_forward", 71_600)
    assert one["theory_interval"] < one["theory_accuracy"] - 0.3
    assert many["theory_interval"] > 0.85
    assert power(0.5, "ratio", 50_000)["theory_interval"] < 0.03


def test_exact_limits_agree_with_tables():
    # Clopper and Pearson (1934): 0 of 50, 41 of 50, 16 of 200.
    assert exact_interval(0, 50) == pytest.approx((0.0, 0.0711), abs=1e-4)
    assert exact_interval(41, 50) == pytest.approx((0.6856, 0.9142), abs=1e-4)
    assert exact_interval(16, 200) == pytest.approx((0.0464, 0.1267), abs=1e-4)
    assert at_most(40, 0.05) == 7
    assert binomial_cdf(7, 40, 0.05) > 0.999 > binomial_cdf(6, 40, 0.05)
    assert at_least(10, 0.82) == 4


# -- the judge ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_noise_is_seldom_called_learned(kind):
    n_campaigns, strategies, alarms = 40, family("ratio"), 0
    for repeat in range(n_campaigns):
        judged = run_campaign(
            noise_bars(kind, repeat, NOISE_BARS), strategies, surrogates=19, seed=repeat
        )
        assert all(verdict.n_events >= 1_000 for verdict in judged.verdicts)
        assert all(verdict.outcome != "insufficient data" for verdict in judged.verdicts)
        alarms += bool(judged.learned)
    assert alarms <= at_most(n_campaigns, 0.05)


@pytest.mark.slow
def test_an_edge_of_two_points_is_found_by_a_walk():
    n_campaigns, strategies, found = 10, family("walk_forward"), 0
    for repeat in range(n_campaigns):
        bars = planted_bars(2.0, repeat, PLANTED_BARS["walk_forward"])
        judged = run_campaign(bars, strategies, surrogates=19, seed=repeat)
        assert all(verdict.n_events >= 35_000 for verdict in judged.verdicts)
        found += bool(judged.learned)
    assert found >= at_least(n_campaigns, 0.82)
