"""The epochs of a run so far, from the files it writes, and what they show."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marketlab.interfaces._session import Session

if TYPE_CHECKING:
    from marketlab.campaigns import Workspace

_WINDOW = 10
_CHANGE = 0.05
_NUMBERS = {
    "train_loss": "train_loss",
    "train_accuracy": "train_acc",
    "val_loss": "val_loss",
    "val_accuracy": "val_acc",
    "learning_rate": "learning_rate",
    "duration": "epoch_duration_seconds",
}


def operation_metrics(session: Session, operation_id: str) -> dict[str, Any]:
    """Return the epochs of a run so far and what they show, from the files it writes."""
    row = session.ledger.operation(operation_id)
    planned = row["request"].get("strategy", {}).get("training", {}).get("epochs")
    epochs = read_epochs(session.workspace, row["run_id"])
    losses = [e["val_loss"] for e in epochs]
    best = losses.index(min(losses)) if losses else None
    since = None if best is None else len(losses) - 1 - best
    return {
        "operation_id": operation_id,
        "status": row["status"],
        "epochs": epochs,
        "best_epoch": None if best is None else epochs[best]["epoch"],
        "best_val_loss": None if best is None else losses[best],
        "epochs_since_improvement": since,
        "is_overfitting": is_overfitting(epochs),
        "is_plateaued": since is not None and since >= _WINDOW,
        "total_epochs_planned": planned,
        "total_epochs_completed": len(epochs),
    }


def is_overfitting(epochs: list[dict[str, Any]]) -> bool:
    """Say whether in the last 10 epochs training loss fell by 5 % and validation rose by 5 %."""
    if len(epochs) < _WINDOW:
        return False
    first, last = epochs[-_WINDOW], epochs[-1]
    fell = last["train_loss"] <= first["train_loss"] * (1.0 - _CHANGE)
    rose = last["val_loss"] >= first["val_loss"] * (1.0 + _CHANGE)
    return bool(fell and rose)


def read_epochs(workspace: "Workspace", run_id: str | None) -> list[dict[str, Any]]:
    """Return the rows of a run's ``metrics.csv``; empty before its first epoch.

    ``timestamp`` is when the epoch ended: start of the run plus the durations up to it.
    """
    from marketlab.core import NotFoundError

    if run_id is None:
        return []
    try:
        path = workspace.run_folder(run_id) / "metrics.csv"
    except NotFoundError:
        return []
    if not path.is_file():
        return []
    start = _started_at(path.parent)
    epochs: list[dict[str, Any]] = []
    elapsed = 0.0
    with path.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            values = {ours: float(row[theirs]) for ours, theirs in _NUMBERS.items()}
            elapsed += values["duration"]
            epochs.append({"epoch": int(row["epoch"]), **values, "timestamp": _at(start, elapsed)})
    return epochs


def _started_at(folder: Path) -> str | None:
    from marketlab.core import IntegrityError, read_json

    try:
        metadata = read_json(folder / "detailed_metrics.json")["run_metadata"]
    except IntegrityError:
        return None
    return str(metadata["start_time"])


def _at(start: str | None, seconds: float) -> str | None:
    from datetime import datetime, timedelta

    from marketlab.core import iso

    if start is None:
        return None
    return iso(datetime.fromisoformat(start) + timedelta(seconds=seconds))
