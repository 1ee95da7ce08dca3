"""Is one run directory whole and free of faults?

The rules are those of the users' checker and stand here a second time on purpose: what verifies a
file must not share its rules with what writes it.
"""

import csv
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marketlab.core import MarketLabError, file_sha256, load_yaml

RUN_FILES = ("metrics.csv", "detailed_metrics.json", "alerts.txt", "config.yaml")
N_COLUMNS = 24
MIN_EPOCHS, MAX_EPOCHS = 10, 100
_TEXT_COLUMNS = (18, 19)  # 1-based: signal strength, early stopping flag
_VAL_ACCURACY = 5
_ENDED = ("failed", "cancelled")
_UNDER_WAY = ("pending", "resuming", "running")


@dataclass(frozen=True)
class RunCheck:
    """One run directory: ``reasons`` say what is wrong, ``notes`` what is worth knowing.

    ``missing_files`` are those of the four that are absent or empty.
    ``status`` is what config.yaml says (None if it does not say). ``epochs`` counts data rows;
    ``lines`` is what ``wc -l`` prints, one more for the header. None where there is no table.
    """

    run_id: str
    status: str | None
    epochs: int | None
    lines: int | None
    last_val_accuracy: float | None
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()
    missing_files: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the analytics are whole and the run was not cut short."""
        return not self.reasons

    @property
    def ended_early(self) -> bool:
        """Whether the run itself is recorded as failed or cancelled."""
        return self.status in _ENDED


def check_run(folder: Path) -> RunCheck:
    """Check one run directory; every broken rule is one reason."""
    if not folder.is_dir():
        gone = ("there is no such directory",)
        return RunCheck(folder.name, None, None, None, None, gone, missing_files=RUN_FILES)
    reasons: list[str] = []
    missing: list[str] = []
    for name in RUN_FILES:
        path = folder / name
        if not path.is_file() or path.stat().st_size == 0:
            missing.append(name)
            reasons.append(f"{name} is {'empty' if path.is_file() else 'missing'}")
    config = _read_config(folder, reasons)
    table = _Table.read(folder / "metrics.csv")
    if table is not None:
        reasons += table.faults()
    reasons += _json_faults(folder / "detailed_metrics.json", table)
    status = config.get("status")
    notes = [f"{table.counts}"] if table is not None else []
    if status in (*_ENDED, *_UNDER_WAY):
        reasons.append(f"the run's status is {status}: its analytics are not those of a whole run")
    elif table is not None:
        length, note = _length(table, config)
        reasons += length
        notes += note
    return RunCheck(
        run_id=folder.name,
        status=status,
        epochs=None if table is None else len(table.rows),
        lines=None if table is None else table.n_lines,
        last_val_accuracy=None if table is None else table.last_val_accuracy(),
        reasons=tuple(reasons),
        notes=tuple(notes),
        missing_files=tuple(missing),
    )


def _read_config(folder: Path, reasons: list[str]) -> dict[str, Any]:
    """Return config.yaml; add to `reasons` if it does not map the run to its strategy."""
    path = folder / "config.yaml"
    if not path.is_file() or path.stat().st_size == 0:
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        config = load_yaml(text, source="config.yaml")
    except (MarketLabError, UnicodeDecodeError) as error:
        reasons.append(f"config.yaml cannot be read: {error}")
        return {}
    first = text.split("\n", 1)[0]
    name = first.removeprefix("name: ").strip() if first.startswith("name: ") else ""
    if not name:
        reasons.append("line 1 of config.yaml is not `name: <strategy>`")
    elif f"_{name}_" not in folder.name:
        reasons.append(
            f"config.yaml names the strategy {name!r}, which is not in the directory's name"
        )
    return config


@dataclass(frozen=True)
class _Table:
    """metrics.csv as text cells, header apart."""

    header: list[str]
    rows: list[list[str]]
    n_lines: int
    whole: bool

    @classmethod
    def read(cls, path: Path) -> "_Table | None":
        """Return the table, or None if there is no text to read."""
        if not path.is_file() or path.stat().st_size == 0:
            return None
        text = path.read_text(encoding="utf-8", errors="replace")
        cells = list(csv.reader(io.StringIO(text)))
        n_lines = text.count("\n")
        return cls(cells[0], cells[1:], n_lines, text.endswith("\n"))

    @property
    def counts(self) -> str:
        return f"{len(self.rows)} epochs ({self.n_lines} lines with the header)"

    def faults(self) -> list[str]:
        """Return what is wrong with single cells and lines."""
        out: list[str] = []
        if len(self.header) < N_COLUMNS or self.header[0] != "epoch":
            out.append(
                f"metrics.csv: the header must name {N_COLUMNS} columns, first `epoch`; "
                f"it has {len(self.header)}"
            )
        if not self.whole:
            out.append("metrics.csv: the last line is not complete (no line end)")
        for position, row in enumerate(self.rows):
            fault = self._row_fault(position, row)
            if fault:
                out.append(f"metrics.csv line {position + 2}: {fault}")
        return out if len(out) <= 5 else [*out[:5], f"metrics.csv: {len(out) - 5} more faults"]

    def _row_fault(self, position: int, row: list[str]) -> str | None:
        if len(row) != len(self.header):
            return f"{len(row)} fields, the header has {len(self.header)}"
        for column, cell in enumerate(row[:N_COLUMNS], start=1):
            name = f"column {column} ({self.header[column - 1]})"
            if not cell.strip():
                return f"{name} is empty"
            if column in _TEXT_COLUMNS:
                if cell.strip().lower() in ("nan", "none", "null"):
                    return f"{name} holds {cell}"
                continue
            number = _number(cell)
            if number is None:
                return f"{name} holds {cell[:40]!r}, not a finite number"
            if column == 1 and number != position:
                return f"{name} holds {cell}, expected {position}"
            if column == _VAL_ACCURACY and not 0.0 <= number <= 1.0:
                return f"{name} is {cell}, outside 0 to 1"
        return None

    def last_val_accuracy(self) -> float | None:
        """Return field 5 of the last row, None if it is no number."""
        if not self.rows or len(self.rows[-1]) < _VAL_ACCURACY:
            return None
        return _number(self.rows[-1][_VAL_ACCURACY - 1])


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _json_faults(path: Path, table: _Table | None) -> list[str]:
    if not path.is_file() or path.stat().st_size == 0:
        return []
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except (OSError, ValueError) as error:
        return [f"detailed_metrics.json is not valid JSON: {error}"]
    epochs = value.get("epoch_metrics") if isinstance(value, dict) else None
    if not isinstance(epochs, list):
        return ["detailed_metrics.json holds no list `epoch_metrics`"]
    if table is not None and len(epochs) != len(table.rows):
        return [f"detailed_metrics.json holds {len(epochs)} epochs, metrics.csv {len(table.rows)}"]
    return []


def _refuse(word: str) -> None:
    raise ValueError(f"it holds {word}")


def _length(table: _Table, config: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return reasons and notes about the number of epochs."""
    training = config.get("training")
    training = training if isinstance(training, dict) else {}
    asked = training.get("epochs")
    stopping = training.get("early_stopping")
    stopping = stopping if isinstance(stopping, dict) else {}
    least, most, why = MIN_EPOCHS, MAX_EPOCHS, ""
    if isinstance(asked, int):
        most = max(most, asked)
        if asked < least:
            least, most, why = 1, asked, f"{asked} epochs were asked"
        elif stopping.get("enabled") and stopping.get("patience", MIN_EPOCHS) + 1 < least:
            least = stopping["patience"] + 1
            why = f"early stopping with patience {stopping['patience']} may end before"
    n = len(table.rows)
    if not least <= n <= most:
        return [f"{table.counts}: expected {least} to {most}"], []
    if n < MIN_EPOCHS:
        return [], [f"fewer than {MIN_EPOCHS} epochs, accepted: {why}"]
    return [], []


def hash_faults(folder: Path) -> list[str]:
    """Return the model files of a run whose SHA-256 is not the one that was listed.

    The list is ``model/files.json`` with ``sha256: {name: digest}``, as model cards have it; a run
    without one lists nothing and has no fault.
    """
    listing = folder / "model" / "files.json"
    if not listing.is_file():
        return []
    try:
        listed = json.loads(listing.read_text(encoding="utf-8"))["sha256"].items()
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        return [f"{folder.name}: model/files.json cannot be read: {error!r}"]
    faults: list[str] = []
    for name, expected in listed:
        path = listing.parent / name
        if not path.is_file():
            faults.append(f"{folder.name}: model/{name} is missing")
        elif file_sha256(path) != expected:
            faults.append(f"{folder.name}: model/{name} is not the file that was stored")
    return faults
