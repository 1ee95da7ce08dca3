"""Where datasets come from, and what is noticed when that changes; manifests of the scaling lab."""

import hashlib
import json
import shutil

import pytest
from bar_samples import build, good_columns

from marketlab.core import ConflictError
from marketlab.data import Catalog, FileManifests, parents_of, resample_bars


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
