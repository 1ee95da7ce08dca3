"""Coarser bars: the same by any way, never more than was seen, partial ones left out."""

import numpy as np
import pytest
from bar_samples import build, good_columns
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError
from marketlab.data import CALENDARS, expected_bars, parents_of, resample_bars

MINUTE = 60_000_000_000
PRICES = ("open", "high", "low", "close", "volume")


def ns(text):
    return int(np.datetime64(text, "ns").astype(np.int64))


def five_minutes(calendar, start, end, *, seed=0, keep=1.0):
    """Bars of 5m at the calendar's times, each kept with a probability."""
    opens, closes = expected_bars(CALENDARS.get(calendar), "5m", ns(start), ns(end))
    chosen = np.random.default_rng(seed).random(len(opens)) < keep
    chosen[len(opens) // 2] = True
    columns = good_columns(int(chosen.sum()), seed=seed)
    columns |= {"time": opens[chosen], "close_time": closes[chosen]}
    return build(columns, timeframe="5m")


def same(left, right):
    assert left.dataset_id == right.dataset_id


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 999),
    st.sampled_from([0.3, 0.9, 1.0]),
    st.sampled_from(["always", "fx_week", "nyse"]),
)
def test_by_way_of_15m_is_the_same_as_straight(seed, keep, calendar):
    start, end = "2023-03-09T00:00", "2023-03-15T00:00"  # the clocks change on the 12th
    bars = five_minutes(calendar, start, end, seed=seed, keep=keep)
    middle = resample_bars(bars, "15m", calendar=calendar).bars
    two = resample_bars(middle, "1h", calendar=calendar).bars
    same(two, resample_bars(bars, "1h", calendar=calendar).bars)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.integers(30, 400))
def test_a_bar_is_what_its_own_bars_say_and_later_ones_change_nothing(seed, cut):
    bars = five_minutes("fx_week", "2023-03-09T00:00", "2023-03-14T00:00", seed=seed, keep=0.8)
    made = resample_bars(bars, "1h", calendar="fx_week").bars
    for row in np.linspace(0, made.n_bars - 1, 6).astype(int):
        lo, hi = made.time_ns[row], made.close_time_ns[row]
        mine = (bars.time_ns >= lo) & (bars.time_ns < hi)
        want = (
            bars.open[mine][0],
            bars.high[mine].max(),
            bars.low[mine].min(),
            bars.close[mine][-1],
            bars.volume[mine].sum(),
        )
        assert tuple(made.arrays()[name][row] for name in PRICES) == want
    columns = {**bars.arrays(), "time": bars.time_ns, "close_time": bars.close_time_ns}
    short = build({name: v[:cut] for name, v in columns.items()}, timeframe="5m")
    early = resample_bars(short, "1h", calendar="fx_week").bars
    assert early.close_time_ns[-1] <= short.close_time_ns[-1]
    for name in PRICES:
        assert np.array_equal(early.arrays()[name], made.arrays()[name][: early.n_bars])


def test_partial_bars_at_both_ends_are_left_out_and_counted():
    columns = good_columns(30)
    columns["time"] = ns("2023-03-01T00:25") + 5 * MINUTE * np.arange(30)
    done = resample_bars(build(columns, timeframe="5m"), "1h")
    assert (done.bars.n_bars, done.first_dropped, done.last_dropped) == (1, 7, 11)
    assert done.bars.times(0).hour == 1
    assert parents_of(done.bars.metadata) == [build(columns, timeframe="5m").dataset_id]


def test_the_last_hour_of_a_session_is_short_and_known_at_its_end():
    bars = five_minutes("nyse", "2023-11-22T00:00", "2023-11-25T00:00")
    done = resample_bars(bars, "1h", calendar="nyse")
    hours = (done.bars.close_time_ns - done.bars.time_ns) // MINUTE
    assert hours.tolist() == [60] * 6 + [30] + [60] * 3 + [30]
    days = resample_bars(bars, "1d", calendar="nyse").bars
    assert days.times(1).isoformat() == "2023-11-24T14:30:00+00:00"
    assert days.close_time_ns[1] == ns("2023-11-24T18:00")
    assert done.incomplete == 0


def test_a_short_holiday_week_is_complete_once_its_last_session_has_closed():
    label = CALENDARS.get("nyse").sessions(ns("2023-03-27"), ns("2023-04-20")).label
    columns = good_columns(len(label)) | {"time": label}
    done = resample_bars(build(columns, timeframe="1d"), "1w", calendar="nyse")
    weeks = [str(np.datetime64(int(t), "ns"))[:10] for t in done.bars.time_ns]
    assert weeks == ["2023-03-27", "2023-04-03", "2023-04-10"]  # Good Friday is the 7th
    assert (done.last_dropped, done.incomplete) == (3, 0)
    assert done.bars.close_time_ns[1] == ns("2023-04-07")


def test_bars_while_closed_are_counted_and_holes_are_told():
    columns = good_columns(48)
    columns["time"] = ns("2023-03-10T00:00") + 60 * MINUTE * np.arange(48)
    done = resample_bars(build(columns), "2h", calendar="fx_week")
    assert done.outside == 26
    holed = {name: np.delete(values, 5) for name, values in columns.items()}
    assert resample_bars(build(holed), "4h").incomplete == 1


def test_a_cut_series_forgets_what_its_source_knew():
    bars = five_minutes("always", "2023-03-01T00:00", "2023-03-02T00:00")
    quarter = resample_bars(bars, "15m").bars
    cut = quarter.between(quarter.times(2), quarter.times(8))
    assert resample_bars(cut, "1h").bars.n_bars == 1


def test_wrong_timeframes_too_few_bars_and_straddling_bars_are_refused():
    with pytest.raises(ConfigError, match="bars of 1h cannot be made of bars of 1h"):
        resample_bars(build(), "1h")
    with pytest.raises(DataError, match="fill no bar of 1d"):
        resample_bars(build(), "1d")
    columns = good_columns(20)
    columns["time"] = ns("2023-03-01T00:30") + 60 * MINUTE * np.arange(20)
    with pytest.raises(DataError, match="lie in two bars of 2h, first row 0"):
        resample_bars(build(columns | {"time": columns["time"] + 60 * MINUTE}), "2h")


@pytest.mark.parametrize("timeframe", ["1h", "1d"])
def test_a_week_with_a_hole_is_told_whatever_it_is_made_of(timeframe):
    opens, closes = expected_bars(
        CALENDARS.get("fx_week"), timeframe, ns("2023-03-05T20:00"), ns("2023-03-17T22:00")
    )
    columns = good_columns(len(opens)) | {"time": opens, "close_time": closes}
    whole = resample_bars(build(columns, timeframe=timeframe), "1w", calendar="fx_week")
    assert (whole.bars.n_bars, whole.incomplete) == (2, 0)
    holed = {name: np.delete(values, 3) for name, values in columns.items()}
    found = resample_bars(build(holed, timeframe=timeframe), "1w", calendar="fx_week")
    assert (found.bars.n_bars, found.incomplete) == (2, 1)
