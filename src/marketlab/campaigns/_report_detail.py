"""What a run's evidence says beyond its verdict: reliability, confusion, baselines, trading, folds.

Everything is JSON-ready. Where a figure is not defined, its block is ``{"undefined": sentence}``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from marketlab.campaigns._evidence import Evidence
from marketlab.core import IntArray, finite_or_none
from marketlab.evaluation import (
    CLASS_NAMES,
    ReliabilityRow,
    Undefined,
    auc_interval,
    classification_scores,
    count_events,
    reliability_table,
    sample_log_loss,
)

MANY_BINS, FEW_BINS = 10, 5
EVENTS_FOR_MANY_BINS = 400
"""Below, five bins: a bin with fewer than 20 events has no interval."""

NO_SAMPLE = "there is no sample in the judged part."
_BUY = CLASS_NAMES.index("BUY")


def run_detail(
    evidence: Evidence, verdict: Mapping[str, Any] | None, clock: IntArray
) -> dict[str, Any]:
    """Return the facts of one run's judged part.

    Parameters
    ----------
    verdict : `Verdict.to_mapping()`; None while the run is not judged.
    clock : (m,) ascending opening times in ns of the data set the run read.

    Returns
    -------
    judged_part, n_samples, n_events, first_time, last_time (ISO, UTC; None without samples),
    class_counts, confusion (counts, rows true, columns answered, BUY HOLD SELL), reliability (of
    P(BUY) in bins of about equal counts: ece, rows with low, high, n_samples, n_events, mean,
    observed, and either interval_low and interval_high or why_no_interval), auc (of P(BUY)
    against the rest: value, low, high), baselines (see `baseline_rows`), best_baseline,
    best_baseline_inside_training,
    baseline_selection, trading, folds.
    """
    times = judged_times(evidence, clock)
    scores = classification_scores(evidence.y, evidence.probabilities)
    facts = evidence.facts
    verdict = verdict or {}
    return {
        "judged_part": facts["judged_part"],
        "n_samples": len(evidence.y),
        "n_events": count_events(evidence.event),
        "first_time": _iso(times[0]) if len(times) else None,
        "last_time": _iso(times[-1]) if len(times) else None,
        "class_counts": dict(scores.supports),
        "confusion": [list(row) for row in scores.confusion],
        "reliability": _reliability(evidence),
        "auc": _auc(evidence),
        "baselines": baseline_rows(facts["baseline_table"], verdict),
        "best_baseline": verdict.get("best_baseline"),
        "best_baseline_inside_training": facts["best_baseline_inside_training"],
        "baseline_selection": facts["baseline_selection"],
        "trading": facts["trading"],
        "folds": _folds(evidence, times, str(verdict.get("best_baseline"))),
    }


def judged_times(evidence: Evidence, clock: IntArray) -> IntArray:
    """Return the opening times in ns of the judged bars; empty if the data do not hold them."""
    first = int(np.searchsorted(clock, evidence.facts["first_time_ns"]))
    at = evidence.bar + first
    if len(at) and int(at.max()) >= len(clock):
        return np.empty(0, dtype=np.int64)
    times: IntArray = clock[at]
    return times


def _iso(time_ns: Any) -> str:
    return f"{np.datetime64(int(time_ns), 'ns').astype('datetime64[s]')}Z"


# -- forecasts ------------------------------------------------------------------------------------


def _reliability(evidence: Evidence) -> dict[str, Any]:
    hit = (evidence.y == _BUY).astype(np.int64)
    if not len(hit):
        return {"undefined": NO_SAMPLE}
    forecast = np.clip(evidence.probabilities[:, _BUY], 0.0, 1.0)
    n_bins = MANY_BINS if count_events(evidence.event) >= EVENTS_FOR_MANY_BINS else FEW_BINS
    made = reliability_table(hit, forecast, evidence.event, n_bins=n_bins, binning="count")
    group = np.searchsorted([row.high for row in made.rows[:-1]], forecast, side="left")
    return {
        "class": "BUY",
        "n_bins": n_bins,
        "ece": None if isinstance(made.ece, Undefined) else made.ece,
        "rows": [
            _bin(row, len(np.unique(evidence.event[group == k]))) for k, row in enumerate(made.rows)
        ],
    }


def _bin(row: ReliabilityRow, n_events: int) -> dict[str, Any]:
    found = row.interval
    return {
        "low": row.low,
        "high": row.high,
        "n_samples": row.n_samples,
        "n_events": n_events,
        "mean": row.mean_probability,
        "observed": row.observed,
        "interval_low": None if isinstance(found, Undefined) else found.low,
        "interval_high": None if isinstance(found, Undefined) else found.high,
        "why_no_interval": found.reason if isinstance(found, Undefined) else None,
    }


def _auc(evidence: Evidence) -> dict[str, Any]:
    hit = (evidence.y == _BUY).astype(np.int64)
    if not len(hit):
        return {"undefined": NO_SAMPLE}
    made = auc_interval(hit, evidence.probabilities[:, _BUY], event=evidence.event)
    if isinstance(made, Undefined):
        return {"undefined": made.reason}
    return {"class": "BUY", "value": made.auc, "low": made.low, "high": made.high}


# -- baselines ------------------------------------------------------------------------------------


def baseline_rows(
    table: Sequence[Mapping[str, Any]], verdict: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return one row per baseline, those that decide first, each group by log-loss.

    Keys: name, knows, decides, log_loss and accuracy on the judged part, selection_log_loss (held
    out inside training), skipped (why there is no figure). What the verdict says goes before
    `table`, which adds baselines that decide nothing and those that could not be fitted.
    """
    rows = {
        _key(item["name"]): {
            "name": str(item["name"]),
            "knows": str(item["knows"]),
            "decides": False,
            "log_loss": finite_or_none(item["log_loss"]),
            "accuracy": finite_or_none(item["accuracy"]),
            "selection_log_loss": finite_or_none(item["selection_log_loss"]),
            "skipped": item["skipped"],
        }
        for item in table
    }
    for score in verdict.get("baselines") or ():
        name = str(score["name"])
        row = rows.setdefault(
            _key(name), {"knows": "", "selection_log_loss": None, "skipped": None}
        )
        row["name"] = name
        row["decides"] = bool(score.get("decides", True))
        row["log_loss"] = finite_or_none(score["log_loss"])
        row["accuracy"] = finite_or_none(score["accuracy"])
    last = float("inf")
    return sorted(
        rows.values(),
        key=lambda r: (not r["decides"], last if r["log_loss"] is None else r["log_loss"]),
    )


def _key(name: str) -> str:
    """Return one word for a baseline: the judge says "causal state", the registry causal_state."""
    return name.replace(" ", "_")


# -- folds ----------------------------------------------------------------------------------------


def _folds(evidence: Evidence, times: IntArray, best: str) -> list[dict[str, Any]]:
    """Return one row per fold of a walk-forward run; empty where there was one fold only."""
    fold = evidence.fold
    if len(np.unique(fold)) < 2:
        return []
    losses = sample_log_loss(evidence.y, evidence.probabilities)
    baseline = evidence.deciding().get(best)
    least = None if baseline is None else sample_log_loss(evidence.y, baseline)
    right = evidence.probabilities.argmax(axis=1) == evidence.y
    rows = []
    for number in np.unique(fold):
        inside = fold == number
        loss = float(losses[inside].mean())
        rule = None if least is None else float(least[inside].mean())
        at = times[inside] if len(times) else times
        rows.append(
            {
                "fold": int(number),
                "first_time": _iso(at[0]) if len(at) else None,
                "last_time": _iso(at[-1]) if len(at) else None,
                "n_samples": int(inside.sum()),
                "n_events": count_events(evidence.event[inside]),
                "log_loss": loss,
                "baseline_log_loss": rule,
                "skill": None if rule is None else rule - loss,
                "accuracy": float(right[inside].mean()),
            }
        )
    return rows
