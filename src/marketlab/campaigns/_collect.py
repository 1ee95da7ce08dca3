"""Collects a campaign's results from the ledger and the runs' folders."""

import contextlib
from datetime import datetime
from typing import Any

import numpy as np

from marketlab.campaigns._campaign_config import CampaignConfig
from marketlab.campaigns._evidence import Evidence, label_text, load_evidence
from marketlab.campaigns._experiment import experiment_of
from marketlab.campaigns._ledger import Ledger
from marketlab.campaigns._null_file import read_null
from marketlab.campaigns._operations import duration_seconds
from marketlab.campaigns._plan import dataset_facts
from marketlab.campaigns._resolve import ensure_bars, resolve_experiment
from marketlab.campaigns._results import CampaignResults, RunResult
from marketlab.campaigns._verdicts import duplicate_owners, null_summary
from marketlab.campaigns._workspace import Workspace
from marketlab.core import IntegrityError, MarketLabError, environment, from_mapping
from marketlab.data import BarFrame
from marketlab.evaluation import even_odds_baseline, log_loss_skill, majority_baseline


def campaign_results(workspace: Workspace, ledger: Ledger, campaign_id: str) -> CampaignResults:
    """Return a campaign as it stands, finished or not."""
    row = ledger.campaign(campaign_id)
    config = from_mapping(CampaignConfig, row["config"], source=campaign_id)
    operations = _operations(ledger, campaign_id)
    recorded = {run["run_id"]: run for run in ledger.list_runs(campaign_id=campaign_id)}
    bars = _bars(workspace, config, recorded)
    runs = [
        _run_result(workspace, config, bars, name, operations.get(name), recorded)
        for name in config.strategies.names
    ]
    completed = {run.strategy: run.design_id for run in runs if run.status == "completed"}
    repeated = duplicate_owners(config.strategies.names, completed)
    runs = [_replace(run, duplicate_of=repeated.get(run.strategy)) for run in runs]
    null = read_null(workspace, campaign_id)
    complete = len(null["rows"]) == config.null.surrogates + 1
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
        runs=tuple(_with_common_skill(workspace, runs)),
        null=null_summary(null["rows"], null["names"]) if complete else None,
        test_openings=sum(len(ledger.test_openings(run_id)) for run_id in recorded),
        environment=environment(),
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


def _run_result(
    workspace: Workspace,
    config: CampaignConfig,
    bars: BarFrame,
    name: str,
    operation: dict[str, Any] | None,
    recorded: dict[str, dict[str, Any]],
) -> RunResult:
    description, label = "", ""
    blocks: tuple[str, ...] = ()
    config_id = design_id = ""
    with contextlib.suppress(MarketLabError):  # a strategy that cannot be read has no facts
        experiment = (
            experiment_of(operation["request"])  # as it ran, whatever its file says by now
            if operation is not None
            else resolve_experiment(workspace, config, name, bars)
        )
        strategy = experiment.strategy
        description, label = strategy.description, label_text(strategy)
        blocks = tuple(strategy.fuzzy_sets)
        config_id, design_id = experiment.config_id, experiment.design_id
    if operation is None:
        operation = {
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
    summary = operation["result_summary"] or {}
    metrics = summary.get("training_metrics", {})
    recorded_run = recorded.get(operation["run_id"] or "")
    return RunResult(
        strategy=name,
        description=description,
        blocks=blocks,
        operation_id=operation["operation_id"],
        run_id=operation["run_id"],
        status=operation["status"],
        started_at=operation["started_at"],
        duration_seconds=duration_seconds(operation),
        attempt=operation["attempt"],
        error=operation["error_message"],
        error_code=operation["error_code"],
        failure_class=operation["failure_class"],
        warnings=_texts(operation["warnings"]),
        config_id=config_id,
        design_id=design_id,
        duplicate_of=None,
        n_features=summary.get("data_summary", {}).get("feature_count"),
        parameters=summary.get("model_info", {}).get("parameters_count"),
        label=label,
        epochs=metrics.get("epochs_trained"),
        best_epoch=metrics.get("best_epoch"),
        stopped_early=summary.get("stopped_early"),
        splits=summary.get("splits"),
        verdict=recorded_run["verdict"] if recorded_run else None,
        history=metrics.get("history", {}),
    )


def _texts(warnings: list[Any] | None) -> tuple[str, ...]:
    return tuple(w if isinstance(w, str) else w["message"] for w in warnings or ())


def _replace(run: RunResult, **changes: Any) -> RunResult:
    return RunResult(**{**run.__dict__, **changes})


def _with_common_skill(workspace: Workspace, runs: list[RunResult]) -> list[RunResult]:
    """Score comparable runs (same label) on the validation rows that all of them share."""
    evidence: dict[str, Evidence] = {}
    for run in runs:
        if run.status == "completed" and run.run_id:
            with contextlib.suppress(IntegrityError):
                evidence[run.strategy] = load_evidence(workspace.run_folder(run.run_id))
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
    return [
        _replace(run, common_skill=skills[run.strategy]) if run.strategy in skills else run
        for run in runs
    ]


def _skill_on(evidence: Evidence, bars: Any) -> float:
    rows = np.isin(evidence.bar, bars)
    y = evidence.y[rows]
    baselines = {
        "majority": majority_baseline(evidence.train_counts, len(y)),
        "even_odds": even_odds_baseline(evidence.train_counts, len(y)),
        "causal state": evidence.state[rows],
    }
    return log_loss_skill(y, evidence.probabilities[rows], baselines)
