"""The results of one run, of a campaign or of its own, in the shape that all reports read."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from marketlab.campaigns._collect import (
    campaign_results,
    load_all_evidence,
    run_result,
    with_evidence,
)
from marketlab.campaigns._experiment import experiment_of
from marketlab.campaigns._ledger import Ledger
from marketlab.campaigns._null_config import NullConfig
from marketlab.campaigns._operations import duration_seconds
from marketlab.campaigns._plan import dataset_facts
from marketlab.campaigns._report_luck import luck_of
from marketlab.campaigns._results import CampaignResults
from marketlab.campaigns._trials import count_trials
from marketlab.campaigns._verdicts import null_summary
from marketlab.campaigns._workspace import Workspace
from marketlab.core import NotFoundError, did_you_mean, environment, read_json

Kind = Literal["run", "campaign"]


def report_results(
    workspace: Workspace, ledger: Ledger, reference: str
) -> tuple[CampaignResults, Kind]:
    """Return what a reference means, a whole campaign or one run, and which of them it is.

    Looked for in this order: the id of a campaign, of a run, of an operation; a strategy of the
    newest campaign; the newest run of a strategy; the newest campaign of that name.

    Raises
    ------
    NotFoundError (REPORT-NotFound) if it is none of them.
    """
    campaigns = ledger.list_campaigns()
    if reference in [row["campaign_id"] for row in campaigns]:
        return campaign_results(workspace, ledger, reference), "campaign"
    operations, _ = ledger.list_operations(operation_type="training")
    row = _named(operations, campaigns, reference)
    if row is not None:
        return run_results(workspace, ledger, row), "run"
    named = [c["campaign_id"] for c in campaigns if c["name"] == reference]
    if named:
        return campaign_results(workspace, ledger, named[-1]), "campaign"
    known = [str(o["strategy_name"]) for o in operations] + [c["campaign_id"] for c in campaigns]
    raise NotFoundError(
        f"there is no run, operation, strategy or campaign {reference!r} to report on.",
        code="REPORT-NotFound",
        field="reference",
        value=reference,
        suggestion=did_you_mean(reference, list(dict.fromkeys(known[-60:])))
        or "Train something first: `marketlab train` or `marketlab campaign run`.",
    )


def _named(
    operations: Sequence[dict[str, Any]], campaigns: Sequence[dict[str, Any]], reference: str
) -> dict[str, Any] | None:
    """Return the operation that is meant, the last of those that fit."""
    exact = [o for o in operations if reference in (o["run_id"], o["operation_id"])]
    if exact:
        return exact[-1]
    mine = [o for o in operations if o["strategy_name"] == reference]
    newest = campaigns[-1]["campaign_id"] if campaigns else None
    inside = [o for o in mine if o["request"].get("campaign_id") == newest] if newest else []
    found = inside or mine
    return found[-1] if found else None


def run_results(workspace: Workspace, ledger: Ledger, operation: dict[str, Any]) -> CampaignResults:
    """Return the results of one training operation: `CampaignResults` that hold one run.

    A run of a campaign keeps the campaign's null and luck. Any other stands alone: its own run id
    (operation id before it has one) is the ``campaign_id``, its null that of the run.
    """
    campaign_id = operation["request"].get("campaign_id")
    if campaign_id:
        whole = campaign_results(workspace, ledger, campaign_id)
        mine = [r for r in whole.runs if r.operation_id == operation["operation_id"]]
        if mine:  # an attempt that was replaced by a retry is none of the campaign's runs
            return replace(
                whole,
                runs=tuple(mine),
                test_openings=mine[0].n_test_openings,
                seen_by_others=mine[0].seen_by_others,
            )
    return _alone(workspace, ledger, operation)


def _alone(workspace: Workspace, ledger: Ledger, operation: dict[str, Any]) -> CampaignResults:
    experiment = experiment_of(operation["request"])
    name, run_id = str(operation["strategy_name"]), operation["run_id"]
    recorded = {row["run_id"]: row for row in ledger.list_runs()}
    bars = workspace.catalog.load(experiment.dataset_id)
    runs = [run_result(name, experiment, operation, recorded.get(run_id or ""))]
    evidence = load_all_evidence(workspace, runs)
    runs = with_evidence(workspace, ledger, runs, evidence, bars)
    others = runs[0].seen_by_others
    null = _own_null(workspace, run_id, name)
    return CampaignResults(
        campaign_id=run_id or operation["operation_id"],
        name=name,
        description=experiment.strategy.description,
        status=operation["status"],
        compatibility=None,
        config=experiment.strategy.to_mapping(),
        dataset=dataset_facts(bars),
        seed=experiment.seed,
        created_at=operation["created_at"],
        finished_at=operation["completed_at"],
        duration_seconds=duration_seconds(operation),
        runs=tuple(runs),
        null=null,
        environment=environment(),
        test_openings=runs[0].n_test_openings,
        seen_by_others=others,
        luck=luck_of(
            runs,
            evidence,
            bars,
            null=null,
            n_trials=count_trials(workspace, ledger, bars.dataset_id, [run.splits for run in runs]),
            n_other_openings=0 if others is None else len(others.openings),
            seed=experiment.seed,
        ),
    )


def _own_null(workspace: Workspace, run_id: str | None, name: str) -> dict[str, Any] | None:
    """Return the null that a run scored for itself, None if it has none."""
    path = workspace.run_folder(run_id) / "outcome.json" if run_id else None
    rows = read_json(path).get("null_rows") if path is not None and path.is_file() else None
    return null_summary(rows, [name], NullConfig()) if rows else None
