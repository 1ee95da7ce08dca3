"""`marketlab features …` and `marketlab data combine` from the outside."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
from interfaces_world import command

from marketlab.data import BarFrame, Catalog, FileManifests

DAY = 86_400_000_000_000


def daily(symbol, n=420, *, seed=0, level=100.0, volume=True):
    """Return daily bars on weekdays."""
    random = np.random.default_rng([seed, n])
    close = level * np.exp(np.cumsum(random.normal(0, 0.01, n)))
    open_ = np.concatenate([[level], close[:-1]])
    days = 15_000 + np.arange(2 * n)
    table = {
        "time": days[(days + 3) % 7 < 5][:n] * DAY,
        "open": open_,
        "high": np.maximum(open_, close) * 1.002,
        "low": np.minimum(open_, close) * 0.998,
        "close": close,
    }
    if volume:
        table["volume"] = random.integers(100, 900, n).astype(float)
    return BarFrame.build(table, symbol=symbol, timeframe="1d", source="test")


@pytest.fixture(scope="module")
def stocked(blank, tmp_path_factory):
    """Return a workspace with two daily series; tests that change it take a copy."""
    folder = tmp_path_factory.mktemp("stocked") / "ws"
    shutil.copytree(blank, folder)
    catalog = Catalog(folder / "data" / "processed")
    catalog.add(daily("SPX"))
    catalog.add(daily("VIX", seed=4, level=17.0, volume=False))
    return folder


@pytest.fixture
def place(stocked, tmp_path):
    shutil.copytree(stocked, tmp_path / "ws")
    return tmp_path / "ws"


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.yaml"
    columns = {
        "leg_per_atr": {"ratio": "leg / atr_wilder(14)", "note": "in ranges"},
        "rsi_weekly2": {"bounded": "on('1w', rsi(3))", "range": [0, 100]},
    }
    let = {"leg": "close - lag(close, 5)"}
    text = {"name": "mine", "about": "My own.", "let": let, "columns": columns}
    path.write_text(json.dumps(text))
    return path


def test_list_shows_every_indicator_and_set(capfd):
    facts = command(capfd, "features", "list", "--json").json
    indicators = {item["name"]: item for item in facts["indicators"]}
    assert indicators["rsi"]["outputs"] == [
        {"name": "value", "scale": "bounded", "range": [0.0, 100.0], "warm_up_bars": 14}
    ]
    assert indicators["obv"]["needs_volume"]
    assert all(item["reference"] and item["inputs"] for item in facts["indicators"])
    assert {"a20", "vix_c"} <= {item["name"] for item in facts["sets"]}
    text = command(capfd, "features", "list").out
    assert all(name in text for name in indicators)
    one = command(capfd, "features", "list", "macd").out
    assert "parameter fast: default 12" in one
    assert "output signal" in one
    assert "stochrsi_weekly" in command(capfd, "features", "list", "a20").out
    wrong = command(capfd, "features", "list", "macdd")
    assert wrong.code == 2
    assert "Did you mean 'macd'" in wrong.err


def test_build_says_the_plan_first_and_stores_the_table(place, capfd):
    arguments = ("features", "build", "--tier", "a20", "--symbol", "SPX")
    planned = command(capfd, *arguments, "--plan", workspace=place)
    assert planned.out.startswith("a20 over SPX 1d (")
    assert "20 columns, 420 bars, warm-up 199 bars or more" in planned.out
    assert not (place / "data" / "processed" / "v1").exists()
    said = command(capfd, *arguments, workspace=place)
    assert said.err == planned.out
    path = place / "data" / "processed" / "v1" / "SPX_features_a20.parquet"
    assert said.out.startswith(f"SPX_features_a20 v1 is stored as {path}\n")
    assert "221 rows x 20 columns" in said.out
    assert "199 row(s) before the first complete one left out" in said.out
    assert pl.read_parquet(path).height == 221
    again = command(capfd, *arguments, "--json", workspace=place)
    assert not again.json["is_new"]
    assert again.json["warm_up_dropped"] == 199
    kept = command(capfd, *arguments, "--keep-warm-up", "--json", workspace=place).json
    assert (kept["version"], kept["n_rows"]) == (2, 420)
    assert command(capfd, "data", "list", workspace=place).code == 0
    assert command(capfd, "data", "verify", workspace=place).code == 0


def test_verify_finds_a_changed_table_and_a_stray_one(place, capfd):
    command(capfd, "features", "build", "--tier", "a20", "--symbol", "SPX", workspace=place)
    folder = place / "data" / "processed" / "v1"
    path = folder / "SPX_features_a20.parquet"
    shutil.copy(path, folder / "stray.parquet")
    said = command(capfd, "data", "verify", workspace=place)
    assert said.code == 6
    assert "orphan" in said.out
    assert "stray.parquet" in said.out
    (folder / "stray.parquet").unlink()
    path.write_bytes(path.read_bytes() + b" ")
    said = command(capfd, "data", "verify", workspace=place)
    assert said.code == 6
    assert "altered" in said.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--tier", "a2", "--symbol", "SPX"), "Did you mean 'a20'"),
        (("--tier", "a20", "--symbol", "SPY"), "No data for SPY"),
        (("--tier", "a20", "--symbol", "VIX"), "VIX 1d has no volume"),
        (("--tier", "a50", "--symbol", "SPX"), "Give it, for example with --context vix=VIX/1d."),
        (("--tier", "a50", "--symbol", "SPX", "--context", "vix"), "is NAME=REFERENCE"),
        (("--tier", "a20"), "name either a symbol or a dataset"),
        (("--tier", "gone.yaml", "--symbol", "SPX"), "there is no feature file gone.yaml"),
    ],
)
def test_what_cannot_be_built_is_refused_with_the_way_out(stocked, capfd, arguments, words):
    said = command(capfd, "features", "build", *arguments, workspace=stocked)
    assert said.code in {2, 3}
    assert words in said.err
    assert not (stocked / "data" / "processed" / "v1").exists()


def test_a_users_own_file_goes_everywhere(place, mine, capfd):
    where = ("--symbol", "SPX")
    built = command(
        capfd, "features", "build", "--tier", mine, *where, "--json", workspace=place
    ).json
    assert built["name"] == "SPX_features_mine"
    assert built["columns"] == ["leg_per_atr", "rsi_weekly2"]
    checked = command(capfd, "features", "check", "SPX_features_mine", "--json", workspace=place)
    assert checked.code == 0
    assert checked.json["passed"]
    tier = command(capfd, "features", "check", "--tier", mine, *where, workspace=place)
    assert "mine_SPX_1d: Passed: 2 of 2 columns tested" in tier.out
    drawn = command(
        capfd, "features", "plot", "leg_per_atr", "--tier", mine, *where, "--json", workspace=place
    ).json
    assert drawn["n_bars"] == 150
    assert (place / "reports" / "features").is_dir()
    told = command(capfd, "features", "dictionary", "--tier", mine, workspace=place)
    assert told.code == 0
    text = (place / "reports" / "feature_dictionary.md").read_text()
    assert (
        "| leg_per_atr | ratio | unbounded | 14 |  | `leg / atr_wilder(14)` | in ranges |" in text
    )
    assert "### macd" in text


def test_check_through_the_cache_and_the_cache_verb(place, capfd):
    arguments = ("features", "check", "--tier", "vix_c", "--symbol", "VIX")
    assert command(capfd, *arguments, workspace=place).code == 0
    shown = command(capfd, "features", "cache", "--json", workspace=place).json
    assert [entry["about"] for entry in shown["entries"]] == ["vix_c over VIX 1d"]
    values = next((place / ".cache" / "features").glob("*/values.npy"))
    values.write_bytes(values.read_bytes()[:500])
    again = command(capfd, *arguments, workspace=place)
    assert again.code == 0
    assert "hold 500 bytes" in again.err
    assert "1 entries were deleted" in command(
        capfd, "features", "cache", "--clear", workspace=place
    ).out  # fmt: skip
    assert command(capfd, "features", "cache", "--json", workspace=place).json["entries"] == []


def test_a_leaking_function_fails_the_check(place, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leaky_features.py").write_text(
        "import numpy as np\n"
        "def leak(bars):\n"
        "    return {'ahead': np.append(bars['close'][1:], np.nan), 'now': bars['close'] * 1}\n"
    )
    where = ("--symbol", "SPX")
    said = command(
        capfd, "features", "check", "--callable", "leaky_features:leak", *where, workspace=place
    )
    assert said.code == 3
    assert "error (causality): ahead at bar" in said.out
    assert "it reads the future" in said.out
    assert "(causality): now" not in said.out
    for name, words in (("leaky_features:no", "no function 'no'"), ("nowhere:f", "cannot be")):
        wrong = command(capfd, "features", "check", "--callable", name, *where, workspace=place)
        assert wrong.code == 2
        assert words in wrong.err


def test_check_wants_one_thing(stocked, capfd):
    said = command(capfd, "features", "check", workspace=stocked)
    assert said.code == 2
    assert "check either a TABLE" in said.err
    said = command(capfd, "features", "check", "gone", workspace=stocked)
    assert said.code != 0
    assert "no stored table 'gone'" in said.err


@pytest.mark.parametrize("name", ["macd", "bollinger", "close / sma(close, 20) - 1", "obv"])
def test_plot_draws_a_png(stocked, tmp_path, capfd, name):
    path = tmp_path / "out.png"
    said = command(
        capfd,
        *("features", "plot", name, "--symbol", "SPX", "--bars", "60", "--out", path),
        workspace=stocked,
    )
    assert said.code == 0
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("close / lag(close, -1)", "--symbol", "SPX"), "looks forward"),
        (("sma_13", "--tier", "a20", "--symbol", "SPX"), "no column 'sma_13'"),
        (("obv", "--symbol", "VIX"), "has none"),
        (("rsi", "--symbol", "SPX", "--out", "x.jpg"), "must end in .png"),
        (("rsi", "--symbol", "SPX", "--bars", "1"), "last"),
        (("rsi", "--symbol", "SPX", "--end", "june"), "a day is written like"),
    ],
)
def test_plot_refuses_what_cannot_be_drawn(stocked, capfd, arguments, words):
    said = command(capfd, "features", "plot", *arguments, workspace=stocked)
    assert said.code in {2, 3}
    assert words in said.err


def test_combine_stores_the_combined_dataset_with_its_raw_files(place, capfd):
    arguments = ("data", "combine", "--symbol", "SPX", "--context", "VIX")
    said = command(capfd, *arguments, workspace=place)
    path = place / "data" / "processed" / "v1" / "SPX_dataset_c.parquet"
    assert said.out.startswith(f"SPX_dataset_c v1 is stored as {path}\n")
    assert "rows x 34 columns" in said.out
    facts = command(capfd, *arguments, "--json", workspace=place).json
    assert not facts["is_new"]
    files = FileManifests(place / "data")
    (entry,) = files.processed().entries
    assert (entry.dataset, entry.version, entry.tier) == ("SPX_dataset_c", 1, "c")
    raw = {e.dataset: e for e in files.raw().entries}
    assert set(raw) == {"SPX.OHLCV.daily", "VIX.OHLCV.daily"}
    assert list(entry.source_raw_md5s) == [e.md5 for e in raw.values()]
    assert files.verify() == []
    assert command(capfd, "data", "verify", workspace=place).code == 0
    assert command(capfd, "features", "check", "SPX_dataset_c", workspace=place).code == 0
    wrong = command(
        capfd, "data", "combine", "--symbol", "VIX", "--context", "SPX", workspace=place
    )
    assert wrong.code == 2
    assert "holds the VIX, and the context is SPX" in wrong.err


# -- lineage --------------------------------------------------------------------------------------


def test_describe_tells_parents_and_children_of_tables(place, capfd):
    for made in (
        ("data", "combine", "--symbol", "SPX", "--context", "VIX"),
        ("features", "build", "--tier", "a20", "--symbol", "SPX"),
        ("labels", "build", "--label", "touch_up_high_h5_t100bps", "--symbol", "SPX"),
    ):
        assert command(capfd, *made, workspace=place).code == 0
    said = command(capfd, "data", "describe", "SPX/1d", workspace=place).out
    assert "  made of it  SPX_dataset_c v1, combined dataset, tiers a20 and vix_c, real\n" in said
    assert "  made of it  SPX_features_a20 v1, features, tier a20, real\n" in said
    label = "SPX_1d_labels_touch_up_high_h5_t100bps"
    assert f"  made of it  {label} v1, labels by touch_up_high_h5_t100bps, real\n" in said
    stored = {m.symbol: m for m in Catalog(place / "data" / "processed").list()}
    facts = command(capfd, "data", "describe", "SPX_dataset_c", "--json", workspace=place).json
    parents = [stored[name].dataset_id for name in ("SPX", "VIX")]
    assert [p["dataset_id"] for p in facts["parents"]] == parents
    assert (facts["made_by"]["transform"], len(facts["columns"])) == ("data combine", 34)
    path = place / "data/processed/v1/SPX_features_a20.parquet"
    for name in ("SPX_features_a20/v1", str(path)):
        table = command(capfd, "data", "describe", name, workspace=place).out
        one = f"  made from   {parents[0][:12]} SPX 1d, 420 bars by features build (tier a20)"
        assert one in table.splitlines()
    made = command(capfd, "data", "dictionary", "--json", workspace=place).json["text"]
    both = ", ".join(f"`{parent[:12]}`" for parent in parents)
    assert f"| combined dataset, tiers a20 and vix_c, real | SPX_dataset_c | {both} |" in made
    rsi = "| `rsi_daily` | Float64 | `rsi(14)` of SPX; bounded, 0 to 100; known at the close of"
    assert rsi in made
    assert "| `vix_regime` | Int64 | `" in made
    assert "| `end_time` | Datetime(time_unit='ns', time_zone='UTC') | close of the last" in made
    assert " | – |" not in made.replace("| – | – |", "")


def test_a_table_is_stale_when_its_dataset_goes(place, capfd):
    build = ("features", "build", "--tier", "a20", "--symbol", "SPX")
    assert command(capfd, *build, workspace=place).code == 0
    assert command(capfd, "data", "verify", workspace=place).code == 0
    (gone,) = place.glob("data/processed/SPX_1d_*")
    shutil.rmtree(gone)
    said = command(capfd, "data", "verify", workspace=place)
    assert said.code == 6
    path = place / "data/processed/v1/SPX_features_a20.parquet"
    assert said.out.startswith(f"stale: {path} was made from ")
    shown = command(capfd, "data", "describe", "SPX_features_a20", workspace=place).out
    assert ", not stored any more by features build" in shown
    path.write_bytes(b"no table")
    altered = command(capfd, "data", "describe", "SPX_features_a20", workspace=place)
    assert (altered.code, f"{path} has MD5" in altered.err) == (6, True)
    path.unlink()
    missing = command(capfd, "data", "describe", "SPX_features_a20/v1", workspace=place)
    assert (missing.code, f"{path} is registered and missing." in missing.err) == (6, True)


def test_a_build_on_a_full_disk_leaves_nothing_that_verify_finds(place, capfd, monkeypatch):
    def full(*_, **__):
        raise pl.exceptions.ComputeError("parquet: underlying IO error: (os error 28)")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    build = ("features", "build", "--tier", "a20", "--symbol", "SPX")
    said = command(capfd, *build, workspace=place)
    assert (said.code, "the disk is full" in said.err) == (6, True)
    assert not (place / "data/processed/v1").exists()
    assert command(capfd, "data", "verify", workspace=place).code == 0
