"""Rank information coefficient across symbols: scipy, statsmodels, size, power, refusals."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from marketlab.core import ConfigError, DataError
from marketlab.evaluation import Undefined, cross_sectional_rank_ic


def panel(seed, n_times=60, n_symbols=12, skill=0.0):
    rng = np.random.default_rng(seed)
    time = np.repeat(np.arange(n_times), n_symbols)
    y = rng.standard_normal(len(time)) + np.repeat(rng.standard_normal(n_times), n_symbols)
    return y, skill * y + rng.standard_normal(len(time)), time


def by_time(y, forecast, time):
    return np.array(
        [stats.spearmanr(y[time == t], forecast[time == t]).statistic for t in np.unique(time)]
    )


@given(seed=st.integers(0, 2**32 - 1), lags=st.sampled_from([0, 1, 4, None]))
@settings(deadline=None, max_examples=25)
def test_agrees_with_scipy_and_statsmodels(seed, lags):
    y, forecast, time = panel(seed, n_times=40, n_symbols=7, skill=0.2)
    forecast = np.round(forecast, 1)  # with ties
    found = cross_sectional_rank_ic(y, forecast, time, lags=lags)
    values = by_time(y, forecast, time)
    used = 3 if lags is None else lags  # floor(4 * 0.4 ** (2 / 9))
    fit = sm.OLS(values, np.ones(40)).fit(
        cov_type="HAC", cov_kwds={"maxlags": used, "use_correction": True}, use_t=True
    )
    assert found.lags == used
    assert found.mean == pytest.approx(values.mean(), abs=1e-12)
    assert found.deviation == pytest.approx(values.std(ddof=1))
    assert found.t_statistic == pytest.approx(fit.tvalues[0], rel=1e-9)
    assert found.p_value == pytest.approx(fit.pvalues[0], rel=1e-6, abs=1e-12)
    assert found.positive_share == (values > 0).mean()


def test_no_lags_is_the_t_test():
    y, forecast, time = panel(1, skill=0.1)
    found = cross_sectional_rank_ic(y, forecast, time, lags=0)
    theirs = stats.ttest_1samp(by_time(y, forecast, time), 0.0)
    assert found.t_statistic == pytest.approx(theirs.statistic)
    assert found.p_value == pytest.approx(theirs.pvalue)


def test_the_market_of_a_time_does_not_help():
    """A forecast of the day's market orders no symbol: pooled ranks would call it skill."""
    rng = np.random.default_rng(2)
    time = np.repeat(np.arange(200), 10)
    market = np.repeat(rng.standard_normal(200), 10)
    y, forecast = market + rng.standard_normal(2000), market + rng.standard_normal(2000)
    assert stats.spearmanr(y, forecast).pvalue < 1e-20
    assert cross_sectional_rank_ic(y, forecast, time).p_value > 0.05


def test_size_and_power():
    false = [cross_sectional_rank_ic(*panel(seed), lags=0).p_value <= 0.05 for seed in range(200)]
    assert 2 <= sum(false) <= 20  # 10 expected
    found = [cross_sectional_rank_ic(*panel(seed, skill=0.2)).p_value <= 0.05 for seed in range(20)]
    assert sum(found) >= 18


def test_a_perfect_order_and_its_mirror():
    y, _, time = panel(3)
    noisy = y.copy()
    noisy[::97] += 5.0  # a few times are not perfect, or there would be no spread
    up = cross_sectional_rank_ic(y, noisy, time)
    down = cross_sectional_rank_ic(y, -noisy, time)
    assert up.mean > 0.9
    assert down.mean == pytest.approx(-up.mean)
    assert down.t_statistic == pytest.approx(-up.t_statistic)
    assert "correlates with the outcome's by +0.9" in up.sentence


def test_times_that_cannot_be_ranked_are_counted():
    y, forecast, time = panel(4, n_times=30)
    forecast[time == 3] = 1.0
    keep = (time != 5) | (np.arange(len(time)) % 12 < 4)
    found = cross_sectional_rank_ic(y[keep], forecast[keep], time[keep])
    assert (found.n_times, found.skipped_few, found.skipped_flat) == (28, 1, 1)
    assert found.n_samples == 28 * 12
    assert found.symbols_per_time == 12.0
    assert "2 times were left out" in found.to_mapping()["sentence"]


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ({"n_times": 19}, "20 times of 5 symbols or more; there are 19, and 0 have fewer"),
        ({"n_symbols": 4}, "there are 0, and 60 have fewer symbols, 0 equal"),
        ({"n_times": 0}, "there are 0, and 0 have fewer"),
    ],
)
def test_too_few_are_undefined(sizes, text):
    found = cross_sectional_rank_ic(*panel(1, **sizes))
    assert isinstance(found, Undefined)
    assert text in found.reason


def test_no_spread_is_undefined():
    y, _, time = panel(1)
    found = cross_sectional_rank_ic(y, y, time)
    assert isinstance(found, Undefined)
    assert "is 1.0000 at each of 60 times, without any spread" in found.reason


def test_refusals():
    y, forecast, time = panel(1)
    with pytest.raises(DataError, match="must ascend"):
        cross_sectional_rank_ic(y, forecast, time[::-1])
    with pytest.raises(ConfigError, match="lags"):
        cross_sectional_rank_ic(y, forecast, time, lags=21)
    with pytest.raises(ConfigError, match="lags"):
        cross_sectional_rank_ic(y, forecast, time, lags=-1)
    y[3] = np.nan
    with pytest.raises(DataError, match="entry 3 is nan"):
        cross_sectional_rank_ic(y, forecast, time)
