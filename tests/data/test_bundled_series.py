import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from marketlab.core import ConfigError, DataNotAvailableError, IntegrityError
from marketlab.data import (
    BUNDLED,
    _bundled,
    fetch_bundled,
    load_bundled,
    validate_bars,
    wheel_folder,
)


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MARKETLAB_CACHE", str(tmp_path))
    return tmp_path / "wheels"


@pytest.mark.usefixtures("wheels")
@pytest.mark.parametrize("name", BUNDLED.names())
def test_every_series_loads_whole_checked_and_described(name):
    series, bars = BUNDLED.get(name), load_bundled(name)
    assert bars.n_bars == series.n_bars
    assert (bars.symbol, bars.timeframe) == (series.symbol, series.timeframe)
    assert bars.source == f"bundled:{name}"
    assert not bars.is_synthetic
    assert validate_bars(bars, bars.timeframe).ok
    assert series.package in bars.licence
    assert series.version in bars.provenance
    assert load_bundled(name).dataset_id == bars.dataset_id


@pytest.mark.usefixtures("wheels")
def test_eurusd_is_what_it_says():
    bars = load_bundled("eurusd_1h")
    assert bars.times(0) == datetime(2017, 4, 19, 9, tzinfo=UTC)
    assert bars.times(-1) == datetime(2018, 2, 7, 15, tzinfo=UTC)
    assert (bars.open[0], bars.high[0], bars.low[0], bars.close[0], bars.volume[0]) == (
        1.0716,
        1.0722,
        1.07083,
        1.07219,
        1413.0,
    )
    assert bars.has_volume


@pytest.mark.usefixtures("wheels")
def test_the_claim_that_eurusd_is_in_utc_is_what_the_bars_show():
    # Weeks open at 17:00 in New York: 21:00 UTC in summer time, 22:00 UTC from 2017-11-05 on.
    bars = load_bundled("eurusd_1h")
    first = np.flatnonzero(np.diff(bars.time_ns) > int(1.5 * 86_400e9)) + 1
    winter = datetime(2017, 11, 5, tzinfo=UTC)
    hours = {(bars.times(i) >= winter, bars.times(i).hour) for i in first.tolist()}
    assert hours == {(False, 21), (True, 22)}
    # Of the payroll days in the series (08:30 in New York) the bar of the release is among the
    # three widest, at 12:00 UTC in summer and 13:00 UTC in winter.
    for day, hour in (
        ("2017-05-05", 12),
        ("2017-06-02", 12),
        ("2017-12-08", 13),
        ("2018-02-02", 13),
    ):
        on_day = bars.between(
            datetime.fromisoformat(day).date(), datetime.fromisoformat(day).date()
        )
        width = np.log(on_day.high / on_day.low)
        assert on_day.times(int(np.argmax(width))).hour == hour


@pytest.mark.usefixtures("wheels")
def test_daily_bars_are_known_at_the_end_of_their_utc_day():
    bars = load_bundled("sp500_1d")
    assert bars.times(0) == datetime(1999, 1, 4, tzinfo=UTC)
    assert bars.frame["close_time"][0] == bars.times(0) + timedelta(days=1)
    assert bars.close[0] == 1228.099976


@pytest.mark.usefixtures("wheels")
def test_the_vix_has_closes_only_and_says_so():
    bars = load_bundled("vix_1d")
    assert not bars.has_volume
    assert (bars.open == bars.close).all()
    assert (bars.high == bars.low).all()
    assert "closes only" in bars.provenance
    assert bars.metadata["rows_left_out"] == 46


@pytest.mark.usefixtures("wheels")
def test_the_nasdaq_series_bears_the_name_of_the_composite():
    assert load_bundled("nasdaq_1d").symbol == "IXIC"


@pytest.mark.usefixtures("wheels")
def test_packages_are_read_not_imported():
    code = (
        "import sys; from marketlab.data import load_bundled; load_bundled('eurusd_1h'); "
        "sys.exit(any(n in sys.modules for n in ('backtesting', 'arch', 'sqlalchemy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"Invalid bundled series 'eurusd'.*'eurusd_1h'"):
        load_bundled("eurusd")


def test_without_the_wheel_the_way_out_is_told(empty_cache):
    with pytest.raises(
        DataNotAvailableError, match=r"No data for EURUSD 1h.*marketlab data fetch-bundled"
    ) as caught:
        load_bundled("eurusd_1h")
    assert str(empty_cache) in str(caught.value)


def test_a_failed_download_gives_the_reason(empty_cache, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(
        DataNotAvailableError, match=r"arch 8.0.0 could not be downloaded"
    ) as caught:
        fetch_bundled()
    assert "fetch-bundled" in str(caught.value)
    assert [path.name for path in empty_cache.iterdir()] == [".lock"]


def test_a_missing_pip_gives_the_reason(empty_cache, monkeypatch):
    monkeypatch.setattr(_bundled.sys, "executable", "/nowhere/python")
    with pytest.raises(DataNotAvailableError, match="No such file"):
        fetch_bundled()


@pytest.mark.usefixtures("wheels")
def test_cached_wheels_are_not_fetched_again(monkeypatch):
    def refuse(*_args, **_options):
        raise AssertionError("a download was started")

    monkeypatch.setattr(subprocess, "run", refuse)
    calls = []
    paths = fetch_bundled(lambda *call: calls.append(call))
    assert [path.parent for path in paths] == [wheel_folder()] * 2
    assert calls == [("arch 8.0.0", 0, 2), ("backtesting 0.6.6", 1, 2)]


def _wheel(folder, content):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "backtesting-0.6.6-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("backtesting/test/EURUSD.csv", content)
    return path


def test_an_altered_file_is_refused(empty_cache):
    _wheel(empty_cache, "time,Open\n")
    with pytest.raises(IntegrityError, match=r"has SHA-256 .* not 81e97790") as caught:
        load_bundled("eurusd_1h")
    assert caught.value.code == "DATA-BundledFileAltered"


def test_a_wheel_without_the_file_or_no_zip_is_refused(empty_cache):
    path = _wheel(empty_cache, "x")
    with pytest.raises(IntegrityError, match="cannot be read as the wheel of backtesting"):
        load_bundled("goog_1d")
    path.write_bytes(b"no zip")
    with pytest.raises(IntegrityError, match="cannot be read as the wheel"):
        load_bundled("eurusd_1h")


def test_a_download_of_another_file_is_not_kept(empty_cache, monkeypatch):
    def download(command, **_options):
        import pathlib

        _wheel(pathlib.Path(command[command.index("-d") + 1]), "other")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", download)
    with pytest.raises(IntegrityError, match="backtesting"):
        _bundled._download("backtesting", "0.6.6", _made(empty_cache))
    assert list(empty_cache.glob("*.whl")) == []


def _made(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.network
def test_two_processes_fetch_at_once(empty_cache):
    code = (
        "from marketlab.data import fetch_bundled, load_bundled as l; fetch_bundled(); l('vix_1d')"
    )
    workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [worker.wait() for worker in workers] == [0, 0]
    assert len(list(empty_cache.glob("*.whl"))) == 2
