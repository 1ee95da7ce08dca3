"""The reports of a campaign and of one run: a page that needs nothing else, Markdown, CSV, JSON."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from marketlab.campaigns import _report_all_tables as all_tables
from marketlab.campaigns import _report_context as context
from marketlab.campaigns import _report_figures as figures
from marketlab.campaigns import _report_tables as tables
from marketlab.campaigns._diagnoses import diagnose_campaign
from marketlab.campaigns._findings import (
    by_shape,
    campaign_answer,
    duplicates,
    failure_patterns,
    run_answer,
    statements,
)
from marketlab.campaigns._ledger import Ledger
from marketlab.campaigns._report_luck import luck_table, sharpe_table
from marketlab.campaigns._report_markdown import LUCK_NOTE, results_markdown, run_markdown
from marketlab.campaigns._report_one import report_results
from marketlab.campaigns._report_run_tables import run_tables
from marketlab.campaigns._results import CampaignResults
from marketlab.campaigns._results_files import (
    LEGACY_NOTE,
    experiment_results,
    report_facts,
    results_csv,
    sealed_note,
)
from marketlab.campaigns._run_facts import (
    RunFacts,
    nats_text,
    outcome_counts,
    p_with_error,
    percent,
    ranked,
    run_facts,
    usual_label,
)
from marketlab.campaigns._verify import VerifyReport, verify_campaign
from marketlab.campaigns._workspace import Workspace
from marketlab.core import atomic_write, check_name, dump_yaml, inside, write_json

_SYMBOLS = {
    "learned": "● learned",
    "no evidence": "○ no evidence",
    "worse than baseline": "▼ worse than baseline",
    "insufficient data": "– insufficient data",
}
_CLASSES = {"learned": "v-learned", "worse than baseline": "v-worse"}


def write_report(workspace: Workspace, results: CampaignResults) -> dict[str, Path]:
    """Write the report of a campaign into ``reports/<campaign_id>/`` and return its files.

    Keys: html (one self-contained page), markdown, csv, json (`report_facts`), lines
    (``strategy|status|duration|operation_id|notes``), verification (JSON). A second call replaces
    the files: they are views of the ledger and of the runs' folders.
    """
    folder = inside(workspace.root, "reports", check_name(results.campaign_id))
    verification = verify_campaign(workspace, results)
    files = {
        "html": folder / "report.html",
        "markdown": folder / "RESULTS.md",
        "csv": folder / "results.csv",
        "json": folder / "results.json",
        "lines": folder / "experiment_results.txt",
        "verification": folder / "verification.json",
    }
    atomic_write(files["html"], report_html(results, verification))
    atomic_write(files["markdown"], results_markdown(results, verification))
    atomic_write(files["csv"], results_csv(results))
    write_json(files["json"], report_facts(results))
    atomic_write(files["lines"], experiment_results(results))
    write_json(files["verification"], verification.to_mapping())
    return files


def write_run_report(workspace: Workspace, results: CampaignResults) -> dict[str, Path]:
    """Write the report of one run into ``reports/runs/<run id>/`` and return its files.

    `results` is `run_results`: it holds one run. Keys: html, markdown, json (`report_facts`).
    """
    run = results.runs[0]
    folder = inside(workspace.root, "reports", "runs", check_name(run.run_id or run.operation_id))
    files = {
        "html": folder / "report.html",
        "markdown": folder / "REPORT.md",
        "json": folder / "report.json",
    }
    atomic_write(files["html"], run_html(results))
    atomic_write(files["markdown"], run_markdown(results))
    write_json(files["json"], report_facts(results))
    return files


def report_html(results: CampaignResults, verification: VerifyReport) -> str:
    """Return a campaign's page as text; it loads nothing from anywhere."""
    facts = run_facts(results)
    answer, detail = campaign_answer(results, facts)
    order = ranked(facts)
    return _render(
        "report.html.j2",
        {
            **_shared(results, facts),
            "answer": answer,
            "detail": detail,
            "counts": outcome_counts(facts),
            "n_open": sum(f.outcome is None for f in facts),
            "key_figures": context.key_figures(results, facts),
            "ranked": order,
            "row_class": _row_class(order),
            "any_ranked": any(f.position is not None for f in facts),
            "any_unranked": any(f.position is None for f in facts),
            "usual_label": usual_label(results),
            "scale": figures.interval_scale(facts),
            "first_card": context.first_card(facts),
            "all_tables": [
                all_tables.all_baselines(order),
                all_tables.all_trading(order),
                all_tables.accuracies(order),
            ],
            "duplicates": duplicates(facts),
            "failures": failure_patterns(results),
            "unfinished": [r for r in results.not_completed if r.status != "failed"],
            "checks": (*verification.answers, *verification.checks),
            "legacy": _legacy(facts),
        },
    )


def run_html(results: CampaignResults) -> str:
    """Return the page of one run (`run_results`) as text; it loads nothing from anywhere."""
    facts = run_facts(results)
    fact = facts[0]
    answer, detail = run_answer(fact)
    return _render(
        "run.html.j2",
        {
            **_shared(results, facts),
            "fact": fact,
            "answer": answer,
            "detail": detail,
            "alone": context.subject(results) == "Run",
        },
    )


def _render(template: str, values: dict[str, Any]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["prose"] = _prose
    return environment.get_template(template).render(values)


def _prose(text: str) -> str:
    """Return text, escaped, with `quoted` parts as code and true minus signs before numbers."""
    from markupsafe import Markup, escape

    done = re.sub(r"(?<![\w.-])-(?=[\d.])", "−", str(escape(text)))
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", done))


def _shared(results: CampaignResults, facts: Sequence[RunFacts]) -> dict[str, Any]:
    """Return what the page of a campaign and that of a run both show."""
    luck = results.luck
    return {
        "results": results,
        "sealed": sealed_note(results),
        "data": context.data_facts(results),
        "notes": statements(facts, "notes"),
        "reasons": statements(facts, "reasons"),
        "changes": statements(facts, "would_change"),
        "diagnoses": diagnose_campaign(results),
        "nothing_wrong": context.nothing_wrong(results),
        "null": context.null_words(results.null),
        "luck": luck,
        "luck_note": LUCK_NOTE,
        "luck_table": None if luck is None else luck_table(luck),
        "sharpe_table": None if luck is None else sharpe_table(luck),
        "curves": figures.learning_curves(facts),
        "walks": any((run.detail or {}).get("folds") for run in results.runs),
        "splits": context.splits(results.runs),
        "purge_text": context.purge_text(results.runs),
        "openings": all_tables.openings(facts),
        "warnings": by_shape([(w, r.strategy) for r in results.runs for w in r.warnings]),
        "origin": context.origin(results),
        "config": dump_yaml(results.config).strip() if results.config else "none is kept",
        "verdict_text": _verdict_text,
        "verdict_class": lambda fact: _CLASSES.get(fact.outcome or "", ""),
        "interval_cell": figures.interval_cell,
        "run_null": lambda fact: figures.run_null(results.null, fact.run.strategy),
        "run_null_text": lambda fact: context.run_null_words(results, fact),
        "reliability": _reliability,
        "numbers": tables.numbers,
        "run_tables": run_tables,
        "nats": _minus(nats_text),
        "percent": percent,
        "p_error": p_with_error,
        "count": tables.count,
        "number": tables.number,
        "rule_name": tables.rule_name,
        "short_label": lambda text: text.removeprefix("zigzag "),
        "capital": lambda text: text[:1].upper() + text[1:],
    }


def _verdict_text(fact: RunFacts) -> str:
    return _SYMBOLS[fact.outcome] if fact.outcome else f"✕ {fact.run.status}"


def _reliability(fact: RunFacts) -> str | None:
    return figures.reliability_diagram((fact.run.detail or {}).get("reliability") or {})


def _row_class(order: Sequence[RunFacts]) -> Callable[[int], str]:
    def row_class(index: int) -> str:
        fact = order[index]
        if fact.position is not None:
            return "ranked"
        first = index > 0 and order[index - 1].position is not None
        return f"{'unranked' if fact.outcome else 'open'}{' first-unranked' if first else ''}"

    return row_class


def _minus(write: Callable[[float | None], str]) -> Callable[[float | None], str]:
    return lambda value: write(value).replace("-", "−")


def _legacy(facts: Sequence[RunFacts]) -> str:
    known = [f.legacy_55_rule for f in facts if f.legacy_55_rule is not None]
    return f"{sum(known)} of {len(known)} runs pass the old 55 % rule. {LEGACY_NOTE}"


@dataclass(frozen=True)
class MadeReport:
    """A report that was written: ``kind`` is "run" or "campaign", ``facts`` are `report_facts`."""

    kind: Literal["run", "campaign"]
    facts: dict[str, Any]
    files: dict[str, Path]
    markdown: str


def make_report(workspace: Workspace, ledger: Ledger, reference: str) -> MadeReport:
    """Write the report of what `reference` means (see `report_results`) and return it.

    Raises
    ------
    NotFoundError if it means nothing.
    """
    results, kind = report_results(workspace, ledger, reference)
    write = write_run_report if kind == "run" else write_report
    files = write(workspace, results)
    return MadeReport(
        kind=kind,
        facts=report_facts(results),
        files=files,
        markdown=files["markdown"].read_text(encoding="utf-8"),
    )
