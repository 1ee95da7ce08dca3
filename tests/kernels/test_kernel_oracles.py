"""Primitives against TA-Lib, pandas and exact arithmetic, on long and on hostile series."""

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import talib

from marketlab.core import ConfigError
from marketlab.kernels import CALENDAR_FIELDS, CALENDAR_ZONES, PRIMITIVES, RANK_KINDS

KINDS = ("walk", "flat", "steps", "gaps", "jumps", "zeros")


def run(name, *inputs, **params):
    return PRIMITIVES.get(name).batch(*inputs, **params)


def prices(kind, n=1200, seed=0):
    random = np.random.default_rng([seed, n])
    walk = 100.0 * np.exp(np.cumsum(random.normal(0, 0.01, n)))
    if kind == "flat":
        walk[200:500] = walk[199]
    elif kind == "steps":
        walk = np.round(walk / 5.0) * 5.0
    elif kind == "gaps":
        walk *= np.repeat(random.uniform(0.5, 2.0, n // 60), 60)
    elif kind == "jumps":
        walk[random.integers(0, n, 5)] *= 1e6
    elif kind == "zeros":
        walk[random.random(n) < 0.3] = 0.0
    return walk


def close(got, expected, **tolerance):
    assert np.array_equal(np.isnan(got), np.isnan(expected))
    np.testing.assert_allclose(got, expected, **{"rtol": 1e-9, "atol": 1e-9} | tolerance)


# --- TA-Lib -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["walk", "steps", "gaps"])  # TA-Lib's running sums drift on jumps
def test_averages_and_lines_of_talib(kind):
    x = prices(kind)
    for window in (2, 7, 30):
        close(run("rolling_wma", x, window=window), talib.WMA(x, window))
        close(run("rolling_slope", x, window=window), talib.LINEARREG_SLOPE(x, window))
        close(run("rolling_intercept", x, window=window), talib.LINEARREG_INTERCEPT(x, window))
        close(run("rolling_fit", x, window=window), talib.LINEARREG(x, window))
        close(run("kama", x, n=window, fast=2, slow=30), talib.KAMA(x, window))


def high_low(kind, seed=0):
    x = prices(kind, seed=seed)
    spread = np.abs(np.random.default_rng(seed + 9).normal(0, 0.01, len(x))) * x
    return x + spread, x - spread


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("step", "limit"), [(0.02, 0.2), (0.05, 0.1)])
def test_parabolic_sar_of_talib(kind, step, limit):
    for seed in range(4):
        high, low = high_low(kind, seed)
        got = run("parabolic_sar", high, low, step=step, limit=limit)
        close(got, talib.SAR(high, low, step, limit), rtol=1e-12)
    falling = np.linspace(50, 10, 60)
    got = run("parabolic_sar", falling + 1, falling - 1, step=step, limit=limit)
    close(got, talib.SAR(falling + 1, falling - 1, step, limit), rtol=1e-12)


def test_correlation_of_talib():
    x, y = prices("walk"), prices("gaps", seed=4)
    close(run("rolling_corr", x, y, window=30), talib.CORREL(x, y, 30))


# --- pandas -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("window", [2, 20, 300])
def test_order_statistics_of_pandas(kind, window):
    x = prices(kind)
    x[700:703] = np.nan
    rolling = pd.Series(x).rolling(window)
    got = run("rolling_rank", x, window=window, kind=RANK_KINDS["average"])
    close(got, rolling.rank(pct=True).to_numpy(), rtol=1e-14)
    got = run("rolling_rank", x, window=window, kind=RANK_KINDS["at_most"])
    close(got, rolling.rank(method="max", pct=True).to_numpy(), rtol=1e-14)
    got = run("rolling_rank", x, window=window, kind=RANK_KINDS["below"])
    expected = (rolling.rank(method="min").to_numpy() - 1) / (window - 1)
    close(got, expected, rtol=1e-14)
    for q in (0.0, 0.05, 0.5, 0.8, 1.0):
        got = run("rolling_quantile", x, window=window, q=q)
        close(got, rolling.quantile(q).to_numpy(), rtol=1e-13)


@pytest.mark.parametrize("window", [5, 50])
def test_moments_of_pandas(window):
    x, y = np.diff(np.log(prices("walk"))), np.diff(np.log(prices("gaps", seed=2)))
    rolling = pd.Series(x).rolling(window)
    close(run("rolling_skew", x, window=window), rolling.skew().to_numpy())
    close(run("rolling_kurtosis", x, window=window), rolling.kurt().to_numpy())
    for ddof in (0, 1):
        expected = rolling.cov(pd.Series(y), ddof=ddof).to_numpy()
        close(run("rolling_cov", x, y, window=window, ddof=ddof), expected, atol=1e-15)
    close(run("rolling_corr", x, y, window=window), rolling.corr(pd.Series(y)).to_numpy())


def test_exponential_means_of_pandas():
    x = pd.Series(prices("gaps"))
    close(run("ewm_span", x, n=9), x.ewm(span=9, adjust=False).mean().to_numpy())
    expected = x.ewm(halflife=3.5, adjust=False).mean().to_numpy()
    close(run("ewm_halflife", x, halflife=3.5), expected)


# --- exact arithmetic ---------------------------------------------------------------------------


def exact_moments(part):
    exact = [Fraction(float(v)) for v in part]
    mean = sum(exact) / len(exact)
    centre = Fraction(len(part) - 1, 2)
    squares = sum((v - mean) ** 2 for v in exact)
    products = sum((k - centre) * (v - mean) for k, v in enumerate(exact))
    return squares, products / sum((k - centre) ** 2 for k in range(len(exact)))


@pytest.mark.parametrize("window", [20, 390])
@pytest.mark.parametrize("kind", ["level", "walk"])
def test_deviation_and_slope_keep_their_digits_after_three_million_bars(kind, window):
    n = 3_081_668
    x = 1e-4 * np.random.default_rng(window).standard_normal(n)
    x = 1e4 + (np.cumsum(x) if kind == "walk" else x)
    deviation = run("rolling_std", x, window=window, ddof=0)
    slope = run("rolling_slope", x, window=window)
    for t in [*np.random.default_rng(1).integers(window, n, 25), n - 1]:
        part = x[t - window + 1 : t + 1]
        squares, exact_slope = exact_moments(part)
        expected = math.sqrt(squares / window)
        assert deviation[t] == pytest.approx(expected, rel=1e-10)
        assert slope[t] == pytest.approx(float(exact_slope), abs=1e-10 * expected / window)
        centred = [float(Fraction(float(v)) - Fraction(float(part[0]))) for v in part]
        mean = math.fsum(centred) / window
        by_fsum = math.sqrt(math.fsum((v - mean) ** 2 for v in centred) / window)
        assert deviation[t] == pytest.approx(by_fsum, rel=1e-10)


def test_a_running_total_loses_nothing():
    x = np.tile([1e16, 1.0, -1e16, 1.0], 500)
    got = run("cumulative_sum", x)
    assert got[-1] == math.fsum(x) == 1000.0
    x = np.random.default_rng(0).normal(1e9, 1.0, 300_000)
    assert run("cumulative_sum", x)[-1] == pytest.approx(math.fsum(x), rel=2e-16)


@pytest.mark.parametrize(
    "name", ["rolling_wma", "rolling_slope", "rolling_quantile", "rolling_skew"]
)
def test_a_huge_value_that_left_the_window_changes_no_bit(name):
    params = {"window": 7} | ({"q": 0.3} if name == "rolling_quantile" else {})
    calm = prices("walk", 400)
    for bar in range(49, 57):  # every place of a block
        wild = calm.copy()
        wild[bar] = 1e15
        after = slice(bar + 7, None)
        assert np.array_equal(run(name, wild, **params)[after], run(name, calm, **params)[after])


# --- known values of complexity measures --------------------------------------------------------


def test_complexity_of_known_series():
    random = np.random.default_rng(0)
    noise, rising, wave = random.normal(size=512), np.arange(64.0), np.tile([0.0, 1.0], 64)
    for order in (3, 4, 5):
        assert run("permutation_entropy", rising, window=20, order=order)[-1] == 0.0
        assert run("permutation_entropy", noise, window=500, order=order)[-1] > 0.9
    for name in ("approximate_entropy", "sample_entropy"):
        assert abs(run(name, wave, window=60, m=2, r=0.2)[-1]) < 0.03
        assert run(name, noise, window=300, m=1, r=0.2)[-1] > 1.0
    assert run("spectral_entropy", noise, window=256)[-1] > 0.85
    # One jump among returns of zero has a flat spectrum, whose entropy is 1 and never more.
    jump = np.zeros(512)
    jump[300] = -3.0
    for window in (40, 80, 100):
        found = run("spectral_entropy", jump, window=window)
        assert 0.999 < np.nanmax(found) <= 1.0
    tone = np.sin(2 * np.pi * np.arange(128) / 16)
    assert run("spectral_entropy", tone, window=64)[-1] < 1e-9
    assert run("petrosian_fd", rising, window=20)[-1] == 1.0
    assert run("higuchi_fd", rising, window=40, kmax=5)[-1] == pytest.approx(1.0, abs=1e-12)
    assert run("higuchi_fd", noise, window=500, kmax=5)[-1] == pytest.approx(2.0, abs=0.1)
    assert run("dfa", noise, window=512)[-1] == pytest.approx(0.5, abs=0.15)
    assert run("dfa", np.cumsum(noise), window=512)[-1] == pytest.approx(1.5, abs=0.2)
    assert run("hurst_rs", noise, window=512)[-1] == pytest.approx(0.58, abs=0.1)
    assert run("hurst_rs", np.cumsum(noise), window=512)[-1] > 0.9


@pytest.mark.parametrize(
    ("name", "params", "text"),
    [
        ("higuchi_fd", {"window": 10, "kmax": 5}, "window must be above 2 kmax"),
        ("permutation_entropy", {"window": 5, "order": 5}, "window must be at least order"),
        ("sample_entropy", {"window": 6, "m": 4, "r": 0.2}, r"window must be at least m \+ 3"),
        ("kama", {"n": 10, "fast": 30, "slow": 2}, "fast must be below slow"),
        ("clip", {"low": 1.0, "high": 0.0}, "low must not be above high"),
        ("rolling_quantile", {"window": 5, "q": 1.5}, r"q of rolling_quantile must be a number in"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(name, params, text):
    with pytest.raises(ConfigError, match=text):
        PRIMITIVES.get(name).check(params)


# --- the calendar -------------------------------------------------------------------------------

HOURS = np.arange(631_152_000, 2_145_916_800, 3600)  # 1990 … 2037, every hour
NAMES = {
    "utc": "UTC",
    "new_york": "America/New_York",
    "london": "Europe/London",
    "frankfurt": "Europe/Berlin",
    "tokyo": "Asia/Tokyo",
}


@pytest.mark.parametrize("zone", CALENDAR_ZONES)
def test_every_hour_of_48_years(zone):
    moments = pd.DatetimeIndex(pd.to_datetime(HOURS, unit="s", utc=True)).tz_convert(NAMES[zone])
    days = moments.tz_localize(None).normalize()
    number = (days - pd.Timestamp("1970-01-01")).days.to_numpy()
    expected = {
        "minute_of_day": moments.hour * 60 + moments.minute,
        "hour": moments.hour,
        "day_of_week": moments.day_of_week,
        "day_of_month": moments.day,
        "month": moments.month,
        "year": moments.year,
        "quarter": moments.quarter,
        "iso_week": moments.isocalendar().week.to_numpy(),
        "day_id": number,
        "week_id": (number + 3) // 7,
        "month_id": moments.year * 12 + moments.month - 1,
        "business_days_left": np.busday_count(
            days.to_numpy().astype("datetime64[D]") + 1,
            days.to_numpy().astype("datetime64[M]") + 1,
        ),
    }
    assert sorted(expected) == sorted(CALENDAR_FIELDS)
    time = HOURS.astype(float)
    for field, values in expected.items():
        params = {"field": CALENDAR_FIELDS[field], "zone": CALENDAR_ZONES[zone]}
        got = run("calendar", time + 1799.5, **params) if field == "hour" else None
        assert got is None or np.array_equal(got, np.asarray(values, dtype=float))
        assert np.array_equal(run("calendar", time, **params), np.asarray(values, dtype=float))


def test_times_without_a_known_rule_are_missing():
    first = {"utc": 1900, "new_york": 1987, "london": 1990, "frankfurt": 1990, "tokyo": 1952}
    for zone, year in first.items():
        begin = pd.Timestamp(year, 1, 1, tz="UTC").timestamp()
        time = np.array([begin - 1, begin, 4_102_444_799.0, 4_102_444_800.0, np.inf, -1e300])
        params = {"field": CALENDAR_FIELDS["year"], "zone": CALENDAR_ZONES[zone]}
        present = np.isfinite(run("calendar", time, **params))
        assert present.tolist() == [False, True, True, False, False, False]
