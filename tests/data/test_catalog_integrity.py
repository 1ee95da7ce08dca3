"""Stored files are trusted at the speed of the disk, and never further than that."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
from bar_samples import build, good_columns

from marketlab.core import IntegrityError, file_sha256
from marketlab.data import (
    Catalog,
    SyntheticConfig,
    iter_synthetic_market,
    market_recipe,
    synthetic_bars,
)
from marketlab.data import _catalog_file as catalog_file
from marketlab.data._stamp import STAMP

TABLE = {
    "time": [1_577_836_800_000_000_000 + 3_600_000_000_000 * hour for hour in range(3)],
    "open": [1.0, 1.25, 1.5],
    "high": [1.5, 1.75, 1.5],
    "low": [0.5, 1.25, 1.0],
    "close": [1.25, 1.5, 1.0],
    "volume": [3.0, -0.0, 7.0],
}


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "processed")


def _stored(catalog, n=2_000, **options):
    bars = build(good_columns(n), **options)
    catalog.add(bars)
    (manifest,) = catalog.list()
    return bars, catalog.root / manifest.folder


def _age(path, seconds=10):
    """Make the file look old, as far as a program can: the time of change cannot be set."""
    past = time.time() - seconds
    os.utime(path, (past, past))


def test_ids_stay_what_they_were():
    assert build(TABLE).dataset_id == (
        "583e0b9cd43a5d5b154be2c48f8b46f9203479162221010defc33143f44bfadd"
    )
    without = {name: values for name, values in TABLE.items() if name != "volume"}
    assert build(without).dataset_id == (
        "cd93692c1bb34167bb41771d8e387a3bfcb90bdd6d84f24e70e7ea896efc5671"
    )


def test_the_id_of_synthetic_bars_stays_what_it_was():
    # On x86-64 with this numpy; exp and log may end otherwise elsewhere.
    found = synthetic_bars(SyntheticConfig(n_bars=1_000)).dataset_id
    assert found == "3a18916d22873a5d79edc5115f97733c20827205651135b7735e02cec65ab04e"


@pytest.mark.parametrize("row", [0, 1, 32_767, 32_768, 32_769, 69_999])
@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("close", np.nan, "DATA-NotFinite"),
        ("high", np.inf, "DATA-NotFinite"),
        ("low", 0.0, "DATA-NonPositivePrice"),
        ("high", 1e-3, "DATA-HighBelowLow"),
        ("close", 1e6, "DATA-CloseOutsideRange"),
        ("open", 1e6, "DATA-OpenOutsideRange"),
        ("volume", -1.0, "DATA-NegativeVolume"),
        ("volume", np.nan, "DATA-NotFiniteVolume"),
    ],
)
def test_one_bad_bar_is_found_wherever_it_stands(row, name, value, code):
    columns = good_columns(70_000)
    columns["high"][row] += 1.0  # the range must not be a point
    columns[name][row] = value
    with pytest.raises(Exception, match=rf"on 1 bar\(s\): row {row} ") as caught:
        build(columns)
    assert caught.value.code == code


@pytest.mark.parametrize("row", [1, 32_767, 32_768, 32_769])
@pytest.mark.parametrize(
    ("step", "code"),
    [(0, "DATA-DuplicateTime"), (-1, "DATA-Unordered"), (1_800, "DATA-OverlappingBars")],
)
def test_one_bad_time_is_found_wherever_it_stands(row, step, code):
    columns = good_columns(40_000)
    columns["time"][row:] += 2 * 3_600_000_000_000
    columns["time"][row] = columns["time"][row - 1] + step * 1_000_000_000
    with pytest.raises(Exception, match=f"row {row} ") as caught:
        build(columns)
    assert caught.value.code == code


def test_bars_do_not_share_memory_with_what_they_were_built_from():
    columns = good_columns(50)
    bars = build(columns)
    before = bars.frame.clone()
    for values in columns.values():
        values[:] = 0
    assert bars.frame.equals(before)
    assert not any(a.flags.writeable for a in (*bars.arrays().values(), bars.time_ns))


def test_any_altered_byte_is_refused_and_found(catalog):
    bars, folder = _stored(catalog)
    path = folder / "bars.parquet"
    data = path.read_bytes()
    for position in (*range(0, len(data), len(data) // 25), len(data) - 1):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        with pytest.raises(IntegrityError, match="has SHA-256"):
            catalog.load(bars.dataset_id)
        assert [finding.kind for finding in catalog.verify()] == ["altered"]
    path.write_bytes(data)
    assert catalog.load(bars.dataset_id).frame.equals(bars.frame)
    assert catalog.verify() == []


def test_a_change_after_a_load_is_noticed_even_with_the_old_time_and_size(catalog):
    bars, folder = _stored(catalog)
    path = folder / "bars.parquet"
    _age(path)
    time.sleep(1.1)
    catalog.load(bars.dataset_id)
    assert str(path) in catalog_file._hashes
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_size == before.st_size
    with pytest.raises(IntegrityError, match="has SHA-256"):
        catalog.load(bars.dataset_id)


def test_a_file_changed_a_moment_ago_is_not_remembered(catalog, monkeypatch):
    bars, folder = _stored(catalog)
    path = folder / "bars.parquet"
    (folder / STAMP).unlink(missing_ok=True)  # there on a slow machine
    now = path.stat().st_ctime_ns + 1_000_000
    monkeypatch.setattr(catalog_file, "clock_of", lambda folder: now)
    monkeypatch.setattr(catalog_file.time, "time_ns", lambda: now)
    catalog.load(bars.dataset_id)
    assert str(path) not in catalog_file._hashes
    assert not (folder / STAMP).exists()


def test_a_second_load_hashes_nothing(catalog, monkeypatch):
    bars, folder = _stored(catalog)
    _age(folder / "bars.parquet")
    time.sleep(1.1)
    catalog.load(bars.dataset_id)

    def refuse(path):
        raise AssertionError(path)

    monkeypatch.setattr(catalog_file, "file_sha256", refuse)
    again = catalog.load(bars.dataset_id)
    assert again.frame.equals(bars.frame)
    assert build(again.frame).dataset_id == bars.dataset_id


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("is_synthetic", False, "stored with is_synthetic True, and the manifest, .*says False"),
        ("licence", "free for all", "stored with licence 'not stated'.*'free for all'"),
        ("metadata", {"best": 1}, "stored with metadata"),
        ("n_bars", 5, "stored with n_bars 2000"),
    ],
)
def test_a_manifest_edited_by_hand_is_refused_and_found(catalog, name, value, match):
    bars, folder = _stored(catalog, is_synthetic=True)
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    with pytest.raises(IntegrityError, match=match):
        catalog.load(bars.dataset_id)
    (finding,) = catalog.verify()
    assert finding.kind == "altered"


def test_files_of_earlier_versions_have_no_seal_and_are_read_by_their_content(catalog):
    bars, folder = _stored(catalog)
    bars.frame.write_parquet(folder / "bars.parquet", row_group_size=512)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["file_sha256"] = file_sha256(folder / "bars.parquet")
    path.write_text(json.dumps(manifest))
    assert catalog.verify() == []
    again = catalog.load(bars.dataset_id)
    assert again.frame.equals(bars.frame)
    assert np.array_equal(again.close, bars.close)


def test_no_parquet_at_all_is_refused(catalog):
    bars, folder = _stored(catalog)
    (folder / "bars.parquet").write_bytes(b"")
    with pytest.raises(IntegrityError, match="has SHA-256"):
        catalog.load(bars.dataset_id)


def test_the_same_bars_make_the_same_file(tmp_path):
    digests = set()
    for name in ("a", "b"):
        _, folder = _stored(Catalog(tmp_path / name), n=5_000)
        digests.add(file_sha256(folder / "bars.parquet"))
    assert len(digests) == 1


def test_processes_read_at_once(catalog):
    bars, _ = _stored(catalog, n=50_000)
    code = (
        "import sys, pathlib; from marketlab.data import Catalog; "
        "c = Catalog(pathlib.Path(sys.argv[1])); "
        "print({float(c.load(sys.argv[2]).close.sum()) for _ in range(3)})"
    )
    command = [sys.executable, "-c", code, str(catalog.root), bars.dataset_id]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {reader.communicate()[0].strip() for reader in readers}
    assert said == {str({float(bars.close.sum())})}
    assert {reader.returncode for reader in readers} == {0}


def test_storing_a_market_needs_little_more_memory_than_one_symbol(tmp_path):
    code = (
        "import resource, sys, pathlib; from marketlab.data import *\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "config = market_recipe('planted').model_copy(update={'n_bars': 600_000})\n"
        "catalog = Catalog(pathlib.Path(sys.argv[1])); before = peak()\n"
        "for bars in iter_synthetic_market(config): catalog.add(bars)\n"
        "print((peak() - before) * 1024 / (600_000 * 7 * 8))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True
    )
    # In units of one symbol's seven columns; 3,081,668 bars are 0.17 GB each.
    assert float(out.stdout) < 7.0


def test_a_market_comes_back_as_it_was_stored(catalog):
    config = market_recipe("planted").model_copy(update={"n_bars": 20_000})
    for bars in iter_synthetic_market(config):
        again = catalog.load(catalog.add(bars))
        assert again.frame.equals(bars.frame)
        assert again.metadata == bars.metadata
        assert isinstance(again.frame, pl.DataFrame)
