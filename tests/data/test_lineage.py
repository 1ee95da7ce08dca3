"""Where datasets come from, and what is noticed when that changes; manifests of the scaling lab."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from bar_samples import build, good_columns

from marketlab.core import ConfigError, ConflictError, IntegrityError
from marketlab.data import (
    Catalog,
    FileManifests,
    assess_quality,
    children_of,
    fill_gaps,
    filled_mask,
    parents_of,
    resample_bars,
    transform_of,
)


def stored(tmp_path):
    catalog = Catalog(tmp_path)
    raw = build(good_columns(96))
    made = resample_bars(raw, "4h").bars
    catalog.add(raw)
    catalog.add(made)
    return catalog, raw, made


def test_lineage_is_stored_and_changes_no_id(tmp_path):
    catalog, raw, made = stored(tmp_path)
    back = catalog.load(made.dataset_id)
    assert parents_of(back.metadata) == [raw.dataset_id]
    assert back.metadata["lineage"]["parameters"] == {"timeframe": "4h", "calendar": "always"}
    plain = build(made.frame, timeframe="4h")
    assert plain.dataset_id == made.dataset_id
    assert parents_of(plain.metadata) == []
    assert catalog.verify() == []


def test_a_parent_that_is_gone_makes_its_children_stale(tmp_path):
    catalog, raw, made = stored(tmp_path)
    shutil.rmtree(tmp_path / f"EURUSD_1h_{raw.dataset_id[:12]}")
    (found,) = catalog.verify()
    assert found.kind == "stale"
    assert f"{made.dataset_id[:12]} was made from {raw.dataset_id}, which is not" in found.message


def test_a_parent_that_was_replaced_makes_its_children_stale(tmp_path):
    catalog, _, _ = stored(tmp_path)
    newer = build(good_columns(97))
    catalog.add(newer)
    (found,) = catalog.verify()
    assert (found.kind, newer.dataset_id in found.message) == ("stale", True)


def lab(tmp_path):
    for stage in ("raw", "processed"):
        (tmp_path / stage).mkdir()
    (tmp_path / "raw/SPY.parquet").write_bytes(b"raw bytes")
    (tmp_path / "processed/SPY_dataset_c.parquet").write_bytes(b"made bytes")
    manifests = FileManifests(tmp_path)
    raw = manifests.register_raw("SPY.OHLCV.daily", "raw/SPY.parquet")
    manifests.register_processed(
        "SPY.dataset", "processed/SPY_dataset_c.parquet", version=1, tier="c", sources=(raw.md5,)
    )
    return manifests


def kinds(manifests):
    return [(f.kind, f.path) for f in manifests.verify()]


def test_manifests_of_schema_1_hold_md5_beside_sha256(tmp_path):
    manifests = lab(tmp_path)
    text = json.loads((tmp_path / "raw/manifest.json").read_text())
    assert text["schema_version"] == 1
    assert text["entries"][0]["md5"] == hashlib.md5(b"raw bytes").hexdigest()
    assert text["entries"][0]["sha256"] == hashlib.sha256(b"raw bytes").hexdigest()
    assert kinds(manifests) == []
    # As the lab's own scripts wrote it: without SHA-256.
    del text["entries"][0]["sha256"]
    (tmp_path / "raw/manifest.json").write_text(json.dumps(text))
    assert kinds(manifests) == []


def test_every_kind_of_trouble_with_files_is_found(tmp_path):
    manifests = lab(tmp_path)
    (tmp_path / "raw/stray.parquet").write_bytes(b"x")
    (tmp_path / "processed/SPY_dataset_c.parquet").write_bytes(b"other")
    (tmp_path / "raw/SPY_2.parquet").write_bytes(b"newer")
    manifests.register_raw("SPY.OHLCV.daily", "raw/SPY_2.parquet")
    (tmp_path / "raw/SPY.parquet").unlink()
    assert kinds(manifests) == [
        ("missing", "raw/SPY.parquet"),
        ("orphan", "raw/stray.parquet"),
        ("altered", "processed/SPY_dataset_c.parquet"),
        ("stale", "processed/SPY_dataset_c.parquet"),
    ]
    (tmp_path / "processed/manifest.json").write_text("{")
    assert ("altered", str(tmp_path / "processed/manifest.json")) in kinds(manifests)
    (tmp_path / "processed/manifest.json").unlink()
    assert ("missing", str(tmp_path / "processed/manifest.json")) in kinds(manifests)


def test_other_bytes_under_a_registered_path_and_unknown_sources_are_refused(tmp_path):
    manifests = lab(tmp_path)
    (tmp_path / "raw/SPY.parquet").write_bytes(b"rewritten")
    with pytest.raises(ConflictError, match=r"raw/SPY\.parquet is registered with the MD5"):
        manifests.register_raw("SPY.OHLCV.daily", "raw/SPY.parquet")
    with pytest.raises(ConflictError, match="no raw file with the MD5 abc"):
        manifests.register_processed(
            "a", "processed/SPY_dataset_c.parquet", version=2, tier="c", sources=("abc",)
        )


def test_a_manifest_may_be_absent_only_where_it_has_nothing_to_describe(tmp_path):
    (tmp_path / "raw").mkdir()
    manifests = FileManifests(tmp_path)
    assert kinds(manifests) == []
    catalog = Catalog(tmp_path / "processed")
    catalog.add(build(good_columns(20)))
    fetched = tmp_path / "raw/coinbase/BTC"
    fetched.mkdir(parents=True)
    (fetched / "journal.sqlite").write_bytes(b"x")
    (fetched / "acquisition_summary.csv").write_bytes(b"x")
    assert kinds(manifests) == []
    (tmp_path / "raw/SPY.csv").write_bytes(b"x")
    assert kinds(manifests) == [
        ("missing", str(tmp_path / "raw/manifest.json")),
        ("orphan", "raw/SPY.csv"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('"md5": "', '"md5": "x', "entries.0.md5"),
        ('"path": "raw/', '"path": "/raw/', "entries.0.path"),
        ('"path": "raw/', '"path": "../raw/', "entries.0.path"),
        ('"downloaded_at": "2', '"downloaded_at": "soon', "entries.0.downloaded_at"),
        ('"schema_version": 1', '"schema_version": 2', "schema_version"),
        ('"dataset": "SPY.OHLCV.daily"', '"dataset": 7', "entries.0.dataset"),
    ],
)
def test_a_manifest_edited_by_hand_names_file_and_field(tmp_path, old, new, field):
    manifests = lab(tmp_path)
    path = tmp_path / "raw/manifest.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(IntegrityError) as caught:
        manifests.register_raw("SPY.OHLCV.daily", "raw/SPY.parquet")
    assert caught.value.field == field
    assert str(path) in caught.value.message
    (found,) = manifests.verify()
    assert (found.kind, found.path, field in found.message) == ("altered", str(path), True)


def test_a_catalog_leaves_registered_files_to_their_manifest(tmp_path):
    manifests = lab(tmp_path)
    (tmp_path / "processed/v1").mkdir()
    (tmp_path / "processed/v1/SPY_labels.parquet").write_bytes(b"labels")
    catalog = Catalog(tmp_path / "processed")
    catalog.add(build(good_columns(20)))
    assert {f.kind for f in catalog.verify(described=manifests.described())} == {"orphan"}
    manifests.register_processed(
        "SPY.labels.daily",
        "processed/v1/SPY_labels.parquet",
        version=1,
        tier="thresholds",
        sources=("raw/SPY.parquet",),
    )
    assert catalog.verify(described=manifests.described()) == []
    assert manifests.verify() == []
    # A broken manifest is told once; what it spoke of is not called a stray file as well.
    (tmp_path / "processed/manifest.json").write_text("[]")
    assert catalog.verify(described=manifests.described()) == []
    assert [f.kind for f in manifests.verify()] == ["altered"]


def test_a_registered_version_never_changes(tmp_path):
    manifests = lab(tmp_path)
    (tmp_path / "processed/again.parquet").write_bytes(b"other bytes")
    with pytest.raises(ConflictError, match=r"version 1 of SPY\.dataset \(tier c\) is registered"):
        manifests.register_processed(
            "SPY.dataset",
            "processed/again.parquet",
            version=1,
            tier="c",
            sources=("raw/SPY.parquet",),
        )


@pytest.mark.parametrize("path", ["SPY.parquet", "processed/x.parquet", "raw/../x", "/raw/x"])
def test_files_lie_in_the_folder_of_their_manifest(tmp_path, path):
    with pytest.raises(ConfigError, match="does not lie in the folder raw"):
        lab(tmp_path).register_raw("SPY", path)


def test_children_are_found_and_filled_bars_are_used_only_by_id(tmp_path):
    catalog = Catalog(tmp_path)
    columns = {name: np.delete(values, [5, 6]) for name, values in good_columns(48).items()}
    bars = build(columns)
    catalog.add(bars)
    filled = fill_gaps(bars, limit=2)
    catalog.add(filled.bars)
    assert [m.dataset_id for m in children_of(bars.dataset_id, catalog.list())] == [
        filled.bars.dataset_id
    ]
    assert catalog.find("EURUSD", "1h").dataset_id == bars.dataset_id
    again = catalog.load(filled.bars.dataset_id)
    assert np.flatnonzero(filled_mask(again)).tolist() == [5, 6]
    assert np.array_equal(filled_mask(again), filled.is_filled)
    assert filled_mask(again.between(again.times(6), None)).tolist() == [True] + [False] * 41
    assert transform_of(again.metadata) == ("fill_gaps", {"calendar": "always", "limit": 2})
    report = assess_quality(again, "1h")
    assert (report.missing_bars, report.filled_bars) == (2, 2)


def test_a_fetched_dataset_came_from_outside():
    fetched = {"lineage": {"raw_folder": "coinbase/BTC_USD_1h", "n_requests": 1}}
    assert (transform_of(fetched), parents_of(fetched)) == (None, [])
    assert transform_of({}) is None
