"""Trading scores against a plain loop over bars and worked examples."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import TradingScores, Undefined, annualised_sharpe, trading_scores


def loop(position, returns, cost):
    """Bars and trades one after the other; a reversal closes, then opens."""
    bars, trades, before = [], [], 0.0
    for x, r in zip(position, returns, strict=True):
        flow = 1e4 * x * r
        if np.sign(x) == np.sign(before):
            paid = cost * abs(x - before)
            if x:
                trades[-1] += flow - paid
        else:
            paid = cost * (abs(x) + abs(before))
            if before:
                trades[-1] -= cost * abs(before)
            if x:
                trades.append(flow - cost * abs(x))
        bars.append(flow - paid)
        before = x
    if before:
        trades[-1] -= cost * abs(before)
        bars[-1] -= cost * abs(before)
    return np.array(bars), np.array(trades)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 300), cost=st.floats(0, 20))
@settings(deadline=None, max_examples=40)
def test_equals_the_loop(seed, n, cost):
    rng = np.random.default_rng(seed)
    position = rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0], size=n)
    returns = rng.normal(0, 0.001, size=n)
    day = np.sort(rng.integers(0, 30, size=n))
    scores = trading_scores(position, returns, day, cost_bps=cost, days_per_year=252, seed=1)
    for side, charged in ((scores.before_costs, 0.0), (scores.after_costs, cost)):
        bars, trades = loop(position, returns, charged)
        assert side.bps_per_bar == pytest.approx(bars.mean(), abs=1e-9)
        days = np.array([bars[day == d].sum() for d in np.unique(day)])
        assert side.bps_per_day == pytest.approx(days.mean(), abs=1e-9)
        assert scores.n_trades == len(trades)
        if len(trades):
            assert side.bps_per_trade == pytest.approx(trades.mean(), abs=1e-9)
            assert side.bps_per_trade * len(trades) == pytest.approx(bars.sum(), abs=1e-6)
            if abs(trades).min() > 1e-9:
                assert side.hit_rate == pytest.approx((trades > 0).mean())
        if len(days) >= 20 and np.ptp(days) > 0:
            expected = days.mean() / days.std(ddof=1) * math.sqrt(252)
            assert side.sharpe == pytest.approx(expected, rel=1e-9)
            interval = side.daily_interval
            assert interval.low <= side.bps_per_day <= interval.high
        else:
            assert isinstance(side.sharpe, Undefined)
            assert isinstance(side.daily_interval, Undefined)
    lost = scores.before_costs.bps_per_bar - scores.after_costs.bps_per_bar
    assert lost == pytest.approx(cost * scores.turnover_per_bar, abs=1e-9)
    assert TradingScores.from_mapping(scores.to_mapping()) == scores


def test_worked_example():
    position = np.array([0.0, 1.0, 1.0, -1.0, 0.0])
    returns = np.array([0.01, 0.001, -0.002, -0.003, 0.01])
    scores = trading_scores(
        position, returns, np.array([0, 0, 0, 1, 1]), cost_bps=9.0, days_per_year=365, seed=0
    )
    assert scores.n_trades == 2
    assert scores.before_costs.bps_per_trade == pytest.approx((-10 + 30) / 2)
    assert scores.after_costs.bps_per_trade == pytest.approx((-10 + 30) / 2 - 18)
    assert scores.before_costs.hit_rate == 0.5
    assert scores.turnover_per_bar == pytest.approx(4 / 5)
    assert scores.turnover_per_day == pytest.approx(2)
    assert scores.exposure == pytest.approx(0.6)
    assert (
        scores.before_costs.sharpe.reason == "a ratio needs 20 daily results or more; there are 2."
    )


def test_longs_and_shorts_count_alike():
    rng = np.random.default_rng(0)
    position, returns = rng.choice([-1.0, 0.0, 1.0], size=400), rng.normal(0, 0.01, size=400)
    day = np.arange(400) // 8
    options = {"cost_bps": 3.0, "days_per_year": 252, "seed": 1}
    long = trading_scores(position, returns, day, **options)
    short = trading_scores(-position, -returns, day, **options)
    assert long == short


def test_a_coin_earns_nothing_before_costs_and_loses_them_after():
    rng = np.random.default_rng(2)
    position, returns = rng.choice([-1.0, 1.0], size=20_000), rng.normal(0, 0.001, size=20_000)
    scores = trading_scores(
        position, returns, np.arange(20_000) // 24, cost_bps=2.0, days_per_year=252, seed=1
    )
    interval = scores.before_costs.daily_interval
    assert interval.low < 0 < interval.high
    assert scores.after_costs.daily_interval.high < 0
    assert scores.after_costs.sharpe < -10


def test_what_is_not_defined_is_said():
    flat = trading_scores(
        np.zeros(50), np.full(50, 0.1), np.arange(50), cost_bps=1.0, days_per_year=252, seed=0
    )
    assert flat.after_costs.hit_rate.reason == "there is no trade."
    assert flat.after_costs.sharpe.reason == "a ratio needs 20 daily results that differ."
    assert flat.after_costs.bps_per_bar == 0.0
    assert "50 events agree exactly" in flat.after_costs.daily_interval.reason
    none = trading_scores(
        np.empty(0), np.empty(0), np.arange(0), cost_bps=1.0, days_per_year=252, seed=0
    )
    assert none.turnover_per_day.text == "undefined: there is no sample."
    assert isinstance(annualised_sharpe(np.ones(30), 252), Undefined)


@pytest.mark.parametrize(
    ("kind", "text", "change"),
    [
        (ConfigError, "cost_bps: must be at least 0", {"cost_bps": -1.0}),
        (ConfigError, "days_per_year", {"days_per_year": 0}),
        (DataError, "day must ascend", {"day": np.array([1, 0])}),
        (DataError, "return_fraction must be finite", {"return_fraction": np.array([0, np.nan])}),
        (DataError, "of one length", {"position": np.ones(3)}),
    ],
)
def test_refusals(kind, text, change):
    arguments = {
        "position": np.ones(2),
        "return_fraction": np.zeros(2),
        "day": np.arange(2),
        "cost_bps": 1.0,
        "days_per_year": 252,
        "seed": 0,
    } | change
    with pytest.raises(kind, match=text):
        trading_scores(**arguments)
