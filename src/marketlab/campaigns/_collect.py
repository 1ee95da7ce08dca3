"""Collects the results of a campaign, or of one run, from the ledger and the runs' folders."""

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from marketlab.campaigns._campaign_config import CampaignConfig
from marketlab.campaigns._evidence import Evidence, label_text, load_evidence
from marketlab.campaigns._experiment import experiment_of
from marketlab.campaigns._ledger import Ledger
from marketlab.campaigns._looks import Seen
from marketlab.campaigns._looks_before import SEALED_NOTE, seen_by_others, test_part_text
from marketlab.campaigns._null_file import read_null
from marketlab.campaigns._operations import duration_seconds
from marketlab.campaigns._plan import dataset_facts
from marketlab.campaigns._report_detail import run_detail
from marketlab.campaigns._report_luck import luck_of
from marketlab.campaigns._resolve import Experiment, ensure_bars, resolve_experiment
from marketlab.campaigns._results import CampaignResults, RunResult
from marketlab.campaigns._trials import count_trials
from marketlab.campaigns._verdicts import duplicate_owners, null_summary
from marketlab.campaigns._workspace import Workspace
from marketlab.core import (
    IntArray,
    IntegrityError,
    MarketLabError,
    environment,
    from_mapping,
    read_json,
)
from marketlab.data import BarFrame
from marketlab.evaluation import log_loss_skill


def campaign_results(workspace: Workspace, ledger: Ledger, campaign_id: str) -> CampaignResults:
    """Return a campaign as it stands, finished or not."""
    row = ledger.campaign(campaign_id)
    config = from_mapping(CampaignConfig, row["config"], source=campaign_id)
    operations = _operations(ledger, campaign_id)
    recorded = {run["run_id"]: run for run in ledger.list_runs(campaign_id=campaign_id)}
    bars = _bars(workspace, config, recorded)
    runs = [
        _campaign_run(workspace, config, bars, name, operations.get(name), recorded)
        for name in config.strategies.names
    ]
    completed = {run.strategy: run.design_id for run in runs if run.status == "completed"}
    repeated = duplicate_owners(config.strategies.names, completed)
    runs = [replace(run, duplicate_of=repeated.get(run.strategy)) for run in runs]
    evidence = load_all_evidence(workspace, runs)
    runs = with_common_skill(runs, evidence)
    runs = with_evidence(workspace, ledger, runs, evidence, bars)
    others = _seen_elsewhere(ledger, bars, runs, recorded)
    stored = read_null(workspace, campaign_id)
    complete = len(stored["rows"]) == config.null.surrogates + 1
    null = null_summary(stored["rows"], stored["names"], config.null) if complete else None
    return CampaignResults(
        campaign_id=campaign_id,
        name=config.name,
        description=config.description,
        status=row["status"],
        compatibility=config.compatibility,
        config=row["config"],
        dataset=dataset_facts(bars),
        seed=config.seed,
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        duration_seconds=_seconds(row),
        runs=tuple(runs),
        null=null,
        test_openings=sum(len(ledger.test_openings(run_id)) for run_id in recorded),
        seen_by_others=others,
        environment=environment(),
        luck=luck_of(
            runs,
            evidence,
            bars,
            null=null,
            n_trials=count_trials(workspace, ledger, bars.dataset_id, [run.splits for run in runs]),
            n_other_openings=0 if others is None else len(others.openings),
            seed=config.seed,
        ),
    )


def _operations(ledger: Ledger, campaign_id: str) -> dict[str, dict[str, Any]]:
    rows, _ = ledger.list_operations(operation_type="training")
    mine = [r for r in rows if r["request"].get("campaign_id") == campaign_id]
    return {row["strategy_name"]: row for row in mine}  # the latest attempt stands


def _bars(
    workspace: Workspace, config: CampaignConfig, recorded: dict[str, dict[str, Any]]
) -> BarFrame:
    for run in recorded.values():
        return workspace.catalog.load(run["dataset_id"])
    return ensure_bars(workspace, config.data)


def _seconds(row: dict[str, Any]) -> float | None:
    if not row["finished_at"]:
        return None
    began = datetime.fromisoformat(row["created_at"])
    return (datetime.fromisoformat(row["finished_at"]) - began).total_seconds()


def _campaign_run(
    workspace: Workspace,
    config: CampaignConfig,
    bars: BarFrame,
    name: str,
    operation: dict[str, Any] | None,
    recorded: Mapping[str, dict[str, Any]],
) -> RunResult:
    experiment = None
    with contextlib.suppress(MarketLabError):  # a strategy that cannot be read has no facts
        experiment = (
            experiment_of(operation["request"])  # as it ran, whatever its file says by now
            if operation is not None
            else resolve_experiment(workspace, config, name, bars)
        )
    operation = operation or _NOT_STARTED
    return run_result(name, experiment, operation, recorded.get(operation["run_id"] or ""))


_NOT_STARTED: dict[str, Any] = {
    "operation_id": "-",
    "run_id": None,
    "status": "pending",
    "attempt": 0,
    "started_at": None,
    "completed_at": None,
    "error_message": None,
    "error_code": None,
    "failure_class": None,
    "warnings": [],
    "result_summary": None,
}


def run_result(
    name: str,
    experiment: Experiment | None,
    operation: Mapping[str, Any],
    recorded_run: Mapping[str, Any] | None,
) -> RunResult:
    """Return one run from its rows of the ledger, without what its evidence says.

    Parameters
    ----------
    experiment : as it ran; None if it cannot be read. recorded_run : None if it did not complete.
    """
    strategy = None if experiment is None else experiment.strategy
    summary = operation["result_summary"] or {}
    metrics = summary.get("training_metrics", {})
    return RunResult(
        strategy=name,
        description="" if strategy is None else strategy.description,
        blocks=() if strategy is None else tuple(strategy.fuzzy_sets),
        operation_id=operation["operation_id"],
        run_id=operation["run_id"],
        status=operation["status"],
        started_at=operation["started_at"],
        duration_seconds=duration_seconds(dict(operation)),
        attempt=operation["attempt"],
        error=operation["error_message"],
        error_code=operation["error_code"],
        failure_class=operation["failure_class"],
        warnings=_texts(operation["warnings"]),
        config_id="" if experiment is None else experiment.config_id,
        design_id="" if experiment is None else experiment.design_id,
        duplicate_of=None,
        n_features=summary.get("data_summary", {}).get("feature_count"),
        parameters=summary.get("model_info", {}).get("parameters_count"),
        label="" if strategy is None else label_text(strategy),
        epochs=metrics.get("epochs_trained"),
        best_epoch=metrics.get("best_epoch"),
        stopped_early=summary.get("stopped_early"),
        splits=summary.get("splits"),
        verdict=recorded_run["verdict"] if recorded_run else None,
        history=metrics.get("history", {}),
    )


def _texts(warnings: list[Any] | None) -> tuple[str, ...]:
    return tuple(w if isinstance(w, str) else w["message"] for w in warnings or ())


# -- what the evidence says -----------------------------------------------------------------------


def load_all_evidence(workspace: Workspace, runs: Sequence[RunResult]) -> dict[str, Evidence]:
    """Return the evidence of every completed run, by strategy; unreadable files are left out."""
    found: dict[str, Evidence] = {}
    for run in runs:
        if run.status == "completed" and run.run_id:
            with contextlib.suppress(IntegrityError):  # `campaign verify` names the file
                found[run.strategy] = load_evidence(workspace.run_folder(run.run_id))
    return found


def with_evidence(
    workspace: Workspace,
    ledger: Ledger,
    runs: Sequence[RunResult],
    evidence: Mapping[str, Evidence],
    bars: BarFrame,
) -> list[RunResult]:
    """Return the runs with `detail` and who saw their test parts; `bars` is the whole series."""
    return [
        _with_looks(
            workspace,
            ledger,
            replace(
                run,
                detail=run_detail(evidence[run.strategy], run.verdict, bars.time_ns)
                if run.strategy in evidence
                else None,
            ),
            bars,
        )
        for run in runs
    ]


def _with_looks(workspace: Workspace, ledger: Ledger, run: RunResult, bars: BarFrame) -> RunResult:
    """Return a run with the looks at its test part, those since its verdict included."""
    if not run.run_id:
        return run
    openings = _openings(workspace, ledger, run.run_id)
    seen = seen_by_others(ledger, bars, (run.run_id,), run.splits)
    verdict = run.verdict
    if verdict is not None:
        now = test_part_text(len(openings), seen)
        notes = [note.replace(SEALED_NOTE, now) for note in verdict["notes"]]
        verdict = {**verdict, "notes": notes}
    return replace(run, openings=openings, seen_by_others=seen, verdict=verdict)


def _seen_elsewhere(
    ledger: Ledger, bars: BarFrame, runs: Sequence[RunResult], recorded: Collection[str]
) -> Seen | None:
    """Return the openings, by runs outside of a campaign, of days of its test parts."""
    found = [seen_by_others(ledger, bars, recorded, run.splits) for run in runs]
    seen = [each for each in found if each is not None]
    if not seen:
        return None
    rows = {row["id"]: row for each in seen for row in each.openings}
    openings = tuple(rows[key] for key in sorted(rows))
    return Seen(openings, max(each.share for each in seen))


def _openings(workspace: Workspace, ledger: Ledger, run_id: str) -> tuple[dict[str, Any], ...]:
    out = []
    for number, row in enumerate(ledger.test_openings(run_id), start=1):
        path = workspace.run_folder(run_id) / f"test_evaluation_{number}.json"
        result = read_json(path) if path.is_file() else {}  # none of a look that only replayed
        verdict = result.get("verdict") or {}
        out.append(
            {
                "opened_at": row["opened_at"],
                "reason": row["reason"],
                "outcome": verdict.get("outcome"),
                "sentence": verdict.get("sentence"),
                "seen_before": (result.get("seen_before") or {}).get("sentence"),
            }
        )
    return tuple(out)


def with_common_skill(
    runs: Sequence[RunResult], evidence: Mapping[str, Evidence]
) -> list[RunResult]:
    """Score comparable runs (same label) on the judged rows that all of them share."""
    skills: dict[str, float] = {}
    groups: dict[tuple[str, int], list[str]] = {}
    for run in runs:
        if run.strategy in evidence:  # positions mean the same bars only from the same first bar
            first = int(evidence[run.strategy].facts["first_time_ns"])
            groups.setdefault((run.label, first), []).append(run.strategy)
    for group in groups.values():
        if len(group) < 2:
            continue
        common = evidence[group[0]].bar
        for name in group[1:]:
            common = np.intersect1d(common, evidence[name].bar)
        for name in group if len(common) else ():
            skills[name] = _skill_on(evidence[name], common)
    return [replace(run, common_skill=skills.get(run.strategy)) for run in runs]


def _skill_on(evidence: Evidence, bars: IntArray) -> float:
    """Return the skill over the best of the baselines that decide."""
    rows = np.isin(evidence.bar, bars)
    return log_loss_skill(
        evidence.y[rows],
        evidence.probabilities[rows],
        {name: made[rows] for name, made in evidence.deciding().items()},
    )
