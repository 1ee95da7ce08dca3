"""What a campaign found, in words: its one sentence, its duplicates, failures and reasons."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marketlab.campaigns._results import CampaignResults, RunResult
from marketlab.campaigns._run_facts import RunFacts, nats_text, p_text
from marketlab.evaluation import MIN_EVENTS_TO_JUDGE


def campaign_answer(results: CampaignResults, facts: Sequence[RunFacts]) -> tuple[str, str]:
    """Return the finding of the campaign in one sentence, and one more that says how sure it is.

    The second may be empty. Duplicates and excluded runs are no evidence and do not count.
    """
    n = len(results.runs)
    on = "On synthetic bars, " if results.dataset.get("is_synthetic") else ""
    if not results.completed:
        return f"No run of this campaign completed, so it says nothing about {_all(n)}.", ""
    known = [f for f in facts if f.outcome is not None]
    if not known:
        return f"{len(results.completed)} of {n} runs completed and none is judged yet.", ""
    learned = [f for f in facts if f.is_evidence and f.outcome == "learned"]
    judged = [f for f in facts if f.position is not None]
    if learned:
        first = f"{len(learned)} of {n} strategies learned something that noise does not explain"
        return _capital(f"{on}{first}: {_names(learned)}."), _rest(facts, learned, n)
    if judged:
        first = f"nothing here shows that {_any(n)} learned anything."
        return _capital(f"{on}{first}"), _best_of(judged, results.null) + _unjudged(facts)
    if not any(f.is_evidence for f in known):
        first = "no run of this campaign counts as evidence: each was excluded or is a copy."
        return _capital(f"{on}{first}"), "The reasons stand beside each run."
    enough = any((f.n_events or 0) >= MIN_EVENTS_TO_JUDGE for f in known)
    why = "its parts lack a direction" if enough else "it holds too few independent events"
    return _capital(f"{on}this campaign cannot answer its question: {why}."), _too_few(known)


def run_answer(fact: RunFacts) -> tuple[str, str]:
    """Return what one run amounts to in a sentence or two; the second part may be empty."""
    run = fact.run
    if fact.sentence:
        again = f" It is the same design as {run.duplicate_of}." if run.duplicate_of else ""
        return fact.sentence, again.strip()
    if run.status == "completed":
        return "This run completed and is not judged yet.", ""
    why = f"{run.error_code}: {run.error}" if run.error else ""
    return f"This run did not complete (it is {run.status}), so it says nothing.", why


def _all(n: int) -> str:
    return "its one strategy" if n == 1 else f"its {n} strategies"


def _any(n: int) -> str:
    return "the one strategy" if n == 1 else f"any of the {n} strategies"


def _too_few(known: Sequence[RunFacts]) -> str:
    most = max((f.n_events or 0) for f in known)
    if most >= MIN_EVENTS_TO_JUDGE:
        return (
            "In every run a class or a part of the split is empty, so no accuracy here speaks for "
            "or against a design."
        )
    part = known[0].judged_part or "validation"
    return (
        f"No {part} part holds more than {most} where {MIN_EVENTS_TO_JUDGE} are needed, so no "
        "accuracy here speaks for or against a design."
    )


def _best_of(judged: Sequence[RunFacts], null: Mapping[str, Any] | None) -> str:
    best = max(judged, key=lambda f: f.ranking_skill or 0.0)
    skill = best.skill or 0.0
    text = (
        f"The best of them, {best.run.strategy}, is {abs(skill):.4f} nats per sample "
        f"{'better' if skill >= 0 else 'worse'} than the best simple rule"
    )
    if best.low is not None and best.high is not None:
        text += f" (95 % interval {nats_text(best.low)} to {nats_text(best.high)})"
    if best.null_p is not None:
        text += (
            ", and the best of as many strategies on noise does as well with "
            f"p = {p_text(best.null_p)}{as_linear(null)}"
        )
    return f"{text}."


def as_linear(null: Mapping[str, Any] | None) -> str:
    """Say so where the null compares linear refits, because the skill named before is the net's."""
    return " (both as linear models)" if "linear" in str((null or {}).get("statistic")) else ""


def _unjudged(facts: Sequence[RunFacts]) -> str:
    few = sum(f.outcome == "insufficient data" for f in facts)
    return f" {few} could not be judged for lack of data." if few else ""


def _rest(facts: Sequence[RunFacts], learned: Sequence[RunFacts], n: int) -> str:
    if len(learned) == n:
        return "No other was tried."
    taken = {f.run.strategy for f in learned}
    others = [f for f in facts if f.run.strategy not in taken]
    spare = sum(f.outcome is not None and not f.is_evidence for f in others)
    counts = Counter(
        f.outcome or "no verdict" for f in others if f.outcome is None or f.is_evidence
    )
    parts = [f"{count} {name}" for name, count in counts.most_common()]
    parts += [f"{spare} duplicate or excluded"] if spare else []
    return f"The rest: {', '.join(parts)}."


def _names(facts: Sequence[RunFacts]) -> str:
    ordered = sorted(facts, key=lambda f: f.position or 0)
    names = [f.run.strategy for f in ordered]
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


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
    """Group `reasons`, `would_change` or `notes` by their words, the commonest first."""
    return by_shape([(text, f.run.strategy) for f in facts for text in getattr(f, field)])


def by_shape(texts: Sequence[tuple[str, str]]) -> list[Statement]:
    """Group pairs of text and strategy by the text without its figures."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for text, strategy in texts:
        shape = re.sub(r"[+-]?\d[\d.,e-]*", "#", text)
        groups.setdefault(shape, []).append((text, strategy))
    return [
        Statement(found[0][0], tuple(name for _, name in found), len({t for t, _ in found}) > 1)
        for found in sorted(groups.values(), key=len, reverse=True)
    ]
