"""Files with defects: refused with the way on; accepted only by name, and told ever after."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError
from marketlab.data import Catalog, ImportOptions, import_bars

VIX = Path("/work/shared/data/vix-daily.csv")
HEAD = "time,open,high,low,close,volume\n"
GOOD = "2020-01-0{day} 00:00:00,1.0,2.0,0.5,1.5,7\n"


def write(tmp_path, rows):
    path = tmp_path / "odd.csv"
    path.write_text(HEAD + "".join(rows))
    return path


def bring(path, **options):
    given = ImportOptions(**options)
    return import_bars(path, symbol="EURUSD", timeframe="1d", timezone="UTC", options=given)


@pytest.fixture
def odd(tmp_path):
    rows = [GOOD.format(day=day) for day in range(1, 8)]
    rows[2] = "2020-01-03 00:00:00,3.0,2.0,0.5,1.5,7\n"  # open above high
    rows[4] = "2020-01-05 00:00:00,1.0,2.0,0.5,0.1,7\n"  # close below low
    rows[5] = "2020-01-06 00:00:00,1.0,2.0,0.5,1.5,-7\n"  # negative volume
    return write(tmp_path, rows)


def test_a_refusal_says_how_to_go_on(odd):
    with pytest.raises(DataError) as caught:
        bring(odd)
    assert caught.value.message.startswith("odd.csv: EURUSD 1d: close lies outside low … high on 1")
    assert "--widen-range" in caught.value.suggestion
    assert "--leave-out DATA-CloseOutsideRange" in caught.value.suggestion
    codes = [finding["code"] for finding in caught.value.details["findings"]]
    assert codes == ["DATA-CloseOutsideRange", "DATA-OpenOutsideRange", "DATA-NegativeVolume"]


def test_named_rows_are_left_out_and_told_everywhere(odd, tmp_path):
    codes = ("DATA-CloseOutsideRange", "DATA-OpenOutsideRange", "DATA-NegativeVolume")
    bars, report = bring(odd, leave_out=codes)
    assert [int(bars.times(i).day) for i in range(bars.n_bars)] == [1, 2, 4, 7]
    entry = bars.metadata["accepted"][1]
    assert entry == {
        "code": "DATA-OpenOutsideRange",
        "action": "left out",
        "count": 1,
        "times": ["2020-01-03T00:00:00Z"],
    }
    assert "1 row(s) with DATA-NegativeVolume left out as asked" in bars.provenance
    assert [f.code for f in report.findings[:3]] == ["DATA-Accepted"] * 3
    catalog = Catalog(tmp_path / "processed")
    assert catalog.load(catalog.add(bars)).metadata == bars.metadata


def test_ranges_are_widened_where_they_exclude_a_price_and_nowhere_else(odd):
    bars, _ = bring(odd, leave_out=("DATA-NegativeVolume",), widen_range=True)
    assert bars.high.tolist() == [2.0, 2.0, 3.0, 2.0, 2.0, 2.0]
    assert bars.low.tolist() == [0.5, 0.5, 0.5, 0.5, 0.1, 0.5]
    told = bars.metadata["accepted"][-1]
    assert (told["action"], told["times"]) == (
        "range widened",
        ["2020-01-03T00:00:00Z", "2020-01-05T00:00:00Z"],
    )


def test_what_was_not_named_is_still_refused(odd):
    with pytest.raises(DataError, match="volume is negative on 1"):
        bring(odd, widen_range=True)


def test_an_option_that_no_row_needs_is_refused(tmp_path):
    path = write(tmp_path, [GOOD.format(day=1), GOOD.format(day=2)])
    for options in ({"widen_range": True}, {"leave_out": ("DATA-HighBelowLow",)}):
        with pytest.raises(DataError, match="so that none can be accepted") as caught:
            bring(path, **options)
        assert caught.value.code == "DATA-NothingToAccept"


@pytest.mark.parametrize("code", ["DATA-DuplicateTime", "DATA-Unordered", "DATA-Nonsense"])
def test_times_that_contradict_each_other_are_never_accepted(odd, code):
    with pytest.raises(ConfigError, match=f"rows cannot be left out for '{code}'"):
        bring(odd, leave_out=(code,))


@given(bad=st.sets(st.integers(0, 8), min_size=1, max_size=8))
@settings(deadline=None, max_examples=25)
def test_whatever_rows_are_odd_the_others_come_in_untouched(tmp_path_factory, bad):
    rows = [GOOD.format(day=day) for day in range(1, 10)]
    for row in bad:
        rows[row] = rows[row].replace(",1.0,", ",9.0,")
    path = write(tmp_path_factory.mktemp("odd"), rows)
    bars, _ = bring(path, leave_out=("DATA-OpenOutsideRange",))
    assert [bars.times(i).day - 1 for i in range(bars.n_bars)] == sorted(set(range(9)) - bad)
    widened, _ = bring(path, widen_range=True)
    assert widened.open.tolist() == [9.0 if row in bad else 1.0 for row in range(9)]
    assert widened.high.tolist() == [9.0 if row in bad else 2.0 for row in range(9)]


@pytest.mark.skipif(not VIX.is_file(), reason="the long VIX series is not here")
def test_the_long_vix_series_is_refused_with_its_47_rows_and_comes_in_when_asked():
    def vix(**options):
        zone = "America/New_York"
        given = ImportOptions(**options)
        return import_bars(VIX, symbol="VIX", timeframe="1d", timezone=zone, options=given)

    with pytest.raises(DataError, match=r"open lies outside low … high on 47 bar"):
        vix()
    widened, _ = vix(widen_range=True)
    assert (widened.n_bars, widened.metadata["accepted"][0]["count"]) == (9_235, 47)
    assert vix(leave_out=("DATA-OpenOutsideRange",))[0].n_bars == 9_188


def ib(tmp_path, zone):
    path = tmp_path / "ib.csv"
    path.write_text(
        "date,open,high,low,close,volume,average,barCount\n"
        f"20200106  17:00:00 {zone},1.3,1.4,1.2,1.3,7,1.3,4\n"
        f"20200106  17:01:00 {zone},1.3,1.4,1.2,1.3,7,1.3,4\n"
    )
    return path


def test_an_unknown_zone_in_a_file_of_interactive_brokers_names_file_and_line(tmp_path):
    path = ib(tmp_path, "MEZ")
    with pytest.raises(DataError) as caught:
        import_bars(path, symbol="EURUSD", timeframe="1m")
    assert caught.value.code == "DATA-UnknownTimezone"
    assert caught.value.message == (
        "ib.csv: line 2 and the others state the time zone 'MEZ', which is unknown."
    )
    bars, _ = import_bars(path, symbol="EURUSD", timeframe="1m", timezone="Europe/Berlin")
    assert bars.times(0).hour == 16
