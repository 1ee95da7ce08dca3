import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from bar_samples import bar_frames, build, good_columns
from hypothesis import given
from sqlalchemy import select

from marketlab.core import (
    ConflictError,
    DataNotAvailableError,
    IntegrityError,
    ManualClock,
    NotFoundError,
)
from marketlab.data import Catalog, record_dataset
from marketlab.data._tables import datasets
from marketlab.store import Store, migrate


@pytest.fixture
def clock():
    return ManualClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def catalog(tmp_path, clock):
    return Catalog(tmp_path / "data" / "processed", clock=clock)


def _bars(seed=0, **options):
    return build(good_columns(20, seed=seed), **options)


def _folder(catalog, dataset_id):
    (found,) = [m for m in catalog.list() if m.dataset_id == dataset_id]
    return catalog.root / found.folder


@given(bars=bar_frames)
def test_what_is_stored_comes_back_the_same(bars, tmp_path_factory):
    catalog = Catalog(tmp_path_factory.mktemp("catalog"))
    stored = build(
        bars.frame,
        has_volume=bars.has_volume,
        source="s",
        provenance="p",
        licence="l",
        is_synthetic=True,
        metadata={"planted_edge": {"edge_strength": 0.1}},
    )
    again = catalog.load(catalog.add(stored))
    assert again.frame.equals(stored.frame)
    for name in ("dataset_id", "symbol", "timeframe", "source", "provenance", "licence"):
        assert getattr(again, name) == getattr(stored, name)
    for name in ("is_synthetic", "has_volume", "metadata"):
        assert getattr(again, name) == getattr(stored, name)
    assert catalog.verify() == []


def test_the_manifest_says_what_is_there(catalog):
    bars = _bars()
    folder = _folder(catalog, catalog.add(bars))
    assert folder.name == f"EURUSD_1h_{bars.dataset_id[:12]}"
    names = {path.name for path in folder.iterdir()}
    assert names - {".bars.stamp"} == {"bars.parquet", "manifest.json"}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["n_bars"] == 20
    assert manifest["first_time"] == "2020-01-01T00:00:00Z"
    assert manifest["last_time"] == "2020-01-01T19:00:00Z"
    assert manifest["added_at"] == "2026-01-01T00:00:00.000000Z"


def test_adding_again_changes_nothing(catalog, clock):
    first = catalog.add(_bars())
    before = catalog.list()
    clock.advance(timedelta(days=1))
    assert catalog.add(_bars(source="elsewhere")) == first
    assert catalog.list() == before


def test_real_bars_cannot_become_synthetic_nor_the_other_way_round(catalog):
    catalog.add(_bars(is_synthetic=True))
    with pytest.raises(ConflictError, match="stored as synthetic and now come as real"):
        catalog.add(_bars())


def test_the_newest_real_series_is_found_first(catalog, clock):
    seeds = {}
    for seed, synthetic in ((1, False), (2, True), (3, False), (4, True)):
        clock.advance(timedelta(seconds=1))
        seeds[seed] = catalog.add(_bars(seed, is_synthetic=synthetic))
    order = [m.dataset_id for m in catalog.candidates("EURUSD", "1h")]
    assert order == [seeds[3], seeds[1], seeds[4], seeds[2]]
    assert catalog.find("EURUSD", "1h").dataset_id == seeds[3]


def test_of_two_added_at_once_the_greater_id_comes_first(catalog):
    ids = [catalog.add(_bars(seed)) for seed in range(4)]
    assert [m.dataset_id for m in catalog.candidates("EURUSD", "1h")] == sorted(ids, reverse=True)


def test_synthetic_bars_are_found_where_there_are_no_real_ones(catalog):
    stored = catalog.add(_bars(is_synthetic=True))
    found = catalog.find("EURUSD", "1h")
    assert found.dataset_id == stored
    assert found.is_synthetic


def test_no_data_says_what_is_stored(catalog):
    with pytest.raises(DataNotAvailableError, match=r"No data for EURUSD 1h .*no datasets at all"):
        catalog.find("EURUSD", "1h")
    catalog.add(_bars(symbol="GBPUSD"))
    with pytest.raises(DataNotAvailableError, match=r"No data for EURUSD 1h .*GBPUSD 1h") as caught:
        catalog.find("EURUSD", "1h")
    assert caught.value.code == "DATA-NotAvailable"


def test_ids_may_be_shortened_but_not_guessed(catalog):
    stored = catalog.add(_bars())
    assert catalog.load(stored[:8]).dataset_id == stored
    with pytest.raises(NotFoundError, match="give 8 digits or more"):
        catalog.load(stored[:7])
    with pytest.raises(NotFoundError, match=f"no dataset with the id 'ffff'.*{stored[:12]}"):
        catalog.load("ffff")
    catalog.add(_bars(1))
    with pytest.raises(NotFoundError, match="several datasets"):
        catalog.load("")


def test_an_altered_file_is_refused_and_found(catalog):
    stored = catalog.add(_bars())
    path = _folder(catalog, stored) / "bars.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    for call in (lambda: catalog.load(stored), lambda: catalog.find("EURUSD", "1h")):
        with pytest.raises(IntegrityError, match="has SHA-256") as caught:
            call()
        assert caught.value.code == "INTEGRITY-DatasetAltered"
    (finding,) = catalog.verify()
    assert (finding.kind, finding.path) == ("altered", str(path))


def test_another_file_with_a_fitting_hash_is_refused_by_its_content(catalog):
    import hashlib

    stored = catalog.add(_bars())
    folder = _folder(catalog, stored)
    _bars(seed=5).frame.write_parquet(folder / "bars.parquet")
    manifest = json.loads((folder / "manifest.json").read_text())
    digest = hashlib.sha256((folder / "bars.parquet").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({**manifest, "file_sha256": digest}))
    with pytest.raises(IntegrityError, match=f"holds the bars .* not {stored}"):
        catalog.load(stored)


def test_verify_finds_what_is_missing_and_what_belongs_to_nobody(catalog):
    first, second = catalog.add(_bars(1)), catalog.add(_bars(2))
    (_folder(catalog, first) / "bars.parquet").unlink()
    (_folder(catalog, second) / "notes.txt").write_text("x")
    (catalog.root / "stray").mkdir()
    (catalog.root / "loose.csv").write_text("x")
    found = {(f.kind, f.path.rsplit("/", 1)[1]) for f in catalog.verify()}
    assert found == {
        ("missing", "bars.parquet"),
        ("orphan", "notes.txt"),
        ("orphan", "stray"),
        ("orphan", "loose.csv"),
    }
    with pytest.raises(IntegrityError, match="is missing"):
        catalog.load(first)


@pytest.mark.parametrize("text", ["{", "[]", '{"dataset_id": "x"}', "null"])
def test_a_broken_manifest_is_named(catalog, text):
    good, bad = catalog.add(_bars(1)), catalog.add(_bars(2))
    path = _folder(catalog, bad) / "manifest.json"
    path.write_text(text)
    (finding,) = catalog.verify()
    assert (finding.kind, finding.path) == ("altered", str(path))
    with pytest.raises(IntegrityError, match="is no valid manifest"):
        catalog.load(good)


def test_a_manifest_in_the_wrong_folder_is_found(catalog):
    folder = _folder(catalog, catalog.add(_bars()))
    folder.rename(folder.with_name("EURUSD_1h_000000000000"))
    (finding,) = catalog.verify()
    assert finding.kind == "altered"
    assert "is the manifest of" in finding.message


def test_an_empty_catalog_has_nothing_wrong(catalog):
    assert catalog.verify() == []
    assert catalog.list() == []
    assert not catalog.root.exists()


def test_processes_add_the_same_bars_at_once(tmp_path):
    code = (
        "import sys, pathlib; from marketlab.data import *; "
        "bars = synthetic_bars(SyntheticConfig(n_bars=2000)); "
        "print(Catalog(pathlib.Path(sys.argv[1])).add(bars))"
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    ids = {worker.communicate()[0].strip() for worker in workers}
    catalog = Catalog(tmp_path)
    assert ids == {m.dataset_id for m in catalog.list()}
    assert len(ids) == 1
    assert catalog.verify() == []


def test_the_ledger_is_told_once(catalog, tmp_path, monkeypatch):
    monkeypatch.delenv("DB_URL", raising=False)
    stored = catalog.add(_bars())
    store = Store(tmp_path / "marketlab.db")
    migrate(store)
    (manifest,) = catalog.list()
    with store.begin() as connection:
        assert record_dataset(connection, manifest, root=catalog.root)
        assert not record_dataset(connection, manifest, root=catalog.root)
    with store.connect() as connection:
        row = connection.execute(select(datasets)).mappings().one()
    store.dispose()
    assert row["dataset_id"] == stored
    assert row["path"] == str(catalog.root / manifest.folder)
    assert row["is_synthetic"] is False
    assert row["metadata"] == {}


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        catalog = Catalog(disk)
        bars = build(good_columns(20_000))
        with pytest.raises(IntegrityError, match="the disk is full: ") as caught:
            catalog.add(bars)
        assert caught.value.code == "STORAGE-Full"
        assert bars.dataset_id[:12] in caught.value.message
        assert (catalog.list(), catalog.verify()) == ([], [])
        subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
        assert catalog.load(catalog.add(bars)).n_bars == 20_000
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize(("number", "code"), [(28, "STORAGE-Full"), (5, "STORAGE-WriteFailed")])
def test_what_the_system_said_is_found_in_the_text_of_polars(tmp_path, monkeypatch, number, code):
    def refuse(*_, **__):
        raise pl.exceptions.ComputeError(f"parquet: underlying IO error: x (os error {number})")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", refuse)
    with pytest.raises(IntegrityError) as caught:
        Catalog(tmp_path).add(build(good_columns(20)))
    assert caught.value.code == code
    assert [path.name for path in tmp_path.iterdir()] == [".catalog.lock"]
