"""The one place that decides whether something was learned.

A run has *learned* only if all of these hold on the judged part:

1. the part can be judged: no part of the split is empty, BUY and SELL both occur in training and
   in the judged part, there are at least 100 independent events, and so an interval;
2. the 95 % interval of log-loss skill over the best causal baseline lies above zero (majority,
   even odds and those of `JudgeInput.baselines`; what is in `JudgeInput.shown` decides nothing);
3. the null's p, adjusted for the family and for the trials outside it, is at most 0.05;
4. the forecast has not collapsed onto one class;
5. nothing excludes the run from the evidence (constant features, duplicate of another design).

Precedence, first that applies: 1 broken -> *insufficient data*; the interval entirely below zero
-> *worse than baseline*; all hold -> *learned*; else *no evidence*. So 60 events and a terrible
score are insufficient data: with too few events no conclusion is drawn in either direction.
Accuracy decides nothing.

Why 3 cannot be left out: on a random walk the leg a bar is in can be told from how far the price
has come, so a good net beats a simple baseline on *noise*, with an interval above zero. Only
surrogates of the same market, sent through the same procedure, know what that is worth. Measured
in November 2026 on 300 driftless walks of 18,000 bars (zigzag 0.35 %, about 120 events judged,
three logistic designs, 39 surrogates): the interval over majority, even odds and state lay above
zero in 98 % of runs, and a family held a *learned* one in 5.3 % of campaigns, as p <= 0.05 says.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from marketlab.core import (
    DataError,
    FloatArray,
    check_at_least,
    check_same_length,
)
from marketlab.evaluation import _verdict_text as text
from marketlab.evaluation._baselines import (
    best_causal_baseline,
    even_odds_baseline,
    majority_baseline,
    own_majority,
)
from marketlab.evaluation._bootstrap import (
    Interval,
    count_events,
    effective_events,
    event_bootstrap_interval,
)
from marketlab.evaluation._present_classes import absent_classes, without_classes
from marketlab.evaluation._scores import (
    BUY,
    CLASS_NAMES,
    HOLD,
    N_CLASSES,
    SELL,
    Scores,
    check_classes,
    check_probabilities,
    classification_scores,
    sample_log_loss,
)
from marketlab.evaluation._verdict import (
    LEVEL,
    MAX_NULL_P,
    MIN_EVENTS_TO_JUDGE,
    BaselineScores,
    JudgeInput,
    NullEvidence,
    Outcome,
    Verdict,
)

_NO_SKILL = 1e-9
"""Nats per sample; what lies below is rounding."""

_POWER = 0.80

RARE_HOLD_SHARE = 0.05
"""Share of HOLD, in training and judged part, up to which a label counts as one of two classes."""

_MOST_POINTS = 20.0
"""Beyond it the approximation of `accuracy_points` is off by more than 3 % of the skill."""


@dataclass(frozen=True, slots=True)
class _Skill:
    best: str | None
    estimate: float | None
    interval: Interval | None
    accuracy: Interval | None


def judge(evidence: JudgeInput) -> Verdict:
    """Return the verdict on one run by the rules on top of this file.

    Raises
    ------
    DataError if arrays do not fit each other or hold what they may not; ConfigError for a number
    of trials below 1. Bad *evidence* never raises: it is the verdict.
    """
    _check(evidence)
    evidence, baselines = _of_present_classes(evidence, _with_constant_baselines(evidence))
    scores = classification_scores(evidence.y, evidence.probabilities)
    skill = _skill(evidence, baselines)
    n_events = count_events(evidence.event)
    null_p = adjusted_for_trials(evidence.null, evidence.n_trials)
    unjudgeable = _unjudgeable(evidence, scores, n_events, skill.interval)
    missed = _missed(evidence, scores, skill, null_p)
    outcome = _outcome(unjudgeable, missed, skill.interval)
    detectable = minimum_detectable_skill(skill.interval)
    points = _detectable_points(evidence, detectable)
    facts = text.Facts(
        evidence=evidence,
        outcome=outcome,
        scores=scores,
        n_events=n_events,
        best_baseline=skill.best,
        skill=skill.estimate,
        interval=skill.interval,
        detectable=detectable,
        detectable_points=points,
        null_p=null_p,
    )
    return Verdict(
        outcome=outcome,
        sentence=text.sentence(facts),
        reasons=(*unjudgeable, *missed),
        would_change=text.would_change(facts),
        notes=text.notes(facts),
        judged_part=evidence.judged_part,
        label_text=evidence.label_text,
        n_samples=len(evidence.y),
        n_events=n_events,
        effective_events=effective_events(evidence.event),
        n_trials=evidence.n_trials,
        scores=scores,
        best_baseline=skill.best,
        baselines=_baseline_scores(evidence, baselines),
        own_majority=own_majority(evidence.y),
        skill=skill.estimate,
        skill_interval=skill.interval,
        accuracy_interval=skill.accuracy,
        minimum_detectable_skill=detectable,
        null=evidence.null,
        null_p=null_p,
        is_synthetic=evidence.is_synthetic,
        excluded_from_evidence=bool(evidence.exclusions),
        exclusions=evidence.exclusions,
        minimum_detectable_accuracy_points=points,
    )


def adjusted_for_trials(null: NullEvidence | None, n_trials: int) -> float | None:
    """Return the family's p times n_trials / family_size, at most 1; None if it does not count.

    The family tests S of n trials; its share of the 5 % is S / n (weighted Bonferroni: Holm 1979,
    "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6, 65-70). With no
    trial outside the family nothing changes.

    What holds at 5 % is one family with the trials made *before* it. Verdicts are not taken back
    when more trials follow, so over a sequence of equal campaigns on noise the chance that any of
    them says *learned* is larger: 7 % after 2, 9.5 % after 5 and after 20 with 99 surrogates each
    (computed November 2026; from the sixth on no p can be small enough), 17 % after 20 with 9,999.
    """
    if null is None or null.p_adjusted is None:
        return None
    if not (null.same_procedure and null.tests_direction):
        return None
    return min(1.0, null.p_adjusted * max(1.0, n_trials / max(1, null.family_size)))


def minimum_detectable_skill(interval: Interval | None) -> float | None:
    """Return (z_0.975 + z_0.80) standard errors, nats per sample (Bloom 1995); None without any.

    Rough: it takes the standard error seen here for that of the next run of this size.
    """
    if interval is None:
        return None
    normal = NormalDist()
    factor = normal.inv_cdf((1.0 + interval.level) / 2.0) + normal.inv_cdf(_POWER)
    return factor * interval.standard_error


def accuracy_points(skill: float) -> float | None:
    """Return the accuracy above 50 %, in percentage points, that a skill over even odds is worth.

    A forecast that says one of two even classes with probability 1/2 + d, and is right as often,
    has the skill ln 2 - H(1/2 + d) = 2 d² + 4/3 d⁴ + … nats per sample (the expansion of binary
    entropy H around even odds; Cover and Thomas 2006, "Elements of Information Theory", section 2.1
    and, as the bound 2 d² <= skill, Pinsker's inequality, lemma 11.6.1). So d is about
    sqrt(skill / 2), never less than the exact one.

    Parameters
    ----------
    skill : nats per sample.

    Returns
    -------
    100 sqrt(skill / 2); None for a skill that is not above zero, or worth more than 20 points,
    where the expansion is too rough.
    """
    points = 100.0 * math.sqrt(max(skill, 0.0) / 2.0)
    return points if 0.0 < points <= _MOST_POINTS else None


def _detectable_points(evidence: JudgeInput, detectable: float | None) -> float | None:
    """Return the detectable skill as accuracy where HOLD is rare enough for two classes."""
    if detectable is None:
        return None
    counts = evidence.train_counts.reshape(-1, N_CLASSES).sum(axis=0)
    held = int(counts[HOLD]) / int(counts.sum()) if counts.sum() else 0.0
    if max(held, float((evidence.y == HOLD).mean())) > RARE_HOLD_SHARE:
        return None
    return accuracy_points(detectable)


def _check(evidence: JudgeInput) -> None:
    check_same_length(y=evidence.y, event=evidence.event, bar=evidence.bar)
    check_at_least("n_trials", evidence.n_trials, 1)
    check_classes("y", evidence.y)
    given = {"probabilities": evidence.probabilities, **evidence.baselines, **evidence.shown}
    for name, rows in given.items():
        check_probabilities(name, rows, len(evidence.y))
    if evidence.train_counts.min(initial=0) < 0:
        raise DataError("train_counts holds a negative count.", code="DATA-ShapeMismatch")
    shape = evidence.train_counts.shape
    if shape[-1:] != (N_CLASSES,) or len(shape) != (1 if evidence.fold is None else 2):
        raise DataError(
            f"train_counts must hold one count per class, {N_CLASSES} in all, for every fold that "
            f"`fold` names; its shape is {shape}.",
            code="DATA-ShapeMismatch",
        )
    if evidence.fold is not None:
        check_same_length(y=evidence.y, fold=evidence.fold)
        if len(evidence.fold) and not 0 <= evidence.fold.min() <= evidence.fold.max() < shape[0]:
            raise DataError(
                f"fold names rows of train_counts, 0 to {shape[0] - 1}; it holds "
                f"{evidence.fold.min()} to {evidence.fold.max()}.",
                code="DATA-ShapeMismatch",
            )
    if np.any(np.diff(evidence.bar) < 0):
        raise DataError("bar must ascend: samples are in time order.", code="DATA-Unordered")


def _of_present_classes(
    evidence: JudgeInput, baselines: dict[str, FloatArray]
) -> tuple[JudgeInput, dict[str, FloatArray]]:
    """Return evidence and baselines, read as forecasts of the classes that occur at all."""
    absent = absent_classes(evidence.train_counts, evidence.y)
    read = replace(
        evidence,
        probabilities=without_classes(evidence.probabilities, absent),
        shown={name: without_classes(rows, absent) for name, rows in evidence.shown.items()},
    )
    return read, {name: without_classes(rows, absent) for name, rows in baselines.items()}


def _with_constant_baselines(evidence: JudgeInput) -> dict[str, FloatArray]:
    counts = evidence.train_counts.reshape(-1, N_CLASSES)
    fold = evidence.fold if evidence.fold is not None else np.zeros(len(evidence.y), dtype=np.int64)
    own = {
        "majority": np.concatenate([majority_baseline(c, 1) for c in counts])[fold],
        "even_odds": np.concatenate([even_odds_baseline(c, 1) for c in counts])[fold],
    }
    given = {name: p for name, p in evidence.baselines.items() if name not in own}
    return own | given


def _skill(evidence: JudgeInput, baselines: Mapping[str, FloatArray]) -> _Skill:
    if len(evidence.y) == 0:
        return _Skill(None, None, None, None)
    best = best_causal_baseline(evidence.y, baselines)
    difference = best.losses - sample_log_loss(evidence.y, evidence.probabilities)
    right = (evidence.probabilities.argmax(axis=1) == evidence.y).astype(np.float64)
    accuracy = event_bootstrap_interval(right, evidence.event, seed=evidence.seed, level=LEVEL)
    if accuracy is not None:  # a share; the studentised end may leave its range
        ends = {"low": max(0.0, accuracy.low), "high": min(1.0, accuracy.high)}
        accuracy = accuracy.model_copy(update=ends)
    return _Skill(
        best.name,
        float(difference.mean()),
        event_bootstrap_interval(difference, evidence.event, seed=evidence.seed, level=LEVEL),
        accuracy,
    )


def _baseline_scores(
    evidence: JudgeInput, baselines: Mapping[str, FloatArray]
) -> tuple[BaselineScores, ...]:
    """Return the scores of those that decide, then of those that are only shown."""
    out = []
    for name, probabilities in {**evidence.shown, **baselines}.items():
        scores = classification_scores(evidence.y, probabilities)
        out.append(
            BaselineScores(
                name=name,
                log_loss=scores.log_loss,
                accuracy=scores.accuracy,
                decides=name in baselines,
            )
        )
    return tuple(sorted(out, key=lambda each: not each.decides))


def _unjudgeable(
    evidence: JudgeInput, scores: Scores, n_events: int, interval: Interval | None
) -> tuple[str, ...]:
    """Return why no conclusion can be drawn in either direction."""
    part = evidence.judged_part
    counts = evidence.train_counts.reshape(-1, N_CLASSES)
    out = list(evidence.degenerate_reasons)
    if not counts.sum(axis=1).all():
        out.append("the training part holds no sample.")
    if len(evidence.y) == 0:
        out.append(f"the {part} part holds no sample.")
    for k in (BUY, SELL):
        name = CLASS_NAMES[k]
        if counts.sum(axis=1).all() and not counts[:, k].all():
            out.append(f"no training sample is labelled {name}.")
        if len(evidence.y) and scores.supports[name] == 0:
            out.append(f"no {part} sample is labelled {name}.")
    if n_events < MIN_EVENTS_TO_JUDGE:
        out.append(
            f"the {part} part holds {text.plural(n_events, 'independent event')}; "
            f"{MIN_EVENTS_TO_JUDGE} are needed for a conclusion in either direction."
        )
    if interval is None and len(evidence.y):
        out.append("below 20 events there is no honest interval, so none is given.")
    return tuple(out)


def _missed(
    evidence: JudgeInput, scores: Scores, skill: _Skill, null_p: float | None
) -> tuple[str, ...]:
    """Return which of conditions 2 to 5 do not hold."""
    out = []
    if skill.interval is not None and skill.interval.low <= _NO_SKILL:
        out.append(
            f"the 95 % interval of log-loss skill over the best causal baseline "
            f"({str(skill.best).replace('_', ' ')}) is {text.ends(skill.interval)} nats per "
            "sample; it must lie above zero."
        )
    if null_p is None or null_p > MAX_NULL_P:
        out.append(text.null_reason(evidence.null, null_p, evidence.n_trials))
    if scores.collapsed:
        name, share = max(scores.predicted_shares.items(), key=lambda item: item[1])
        out.append(f"the forecast collapsed: {100 * share:.1f} % of its answers are {name}.")
    out += [f"excluded from evidence: {reason}" for reason in evidence.exclusions]
    return tuple(out)


def _outcome(
    unjudgeable: tuple[str, ...], missed: tuple[str, ...], interval: Interval | None
) -> Outcome:
    if unjudgeable or interval is None:
        return "insufficient data"
    if interval.high < -_NO_SKILL:
        return "worse than baseline"
    return "no evidence" if missed else "learned"
