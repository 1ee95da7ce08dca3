"""The daily tiers: names in order, every column against an independent formula, ranges, logic."""

import numpy as np
import pandas as pd
import pytest
from feature_bars import same
from tier_names import ORDER, VIX_C
from tier_references import references, vix_c

from marketlab.core import DataNotAvailableError
from marketlab.data import BarFrame, fetch_bundled, load_bundled
from marketlab.features import (
    FeatureTier,
    audit_causality,
    bar_arrays,
    load_feature_file,
    shipped_feature_sets,
)
from marketlab.features._adversarial import ADVERSARIAL_BARS, adversarial_bars

WARM_UP = {"a20": 199, "a50": 252, "a100": 252, "a200": 297, "vix_c": 59}
MULTI_STEP = {"stc_value", "stc_from_50", "stc_slope", "stc_extreme_dist", "kvo_histogram"}


def days(n, seed=0):
    """Bars of weekdays whose prices and volumes look like those of an index."""
    random = np.random.default_rng(seed)
    stride = 0.01 * (1 + np.abs(np.sin(np.arange(n) / 40)))
    close = 1000 * np.exp(np.cumsum(random.standard_t(4, n) * stride))
    open_ = np.concatenate([[1000.0], close[:-1]]) * np.exp(random.normal(0, 0.001, n))
    reach = 1 + np.abs(random.normal(0, 0.006, (2, n)))
    columns = {
        "time": pd.bdate_range("2001-01-01", periods=n)
        .to_numpy()
        .astype("datetime64[ns]")
        .astype(int),
        "open": open_,
        "high": np.maximum(open_, close) * reach[0],
        "low": np.minimum(open_, close) / reach[1],
        "close": close,
        "volume": np.round(1e9 * np.exp(random.normal(0, 0.3, n))),
    }
    return BarFrame.build(columns, symbol="TEST", timeframe="1d", source="made")


def with_vix(bars, seed=0):
    random = np.random.default_rng([seed, 7])
    vix = 20 + 9 * np.sin(np.arange(bars.n_bars) / 30) + random.normal(0, 1, bars.n_bars)
    return bar_arrays(bars, {"vix": vix})


def table_of(arrays):
    table = pd.DataFrame({k: arrays[k] for k in ("open", "high", "low", "close", "volume")})
    table["vix"] = arrays["context.vix"]
    table["date"] = pd.to_datetime(np.round(arrays["time"] * 1e9).astype(np.int64))
    return table


@pytest.fixture(scope="module")
def index():
    """Daily bars of the S&P 500, with the VIX where the bundled series has it (2014 to 2018)."""
    try:
        fetch_bundled()
    except DataNotAvailableError as error:
        pytest.skip(f"the bundled series cannot be had here: {error}")
    bars, vix = load_bundled("sp500_1d"), load_bundled("vix_1d")
    known = dict(zip(vix.time_ns.tolist(), vix.close.tolist(), strict=True))
    joined = np.array([known.get(time, np.nan) for time in bars.time_ns.tolist()])
    return bar_arrays(bars, {"vix": joined})


def made():
    return with_vix(days(1200, 3))


@pytest.mark.parametrize("name", ORDER)
def test_names_and_order_are_the_contract(name):
    tier = FeatureTier.load(name)
    assert list(tier.names) == ORDER[name]
    assert len(set(tier.names)) == len(tier.names)
    assert tier.warm_up_bars == WARM_UP[name]


def test_first_rows_of_a20_are_the_contract():
    """Row numbers; the made bars have five days in every week and begin on a Monday."""
    values = FeatureTier.load("a20").compute(bar_arrays(days(300))).values
    got = [int(np.argmax(np.isfinite(column))) for column in values]
    averages = [16, 18, 11, 38, 48, 49, 178, 99, 199]
    assert got == [*averages, 14, 15 * 5, 20, 21 * 5, 33, 0, 9, 14, 27, 19, 19]


def test_each_tier_holds_the_one_before():
    before = None
    for name, size in (("a20", 20), ("a50", 50), ("a100", 100), ("a200", 206)):
        file = load_feature_file(name)
        assert len(file.features) == size
        if before is not None:
            assert file.extends == before.name
            assert file.features[: len(before.features)] == before.features
        before = file


def test_the_two_columns_of_the_original_that_read_the_future_are_refused():
    file = load_feature_file("a200")
    assert set(file.refused) == {"entropy_leading_vol", "vol_leading_entropy"}
    assert all("five bars ahead" in reason for reason in file.refused.values())
    assert not set(file.refused) & set(FeatureTier.load("a200").names)


def compare(arrays, rows):
    tier = FeatureTier.load("a200")
    got = tier.compute(arrays).values
    # A day without change leaves the RSI as it was but for the last bit, so which values of it are
    # equal depends on the order of operations: ranks are taken of ours, checked to 1e-6 itself.
    own_rsi = pd.Series(got[list(tier.names).index("rsi_daily")])
    expected = references(table_of(arrays), own_rsi)
    assert list(expected) == list(tier.names)
    wrong = []
    for name, column, series in zip(tier.names, got, expected.values(), strict=True):
        a, b = column[rows], series.to_numpy()[rows]
        # What is near 0 beside the column's own size has no relative error worth the name.
        size = 1e-6 * np.nanstd(b)
        limit = (1e-5 if name in MULTI_STEP else 1e-6) * np.maximum(np.abs(b), size)
        missing = np.isnan(a) != np.isnan(b)
        if missing.any() or (np.abs(a - b) > limit + 1e-12).any():
            wrong.append((name, int(missing.sum()), float(np.nanmax(np.abs(a - b)))))
    assert wrong == []


def test_every_column_equals_its_independent_formula_on_the_index(index):
    compare(index, slice(WARM_UP["a200"], None))


def test_every_column_equals_its_independent_formula_on_made_bars():
    compare(made(), slice(WARM_UP["a200"], None))


def test_vix_columns_equal_their_formulas():
    close = with_vix(days(400, 5), 5)["context.vix"].copy()
    close[200:230] = 20.0  # a window without deviation
    bars = days(400, 5).replace_prices(close, close, close, close)
    got = FeatureTier.load("vix_c").compute(bar_arrays(bars)).values
    np.testing.assert_allclose(got[:, 59:], vix_c(close), rtol=1e-9, atol=1e-12)
    assert np.isnan(got[:, :59]).any(axis=0).all()
    assert set(np.unique(got[5, 59:])) == {0.0, 1.0, 2.0}


def test_a_flat_vix_scores_0():
    flat = np.full(80, 15.0)
    bars = days(80).replace_prices(flat, flat, flat, flat)
    got = dict(zip(VIX_C, FeatureTier.load("vix_c").compute(bar_arrays(bars)).values, strict=True))
    assert got["vix_zscore_20d"][-1] == 0.0
    assert got["vix_percentile_60d"][-1] == 0.0
    assert got["vix_regime"][-1] == 1.0


# --- what no column may break -------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_warm_up_ranges_and_duplicates(seed):
    tier = FeatureTier.load("a200")
    values = tier.compute(with_vix(days(900, seed), seed)).values
    for item, column in zip(tier.file, values, strict=True):
        warm_up = item.expression.warm_up_bars
        # Rows of weekly columns depend on how many days the weeks have.
        if not item.name.endswith("_weekly"):
            assert np.isnan(column[:warm_up]).all(), item.name
            assert np.isfinite(column[warm_up:]).all(), item.name
        present = column[~np.isnan(column)]
        if item.range.scale in ("bounded", "flag"):
            assert item.range.low <= present.min(), item.name
            assert present.max() <= item.range.high, item.name
        if item.range.scale == "flag":
            assert set(np.unique(present)) <= {0.0, 1.0}
        if item.range.scale == "price" and item.range.low == 0.0:
            assert present.min() >= 0.0
    same_key = {}
    for item in tier.file:
        same_key.setdefault(item.expression.key, []).append(item)
    for items in same_key.values():
        for item in items[1:]:
            assert "duplicate" in item.note or "repeats" in item.note, item.name


@pytest.mark.parametrize("seed", range(3))
def test_counters_and_sides_are_consistent(seed):
    tier = FeatureTier.load("a200")
    matrix = tier.compute(with_vix(days(900, seed), seed)).values[:, WARM_UP["a200"] :]
    got = dict(zip(tier.names, matrix, strict=True))
    for name in tier.names:
        if name.startswith("days_above_") and f"days_below_{name[11:]}" in got:
            above, below = got[name], got[f"days_below_{name[11:]}"]
            assert ((above == 0) != (below == 0)).all()
    assert ((got["days_above_upper_band"] == 0) | (got["days_below_lower_band"] == 0)).all()
    counters = [n for n in tier.names if n.startswith(("days_above", "days_below", "consecutive_"))]
    counters += ["days_rsi_overbought", "days_rsi_oversold", "bb_squeeze_duration"]
    counters += ["divergence_streak"]
    for name in counters:
        step = got[name][1:]
        assert ((step == got[name][:-1] + 1) | (step == 0)).all(), name
    for name in [n for n in tier.names if n.endswith(("_cross", "cross_signal"))]:
        size = np.abs(got[name])
        assert ((size[1:] == size[:-1] + 1) | (size[1:] == 0)).all(), name
    assert (got["days_since_sma_9_50_cross"] * got["sma_9_50_proximity"] >= 0).all()
    assert np.allclose(got["days_since_52wk_high"] == 0, got["distance_from_52wk_high_pct"] == 0)
    whole = got["body_to_range_ratio"] * 100 + got["upper_wick_pct"] + got["lower_wick_pct"]
    np.testing.assert_allclose(whole, 100.0)


def test_percentiles_that_the_original_inverted_rise_with_the_value():
    tier = FeatureTier.load("a200")
    got = dict(zip(tier.names, tier.compute(made()).values, strict=True))
    for name, of in (
        ("atr_pct_percentile_60d", "atr_pct"),
        ("bb_width_percentile_60d", "bb_width"),
    ):
        x = pd.Series(got[of])
        at_high, at_low = x == x.rolling(60).max(), x == x.rolling(60).min()
        assert (got[name][at_high] == 100.0).all()
        assert (got[name][at_low] == 0.0).all()
        assert at_high.sum() > 20
        assert at_low.sum() > 20


def test_a_week_counts_from_the_first_day_of_the_next_holiday_or_not():
    bars = days(300)
    dates = pd.to_datetime(bars.time_ns)
    # Without its Monday, week 20 was matched one week too late by the original.
    monday = 100
    assert dates[monday].day_of_week == 0
    keep = np.arange(300) != monday
    frame = bars.frame.filter(keep)
    fewer = BarFrame.build(frame, symbol="TEST", timeframe="1d", source="made")
    tier = FeatureTier.load("a20")
    row = list(tier.names).index("rsi_weekly")
    whole = tier.compute(bar_arrays(bars)).values[row][keep]
    assert same(tier.compute(bar_arrays(fewer)).values[row], whole)
    assert np.isfinite(whole[monday])
    assert whole[monday] != whole[monday - 1]


def test_a_missing_vix_blanks_its_own_columns_only():
    arrays = made()
    vix = arrays["context.vix"].copy()
    vix[700] = np.nan
    tier = FeatureTier.load("a200")
    whole, got = tier.compute(arrays).values, tier.compute({**arrays, "context.vix": vix}).values
    changed = {
        name: np.flatnonzero(~((a == b) | (np.isnan(a) & np.isnan(b)))).tolist()
        for name, a, b in zip(tier.names, whole, got, strict=True)
    }
    assert {name: rows for name, rows in changed.items() if rows} == {
        "vrp_10d": [700],
        "vrp_21d": [700],
        "implied_vs_realized_ratio": [700],
        "vrp_5d": [700],
        "vrp_slope": [700, 701],
    }


# --- causality: every shipped set, also those that are added later -------------------------------


@pytest.mark.parametrize("name", shipped_feature_sets())
def test_every_shipped_set_reads_the_past_alone_and_streams_the_same_bits(name):
    tier = FeatureTier.load(name)
    n = max(420, tier.warm_up_bars + 60)
    arrays = with_vix(days(n, 11), 11)
    for series in tier.context:
        arrays.setdefault(f"context.{series}", arrays["context.vix"])
    assert audit_causality(tier, arrays, stream_bars=n) == []


# Not "missing": feature sets refuse missing prices.
@pytest.mark.parametrize("kind", [kind for kind in ADVERSARIAL_BARS if kind != "missing"])
def test_hostile_bars_leave_every_column_causal_finite_and_in_range(kind):
    tier, n = FeatureTier.load("a200"), 420
    arrays = adversarial_bars(kind, n, seed=1, bar_seconds=86_400.0)
    arrays["context.vix"] = 20 + np.sin(np.arange(n))
    assert audit_causality(tier, arrays, stream_bars=n) == []
    for item, column in zip(tier.file, tier.compute(arrays).values, strict=True):
        assert not np.isinf(column).any(), item.name
        present = column[~np.isnan(column)]
        if item.range.scale in ("bounded", "flag") and present.size:
            assert item.range.low <= present.min(), item.name
            assert present.max() <= item.range.high, item.name


INTRADAY = {"minute_v1": (60.0, 400), "minute_v3": (60.0, 1500), "session": (900.0, 600)}


@pytest.mark.parametrize("kind", ["flat", "gaps", "jumps", "zero_volume"])
@pytest.mark.parametrize("name", INTRADAY)
def test_intraday_sets_are_causal_and_in_range_on_hostile_intraday_bars(name, kind):
    tier, (seconds, n) = FeatureTier.load(name), INTRADAY[name]
    arrays = adversarial_bars(kind, n, seed=1, bar_seconds=seconds)
    assert audit_causality(tier, arrays, stream_bars=n) == []
    for item, column in zip(tier.file, tier.compute(arrays).values, strict=True):
        present = column[~np.isnan(column)]
        assert np.isfinite(present).all(), item.name
        assert present.size, item.name
        if item.range.scale != "ratio":
            assert item.range.low <= present.min(), item.name
            assert present.max() <= item.range.high, item.name


def test_rows_cut_at_random_dates_do_not_change(index):
    tier = FeatureTier.load("a200")
    whole = tier.compute(index).values
    for cut in np.random.default_rng(0).integers(261, whole.shape[1], 5):
        part = tier.compute({name: column[:cut] for name, column in index.items()}).values
        assert same(part, whole[:, :cut])


# --- values of the historic dates ----------------------------------------------------------------

# The contract's own dates (2020 to 2024) lie after the bundled series, so these are others: a
# crash, a flash crash and a low. The numbers come from tier_references, written down once.
HISTORIC = {
    "2008-10-10": {
        "rsi_daily": 22.98243587,
        "rsi_weekly": 24.72044126,
        "macd_line": -76.99344052,
        "atr_14": 54.62047959,
        "adx_14": 43.86300789,
        "price_pct_from_sma_200": -31.60498504,
        "cci_14": -162.7011976,
        "tema_100": 1117.848008,
        "days_below_sma_200": 200,
        "days_since_sma_50_200_cross": -202,
        "days_to_month_end": 15,
    },
    "2015-08-24": {
        "rsi_daily": 18.32609513,
        "rsi_weekly": 36.41750264,
        "return_21d": -0.08964967653,
        "implied_vs_realized_ratio": 1.96581109,
        "cci_14": -296.1281502,
        "kama_50": 2066.5211,
        "days_below_sma_200": 3,
        "days_since_sma_50_200_cross": 896,
    },
    "2018-12-24": {
        "rsi_daily": 19.20667265,
        "rsi_weekly": 31.47452353,
        "macd_line": -77.49678842,
        "adx_14": 35.62605995,
        "implied_vs_realized_ratio": 1.517690146,
        "kama_50": 2676.360839,
        "days_since_sma_50_200_cross": -11,
        "days_to_month_end": 5,
    },
}


@pytest.mark.parametrize("date", HISTORIC)
def test_values_on_historic_dates(date, index):
    tier = FeatureTier.load("a200")
    row = int(np.flatnonzero(table_of(index).date == pd.Timestamp(date))[0])
    got = dict(zip(tier.names, tier.compute(index).values[:, row], strict=True))
    for name, value in HISTORIC[date].items():
        assert got[name] == pytest.approx(value, rel=1e-6), name
