"""Judges the runs of a campaign once the family's null is complete."""

from typing import Any

import numpy as np

from marketlab.campaigns._evidence import load_evidence
from marketlab.campaigns._ledger import Ledger
from marketlab.campaigns._null import OBSERVED, STATISTIC
from marketlab.campaigns._null_file import read_null
from marketlab.campaigns._workspace import Workspace
from marketlab.core import FloatArray, finite_or_none, write_json
from marketlab.evaluation import (
    MaxStatisticResult,
    NullEvidence,
    max_statistic_p_values,
    null_evidence,
)

DESCRIPTION = (
    "sign-flipped surrogate bars through the same features, labels and split; a linear model "
    "refitted on each, against the same linear model on the real bars"
)


def null_matrices(rows: dict[str, list[float | None]]) -> tuple[FloatArray, FloatArray]:
    """Return observed (S,) and null (B, S) statistics from the stored rows; None becomes NaN."""
    order = sorted(int(index) for index in rows)
    table = np.array(
        [[np.nan if v is None else v for v in rows[str(i)]] for i in order], dtype=np.float64
    )
    return table[order.index(OBSERVED)], np.delete(table, order.index(OBSERVED), axis=0)


def linear_evidence(result: MaxStatisticResult, position: int) -> NullEvidence:
    """Return what the judge takes in for the strategy at `position` of the family."""
    return null_evidence(
        result,
        position,
        same_procedure=True,
        description=DESCRIPTION,
        model="linear against linear",
    )


def null_summary(rows: dict[str, list[float | None]], names: list[str]) -> dict[str, Any]:
    """Return the family's null as the report shows it, JSON-ready."""
    observed, null = null_matrices(rows)
    result = max_statistic_p_values(observed, null)

    def plain(values: FloatArray) -> list[float | None]:
        return [finite_or_none(v) for v in values]

    return {
        "n_surrogates": len(null),
        "statistic": STATISTIC,
        "names": names,
        "observed": plain(observed),
        "null": [plain(row) for row in null],
        "p_adjusted": plain(result.p_adjusted),
        "p_single": plain(result.p_single),
        "standardised": plain(result.standardised),
        "monte_carlo_error": plain(result.monte_carlo_error),
    }


def judge_campaign(workspace: Workspace, ledger: Ledger, campaign_id: str) -> None:
    """Write the verdict of every completed run into its folder and into the ledger.

    A design that stands twice is judged twice, and the later one is excluded from the evidence.
    """
    null = read_null(workspace, campaign_id)
    observed, surrogates = null_matrices(null["rows"])
    result = max_statistic_p_values(observed, surrogates)
    positions = {name: i for i, name in enumerate(null["names"])}
    seen: dict[str, str] = {}
    for run in ledger.list_runs(campaign_id=campaign_id):
        if run["status"] != "completed":
            continue
        name = ledger.operation(run["operation_id"])["strategy_name"]
        owner = seen.setdefault(run["design_id"], name)
        exclusions = () if owner == name else (f"the same design as {owner}, in another order",)
        evidence = load_evidence(workspace.run_folder(run["run_id"]))
        verdict = evidence.verdict(
            null=linear_evidence(result, positions[name]),
            n_trials=ledger.count_trials(run["dataset_id"]),
            exclusions=exclusions,
        ).to_mapping()
        write_json(workspace.run_folder(run["run_id"]) / "verdict.json", verdict)
        ledger.set_verdict(run["run_id"], verdict)
