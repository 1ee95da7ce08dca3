"""The words of a verdict, written for the reader who hoped otherwise."""

import math
from dataclasses import dataclass

import numpy as np

from marketlab.evaluation._bootstrap import Interval
from marketlab.evaluation._scores import BUY, N_CLASSES, SELL, Scores, sample_log_loss
from marketlab.evaluation._verdict import (
    MAX_NULL_P,
    MIN_EVENTS_TO_JUDGE,
    JudgeInput,
    NullEvidence,
    Outcome,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the texts are written from."""

    evidence: JudgeInput
    outcome: Outcome
    scores: Scores
    n_events: int
    best_baseline: str | None
    skill: float | None
    interval: Interval | None
    detectable: float | None
    detectable_points: float | None
    null_p: float | None

    @property
    def part_counts(self) -> tuple[int, ...]:
        """Samples of each class in the judged part."""
        return tuple(self.scores.supports.values())


def plural(count: int, noun: str) -> str:
    """Return ``1 event``, ``2 events``, ``12,345 events``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def nats(value: float) -> str:
    """Return a skill with sign and four digits after the point (more if they are all zero)."""
    return f"{value:+.4f}" if abs(value) >= 5e-5 or value == 0.0 else f"{value:+.1e}"


def ends(interval: Interval) -> str:
    """Return ``-0.0012 to +0.0340``."""
    return f"{nats(interval.low)} to {nats(interval.high)}"


def roughly(value: float) -> str:
    """Return a count to two significant digits, rounded up: an estimate should look like one."""
    if value < 100:
        return f"{math.ceil(value):,}"
    scale = 10 ** (math.floor(math.log10(value)) - 1)
    return f"{math.ceil(value / scale) * scale:,}"


def sentence(facts: Facts) -> str:
    """Return the finding in one sentence."""
    evidence, part = facts.evidence, facts.evidence.judged_part
    on = "On synthetic bars, " if evidence.is_synthetic else ""
    if facts.outcome == "insufficient data":
        return _capital(f"{on}{_insufficient(facts)}")
    if facts.outcome == "worse than baseline":
        return _capital(
            f"{on}the forecasts are worse than the simple rule {_rule(facts)}, which "
            f"needs no model: {_compared(facts)}."
        )
    if facts.outcome == "learned":
        return _capital(
            f"{on}the forecasts hold information on {evidence.label_text} that the simple rule "
            f"{_rule(facts)} lacks: {_compared(facts)}; {_noise(facts)}. This was "
            f"found on {part} data and says nothing yet about costs."
        )
    return _capital(
        f"{on}nothing here shows that anything about {evidence.label_text} was learned: "
        f"{_compared(facts)}{_null_clause(facts)}{_other_clause(facts)}."
    )


def _insufficient(facts: Facts) -> str:
    part = facts.evidence.judged_part
    if facts.scores.accuracy is None:
        return f"this run cannot answer the question, because its {part} part holds no sample"
    accuracy = f"{100 * facts.scores.accuracy:.1f} %"
    held = plural(facts.n_events, "independent event")
    if facts.n_events < MIN_EVENTS_TO_JUDGE:
        return (
            f"this run cannot answer the question: its {part} part holds {held} of "
            f"{facts.evidence.label_text} where {MIN_EVENTS_TO_JUDGE} are needed, so its accuracy "
            f"of {accuracy} speaks neither for nor against the design."
        )
    return (
        f"this run cannot answer the question, because a class or a part of the split is empty; "
        f"its accuracy of {accuracy} on {held} speaks neither for nor against the design."
    )


def _compared(facts: Facts) -> str:
    if facts.skill is None or facts.interval is None:
        raise AssertionError("a judged run has a skill and an interval")
    better = "better" if facts.skill >= 0 else "worse"
    return (
        f"over {plural(facts.n_events, 'independent event')} their log-loss is "
        f"{nats(abs(facts.skill)).lstrip('+')} nats per sample {better} than that of "
        f"{_rule(facts)} (95 % interval of the skill {ends(facts.interval)})"
    )


def _rule(facts: Facts) -> str:
    return "'" + str(facts.best_baseline).replace("_", " ") + "'"


def _null_clause(facts: Facts) -> str:
    if facts.null_p is None:
        return ", and no valid comparison with noise exists"
    return f"; {_noise(facts)}" if facts.null_p > MAX_NULL_P else ""


def _noise(facts: Facts) -> str:
    null, trials = facts.evidence.null, plural(facts.evidence.n_trials, "trial")
    if facts.null_p is None or null is None:
        raise AssertionError("only a null that counts is quoted")
    model = f"{null.model}, " if null.model else ""
    return f"against {null.noise} p = {facts.null_p:.2g} ({model}{trials})"


def _other_clause(facts: Facts) -> str:
    if facts.evidence.exclusions:
        return ", and the run is excluded from the evidence"
    return ", and the forecast gives nearly one answer only" if facts.scores.collapsed else ""


def null_reason(null: NullEvidence | None, null_p: float | None, n_trials: int) -> str:
    """Return why the null does not allow *learned*."""
    if null is None:
        return "no null was computed, so nobody knows what noise scores in this pipeline."
    if not null.same_procedure:
        return (
            "the null was not made by the same procedure as the observed score, so its p does "
            "not count."
        )
    if null.p_adjusted is None:
        return (
            "there is no p: the statistic could not be computed on the real bars, or for every "
            "strategy on 19 surrogates."
        )
    if not null.tests_direction or null_p is None:
        return (
            f"the p of {null.p_adjusted:.3g} is against {null.noise}; being small it would not say "
            "that direction is forecast, so it decides nothing (sign_flip does)."
        )
    error = (
        "" if null.monte_carlo_error is None else f" (Monte Carlo ±{null.monte_carlo_error:.2g})"
    )
    trials = (
        f", {null_p:.3g} after {n_trials:,} trials in all" if n_trials > null.family_size else ""
    )
    return (
        f"the null's p over a family of {null.family_size:,} is {null.p_adjusted:.3g}{error}"
        f"{trials}; it must be at most {MAX_NULL_P:g}."
    )


def would_change(facts: Facts) -> tuple[str, ...]:
    """Return what would have to be different for another verdict, computed where possible."""
    if facts.outcome == "learned":
        if facts.evidence.judged_part == "test":
            return ()
        return (_OPEN_THE_SEAL,)
    return (*_fix_inputs(facts), *_fix_skill(facts), *_fix_null(facts))


_OPEN_THE_SEAL = (
    "opening the sealed test part, once: an interval there that reaches down to zero would end "
    "the claim."
)


def _fix_skill(facts: Facts) -> tuple[str, ...]:
    out = []
    few = facts.n_events < MIN_EVENTS_TO_JUDGE
    if few and len(facts.evidence.y):
        missing = MIN_EVENTS_TO_JUDGE - facts.n_events
        out.append(_more_events(facts, missing, "to be judged at all"))
    if facts.interval is None or facts.skill is None or facts.interval.low > 0:
        return tuple(out)
    needed = _events_for_interval(facts)
    if needed is None:
        out.append(
            "a forecast that beats the baseline: more events of this one would only make its "
            "lack of skill more certain."
        )
    elif needed > max(facts.n_events, MIN_EVENTS_TO_JUDGE):
        purpose = "for an interval above zero with 80 % probability, if the skill seen here is real"
        out.append(_more_events(facts, needed - facts.n_events, purpose))
    if facts.detectable and not few:
        out.append(
            f"a skill of about {nats(facts.detectable).lstrip('+')} nats per sample or more: that "
            f"is what {plural(facts.n_events, 'event')} can show with 80 % probability"
            f"{_as_accuracy(facts)}."
        )
    return tuple(out)


def _as_accuracy(facts: Facts) -> str:
    """Return the detectable skill in percentage points of accuracy (see `accuracy_points`)."""
    if facts.detectable_points is None:
        return ""
    points = f"{facts.detectable_points:.1f}"
    return (
        f" (over even odds it is worth about {points} percentage points of accuracy in a two-class "
        "label, by skill = 2 d² for a share of right answers of 1/2 + d)"
    )


def _fix_inputs(facts: Facts) -> tuple[str, ...]:
    evidence, part = facts.evidence, facts.evidence.judged_part
    trained = evidence.train_counts.reshape(-1, N_CLASSES).min(axis=0)  # of the poorest fold
    out = []
    if evidence.degenerate_reasons or len(evidence.y) == 0 or trained.sum() == 0:
        out.append("more bars, or shares of the split that leave samples in every part.")
    else:
        one_sided = [
            name
            for name, counts in (("training", trained), (part, facts.part_counts))
            if not (counts[BUY] and counts[SELL])
        ]
        out += [
            f"a {name} part with both directions in it: more bars, or labels of shorter events."
            for name in one_sided
        ]
    if evidence.exclusions:
        out.append("a design that is not excluded (see the reasons).")
    if facts.scores.collapsed:
        out.append("forecasts that use more than one class.")
    return tuple(out)


def _more_events(facts: Facts, missing: float, purpose: str) -> str:
    # Bars that are judged, not the span: a walk forward leaves out purged bars between its blocks,
    # and the share is one of usable bars.
    n_bars = len(np.unique(facts.evidence.bar))
    rate = facts.n_events / n_bars * 1000
    bars = missing / rate * 1000
    where = f"in the {facts.evidence.judged_part} part"
    share = facts.evidence.judged_share
    in_all = (
        f", {roughly(bars / share)} in all at its share of {100 * share:.3g} %" if share else ""
    )
    return (
        f"about {roughly(missing)} more events {purpose}: this series gives {_rate(rate)} "
        f"events of {facts.evidence.label_text} per 1,000 bars, so about {roughly(bars)} more "
        f"bars {where}{in_all}."
    )


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _events_for_interval(facts: Facts) -> float | None:
    """Return how many events the skill seen here would need, from n * (detectable / skill)^2."""
    if facts.detectable is None or facts.skill is None or facts.skill <= 0:
        return None
    return facts.n_events * (facts.detectable / facts.skill) ** 2


def _fix_null(facts: Facts) -> tuple[str, ...]:
    null = facts.evidence.null
    if null is None or not null.same_procedure:
        return ("a null of 199 surrogates or more through the very same procedure.",)
    if null.monte_carlo_error is None or facts.null_p is None:
        return ("an observed statistic that can be computed, to be compared with the surrogates'.",)
    factor = max(1.0, facts.evidence.n_trials / max(1, null.family_size))
    least = math.ceil(factor / MAX_NULL_P - 1e-9) - 1
    text = ""
    if null.n_surrogates < least:
        text = (
            f"at least {least:,} surrogates: with {null.n_surrogates:,} no p can reach "
            f"{MAX_NULL_P:g}."
        )
    elif MAX_NULL_P < facts.null_p <= MAX_NULL_P + 2 * factor * null.monte_carlo_error:
        text = (
            f"more surrogates: with {null.n_surrogates:,} the p of {facts.null_p:.3g} cannot be "
            f"told from {MAX_NULL_P:g}."
        )
    elif facts.null_p > MAX_NULL_P:
        text = (
            f"a skill that at most {100 * MAX_NULL_P:g} % of surrogate markets reach: more "
            "surrogates would not bring it, and more bars only if the effect is real."
        )
    return (text,) if text else ()


def notes(facts: Facts) -> tuple[str, ...]:
    """Return what the reader must know beside the verdict."""
    evidence = facts.evidence
    out = []
    if evidence.judged_part == "walk-forward":
        out.append(
            "Judged on the test blocks of a walk forward, each forecast by a model trained before "
            f"it; {evidence.test_note}."
        )
    elif evidence.judged_part == "validation":
        out.append(f"Judged on the validation part; {evidence.test_note}.")
        if evidence.selected_on_judged_part:
            out.append(
                "The validation part also chose the epoch, so the intervals are a little too "
                f"favourable; {_epoch_in_null(evidence.null)}."
            )
    else:
        out.append(f"Judged on the test part, opened {plural(evidence.n_test_openings, 'time')}.")
        if evidence.n_test_openings > 1:
            out.append("A test part that is opened again is no longer unseen.")
    out += _simpler(facts)
    if evidence.is_synthetic:
        out.append("The bars are synthetic: this tests the program and says nothing of a market.")
    return tuple(out)


def _epoch_in_null(null: NullEvidence | None) -> str:
    if null is None or not null.same_procedure:
        return "no valid null makes up for it"
    if null.chooses_epoch:
        return "the null's nets chose theirs in the same way, so its p makes up for it"
    return "the null refits models that choose no epoch, so its p says nothing of that"


def _simpler(facts: Facts) -> tuple[str, ...]:
    """Return which shown baseline says more than the forecasts do, if any does."""
    own = facts.scores.log_loss
    losses = {
        name: float(sample_log_loss(facts.evidence.y, rows).mean())
        for name, rows in facts.evidence.shown.items()
        if len(rows)
    }
    if own is None or not losses or min(losses.values()) >= own:
        return ()
    best = min(losses, key=lambda name: losses[name])
    sentence = (
        f"A simpler model says more: {best.replace('_', ' ')} has a log-loss of "
        f"{losses[best]:.4f}, these forecasts {own:.4f}. It decides nothing here, but there is no "
        "reason to prefer the forecasts to it."
    )
    return (sentence,)


def _capital(words: str) -> str:
    done = words if words.endswith(".") else f"{words}."
    return done[0].upper() + done[1:]
