"""The combined daily dataset against the same join in pandas."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from table_world import DAY, frame

from marketlab.core import ConfigError, DataError
from marketlab.features import FeatureTier, bar_arrays, combine_daily, raw_daily

A20, VIX_C = FeatureTier.load("a20"), FeatureTier.load("vix_c")


def pair(**options):
    return frame(n=500), frame(n=320, symbol="VIX", seed=5, first_day=15_200, **options)


def combine(bars, vix):
    return combine_daily(bars, vix, tier=A20, context_tier=VIX_C)


def table(bars, tier):
    index = pd.to_datetime(bars.time_ns).normalize()
    return pd.DataFrame(tier.compute(bar_arrays(bars)).values.T, index=index, columns=tier.names)


def test_it_is_the_inner_join_on_the_date_without_incomplete_rows():
    bars, vix = pair(skip=(100, 101))
    made = combine(bars, vix)
    assert made.frame.columns == [
        "Date", "Open", "High", "Low", "Close", "Volume", *A20.names, *VIX_C.names
    ]  # fmt: skip
    assert len(made.frame.columns) == 34
    both = table(bars, A20).join(table(vix, VIX_C), how="inner", validate="one_to_one")
    expected = both.dropna()
    assert len(expected) == made.frame.height > 50
    assert made.incomplete_dropped == len(both) - len(expected)
    assert made.only_series == bars.n_bars - len(both)
    assert made.only_context == vix.n_bars - len(both)
    assert made.frame.schema["Date"] == pl.Datetime("ns")
    assert made.frame.schema["vix_regime"] == pl.Int64
    assert np.array_equal(made.frame["Date"].to_numpy(), expected.index.to_numpy())
    columns = [*A20.names, *VIX_C.names]
    assert np.array_equal(made.frame.select(columns).to_numpy(), expected[columns].to_numpy())
    closes = pd.Series(bars.close, index=pd.to_datetime(bars.time_ns))[expected.index]
    assert np.array_equal(made.frame["Close"].to_numpy(), closes.to_numpy())
    assert made.facts["parts"][1]["dataset_id"] == vix.dataset_id


def test_the_vix_columns_come_from_its_own_days():
    # Days that only VIX has count in its windows: the percentile looks back 60 of its own.
    bars, vix = pair()
    holes = frame(n=500, skip=tuple(range(300, 400, 3)))
    first, second = combine(bars, vix).frame, combine(holes, vix).frame
    shared = second.select("Date", "vix_percentile_60d").join(
        first.select("Date", pl.col("vix_percentile_60d").alias("other")), on="Date"
    )
    assert shared.height > 20
    assert (shared["vix_percentile_60d"] == shared["other"]).all()


def test_what_cannot_be_combined_is_refused():
    bars, vix = pair()
    with pytest.raises(DataError, match="have no date in common") as caught:
        combine(bars, frame(n=100, symbol="VIX", first_day=25_000))
    assert caught.value.code == "DATA-NoOverlap"
    with pytest.raises(ConfigError, match="BTC is 1h"):
        combine(frame(symbol="BTC", timeframe="1h"), vix)
    with pytest.raises(DataError, match="has a value in every column"):
        combine(bars, frame(n=100, symbol="VIX", first_day=15_000))
    times = np.array(vix.time_ns)
    times[1] = times[0] + DAY // 2
    twice = {"time": times, **vix.arrays(), "close_time": times + DAY // 4}
    double = type(vix).build(twice, symbol="VIX", timeframe="1d", source="test")
    with pytest.raises(DataError, match="VIX has two bars on"):
        combine(bars, double)
    with pytest.raises(ConfigError, match="both feature sets have a column"):
        combine_daily(bars, vix, tier=A20, context_tier=A20)


def test_a_raw_file_has_the_laboratorys_columns():
    bars, _ = pair()
    raw = raw_daily(bars)
    assert raw.columns == ["Date", "Open", "High", "Low", "Close", "Volume"]
    assert raw.height == bars.n_bars
    assert raw["Date"].dt.time().n_unique() == 1
