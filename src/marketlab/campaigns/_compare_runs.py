"""The runs of a comparison with their stored evidence, and why they may not be compared.

Only the evidence that a run was judged by is read; the sealed test part stays sealed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from marketlab.campaigns._evidence import Evidence, label_text, load_evidence
from marketlab.campaigns._experiment import experiment_of
from marketlab.campaigns._ledger import Ledger
from marketlab.campaigns._strategy import StrategyConfig
from marketlab.campaigns._workspace import Workspace
from marketlab.core import (
    ConfigError,
    ConflictError,
    IntArray,
    IntegrityError,
    NotFoundError,
    did_you_mean,
)
from marketlab.evaluation import CLASS_NAMES, count_events


@dataclass(frozen=True)
class JudgedRun:
    """A run with its evidence; ``time_ns`` (n,) opening times of the judged bars."""

    name: str
    run_id: str
    dataset_id: str
    strategy: StrategyConfig
    seed: int
    evidence: Evidence
    time_ns: IntArray

    @property
    def span(self) -> str:
        """How many samples were judged, and from when to when."""
        if not len(self.time_ns):
            return "no sample"
        return f"{len(self.time_ns):,} samples, {day(self.time_ns[0])} to {day(self.time_ns[-1])}"

    @property
    def classes(self) -> str:
        """How often each class occurs among them."""
        counts = np.bincount(self.evidence.y, minlength=len(CLASS_NAMES))
        return ", ".join(f"{n:,} {name}" for name, n in zip(CLASS_NAMES, counts, strict=True))


def judged_runs(workspace: Workspace, ledger: Ledger, references: Sequence[str]) -> list[JudgedRun]:
    """Return the completed runs of these run or operation ids, with their evidence."""
    operations, _ = ledger.list_operations(operation_type="training")
    found = [_operation(operations, reference) for reference in references]
    ids = [row["run_id"] for row in found]
    for run_id in ids:
        if ids.count(run_id) > 1:
            raise ConfigError(
                f"the run {run_id} is named {ids.count(run_id)} times; compare different runs.",
                code="COMPARE-SameRun",
                field="runs",
                value=run_id,
            )
    names = [row["strategy_name"] for row in found]
    clocks: dict[str, IntArray] = {}
    out = []
    for row, name in zip(found, names, strict=True):
        shown = name if names.count(name) == 1 else row["run_id"]
        out.append(_judged(workspace, row, shown, clocks))
    return out


def _operation(operations: Sequence[dict[str, Any]], reference: str) -> dict[str, Any]:
    named = [row for row in operations if reference in (row["operation_id"], row["run_id"])]
    for row in named:  # a run that was resumed has several operations
        if row["status"] == "completed":
            return row
    if named:
        status = named[-1]["status"]
        raise ConflictError(
            f"the run of {named[-1]['strategy_name']} is {status}; only completed runs can be "
            "compared.",
            code="RUN-NotCompleted",
            field="status",
            value=status,
        )
    known = [row["run_id"] for row in operations if row["status"] == "completed"]
    raise NotFoundError(
        f"there is no run or operation {reference!r}.",
        code="RUN-NotFound",
        field="runs",
        value=reference,
        suggestion=did_you_mean(reference, known[-20:]),
    )


def _judged(
    workspace: Workspace, row: dict[str, Any], name: str, clocks: dict[str, IntArray]
) -> JudgedRun:
    experiment = experiment_of(row["request"])
    dataset = experiment.dataset_id
    if dataset not in clocks:
        clocks[dataset] = workspace.catalog.load(dataset).time_ns
    evidence = load_evidence(workspace.run_folder(row["run_id"]))
    if evidence.facts["judged_part"] == "test":
        raise IntegrityError(
            f"the evidence of {name} is of its test part; comparisons never read that.",
            code="STORAGE-Corrupt",
            suggestion="Run the strategy again.",
        )
    return JudgedRun(
        name=name,
        run_id=row["run_id"],
        dataset_id=dataset,
        strategy=experiment.strategy,
        seed=experiment.seed,
        evidence=evidence,
        time_ns=_times(evidence, clocks[dataset], name),
    )


def _times(evidence: Evidence, clock: IntArray, name: str) -> IntArray:
    """Return the times of the judged bars: position 0 is the bar of ``first_time_ns``."""
    first = int(np.searchsorted(clock, evidence.facts["first_time_ns"]))
    at = evidence.bar + first
    fits = first < len(clock) and clock[first] == evidence.facts["first_time_ns"]
    if not fits or np.any(np.diff(at) <= 0) or (len(at) and not 0 <= at[0] <= at[-1] < len(clock)):
        raise IntegrityError(
            f"the evidence of {name} names bars that its data set does not hold.",
            code="STORAGE-Corrupt",
            suggestion="Run the strategy again; its other files are kept.",
        )
    times: IntArray = clock[at]
    return times


def refuse_unlike(runs: Sequence[JudgedRun]) -> None:
    """Raise `ConflictError` unless all runs were judged on the same bars with the same label."""
    one = runs[0]
    for other in runs[1:]:
        if other.dataset_id != one.dataset_id:
            raise ConflictError(
                f"{one.name} and {other.name} were judged on different data sets "
                f"({one.dataset_id[:12]}: {one.span}; {other.dataset_id[:12]}: {other.span}).",
                code="COMPARE-OtherData",
                field="runs",
                suggestion="Train both on the same bars.",
            )
        mine, theirs = one.strategy.training.labels, other.strategy.training.labels
        if mine != theirs:
            raise ConflictError(
                f"{one.name} and {other.name} answer different labels: "
                f"{label_text(one.strategy)} ({one.classes}) and "
                f"{label_text(other.strategy)} ({other.classes}).",
                code="COMPARE-OtherLabels",
                field="training.labels",
                suggestion="Train both with the same block `training.labels`.",
                details={"first": mine.to_mapping(), "second": theirs.to_mapping()},
            )


def common_times(runs: Sequence[JudgedRun]) -> IntArray:
    """Return the times that every run judged, or raise `ConflictError` if there is none."""
    common: IntArray = reduce(np.intersect1d, [run.time_ns for run in runs])
    if len(common) == 0:
        raise ConflictError(
            "no sample was judged by all of these runs: "
            + "; ".join(f"{run.name}: {run.span}" for run in runs)
            + ".",
            code="COMPARE-NoCommonSamples",
            field="training.data_split",
            suggestion="Train them with the same split over the same days.",
        )
    return common


def common_labels(runs: Sequence[JudgedRun], rows: Sequence[IntArray]) -> IntArray:
    """Return the classes of the common samples, or raise `ConflictError` where runs disagree."""
    y = runs[0].evidence.y[rows[0]]
    for run, at in zip(runs[1:], rows[1:], strict=True):
        differ = int((run.evidence.y[at] != y).sum())
        if differ:
            raise ConflictError(
                f"{runs[0].name} and {run.name} disagree on the label of {differ:,} of {len(y):,} "
                f"common samples (of all judged: {runs[0].classes}; {run.classes}).",
                code="COMPARE-OtherLabels",
                field="training.date_range",
                suggestion="Train both over the same days: some labels depend on where bars begin.",
            )
    return y


def coarsest_events(runs: Sequence[JudgedRun], rows: Sequence[IntArray]) -> IntArray:
    """Return the events of the run that counts fewest; other first bars may group otherwise."""
    events = [run.evidence.event[at] for run, at in zip(runs, rows, strict=True)]
    return min(events, key=count_events)


def day(time_ns: Any) -> str:
    """Return the UTC day of a time in nanoseconds."""
    return str(np.datetime64(int(time_ns), "ns").astype("datetime64[D]"))
