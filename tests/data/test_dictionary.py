"""The data dictionary names every dataset, column and parent."""

import polars as pl
import pytest
from bar_samples import build, good_columns

from marketlab.core import IntegrityError
from marketlab.data import Catalog, FileManifests, TableNote, data_dictionary, resample_bars


def test_it_tells_totals_lineage_columns_and_statistics(tmp_path):
    catalog = Catalog(tmp_path)
    raw = build(good_columns(96))
    made = resample_bars(raw, "4h").bars
    catalog.add(raw)
    catalog.add(made)
    text = data_dictionary(catalog, generated_at="2026-11-21T05:00:00Z")
    assert "Generated 2026-11-21T05:00:00Z. 2 dataset(s), 120 rows." in text
    lineage = (
        f"| `{made.dataset_id[:12]}` | `{raw.dataset_id[:12]}` | resample_bars "
        "| calendar = always, timeframe = 4h |"
    )
    assert lineage in text
    for name in raw.frame.columns:
        assert text.count(f"| `{name}` | Datetime") + text.count(f"| `{name}` | Float64") == 2
    assert f"| `close` | 96 | {raw.close.mean():.6g} | {raw.close.std(ddof=1):.6g} |" in text


def test_an_empty_catalog_says_so(tmp_path):
    text = data_dictionary(Catalog(tmp_path), generated_at="now")
    assert "0 dataset(s), 0 rows." in text
    assert "No datasets are stored." in text


def test_one_bar_has_no_deviation(tmp_path):
    catalog = Catalog(tmp_path)
    catalog.add(build(good_columns(1)))
    assert "| 1 | " in data_dictionary(catalog, generated_at="now")


def test_registered_files_follow_with_the_kind_of_their_tier(tmp_path):
    files = FileManifests(tmp_path)
    for stage in ("raw", "processed"):
        (tmp_path / stage).mkdir()
    table = pl.DataFrame({"Date": ["2020-01-02", "2020-01-03"], "Close": [1.0, 3.0], "n": [1, 2]})
    table = table.with_columns(pl.col("Date").str.to_date())
    table.write_csv(tmp_path / "raw/SPY.csv")
    files.register_raw("SPY.OHLCV.daily", "raw/SPY.csv")
    kinds = {
        ("SPY.features.daily", "a20"): "indicators, tier a20",
        ("SPY.dataset.daily", "a20"): "combined, tier a20",
        ("VIX.features.daily", "c"): "VIX features, tier c",
        ("SPY.labels.daily", "thresholds"): "labels",
        ("SPY.OHLCV.2d", "2d"): "bars, tier 2d",
        ("SPY.other", "x"): "table, tier x",
    }
    for number, (dataset, tier) in enumerate(kinds):
        path = f"processed/vix_features_a20_{number}.parquet"  # the name must not matter
        table.head(1 + number % 2).write_parquet(tmp_path / path)
        files.register_processed(dataset, path, version=1, tier=tier, sources=("raw/SPY.csv",))
    catalog = Catalog(tmp_path / "processed")
    text = data_dictionary(catalog, generated_at="now", files=files)
    assert "7 registered file(s), 11 rows." in text
    for number, ((dataset, _), kind) in enumerate(kinds.items()):
        name = f"`processed/vix_features_a20_{number}.parquet`"
        assert f"| {name} | `raw/SPY.csv` | {kind} | {dataset} |" in text
    assert "| range of `Date` | 2020-01-02 to 2020-01-03 |" in text
    assert "| `Close` | 2 | 2 | 1.41421 | 1 | 1.5 | 2 | 2.5 | 3 |" in text
    (tmp_path / "raw/SPY.csv").write_text("Date\n")
    with pytest.raises(IntegrityError, match="has MD5"):
        data_dictionary(catalog, generated_at="now", files=files)


def test_kinds_of_datasets_come_from_their_metadata(tmp_path):
    catalog = Catalog(tmp_path)
    raw = build(good_columns(96))
    catalog.add(raw)
    catalog.add(resample_bars(raw, "4h").bars)
    text = data_dictionary(catalog, generated_at="now")
    assert "| kind | raw bars, real, with volume |" in text
    assert "| kind | resampled bars, real, with volume |" in text


def test_notes_tell_kind_parents_and_meanings_of_a_table(tmp_path):
    files = FileManifests(tmp_path)
    (tmp_path / "processed").mkdir()
    pl.DataFrame({"close": [1.0, 3.0], "x": [1, 2]}).write_parquet(tmp_path / "processed/t.parquet")
    files.register_processed("T", "processed/t.parquet", version=1, tier="c", sources=())
    note = TableNote(kind="combined", parents=("ab" * 32, "cd" * 32), columns={"x": "my own"})
    text = data_dictionary(
        Catalog(tmp_path / "processed"),
        generated_at="now",
        files=files,
        notes={"processed/t.parquet": note},
    )
    line = "| `processed/t.parquet` | none | combined | T | `abababababab`, `cdcdcdcdcdcd` |"
    assert line in text
    assert "| kind | combined |" in text
    assert "| `x` | Int64 | my own |" in text
    assert "| `close` | Float64 | last price, quote currency |" in text
