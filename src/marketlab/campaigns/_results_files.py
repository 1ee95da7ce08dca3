"""A campaign's results as text files: CSV for programs, one line per run for scripts, Markdown."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from marketlab.campaigns._findings import (
    campaign_answer,
    duplicates,
    failure_patterns,
    statements,
)
from marketlab.campaigns._results import CampaignResults
from marketlab.campaigns._run_facts import (
    GROUPS,
    RunFacts,
    day,
    nats_text,
    outcome_counts,
    p_text,
    percent,
    ranked,
    run_facts,
)
from marketlab.campaigns._tracker import duration_text
from marketlab.campaigns._verify import Check, VerifyReport, campaign_answers

LEGACY_NOTE = (
    "The old rule called a strategy good if its best validation accuracy exceeded 55 %, and a "
    "campaign worth going on with if more than 30 % of strategies were. On pure random walks 57 to "
    "100 % of runs exceed 55 % (72 % at a zigzag of 2.5 %), so the rule cannot tell skill from "
    "noise. It is kept as a column and decides nothing."
)


def sealed_note(results: CampaignResults) -> str:
    """Say what was seen of the test part: its size and labels always, its scores if opened."""
    if results.test_openings:
        times = "once" if results.test_openings == 1 else f"{results.test_openings} times"
        return (
            f"The test part was opened {times} for runs of this campaign; the results stand in "
            "`test_evaluation_*.json` of those runs. The figures here come from validation."
        )
    return (
        "The test part is sealed: of it only size, dates and label counts are shown, no score. "
        "`marketlab evaluate RUN --test` opens it, and the ledger counts every opening."
    )


def result_records(results: CampaignResults) -> list[dict[str, Any]]:
    """Return one flat record per strategy, grouped by declared blocks, for CSV and JSON.

    Accuracies are fractions of the judged part under the names that follow-up scripts read
    (``val_accuracy``); ``skill`` is in nats per sample. None where a run has no such figure.
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


# -- Markdown -------------------------------------------------------------------------------------


def results_markdown(results: CampaignResults, verification: VerifyReport | None = None) -> str:
    """Return RESULTS.md: the finding, Q3.1 to Q3.4 with evidence, verdicts, what would change them.

    `verification` is `verify_campaign` or `verify_runs` over the completed runs; without it the two
    questions about files are marked as not checked.
    """
    facts = run_facts(results)
    answer, detail = campaign_answer(results, facts)
    answers = campaign_answers(results, verification)
    blocks = [
        [
            f"# Results of campaign {_md(results.name)}",
            "",
            f"**{_md(answer)}** {_md(detail)}".strip(),
        ],
        _identity(results),
        ["## Questions", "", *_answers(answers, checked=verification is not None)],
        ["## Verdicts", "", *_counts(facts), "", *_verdict_table(facts)],
        ["## Why, and what would change it", "", *_reasons(facts)],
        ["## Failure patterns", "", *_failures(results)],
        ["## Duplicate designs: how large chance alone is", "", *_duplicates(facts)],
        ["## The old 55 % rule", "", *_legacy(facts)],
        ["## The test part", "", sealed_note(results)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _identity(results: CampaignResults) -> list[str]:
    data = results.dataset
    synthetic = (
        " These bars are **synthetic**: nothing here is about a market."
        if data.get("is_synthetic")
        else ""
    )
    took = (
        ""
        if results.duration_seconds is None
        else (f" It took {duration_text(results.duration_seconds)}.")
    )
    return [
        f"Campaign `{results.campaign_id}`, seed {results.seed}, status {results.status}.{took}",
        (
            f"Data: {_md(data.get('symbol', '–'))} {_md(data.get('timeframe', ''))}, "
            f"{data.get('n_bars', 0):,} bars from {day(data.get('first_time'))} to "
            f"{day(data.get('last_time'))}; source {_md(data.get('source', '–'))}.{synthetic}"
        ),
    ]


def _answers(answers: Sequence[Check], *, checked: bool) -> list[str]:
    lines = ["| # | Question | Answer | Evidence |", "|---|---|---|---|"]
    for answer in answers:
        unread = not checked and answer.key in ("Q3.2", "Q3.4")
        word = "not checked" if unread else "yes" if answer.ok else "**no**"
        evidence = "<br>".join(_md(text) for text in answer.evidence)
        lines.append(f"| {answer.key} | {answer.question} | {word} | {evidence} |")
    return lines


def _counts(facts: Sequence[RunFacts]) -> list[str]:
    parts = [f"{count} {name}" for name, count in outcome_counts(facts).items()]
    open_ = sum(f.outcome is None for f in facts)
    return [f"{', '.join(parts)}{f', {open_} without a verdict' if open_ else ''}."]


def _verdict_table(facts: Sequence[RunFacts]) -> list[str]:
    lines = [
        (
            "| Rank | Strategy | Verdict | Skill, nats (95 %) | Balanced acc. % | Acc. % "
            "| Majority % | State % | Null p | Events | Epochs |"
        ),
        "|---:|---|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for fact in ranked(facts):
        run = fact.run
        cells = (
            "–" if fact.position is None else str(fact.position),
            f"{run.strategy}{f' (= {run.duplicate_of})' if run.duplicate_of else ''}",
            fact.outcome or run.status,
            nats_text(fact.skill) + interval_text(fact),
            percent(fact.balanced_accuracy),
            percent(fact.accuracy),
            percent(fact.majority_accuracy),
            percent(fact.state_accuracy),
            p_text(fact.null_p),
            "–" if fact.n_events is None else str(fact.n_events),
            "–" if run.epochs is None else str(run.epochs),
        )
        lines.append(f"| {' | '.join(_md(cell) for cell in cells)} |")
    lines += [
        "",
        (
            "Ranked by skill on the bars that comparable runs share. A run with too little data, "
            "a duplicate and an excluded run have no rank. Below 20 events there is no honest "
            "interval. Majority and state are what two rules without a model score: the class "
            "most frequent in training, and the state known at the bar (zigzag: the direction of "
            "the leg; next bars: the sign of the last return)."
        ),
    ]
    return lines


def interval_text(fact: RunFacts) -> str:
    """Return `` (-0.0012 to +0.0340)``, or nothing where no interval is honest."""
    if fact.low is None or fact.high is None:
        return ""
    return f" ({nats_text(fact.low)} to {nats_text(fact.high)})"


def _reasons(facts: Sequence[RunFacts]) -> list[str]:
    lines: list[str] = []
    for field, title in (
        ("reasons", "Conditions that were not met:"),
        ("would_change", "What would have to be different:"),
    ):
        found = statements(facts, field)
        if found:
            lines += [*([""] if lines else []), title, ""]
            lines += [f"- {_md(s.text)} *({_md(s.runs)})*" for s in found]
    return lines or ["No run has a verdict."]


def _failures(results: CampaignResults) -> list[str]:
    patterns = failure_patterns(results)
    other = [r for r in results.not_completed if r.status != "failed"]
    lines = [f"Not finished otherwise: {r.strategy} ({r.status})." for r in other]
    if not patterns:
        return [*lines, "No run failed."]
    table = ["| Code | Class | Runs | Strategies | First message |", "|---|---|---:|---|---|"]
    table += [
        f"| {_md(p.code)} | {_md(p.failure_class)} | {len(p.strategies)} | "
        f"{_md(', '.join(p.strategies))} | {_md(p.message[:300])} |"
        for p in patterns
    ]
    return [*lines, *([""] if lines else []), *table]


def _duplicates(facts: Sequence[RunFacts]) -> list[str]:
    pairs = duplicates(facts)
    if not pairs:
        return ["No two strategies are the same design."]
    lines = [
        (
            "These strategies are one design with its inputs in another order. They count once as "
            "evidence; the difference of their scores is what chance alone does here."
        ),
        "",
        "| Pair | Accuracy % | Difference, points | Skill | Difference, nats |",
        "|---|---|---:|---|---:|",
    ]
    for pair in pairs:
        points, skill = pair.accuracy_difference, pair.skill_difference
        lines.append(
            f"| {_md(pair.first)} = {_md(pair.second)} | {percent(pair.accuracy[0])} and "
            f"{percent(pair.accuracy[1])} | {percent(points)} | {nats_text(pair.skill[0])} and "
            f"{nats_text(pair.skill[1])} | {'–' if skill is None else f'{skill:.4f}'} |"
        )
    return lines


def _legacy(facts: Sequence[RunFacts]) -> list[str]:
    known = [f.legacy_55_rule for f in facts if f.legacy_55_rule is not None]
    return [f"{sum(known)} of {len(known)} runs pass it. {LEGACY_NOTE}"]


def _md(value: Any) -> str:
    """Return text that is one line and breaks no Markdown table."""
    text = " ".join(str(value).split())
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
