"""One run of a campaign as flat figures, its place in the ranking, and the campaign's one sentence.

Every view (CSV, Markdown, HTML, console) reads these, so that no two of them can disagree.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marketlab.campaigns._results import CampaignResults, RunResult
from marketlab.core import finite_or_none
from marketlab.evaluation import MIN_EVENTS_TO_JUDGE

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
    are fractions on the judged part. ``null_p`` is adjusted for the family and all trials.
    ``position`` is the place in the ranking, from 1; only runs that can be judged have one.
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
    accuracy: float | None = None
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
    common_label = Counter(run.label for run in results.runs).most_common(1)
    usual = common_label[0][0] if common_label else ""
    facts = [_facts(run, group_of(run, usual_label=usual)) for run in results.runs]
    places = {fact.run.strategy: i for i, fact in enumerate(_judged(facts), start=1)}
    return [
        RunFacts(**{**fact.__dict__, "position": places.get(fact.run.strategy)}) for fact in facts
    ]


def group_of(run: RunResult, *, usual_label: str) -> str:
    """Return single, combination or zigzag, from what the run declares and never from its name.

    ``zigzag`` are the runs of one block whose label differs from the campaign's usual one.
    """
    if len({_SIDES.sub("", block) for block in run.blocks}) > 1:
        return "combination"
    return "zigzag" if run.label and run.label != usual_label else "single"


def ranked(facts: Sequence[RunFacts]) -> list[RunFacts]:
    """Return judged runs by rank, then those that cannot be judged, then the unfinished ones.

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
    able = [f for f in facts if f.outcome in OUTCOMES[:3] and f.ranking_skill is not None]

    def key(fact: RunFacts) -> tuple[int, float]:
        return OUTCOMES.index(str(fact.outcome)), -(fact.ranking_skill or 0.0)

    return sorted(able, key=key)


def _facts(run: RunResult, group: str) -> RunFacts:
    verdict = run.verdict
    if verdict is None:
        return RunFacts(run, group, best_val_accuracy=_best_accuracy(run, {}))
    scores: Mapping[str, Any] = verdict.get("scores") or {}
    interval = verdict.get("skill_interval") or {}
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
        accuracy=finite_or_none(scores.get("accuracy")),
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


# -- the one sentence -----------------------------------------------------------------------------


def campaign_answer(results: CampaignResults, facts: Sequence[RunFacts]) -> str:
    """Return the finding of the whole campaign in one sentence."""
    n = len(results.runs)
    on = "On synthetic bars, " if results.dataset.get("is_synthetic") else ""
    if not results.completed:
        return f"No run of this campaign completed, so it says nothing about its {n} strategies."
    known = [f for f in facts if f.outcome is not None]
    if not known:
        return f"{len(results.completed)} of {n} runs completed and none is judged yet."
    learned = [f for f in facts if f.is_evidence and f.outcome == "learned"]
    if learned:
        names = _names([f.run.strategy for f in learned])
        body = f"{len(learned)} of {n} strategies beat both the simple rules and noise: {names}"
        return _capital(f"{on}{body}; {_others(facts, n, but='learned')}.")
    judged = [f for f in facts if f.position is not None]
    if not judged:
        return _capital(f"{on}{_cannot_answer(known, n)}.")
    return _capital(f"{on}{_nothing_shown(judged, n)}{_unjudged(facts)}.")


def _cannot_answer(known: Sequence[RunFacts], n: int) -> str:
    most = max((f.n_events or 0) for f in known)
    if most < MIN_EVENTS_TO_JUDGE:
        return (
            f"this campaign cannot answer its question: no validation part holds more than {most} "
            f"independent events where {MIN_EVENTS_TO_JUDGE} are needed, so none of its {n} "
            "accuracies speaks for or against a design"
        )
    return (
        f"this campaign cannot answer its question: in every one of its {n} runs a class or a part "
        "of the split is empty, or the events are too few"
    )


def _nothing_shown(judged: Sequence[RunFacts], n: int) -> str:
    best = max(judged, key=lambda f: f.ranking_skill or 0.0)
    text = f"nothing here shows that any of the {n} strategies learned anything: the best of them"
    text += f" ({best.run.strategy}) "
    skill = best.skill or 0.0
    gain = "gains" if skill >= 0 else "loses"
    text += f"{gain} {abs(skill):.4f} nats per sample on the best simple rule"
    if best.low is not None and best.high is not None:
        text += f" (95 % interval {best.low:+.4f} to {best.high:+.4f})"
    if best.null_p is not None:
        text += f", and the best of equally many strategies on noise does as well with p = {p_text(best.null_p)}"
    return text


def _unjudged(facts: Sequence[RunFacts]) -> str:
    few = sum(f.outcome == "insufficient data" for f in facts)
    open_ = sum(f.outcome is None for f in facts)
    parts = []
    if few:
        parts.append(f"{few} could not be judged for lack of data")
    if open_:
        parts.append(f"{open_} have no verdict")
    return f"; {' and '.join(parts)}" if parts else ""


def _others(facts: Sequence[RunFacts], n: int, *, but: str) -> str:
    counts = Counter(f.outcome or "no verdict" for f in facts if f.outcome != but)
    parts = [f"{count} {name}" for name, count in counts.most_common()]
    spare = sum(f.outcome == but and not f.is_evidence for f in facts)
    if spare:
        parts.append(f"{spare} excluded or duplicate")
    return f"the other {n - sum(f.outcome == but and f.is_evidence for f in facts)}: " + (
        ", ".join(parts) if parts else "none"
    )


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def outcome_counts(facts: Sequence[RunFacts]) -> dict[str, int]:
    """Return how many runs have each outcome, in the order of `OUTCOMES`, zeros included."""
    counts = Counter(f.outcome for f in facts)
    return {name: counts[name] for name in OUTCOMES}


# -- figures as text ------------------------------------------------------------------------------


def p_text(value: float | None) -> str:
    """Return a p-value with two digits, `–` if there is none."""
    return "–" if value is None else f"{value:.2f}" if value >= 0.095 else f"{value:.2g}"


def percent(value: float | None) -> str:
    """Return a fraction as per cent with one digit, without the sign; `–` if there is none."""
    return "–" if value is None else f"{100 * value:.1f}"


def nats_text(value: float | None) -> str:
    """Return a skill with sign and four digits, `–` if there is none."""
    return "–" if value is None else f"{value:+.4f}"


def day(text: str | None) -> str:
    """Return the date of an ISO time, `–` if there is none."""
    return "–" if not text else str(text)[:10]


# -- duplicates and failures ----------------------------------------------------------------------


@dataclass(frozen=True)
class Duplicate:
    """Two runs of one design: their difference is what chance alone does to a score here."""

    first: str
    second: str
    accuracy: tuple[float | None, float | None]
    skill: tuple[float | None, float | None]

    @property
    def accuracy_difference(self) -> float | None:
        """Absolute difference of validation accuracy, a fraction."""
        return _difference(self.accuracy)

    @property
    def skill_difference(self) -> float | None:
        """Absolute difference of skill, nats per sample."""
        return _difference(self.skill)


def _difference(pair: tuple[float | None, float | None]) -> float | None:
    return None if pair[0] is None or pair[1] is None else abs(pair[0] - pair[1])


def duplicates(facts: Sequence[RunFacts]) -> list[Duplicate]:
    """Return the pairs of runs with one design."""
    by_name = {f.run.strategy: f for f in facts}
    out = []
    for fact in facts:
        first = by_name.get(fact.run.duplicate_of or "")
        if first is not None:
            out.append(
                Duplicate(
                    first.run.strategy,
                    fact.run.strategy,
                    (first.accuracy, fact.accuracy),
                    (first.skill, fact.skill),
                )
            )
    return out


@dataclass(frozen=True)
class FailurePattern:
    """Failures with one code."""

    code: str
    failure_class: str
    strategies: tuple[str, ...]
    message: str


def failure_patterns(results: CampaignResults) -> list[FailurePattern]:
    """Return the failures grouped by code, the most frequent first."""
    groups: dict[str, list[RunResult]] = {}
    for run in results.runs:
        if run.status == "failed":
            groups.setdefault(run.error_code or "no code", []).append(run)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [
        FailurePattern(
            code,
            ", ".join(sorted({run.failure_class or "unknown" for run in runs})),
            tuple(run.strategy for run in runs),
            runs[0].error or "no message was recorded",
        )
        for code, runs in ordered
    ]


@dataclass(frozen=True)
class Statement:
    """One reason or remedy and the runs it holds for.

    Where the runs' figures differ (``varies``), those of the first run are shown.
    """

    text: str
    strategies: tuple[str, ...]
    varies: bool

    @property
    def runs(self) -> str:
        """Whom it holds for, in words; the first run named is the one whose figures are shown."""
        first, n = self.strategies[0], len(self.strategies)
        if n == 1:
            return first
        if not self.varies:
            return f"{n} runs" if n > 3 else ", ".join(self.strategies)
        return f"shown for {first}; {n - 1} more with figures of their own"


def statements(facts: Sequence[RunFacts], field: str) -> list[Statement]:
    """Group `reasons`, `would_change` or `notes` that differ in their figures only, the commonest first."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for fact in facts:
        for text in getattr(fact, field):
            shape = re.sub(r"[+-]?\d[\d.,e-]*", "#", text)
            groups.setdefault(shape, []).append((text, fact.run.strategy))
    return [
        Statement(found[0][0], tuple(name for _, name in found), len({t for t, _ in found}) > 1)
        for found in sorted(groups.values(), key=len, reverse=True)
    ]
