"""The report of a campaign: one page that needs nothing else, and the same as Markdown and CSV."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from marketlab.campaigns import _report_figures as figures
from marketlab.campaigns._findings import (
    as_linear,
    by_shape,
    campaign_answer,
    duplicates,
    failure_patterns,
    statements,
)
from marketlab.campaigns._results import CampaignResults, RunResult
from marketlab.campaigns._results_files import (
    LEGACY_NOTE,
    experiment_results,
    result_records,
    results_csv,
    results_markdown,
    sealed_note,
)
from marketlab.campaigns._run_facts import (
    RunFacts,
    day,
    nats_text,
    outcome_counts,
    p_text,
    percent,
    ranked,
    run_facts,
    usual_label,
)
from marketlab.campaigns._tracker import duration_text
from marketlab.campaigns._verify import VerifyReport, verify_campaign
from marketlab.campaigns._workspace import Workspace
from marketlab.core import atomic_write, check_name, dump_yaml, inside, write_json
from marketlab.evaluation import MIN_EVENTS_TO_JUDGE

_SYMBOLS = {
    "learned": "● learned",
    "no evidence": "○ no evidence",
    "worse than baseline": "▼ worse than baseline",
    "insufficient data": "– insufficient data",
}
_CLASSES = {"learned": "v-learned", "worse than baseline": "v-worse"}


def write_report(workspace: Workspace, results: CampaignResults) -> dict[str, Path]:
    """Write the report of a campaign into ``reports/<campaign_id>/`` and return its files.

    Keys: html (one self-contained page), markdown, csv, json (flat records), lines
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
    write_json(files["json"], {"campaign_id": results.campaign_id, "runs": result_records(results)})
    atomic_write(files["lines"], experiment_results(results))
    write_json(files["verification"], verification.to_mapping())
    return files


def report_html(results: CampaignResults, verification: VerifyReport) -> str:
    """Return the page as text; it loads nothing from anywhere."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["prose"] = _prose
    return environment.get_template("report.html.j2").render(_context(results, verification))


def _prose(text: str) -> str:
    """Return text, escaped, with `quoted` parts as code and true minus signs before numbers."""
    from markupsafe import Markup, escape

    done = re.sub(r"(?<![\w.-])-(?=[\d.])", "−", str(escape(text)))
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", done))


def _context(results: CampaignResults, verification: VerifyReport) -> dict[str, Any]:
    facts = run_facts(results)
    order = ranked(facts)
    answer, detail = campaign_answer(results, facts)
    return {
        "results": results,
        "answer": answer,
        "detail": detail,
        "counts": outcome_counts(facts),
        "n_open": sum(f.outcome is None for f in facts),
        "sealed": sealed_note(results),
        "as_linear": as_linear(results.null),
        "data": _data(results),
        "ranked": order,
        "any_ranked": any(f.position is not None for f in facts),
        "any_unranked": any(f.position is None for f in facts),
        "usual_label": usual_label(results),
        "scale": figures.interval_scale(facts),
        "notes": statements(facts, "notes"),
        "reasons": statements(facts, "reasons"),
        "changes": statements(facts, "would_change"),
        **_null(results.null),
        "curves": figures.learning_curves(facts),
        "splits": _splits(results.runs),
        "purge_text": _purge_text(results.runs),
        "min_events": MIN_EVENTS_TO_JUDGE,
        "duplicates": duplicates(facts),
        "failures": failure_patterns(results),
        "unfinished": [r for r in results.not_completed if r.status != "failed"],
        "warnings": by_shape([(w, r.strategy) for r in results.runs for w in r.warnings]),
        "checks": (*verification.answers, *verification.checks),
        "legacy": _legacy(facts),
        "origin": _origin(results),
        "config": dump_yaml(results.config).strip() if results.config else "–",
        **_helpers(order),
    }


def _helpers(order: Sequence[RunFacts]) -> dict[str, Any]:
    def row_class(index: int) -> str:
        fact = order[index]
        if fact.position is not None:
            return "ranked"
        first = index > 0 and order[index - 1].position is not None
        return f"{'unranked' if fact.outcome else 'open'}{' first-unranked' if first else ''}"

    def verdict_text(fact: RunFacts) -> str:
        return _SYMBOLS[fact.outcome] if fact.outcome else f"✕ {fact.run.status}"

    return {
        "row_class": row_class,
        "verdict_text": verdict_text,
        "verdict_class": lambda fact: _CLASSES.get(fact.outcome or "", ""),
        "interval_cell": figures.interval_cell,
        "nats": _minus(nats_text),
        "percent": percent,
        "p_text": p_text,
        "short_label": lambda text: text.removeprefix("zigzag "),
        "capital": lambda text: text[:1].upper() + text[1:],
    }


def _minus(write: Callable[[float | None], str]) -> Callable[[float | None], str]:
    return lambda value: write(value).replace("-", "−")


def _data(results: CampaignResults) -> dict[str, Any]:
    data = results.dataset
    metadata = data.get("metadata") or {}
    rows = [
        ("Series", f"{data.get('symbol', '–')} {data.get('timeframe', '')}"),
        (
            "Bars",
            (
                f"{data.get('n_bars', 0):,}, from {_minute(data.get('first_time'))} to "
                f"{_minute(data.get('last_time'))} (opens, UTC)"
            ),
        ),
        ("Source", data.get("source") or "–"),
        ("Provenance", data.get("provenance") or "not stated"),
        ("Licence", data.get("licence") or "not stated"),
        ("Volume", "yes" if data.get("has_volume") else "no"),
        ("Synthetic", "yes: nothing here is about a market" if data.get("is_synthetic") else "no"),
        ("Content (SHA-256)", data.get("dataset_id") or "–"),
    ]
    rows += [(f"Fact: {key}", value) for key, value in metadata.items()]
    return {
        "symbol": data.get("symbol", "–"),
        "timeframe": data.get("timeframe", ""),
        "bars": f"{data.get('n_bars', 0):,}",
        "first": day(data.get("first_time")),
        "last": day(data.get("last_time")),
        "synthetic": bool(data.get("is_synthetic")),
        "created": day(results.created_at),
        "rows": rows,
    }


def _minute(text: str | None) -> str:
    return "–" if not text else str(text)[:16].replace("T", " ")


# -- the null in words ----------------------------------------------------------------------------


def _null(null: Mapping[str, Any] | None) -> dict[str, Any]:
    matrices = figures.null_matrices(null)
    if null is None or matrices is None:
        return {
            "histogram": None,
            "strips": None,
            "null_text": "",
            "n_family": 0,
            "n_surrogates": 0,
        }
    observed, best = figures.standardised(*matrices)
    top = int(np.nanargmax(observed))
    reach = int((best >= observed[top]).sum())
    p = null["p_adjusted"][top] if null.get("p_adjusted") else None
    text = (
        f"Every strategy was refitted on {null['n_surrogates']} surrogate markets; compared is the "
        f"{null['statistic']}. On "
        f"{reach} of {len(best)} of them the best strategy does at least as well as the best one "
        f"on the real bars ({null['names'][top]})"
    )
    text += f": p = {p_text(p)} for the family of {len(observed)}." if p is not None else "."
    return {
        "histogram": figures.null_histogram(null),
        "strips": figures.null_strips(null),
        "null_text": text,
        "n_family": len(observed),
        "n_surrogates": null["n_surrogates"],
    }


# -- splits ---------------------------------------------------------------------------------------


def _splits(runs: Sequence[RunResult]) -> list[dict[str, Any]]:
    """Return one row per label and part; ranges where the runs of a label differ."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        if run.splits:
            groups.setdefault(run.label, []).append(run.splits)
    rows: list[dict[str, Any]] = []
    for label, found in groups.items():
        for part in ("train", "validation", "test"):
            parts = [facts[part] for facts in found if facts.get(part)]
            if parts:
                rows.append({"label": label, "part": part, **_part(parts)})
    return rows


def _part(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    firsts = [p["first_time"] for p in parts if p["first_time"]]
    lasts = [p["last_time"] for p in parts if p["last_time"]]
    return {
        "first": _minute(min(firsts, default=None)),
        "last": _minute(max(lasts, default=None)),
        "samples": _span([p["samples"] for p in parts]),
        "events": _span([p["events"] for p in parts]),
        "classes": [_span([p["classes"][c] for p in parts]) for c in ("BUY", "HOLD", "SELL")],
    }


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _purge_text(runs: Sequence[RunResult]) -> str:
    known = [run.splits for run in runs if run.splits]
    if not known:
        return ""
    train = _span([int(s.get("purged_train") or 0) for s in known])
    validation = _span([int(s.get("purged_validation") or 0) for s in known])
    return (
        f"Purged because their label ends in a later part: {train} samples of training, "
        f"{validation} of validation."
    )


# -- the rest -------------------------------------------------------------------------------------


def _legacy(facts: Sequence[RunFacts]) -> str:
    known = [f.legacy_55_rule for f in facts if f.legacy_55_rule is not None]
    return f"{sum(known)} of {len(known)} runs pass the old 55 % rule. {LEGACY_NOTE}"


def _origin(results: CampaignResults) -> list[tuple[str, str]]:
    seconds = results.duration_seconds
    rows = [
        ("Campaign", f"{results.campaign_id} ({results.status})"),
        ("Description", results.description or "–"),
        ("Seed", str(results.seed)),
        ("Began, ended", f"{_minute(results.created_at)}, {_minute(results.finished_at)} UTC"),
        ("Took", "–" if seconds is None else duration_text(seconds)),
    ]
    return rows + [(key, value) for key, value in results.environment.items()]
