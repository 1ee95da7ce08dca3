"""Quality reports: what is planted is found, nothing later is read, filling says what it did."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from bar_samples import HOUR_NS, START_NS, build, good_columns
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError
from marketlab.data import (
    assess_quality,
    cross_check,
    fill_gaps,
    outlier_scores,
    resample_bars,
)

VIX = Path("/work/shared/data/vix-daily.csv")


def codes(report):
    return {f.code: f for f in report.findings}


def without(rows, n=200):
    return {name: np.delete(values, rows) for name, values in good_columns(n).items()}


@pytest.mark.skipif(not VIX.is_file(), reason="the long VIX series is not here")
def test_the_known_defects_of_the_long_vix_series_are_found():
    raw = pl.read_csv(VIX, try_parse_dates=True)
    time = pl.col("DATE").cast(pl.Datetime("ns")).dt.replace_time_zone("UTC").alias("time")
    prices = [pl.col(n.upper()).cast(pl.Float64).alias(n) for n in ("open", "high", "low", "close")]
    report = assess_quality(raw.select(time, *prices), "1d", calendar="nyse")
    found = codes(report)
    assert (report.n_bars, report.verdict) == (9_235, "fail")
    assert found["QUALITY-OhlcBounds"].count == 47
    assert found["QUALITY-OhlcBounds"].times[0] == "1992-02-11T00:00:00Z"
    assert found["QUALITY-NoRange"].count == 505
    assert found["QUALITY-NoRange"].times[0] == "1990-01-02T00:00:00Z"
    assert "1999-12-31T00:00:00Z" in found["QUALITY-Missing"].times
    assert report.missing_bars == 4


def test_good_bars_pass_and_say_so():
    report = assess_quality(build(good_columns(200)), "1h")
    assert (report.verdict, report.coverage, report.findings) == ("pass", 1.0, ())
    assert report.text().startswith("200 bars of 1h: pass\n  coverage 100.000% of 200 bars")
    assert json.loads(json.dumps(report.to_mapping()))["verdict"] == "pass"


def test_gaps_are_measured_before_any_fill():
    report = assess_quality(build(without([50, 51, 90])), "1h")
    assert (report.expected_bars, report.missing_bars, report.longest_gap_bars) == (200, 3, 2)
    assert report.coverage == pytest.approx(0.985)
    assert report.verdict == "fail"
    assert codes(report)["QUALITY-Missing"].rows == (50, 51, 90)
    long = assess_quality(build(without(list(range(50, 57)), n=3_000)), "1h")
    assert (long.coverage > 0.99, long.verdict) == (True, "fail")  # seven hours
    short = assess_quality(build(without(list(range(50, 56)), n=3_000)), "1h")
    assert short.verdict == "warn"


def test_the_weekend_is_no_gap_for_fx_and_bars_in_it_are_told():
    n = 24 * 7
    columns = good_columns(n) | {"time": START_NS + 5 * 24 * HOUR_NS + HOUR_NS * np.arange(n)}
    report = assess_quality(build(columns), "1h", calendar="fx_week")
    assert (report.missing_bars, report.outside_bars) == (0, 48)
    assert codes(report)["QUALITY-Outside"].count == 48


def test_order_repeats_stale_runs_and_impossible_prices_are_all_told():
    columns = good_columns(60)
    for name in ("open", "high", "low", "close"):
        columns[name][20:30] = columns["close"][19]
    columns["time"][40], columns["time"][41] = columns["time"][41], columns["time"][40]
    columns["time"][50] = columns["time"][49]
    columns["high"][10] = columns["low"][10] * 0.9
    found = codes(assess_quality(columns, "1h"))
    assert found["QUALITY-StaleRun"].rows == (20,)
    assert found["QUALITY-OhlcBounds"].rows == (10,)
    assert found["DATA-DuplicateTime"].rows == (50,)
    assert "DATA-Unordered" in found


def test_empty_input_fails_without_a_crash():
    report = assess_quality({name: v[:0] for name, v in good_columns().items()}, "1h")
    assert (report.verdict, report.coverage) == ("fail", None)
    assert set(codes(report)) == {"DATA-Empty"}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.integers(60, 700))
def test_scores_read_the_past_only(seed, cut):
    close = good_columns(800, seed=seed)["close"]
    whole = outlier_scores(close)
    assert np.array_equal(outlier_scores(close[:cut]), whole[:cut], equal_nan=True)
    changed = close.copy()
    changed[cut:] *= 3.0
    again = outlier_scores(changed)
    assert np.array_equal(again[:cut], whole[:cut], equal_nan=True)
    assert again[cut] > 30.0


def test_a_jump_is_flagged_and_kept():
    columns = good_columns(300)
    for name in ("open", "high", "low", "close"):
        columns[name][200:] *= 1.5
    report = assess_quality(build(columns), "1h")
    assert codes(report)["QUALITY-Outlier"].rows == (200,)
    assert (report.n_bars, report.verdict) == (300, "warn")


def test_filling_is_forward_capped_and_masked():
    bars = build(without([50, 51, *range(100, 106)]))
    done = fill_gaps(bars, limit=5)
    assert np.flatnonzero(done.is_filled).tolist() == [50, 51]
    assert done.n_unfilled == 6
    assert done.bars.close[50:52].tolist() == [bars.close[49]] * 2
    assert done.bars.high[50] == done.bars.low[50] == bars.close[49]
    assert done.bars.volume[50:52].tolist() == [0.0, 0.0]
    assert np.flatnonzero(np.diff(done.segment)).tolist() == [99]
    kept = ~done.is_filled
    assert np.array_equal(done.bars.close[kept], bars.close)
    again = fill_gaps(done.bars, limit=5)
    assert again.bars.dataset_id == done.bars.dataset_id
    with pytest.raises(ConfigError, match="limit must be 1 or more"):
        fill_gaps(bars, limit=0)


def test_cross_check_names_the_bars_that_differ():
    fine = build(good_columns(96))
    coarse = resample_bars(fine, "4h").bars
    good = cross_check(fine, coarse, with_volume=True)
    assert (good.compared, good.mismatched, good.only_fetched) == (24, 0, 0)
    changed = {**coarse.arrays(), "time": coarse.time_ns}
    changed["high"] = changed["high"].copy()
    changed["high"][3] += 0.5
    other = {name: np.delete(values, 7) for name, values in changed.items()}
    bad = cross_check(fine, build(other, timeframe="4h"))
    assert (bad.compared, bad.mismatched, bad.only_resampled) == (23, 1, 1)
    assert bad.times == ("2020-01-01T12:00:00Z",)


def test_a_calendar_that_the_bars_do_not_follow_is_named():
    # Midnight in New York on weekdays, over the clock change of 2021-03-14: no UTC days.
    days = np.arange(18_690, 18_711)
    days = days[(days + 3) % 7 < 5]
    opens = (days * 24 + np.where(days < 18_700, 5, 4)) * HOUR_NS
    columns = good_columns(len(opens)) | {"time": opens}
    bars = build(columns, timeframe="1d")
    rule = r"the calendar 'always' plans a bar at 2021-03-\d\d"
    with pytest.raises(DataError, match=rule) as said:
        fill_gaps(bars, limit=3)
    assert (said.value.code, said.value.field) == ("DATA-WrongCalendar", "calendar")
    assert "these open at other times than it plans, as at 2021-03-" in said.value.message
