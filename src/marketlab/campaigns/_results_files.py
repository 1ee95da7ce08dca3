"""A campaign's results for programs: flat records, CSV, JSON, and one line per run for scripts."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from marketlab.campaigns._diagnoses import diagnose_campaign
from marketlab.campaigns._findings import campaign_answer
from marketlab.campaigns._looks_before import seen_text, times
from marketlab.campaigns._results import CampaignResults
from marketlab.campaigns._run_facts import GROUPS, RunFacts, run_facts

LEGACY_NOTE = (
    "The old rule called a strategy good if its best validation accuracy exceeded 55 %, and a "
    "campaign worth going on with if more than 30 % of strategies were. On pure random walks 57 to "
    "100 % of runs exceed 55 % (72 % at a zigzag of 2.5 %), so the rule cannot tell skill from "
    "noise. It is kept as a column and decides nothing."
)


def sealed_note(results: CampaignResults) -> str:
    """Say what was seen of the test part: its size and labels always, its scores if opened."""
    one = len(results.runs) == 1
    parts = sorted({str(r.verdict["judged_part"]) for r in results.runs if r.verdict})
    figures = f"figure here comes from {' and '.join(parts) or 'validation'}."
    others = others_saw(results)
    if results.test_openings:
        runs = "" if one else " for runs of this campaign"
        return (
            f"The test part was opened {times(results.test_openings)}{runs}; what it showed stands "
            f"in `test_evaluation_*.json` of the run. Every other {figures}"
            f"{f' Besides, {others}.' if others else ''}"
        )
    if others:
        whom = "this run" if one else "any run of this campaign"
        return (
            f"The test part was not opened for {whom}, but {others}: whoever chose among designs "
            "since then may have known them, and opening it counts those looks as trials. "
            f"Every {figures}"
        )
    return (
        "The test part is sealed: of it only size, dates and label counts are shown, no score. "
        "`marketlab evaluate RUN --test` opens it, and the ledger counts every opening."
    )


def others_saw(results: CampaignResults) -> str:
    """Say how much of the runs' test parts other runs saw, as part of a sentence; may be empty."""
    if results.seen_by_others is None:
        return ""
    up_to = "" if len(results.runs) == 1 else "up to "
    return up_to + seen_text(results.seen_by_others)


def result_records(results: CampaignResults) -> list[dict[str, Any]]:
    """Return one flat record per strategy, grouped by declared blocks, for CSV and JSON.

    The keys are stable; new ones are added at the end. Accuracies are fractions of the judged part
    under the names that follow-up scripts read (``val_accuracy``). None where a run has no such
    figure.

    - what it is: group (single, combination, zigzag), strategy, blocks, label, status, duplicate_of
    - the verdict: verdict, sentence, rank, excluded_from_evidence, collapsed
    - the score, nats per sample over the best simple rule: skill, skill_low and skill_high (95 %),
      common_skill (on the rows all comparable runs share), minimum_detectable_skill (found with
      80 % probability); val_log_loss, best_baseline_log_loss
    - the null: null_p (for the family and all trials), null_p_error (Monte Carlo), null_p_single,
      n_surrogates
    - what it rests on: n_events, effective_events, n_samples, n_trials, n_test_openings,
      judged_part
    - accuracies, which never decide: val_accuracy with val_accuracy_low and val_accuracy_high,
      balanced_accuracy, mcc, best_baseline and best_baseline_accuracy, majority_accuracy,
      state_accuracy, own_majority_share, hold_share, best_val_accuracy, legacy_55_rule
    - trading after costs: n_trades, bps_per_trade, bps_per_trade_before_costs, total_return,
      random_entry_p, sharpe_annualised
    - training: epochs, best_epoch, stopped_early, n_features, parameters, duration_seconds, attempt
    - errors and ids: error_code, failure_class, operation_id, run_id, config_id, design_id
    """
    facts = run_facts(results)
    ordered = [f for group in GROUPS for f in facts if f.group == group]
    return [_record(fact) for fact in ordered]


def _record(fact: RunFacts) -> dict[str, Any]:
    run = fact.run
    return {
        "group": fact.group,
        "strategy": run.strategy,
        "blocks": "+".join(run.blocks),
        "label": run.label,
        "status": run.status,
        "verdict": fact.outcome,
        "val_accuracy": fact.accuracy,
        "balanced_accuracy": fact.balanced_accuracy,
        "mcc": fact.mcc,
        "val_log_loss": fact.log_loss,
        "skill": fact.skill,
        "skill_low": fact.low,
        "skill_high": fact.high,
        "common_skill": run.common_skill,
        "rank": fact.position,
        "null_p": fact.null_p,
        "null_p_single": fact.null_p_single,
        "n_events": fact.n_events,
        "n_samples": fact.n_samples,
        "best_baseline": fact.best_baseline,
        "best_baseline_accuracy": fact.best_baseline_accuracy,
        "majority_accuracy": fact.majority_accuracy,
        "state_accuracy": fact.state_accuracy,
        "own_majority_share": fact.own_majority_share,
        "hold_share": fact.hold_share,
        "collapsed": fact.collapsed,
        "excluded_from_evidence": fact.excluded,
        "duplicate_of": run.duplicate_of,
        "best_val_accuracy": fact.best_val_accuracy,
        "legacy_55_rule": fact.legacy_55_rule,
        "epochs": run.epochs,
        "best_epoch": run.best_epoch,
        "stopped_early": run.stopped_early,
        "n_features": run.n_features,
        "parameters": run.parameters,
        "duration_seconds": run.duration_seconds,
        "attempt": run.attempt,
        "error_code": run.error_code,
        "failure_class": run.failure_class,
        "operation_id": run.operation_id,
        "run_id": run.run_id,
        "config_id": run.config_id,
        "design_id": run.design_id,
        "sentence": fact.sentence,
        "null_p_error": fact.null_error,
        "n_surrogates": fact.n_surrogates,
        "minimum_detectable_skill": fact.detectable,
        "best_baseline_log_loss": fact.best_baseline_loss,
        "effective_events": fact.effective_events,
        "n_trials": fact.n_trials,
        "n_test_openings": run.n_test_openings,
        "judged_part": fact.judged_part,
        "val_accuracy_low": fact.accuracy_low,
        "val_accuracy_high": fact.accuracy_high,
        **_trading(run.detail or {}),
    }


def _trading(detail: Mapping[str, Any]) -> dict[str, Any]:
    block = detail.get("trading") or {}
    before, after = block.get("before_costs") or {}, block.get("after_costs") or {}
    return {
        "n_trades": block.get("n_trades"),
        "bps_per_trade": after.get("bps_per_trade"),
        "bps_per_trade_before_costs": before.get("bps_per_trade"),
        "total_return": block.get("total_return"),
        "random_entry_p": (block.get("random_entry") or {}).get("p_value"),
        "sharpe_annualised": block.get("sharpe_annualised"),
    }


def report_facts(results: CampaignResults) -> dict[str, Any]:
    """Return what the report of a campaign, or of one run, says, JSON-ready.

    Keys: campaign_id, name, finding, certainty, runs (`result_records`, each with detail
    (`run_detail`), reasons, would_change, notes, openings, seen_by_others), null, luck, diagnoses,
    test_openings, test_part (who saw it, in words), dataset, seed, environment.
    """
    facts = {fact.run.strategy: fact for fact in run_facts(results)}
    finding, certainty = campaign_answer(results, list(facts.values()))
    return {
        "campaign_id": results.campaign_id,
        "name": results.name,
        "finding": finding,
        "certainty": certainty,
        "runs": [
            {**record, **_beyond(facts[record["strategy"]])} for record in result_records(results)
        ],
        "null": results.null,
        "luck": results.luck,
        "diagnoses": [found.to_mapping() for found in diagnose_campaign(results)],
        "test_openings": results.test_openings,
        "test_part": sealed_note(results),
        "dataset": results.dataset,
        "seed": results.seed,
        "environment": results.environment,
    }


def _beyond(fact: RunFacts) -> dict[str, Any]:
    """Return what does not fit into a flat record."""
    others = fact.run.seen_by_others
    return {
        "detail": fact.run.detail,
        "reasons": list(fact.reasons),
        "would_change": list(fact.would_change),
        "notes": list(fact.notes),
        "openings": [dict(look) for look in fact.run.openings],
        "seen_by_others": None if others is None else others.to_mapping(),
    }


def results_csv(results: CampaignResults) -> str:
    """Return `result_records` as CSV; a missing figure is an empty cell, a float has six digits."""
    records = result_records(results)
    out = io.StringIO()
    names = list(records[0]) if records else []
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({name: _cell(value) for name, value in record.items()})
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())


def experiment_results(results: CampaignResults) -> str:
    """Return ``strategy|status|duration|operation_id|notes`` lines; duration in whole seconds."""
    facts = run_facts(results)
    return "".join(f"{'|'.join(_piped(cell) for cell in _line(fact))}\n" for fact in facts)


def _line(fact: RunFacts) -> Iterable[str]:
    run = fact.run
    seconds = "" if run.duration_seconds is None else f"{round(run.duration_seconds)}"
    notes = [fact.outcome] if fact.outcome else []
    notes += [f"{run.error_code}: {run.error}"] if run.error else []
    notes += [f"duplicate of {run.duplicate_of}"] if run.duplicate_of else []
    return run.strategy, run.status, seconds, run.operation_id, "; ".join(notes)


def _piped(text: str) -> str:
    return " ".join(text.split()).replace("|", "¦")
