"""The execution tracker: one Markdown page that users' scripts count with a case-sensitive grep.

The lower-case words of the two final statuses may stand in the Status cell and nowhere else, so
that each such strategy is exactly one matching line. All other text is passed through `_plain`,
which rewrites both words, folds line breaks and replaces pipes, whatever an error text says.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from marketlab.campaigns._operations import duration_seconds
from marketlab.core import atomic_write

EXCERPT_LENGTH = 300
"""Characters kept of an error text; the ledger keeps all of it."""

_ACTIONS = {
    "config": "retry (correct the strategy file and validate it first)",
    "data": "retry (check the data store and reload first)",
    "transient": "retry (the same request, with more memory or a longer limit)",
}
_WORDS = (
    (re.compile(r"\bfailed to\b"), "could not"),
    (re.compile(r"failed"), "did not finish"),
    (re.compile(r"completed"), "finished"),
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def write_tracker(path: Path, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Write the tracker of `names` from the operations table, whole or not at all.

    Parameters
    ----------
    path : the file to replace (``docs/agentic/v1.5/EXECUTION_LOG.md``).
    rows : rows of the operations table, oldest first within a strategy. Several rows of one
        strategy are attempts: the newest is shown, the ids of the others go to Notes. A row whose
        strategy is not in `names` gets a line of its own after them, so nothing is hidden.
    names : strategies in the order of the campaign; without a row they are pending.

    The summary has the four documented rows. ``resuming`` counts as Running, because a worker owns
    it, and its Status cell says ``resuming``; ``cancelled`` gets a fifth row, only where there is
    one, because it is none of the four.
    """
    atomic_write(path, tracker_text(rows, names))


def tracker_text(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """Return the text of the tracker; see `write_tracker`."""
    attempts = _by_strategy(rows, names)
    shown = {name: found[-1] if found else None for name, found in attempts.items()}
    lines = ["# v1.5 Experiment Execution Log", "", "## Status Summary", ""]
    lines += _summary(shown)
    lines += ["", "## Execution Log", ""]
    lines += ["| Strategy | Started | Operation ID | Status | Duration | Notes |"]
    lines += ["|----------|---------|--------------|--------|----------|-------|"]
    for name, found in attempts.items():
        lines.append(_line(name, found))
    lines += ["", "## Failures (if any)", ""]
    lines += _failures(shown)
    return "\n".join(lines) + "\n"


def _by_strategy(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> dict[str, list[Mapping[str, Any]]]:
    """Return the attempts of each strategy, the one that counts last."""
    attempts: dict[str, list[Mapping[str, Any]]] = {name: [] for name in names}
    aliases = {name.replace(".", "_"): name for name in names}
    for row in rows:
        name = str(row.get("strategy_name"))
        own = name if name in attempts else aliases.get(name.replace(".", "_"), name)
        attempts.setdefault(own, []).append(row)
    for found in attempts.values():
        # A retried operation is superseded even if both carry the same second of creation.
        retried = {row.get("retry_of") for row in found}
        found.sort(key=lambda row: row["operation_id"] not in retried)
    return attempts


def _summary(shown: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    counts = Counter(str(row["status"]) if row else "pending" for row in shown.values())
    lines = ["| Status | Count |", "|--------|-------|"]
    lines += [f"| Completed | {counts['completed']} |"]
    lines += [f"| Running | {counts['running'] + counts['resuming']} |"]
    lines += [f"| Failed | {counts['failed']} |"]
    lines += [f"| Pending | {counts['pending']} |"]
    if counts["cancelled"]:
        lines.append(f"| Cancelled | {counts['cancelled']} |")
    return lines


def _line(name: str, found: Sequence[Mapping[str, Any]]) -> str:
    if not found:
        return f"| {_plain(name)} | - | - | pending | - | - |"
    row = found[-1]
    seconds = duration_seconds(dict(row))
    cells = (
        _plain(name),
        _started(row),
        _plain(str(row["operation_id"])),
        str(row["status"]),
        "-" if seconds is None else duration_text(seconds),
        _plain(_notes(found)) or "-",
    )
    return f"| {' | '.join(cells)} |"


def _started(row: Mapping[str, Any]) -> str:
    if not row.get("started_at"):
        return "-"
    return datetime.fromisoformat(str(row["started_at"])).strftime("%Y-%m-%d %H:%M:%S")


def _notes(found: Sequence[Mapping[str, Any]]) -> str:
    row = found[-1]
    notes: list[str] = []
    metrics = (row.get("result_summary") or {}).get("training_metrics") or {}
    if row["status"] == "completed" and metrics.get("epochs_trained") is not None:
        notes.append(f"{metrics['epochs_trained']} epochs")
    if row["status"] == "failed":
        notes.append(str(row.get("error_code") or row.get("failure_class") or "no error code"))
    if row["status"] == "cancelled" and row.get("error_message"):
        notes.append(str(row["error_message"])[:EXCERPT_LENGTH])
    if (row.get("attempt") or 1) > 1 and not row.get("retry_of"):
        notes.append(f"attempt {row['attempt']} of one operation")
    earlier = [str(other["operation_id"]) for other in found[:-1]]
    before = row.get("retry_of")
    if before and before not in earlier:
        earlier.append(str(before))
    if earlier:
        before_those = f" and {len(earlier) - 5} before" if len(earlier) > 5 else ""
        notes.append(f"earlier operations: {', '.join(earlier[-5:])}{before_those}")
    return "; ".join(notes)


def _failures(shown: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    lines: list[str] = []
    for name, row in shown.items():
        if row is None or row["status"] != "failed":
            continue
        code = row.get("error_code")
        text = str(row.get("error_message") or "no message was recorded")
        where = f"operation {row['operation_id']}"
        if row.get("run_id"):
            where += f", directory {row['run_id']} below training_analytics/"
        lines += [f"### {_plain(name)}", ""]
        lines += [f"- **Error:** {_excerpt(f'{code}: {text}' if code else text)}"]
        lines += [f"- **Logs:** {_plain(where)}"]
        lines += [f"- **Action:** {_action(row)}", ""]
    return lines[:-1] if lines else ["None."]


def _action(row: Mapping[str, Any]) -> str:
    """Return the policy of the failure's class; a retry that did not help needs a person."""
    action = _ACTIONS.get(str(row.get("failure_class")))
    again = (row.get("attempt") or 1) > 1 or row.get("retry_of")
    if action is None or (row.get("failure_class") == "transient" and again):
        return "investigate"
    return action


def _excerpt(text: str) -> str:
    cut = text if len(text) <= EXCERPT_LENGTH else f"{text[:EXCERPT_LENGTH]} …"
    return _plain(cut)


def _plain(text: str) -> str:
    """Return `text` as one line that breaks neither a table nor the two counted words."""
    out = " ".join(_CONTROL.sub(" ", text).split()).replace("|", "¦").replace("<", "\\<")
    # Last, because the steps before may have put a word together; no replacement makes one.
    for pattern, word in _WORDS:
        out = pattern.sub(word, out)
    return out


def duration_text(seconds: float) -> str:
    """Return a duration for people: `8.4 s`, `3 min 05 s`, `2 h 07 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
