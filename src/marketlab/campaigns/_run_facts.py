"""One run of a campaign as flat figures, and its place in the ranking.

Every view (CSV, Markdown, HTML, console) reads these, so that no two of them can disagree.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marketlab.campaigns._results import CampaignResults, RunResult
from marketlab.core import finite_or_none

OUTCOMES = ("learned", "no evidence", "worse than baseline", "insufficient data")
GROUPS = ("single", "combination", "zigzag")
LEGACY_ACCURACY = 0.55
"""The old rule's threshold on the best validation accuracy (trap T7); noise passes it too."""

_STATE_NAMES = ("causal state", "state")
# Two sides of one indicator are one block: aroon_up_25 and aroon_down_25, di_plus and di_minus.
_SIDES = re.compile(r"_(up|down|plus|minus)(?=_|$)")


@dataclass(frozen=True)
class RunFacts:
    """Flat figures of one run; None wherever the run or its verdict does not have one.

    ``skill`` and the interval ends are nats per sample over the best causal baseline; accuracies
    are fractions on the judged part. ``null_p`` is adjusted for the family and all trials,
    ``null_error`` its Monte-Carlo standard error. ``detectable`` is the least skill that so many
    events show with 80 % probability.
    ``position`` is the place in the ranking, from 1; only runs that can be judged and count as
    evidence have one (not a duplicate, not an excluded one).
    """

    run: RunResult
    group: str
    outcome: str | None = None
    sentence: str | None = None
    reasons: tuple[str, ...] = ()
    would_change: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    skill: float | None = None
    low: float | None = None
    high: float | None = None
    null_p: float | None = None
    null_p_single: float | None = None
    null_error: float | None = None
    n_surrogates: int | None = None
    family_size: int | None = None
    null_text: str | None = None
    detectable: float | None = None
    accuracy: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    balanced_accuracy: float | None = None
    mcc: float | None = None
    log_loss: float | None = None
    hold_share: float | None = None
    majority_accuracy: float | None = None
    state_accuracy: float | None = None
    best_baseline: str | None = None
    best_baseline_loss: float | None = None
    best_baseline_accuracy: float | None = None
    own_majority_share: float | None = None
    n_events: int | None = None
    effective_events: float | None = None
    n_samples: int | None = None
    n_trials: int | None = None
    judged_part: str | None = None
    collapsed: bool | None = None
    excluded: bool | None = None
    best_val_accuracy: float | None = None
    position: int | None = None

    @property
    def ranking_skill(self) -> float | None:
        """Skill on the rows that comparable runs share, else on the run's own rows."""
        shared = finite_or_none(self.run.common_skill)
        return self.skill if shared is None else shared

    @property
    def is_evidence(self) -> bool:
        """Whether the run counts: judged, not a duplicate, not excluded."""
        return self.outcome is not None and self.run.duplicate_of is None and not self.excluded

    @property
    def legacy_55_rule(self) -> bool | None:
        """Whether the best validation accuracy of any epoch exceeds 55 %, the old rule."""
        best = self.best_val_accuracy
        return None if best is None else best > LEGACY_ACCURACY


def run_facts(results: CampaignResults) -> list[RunFacts]:
    """Return the facts of every run in the order of the campaign, ranked where they can be."""
    usual = usual_label(results)
    facts = [_facts(run, group_of(run, usual=usual)) for run in results.runs]
    places = {fact.run.strategy: i for i, fact in enumerate(_judged(facts), start=1)}
    return [
        RunFacts(**{**fact.__dict__, "position": places.get(fact.run.strategy)}) for fact in facts
    ]


def usual_label(results: CampaignResults) -> str:
    """Return the label that most runs of the campaign share, the first of equals."""
    counts = Counter(run.label for run in results.runs).most_common(1)
    return counts[0][0] if counts else ""


def group_of(run: RunResult, *, usual: str) -> str:
    """Return single, combination or zigzag, from what the run declares and never from its name.

    ``zigzag`` are the runs of one block whose label differs from the campaign's usual one.
    """
    if len({_SIDES.sub("", block) for block in run.blocks}) > 1:
        return "combination"
    return "zigzag" if run.label and run.label != usual else "single"


def ranked(facts: Sequence[RunFacts]) -> list[RunFacts]:
    """Return runs by rank, then those with a verdict but no rank, then those without a verdict.

    The last two keep the order of the campaign: their figures carry no order.
    """
    judged = sorted((f for f in facts if f.position is not None), key=lambda f: f.position or 0)
    rest = [f for f in facts if f.position is None]
    return [
        *judged,
        *(f for f in rest if f.outcome is not None),
        *(f for f in rest if f.outcome is None and f.run.status == "completed"),
        *(f for f in rest if f.outcome is None and f.run.status != "completed"),
    ]


def _judged(facts: Sequence[RunFacts]) -> list[RunFacts]:
    able = [
        f
        for f in facts
        if f.outcome in OUTCOMES[:3] and f.is_evidence and f.ranking_skill is not None
    ]

    def key(fact: RunFacts) -> tuple[int, float]:
        return OUTCOMES.index(str(fact.outcome)), -(fact.ranking_skill or 0.0)

    return sorted(able, key=key)


def _facts(run: RunResult, group: str) -> RunFacts:
    verdict = run.verdict
    if verdict is None:
        return RunFacts(run, group, best_val_accuracy=_best_accuracy(run, {}))
    scores: Mapping[str, Any] = verdict.get("scores") or {}
    interval = verdict.get("skill_interval") or {}
    around = verdict.get("accuracy_interval") or {}
    null = verdict.get("null") or {}
    given = verdict.get("baselines") or ()
    baselines = {b["name"]: finite_or_none(b["accuracy"]) for b in given}
    losses = {b["name"]: finite_or_none(b["log_loss"]) for b in given}
    state = next((baselines[name] for name in _STATE_NAMES if name in baselines), None)
    best = verdict.get("best_baseline")
    return RunFacts(
        run=run,
        group=group,
        outcome=verdict["outcome"],
        sentence=verdict.get("sentence"),
        reasons=tuple(verdict.get("reasons") or ()),
        would_change=tuple(verdict.get("would_change") or ()),
        notes=tuple(verdict.get("notes") or ()),
        skill=finite_or_none(verdict.get("skill")),
        low=finite_or_none(interval.get("low")),
        high=finite_or_none(interval.get("high")),
        null_p=finite_or_none(verdict.get("null_p")),
        null_p_single=finite_or_none(null.get("p_single")),
        null_error=finite_or_none(null.get("monte_carlo_error")),
        n_surrogates=null.get("n_surrogates"),
        family_size=null.get("family_size"),
        null_text=null.get("description"),
        detectable=finite_or_none(verdict.get("minimum_detectable_skill")),
        accuracy=finite_or_none(scores.get("accuracy")),
        accuracy_low=finite_or_none(around.get("low")),
        accuracy_high=finite_or_none(around.get("high")),
        balanced_accuracy=finite_or_none(scores.get("balanced_accuracy")),
        mcc=finite_or_none(scores.get("mcc")),
        log_loss=finite_or_none(scores.get("log_loss")),
        hold_share=finite_or_none(scores.get("hold_share")),
        majority_accuracy=baselines.get("majority"),
        state_accuracy=state,
        best_baseline=best,
        best_baseline_loss=losses.get(str(best)),
        best_baseline_accuracy=baselines.get(str(best)),
        own_majority_share=finite_or_none((verdict.get("own_majority") or {}).get("share")),
        n_events=verdict.get("n_events"),
        effective_events=finite_or_none(verdict.get("effective_events")),
        n_samples=verdict.get("n_samples"),
        n_trials=verdict.get("n_trials"),
        judged_part=verdict.get("judged_part"),
        collapsed=scores.get("collapsed"),
        excluded=verdict.get("excluded_from_evidence"),
        best_val_accuracy=_best_accuracy(run, scores),
    )


def _best_accuracy(run: RunResult, scores: Mapping[str, Any]) -> float | None:
    for name in ("val_accuracy", "val_acc"):
        values = [v for v in map(finite_or_none, run.history.get(name) or ()) if v is not None]
        if values:
            return max(values)
    return finite_or_none(scores.get("accuracy"))


def outcome_counts(facts: Sequence[RunFacts]) -> dict[str, int]:
    """Return how many runs have each outcome, in the order of `OUTCOMES`, zeros included."""
    counts = Counter(f.outcome for f in facts)
    return {name: counts[name] for name in OUTCOMES}


# -- figures as text ------------------------------------------------------------------------------


def p_text(value: float | None) -> str:
    """Return a p-value with two digits, `–` if there is none."""
    return "–" if value is None else f"{value:.2f}" if value >= 0.095 else f"{value:.2g}"


def p_with_error(value: float | None, error: float | None) -> str:
    """Return a p-value with its Monte-Carlo error, as in `0.92 ±0.03`; `–` without a p-value."""
    return p_text(value) if value is None or not error else f"{p_text(value)} ±{error:.1g}"


def percent(value: float | None) -> str:
    """Return a fraction as per cent with one digit, without the sign; `–` if there is none."""
    return "–" if value is None else f"{100 * value:.1f}"


def nats_text(value: float | None) -> str:
    """Return a skill with sign and four digits, `–` if there is none; 0 has no sign."""
    if value is None:
        return "–"
    return "0.0000" if abs(value) < 5e-5 else f"{value:+.4f}"


def day(text: str | None) -> str:
    """Return the date of an ISO time, `–` if there is none."""
    return "–" if not text else str(text)[:10]
