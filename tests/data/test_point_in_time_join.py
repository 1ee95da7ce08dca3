"""A value of a slower series appears when it was known, not before."""

from datetime import timedelta

import numpy as np
import pytest
from bar_samples import HOUR_NS, START_NS, build, good_columns
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError
from marketlab.data import ContextSeries, point_in_time_join, resample_bars


def open_time_join(bars, context):
    """The reference's mistake: the newest bar that has opened, finished or not."""
    row = np.searchsorted(context.time_ns, bars.time_ns, side="right") - 1
    return context.close[row]


def hours_and_days(n=120, seed=0):
    hours = build(good_columns(n, seed=seed))
    return hours, resample_bars(hours, "1d").bars


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.integers(30, 119))
def test_nothing_later_changes_what_is_shown(seed, cut):
    hours, days = hours_and_days(seed=seed)
    whole = point_in_time_join(hours, days)
    short = hours.between(None, hours.times(cut - 1))
    visible = resample_bars(short, "1d").bars
    part = point_in_time_join(short, visible)
    for name in whole.values:
        assert np.array_equal(whole.values[name][:cut], part.values[name], equal_nan=True)


def test_the_join_on_open_times_leaks_by_23_hours():
    hours, days = hours_and_days()
    changed = good_columns(120)
    for name in ("open", "high", "low", "close"):
        changed[name][20:] *= 2.0  # from 20:00 of the first day on
    later, later_days = build(changed), resample_bars(build(changed), "1d").bars
    leaky = open_time_join(hours, days)[:96] != open_time_join(later, later_days)[:96]
    assert leaky[:20].all()  # the day's first bar sees its last hour already
    mine = [
        point_in_time_join(b, d).values["close"] for b, d in ((hours, days), (later, later_days))
    ]
    assert np.array_equal(mine[0][:20], mine[1][:20], equal_nan=True)


def test_a_row_is_shown_from_its_close_on():
    hours, days = hours_and_days(72)
    joined = point_in_time_join(hours, days, columns=("close",))
    assert joined.row.tolist() == [-1] * 23 + [0] * 24 + [1] * 24 + [2]
    assert joined.known.tolist() == [False] * 23 + [True] * 49
    assert np.isnan(joined.values["close"][:23]).all()
    assert (joined.age_ns[23], joined.age_ns[24]) == (0, HOUR_NS)
    assert list(joined.values) == ["close"]


def test_stale_rows_are_masked_and_never_filled_back():
    hours = build(good_columns(12))
    known = np.array([START_NS + 3 * HOUR_NS, START_NS + 9 * HOUR_NS])
    vix = ContextSeries("VIX", known, {"close": np.array([15.0, 16.0])})
    joined = point_in_time_join(hours, vix, staleness_limit=timedelta(hours=2))
    assert joined.row.tolist() == [-1, -1, 0, 0, 0, -1, -1, -1, 1, 1, 1, -1]
    empty = ContextSeries("VIX", known[:0], {"close": np.empty(0)})
    assert not point_in_time_join(hours, empty).known.any()


def test_bad_series_are_refused():
    hours, days = hours_and_days()
    times = days.close_time_ns
    with pytest.raises(ConfigError, match="no column 'vix'"):
        point_in_time_join(hours, days, columns=("vix",))
    with pytest.raises(ConfigError, match="must not be negative"):
        point_in_time_join(hours, days, staleness_limit=timedelta(hours=-1))
    with pytest.raises(DataError, match="do not increase at row 1"):
        point_in_time_join(hours, ContextSeries("x", times[::-1], {"a": times * 1.0}))
    with pytest.raises(DataError, match="not all"):
        point_in_time_join(hours, ContextSeries("x", times, {"a": np.zeros(1)}))
