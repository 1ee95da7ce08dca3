"""Gates: small questions to the evidence, each answered with a value and a sentence.

A gate whose evidence is missing fails. The numbers (100 independent events, null p of 0.05) are
those of `marketlab.evaluation`, so a gate and the judge cannot disagree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from marketlab.core import ConfigError, FrozenConfig, PluginRegistry, finite_or_none
from marketlab.evaluation import COLLAPSE_SHARE, MAX_NULL_P, MIN_EVENTS_TO_JUDGE

Stage = Literal["dry_run", "live"]
STAGES: tuple[Stage, ...] = ("dry_run", "live")


@dataclass(frozen=True, kw_only=True)
class GateInput:
    """What gates may look at: the verdict's mapping or None, the kind of data, the stage."""

    evidence: Mapping[str, Any] | None
    is_synthetic: bool
    stage: Stage


class GateResult(FrozenConfig):
    """One answer. `value` is None where the evidence does not state it; that never passes."""

    gate: str
    value: str | int | float | bool | None
    threshold: str | int | float | bool
    passed: bool
    sentence: str


class GateReport(FrozenConfig):
    """All answers for one stage, in the order in which the gates were asked."""

    stage: Stage
    passed: bool
    results: tuple[GateResult, ...]

    @property
    def failing(self) -> tuple[GateResult, ...]:
        """The results that did not pass."""
        return tuple(result for result in self.results if not result.passed)


class Gate(Protocol):
    """Answers one question; reads nothing but its argument, and never raises for missing facts."""

    def __call__(self, facts: GateInput) -> GateResult:
        """Return the answer for these facts."""
        ...


GATES: PluginRegistry[Gate] = PluginRegistry("gate")


@GATES.register("evidence_present")
def evidence_present(facts: GateInput) -> GateResult:
    """Pass if there is a verdict at all."""
    present = bool(facts.evidence)
    return GateResult(
        gate="evidence_present",
        value=present,
        threshold=True,
        passed=present,
        sentence="A verdict is attached." if present else "No verdict is attached to this card.",
    )


@GATES.register("learned")
def learned(facts: GateInput) -> GateResult:
    """Pass if the verdict's outcome is "learned"."""
    outcome = _get(facts, "outcome")
    passed = outcome == "learned"
    if outcome is None:
        sentence = "The evidence states no outcome."
    else:
        sentence = f"The verdict is {outcome!r}" + ("." if passed else ", not 'learned'.")
    return GateResult(
        gate="learned", value=outcome, threshold="learned", passed=passed, sentence=sentence
    )


@GATES.register("not_collapsed")
def not_collapsed(facts: GateInput) -> GateResult:
    """Pass if the model does not give nearly always one class."""
    scores = _get(facts, "scores")
    collapsed = scores.get("collapsed") if isinstance(scores, Mapping) else None
    passed = collapsed is False
    if not isinstance(collapsed, bool):
        collapsed, sentence = None, "The evidence does not say whether the forecasts collapsed."
    elif passed:
        sentence = f"No class takes more than {COLLAPSE_SHARE:.0%} of the forecasts."
    else:
        sentence = f"One class takes more than {COLLAPSE_SHARE:.0%} of the forecasts."
    return GateResult(
        gate="not_collapsed", value=collapsed, threshold=False, passed=passed, sentence=sentence
    )


@GATES.register("enough_events")
def enough_events(facts: GateInput) -> GateResult:
    """Pass with at least 100 independent events in the judged part."""
    events = _get(facts, "n_events")
    if isinstance(events, bool) or not isinstance(events, int):
        events = None
    passed = events is not None and events >= MIN_EVENTS_TO_JUDGE
    if events is None:
        sentence = "The evidence states no number of independent events."
    else:
        sentence = f"{events} independent events; at least {MIN_EVENTS_TO_JUDGE} are needed."
    return GateResult(
        gate="enough_events",
        value=events,
        threshold=MIN_EVENTS_TO_JUDGE,
        passed=passed,
        sentence=sentence,
    )


@GATES.register("beats_luck")
def beats_luck(facts: GateInput) -> GateResult:
    """Pass if the family-adjusted p-value against the null is at most 0.05."""
    raw = _get(facts, "null_p")
    number = None if isinstance(raw, bool | str) else finite_or_none(raw)
    passed = number is not None and 0.0 <= number <= MAX_NULL_P
    if number is None:
        sentence = "The evidence states no p-value against the null."
    else:
        sentence = (
            f"The adjusted p-value against the null is {number:.4g}; "
            f"at most {MAX_NULL_P} is needed."
        )
    return GateResult(
        gate="beats_luck",
        value=number,
        threshold=MAX_NULL_P,
        passed=passed,
        sentence=sentence,
    )


@GATES.register("real_data")
def real_data(facts: GateInput) -> GateResult:
    """Pass with real data, or on the way to a dry run."""
    passed = not facts.is_synthetic or facts.stage == "dry_run"
    if not facts.is_synthetic:
        sentence = "The model was trained on real data."
    elif passed:
        sentence = "The model was trained on synthetic data: a dry run is as far as it can go."
    else:
        sentence = "The model was trained on synthetic data and cannot go beyond a dry run."
    return GateResult(
        gate="real_data",
        value="synthetic" if facts.is_synthetic else "real",
        threshold="any" if facts.stage == "dry_run" else "real",
        passed=passed,
        sentence=sentence,
    )


DEFAULT_GATES: tuple[str, ...] = (
    "evidence_present",
    "learned",
    "not_collapsed",
    "enough_events",
    "beats_luck",
    "real_data",
)


def evaluate_gates(
    evidence: Mapping[str, Any] | None,
    *,
    is_synthetic: bool,
    stage: Stage = "dry_run",
    gates: Sequence[str] = DEFAULT_GATES,
) -> GateReport:
    """Ask every named gate; the report passes if all do.

    Parameters
    ----------
    evidence : the mapping of a `Verdict`, or None.
    is_synthetic : whether any data of the model were.
    stage : "dry_run", or "live" for what would be needed there.

    Raises
    ------
    ConfigError if a gate or stage is unknown, or no gate is named.
    """
    if stage not in STAGES:
        raise ConfigError(
            f"a stage is one of {', '.join(STAGES)}; received {stage!r}.", field="stage"
        )
    if not gates:
        raise ConfigError("at least one gate is needed; none would let everything pass.")
    facts = GateInput(evidence=evidence, is_synthetic=is_synthetic, stage=stage)
    results = tuple(GATES.get(name, field="gates")(facts) for name in gates)
    return GateReport(stage=stage, passed=all(r.passed for r in results), results=results)


def _get(facts: GateInput, key: str) -> Any:
    return None if facts.evidence is None else facts.evidence.get(key)
