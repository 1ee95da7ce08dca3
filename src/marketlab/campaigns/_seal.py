"""Opens the sealed test part of one run: once, on the record.

The opening is written into the ledger before anything is scored, so a look that is interrupted
counts too. Other runs may have looked at the same market days, or may have been judged on them:
they are found by time and count as trials, and a part of which openings showed more than half is
opened only if asked for again.
"""

import json
import math
from typing import Any

from marketlab.campaigns._evidence import collect_evidence
from marketlab.campaigns._experiment import experiment_of
from marketlab.campaigns._ledger import Ledger, Opening
from marketlab.campaigns._looks import Stretch, market_of, stretch_of
from marketlab.campaigns._looks_before import looks_before
from marketlab.campaigns._null import OBSERVED, Family
from marketlab.campaigns._prepare import Prepared, prepare, select_bars
from marketlab.campaigns._resolve import Experiment
from marketlab.campaigns._trials import judged_before
from marketlab.campaigns._verdicts import family_evidence, null_matrices
from marketlab.campaigns._workspace import Workspace
from marketlab.core import (
    ConflictError,
    FloatArray,
    IntegrityError,
    check_at_least,
    finite_or_none,
    write_json,
)
from marketlab.data import BarFrame
from marketlab.evaluation import MAX_NULL_P, Verdict, max_statistic_p_values
from marketlab.features import Standardizer
from marketlab.models import MLPForecaster

_SURROGATES = 99


def open_seal(
    workspace: Workspace,
    ledger: Ledger,
    run_id: str,
    *,
    reason: str,
    surrogates: int | None = None,
    again: bool = False,
) -> dict[str, Any]:
    """Judge a run on its test part and record that it was looked at.

    The p-value counts the openings, by any run, whose test part overlaps this one in time (this
    one included), and the other experiments that were judged on these days in their validation or
    walk-forward part: validation has chosen among many designs, these days have seen only those.

    Parameters
    ----------
    reason : kept in the ledger.
    surrogates : how many, at least 1; without it 99, or more where so many openings overlap that
        99 could not reach p = 0.05.
    again : look although more than half of the test part's time was looked at before.

    Returns
    -------
    JSON-ready: run_id, opening (its number), looked_at, seen_before, verdict, test_metrics.

    Raises
    ------
    ConflictError if the run did not complete (RUN-NotCompleted), has no test part
    (RUN-NoTestPart), or most of it was seen before (RUN-TestPartSeen); NotFoundError if it is
    unknown; IntegrityError if its model cannot be read. Nothing is recorded then.
    """
    if surrogates is not None:
        check_at_least("surrogates", surrogates, 1)
    run = ledger.run(run_id)
    if run["status"] != "completed":
        raise ConflictError(
            f"the run is {run['status']}; only a completed run can be evaluated.",
            code="RUN-NotCompleted",
            field="status",
            value=run["status"],
        )
    operation = ledger.operation(run["operation_id"])
    experiment = experiment_of(operation["request"])
    bars = workspace.catalog.load(experiment.dataset_id)
    prepared = prepare(experiment.strategy, select_bars(bars, experiment.strategy))
    stretch = _test_stretch(run_id, prepared, bars)
    forecaster, scaler = _load_model(workspace, run_id, experiment)
    opening = ledger.record_test_opening(
        run_id,
        reason=reason,
        result=None,
        stretch=stretch,
        judged=judged_before(workspace, ledger, run, stretch),
        again=again,
    )
    probabilities = forecaster.predict(prepared.x("test", scaler))
    verdict = _judge_test(
        experiment,
        prepared,
        probabilities,
        opening,
        surrogates=surrogates,
        exclusions=(run["verdict"] or {}).get("exclusions", []),
    )
    notes = (*verdict.notes, opening.seen.sentence, *looks_before(workspace, ledger, run))
    verdict = verdict.model_copy(update={"notes": notes})
    return _keep(workspace, ledger, operation, opening, stretch, verdict, reason=reason)


def record_look(
    ledger: Ledger, run_id: str, bars: BarFrame, *, first: int, reason: str
) -> dict[str, Any]:
    """Record that bars from position `first` to the end are shown to somebody, for a run's sake.

    A replay of a promoted model shows its held-out bars: that is an opening like any other, and is
    never refused.

    Returns
    -------
    JSON-ready: opening (its number among those of the run), looked_at, seen_before.
    """
    stretch = stretch_of(bars, first, bars.n_bars - 1)
    opening = ledger.record_test_opening(run_id, reason=reason, result=None, stretch=stretch)
    return {
        "opening": opening.number,
        "looked_at": stretch.to_columns(),
        "seen_before": opening.seen.to_mapping(),
    }


def _test_stretch(run_id: str, prepared: Prepared, bars: BarFrame) -> Stretch:
    """Return the bars of the test part, from its first sample to the last bar its labels read."""
    positions = prepared.fold.test
    if not len(positions):
        raise ConflictError(
            f"the test part of {run_id} is empty, so there is nothing to open.",
            code="RUN-NoTestPart",
            field="training.data_split",
            suggestion="Run the strategy again with a split that leaves a test part: a larger test"
            " share, later test days, or sealed_share above 0 for walk_forward.",
        )
    first = int(prepared.samples.bar[positions[0]])
    last = int(prepared.labels.end[positions].max())
    return stretch_of(prepared.bars, first, last, market=market_of(bars))


def _judge_test(
    experiment: Experiment,
    prepared: Prepared,
    probabilities: FloatArray,
    opening: Opening,
    *,
    surrogates: int | None,
    exclusions: list[str],
) -> Verdict:
    strategy, n_trials = experiment.strategy, opening.n_trials
    evidence = collect_evidence(
        strategy,
        prepared,
        probabilities,
        seed=experiment.seed,
        degenerate=[],
        exclusions=exclusions,
        part="test",
    )
    family = Family(prepared.bars, [strategy], judged_part="test")
    count = surrogates or max(_SURROGATES, math.ceil(n_trials / MAX_NULL_P) - 1)
    rows = {
        str(index): [finite_or_none(v) for v in family.statistics(index, seed=experiment.seed)]
        for index in range(OBSERVED, count + 1)
    }
    null = family_evidence(max_statistic_p_values(*null_matrices(rows)), 0, family.null)
    return evidence.verdict(null=null, n_trials=n_trials, n_test_openings=opening.number)


def _keep(
    workspace: Workspace,
    ledger: Ledger,
    operation: dict[str, Any],
    opening: Opening,
    stretch: Stretch,
    verdict: Verdict,
    *,
    reason: str,
) -> dict[str, Any]:
    """Write the result where people and programs look for it and return it."""
    seen = opening.seen.to_mapping()
    metrics = {**_test_metrics(verdict, opening.number), "seen_before": seen["sentence"]}
    result = {
        "run_id": operation["run_id"],
        "opening": opening.number,
        "reason": reason,
        "looked_at": stretch.to_columns(),
        "seen_before": seen,
        "verdict": verdict.to_mapping(),
        "test_metrics": metrics,
    }
    folder = workspace.run_folder(operation["run_id"])
    write_json(folder / f"test_evaluation_{opening.number}.json", result)
    _fill_test_keys(folder / "detailed_metrics.json", metrics)
    summary = {**operation["result_summary"], "test_metrics": metrics}
    ledger.update_operation(operation["operation_id"], result_summary=summary)
    return result


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
