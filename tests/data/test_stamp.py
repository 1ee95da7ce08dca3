"""A stamp saves hashing in later processes; no ordinary write gets past it."""

import json
import os
import subprocess
import sys
import time

import pytest
from bar_samples import build, good_columns
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import IntegrityError
from marketlab.data import Catalog
from marketlab.data import _catalog_file as catalog_file
from marketlab.data import _stamp as stamp

SETTLED = 0.06  # seconds after which a stamp may be trusted on a file system with nanoseconds


@pytest.fixture
def stored(tmp_path):
    """Return a catalog whose one dataset was loaded once, long enough after it was written."""
    catalog = Catalog(tmp_path / "processed")
    bars = build(good_columns(2_000))
    catalog.add(bars)
    folder = catalog.root / catalog.list()[0].folder
    time.sleep(SETTLED if folder.stat().st_ctime_ns % 1_000 else 2.1)
    catalog.load(bars.dataset_id)
    assert (folder / stamp.STAMP).is_file()
    return catalog, bars, folder


@pytest.fixture(autouse=True)
def new_process():
    """Forget between tests what a process remembers; each test does so again where it matters."""
    catalog_file._hashes.clear()
    yield
    catalog_file._hashes.clear()


def hashed(monkeypatch):
    """Return the list of files that get hashed from here on."""
    seen = []
    real = catalog_file.file_sha256
    monkeypatch.setattr(catalog_file, "file_sha256", lambda path: seen.append(path) or real(path))
    return seen


def test_a_new_process_hashes_nothing(stored):
    catalog, bars, _ = stored
    code = (
        "import sys, pathlib\n"
        "from marketlab.data import Catalog, _catalog_file\n"
        "def refuse(path): raise AssertionError(path)\n"
        "_catalog_file.file_sha256 = refuse\n"
        "print(Catalog(pathlib.Path(sys.argv[1])).load(sys.argv[2]).close.sum())\n"
    )
    command = [sys.executable, "-c", code, str(catalog.root), bars.dataset_id]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) == bars.close.sum()


@pytest.mark.parametrize("same_mtime", [False, True])
def test_one_flipped_byte_is_caught_at_load_also_with_the_old_mtime(stored, same_mtime):
    catalog, bars, folder = stored
    path = folder / "bars.parquet"
    before = path.stat()
    catalog_file._hashes.clear()
    with path.open("r+b") as file:
        file.seek(before.st_size // 2)
        byte = file.read(1)
        file.seek(before.st_size // 2)
        file.write(bytes([byte[0] ^ 1]))
    if same_mtime:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_size == before.st_size
    for _ in range(2):
        with pytest.raises(IntegrityError, match="has SHA-256"):
            catalog.load(bars.dataset_id)
    assert [f.kind for f in catalog.verify()] == ["altered"]


def test_verify_hashes_in_spite_of_the_stamp_and_drops_it_where_bits_were_lost(stored):
    catalog, bars, folder = stored
    path = folder / "bars.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    # A disk that loses bits changes no time; a stamp for the new state stands for that here.
    facts = json.loads((folder / stamp.STAMP).read_text())
    now = stamp.file_state(path)
    facts |= {"state": list(now), "begun_ns": now[4] + 10**10}
    (folder / stamp.STAMP).write_text(json.dumps(facts))
    assert [f.kind for f in catalog.verify()] == ["altered"]
    assert not (folder / stamp.STAMP).exists()
    with pytest.raises(IntegrityError, match="has SHA-256"):
        catalog.load(bars.dataset_id)


def test_a_stamp_is_no_stray_file(stored):
    catalog, _, _ = stored
    assert catalog.verify() == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"version": 1}', '{"version": 2, "state": []}', "\x00\x01"]
)
def test_a_stamp_that_says_nothing_costs_a_hash_and_is_renewed(stored, monkeypatch, text):
    catalog, bars, folder = stored
    (folder / stamp.STAMP).write_text(text)
    catalog_file._hashes.clear()
    seen = hashed(monkeypatch)
    assert catalog.load(bars.dataset_id).frame.equals(bars.frame)
    assert seen == [folder / "bars.parquet"]
    catalog_file._hashes.clear()
    catalog.load(bars.dataset_id)
    assert len(seen) == 1


def test_a_stamp_of_another_file_does_not_count(stored, monkeypatch):
    catalog, bars, folder = stored
    copy = folder / "copy"
    copy.write_bytes((folder / "bars.parquet").read_bytes())
    copy.replace(folder / "bars.parquet")  # the same bytes in another inode
    catalog_file._hashes.clear()
    seen = hashed(monkeypatch)
    catalog.load(bars.dataset_id)
    assert seen == [folder / "bars.parquet"]


def test_a_catalog_closed_to_writing_is_read_without_a_stamp(stored, monkeypatch):
    catalog, bars, folder = stored
    (folder / stamp.STAMP).unlink()
    catalog_file._hashes.clear()

    def closed(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(stamp.tempfile, "TemporaryFile", closed)
    assert catalog.load(bars.dataset_id).frame.equals(bars.frame)
    assert not (folder / stamp.STAMP).exists()


def test_a_full_disk_costs_the_stamp_and_nothing_else(stored, monkeypatch):
    catalog, bars, folder = stored
    (folder / stamp.STAMP).unlink()
    (folder / stamp.STAMP).mkdir()  # cannot be written, whoever runs this test
    catalog_file._hashes.clear()
    assert catalog.load(bars.dataset_id).frame.equals(bars.frame)


def test_a_file_that_changes_while_it_is_read_is_not_believed(stored, monkeypatch):
    catalog, bars, folder = stored
    path = folder / "bars.parquet"
    real = catalog_file._read

    def touched(which):
        frame = real(which)
        with path.open("ab") as file:
            file.write(b"x")
        return frame

    monkeypatch.setattr(catalog_file, "_read", touched)
    catalog_file._hashes.clear()
    with pytest.raises(IntegrityError, match="has SHA-256"):
        catalog.load(bars.dataset_id)


@given(
    whole_us=st.booleans(),
    mtime_after=st.integers(-(10**10), 10**10),
    wait=st.integers(0, 3 * 10**9),
)
@settings(deadline=None, max_examples=50)
def test_no_stamp_is_trusted_within_the_grain_of_the_clock(whole_us, mtime_after, wait):
    ctime = 1_700_000_000_000_000_000 + (0 if whole_us else 1)
    state = (1, 2, 3, ctime + mtime_after, ctime)
    last = max(ctime, ctime + mtime_after)
    grain = 2 * 10**9 if whole_us else 50_000_000
    assert stamp.is_settled(state, last + wait) == (wait > grain)
