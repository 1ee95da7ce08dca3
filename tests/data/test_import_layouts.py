from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from marketlab.core import ConfigError, DataError
from marketlab.data import ImportOptions, import_bars

PRICES = (1.30, 1.32, 1.29, 1.31)
TABLE = "{},{},{},{}".format(*PRICES)

FILES = {
    "histdata": (
        "20200106 170000;1.3;1.32;1.29;1.31;0\n20200106 170100;1.31;1.32;1.29;1.3;0\n",
        "Etc/GMT+5",
        "1m",
        datetime(2020, 1, 6, 22, tzinfo=UTC),
    ),
    "dukascopy": (
        (
            "Gmt time,Open,High,Low,Close,Volume\n"
            f"06.01.2020 22:00:00.000,{TABLE},7.5\n06.01.2020 22:01:00.000,1.31,1.32,1.29,1.3,2\n"
        ),
        None,
        "1m",
        datetime(2020, 1, 6, 22, tzinfo=UTC),
    ),
    "metatrader": (
        (
            "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
            "2020.01.06\t22:00:00\t1.3\t1.32\t1.29\t1.31\t7\t0\t3\n"
            "2020.01.06\t22:01:00\t1.31\t1.32\t1.29\t1.3\t2\t0\t3\n"
        ),
        "Europe/Athens",
        "1m",
        datetime(2020, 1, 6, 20, tzinfo=UTC),
    ),
    "interactive_brokers": (
        (
            "date,open,high,low,close,volume,average,barCount\n"
            f"20200106  17:00:00 US/Eastern,{TABLE},7,1.3,4\n"
            "20200106  17:01:00 US/Eastern,1.31,1.32,1.29,1.3,2,1.3,2\n"
        ),
        None,
        "1m",
        datetime(2020, 1, 6, 22, tzinfo=UTC),
    ),
    "yahoo": (
        (
            "Date,Open,High,Low,Close,Adj Close,Volume\n"
            f"2020-01-06,{TABLE},1.2,700\n2020-01-07,1.31,1.32,1.29,1.3,1.2,200\n"
        ),
        "America/New_York",
        "1d",
        datetime(2020, 1, 6, 5, tzinfo=UTC),
    ),
}


@pytest.fixture
def read(tmp_path):
    def call(text, timezone=None, timeframe="1m", **options):
        path = tmp_path / "broker.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return import_bars(
            path,
            symbol="EURUSD",
            timeframe=timeframe,
            timezone=timezone,
            options=ImportOptions(**options),
        )

    return call


@pytest.mark.parametrize("layout", FILES)
def test_known_files_are_recognised_and_read(read, layout):
    text, timezone, timeframe, first = FILES[layout]
    bars, _ = read(text, timezone, timeframe)
    assert bars.n_bars == 2
    assert bars.times(0) == first
    assert tuple(bars.arrays()[name][0] for name in ("open", "high", "low", "close")) == PRICES
    assert f"; layout {layout};" in bars.provenance


@pytest.mark.parametrize(
    ("layout", "hint"),
    [
        ("histdata", "'Etc/GMT.5'"),
        ("metatrader", "its server's time; ask the broker"),
        ("yahoo", "those of the exchange"),
    ],
)
def test_the_zone_is_never_guessed_but_the_error_tells_what_is_known(read, layout, hint):
    text, _, timeframe, _ = FILES[layout]
    with pytest.raises(DataError, match=f"broker.csv: the times carry no zone.*{hint}") as caught:
        read(text, None, timeframe)
    assert caught.value.code == "DATA-NaiveTime"


@pytest.mark.parametrize("layout", ["dukascopy", "interactive_brokers"])
def test_a_zone_that_the_file_states_must_not_be_contradicted(read, layout):
    text, _, timeframe, _ = FILES[layout]
    with pytest.raises(DataError, match=r"broker.csv: the file states .*'Asia/Tokyo'") as caught:
        read(text, "Asia/Tokyo", timeframe)
    assert caught.value.code == "DATA-ContradictingZone"
    agreed = {"dukascopy": "GMT", "interactive_brokers": "US/Eastern"}[layout]
    assert read(text, agreed, timeframe)[0].n_bars == 2


def test_unread_columns_are_told(read):
    text, timezone, timeframe, _ = FILES["metatrader"]
    _, report = read(text, timezone, timeframe)
    messages = [f.message for f in report.warnings if f.code == "DATA-UnknownColumn"]
    assert messages == ["column(s) left out: '<VOL>', '<SPREAD>'."]


def test_histdata_without_trades_has_no_volume(read):
    text, timezone, timeframe, _ = FILES["histdata"]
    assert not read(text, timezone, timeframe)[0].has_volume


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_metatrader_4_daily_and_utf_16(read, encoding):
    rows = "2020.01.06,22:00,1.3,1.32,1.29,1.31,7\n2020.01.06,22:01,1.31,1.32,1.29,1.3,2\n"
    if encoding != "utf-8-sig":
        bars, _ = read(rows.encode(encoding), "UTC")
        assert (bars.times(1).minute, bars.volume[1]) == (1, 2)
    daily = (
        "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\n2020.01.06\t1.3\t1.32\t1.29\t1.31\t7\n"
    )
    bars, _ = read(daily.encode(encoding), "UTC", "1d")
    assert bars.times(0) == datetime(2020, 1, 6, tzinfo=UTC)


def test_dukascopy_local_time_is_read_by_its_offsets_or_not_at_all(read):
    head = "Local time,Open,High,Low,Close,Volume\n"
    both = [
        f"25.10.2020 02:59:00.000 GMT+0200,{TABLE},1",
        f"25.10.2020 02:00:00.000 GMT+0100,{TABLE},1",
    ]
    bars, _ = read(head + "\n".join(both))
    assert bars.times(1) - bars.times(0) == timedelta(minutes=1)
    with pytest.raises(ConfigError, match="reads offsets, so that the zone 'Europe/Berlin' cannot"):
        read(head + "\n".join(both), "Europe/Berlin")
    naive = head + f"25.10.2020 01:59:00.000,{TABLE},1\n"
    with pytest.raises(DataError, match="local time of the computer that wrote it"):
        read(naive)
    assert read(naive, "Europe/Berlin")[0].times(0).hour == 23
    mixed = head + both[0] + f"\n25.10.2020 02:00:00.000,{TABLE},1\n"
    with pytest.raises(DataError, match=r"broker.csv: .*GMT%z on 1 row\(s\), first at data row 1"):
        read(mixed)


def test_interactive_brokers_in_its_other_forms(read):
    head = "Date,Open,High,Low,Close,Volume,WAP,barCount\n"
    tail = f",{TABLE},7,1.3,4\n"
    daily, _ = read(f"{head}20200106{tail}20200107{tail}", "America/New_York", "1d")
    assert daily.times(0) == datetime(2020, 1, 6, 5, tzinfo=UTC)
    naive = f"{head}20200106 17:00:00{tail}"
    with pytest.raises(DataError, match="Trader Workstation writes the zone of its own settings"):
        read(naive)
    assert read(naive, "UTC")[0].times(0).hour == 17
    iso = f"{head}2020-01-06 17:00:00-05:00{tail}"
    assert read(iso)[0].times(0).hour == 22


@pytest.mark.parametrize("second", ["20200106 17:01:00 Asia/Tokyo", "20200106 17:01:00"])
def test_mixed_zones_name_file_and_row(read, second):
    head = "date,open,high,low,close,volume,average,barCount\n"
    tail = f",{TABLE},7,1.3,4\n"
    text = f"{head}20200106 17:00:00 US/Eastern{tail}{second}{tail}"
    with pytest.raises(DataError, match=r"broker.csv: .*more than one zone.*data row 1") as caught:
        read(text)
    assert caught.value.code == "DATA-MixedZones"


def test_times_with_and_without_offset_name_file_and_row(read):
    head = "time,open,high,low,close\n"
    text = f"{head}2020-01-06 17:00:00Z,{TABLE}\n2020-01-06 17:01:00,{TABLE}\n"
    with pytest.raises(DataError, match=r"broker.csv: some times carry an offset.*data row 1"):
        read(text)


def test_local_time_that_the_clocks_skip_or_repeat_names_file_and_row(read):
    head = "time,open,high,low,close\n"
    text = f"{head}2020-10-25 01:00,{TABLE}\n2020-10-25 02:00,{TABLE}\n"
    with pytest.raises(DataError, match=r"broker.csv: .*occurs twice.*data row 1"):
        read(text, "Europe/Berlin")


def test_decimal_commas_are_refused_with_the_way_out_and_read_when_declared(read):
    text = "time;open;high;low;close\n2020-01-06 17:00;1,30;1,32;1,29;1,31\n"
    with pytest.raises(DataError, match=r"broker.csv: .*data row 0: '1,30'.*decimal=','"):
        read(text, "UTC")
    assert read(text, "UTC", decimal=",")[0].close[0] == 1.31
    with pytest.raises(DataError, match=r"data row 0: '1.30'.*the declared comma"):
        read(text.replace("1,30", "1.30"), "UTC", decimal=",")
    with pytest.raises(DataError, match=r"data row 0: '1.300,5'"):
        read(text.replace("1,30", "1.300,5"), "UTC", decimal=",")


def test_decimal_commas_between_commas_name_the_line(read):
    text = f"time,open,high,low,close\n2020-01-06 17:00,{TABLE}\n2020-01-06 17:01,1,3,1,4,1,2,1,3\n"
    with pytest.raises(DataError, match=r"broker.csv cannot.*line 3 has 9 cells, the first line 5"):
        read(text, "UTC")


@pytest.mark.parametrize("layout", [name for name in FILES if name != "histdata"])
def test_a_missing_column_names_the_file(read, layout):
    text, timezone, timeframe, _ = FILES[layout]
    bad = text.replace("Close", "Last", 1).replace("<CLOSE>", "<LAST>").replace("close", "last", 1)
    with pytest.raises(DataError, match=r"broker.csv has no column for '(close|time)'") as caught:
        read(bad, timezone, timeframe)
    assert caught.value.code == "DATA-MissingColumn"


def test_a_null_row_of_yahoo_names_file_and_row(read):
    text = FILES["yahoo"][0] + "2020-01-08,null,null,null,null,null,null\n"
    with pytest.raises(DataError, match=r"broker.csv: column 'Open' .*data row 2: 'null'"):
        read(text, "UTC", "1d")


@pytest.mark.parametrize("layout", FILES)
def test_bad_times_and_empty_tables_name_the_file(read, layout):
    text, timezone, timeframe, _ = FILES[layout]
    if layout != "histdata":
        with pytest.raises(DataError, match=r"broker.csv: .*there are no bars"):
            read(text.splitlines()[0] + "\n", timezone or "UTC", timeframe)
    bad = text.replace("2020.01.07", "x").replace("06.01.2020 22:01", "xx.01.2020 22:01")
    bad = bad.replace("20200106 170100", "2020xx06 170100").replace("22:01:00\t", "99:01:00\t")
    bad = bad.replace("20200106  17:01:00 ", "20200199  17:01:00 ").replace("2020-01-07", "x")
    with pytest.raises(DataError, match=r"broker.csv: the time is not in the form .*data row 1"):
        read(bad, timezone, timeframe)


def test_plain_reading_can_be_asked_for(read):
    text, _, timeframe, _ = FILES["dukascopy"]
    with pytest.raises(DataError, match="no column for 'time'"):
        read(text, "UTC", timeframe, layout="plain")
    bars, _ = read(
        text, "UTC", timeframe, columns={"time": "Gmt time"}, time_format="%d.%m.%Y %H:%M:%S%.f"
    )
    assert "layout" not in bars.provenance
    assert np.array_equal(bars.close, [1.31, 1.3])
