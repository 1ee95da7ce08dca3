"""Tells a run whose days were looked at as a test part: those it was made on, and its test part."""

from bisect import bisect_left
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from marketlab.campaigns._ledger import Ledger
from marketlab.campaigns._looks import Seen, Stretch, named, part_note, percent, stretch_of
from marketlab.campaigns._workspace import Workspace
from marketlab.core import read_json
from marketlab.data import BarFrame

SEALED_NOTE = "the test part is sealed"

_WORDS = {"train": "training", "validation": "validation", "walk-forward": "walk-forward"}


def looks_before(workspace: Workspace, ledger: Ledger, run: dict[str, Any]) -> list[str]:
    """Return a note for each part of a run that was looked at as a test part before the run.

    The run's training or validation part may hold bars that an earlier run had as its test part:
    what was learned from that look is then in the design.

    Parameters
    ----------
    run : row of the ledger; its files must tell the split (they do since the run began).
    """
    if not ledger.any_test_opening():
        return []
    operation = ledger.operation(run["operation_id"])
    splits = _splits(workspace, run["run_id"])
    bars = workspace.catalog.load(run["dataset_id"])
    notes = []
    for part, word in _WORDS.items():
        facts = splits.get(part)
        if facts is None or facts["first_time"] is None:
            continue
        stretch = _stretch(bars, facts)
        seen = ledger.looks_at(
            stretch, run["dataset_id"], before=operation["created_at"], besides=(run["run_id"],)
        )
        notes.append(part_note(word, seen))
    return [note for note in notes if note is not None]


def seen_by_others(
    ledger: Ledger, bars: BarFrame, besides: Collection[str], splits: Mapping[str, Any] | None
) -> Seen | None:
    """Return the openings, besides some runs', that showed days of a test part; None without any.

    Parameters
    ----------
    bars : the whole stored series of the run. splits : `split_facts`, None if not known.
    """
    facts = (splits or {}).get("test") or {}
    if not facts.get("first_time") or not ledger.any_test_opening():
        return None
    seen = ledger.looks_at(_stretch(bars, facts), bars.dataset_id, besides=besides)
    return seen if seen.openings else None


def test_note(workspace: Workspace, ledger: Ledger, run: Mapping[str, Any]) -> str:
    """Return what is known of a run's test part while another part is judged (see `JudgeInput`)."""
    if not ledger.any_test_opening():
        return SEALED_NOTE
    bars = workspace.catalog.load(run["dataset_id"])
    seen = seen_by_others(ledger, bars, (run["run_id"],), _splits(workspace, run["run_id"]))
    return test_part_text(len(ledger.test_openings(run["run_id"])), seen)


def test_part_text(n_openings: int, seen: Seen | None) -> str:
    """Say who saw a run's test part, as the end of a sentence."""
    if seen is None:
        return f"the test part was opened {times(n_openings)}" if n_openings else SEALED_NOTE
    if n_openings:
        return f"the test part was opened {times(n_openings)}, and {seen_text(seen)}"
    return f"the test part was not opened for this run, but {seen_text(seen)}"


def seen_text(seen: Seen) -> str:
    """Say how much of a test part others saw, who and when."""
    share = f"{percent(seen.share)} of its days" if seen.share else "an unknown share of its days"
    first = "" if len(seen.openings) == 1 else "first "
    return f"{share} were seen by {named(seen.run_ids)}, {first}on {str(seen.first_seen)[:10]}"


def times(count: int) -> str:
    """Return how often, in words."""
    return "once" if count == 1 else f"{count} times"


def _splits(workspace: Workspace, run_id: str) -> dict[str, Any]:
    stored = read_json(workspace.run_folder(run_id) / "detailed_metrics.json")
    return dict(stored["splits"])


def _stretch(bars: BarFrame, facts: Mapping[str, Any]) -> Stretch:
    first, last = (_position(bars, facts[key]) for key in ("first_time", "last_time"))
    return stretch_of(bars, first, last)


def _position(bars: BarFrame, opens_at: str) -> int:
    """Return the position of the bar that opens at an ISO 8601 time."""
    moment = datetime.fromisoformat(opens_at)
    return bisect_left(range(bars.n_bars), moment, key=bars.times)
