"""A campaign's results, or one run's, as Markdown: the same tables and sentences as the page."""

from collections.abc import Sequence
from typing import Any

from marketlab.campaigns import _report_all_tables as many
from marketlab.campaigns import _report_context as context
from marketlab.campaigns import _report_tables as tables
from marketlab.campaigns._diagnoses import diagnose_campaign
from marketlab.campaigns._findings import (
    campaign_answer,
    duplicates,
    failure_patterns,
    run_answer,
    statements,
)
from marketlab.campaigns._report_luck import luck_table, sharpe_table
from marketlab.campaigns._report_run_tables import run_tables
from marketlab.campaigns._report_tables import Table
from marketlab.campaigns._results import CampaignResults
from marketlab.campaigns._results_files import LEGACY_NOTE, sealed_note
from marketlab.campaigns._run_facts import (
    RunFacts,
    day,
    nats_text,
    outcome_counts,
    p_with_error,
    percent,
    ranked,
    run_facts,
)
from marketlab.campaigns._tracker import duration_text
from marketlab.campaigns._verify import Check, VerifyReport, campaign_answers

LUCK_NOTE = (
    "Against the simple rules, and among the runs. Whether noise does as well in this pipeline is "
    "what the null says; a verdict needs both."
)


def results_markdown(results: CampaignResults, verification: VerifyReport | None = None) -> str:
    """Return RESULTS.md: the finding, Q3.1 to Q3.4 with evidence, verdicts, what would change them.

    `verification` is `verify_campaign` or `verify_runs` over the completed runs; without it the two
    questions about files are marked as not checked.
    """
    facts = run_facts(results)
    order = ranked(facts)
    answer, detail = campaign_answer(results, facts)
    answers = campaign_answers(results, verification)
    blocks = [
        [
            f"# Results of campaign {_md(results.name)}",
            "",
            f"**{_md(answer)}** {_md(detail)}".strip(),
        ],
        _identity(results),
        [f"- {_md(name)}: **{_md(value)}** ({_md(more)})" for name, value, more in _key(results)],
        ["## Verdicts", "", *_counts(facts), "", *_verdict_table(facts)],
        ["## Why, and what would change it", "", *_reasons(facts)],
        ["## What went wrong in training", "", *_diagnoses(results)],
        ["## What noise scores in the same pipeline", "", *_null(results)],
        ["## How far luck explains it", "", *_luck(results)],
        *_first_run(results, facts),
        ["## All runs side by side", "", *_tables(_side_by_side(order))],
        ["## The test part", "", sealed_note(results), "", *_tables([many.openings(facts)])],
        ["## Questions", "", *_answers(answers, checked=verification is not None)],
        ["## Failure patterns", "", *_failures(results)],
        ["## Duplicate designs: how large chance alone is", "", *_duplicates(facts)],
        ["## The old 55 % rule", "", *_legacy(facts)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def run_markdown(results: CampaignResults) -> str:
    """Return the report of one run (`run_results`)."""
    fact = run_facts(results)[0]
    answer, detail = run_answer(fact)
    blocks = [
        [f"# Run {_md(fact.run.run_id or fact.run.operation_id)}", ""],
        [f"**{_md(answer)}** {_md(detail)}".strip()],
        _identity(results),
        _tables([tables.numbers(fact)]),
        ["## Why, and what would change it", "", *_reasons([fact])],
        ["## What went wrong in training", "", *_diagnoses(results)],
        ["## What noise scores in the same pipeline", "", *_null(results, fact)],
        ["## What the forecasts say", "", *_tables(run_tables(fact))],
        ["## How far luck explains it", "", *_luck(results)],
        ["## The test part", "", sealed_note(results), "", *_tables([many.openings([fact])])],
        ["## Splits", "", *_tables([context.splits(results.runs)])],
    ]
    if fact.run.error:
        blocks.append(["## Why it did not finish", "", *_failures(results)])
    return "\n\n".join("\n".join(block).strip() for block in blocks) + "\n"


def _key(results: CampaignResults) -> list[tuple[str, str, str]]:
    return context.key_figures(results, run_facts(results))


def _side_by_side(order: Sequence[RunFacts]) -> list[Table]:
    return [
        many.all_baselines(order),
        many.all_trading(order),
        many.accuracies(order),
    ]


def _tables(found: Sequence[Table]) -> list[str]:
    """Return tables under their titles, a sentence where one is missing."""
    lines: list[str] = []
    for table in found:
        lines += ["", f"**{_md(table.title)}**", ""]
        if table.missing:
            lines.append(_md(table.missing))
            continue
        lines.append(f"| {' | '.join(_md(name) for name, _ in table.columns)} |")
        lines.append(f"|{'|'.join('---:' if right else '---' for _, right in table.columns)}|")
        lines += [f"| {' | '.join(_md(cell) for cell in row)} |" for row in table.rows]
        lines += ["", _md(table.foot)] if table.foot else []
    return lines[1:]


def _first_run(results: CampaignResults, facts: Sequence[RunFacts]) -> list[list[str]]:
    """Return the tables of the best-ranked run; the others have a report of their own."""
    fact = context.first_card(facts)
    if fact is None:
        return []
    name = fact.run.strategy
    more = "" if len(facts) == 1 else " Every other run: `marketlab report STRATEGY`."
    return [
        [
            f"## {_md(name)} in full",
            "",
            f"{_md(fact.sentence or '')}{more}",
            "",
            context.run_null_words(results, fact),
            "",
            *_tables([tables.numbers(fact), *run_tables(fact)]),
        ]
    ]


def _null(results: CampaignResults, fact: RunFacts | None = None) -> list[str]:
    words = context.null_words(results.null)
    if words["text"] is None:
        return ["There is no null. Without one, nothing here can be called learned."]
    lines = [words["text"] if fact is None else context.run_null_words(results, fact)]
    return [*lines, *(["", _md(words["tests"])] if words["tests"] else [])]


def _luck(results: CampaignResults) -> list[str]:
    if results.luck is None:
        return ["No run is judged yet, so there is nothing that luck could explain."]
    lines = [
        LUCK_NOTE,
        "",
        *(f"- {_md(sentence)}" for sentence in results.luck["sentences"]),
    ]
    sharpe = sharpe_table(results.luck)
    return [
        *lines,
        "",
        *_tables([luck_table(results.luck), *([] if sharpe is None else [sharpe])]),
    ]


def _diagnoses(results: CampaignResults) -> list[str]:
    lines = [
        f"- **{d.detector}** in {_md(', '.join(d.strategies))}: {_md(d.finding)} "
        f"Why: {_md(d.cause)} What to do: {_md(d.remedy)}"
        for d in diagnose_campaign(results)
    ]
    return lines or [context.nothing_wrong(results)]


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
        (
            f"{context.subject(results)} `{results.campaign_id}`, seed {results.seed}, status "
            f"{results.status}.{took}"
        ),
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
            "| Rank | Strategy | Verdict | Skill, nats (95 %) | Detectable | Null p | To beat "
            "| Acc. % | Its acc. % | Events | Trials |"
        ),
        "|---:|---|---|---|---:|---:|---|---:|---:|---:|---:|",
    ]
    for fact in ranked(facts):
        run = fact.run
        cells = (
            "–" if fact.position is None else str(fact.position),
            f"{run.strategy}{f' (= {run.duplicate_of})' if run.duplicate_of else ''}",
            fact.outcome or run.status,
            nats_text(fact.skill) + interval_text(fact),
            tables.number(fact.detectable),
            p_with_error(fact.null_p, fact.null_error),
            "–" if fact.best_baseline is None else tables.rule_name(fact.best_baseline),
            percent(fact.accuracy),
            percent(fact.best_baseline_accuracy),
            tables.count(fact.n_events),
            tables.count(fact.n_trials),
        )
        lines.append(f"| {' | '.join(_md(cell) for cell in cells)} |")
    lines += [
        "",
        (
            "Ranked by skill on the bars that comparable runs share. A run with too little data, "
            "a duplicate and an excluded run have no rank. Below 20 events there is no honest "
            "interval. Detectable: the true skill that this many events show in 4 of 5 cases. "
            "Null p: for the best of all strategies, with its Monte-Carlo error. Accuracy is shown "
            "and never decides."
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
        ("would_change", "What would change the verdict:"),
    ):
        found = statements(facts, field)
        if found:
            lines += [*([""] if lines else []), title, ""]
            lines += [f"- {_md(s.text)}{_whom(s.runs, facts)}" for s in found]
    return lines or ["No run has a verdict."]


def _whom(runs: str, facts: Sequence[RunFacts]) -> str:
    return f" *({_md(runs)})*" if len(facts) > 1 else ""


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
