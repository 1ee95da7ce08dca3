"""Bars of several trading days: the same days whoever counts, complete ones only."""

from datetime import date, timedelta

import numpy as np
import pytest
from bar_samples import build
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError
from marketlab.data import CALENDARS, assess_quality, fill_gaps, find_gaps, resample_bars

pytest.importorskip("exchange_calendars")
DAY = 86_400_000_000_000
SESSIONS = CALENDARS.get("nyse").sessions(
    int(np.datetime64("1990-01-01", "ns").astype(np.int64)),
    int(np.datetime64("2025-12-09", "ns").astype(np.int64)),
)
SPY = int(np.searchsorted(SESSIONS.label, np.datetime64("1993-01-29", "ns").astype(np.int64)))


def daily(rows, shift=0):
    """Return daily bars of the sessions at `rows`, named by date or so many ns off."""
    close = 100.0 + np.asarray(rows) % 97
    return build(
        {
            "time": SESSIONS.label[rows] + shift,
            "open": close,
            "high": close + 1.0,
            "low": close - 1.0,
            "close": close,
            "volume": np.ones(len(close)),
        },
        timeframe="1d",
    )


def day_of(time_ns):
    return date(1970, 1, 1) + timedelta(days=int(time_ns) // DAY)


@pytest.mark.parametrize(
    ("timeframe", "n", "left"), [("2d", 4136, 0), ("3d", 2757, 1), ("5d", 1654, 2)]
)
def test_the_counts_from_the_first_row_of_the_oldest_fund(timeframe, n, left):
    bars = daily(np.arange(SPY, len(SESSIONS)))
    assert bars.n_bars == 8272
    made = resample_bars(bars, timeframe, calendar="nyse")
    assert made.bars.n_bars == n
    assert (made.first_dropped, made.last_dropped, made.incomplete) == (0, left, 0)
    size = int(timeframe[0])
    assert np.array_equal(made.bars.time_ns, bars.time_ns[: n * size : size])
    assert np.array_equal(made.bars.close, bars.close[size - 1 : n * size : size])
    assert np.array_equal(made.bars.volume, np.full(n, float(size)))


@given(
    timeframe=st.sampled_from(["2d", "3d", "5d", "1w", "2w", "1mo"]),
    first=st.integers(0, 1_200),
    n=st.integers(110, 400),
    cut=st.integers(0, 40),
)
@settings(deadline=None, max_examples=30)
def test_cutting_early_history_moves_no_bar(timeframe, first, n, cut):
    whole = resample_bars(daily(np.arange(first, first + n)), timeframe, calendar="nyse").bars
    later = resample_bars(daily(np.arange(first + cut, first + n)), timeframe, calendar="nyse").bars
    known = dict(zip(whole.time_ns.tolist(), whole.close.tolist(), strict=True))
    assert all(
        known[t] == c for t, c in zip(later.time_ns.tolist(), later.close.tolist(), strict=True)
    )
    assert later.time_ns[-1] == whole.time_ns[-1]


def test_weeks_end_with_their_last_trading_day_also_before_a_holiday():
    # Thursday, 13 April 2006: Good Friday is closed, so the week is over.
    rows = np.flatnonzero(SESSIONS.label >= np.datetime64("2006-04-03", "ns").astype(np.int64))
    until = int(np.searchsorted(SESSIONS.label, np.datetime64("2006-04-14", "ns").astype(np.int64)))
    bars = daily(np.arange(rows[0], until))
    assert day_of(bars.time_ns[-1]) == date(2006, 4, 13)
    weeks = resample_bars(bars, "1w", calendar="nyse")
    assert [day_of(t) for t in weeks.bars.time_ns] == [date(2006, 4, 3), date(2006, 4, 10)]
    assert (weeks.bars.volume.tolist(), weeks.last_dropped) == ([5.0, 4.0], 0)
    cut = resample_bars(daily(np.arange(rows[0], until - 1)), "1w", calendar="nyse")
    assert (cut.bars.n_bars, cut.last_dropped) == (1, 3)


def test_months_and_pairs_of_weeks_are_those_of_the_wall_calendar():
    bars = daily(np.arange(SPY, SPY + 700))
    months = resample_bars(bars, "1mo", calendar="nyse").bars
    starts = [day_of(t) for t in months.time_ns]
    assert starts[0] == date(1993, 2, 1)
    assert [(d.year * 12 + d.month) for d in starts] == list(
        range(1993 * 12 + 2, 1993 * 12 + 2 + len(starts))
    )
    pairs = resample_bars(bars, "2w", calendar="nyse").bars
    mondays = {(day_of(t) - timedelta(days=day_of(t).weekday())) for t in pairs.time_ns}
    assert {(d - date(1993, 1, 25)).days % 14 for d in mondays} == {0}


def test_bars_of_several_days_are_no_source_of_longer_ones():
    weeks = resample_bars(daily(np.arange(300)), "1w", calendar="nyse").bars
    with pytest.raises(ConfigError, match="bars of 2w cannot be made of bars of 1w: their trading"):
        resample_bars(weeks, "2w", calendar="nyse")


@pytest.mark.parametrize("name", ["weekly", "2wk", "monthly", "M15"])
def test_other_names_of_timeframes_are_refused_with_ours(name):
    with pytest.raises(ConfigError, match=f"Invalid timeframe '{name}'") as caught:
        resample_bars(daily(np.arange(30)), name, calendar="nyse")
    assert "Here it is called" in caught.value.suggestion


@pytest.mark.parametrize("timeframe", ["2d", "3d", "5d", "1w", "2w", "1mo"])
def test_coverage_of_longer_bars_is_counted_in_such_bars(timeframe):
    made = resample_bars(daily(np.arange(SPY, SPY + 600)), timeframe, calendar="nyse").bars
    report = assess_quality(made, timeframe, calendar="nyse")
    assert (report.coverage, report.missing_bars, report.expected_bars) == (1.0, 0, made.n_bars)
    keep = np.delete(np.arange(made.n_bars), [3, 4, 9])
    less = assess_quality(made.frame[keep], timeframe, calendar="nyse")
    assert (less.missing_bars, less.longest_gap_bars) == (3, 2)
    assert less.coverage == pytest.approx(1 - 3 / made.n_bars)


def test_weeks_named_by_their_monday_are_found_although_it_is_a_holiday():
    # Monday, 20 February 2006 is Presidents' Day.
    mondays = np.datetime64("2006-02-06", "ns").astype(np.int64) + np.arange(6) * 7 * DAY
    found = find_gaps(mondays, "1w", CALENDARS.get("nyse"))
    assert (found.fraction, len(found.unexpected)) == (1.0, 0)
    twice = find_gaps(np.append(mondays, mondays[2] + 2 * DAY), "1w", CALENDARS.get("nyse"))
    assert twice.unexpected.tolist() == [6]


@pytest.mark.parametrize("hours", [0, 5])
def test_days_named_by_local_midnight_meet_their_sessions(hours):
    """Midnight in New York is 5:00 UTC in winter: nine and a half hours before the opening."""
    shift = hours * 3_600_000_000_000
    rows = np.delete(np.arange(20, 60), 10)  # of January to March 1990
    bars = daily(rows, shift)
    report = assess_quality(bars, "1d", calendar="nyse")
    assert (report.expected_bars, report.missing_bars, report.outside_bars) == (40, 1, 0)
    filled = fill_gaps(bars, calendar="nyse", limit=1)
    assert filled.bars.time_ns[10] == SESSIONS.label[30] + shift
    weeks = resample_bars(bars, "1w", calendar="nyse")
    assert (weeks.outside, weeks.incomplete) == (0, 1)


def test_a_holiday_bar_is_outside():
    rows = np.arange(20, 60)
    bars = daily(rows, 5 * 3_600_000_000_000)
    # Presidents' Day 1990-02-19 gets a bar at New York's midnight.
    holiday = int(np.datetime64("1990-02-19T05:00", "ns").astype(np.int64))
    times = np.sort(np.append(bars.time_ns, holiday))
    found = find_gaps(times, "1d", CALENDARS.get("nyse"))
    assert times[found.unexpected].tolist() == [holiday]
    assert found.fraction == 1.0
