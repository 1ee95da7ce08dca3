import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from marketlab.core import ConfigError
from marketlab.features import FeatureCache

KEY = "ab" * 32


def values(k=0):
    return np.random.default_rng(k).normal(size=(3, 1000))


def put(cache, k):
    return cache.get(f"{k:064x}", lambda: values(k), about=f"entry {k}")


def test_what_was_computed_once_is_mapped_afterwards(tmp_path):
    cache = FeatureCache(tmp_path)
    first = cache.get(KEY, values, about="mine")
    assert not first.was_there
    assert first.notes == ()
    again = FeatureCache(tmp_path).get(KEY, pytest.fail, about="mine")
    assert again.was_there
    assert isinstance(again.values, np.memmap)
    assert not again.values.flags.writeable
    assert np.array_equal(again.values, values())
    (entry,) = cache.entries()
    assert (entry.key, entry.about, entry.shape) == (KEY, "mine", (3, 1000))


def damage_byte(path):
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(bytes(content))


def damage_length(path):
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("damage", [damage_byte, damage_length, lambda path: path.unlink()])
def test_a_damaged_entry_is_noticed_and_made_again(tmp_path, damage):
    cache = FeatureCache(tmp_path)
    cache.get(KEY, values, about="mine")
    damage(tmp_path / KEY / "values.npy")
    found = cache.get(KEY, values, about="mine")
    assert np.array_equal(found.values, values())
    assert not found.was_there
    (note,) = found.notes
    assert note.endswith("It is computed again.")
    assert cache.get(KEY, pytest.fail, about="mine").was_there


def test_an_unreadable_record_is_made_again(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.get(KEY, values, about="mine")
    (tmp_path / KEY / "entry.json").write_text("{")
    assert "cannot be read" in cache.get(KEY, values, about="mine").notes[0]


def test_the_entry_used_longest_ago_goes_first_and_is_named(tmp_path):
    cache = FeatureCache(tmp_path, limit_bytes=80_000)  # three of 24,128 bytes
    for k in range(3):
        assert put(cache, k).notes == ()
        os.utime(tmp_path / f"{k:064x}" / "entry.json", (1000 + k, 1000 + k))
    held = put(cache, 0).values  # used: now the newest
    (note,) = put(cache, 3).notes
    assert "entry 1" in note
    assert {e.about for e in cache.entries()} == {"entry 0", "entry 2", "entry 3"}
    put(cache, 4)
    put(cache, 5)
    assert np.array_equal(held, values(0))  # who has it open keeps it


def test_what_is_too_large_is_given_and_not_kept(tmp_path):
    found = FeatureCache(tmp_path, limit_bytes=1000).get(KEY, values, about="mine")
    assert np.array_equal(found.values, values())
    assert "are not kept" in found.notes[0]
    assert FeatureCache(tmp_path).entries() == []


def test_clear_empties_it(tmp_path):
    cache = FeatureCache(tmp_path)
    put(cache, 1)
    put(cache, 2)
    assert cache.clear() == 2
    assert cache.entries() == []
    assert not put(cache, 1).was_there


def test_the_limit_comes_from_the_environment_and_nonsense_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("MARKETLAB_FEATURE_CACHE_GB", "0.5")
    assert FeatureCache(tmp_path).limit_bytes == 500_000_000
    monkeypatch.setenv("MARKETLAB_FEATURE_CACHE_GB", "much")
    with pytest.raises(ConfigError, match="must be a number of gigabytes"):
        FeatureCache(tmp_path)


def test_processes_that_ask_at_once_compute_once(tmp_path):
    code = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        import numpy as np
        from marketlab.features import FeatureCache
        root = Path(sys.argv[1])

        def make():
            time.sleep(0.5)
            return np.arange(6.0).reshape(2, 3)

        found = FeatureCache(root / "cache").get("cd" * 32, make, about="shared")
        assert found.values.tolist() == [[0, 1, 2], [3, 4, 5]]
        print(found.was_there)
        """
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(3)
    ]
    said = sorted(process.communicate(timeout=60)[0].strip() for process in running)
    assert said == ["False", "True", "True"]
