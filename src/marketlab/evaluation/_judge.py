"""The one place that decides whether something was learned.

A run has *learned* only if all of these hold on the judged part:

1. the part can be judged: no part of the split is empty, BUY and SELL both occur in training and
   in the judged part, there are at least 100 independent events, and so an interval;
2. the 95 % interval of log-loss skill over the best causal baseline lies above zero;
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

from collections.abc import Mapping
from dataclasses import dataclass
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
from marketlab.evaluation._scores import (
    BUY,
    CLASS_NAMES,
    N_CLASSES,
    SELL,
    Scores,
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
    scores = classification_scores(evidence.y, evidence.probabilities)
    baselines = _with_constant_baselines(evidence)
    skill = _skill(evidence, baselines)
    n_events = count_events(evidence.event)
    null_p = adjusted_for_trials(evidence.null, evidence.n_trials)
    unjudgeable = _unjudgeable(evidence, scores, n_events, skill.interval)
    missed = _missed(evidence, scores, skill, null_p)
    outcome = _outcome(unjudgeable, missed, skill.interval)
    detectable = minimum_detectable_skill(skill.interval)
    facts = text.Facts(
        evidence=evidence,
        outcome=outcome,
        scores=scores,
        n_events=n_events,
        best_baseline=skill.best,
        skill=skill.estimate,
        interval=skill.interval,
        detectable=detectable,
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
    )


def adjusted_for_trials(null: NullEvidence | None, n_trials: int) -> float | None:
    """Return the family's p times n_trials / family_size, at most 1; None if it does not count.

    The family tests S of n trials; its share of the 5 % is S / n (weighted Bonferroni: Holm 1979,
    "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6, 65-70). With no
    trial outside the family nothing changes.
    """
    if null is None or null.p_adjusted is None or not null.same_procedure:
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


def _check(evidence: JudgeInput) -> None:
    check_same_length(y=evidence.y, event=evidence.event, bar=evidence.bar)
    check_at_least("n_trials", evidence.n_trials, 1)
    if evidence.train_counts.shape != (N_CLASSES,):
        raise DataError(
            f"train_counts must hold one count per class, {N_CLASSES} in all; its shape is "
            f"{evidence.train_counts.shape}.",
            code="DATA-ShapeMismatch",
        )
    if np.any(np.diff(evidence.bar) < 0):
        raise DataError("bar must ascend: samples are in time order.", code="DATA-Unordered")


def _with_constant_baselines(evidence: JudgeInput) -> dict[str, FloatArray]:
    n_samples = len(evidence.y)
    own = {
        "majority": majority_baseline(evidence.train_counts, n_samples),
        "even_odds": even_odds_baseline(evidence.train_counts, n_samples),
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
    out = []
    for name, probabilities in baselines.items():
        scores = classification_scores(evidence.y, probabilities)
        out.append(
            BaselineScores(name=name, log_loss=scores.log_loss, accuracy=scores.accuracy),
        )
    return tuple(out)


def _unjudgeable(
    evidence: JudgeInput, scores: Scores, n_events: int, interval: Interval | None
) -> tuple[str, ...]:
    """Return why no conclusion can be drawn in either direction."""
    part = evidence.judged_part
    out = list(evidence.degenerate_reasons)
    if evidence.train_counts.sum() == 0:
        out.append("the training part holds no sample.")
    if len(evidence.y) == 0:
        out.append(f"the {part} part holds no sample.")
    for k in (BUY, SELL):
        name = CLASS_NAMES[k]
        if evidence.train_counts.sum() and evidence.train_counts[k] == 0:
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
            f"({skill.best}) is {text.ends(skill.interval)} nats per sample; it must lie "
            "above zero."
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
