"""Judges runs: a campaign's when the family's null is complete, a single one when it ends."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from marketlab.campaigns._evidence import load_evidence
from marketlab.campaigns._ledger import Ledger
from marketlab.campaigns._looks_before import looks_before, test_note
from marketlab.campaigns._null import OBSERVED
from marketlab.campaigns._null_config import NullConfig
from marketlab.campaigns._null_file import read_null
from marketlab.campaigns._trials import count_trials
from marketlab.campaigns._workspace import Workspace
from marketlab.core import FloatArray, finite_or_none, write_json
from marketlab.evaluation import (
    MaxStatisticResult,
    NullEvidence,
    Verdict,
    max_statistic_p_values,
    null_evidence,
)


def null_matrices(rows: dict[str, list[float | None]]) -> tuple[FloatArray, FloatArray]:
    """Return observed (S,) and null (B, S) statistics from the stored rows; None becomes NaN."""
    order = sorted(int(index) for index in rows)
    table = np.array(
        [[np.nan if v is None else v for v in rows[str(i)]] for i in order], dtype=np.float64
    )
    return table[order.index(OBSERVED)], np.delete(table, order.index(OBSERVED), axis=0)


def family_evidence(
    result: MaxStatisticResult, position: int, null: NullConfig, *, distinct: int | None = None
) -> NullEvidence:
    """Return what the judge takes in for the strategy at `position` of the family.

    `distinct` is the number of different experiments in the family: copies under other names do
    not enlarge its share of the trials.
    """
    evidence = null_evidence(
        result,
        position,
        same_procedure=True,
        description=null.description,
        model=null.model,
        noise=null.noise,
    ).model_copy(
        update={
            "tests_direction": null.tests_direction,
            "chooses_epoch": null.statistic == "net",
        }
    )
    if distinct is None:
        return evidence
    return evidence.model_copy(update={"family_size": distinct})


def null_summary(
    rows: dict[str, list[float | None]], names: list[str], null: NullConfig
) -> dict[str, Any]:
    """Return the family's null as the report shows it, JSON-ready."""
    observed, drawn = null_matrices(rows)
    result = max_statistic_p_values(observed, drawn)

    def plain(values: FloatArray) -> list[float | None]:
        return [finite_or_none(v) for v in values]

    return {
        "n_surrogates": len(drawn),
        "statistic": null.statistic_text,
        "model": null.model,
        "surrogate": null.surrogate["kind"],
        "tests": null.surrogate_market().tests,
        "names": names,
        "observed": plain(observed),
        "null": [plain(row) for row in drawn],
        "p_adjusted": plain(result.p_adjusted),
        "p_single": plain(result.p_single),
        "standardised": plain(result.standardised),
        "monte_carlo_error": plain(result.monte_carlo_error),
    }


def duplicate_owners(names: Sequence[str], completed: Mapping[str, str]) -> dict[str, str]:
    """Return for each completed strategy that repeats a design the one that stands for it.

    Parameters
    ----------
    names : the family in file order; the first completed one of a design owns it.
    completed : design id of each completed strategy.
    """
    owners: dict[str, str] = {}
    repeated: dict[str, str] = {}
    for name in names:
        if name in completed:
            owner = owners.setdefault(completed[name], name)
            if owner != name:
                repeated[name] = owner
    return repeated


def judge_campaign(workspace: Workspace, ledger: Ledger, campaign_id: str) -> None:
    """Write the verdict of every completed run into its folder and into the ledger.

    A design that stands twice is judged twice; only the first completed one in file order counts.
    """
    null = read_null(workspace, campaign_id)
    config = NullConfig.from_mapping(ledger.campaign(campaign_id)["config"]["null"])
    result = max_statistic_p_values(*null_matrices(null["rows"]))
    recorded = ledger.list_runs(campaign_id=campaign_id)
    completed = [run for run in recorded if run["status"] == "completed"]
    operations = [ledger.operation(run["operation_id"]) for run in completed]
    runs = {o["strategy_name"]: run for o, run in zip(operations, completed, strict=True)}
    n_trials = _n_trials(workspace, ledger, completed, operations)
    repeated = duplicate_owners(null["names"], {n: r["design_id"] for n, r in runs.items()})
    distinct = len({run["config_id"] for run in recorded})
    for position, name in enumerate(null["names"]):
        if name not in runs:
            continue
        owner = repeated.get(name)
        verdict = load_evidence(workspace.run_folder(runs[name]["run_id"])).verdict(
            null=family_evidence(result, position, config, distinct=distinct),
            n_trials=n_trials,
            exclusions=() if owner is None else (f"the same design as {owner}, in another order",),
            test_note=test_note(workspace, ledger, runs[name]),
        )
        _keep(workspace, ledger, runs[name], verdict)


def judge_run(
    workspace: Workspace, ledger: Ledger, run_id: str, rows: dict[str, list[float | None]]
) -> dict[str, Any]:
    """Judge a run that belongs to no campaign by its own surrogates, with all trials so far.

    Returns outcome and sentence, as an operation's summary shows them.
    """
    run = ledger.run(run_id)
    null = family_evidence(max_statistic_p_values(*null_matrices(rows)), 0, NullConfig())
    verdict = load_evidence(workspace.run_folder(run_id)).verdict(
        null=null,
        n_trials=_n_trials(workspace, ledger, [run], [ledger.operation(run["operation_id"])]),
        test_note=test_note(workspace, ledger, run),
    )
    return _keep(workspace, ledger, run, verdict)


def _n_trials(
    workspace: Workspace,
    ledger: Ledger,
    runs: Sequence[Mapping[str, Any]],
    operations: Sequence[Mapping[str, Any]],
) -> int:
    """Return the trials on the days that runs of one data set were judged on, at least 1."""
    if not runs:
        return 1
    splits = [(row["result_summary"] or {}).get("splits") for row in operations]
    return count_trials(workspace, ledger, runs[0]["dataset_id"], splits)


def _keep(
    workspace: Workspace, ledger: Ledger, run: dict[str, Any], verdict: Verdict
) -> dict[str, Any]:
    """Write a verdict where people and programs look for it; return its short form."""
    notes = (*verdict.notes, *looks_before(workspace, ledger, run))
    verdict = verdict.model_copy(update={"notes": notes})
    mapping = verdict.to_mapping()
    write_json(workspace.run_folder(run["run_id"]) / "verdict.json", mapping)
    ledger.set_verdict(run["run_id"], mapping)
    short = {"outcome": verdict.outcome, "sentence": verdict.sentence}
    summary = ledger.operation(run["operation_id"])["result_summary"]
    if summary is not None:
        ledger.update_operation(run["operation_id"], result_summary={**summary, "verdict": short})
    return short
