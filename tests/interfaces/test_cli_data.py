"""`marketlab data import|fill|quality|register-…|synthetic-market|describe` from the outside."""

import json
from pathlib import Path

import polars as pl
import pytest
from interfaces_world import command

HEAD = "time,open,high,low,Last,volume\n"
ROW = "2020-01-06 {hour:02}:00:00,1.0,2.0,0.5,1.5,7\n"


@pytest.fixture
def place(tmp_path, capfd):
    assert command(capfd, "init", "--workspace", str(tmp_path)).code == 0
    return tmp_path


@pytest.fixture
def do(place, capfd):
    """Return a function that runs `marketlab data …` in the workspace."""
    return lambda *arguments: command(capfd, "data", *arguments, "--workspace", str(place))


@pytest.fixture
def gappy(place, do):
    """Return the id of ten stored hours of which two are missing."""
    path = place / "gappy.csv"
    path.write_text(
        HEAD + "".join(ROW.format(hour=hour) for hour in range(10) if hour not in (4, 5))
    )
    options = ("--symbol", "EURUSD", "--timeframe", "1h", "--timezone", "UTC")
    refused = do("import", str(path), *options)
    assert refused.code == 3
    assert "gappy.csv has no column for 'close'" in refused.err
    assert "--column close=HEADER" in refused.err
    done = do("import", str(path), *options, "--column", "close=Last", "--json")
    assert done.code == 0
    return done.json["dataset_id"]


def test_a_header_must_be_named_in_full(place, do):
    path = place / "x.csv"
    path.write_text(HEAD)
    said = do("import", str(path), "--symbol", "A", "--timeframe", "1h", "--column", "close")
    assert said.code == 2
    assert "'close' is not of the form NAME=HEADER" in said.err


def test_bad_rows_are_refused_and_come_in_when_named(place, do):
    path = place / "odd.csv"
    text = HEAD.replace("Last", "close") + ROW.format(hour=1) + ROW.format(hour=2)
    path.write_text(text.replace("02:00:00,1.0", "02:00:00,3.0"))
    options = ("--symbol", "EURUSD", "--timeframe", "1h", "--timezone", "UTC")
    refused = do("import", str(path), *options)
    assert refused.code == 3
    assert "--leave-out DATA-OpenOutsideRange" in refused.err
    widened = do("import", str(path), *options, "--widen-range", "--json").json
    assert (widened["n_bars"], widened["metadata"]["accepted"][0]["count"]) == (2, 1)
    left = do("import", str(path), *options, "--leave-out", "DATA-OpenOutsideRange")
    assert "1 row(s) with DATA-OpenOutsideRange left out as asked: 2020-01-06T02" in left.out


def test_gaps_are_filled_in_a_version_that_says_so(place, do, gappy):
    asked = do("fill", gappy, "--most", "2")
    assert asked.code == 2
    assert "--calendar" in asked.err
    none = do("fill", gappy, "--most", "1", "--calendar", "always")
    assert none.code == 3
    assert "2 bar(s) are missing in longer gaps" in none.err
    facts = do("fill", gappy, "--most", "2", "--calendar", "always", "--json").json
    assert (facts["filled"], facts["unfilled"], facts["n_bars"]) == (2, 0, 10)
    described = do("describe", gappy)
    assert f"made of it  {facts['dataset_id'][:12]} EURUSD 1h, 10 bars" in described.out
    child = do("describe", facts["dataset_id"])
    assert "kind        bars with filled gaps, real, with volume" in child.out
    assert f"made from   {gappy[:12]} EURUSD 1h, 8 bars by fill_gaps" in child.out
    assert "(calendar always, limit 2)" in child.out
    assert do("describe", "EURUSD/1h", "--json").json["dataset_id"] == gappy
    path = place / "out.parquet"
    do("export", facts["dataset_id"], str(path))
    assert pl.read_parquet(path)["is_filled"].arg_true().to_list() == [4, 5]
    report = do("quality", facts["dataset_id"], "--json").json
    assert (report["missing_bars"], report["filled_bars"]) == (2, 2)


def test_quality_lists_every_check_and_compares_with_other_bars(place, do):
    one = do("synthetic", "--bars", "600", "--json").json
    made = do("resample", one["dataset_id"], "--timeframe", "4h", "--json").json["dataset_id"]
    report = do("quality", one["dataset_id"], "--against", made, "--json").json
    names = [check["name"] for check in report["checks"]]
    assert names[:5] == ["prices", "open, high, low, close", "volume", "order", "duplicates"]
    assert report["cross_check"]["ok"]
    assert report["cross_check"]["compared"] > 50
    path = place / "other.parquet"
    do("export", made, str(path))
    table = pl.read_parquet(path)
    table = table.with_columns(pl.col("close").shuffle(seed=1).clip(pl.col("low"), pl.col("high")))
    table.drop("close_time").write_parquet(path)
    other = do("import", str(path), "--symbol", "EURUSD", "--timeframe", "4h", "--json").json
    said = do("quality", one["dataset_id"], "--against", other["dataset_id"])
    assert said.code == 3
    assert "first that differ: " in said.out
    same = do("quality", made, "--against", other["dataset_id"])
    assert same.code == 2
    assert "bars of 4h cannot be made of bars of 4h" in same.err


def test_files_are_registered_and_verified(place, do):
    raw, made = place / "data/raw/SPY.parquet", place / "data/processed/v1/SPY_dataset_c.parquet"
    for path in (raw, made):
        path.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame({"Close": [1.0]}).write_parquet(path)
    assert do("verify").code == 6
    first = do(
        "register-raw", "--dataset", "SPY.OHLCV.daily", "--file", "raw/SPY.parquet", "--json"
    )
    assert first.json["path"] == "raw/SPY.parquet"
    options = ("--dataset", "SPY.dataset", "--version", "1", "--tier", "c", "--file", str(made))
    entry = do("register-processed", *options, "--sources", first.json["md5"], "--json").json
    assert entry["path"] == "processed/v1/SPY_dataset_c.parquet"
    assert entry["source_raw_md5s"] == [first.json["md5"]]
    good = do("verify")
    assert (good.code, good.out) == (
        0,
        "0 data sets and 2 registered files are as they were stored.\n",
    )
    outside = do("register-raw", "--dataset", "X", "--file", "/etc/hostname")
    assert outside.code == 2
    pl.DataFrame({"Close": [2.0]}).write_parquet(raw)
    assert do("verify").out.startswith("altered: ")
    again = do("register-raw", "--dataset", "SPY.OHLCV.daily", "--file", "raw/SPY.parquet")
    assert again.code == 2
    assert "is registered with the MD5" in again.err


def test_a_manifest_edited_by_hand_is_told_with_its_field(place, do):
    path = place / "data/raw/SPY.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    do("register-raw", "--dataset", "SPY", "--file", "raw/SPY.parquet")
    manifest = place / "data/raw/manifest.json"
    content = json.loads(manifest.read_text())
    content["entries"][0]["md5"] = 5
    manifest.write_text(json.dumps(content))
    said = do("verify", "--json")
    assert said.code == 6
    (found,) = said.json["findings"]
    assert str(manifest) in found["message"]
    assert "entries.0.md5" in found["message"]


def test_a_market_is_stored_with_the_best_accuracy(place, do):
    options = ("--symbols", "4", "--bars", "3000", "--timeframe", "5m")
    said = do("synthetic-market", "planted", *options)
    assert said.code == 0
    assert said.err.splitlines()[-1] == "[4/4] COIN4-USD"
    rows = do("list", "--json").json
    assert sorted(row["symbol"] for row in rows) == ["BNB-USD", "BTC-USD", "COIN4-USD", "ETH-USD"]
    assert all(row["is_synthetic"] for row in rows)
    best = rows[0]["metadata"]["planted_edge"]["best_attainable_accuracy"]
    assert 0.75 < best < 0.85
    assert f"best attainable accuracy {best:.4f}" in do("describe", f"{rows[0]['symbol']}/5m").out
    null = do("synthetic-market", "null", "--symbols", "1", "--bars", "500", "--json").json
    assert null["datasets"][0]["metadata"]["planted_edge"]["best_attainable_accuracy"] == 0.5
    assert do("synthetic-market", "planned").code == 2


def test_the_dictionary_covers_registered_files(place, do):
    path = place / "data/raw/SPY.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("Date,Close\n2020-01-02,1.0\n")
    do("register-raw", "--dataset", "SPY.OHLCV.daily", "--file", "raw/SPY.csv")
    facts = do("dictionary", "--json").json
    assert (facts["datasets"], facts["registered_files"]) == (0, 1)
    assert "## raw/SPY.csv" in Path(facts["path"]).read_text()
