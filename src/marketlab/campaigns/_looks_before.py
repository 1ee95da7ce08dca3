"""Tells a run that it trained or was chosen on days that an earlier run had as its test part."""

from bisect import bisect_left
from datetime import datetime
from typing import Any

from marketlab.campaigns._ledger import Ledger
from marketlab.campaigns._looks import part_note, stretch_of
from marketlab.campaigns._workspace import Workspace
from marketlab.core import read_json
from marketlab.data import BarFrame

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
    splits = read_json(workspace.run_folder(run["run_id"]) / "detailed_metrics.json")["splits"]
    bars = workspace.catalog.load(run["dataset_id"])
    notes = []
    for part, word in _WORDS.items():
        facts = splits.get(part)
        if facts is None or facts["first_time"] is None:
            continue
        first, last = (_position(bars, facts[key]) for key in ("first_time", "last_time"))
        stretch = stretch_of(bars, first, last)
        seen = ledger.looks_at(
            stretch, run["dataset_id"], before=operation["created_at"], besides=run["run_id"]
        )
        notes.append(part_note(word, seen))
    return [note for note in notes if note is not None]


def _position(bars: BarFrame, opens_at: str) -> int:
    """Return the position of the bar that opens at an ISO 8601 time."""
    moment = datetime.fromisoformat(opens_at)
    return bisect_left(range(bars.n_bars), moment, key=bars.times)
