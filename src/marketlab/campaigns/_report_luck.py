"""Asks how far luck explains a campaign's runs, and shows the answer as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from marketlab.campaigns._evidence import Evidence
from marketlab.campaigns._luck import LuckRun, campaign_luck
from marketlab.campaigns._market_days import market_days
from marketlab.campaigns._report_detail import judged_times
from marketlab.campaigns._report_tables import MISSING, Table, count, number
from marketlab.campaigns._results import RunResult
from marketlab.campaigns._run_facts import percent
from marketlab.data import BarFrame


def luck_of(
    runs: Sequence[RunResult],
    evidence: Mapping[str, Evidence],
    bars: BarFrame,
    *,
    null: Mapping[str, Any] | None,
    n_trials: int,
    n_other_openings: int,
    seed: int,
) -> dict[str, Any] | None:
    """Return `campaign_luck` over the judged runs; None before any is judged.

    `n_other_openings` are those by other runs that showed days of the test parts.
    """
    judged = [r for r in runs if r.verdict is not None and r.strategy in evidence]
    if not judged:
        return None
    singles = dict(zip(null["names"], null["p_single"], strict=True)) if null else {}
    return campaign_luck(
        [_luck_run(run, evidence[run.strategy], bars) for run in judged],
        n_trials=n_trials,
        n_test_openings=sum(run.n_test_openings for run in runs) + n_other_openings,
        seed=seed,
        days_per_year=market_days(bars, 0, bars.n_bars - 1).days_per_year,
        null_p_values={run.strategy: singles.get(run.strategy) for run in judged} or None,
        n_surrogates=null["n_surrogates"] if null else None,
    )


def _luck_run(run: RunResult, evidence: Evidence, bars: BarFrame) -> LuckRun:
    best = str((run.verdict or {}).get("best_baseline"))
    return LuckRun(
        name=run.strategy,
        time_ns=judged_times(evidence, bars.time_ns),
        event=evidence.event,
        y=evidence.y,
        probabilities=evidence.probabilities,
        best_baseline=evidence.deciding().get(best, evidence.state),
        daily_returns=evidence.daily_returns,
        days=evidence.days,
        design_id=run.design_id,
        label=run.label,
        label_has_begun=evidence.facts["labels_begin_before"],
    )


_QUESTIONS = (
    ("effective_trials", "How many independent tries are the runs?"),
    ("overfitting", "Does the ranking hold up on other samples?"),
    ("superior", "Does the best beat its baseline by more than luck?"),
    ("step_m", "Which runs can be named as better than their baseline?"),
    ("confidence_set", "Which runs cannot be told from the best?"),
    ("families", "Which stand by their own p, all tests paid for?"),
    ("sharpe", "Is the best account more than luck?"),
)


def luck_table(luck: Mapping[str, Any]) -> Table:
    """Return question and answer, one line per block."""
    rows = tuple(
        (question, str(luck[key].get("sentence") or luck[key]["undefined"]))
        for key, question in _QUESTIONS
        if key in luck
    )
    return Table("Every question about luck", ("Question", "Answer"), rows)


def sharpe_table(luck: Mapping[str, Any]) -> Table | None:
    """Return the Sharpe ratios of all runs with what luck alone gives; None without accounts."""
    rows = luck.get("sharpe", {}).get("runs") or ()
    if not rows:
        return None
    cells = tuple(
        (
            str(row["name"]),
            number(row["sharpe_annual"], 2),
            percent(row["probabilistic"]),
            percent(row["deflated"]),
            _days(row["days_needed"]),
            _days(row["days_needed_against_luck"]),
        )
        for row in rows
    )
    heads = (
        "Strategy",
        ">Sharpe, annual",
        ">P(above 0) %",
        ">P(above luck) %",
        ">Days needed",
        ">Days against luck",
    )
    foot = (
        "P(above luck) is the deflated Sharpe ratio: the probability that the true ratio is above "
        f"what the best of as many tries without an edge shows. {MISSING}: not defined, or no "
        "length of record would be enough."
    )
    return Table("Sharpe ratios, and what luck gives", heads, cells, foot)


def _days(value: Any) -> str:
    return MISSING if value is None or not np.isfinite(value) else count(value)
