import subprocess
import sys
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import IntegrityError, TransientError
from marketlab.runtime import Journal, JournalNotifier, MemoryJournal, read_journal


def test_lines_come_back_numbered_and_in_order(tmp_path):
    path = tmp_path / "deep" / "journal.jsonl"
    assert read_journal(path) == []
    with Journal(path) as journal:
        journal.append({"kind": "a", "value": 0.1 + 0.2})
        assert read_journal(path) == [{"line": 1, "kind": "a", "value": 0.1 + 0.2}]
        journal.append({"kind": "b"})
    with Journal(path) as journal:
        journal.append({"kind": "c"})
    assert [(r["line"], r["kind"]) for r in read_journal(path)] == [(1, "a"), (2, "b"), (3, "c")]


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 200))
def test_a_torn_last_line_is_cut_and_the_loss_recorded(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("torn") / "journal.jsonl"
    with Journal(path) as journal:
        for i in range(3):
            journal.append({"kind": "bar", "text": "x" * 60, "i": i})
    data = path.read_bytes()
    last = len(data) - data[:-1].rfind(b"\n") - 1
    cut = 1 + (cut - 1) % last  # 1 .. a whole line
    path.write_bytes(data[:-cut])
    before = read_journal(path)
    assert len(before) == 2
    with Journal(path) as journal:
        journal.append({"kind": "next"})
    kinds = [(r["line"], r["kind"]) for r in read_journal(path)]
    if cut == last:
        assert kinds[2:] == [(3, "next")]
    else:
        assert kinds[2:] == [(3, "recovered"), (4, "next")]
        assert read_journal(path)[2]["dropped_bytes"] == last - cut


def test_a_killed_process_leaves_a_journal_that_opens(tmp_path):
    path = tmp_path / "journal.jsonl"
    code = """
        import os, sys
        from pathlib import Path
        from marketlab.runtime import Journal
        journal = Journal(Path(sys.argv[1]))
        for i in range(5):
            journal.append({"kind": "bar", "i": i})
        os._exit(9)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(path)], check=False)
    assert done.returncode == 9
    assert len(read_journal(path)) == 5
    with Journal(path) as journal:
        journal.append({"kind": "next"})
    assert len(read_journal(path)) == 6


@pytest.mark.parametrize("damage", ["not json\n", '{"line": 7}\n', "[]\n", "\n"])
def test_damage_inside_is_named_and_not_repaired(tmp_path, damage):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append({"kind": "a"})
    with path.open("a") as handle:
        handle.write(damage)
    text = path.read_text()
    with pytest.raises(IntegrityError, match="line 2 is not record number 2"):
        Journal(path)
    with pytest.raises(IntegrityError, match=r"Keep the file as evidence"):
        read_journal(path)
    assert path.read_text() == text


def test_one_holder_at_a_time_and_the_lock_is_free_after_an_error(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path), pytest.raises(TransientError, match="locked by another"):
        Journal(path)
    path.write_text("broken\n")
    for _ in range(2):
        with pytest.raises(IntegrityError):
            Journal(path)


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_nan_is_refused_and_costs_no_number(tmp_path, kind):
    journal = MemoryJournal() if kind == "memory" else Journal(tmp_path / "journal.jsonl")
    with pytest.raises(IntegrityError, match="NaN or infinity"):
        journal.append({"value": float("nan")})
    journal.append({"value": 1.0})
    if isinstance(journal, Journal):
        journal.close()
        assert read_journal(journal.path) == [{"line": 1, "value": 1.0}]
    else:
        assert journal.records == [{"line": 1, "value": 1.0}]


def test_a_notification_is_a_line():
    journal = MemoryJournal()
    JournalNotifier(journal).notify("BUY", {"is_synthetic": True})
    assert journal.records == [
        {"line": 1, "kind": "notification", "subject": "BUY", "is_synthetic": True}
    ]
