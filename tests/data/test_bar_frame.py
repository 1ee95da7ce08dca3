import pickle
from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest
from bar_samples import HOUR_NS, START_NS, bar_frames, build, good_columns
from hypothesis import given
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError, DataNotAvailableError
from marketlab.data import TIMEFRAMES, close_time, parse_timeframe, validate_bars

FLOATS = ("open", "high", "low", "close", "volume")


@given(bars=bar_frames)
def test_arrays_are_read_only_contiguous_and_those_of_the_frame(bars):
    for name, array in bars.arrays().items():
        assert array.dtype == np.float64
        assert array.flags.c_contiguous
        assert not array.flags.writeable
        assert array.tolist() == bars.frame[name].to_list()
    assert bars.time_ns.dtype == bars.close_time_ns.dtype == np.int64
    assert (bars.close_time_ns - bars.time_ns == HOUR_NS).all()
    assert bars.frame.columns == ["time", "open", "high", "low", "close", "volume", "close_time"]
    assert bars.frame.schema["time"] == pl.Datetime("ns", "UTC")
    assert len(bars) == bars.n_bars == bars.frame.height


def test_neither_the_value_nor_its_source_can_change_it():
    columns = good_columns()
    bars = build(columns)
    before = bars.close.copy()
    columns["close"][:] = 1.0
    assert (bars.close == before).all()
    with pytest.raises(FrozenInstanceError):
        bars.symbol = "X"
    with pytest.raises(ValueError, match="read-only"):
        bars.close[0] = 1.0


@given(bars=bar_frames)
def test_the_id_is_that_of_the_content_whatever_its_way_in(bars):
    again = build(bars.frame, has_volume=bars.has_volume, source="elsewhere", licence="other")
    assert again.dataset_id == bars.dataset_id
    assert pickle.loads(pickle.dumps(bars)).dataset_id == bars.dataset_id
    assert len(bars.dataset_id) == 64


@given(bars=bar_frames, name=st.sampled_from([*FLOATS, "time", "close_time"]), data=st.data())
def test_every_cell_takes_part_in_the_id(bars, name, data):
    row = data.draw(st.integers(0, bars.n_bars - 1))
    columns = {n: np.array(bars.frame[n].to_physical()) for n in bars.frame.columns}
    if name in {"time", "close_time"}:
        columns[name][row] += 1 if name == "time" else -1
    elif name in {"high", "volume"}:
        columns[name][row] += 1.0
    elif name == "low":
        columns[name][row] *= 0.999
    else:
        middle = 0.5 * (columns["high"][row] + columns["low"][row])
        columns[name][row] = np.nextafter(middle, 0)
    changed = build(columns, has_volume=bars.has_volume)
    assert changed.dataset_id != bars.dataset_id


def test_symbol_timeframe_and_volume_flag_take_part_in_the_id():
    ids = {
        build(symbol="A").dataset_id,
        build(symbol="B").dataset_id,
        build(symbol="A", timeframe="30m").dataset_id,
        build(symbol="A", has_volume=False).dataset_id,
    }
    assert len(ids) == 4


def test_minus_zero_is_zero():
    columns = good_columns()
    columns["volume"][2] = 0.0
    minus = {**columns, "volume": np.where(columns["volume"] == 0, -0.0, columns["volume"])}
    assert np.signbit(minus["volume"][2])
    assert build(minus).dataset_id == build(columns).dataset_id
    assert not np.signbit(build(minus).volume[2])


def test_the_id_has_this_value():
    # Held, because stored datasets are found by it; computed apart from the implementation.
    import hashlib

    columns = good_columns(3)
    digest = hashlib.sha256(b"marketlab-bars-1|EURUSD|1h|True|3\n")
    parts = [("time", columns["time"])]
    parts += [(name, columns[name]) for name in FLOATS]
    parts += [("close_time", columns["time"] + HOUR_NS)]
    for name, values in parts:
        digest.update(
            name.encode() + b"\n" + values.astype(values.dtype.newbyteorder("<")).tobytes()
        )
    assert build(columns).dataset_id == digest.hexdigest()


def test_aware_times_of_any_zone_are_taken_as_moments():
    columns = good_columns(3)
    frame = pl.DataFrame(columns).with_columns(
        pl.col("time").cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone("Asia/Tokyo")
    )
    assert build(frame).dataset_id == build(columns).dataset_id
    assert build(frame).times(0) == datetime(2020, 1, 1, tzinfo=UTC)


def test_naive_times_are_refused():
    frame = pl.DataFrame(good_columns(3)).with_columns(pl.col("time").cast(pl.Datetime("ns")))
    with pytest.raises(DataError, match="without a zone") as caught:
        build(frame)
    assert caught.value.code == "DATA-NaiveTime"


@pytest.mark.parametrize("name", ["time", "open", "high", "low", "close"])
def test_a_missing_column_is_named(name):
    columns = good_columns()
    del columns[name]
    with pytest.raises(DataError, match=f"no column '{name}'; they have") as caught:
        build(columns)
    assert caught.value.code == "DATA-MissingColumn"


def _set(name, row, value):
    def change(columns):
        columns[name][row] = value

    return change


def _swap_times(columns):
    columns["time"][[2, 3]] = columns["time"][[3, 2]]


@pytest.mark.parametrize(
    ("change", "code", "match"),
    [
        (_set("close", 2, np.nan), "DATA-NotFinite", "NaN or infinite on 1 bar.*row 2"),
        (_set("high", 1, np.inf), "DATA-NotFinite", "row 1 .2020-01-01T01:00:00Z"),
        (_set("low", 3, 0.0), "DATA-NonPositivePrice", "zero or less on 1 bar.*row 3"),
        (_set("low", 3, -1.0), "DATA-NonPositivePrice", "row 3"),
        (_set("high", 4, 1.0), "DATA-HighBelowLow", "high is below low.*row 4"),
        (_set("close", 4, 500.0), "DATA-CloseOutsideRange", "close lies outside.*row 4"),
        (_set("open", 4, 50.0), "DATA-OpenOutsideRange", "open lies outside.*row 4"),
        (_set("volume", 0, -1.0), "DATA-NegativeVolume", "volume is negative on 1 bar.*row 0"),
        (_set("volume", 0, np.nan), "DATA-NotFiniteVolume", "row 0"),
        (_swap_times, "DATA-Unordered", "time goes back on 1 bar.*row 3"),
        (_set("time", 3, START_NS + 2 * HOUR_NS), "DATA-DuplicateTime", "row 3"),
        (_set("time", 3, START_NS + 2 * HOUR_NS + 1), "DATA-OverlappingBars", "row 3"),
    ],
)
def test_bad_bars_are_refused_with_their_rows(change, code, match):
    columns = good_columns()
    change(columns)
    with pytest.raises(DataError, match=match) as caught:
        build(columns)
    assert caught.value.code == code
    report = validate_bars(columns, "1h")
    assert code in {finding.code for finding in report.errors}
    assert not report.ok


def test_all_kinds_of_error_are_in_the_details():
    columns = good_columns()
    columns["close"][1] = np.nan
    columns["volume"][[2, 4]] = -3.0
    with pytest.raises(DataError, match="1 more kind") as caught:
        build(columns)
    found = {f["code"]: (f["count"], f["rows"]) for f in caught.value.details["findings"]}
    assert found == {"DATA-NotFinite": (1, [1]), "DATA-NegativeVolume": (2, [2, 4])}


def test_close_time_must_come_after_time_and_not_after_the_next_bar():
    columns = good_columns()
    same = {**columns, "close_time": columns["time"].copy()}
    with pytest.raises(DataError, match="close_time is not after time on 6"):
        build(same)
    late = {**columns, "close_time": columns["time"] + 2 * HOUR_NS}
    with pytest.raises(DataError, match="opens before the one before it has closed"):
        build(late)


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"time": np.array([], dtype=np.int64)} | {n: np.array([]) for n in FLOATS}, "DATA-Empty"),
        (good_columns() | {"close": np.ones((6, 1))}, "DATA-ShapeMismatch"),
        (good_columns() | {"close": np.ones(5)}, "DATA-ShapeMismatch"),
        (good_columns() | {"close": np.array(["a"] * 6)}, "DATA-WrongType"),
        (good_columns() | {"time": np.ones(6)}, "DATA-WrongType"),
    ],
)
def test_tables_that_are_no_bars_are_refused(columns, code):
    with pytest.raises(DataError) as caught:
        build(columns)
    assert caught.value.code == code


def test_missing_values_of_a_frame_are_named():
    frame = pl.DataFrame(good_columns()).with_columns(
        pl.col("time").cast(pl.Datetime("ns", "UTC")),
        close=pl.when(pl.int_range(6) == 2).then(None).otherwise(pl.col("close")),
    )
    with pytest.raises(DataError, match="row 2"):
        build(frame)
    holes = frame.with_columns(time=pl.when(pl.int_range(6) == 4).then(None).otherwise("time"))
    with pytest.raises(DataError, match=r"'time' is missing on 1 row.*row 4"):
        build(holes)


def test_times_that_nanoseconds_cannot_hold_are_refused():
    frame = pl.DataFrame(good_columns(2)).with_columns(
        time=pl.Series([datetime(1500, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)])
    )
    with pytest.raises(DataError, match="outside the years 1700 to 2200, first in the year 1500"):
        build(frame)


def test_volume_is_optional_and_zero_throughout_counts_as_none():
    without = build(good_columns(volume=False))
    assert not without.has_volume
    assert (without.volume == 0).all()
    zeros = good_columns() | {"volume": np.zeros(6)}
    assert not build(zeros).has_volume
    assert build(zeros, has_volume=True).has_volume
    assert build().has_volume


@pytest.mark.parametrize("symbol", ["EUR/USD", "../x", "", "^VIX"])
def test_symbols_are_safe_names(symbol):
    with pytest.raises(ConfigError, match="a name is a letter or digit"):
        build(symbol=symbol)


def test_between_includes_both_days():
    bars = build(good_columns(100))
    cut = bars.between(date(2020, 1, 2), date(2020, 1, 3))
    assert cut.times(0) == datetime(2020, 1, 2, tzinfo=UTC)
    assert cut.times(-1) == datetime(2020, 1, 3, 23, tzinfo=UTC)
    assert cut.n_bars == 48
    assert cut.metadata["cut_from"] == bars.dataset_id
    exact = bars.between(datetime(2020, 1, 1, 5, tzinfo=UTC), datetime(2020, 1, 1, 7, tzinfo=UTC))
    assert [exact.times(i).hour for i in range(3)] == [5, 6, 7]
    assert bars.between(None, None) is bars
    zone = timezone(timedelta(hours=2))
    assert bars.between(datetime(2020, 1, 2, tzinfo=zone), None).times(0).hour == 22


@given(bars=bar_frames, data=st.data())
def test_a_cut_is_what_building_the_remaining_rows_gives(bars, data):
    first = data.draw(st.integers(0, bars.n_bars - 1))
    last = data.draw(st.integers(first, bars.n_bars - 1))
    cut = bars.between(bars.times(first), bars.times(last))
    rows = build(bars.frame[first : last + 1], has_volume=bars.has_volume)
    assert cut.dataset_id == rows.dataset_id
    assert cut.frame.equals(rows.frame)
    assert cut.has_volume == bars.has_volume


def test_an_empty_cut_says_what_there_is():
    with pytest.raises(
        DataNotAvailableError,
        match=r"No data for EURUSD 1h between 2021-01-01 and 2021-02-01; .*"
        r"covers 2020-01-01T00:00:00Z to 2020-01-01T05:00:00Z",
    ) as caught:
        build().between(date(2021, 1, 1), date(2021, 2, 1))
    assert caught.value.code == "DATA-NotAvailable"


def test_naive_bounds_are_refused():
    with pytest.raises(ConfigError, match="a time needs a zone"):
        build().between(datetime(2020, 1, 1), None)  # noqa: DTZ001


def test_replaced_prices_keep_times_and_volume_and_are_synthetic():
    bars = build()
    other = bars.replace_prices(*(2.0 * bars.arrays()[name] for name in FLOATS[:4]))
    assert (other.close == 2.0 * bars.close).all()
    assert (other.time_ns == bars.time_ns).all()
    assert (other.volume == bars.volume).all()
    assert other.is_synthetic
    assert not bars.is_synthetic
    assert bars.dataset_id in other.provenance
    assert other.between(None, bars.times(2)).is_synthetic
    with pytest.raises(DataError, match="high is below low"):
        bars.replace_prices(bars.open, bars.low * 0.5, bars.low, bars.close)


def test_what_is_shown_names_the_series():
    assert repr(build()).startswith(
        "<BarFrame EURUSD 1h: 6 bars, 2020-01-01 00:00 to 2020-01-01 05:00 UTC, "
    )
    assert repr(build(is_synthetic=True)).startswith("<synthetic BarFrame")


@pytest.mark.parametrize("name", ["2d", "3d", "5d", "2w", "1mo"])
def test_bars_of_several_trading_days_close_when_a_calendar_says(name):
    with pytest.raises(ConfigError, match=f"bars of {name} last as long as their trading days"):
        close_time(datetime(2020, 1, 1, tzinfo=UTC), name)
    with pytest.raises(ConfigError, match="only a calendar says"):
        build(timeframe=name)


@pytest.mark.parametrize("name", sorted(set(TIMEFRAMES) - {"2d", "3d", "5d", "2w", "1mo"}))
def test_close_time_is_one_bar_later(name):
    opened = datetime(2020, 1, 1, 10, tzinfo=timezone(timedelta(hours=2)))
    assert close_time(opened, name) - opened == parse_timeframe(name)
    assert close_time(opened, name).tzinfo is UTC


def test_an_unknown_timeframe_is_refused_everywhere():
    for call in (
        lambda: parse_timeframe("1hour"),
        lambda: build(timeframe="1hour"),
        lambda: validate_bars(good_columns(), "1hour"),
    ):
        with pytest.raises(ConfigError, match=r"Invalid timeframe '1hour'\.") as caught:
            call()
        assert caught.value.code == "CONFIG-UnknownTimeframe"
    with pytest.raises(ConfigError, match="a time needs a zone"):
        close_time(datetime(2020, 1, 1), "1h")  # noqa: DTZ001


def test_a_table_without_a_column_is_reported_not_raised():
    report = validate_bars(pl.DataFrame({"open": [1.0, 2.0]}), "1h")
    assert [f.code for f in report.errors] == ["DATA-MissingColumn"]
    assert report.n_bars == 2


def test_gaps_are_told_apart_from_weekends():
    columns = good_columns(200)
    keep = np.ones(200, dtype=bool)
    keep[10:13] = False  # three bars on Wednesday
    keep[70:118] = False  # Friday 22:00 to Sunday 22:00
    report = validate_bars({name: values[keep] for name, values in columns.items()}, "1h")
    found = {f.code: f for f in report.warnings}
    assert report.ok
    assert set(found) == {"DATA-Gap", "DATA-WeekendGap"}
    assert found["DATA-Gap"].rows == (10,)
    assert "about 3 bar(s)" in found["DATA-Gap"].message
    assert found["DATA-WeekendGap"].times == ("2020-01-05T22:00:00Z",)


def test_stale_jumping_and_volumeless_bars_are_told():
    columns = good_columns(30, volume=False)
    for name in ("open", "high", "low", "close"):
        columns[name][5:15] = 100.0
        columns[name][20:] *= 10.0
    found = {f.code: f for f in validate_bars(columns, "1h").warnings}
    assert found["DATA-StaleRun"].rows == (5,)
    assert "longest run 10" in found["DATA-StaleRun"].message
    assert found["DATA-PriceJump"].rows == (20,)
    assert found["DATA-NoVolume"].count == 30
    some = good_columns(30)
    some["volume"][:6] = 0.0
    found = {f.code: f for f in validate_bars(some, "1h").warnings}
    assert "volume is zero (20.00% of all) on 6" in found["DATA-ZeroVolume"].message


def test_close_only_bars_are_told():
    columns = good_columns(20)
    for name in ("open", "high", "low"):
        columns[name] = columns["close"].copy()
    assert "DATA-NoRange" in {f.code for f in validate_bars(columns, "1h").warnings}


@given(bars=bar_frames)
def test_good_bars_have_no_errors(bars):
    report = validate_bars(bars, "1h")
    assert report.ok
    assert {f.code for f in report.findings} <= {"DATA-NoVolume", "DATA-PriceJump"}
