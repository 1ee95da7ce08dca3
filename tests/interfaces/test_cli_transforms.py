"""`marketlab data quality|resample|export|dictionary|verify` from the outside."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from interfaces_world import command


@pytest.fixture
def place(tmp_path, capfd):
    assert command(capfd, "init", "--workspace", str(tmp_path)).code == 0
    made = command(
        capfd, "data", "synthetic", "--bars", "400", "--workspace", str(tmp_path), "--json"
    )
    assert made.code == 0
    return tmp_path


def test_quality_tells_coverage_and_fails_bad_bars(place, capfd):
    said = command(capfd, "data", "quality", "EURUSD/1h", "--workspace", str(place))
    assert said.out.startswith("400 bars of 1h: ")
    assert "by the calendar always" in said.out
    facts = command(capfd, "data", "quality", "EURUSD/1h", "--json", "--workspace", str(place))
    assert facts.json["n_bars"] == 400
    assert facts.code == said.code == (3 if facts.json["verdict"] == "fail" else 0)
    wrong = command(
        capfd, "data", "quality", "EURUSD/1h", "--calendar", "nise", "--workspace", str(place)
    )
    assert wrong.code == 2
    assert "Invalid calendar 'nise'" in wrong.err


def test_resample_stores_a_child_and_verify_sees_when_its_parent_goes(place, capfd):
    arguments = ("data", "resample", "EURUSD/1h", "--timeframe", "4h", "--workspace", str(place))
    facts = command(capfd, *arguments, "--json").json
    table = pl.read_parquet(next(place.rglob("EURUSD_1h_*/bars.parquet")))
    # Synthetic bars rest at weekends, so the number of four-hour blocks is counted, not 400 / 4.
    blocks = table["time"].dt.truncate("4h")
    whole = (blocks >= table["time"][0]) & (blocks.dt.offset_by("4h") <= table["close_time"][-1])
    assert facts["n_bars"] == blocks.filter(whole).n_unique()
    assert "id " + facts["dataset_id"][:12] in command(capfd, *arguments).out
    assert command(capfd, "data", "verify", "--workspace", str(place)).code == 0
    (parent,) = place.rglob("EURUSD_1h_*")
    shutil.rmtree(parent)
    said = command(capfd, "data", "verify", "--workspace", str(place))
    assert said.code == 6
    assert said.out.startswith("stale: ")


def test_verify_fails_on_a_file_that_nobody_stored(place, capfd):
    (parent,) = place.rglob("EURUSD_1h_*")
    (parent / "notes.txt").write_text("mine")
    assert command(capfd, "data", "verify", "--workspace", str(place)).code == 6


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_export_writes_a_new_file_only(place, capfd, name):
    path = place / name
    arguments = ("data", "export", "EURUSD/1h", str(path), "--workspace", str(place))
    assert command(capfd, *arguments).out == f"400 bars are in {path}.\n"
    read = pl.read_csv(path) if name.endswith("csv") else pl.read_parquet(path)
    assert (read.height, read.columns[:2]) == (400, ["time", "open"])
    again = command(capfd, *arguments)
    assert again.code == 2
    assert "exists and is not overwritten" in again.err
    wrong = command(
        capfd, "data", "export", "EURUSD/1h", str(place / "x.txt"), "--workspace", str(place)
    )
    assert (wrong.code, "must end in .csv or .parquet" in wrong.err) == (2, True)


def test_dictionary_is_written_to_the_reports(place, capfd):
    facts = command(capfd, "data", "dictionary", "--json", "--workspace", str(place)).json
    assert Path(facts["path"]) == place / "reports" / "data_dictionary.md"
    assert Path(facts["path"]).read_text() == facts["text"]
    assert "# Data dictionary" in facts["text"]
