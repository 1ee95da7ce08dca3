"""What the pages show besides tables: the data, the null in words, splits, key figures, origin."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from marketlab.campaigns import _report_figures as figures
from marketlab.campaigns._findings import as_linear
from marketlab.campaigns._looks_before import times
from marketlab.campaigns._report_tables import Table, count
from marketlab.campaigns._results import CampaignResults, RunResult
from marketlab.campaigns._results_files import others_saw
from marketlab.campaigns._run_facts import RunFacts, day, nats_text, p_text, p_with_error, ranked
from marketlab.campaigns._tracker import duration_text
from marketlab.core import finite_or_none
from marketlab.evaluation import MIN_EVENTS_TO_JUDGE

_NOT_STATED = "not stated"


def minute(text: str | None) -> str:
    """Return an ISO time to the minute, ``not yet`` if there is none."""
    return "not yet" if not text else str(text)[:16].replace("T", " ")


# -- the first screen -----------------------------------------------------------------------------


def key_figures(results: CampaignResults, facts: Sequence[RunFacts]) -> list[tuple[str, str, str]]:
    """Return what stands behind the answer: name, value, what it is to be compared with."""
    events = [f.n_events for f in facts if f.n_events is not None]
    trials = [f.n_trials for f in facts if f.n_trials is not None]
    tested = [f for f in facts if f.null_p is not None]
    least = min(tested, key=lambda f: f.null_p or 0.0, default=None)
    return [
        (
            "Independent events",
            span(events) if events else "none judged",
            f"per run; {MIN_EVENTS_TO_JUDGE} are needed",
        ),
        _effect(facts),
        (
            "Least null p",
            "no null" if least is None else p_with_error(least.null_p, least.null_error),
            "without a null nothing is learned"
            if least is None
            else f"{least.run.strategy}; 0.05 is asked, {count(least.n_surrogates)} surrogates",
        ),
        (
            "Trials",
            span(trials) if trials else "none judged",
            "on these days of this market, failed and repeated ones included",
        ),
        _test_part(results),
    ]


def _test_part(results: CampaignResults) -> tuple[str, str, str]:
    opened, others = results.test_openings, others_saw(results)
    if not opened and others:
        return "Test part", "seen by others", others
    if not opened:
        return "Test part", "sealed", "no score of it is known"
    also = f"; {others}" if others else ""
    return "Test part", f"opened {times(opened)}", f"each opening stands below{also}"


def _effect(facts: Sequence[RunFacts]) -> tuple[str, str, str]:
    """Return the smallest effect that can be found, beside the best that was seen."""
    known = [f for f in facts if f.detectable is not None and f.skill is not None]
    if not known:
        return "Smallest findable skill", "unknown", "it needs 20 events and an interval"
    best = max(known, key=lambda f: f.skill or 0.0)
    return (
        "Smallest findable skill",
        f"{best.detectable:.4f} nats",
        f"seen: {nats_text(best.skill)} ({best.run.strategy})".replace("-", "−"),
    )


# -- data and origin ------------------------------------------------------------------------------


def data_facts(results: CampaignResults) -> dict[str, Any]:
    """Return the series: for the kicker, the notice and a table."""
    data = results.dataset
    metadata = data.get("metadata") or {}
    rows = [
        ("Series", f"{data.get('symbol', _NOT_STATED)} {data.get('timeframe', '')}"),
        (
            "Bars",
            (
                f"{data.get('n_bars', 0):,}, from {minute(data.get('first_time'))} to "
                f"{minute(data.get('last_time'))} (opens, UTC)"
            ),
        ),
        ("Source", data.get("source") or _NOT_STATED),
        ("Provenance", data.get("provenance") or _NOT_STATED),
        ("Licence", data.get("licence") or _NOT_STATED),
        ("Volume", "yes" if data.get("has_volume") else "no"),
        ("Synthetic", "yes: nothing here is about a market" if data.get("is_synthetic") else "no"),
        ("Content (SHA-256)", data.get("dataset_id") or _NOT_STATED),
    ]
    rows += [(f"Fact: {key}", str(value)) for key, value in metadata.items()]
    return {
        "symbol": data.get("symbol", "unknown series"),
        "timeframe": data.get("timeframe", ""),
        "bars": f"{data.get('n_bars', 0):,}",
        "first": day(data.get("first_time")),
        "last": day(data.get("last_time")),
        "synthetic": bool(data.get("is_synthetic")),
        "created": day(results.created_at),
        "rows": rows,
    }


def subject(results: CampaignResults) -> str:
    """Return whether the results are of a campaign or of a run that stands alone."""
    alone = any(results.campaign_id in (r.run_id, r.operation_id) for r in results.runs)
    return "Run" if alone else "Campaign"


def origin(results: CampaignResults) -> list[tuple[str, str]]:
    """Return when, how long, with which seed and versions."""
    seconds = results.duration_seconds
    rows = [
        (subject(results), f"{results.campaign_id} ({results.status})"),
        ("Description", results.description or "none given"),
        ("Seed", str(results.seed)),
        ("Began, ended", f"{minute(results.created_at)}, {minute(results.finished_at)} (UTC)"),
        ("Took", "unknown" if seconds is None else duration_text(seconds)),
    ]
    return rows + [(key, value) for key, value in results.environment.items()]


# -- the null in words ----------------------------------------------------------------------------


def null_words(null: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the null's figures and sentences; all None where there is no null."""
    matrices = figures.null_matrices(null)
    if null is None or matrices is None:
        names = ("histogram", "strips", "text", "tests", "drawn")
        return {**dict.fromkeys(names), "n_family": 0, "n_surrogates": 0, "model": ""}
    observed, best = figures.standardised(*matrices)
    top = int(np.nanargmax(observed))
    reach = int((best >= observed[top]).sum())
    p, error = _at(null, "p_adjusted", top), _at(null, "monte_carlo_error", top)
    text = (
        f"Every strategy was refitted on {null['n_surrogates']} surrogate markets; compared is the "
        f"{null['statistic']}. On {reach} of {len(best)} of them the best strategy does at least "
        f"as well as the best one on the real bars ({null['names'][top]})"
    )
    family = f" for the family of {len(observed)}" if len(observed) > 1 else ""
    text += f": p = {p_with_error(p, error)} (Monte-Carlo error){family}." if p is not None else "."
    return {
        "histogram": figures.null_histogram(null) if len(observed) > 1 else None,
        "strips": figures.null_strips(null) if len(observed) > 1 else None,
        "text": text,
        "tests": f"It tests {null['tests']}" if null.get("tests") else None,
        "drawn": str(null.get("surrogate") or "sign_flip").replace("_", " "),
        "model": null.get("model") or ("linear models" if as_linear(null) else "nets"),
        "n_family": len(observed),
        "n_surrogates": null["n_surrogates"],
    }


def _at(null: Mapping[str, Any], key: str, place: int) -> float | None:
    values = null.get(key)
    return finite_or_none(values[place]) if values else None


def run_null_words(results: CampaignResults, fact: RunFacts) -> str:
    """Return what one run's null says, in one sentence."""
    column = figures.null_column(results.null, fact.run.strategy)
    if column is None:
        return "There is no null of this run, so noise is not excluded."
    observed, values = column
    reach = int((values >= observed).sum())
    alone = "" if fact.null_p_single is None else f": p = {p_text(fact.null_p_single)} alone"
    paid = (
        ""
        if fact.null_p is None
        else f"{',' if alone else ':'} p = {p_with_error(fact.null_p, fact.null_error)} for the "
        "best of all strategies and all trials"
    )
    linear = as_linear(results.null)
    return f"{reach} of {len(values)} surrogate markets reach the real one{linear}{alone}{paid}."


# -- splits ---------------------------------------------------------------------------------------

_PARTS = ("train", "validation", "walk-forward", "test")


def splits(runs: Sequence[RunResult]) -> Table:
    """Return one row per label and part; ranges where the runs of a label differ."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        if run.splits:
            groups.setdefault(run.label, []).append(run.splits)
    rows: list[tuple[str, ...]] = []
    for label, found in groups.items():
        for part in _PARTS:
            parts = [facts[part] for facts in found if facts.get(part)]
            if parts:
                rows.append((label, part, *_part_cells(parts)))
    heads = (
        "Label",
        "Part",
        "First bar",
        "Last bar",
        ">Samples",
        ">BUY",
        ">HOLD",
        ">SELL",
        ">Events",
    )
    missing = "" if rows else "No run reached its split."
    return Table("Splits and independent events", heads, tuple(rows), missing=missing)


def _part_cells(parts: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    firsts = [p["first_time"] for p in parts if p["first_time"]]
    lasts = [p["last_time"] for p in parts if p["last_time"]]
    return (
        minute(min(firsts)) if firsts else "empty",
        minute(max(lasts)) if lasts else "empty",
        span([p["samples"] for p in parts]),
        *(span([p["classes"][c] for p in parts]) for c in ("BUY", "HOLD", "SELL")),
        span([p["events"] for p in parts]),
    )


def span(values: Sequence[int]) -> str:
    """Return one whole number, or the least and the greatest."""
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def purge_text(runs: Sequence[RunResult]) -> str:
    """Say how many samples were purged; empty before any split."""
    known = [run.splits for run in runs if run.splits]
    if not known:
        return ""
    train = span([int(s.get("purged_train") or 0) for s in known])
    validation = span([int(s.get("purged_validation") or 0) for s in known])
    return (
        f"Purged because their label ends in a later part: {train} samples of training, "
        f"{validation} of validation."
    )


def nothing_wrong(results: CampaignResults) -> str:
    """Return what stands where no diagnosis is; pairs of runs are only seen in a campaign."""
    pairs = "" if len(results.runs) == 1 else ", no dead parameter and no duplicate"
    return f"Nothing was found: no collapse{',' if pairs else ' and'} no divergence{pairs}."


def first_card(facts: Sequence[RunFacts]) -> RunFacts | None:
    """Return the run whose card is open: the first by rank, else the first that has a verdict."""
    judged = [f for f in ranked(facts) if f.outcome is not None]
    return judged[0] if judged else None
