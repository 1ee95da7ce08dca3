from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from bar_samples import bar_frames, good_columns
from hypothesis import given

from marketlab.core import ConfigError, DataError, DataNotAvailableError
from marketlab.data import ImportOptions, import_bars, load_bundled, validate_bars

HEADER = "time,open,high,low,close,volume"
VIX = Path("/work/shared/data/vix-daily.csv")


@pytest.fixture
def read(tmp_path):
    def call(
        times, *, timezone="UTC", header=HEADER, tail=",1,1.2,0.9,1.1,7", rows=None, **options
    ):
        timeframe = options.pop("timeframe", "1h")
        path = tmp_path / "bars.csv"
        lines = rows if rows is not None else [f"{each}{tail}" for each in times]
        path.write_text("\n".join([header, *lines]) + "\n")
        return import_bars(
            path,
            symbol="EURUSD",
            timeframe=timeframe,
            timezone=timezone,
            options=ImportOptions(**options),
        )

    return call


@given(bars=bar_frames)
def test_bars_survive_the_way_through_either_file(bars, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    names = ["time", "open", "high", "low", "close", *(["volume"] if bars.has_volume else [])]
    table = bars.frame.select(names)
    table.write_parquet(folder / "bars.parquet")
    table.write_csv(folder / "bars.csv", datetime_format="%Y-%m-%dT%H:%M:%S%:z")
    for name in ("bars.parquet", "bars.csv"):
        again, report = import_bars(folder / name, symbol="EURUSD", timeframe="1h")
        assert again.dataset_id == bars.dataset_id
        assert again.source == f"file:{name}"
        assert report == validate_bars(bars, "1h")


def test_local_times_become_utc(read):
    bars, _ = read(["2020-07-01 00:00", "2020-07-01 01:00"], timezone="Europe/Berlin")
    assert bars.times(0) == datetime(2020, 6, 30, 22, tzinfo=UTC)
    assert "times are those of Europe/Berlin" in bars.provenance


@pytest.mark.parametrize(
    "text", ["2020-01-01", "2020-01-01 00:00", "2020-01-01T00:00:00", "2020-01-01 00:00:00.000"]
)
def test_iso_forms_are_read(read, text):
    assert read([text])[0].times(0) == datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "hour"), [("Z", 0), ("+00:00", 0), ("+0200", -2), ("-05:30", 5.5), (".5Z", 1 / 7200)]
)
def test_offsets_need_no_declared_zone(read, text, hour):
    bars, _ = read([f"2020-01-01T00:00:00{text}"], timezone=None)
    assert bars.times(0) == datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=hour)


def test_naive_times_without_a_declaration_are_refused(read):
    with pytest.raises(
        DataError, match=r"carry no zone .first: 2020-01-01.*guess.*Declare"
    ) as caught:
        read(["2020-01-01 00:00"], timezone=None)
    assert caught.value.code == "DATA-NaiveTime"


def test_offsets_that_contradict_the_declared_zone_are_refused(read):
    with pytest.raises(DataError, match="contradict the declared zone 'UTC'"):
        read(["2020-01-01 00:00+02:00"])
    assert read(["2020-01-01 00:00+01:00"], timezone="Europe/Berlin")[0].n_bars == 1
    with pytest.raises(DataError, match=r"some times carry an offset.*row 1"):
        read(["2020-01-01 00:00+02:00", "2020-01-01 01:00"])


def test_an_hour_that_occurs_twice_is_refused_naming_the_first(read):
    times = ["2020-10-25 01:00", "2020-10-25 02:00", "2020-10-25 02:00", "2020-10-25 03:00"]
    with pytest.raises(
        DataError, match=r"2020-10-25 02:00:00 occurs twice in Europe/Berlin.*2 such.*data row 1"
    ) as caught:
        read(times, timezone="Europe/Berlin")
    assert caught.value.code == "DATA-AmbiguousTime"
    assert caught.value.details["rows"] == [1, 2]


def test_an_hour_that_does_not_exist_is_refused_naming_the_first(read):
    with pytest.raises(
        DataError, match=r"2020-03-08 02:30:00 does not exist in America/New_York.*data row 1"
    ) as caught:
        read(["2020-03-08 01:30", "2020-03-08 02:30"], timezone="America/New_York")
    assert caught.value.code == "DATA-NonexistentTime"


def test_days_end_with_the_calendar_day_of_their_zone(read):
    # 2020-03-29 has 23 hours in Berlin.
    bars, report = read(
        ["2020-03-28", "2020-03-29", "2020-03-30"], timezone="Europe/Berlin", timeframe="1d"
    )
    lengths = (bars.close_time_ns - bars.time_ns) // 3_600_000_000_000
    assert lengths.tolist() == [24, 23, 24]
    assert report.findings == ()


def test_a_declared_format_is_used_and_nothing_else(read):
    options = {"time_format": "%m/%d/%Y", "timeframe": "1d"}
    assert read(["1/4/1999"], **options)[0].times(0).day == 4
    with pytest.raises(DataError, match=r"ISO 8601.*'1/4/1999'.*time_format"):
        read(["1/4/1999"], timeframe="1d")
    with pytest.raises(DataError, match=r"not in the form %m/%d/%Y on 1 row.*row 1: '13/40/1999'"):
        read(["1/4/1999", "13/40/1999"], **options)
    aware = read(["01.02.2020 03:00 +0100"], timezone=None, time_format="%d.%m.%Y %H:%M %z")[0]
    assert aware.times(0) == datetime(2020, 2, 1, 2, tzinfo=UTC)
    with pytest.raises(ConfigError, match="reads offsets"):
        read(["01.02.2020 03:00 +0100"], time_format="%d.%m.%Y %H:%M %z")


@pytest.mark.parametrize(
    ("unit", "factor"), [("unix_s", 1), ("unix_ms", 10**3), ("unix_us", 10**6), ("unix_ns", 10**9)]
)
def test_counts_since_1970(read, unit, factor):
    bars, _ = read([1_577_836_800 * factor], timezone=None, time_format=unit)
    assert bars.times(0) == datetime(2020, 1, 1, tzinfo=UTC)
    with pytest.raises(DataError, match=f"not in the form {unit}"):
        read(["12x"], time_format=unit)


def test_counts_of_the_wrong_unit_do_not_wrap_around(read):
    with pytest.raises(DataError, match="years 1700 to 2200"):
        read([1_577_836_800_000_000], time_format="unix_s")
    with pytest.raises(DataError, match="outside the years"):
        read(["9999-01-01 00:00"])


@pytest.mark.parametrize(
    ("text", "value"), [("abc", "abc"), ("1,5", None), ("", None), ("1e", "1e"), ("0x1", "0x1")]
)
def test_cells_that_are_no_numbers_are_named(read, text, value):
    rows = ["2020-01-01 00:00,1,1.2,0.9,1.1,7", f'2020-01-01 01:00,1,1.2,0.9,"{text}",7']
    with pytest.raises(DataError, match=r"'close' holds no number on 1 row.*data row 1") as caught:
        read([], rows=rows)
    assert caught.value.code == "DATA-Unparsable"
    if value:
        assert repr(value) in str(caught.value)


def test_a_row_with_too_many_cells_is_refused(read):
    with pytest.raises(DataError, match="cannot be read as CSV"):
        read([], rows=["2020-01-01 00:00,1,1.2,0.9,1.1,7,8,9"])


def test_a_row_with_too_few_cells_is_refused(read):
    with pytest.raises(DataError, match="no number on 1 row"):
        read([], rows=["2020-01-01 00:00,1,1.2,0.9"])


@pytest.mark.parametrize(
    ("times", "code", "match"),
    [
        (["2020-01-01 00:00"] * 2, "DATA-DuplicateTime", r"time repeats.*row 1"),
        (["2020-01-01 01:00", "2020-01-01 00:00"], "DATA-Unordered", r"time goes back.*row 1"),
        (["2020-01-01 00:00", "2020-01-01 00:30"], "DATA-OverlappingBars", "timeframe right"),
        ([], "DATA-Empty", "there are no bars"),
        (["", "2020-01-01 00:30"], "DATA-MissingTime", "data row 0"),
    ],
)
def test_series_that_are_no_series_are_refused(read, times, code, match):
    with pytest.raises(DataError, match=match) as caught:
        read(times)
    assert caught.value.code == code


def test_missing_columns_are_named_with_what_there_is(read):
    with pytest.raises(
        DataError, match=r"bars.csv has no column for 'close'; it has 'time'"
    ) as caught:
        read([], header="time,open,high,low,price,volume", rows=["2020-01-01,1,1,1,1,1"])
    assert caught.value.code == "DATA-MissingColumn"
    with pytest.raises(DataError, match="no column 'price'"):
        read(["2020-01-01"], columns={"close": "price"})


def test_headers_are_found_whatever_their_case_or_by_declaration(read):
    header = "<DATE>,Open,HIGH,Low,Last,TickVol,Spread"
    rows = ["2020-01-01,1,1.2,0.9,1.1,7,3"]
    bars, report = read([], header=header, rows=rows, columns={"close": "Last"})
    assert (bars.close[0], bars.volume[0]) == (1.1, 7)
    assert [f.message for f in report.warnings] == ["column(s) left out: 'Spread'."]
    with pytest.raises(DataError, match="more than one column that may be 'time': 'Date', 'Time'"):
        read([], header="Date,Time,open,high,low,close", rows=["2020-01-01,00:00,1,1,1,1"])
    with pytest.raises(ConfigError, match=r"unknown column name 'clse'. Did you mean 'close'"):
        read([], columns={"clse": "Last"})


def test_volume_is_optional_and_its_absence_is_told(read):
    bars, report = read(
        [],
        header="time,open,high,low,close",
        rows=["2020-01-01,1,1,1,1", "2020-01-01 01:00,1,1,1,1"],
    )
    assert not bars.has_volume
    assert "DATA-NoVolume" in [f.code for f in report.warnings]


def test_the_volume_of_minus_one_that_some_brokers_write_is_refused(read):
    with pytest.raises(DataError, match="volume is negative on 1 bar"):
        read([], rows=["2020-01-01 00:00,1,1.2,0.9,1.1,-1"])


def test_what_is_declared_travels(read):
    bars, _ = read(["2020-01-01"], source="broker X", licence="CC0-1.0", is_synthetic=True)
    assert (bars.source, bars.licence, bars.is_synthetic) == ("broker X", "CC0-1.0", True)


def test_parquet_times_of_every_kind(tmp_path):
    table = pl.DataFrame(good_columns(3))
    path = tmp_path / "x.parquet"

    def save(time):
        table.with_columns(time=time).write_parquet(path)

    save(pl.col("time").cast(pl.Datetime("ns")))
    with pytest.raises(DataError, match="carry no zone"):
        import_bars(path, symbol="A", timeframe="1h")
    bars, _ = import_bars(path, symbol="A", timeframe="1h", timezone="UTC")
    save(pl.col("time").cast(pl.Datetime("ns")).dt.cast_time_unit("ms"))
    assert import_bars(path, symbol="A", timeframe="1h", timezone="UTC")[0].frame.equals(bars.frame)
    save(pl.col("time").cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone("Asia/Tokyo"))
    assert import_bars(path, symbol="A", timeframe="1h")[0].frame.equals(bars.frame)
    with pytest.raises(DataError, match="contradict the declared zone"):
        import_bars(path, symbol="A", timeframe="1h", timezone="UTC")
    save(pl.col("time"))
    with pytest.raises(DataError, match=r"holds Int64.*time_format"):
        import_bars(path, symbol="A", timeframe="1h")
    options = ImportOptions(time_format="unix_ns")
    assert import_bars(path, symbol="A", timeframe="1h", options=options)[0].frame.equals(
        bars.frame
    )
    save(pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 1, 3)))
    assert import_bars(path, symbol="A", timeframe="1d", timezone="UTC")[0].times(1).day == 2


@pytest.mark.parametrize(
    ("name", "content", "error", "match"),
    [
        ("none.csv", None, DataNotAvailableError, "there is no file"),
        ("x.xlsx", b"x", DataError, "neither .csv nor .parquet"),
        ("x.parquet", b"no parquet", DataError, "cannot be read as PARQUET"),
        ("x.csv", b"", DataError, "cannot be read as CSV"),
        ("x.csv", b"time,open\xff\n1,2\n", DataError, "x.csv"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, error, match):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=match):
        import_bars(path, symbol="A", timeframe="1h", timezone="UTC")


def test_unknown_zones_and_options_are_refused(read):
    with pytest.raises(
        ConfigError, match=r"unknown time zone 'Europe/Berln'. Did you mean 'Europe/B"
    ):
        read(["2020-01-01"], timezone="Europe/Berln")
    with pytest.raises(ConfigError, match="unknown key 'colums'"):
        ImportOptions.from_mapping({"colums": {}})


@pytest.mark.usefixtures("wheels")
def test_a_bundled_series_exported_and_imported_is_the_same(tmp_path):
    bars = load_bundled("eurusd_1h")
    path = tmp_path / "eurusd.csv"
    table = bars.frame.drop("close_time").with_columns(pl.col("time").dt.replace_time_zone(None))
    table.write_csv(path, datetime_format="%Y-%m-%d %H:%M:%S")
    again, _ = import_bars(path, symbol="EURUSD", timeframe="1h", timezone="UTC")
    assert again.dataset_id == bars.dataset_id


@pytest.mark.skipif(not VIX.exists(), reason="needs the shared development data")
def test_a_real_file_with_broken_bounds_is_refused_with_counts():
    with pytest.raises(DataError, match="outside low") as caught:
        import_bars(VIX, symbol="VIX", timeframe="1d", timezone="UTC")
    rows = {f["code"]: f["count"] for f in caught.value.details["findings"]}
    assert set(rows) <= {"DATA-CloseOutsideRange", "DATA-OpenOutsideRange", "DATA-HighBelowLow"}
    assert max(rows.values()) <= 47 <= sum(rows.values())
