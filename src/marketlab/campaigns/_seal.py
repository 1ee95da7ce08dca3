"""Opens the sealed test part of one run: once, on the record.

The opening is written into the ledger before anything is read, so a look that is interrupted
counts too. A second opening is possible and is reported beside every later result.
"""

import json
from typing import Any

from marketlab.campaigns._evidence import collect_evidence
from marketlab.campaigns._experiment import experiment_of
from marketlab.campaigns._ledger import Ledger
from marketlab.campaigns._null import OBSERVED, Family
from marketlab.campaigns._prepare import prepare, select_bars
from marketlab.campaigns._verdicts import linear_evidence, null_matrices
from marketlab.campaigns._workspace import Workspace
from marketlab.core import ConflictError, IntegrityError, finite_or_none, write_json
from marketlab.evaluation import Verdict, max_statistic_p_values
from marketlab.features import Standardizer
from marketlab.models import MLPForecaster


def open_seal(
    workspace: Workspace, ledger: Ledger, run_id: str, *, reason: str, surrogates: int = 99
) -> dict[str, Any]:
    """Judge a run on its test part and record that it was looked at.

    The p-value counts the runs whose test part was opened on the same data (this one included):
    validation has chosen among many designs, but the test part has seen only those.

    Returns
    -------
    JSON-ready: run_id, opening (its number), verdict, test_metrics.

    Raises
    ------
    ConflictError if the run did not complete; NotFoundError if it is unknown; IntegrityError if
    its model cannot be read.
    """
    run = ledger.run(run_id)
    if run["status"] != "completed":
        raise ConflictError(
            f"the run is {run['status']}; only a completed run can be evaluated.",
            code="RUN-NotCompleted",
            field="status",
            value=run["status"],
        )
    opening = ledger.record_test_opening(run_id, reason=reason, result=None)
    operation = ledger.operation(run["operation_id"])
    verdict = _judge_test(
        workspace,
        operation["request"],
        run_id,
        surrogates=surrogates,
        n_trials=ledger.count_opened_runs(run["dataset_id"]),
        exclusions=(run["verdict"] or {}).get("exclusions", []),
        opening=opening,
    )
    metrics = _test_metrics(verdict, opening)
    result = {
        "run_id": run_id,
        "opening": opening,
        "reason": reason,
        "verdict": verdict.to_mapping(),
        "test_metrics": metrics,
    }
    folder = workspace.run_folder(run_id)
    write_json(folder / f"test_evaluation_{opening}.json", result)
    _fill_test_keys(folder / "detailed_metrics.json", metrics)
    summary = {**operation["result_summary"], "test_metrics": metrics}
    ledger.update_operation(run["operation_id"], result_summary=summary)
    return result


def _judge_test(
    workspace: Workspace,
    request: dict[str, Any],
    run_id: str,
    *,
    surrogates: int,
    n_trials: int,
    exclusions: list[str],
    opening: int,
) -> Verdict:
    experiment = experiment_of(request)
    strategy = experiment.strategy
    bars = workspace.catalog.load(experiment.dataset_id)
    prepared = prepare(strategy, select_bars(bars, strategy))
    forecaster, scaler = _load_model(workspace, run_id, experiment)
    evidence = collect_evidence(
        strategy,
        prepared,
        forecaster.predict(prepared.x("test", scaler)),
        seed=experiment.seed,
        degenerate=[] if len(prepared.rows("test")) else ["the test part is empty after purging"],
        exclusions=exclusions,
        part="test",
    )
    family = Family(prepared.bars, [strategy], judged_part="test")
    rows = {
        str(index): [finite_or_none(v) for v in family.statistics(index, seed=experiment.seed)]
        for index in range(OBSERVED, surrogates + 1)
    }
    null = linear_evidence(max_statistic_p_values(*null_matrices(rows)), 0)
    return evidence.verdict(null=null, n_trials=n_trials, n_test_openings=opening)


def _load_model(
    workspace: Workspace, run_id: str, experiment: Any
) -> tuple[MLPForecaster, Standardizer | None]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = workspace.run_folder(run_id) / "model"
    try:
        stored = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        weights = load_file(folder / "weights.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise IntegrityError(
            f"the model of {run_id} cannot be read: {error}.",
            code="STORAGE-Corrupt",
            suggestion="Run the strategy again.",
        ) from error
    scaler = stored["standardizer"]
    return (
        MLPForecaster(weights, experiment.strategy.model.architecture),
        None if scaler is None else Standardizer.from_dict(scaler),
    )


def _test_metrics(verdict: Verdict, opening: int) -> dict[str, Any]:
    """Return the documented keys (weighted averages), and which opening they come from."""
    scores = verdict.scores
    total = sum(scores.supports.values())
    averages: dict[str, float | None] = dict.fromkeys(("precision", "recall", "f1_score"))
    if total:
        for key, attribute in (
            ("precision", "precision"),
            ("recall", "recall"),
            ("f1_score", "f1"),
        ):
            averages[key] = (
                sum(
                    scores.supports[name] * getattr(each, attribute)
                    for name, each in scores.classes.items()
                )
                / total
            )
    return {
        "test_loss": scores.log_loss,
        "test_accuracy": scores.accuracy,
        **averages,
        "opening": opening,
        "outcome": verdict.outcome,
    }


def _fill_test_keys(path: Any, metrics: dict[str, Any]) -> None:
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["test_metrics"] = metrics
    write_json(path, stored)
