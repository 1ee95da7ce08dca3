"""Volatility forecasts: every registered method, and each against an independent figure."""

import numpy as np
import pandas as pd
import pytest
from arch import arch_model
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import DataError
from marketlab.models import VOLATILITY, PriceBars, fit_garch, garch_volatility, training_bars


def garch_bars(n: int, seed: int) -> PriceBars:
    rng = np.random.default_rng(seed)
    v, r = 1e-4, np.empty(n)
    for t in range(n):
        r[t] = np.sqrt(v) * rng.normal()
        v = 2e-6 + 0.08 * r[t] ** 2 + 0.90 * v
    close = 100.0 * np.exp(np.cumsum(r))
    opened = np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0, 1e-3, n))
    wick = np.abs(rng.normal(0, 3e-3, (2, n)))
    return PriceBars(
        open=opened,
        high=np.maximum(opened, close) * (1 + wick[0]),
        low=np.minimum(opened, close) * (1 - wick[1]),
        close=close,
    )


BARS = garch_bars(2_500, 4)
FIRST_PART = np.arange(2_500) < 1_700


def altered(bars: PriceBars, after: int, scale: float) -> PriceBars:
    def change(price):
        out = price.copy()
        out[after + 1 :] *= scale
        return out

    return PriceBars(
        open=change(bars.open),
        high=change(bars.high) * np.where(np.arange(bars.n_bars) > after, 1.1, 1.0),
        low=change(bars.low),
        close=change(bars.close),
    )


@pytest.mark.parametrize("name", VOLATILITY.names())
@settings(max_examples=12)
@given(t=st.integers(1_700, 2_498), scale=st.floats(0.2, 5.0), horizon=st.sampled_from([1, 5]))
def test_bars_after_t_change_no_forecast_at_t_once_training_is_over(name, t, scale, horizon):
    fit = VOLATILITY.get(name).fit
    before = fit(BARS, FIRST_PART, horizon)
    after = fit(altered(BARS, t, scale), FIRST_PART, horizon)
    np.testing.assert_array_equal(before.sigma[: t + 1], after.sigma[: t + 1])
    assert before.facts == after.facts
    assert not np.array_equal(before.sigma[t + 1 :], after.sigma[t + 1 :])


@pytest.mark.parametrize("name", VOLATILITY.names())
def test_forecasts_are_positive_after_the_warm_up_and_at_the_level_of_the_returns(name):
    sigma = VOLATILITY.get(name).fit(BARS, FIRST_PART, 1).sigma
    warm = np.isfinite(sigma)
    assert warm[25:].all()
    assert (sigma[warm] > 0).all()
    realised = np.sqrt(np.mean(BARS.returns()[1_701:] ** 2))
    assert 0.7 < np.sqrt(np.mean(sigma[1_700:-1] ** 2)) / realised < 1.4


@pytest.mark.parametrize("name", ["ewma", "garch", "har"])
def test_too_few_training_bars_are_refused(name):
    few = np.arange(2_500) < 90
    with pytest.raises(DataError, match="at least 100 training bars; there are 90"):
        VOLATILITY.get(name).fit(BARS, few, 1)


@pytest.mark.parametrize("name", ["ewma", "garch", "har"])
def test_prices_that_never_move_are_refused(name):
    flat = np.full(300, 5.0)
    bars = PriceBars(open=flat, high=flat, low=flat, close=flat)
    with pytest.raises(DataError) as caught:
        VOLATILITY.get(name).fit(bars, np.ones(300, dtype=np.bool_), 1)
    assert caught.value.code == "MODEL-NoVariation"


@pytest.mark.parametrize("seed", [4, 5])
def test_garch_agrees_with_the_arch_package(seed):
    r = garch_bars(3_000, seed).returns()[1:]
    fit = fit_garch(r, np.ones(len(r), dtype=np.bool_))
    scaled = 100.0 * r
    model = arch_model(scaled, mean="Zero", vol="GARCH", rescale=False)
    theirs = model.fit(disp="off", backcast=float(np.mean(scaled**2)))
    assert fit.converged
    ours = -len(r) * (fit.mean_loss + np.log(100.0) + 0.5 * np.log(2 * np.pi))
    assert ours == pytest.approx(theirs.loglikelihood, abs=0.01)
    assert fit.alpha == pytest.approx(theirs.params["alpha[1]"], abs=2e-3)
    assert fit.beta == pytest.approx(theirs.params["beta[1]"], abs=3e-3)
    wanted = np.sqrt(theirs.forecast(horizon=5).variance.to_numpy()[-1].mean()) / 100.0
    assert garch_volatility(fit, r, 5)[-1] == pytest.approx(wanted, rel=2e-3)


def test_garch_finds_the_parameters_that_made_the_returns():
    r = garch_bars(20_000, 1).returns()
    fit = fit_garch(r, np.ones(len(r), dtype=np.bool_))
    assert fit.alpha == pytest.approx(0.08, abs=0.02)
    assert fit.beta == pytest.approx(0.90, abs=0.03)


def test_ewma_and_trailing_deviation_equal_pandas():
    series = pd.Series(BARS.returns())
    trailing = VOLATILITY.get("trailing_std").fit(BARS, FIRST_PART, 1).sigma
    wanted = series.where(series.index > 0).rolling(20).std().to_numpy()
    np.testing.assert_allclose(trailing, wanted, rtol=1e-9)
    found = VOLATILITY.get("ewma").fit(BARS, FIRST_PART, 1)
    start = float((BARS.returns()[FIRST_PART] ** 2).mean())
    squares = pd.concat([pd.Series([start]), series**2], ignore_index=True)
    wanted = np.sqrt(squares.ewm(alpha=1 - found.facts["decay"], adjust=False).mean())[1:]
    np.testing.assert_allclose(found.sigma, wanted.to_numpy(), rtol=1e-9)


def test_har_is_the_least_squares_of_log_ranges():
    variance = pd.Series(np.maximum(BARS.range_variance(), 0.0))
    raised = variance.clip(lower=1e-3 * variance[FIRST_PART].mean())
    table = pd.DataFrame({"one": 1.0}, index=raised.index)
    for window in (1, 5, 22):
        table[window] = np.log(raised.rolling(window).mean())
    table["y"] = np.log(raised.rolling(3).mean().shift(-3))
    used = table[:1_697].dropna()  # the target of bar 1,696 ends with bar 1,699, the last one
    x, y = used[["one", 1, 5, 22]].to_numpy(), used["y"].to_numpy()
    wanted = np.linalg.solve(x.T @ x, x.T @ y)
    found = VOLATILITY.get("har").fit(BARS, FIRST_PART, 3)
    assert found.facts["n_rows"] == len(used)
    np.testing.assert_allclose(found.facts["coefficients"], wanted, rtol=1e-6, atol=1e-8)


def test_training_bars_are_those_that_a_training_sample_reads():
    bar, end = np.array([0, 3, 6]), np.array([1, 4, 8])
    got = training_bars(np.array([0, 2]), bar, end, 10)
    np.testing.assert_array_equal(np.flatnonzero(got), [0, 1, 6, 7, 8])


def test_prices_that_are_none_are_refused():
    ones = np.ones(4)
    with pytest.raises(DataError, match=r"low must be finite and positive; bar 2 has .*nan"):
        PriceBars(open=ones, high=ones, low=np.array([1, 1, np.nan, 1]), close=ones)
    with pytest.raises(DataError, match=r"high has shape \(3,\)"):
        PriceBars(open=ones, high=ones[:3], low=ones, close=ones)
    with pytest.raises(DataError, match="a high lies below no low; bar 0 has"):
        PriceBars(open=ones, high=0.5 * ones, low=ones, close=ones)
